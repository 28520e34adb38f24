"""Single operations carried out on small arrays of numbers: what decides whether two ways of writing come to the same.

Nothing of the analysed code runs here: the operations are those that the analysis recorded. What has no entry in `DONE`
is not evaluated, and what it stands in is left open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from specdiff.results import Computed, Seen

Array: TypeAlias = Any
MOST = 1 << 24
"""Elements of an array up to which it is worked out."""
_PERIOD = 1_000_003
"""Random numbers that are drawn; a larger array repeats them, and no row of it is this long."""
_ROUNDING = 1e-4
"""Share of an ordinary number that sums in 32 bits may differ by."""
_SAYS_NOTHING = frozenset({"inplace", "open", "each", "out", "where", "dtype"})
"""Settings that change no number of a function of one number."""
_MASKED = -1e30
"""Scores at most this large vanish in any softmax: every way of writing a mask comes to the same."""


class NotEvaluated(Exception):
    """An operation that is not worked out; the message says which and why."""


def random(size: tuple[int, ...], dtype: str, seed: str, positive: bool = False, scale: float = 1.0) -> Array:
    """Numbers that depend on the arguments alone; whole ones are 0 or 1.

    Raises:
        NotEvaluated: too many.
    """
    if math.prod(size) > MOST:
        raise NotEvaluated("a tensor is too large to be worked out; a smaller configuration on both sides may be")
    source = np.random.default_rng(list(seed.encode("utf-8", "surrogatepass")))
    if dtype == "bool":
        return source.random(size) < 0.5  # noqa: PLR2004 - as often as not
    if "int" in dtype:
        return source.integers(0, 2, size)
    count = math.prod(size)
    found = source.standard_normal(min(count, _PERIOD)) * scale
    if positive:
        found = np.abs(found)
    return found.reshape(size) if count <= _PERIOD else np.resize(found.astype(np.float32), size)


def weight(size: tuple[int, ...], label: str) -> Array:
    """A parameter, such that what it makes of ordinary numbers is as large as they are."""
    return random(size, "float32", label, scale=size[-1] ** -0.5 if len(size) > 1 else 1.0)


def given(seen: Seen) -> Array:
    """A short constant."""
    if seen.dtype.startswith("complex"):
        parts = np.array(seen.values).reshape(-1, 2)
        return (parts[:, 0] + 1j * parts[:, 1]).reshape(seen.size or ())
    kind = bool if seen.dtype == "bool" else np.int64 if "int" in seen.dtype else float
    values = np.array(seen.values).astype(kind)
    if values.size == 1:
        return np.broadcast_to(values.reshape(()), seen.size or ())
    return values.reshape(seen.size or ())


def distance(one: Array, other: Array) -> float | None:
    """The largest difference as a share of an ordinary number; None where too few of the numbers are numbers.

    What numbers in 32 bits differ by in any case counts as nothing.
    """
    rounding = _ROUNDING if np.float32 in (one.dtype, other.dtype) else 0.0
    if spread(one.shape) != spread(other.shape):
        return math.inf
    one, other = (side.reshape(spread(side.shape)) for side in (one, other))
    one, other = (np.where(side <= _MASKED, _MASKED, side).astype(float) for side in (one, other))
    known = np.isfinite(one) & np.isfinite(other)
    if not (np.isfinite(one) == np.isfinite(other)).all():
        return math.inf
    if known.sum() * 2 < known.size or not known.any():
        return None
    masked = (one == _MASKED) != (other == _MASKED)
    if masked.any():
        return math.inf
    plain = known & (one != _MASKED)
    if not plain.any():
        return 0.0
    ordinary = max(float(np.sqrt(np.mean(side[plain] ** 2))) for side in (one, other))
    found = float(np.abs(one[plain] - other[plain]).max()) / ordinary if ordinary else 0.0
    return 0.0 if found < rounding else found


def spread(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without leading ones, which change nothing in what it is combined with."""
    first = next((place for place, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]


def _given(operation: Computed, name: str) -> Any:
    """A setting as numpy wants it; none where it was not given."""
    return operation.settings.get(name)


def unary(function: Callable[[Array], Array]) -> Callable[..., Array]:
    def done(operation: Computed, x: Array) -> Array:
        more = {name for name, value in operation.settings.items() if value not in (None, (), False)} - _SAYS_NOTHING
        if more:
            raise NotEvaluated(f"`{operation.kind}` with {', '.join(sorted(more))} is not worked out")
        return function(x)

    return done


def _binary(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def done(operation: Computed, x: Array, *more: Array) -> Array:
        if more:
            sides = (x, more[0])
        else:
            other = operation.number if operation.number is not None else operation.settings["other"]
            sides = (x, other)
        if operation.settings.get("reflected"):
            sides = (sides[1], sides[0])
        return function(*sides)

    return done


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


_erf = np.vectorize(math.erf, otypes=[float])


def _gelu(operation: Computed, x: Array) -> Array:
    if operation.settings.get("approximate") == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _softmax_over(x: Array, dim: int) -> Array:
    raised = np.exp(x - np.where(np.isfinite(top := x.max(dim, keepdims=True)), top, 0))
    return raised / raised.sum(dim, keepdims=True)


def _softmax(operation: Computed, x: Array) -> Array:
    return _softmax_over(x, _whole(operation.settings["dim"]))


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotEvaluated("a dimension is not known")
    return value


def _reduce(operation: Computed, x: Array) -> Array:
    which = str(operation.settings["which"])
    dims = operation.settings.get("dims")
    axis = tuple(_whole(each) for each in dims) if isinstance(dims, tuple) else dims
    keep = bool(operation.settings.get("keepdim"))
    if which in ("var", "std"):
        free = operation.settings.get("correction", 1 if operation.settings.get("unbiased", True) else 0)
        return getattr(np, which)(x, axis=axis, keepdims=keep, ddof=free)
    names = {
        "amax": "max",
        "amin": "min",
        "mean": "mean",
        "sum": "sum",
        "max": "max",
        "min": "min",
        "prod": "prod",
        "any": "any",
        "all": "all",
    }
    return getattr(np, names[which])(x, axis=axis, keepdims=keep)


def _norm(x: Array, axes: tuple[int, ...], eps: float, weights: Sequence[Array], centred: bool) -> Array:
    if centred:
        x = x - x.mean(axes, keepdims=True)
    x = x / np.sqrt((x * x).mean(axes, keepdims=True) + eps)
    for weight, how in zip(weights, (np.multiply, np.add), strict=False):
        x = how(x, weight)
    return x


def _layer_norm(operation: Computed, x: Array, *weights: Array) -> Array:
    eps = operation.settings["eps"]
    rank = weights[0].ndim if weights else 1
    if not isinstance(eps, float | int):
        raise NotEvaluated("the eps of a norm is not known")
    return _norm(x, tuple(range(-rank, 0)), eps, weights, operation.kind == "layer_norm")


def _linear(operation: Computed, x: Array, weight: Array, *bias: Array) -> Array:
    return _product(x, weight.swapaxes(-1, -2)) + (bias[0] if bias else 0)


def _product(x: Array, y: Array) -> Array:
    """A matrix product; in 32 bits where one side is so large that it is kept in them."""
    return x.astype(np.float32) @ y.astype(np.float32) if np.float32 in (x.dtype, y.dtype) else x @ y


def _cast(operation: Computed, x: Array) -> Array:
    to = operation.result.dtype
    if to.startswith("complex"):
        return x.astype(complex)
    return x.astype(bool) if to == "bool" else np.trunc(x).astype(np.int64) if "int" in to else x.astype(float)


def _constant(operation: Computed, *made: Array) -> Array:
    if made:
        return made[0]  # how it was made is written before it
    size, values = operation.result.size, operation.result.values
    assert size is not None
    if values is not None:
        return given(operation.result)
    if operation.settings.get("fill") is not None:
        return np.full(size, _given(operation, "fill"))
    if operation.result.dtype.startswith("float") and "range" not in operation.settings:
        return np.full(size, np.nan)  # an empty one: what nothing writes later is no number
    if "range" not in operation.settings:
        raise NotEvaluated("a constant is not known")
    return np.arange(*_given(operation, "range"))


def key(spec: Any, indices: Sequence[Array]) -> tuple[Any, ...]:
    """A subscript as recorded: ``:``, a number, none, a slice's three numbers, or a tensor."""
    left = list(indices)
    found: list[Any] = []
    for each in spec if isinstance(spec, tuple) else (spec,):
        if isinstance(each, tuple):
            found.append(slice(*each))
        elif each == "tensor":
            found.append(left.pop(0))
        else:
            found.append({":": slice(None), "...": Ellipsis}.get(each, each) if isinstance(each, str) else each)
    return tuple(found)


def _index(operation: Computed, x: Array, *indices: Array) -> Array:
    dim, picks = operation.settings.get("dim"), operation.settings.get("picks")
    if isinstance(dim, int) and len(indices) == 1:
        return x.take(indices[0], axis=dim)
    if isinstance(picks, tuple):
        chosen = [list(each[1:]) if isinstance(each, tuple) and each[:1] == ("at",) else each for each in picks]
        return x[tuple(each if isinstance(each, list) else key((each,), ())[0] for each in chosen)]
    return x[key(operation.settings["spec"], indices)]


def _split(operation: Computed, x: Array) -> Array:
    start, length = _whole(operation.settings["start"]), _whole(operation.settings["length"])
    return x.take(range(start, start + length), axis=_whole(operation.settings["dim"])).reshape(_size(operation))


def _where(operation: Computed, condition: Array, *sides: Array) -> Array:
    left = list(sides)
    values = _given(operation, "values") or (None, None)
    one, other = (left.pop(0) if value is None else value for value in values)
    return np.where(condition, one, other)


def _masked(operation: Computed, x: Array, mask: Array) -> Array:
    return np.where(mask.astype(bool), _given(operation, "value"), x)


def _clamp(operation: Computed, x: Array) -> Array:
    return np.clip(x, _given(operation, "min"), _given(operation, "max"))


def _compare(one: Array, other: Array, how: str) -> Array:
    return {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal,
            "!=": np.not_equal}[how](one, other)  # fmt: skip


def _topk(operation: Computed, x: Array) -> Array:
    dim, count = _whole(operation.settings.get("dim", -1)), _whole(operation.settings["k"])
    order = np.argsort(-x, axis=dim, kind="stable").take(range(count), axis=dim)
    return order if operation.settings["output"] == "indices" else np.take_along_axis(x, order, dim)


def _attention(operation: Computed, q: Array, k: Array, v: Array, *mask: Array) -> Array:
    scale = operation.settings.get("scale")
    times = q.shape[-3] // k.shape[-3]
    k, v = (np.repeat(side, times, -3) if times > 1 else side for side in (k, v))
    scores = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if operation.settings.get("causal"):
        scores = np.where(np.tri(*scores.shape[-2:]) > 0, scores, -np.inf)
    if mask:
        scores = np.where(mask[0], scores, -np.inf) if mask[0].dtype == bool else scores + mask[0]
    return _softmax_over(scores, -1) @ v


def _size(operation: Computed) -> tuple[int, ...]:
    """The size of a result; -1 where data decide it."""
    if operation.result.size is None:
        raise NotEvaluated(f"the size that `{operation.kind}` is to give is not known")
    free = operation.settings.get("open")
    axes = free if isinstance(free, tuple) else ()
    return tuple(-1 if axis in axes else size for axis, size in enumerate(operation.result.size))


def _expanded(x: Array, size: tuple[int, ...]) -> Array:
    own = (1,) * (len(size) - x.ndim) + x.shape
    return np.broadcast_to(x, tuple(here if want == -1 else want for here, want in zip(own, size, strict=True)))


def _filled(parts: Sequence[Array]) -> list[Array]:
    """Tensors to join without those that torch passes over: empty ones of one axis, as a cache that nothing is in yet is."""
    return [part for part in parts if part.shape != (0,)] or list(parts)


DONE: dict[str, Callable[..., Array]] = {
    "add": _binary(np.add), "sub": _binary(np.subtract), "mul": _binary(np.multiply), "div": _binary(np.divide),
    "floor_div": _binary(np.floor_divide), "remainder": _binary(np.mod), "pow": _binary(lambda x, y: np.power(np.asarray(x, float), y)),
    "maximum": _binary(np.maximum), "minimum": _binary(np.minimum), "matmul": lambda op, x, y: _product(x, y),
    "and": _binary(lambda x, y: np.logical_and(x, y) if bool in (np.asarray(x).dtype, np.asarray(y).dtype) else np.bitwise_and(x, y)),
    "or": _binary(np.logical_or), "logical_and": _binary(np.logical_and), "logical_or": _binary(np.logical_or),
    "logical_not": unary(np.logical_not), "neg": unary(np.negative), "exp": unary(np.exp), "log": unary(np.log),
    "sqrt": unary(np.sqrt), "rsqrt": unary(lambda x: 1 / np.sqrt(x)), "sigmoid": unary(_sigmoid), "tanh": unary(np.tanh),
    "silu": unary(lambda x: x * _sigmoid(x)), "relu": unary(lambda x: np.maximum(x, 0)), "gelu": _gelu,
    "softplus": unary(lambda x: np.logaddexp(x, 0)), "sin": unary(np.sin), "cos": unary(np.cos), "abs": unary(np.abs),
    "reciprocal": unary(lambda x: 1 / x), "square": unary(np.square), "erf": unary(_erf), "floor": unary(np.floor),
    "softmax": _softmax, "reduce": _reduce, "layer_norm": _layer_norm, "rms_norm": _layer_norm, "linear": _linear,
    "cast": _cast, "constant": _constant, "slice": _index, "index": _index, "split": _split, "where": _where,
    "masked_fill": _masked, "clamp": _clamp, "compare": lambda op, *sides: _binary(lambda x, y: _compare(x, y, str(op.settings["op"])))(op, *sides),
    "topk": _topk, "sdpa": _attention, "reshape": lambda op, x: x.reshape(_size(op)),
    "expand": lambda op, x: _expanded(x, _size(op)), "embedding": lambda op, x, y: y[x] if x.dtype.kind in "iu" else x[y],
    "repeat": lambda op, x: np.tile(x, op.settings["times"]),
    "repeat_interleave": lambda op, x: np.repeat(x, _whole(op.settings["repeats"]), op.settings["dim"]),
    "transpose": lambda op, x: x.swapaxes(_whole(op.settings["dim0"]), _whole(op.settings["dim1"])),
    "permute": lambda op, x: x.transpose(op.settings["dims"]),
    "cat": lambda op, *parts: np.concatenate(_filled(parts), _whole(op.settings["dim"])),
    "stack": lambda op, *parts: np.stack(parts, _whole(op.settings["dim"])),
    "gather": lambda op, x, index: np.take_along_axis(x, index, _whole(op.settings["dim"])),
    "cumsum": lambda op, x: np.cumsum(x, _whole(op.settings["dim"])),
    "tril": lambda op, x: np.tril(x, op.settings.get("diagonal", 0)), "triu": lambda op, x: np.triu(x, op.settings.get("diagonal", 0)),
    "einsum": lambda op, *parts: np.einsum(str(op.settings["equation"]), *parts),
    "one_hot": lambda op, index: np.eye(_whole(op.settings["classes"]), dtype=int)[index],
    "flip": lambda op, x: np.flip(x, op.settings["dims"]), "roll": lambda op, x: np.roll(x, op.settings["shifts"], op.settings["dims"]),
    "result": lambda op, x: x, "output": lambda op, x: x, "dropout": lambda op, x: x, "detach": lambda op, x: x,
}  # fmt: skip
"""By kind."""
