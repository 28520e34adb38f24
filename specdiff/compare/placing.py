"""Operations on small arrays that put numbers in places: the part of `numbers` that reads or writes by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from specdiff.compare.numbers import Array, NotEvaluated, key, unary
from specdiff.results import Computed

IN_PLACE = frozenset({"index_add", "setitem", "scatter", "overwrite"})
"""Kinds that change the first of what they read."""


def _nonzero(operation: Computed, x: Array) -> Array:
    axis = operation.settings.get("axis")
    found = np.nonzero(x)
    return found[axis] if isinstance(axis, int) else np.stack(found, -1)


def _index_add(operation: Computed, x: Array, index: Array, source: Array) -> Array:
    dim, times = operation.settings.get("dim"), operation.settings.get("alpha", 1)
    if not isinstance(dim, int) or not isinstance(times, int | float):
        raise NotEvaluated("where `index_add` adds is not known")
    made = np.array(x, float)
    if operation.settings.get("copies"):
        np.moveaxis(made, dim, 0)[index] = np.moveaxis(source, dim, 0)
        return made
    np.add.at(np.moveaxis(made, dim, 0), index, np.moveaxis(source * times, dim, 0))
    return made


def _setitem(operation: Computed, x: Array, *more: Array) -> Array:
    spec, value = operation.settings.get("spec"), operation.settings.get("value")
    count = sum(each == "tensor" for each in spec) if isinstance(spec, tuple) else 0
    left, indices = more[: len(more) - count], more[len(more) - count :]
    if value is None and len(left) != 1:
        raise NotEvaluated("what is written into a tensor is not known")
    made = np.array(x)
    if left and left[0].dtype.kind == "f" and made.dtype.kind != "f":
        made = made.astype(float)
    made[key(spec, indices)] = left[0] if left else value
    return made


def _scatter(operation: Computed, x: Array, index: Array, *source: Array) -> Array:
    settings = operation.settings
    if settings.get("reduce") is not None or settings.get("adds"):
        raise NotEvaluated("a `scatter` that adds is not worked out")
    dim, value = settings.get("dim"), settings.get("value")
    if not isinstance(dim, int) or (value is None and not source):
        raise NotEvaluated("what `scatter` writes is not known")
    made = np.array(x, float if x.dtype.kind != "b" else bool)
    written = np.broadcast_to(np.asarray(value), index.shape) if not source else source[0]
    np.put_along_axis(made, index, written[tuple(map(slice, index.shape))], dim)
    return made


def _overwrite(operation: Computed, base: Array, view: Array) -> Array:
    way = operation.settings.get("way")
    if not isinstance(way, tuple):
        if base.shape != view.shape:
            raise NotEvaluated("which part of a tensor was changed in place is not known")
        return view
    made = np.array(base, np.result_type(base, view))
    part = made
    for spec in way[:-1]:
        part = part[key(spec, ())]
    part[key(way[-1], ())] = view
    return made


def _pad(operation: Computed, x: Array) -> Array:
    amounts, mode = operation.settings.get("amounts", operation.settings.get("pad")), operation.settings.get("mode")
    value = operation.settings.get("value")
    if not isinstance(amounts, tuple) or mode not in (None, "constant"):
        raise NotEvaluated("a padding is not known")
    pairs: list[tuple[int, int]] = [(0, 0)] * x.ndim
    for place in range(len(amounts) // 2):
        before, after = amounts[2 * place : 2 * place + 2]
        if not isinstance(before, int) or not isinstance(after, int) or min(before, after) < 0:
            raise NotEvaluated("a padding is not known")
        pairs[x.ndim - 1 - place] = (before, after)
    return np.pad(x, pairs, constant_values=value if isinstance(value, int | float) else 0)


def _per_axis(value: Any, count: int) -> tuple[int, ...]:
    found = value if isinstance(value, tuple) else (value,) * count
    found = found * count if len(found) == 1 else found
    if len(found) != count or not all(isinstance(each, int) for each in found):
        raise NotEvaluated("a setting of a convolution is not known")
    return found


def _conv(operation: Computed, x: Array, weight: Array, *bias: Array) -> Array:
    """A convolution as a product with every window."""
    settings = operation.settings
    count = weight.ndim - 2
    if x.ndim != weight.ndim:
        raise NotEvaluated("a convolution of one example without a batch is not worked out")
    stride = _per_axis(settings.get("stride", 1), count)
    dilation = _per_axis(settings.get("dilation") or 1, count)
    groups = settings.get("groups", 1)
    padding = settings.get("padding", 0)
    if not isinstance(groups, int) or settings.get("padding_mode", "zeros") != "zeros":
        raise NotEvaluated("a setting of a convolution is not known")
    reach = [step * (size - 1) for step, size in zip(dilation, weight.shape[2:], strict=True)]
    if padding == "same":
        around = [(each // 2, each - each // 2) for each in reach]
    else:
        around = [(each, each) for each in _per_axis(0 if padding == "valid" else padding, count)]
    x = np.pad(x, [(0, 0), (0, 0), *around])
    axes = tuple(range(2, 2 + count))
    windows = np.lib.stride_tricks.sliding_window_view(x, [each + 1 for each in reach], axes)
    steps = tuple(slice(None, None, step) for step in stride)
    inner = tuple(slice(None, None, step) for step in dilation)
    windows = windows[(slice(None), slice(None), *steps, *inner)]
    places = windows.shape[2 : 2 + count]
    size = windows[0, 0][(0,) * count].size
    # batch, groups, places, channels of a group times the window's places
    flat = np.moveaxis(windows, 1, 1 + count).reshape(x.shape[0], -1, groups, x.shape[1] // groups * size)
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    made = np.einsum("bpgc,gkc->bgkp", flat, rows, optimize=True).reshape(x.shape[0], weight.shape[0], *places)
    return made + bias[0].reshape(-1, *(1,) * count) if bias else made


def _sort(operation: Computed, x: Array) -> Array:
    dim = operation.settings.get("dim", -1)
    down = operation.settings.get("descending")
    if not isinstance(dim, int):
        raise NotEvaluated("a dimension is not known")
    order = np.argsort(-x if down else x, axis=dim, kind="stable")
    return order if operation.settings.get("output") == "indices" else np.take_along_axis(x, order, dim)


def _nan_to_num(operation: Computed, x: Array) -> Array:
    settings = operation.settings
    if any(settings.get(each) is not None for each in ("nan", "posinf", "neginf")):
        raise NotEvaluated("what stands for what is no number is not worked out")
    return np.nan_to_num(x, posinf=3.4028234663852886e38, neginf=-3.4028234663852886e38)


def _addends(operation: Computed, base: Array, x: Array, y: Array) -> Array:
    times = [operation.settings.get(name, 1) for name in ("beta", "alpha")]
    if not all(isinstance(each, int | float) for each in times):
        raise NotEvaluated("a factor of a product is not known")
    return times[0] * base + times[1] * (x @ y)


def _unfolded(operation: Computed, x: Array) -> Array:
    dim, size, step = (operation.settings.get(each) for each in ("dimension", "size", "step"))
    if not (isinstance(dim, int) and isinstance(size, int) and isinstance(step, int)):
        raise NotEvaluated("windows are not known")
    found = np.lib.stride_tricks.sliding_window_view(x, size, dim)
    return found[(slice(None),) * (dim % x.ndim) + (slice(None, None, step),)]


def _mish(x: Array) -> Array:
    return x * np.tanh(np.logaddexp(x, 0))


def _plain(function: Callable[..., Array]) -> Callable[..., Array]:
    def done(operation: Computed, *arrays: Array) -> Array:
        return function(*arrays)

    return done


def _complex_parts(x: Array) -> Array:
    return np.stack((x.real, x.imag), -1)


def _repeated(operation: Computed, x: Array, *times: Array) -> Array:
    dim = operation.settings.get("dim")
    count = times[0] if times else operation.settings.get("repeats")
    if not isinstance(count, int | np.ndarray):
        raise NotEvaluated("how often something is repeated is not known")
    return np.repeat(x, count, dim if isinstance(dim, int) else None)


def _leaky(operation: Computed, x: Array) -> Array:
    slope = operation.settings.get("negative_slope", 0.01)
    if not isinstance(slope, int | float):
        raise NotEvaluated("a slope is not known")
    return np.where(x > 0, x, slope * x)


def _argument(pick: Callable[..., Array]) -> Callable[..., Array]:
    def done(operation: Computed, x: Array) -> Array:
        dim = operation.settings.get("dim")
        if dim is not None and not isinstance(dim, int):
            raise NotEvaluated("a dimension is not known")
        return pick(x, axis=dim, keepdims=bool(operation.settings.get("keepdim")))

    return done


def _elu(operation: Computed, x: Array) -> Array:
    alpha = operation.settings.get("alpha", 1.0)
    if not isinstance(alpha, int | float):
        raise NotEvaluated("a setting of `elu` is not known")
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _log_softmax(operation: Computed, x: Array) -> Array:
    dim = operation.settings.get("dim")
    if not isinstance(dim, int):
        raise NotEvaluated("a dimension is not known")
    x = x - x.max(dim, keepdims=True)
    return x - np.log(np.exp(x).sum(dim, keepdims=True))


def _cumulated(function: Callable[..., Array]) -> Callable[..., Array]:
    def done(operation: Computed, x: Array) -> Array:
        dim = operation.settings.get("dim")
        if not isinstance(dim, int):
            raise NotEvaluated("a dimension is not known")
        return function(x, dim)

    return done


def _diagonal(operation: Computed, x: Array) -> Array:
    settings = operation.settings
    given = [settings.get("offset", 0), settings.get("dim1", 0), settings.get("dim2", 1)]
    numbers = [each for each in given if isinstance(each, int)]
    if len(numbers) != len(given):
        raise NotEvaluated("a diagonal is not known")
    return np.diagonal(x, *numbers)


PLACED: dict[str, Callable[..., Array]] = {
    "nonzero": _nonzero, "index_add": _index_add, "setitem": _setitem, "scatter": _scatter, "overwrite": _overwrite,
    "pad": _pad, "conv": _conv, "sort": _sort, "nan_to_num": _nan_to_num, "outer": _plain(np.multiply.outer),
    "polar": _plain(lambda length, angle: length * np.exp(1j * angle)), "view_as_real": unary(_complex_parts),
    "view_as_complex": unary(lambda x: x[..., 0] + 1j * x[..., 1]), "complex": _plain(lambda x, y: x + 1j * y),
    "real": unary(np.real), "imag": unary(np.imag), "conj": unary(np.conj), "copy": _plain(lambda x: x),
    "baddbmm": _addends, "addmm": _addends, "unfold": _unfolded, "mish": unary(_mish), "repeat_interleave": _repeated,
    "leaky_relu": _leaky, "elu": _elu, "log_softmax": _log_softmax, "argmax": _argument(np.argmax), "argmin": _argument(np.argmin),
    "cumprod": _cumulated(np.cumprod), "diagonal": _diagonal, "sign": unary(np.sign), "log1p": unary(np.log1p),
    "expm1": unary(np.expm1), "exp2": unary(np.exp2), "log2": unary(np.log2), "ceil": unary(np.ceil), "round": unary(np.round),
    "logsigmoid": unary(lambda x: -np.logaddexp(-x, 0)), "relu6": unary(lambda x: np.clip(x, 0, 6)), "isfinite": unary(np.isfinite),
    "isinf": unary(np.isinf), "isnan": unary(np.isnan), "hardtanh": unary(lambda x: np.clip(x, -1, 1)),
    "logical_xor": _plain(np.logical_xor), "bitwise_not": unary(lambda x: ~x), "invert": unary(lambda x: ~x),
}  # fmt: skip
"""By kind, beside those of `numbers`."""
