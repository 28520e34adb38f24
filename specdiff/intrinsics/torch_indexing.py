"""Indexing, gathering, sorting, counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim, decide, fresh
from specdiff.interp.scalars import as_tensor
from specdiff.interp.values import Tensor, Turns, Unknown
from specdiff.intrinsics import torch_checks as checks
from specdiff.intrinsics.torch_core import (
    ShapeError,
    axis,
    broadcast,
    computed,
    constant,
    lazily,
    of,
    small,
    tensors,
)
from specdiff.intrinsics.torch_reductions import ValuesIndices

Model = Callable[..., Any]


def topk(ctx: Any, input: Tensor, k: Any, dim: Any = -1, largest: Any = True, sorted: Any = True, **kwargs: Any) -> Any:  # noqa: A002
    input = of(input)  # noqa: A001
    shape = None
    if input.shape is not None:
        where = axis(dim, len(input.shape))
        size = input.shape[where]
        kept = k if isinstance(k, int | Dim) else fresh("k")
        if isinstance(size, int) and isinstance(kept, int) and kept > size:
            raise ShapeError("index", "selected index k out of range")
        shape = (*input.shape[:where], kept, *input.shape[where + 1 :])
    count = k if isinstance(k, int) else None
    picked, taken = _ordered(input, dim, largest, count) if count is not None else (None, None)
    attrs = {"k": count, "dim": dim} if largest is True else {"k": count, "dim": dim, "largest": largest}
    values = ctx.emit("topk", (input,), shape, input.dtype, **attrs, output="values", const=taken)
    return ValuesIndices((values, ctx.emit("topk", (input,), shape, "int64", **attrs, output="indices", const=picked)))


def _ordered(input: Tensor, dim: Any, descending: Any, count: int | None = None) -> tuple[Any, Any]:  # noqa: A002
    """The places and the values of a constant in order, as thunks; equal values keep their order."""

    def places(numpy: Any, array: Any) -> Any:
        order = numpy.argsort(-array if descending else array, axis=dim, kind="stable")
        return order.take(range(count), axis=dim) if count is not None else order

    def values(numpy: Any, array: Any) -> Any:
        return numpy.take_along_axis(array, places(numpy, array), axis=dim)

    if not isinstance(dim, int) or input.shape in (None, ()) or input.dtype == "bool":
        return None, None
    return lazily(places, input), lazily(values, input)


def sort_(ctx: Any, input: Tensor, dim: Any = -1, descending: Any = False, **kwargs: Any) -> Any:  # noqa: A002
    picked, taken = _ordered(input, dim, descending)
    attrs = {"dim": dim, "descending": descending}
    values = ctx.emit("sort", (input,), input.shape, input.dtype, **attrs, output="values", const=taken)
    picks = ctx.emit("sort", (input,), input.shape, "int64", **attrs, output="indices", const=picked)
    return ValuesIndices((values, picks))


def argsort(ctx: Any, input: Tensor, dim: Any = -1, descending: Any = False, **kwargs: Any) -> Any:  # noqa: A002
    picked, _ = _ordered(input, dim, descending)
    return ctx.emit(
        "sort", (input,), input.shape, "int64", dim=dim, descending=descending, output="indices", const=picked
    )


def _taken(own: tuple[Any, ...], items: list[Any]) -> tuple[tuple[Any, ...], list[Any], list[Any], bool]:
    """What an index takes of a shape: the shape taken, one item per dimension, its basic part, whether that is all."""
    consumed = sum(_consumes(item) for item in items)
    rank = len(own)
    if consumed > rank:
        raise IndexError(f"too many indices for tensor of dimension {rank}")
    spread: list[Any] = []
    for item in items:
        if item is Ellipsis:
            spread.extend([slice(None)] * (rank - consumed))
        else:
            spread.append(item)
    if not any(item is Ellipsis for item in items):
        spread.extend([slice(None)] * (rank - consumed))
    shape: list[Any] = []
    advanced: tuple[Any, ...] | None = None
    advanced_at: int | None = None
    separated = False
    last_advanced = None
    at = 0
    spec: list[Any] = []
    simple = True
    for position, item in enumerate(spread):
        if item is None:
            shape.append(1)
            spec.append(None)
        elif isinstance(item, slice):
            size = own[at]
            shape.append(_sliced(size, item))
            spec.append(_slice_spec(item))
            at += 1
        elif isinstance(item, bool):
            shape.append(fresh("size"))
            simple = False
        elif isinstance(item, int | Dim):
            size = own[at]
            if isinstance(size, int) and isinstance(item, int) and not -size <= item < size:
                raise IndexError(f"index {item} is out of bounds for dimension {at} with size {size}")
            spec.append(item)
            at += 1
        else:
            simple = False
            picked, used = _advanced_shape(item)
            if isinstance(item, Tensor) and item.dtype == "bool":
                checks.masked(own, item, at)
            if advanced is not None and last_advanced != position - 1:
                separated = True
            advanced = picked if advanced is None else broadcast(advanced, picked)
            if advanced_at is None:
                advanced_at = len(shape)
            last_advanced = position
            at += used
    if advanced is not None:
        where = 0 if separated else advanced_at or 0
        shape[where:where] = list(advanced)
    return tuple(shape), spread, spec, simple


def getitem(ctx: Any, input: Tensor, index: Any) -> Any:  # noqa: A002
    """``tensor[index]``: numpy's rules for basic and advanced indexing."""
    items = [as_tensor(item) for item in (index if isinstance(index, tuple) else (index,))]
    if input.shape is None:
        return ctx.emit("index", tensors(input, *items), None, input.dtype)
    result, spread, spec, simple = _taken(input.shape, items)
    if simple:
        host = tuple(spread)
        concrete = all(
            not isinstance(item, Dim)
            and not (
                isinstance(item, slice)
                and any(isinstance(part, Dim | Unknown) for part in (item.start, item.stop, item.step))
            )
            for item in host
        )
        const = lazily(lambda numpy, a: a[host], input) if concrete else None
        return ctx.emit("slice", (input,), result, input.dtype, view_of=input, spec=tuple(spec), const=const)
    arrays = [item for item in spread if isinstance(item, Tensor)]
    if len(arrays) == 1 and items == arrays and _is_table(input) and _is_given(ctx, arrays[0]):
        return ctx.emit("embedding", (arrays[0], input), result, input.dtype)  # a look-up, written as an index
    const = lazily(lambda numpy, a, *indices: a[_rebuilt(spread, indices)], input, *arrays)
    form = _spec(spread)
    picks = _picks(spread) if form is None else None
    return ctx.emit("index", tensors(input, *spread), result, input.dtype, const=const, spec=form, picks=picks)


def _is_given(ctx: Any, index: Tensor) -> bool:
    """Whether an index is whole numbers that the caller gives (tokens), not what the model computes."""
    if ctx.trace is None or index.node is None or index.dtype not in ("int64", "int32"):
        return False
    op = ctx.trace.ops[index.node]
    while op.kind in ("view", "reshape", "cast", "slice", "contiguous", "unsqueeze", "transpose") and op.inputs:
        op = ctx.trace.ops[op.inputs[0]]
    return bool(op.kind == "input")


def _is_table(input: Tensor) -> bool:  # noqa: A002
    return input.kind == "parameter" and input.shape is not None and len(input.shape) == 2


def _spec(items: Any) -> tuple[Any, ...] | None:
    """An index as detectors read it: ``"tensor"`` where a tensor chooses; None where a part has no such form."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, Tensor):
            found.append("tensor")
        elif isinstance(item, slice):
            found.append(_slice_spec(item))
        elif item is None or (isinstance(item, int | Dim) and not isinstance(item, bool)):
            found.append(item)
        else:
            return None
    return tuple(found)


def _picks(items: Any) -> tuple[Any, ...] | None:
    """An index without tensors in which lists of whole numbers choose; each list behind the word ``at``."""
    found: list[Any] = []
    for item in items:
        if isinstance(item, list) and all(type(each) is int for each in item):
            found.append(("at", *item))
        elif isinstance(item, Tensor):
            return None
        else:
            form = _spec((item,))
            if form is None:
                return None
            found += form
    return tuple(found)


def _rebuilt(spread: list[Any], indices: tuple[Any, ...]) -> tuple[Any, ...]:
    left = iter(indices)
    return tuple(
        (lambda a: a if a.dtype == bool else a.astype("int64"))(next(left)) if isinstance(item, Tensor) else item
        for item in spread
    )


def _consumes(item: Any) -> int:
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and item.dtype in ("bool", "uint8") and item.shape is not None:
        return len(item.shape) if item.shape else 0
    return 1


def _slice_spec(item: slice) -> Any:
    parts = (item.start, item.stop, item.step)
    return ":" if parts == (None, None, None) else parts


def _sliced(size: Any, item: slice) -> Any:
    start, stop, step = (_bound(part) for part in (item.start, item.stop, item.step))
    if any(isinstance(part, Unknown) for part in (start, stop, step)):
        return fresh("size")
    if isinstance(size, int) and all(part is None or isinstance(part, int) for part in (start, stop, step)):
        return len(range(*slice(start, stop, step).indices(size)))
    stride = step if isinstance(step, int) else 1
    low: Any = 0 if start is None else start
    high: Any = size if stop is None else stop
    if isinstance(low, int) and low < 0:
        low = size - Dim.minimum(size, -low)
    elif isinstance(low, Dim) and decide("<", low, 0):
        low = size - Dim.minimum(size, -low)
    if isinstance(high, int) and high < 0:
        high = size + high
    elif isinstance(high, Dim) and decide("<", high, 0):
        high = size - Dim.minimum(size, -high)
    elif isinstance(high, int) and isinstance(size, Dim):
        high = Dim.minimum(size, high)
    elif isinstance(size, int) and isinstance(high, Dim):
        high = Dim.minimum(size, high)
    length = high - low
    return length if stride == 1 else (length + stride - 1) // stride


def _bound(part: Any) -> Any:
    if isinstance(part, Tensor):
        const = constant(part)
        return (
            int(const.reshape(-1)[0])
            if const is not None and const.size == 1
            else Unknown("a bound that depends on data")
        )
    return part


def _ends(part: slice) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step


def _plain_slice(part: Any) -> Any:
    """A slice whose bounds are numbers where tensors of one known number stood."""
    return slice(*map(_bound, _ends(part))) if isinstance(part, slice) else part


def _advanced_shape(item: Any) -> tuple[tuple[Any, ...], int]:
    if isinstance(item, Tensor):
        if item.shape is None:
            return (fresh("size"),), 1
        if item.dtype in ("bool", "uint8"):
            array = computed(lambda numpy, a: a.astype(bool), item)
            return (fresh("selected") if array is None else int(array.sum()),), len(item.shape)
        return item.shape, 1
    if isinstance(item, list | tuple | range):
        shape: list[int] = []
        probe: Any = item
        while isinstance(probe, list | tuple | range) and len(probe):
            shape.append(len(probe))
            probe = probe[0]
        return tuple(shape), 1
    if hasattr(item, "shape"):
        return tuple(item.shape), 1
    return (fresh("size"),), 1


def setitem(ctx: Any, input: Tensor, index: Any, value: Any) -> None:  # noqa: A002
    """``tensor[index] = value``."""
    index = tuple(map(_plain_slice, index)) if isinstance(index, tuple) else _plain_slice(index)
    items = tuple([as_tensor(item) for item in (index if isinstance(index, tuple) else (index,))])
    value = as_tensor(value)
    const = None
    if (
        input.const is not None
        and not isinstance(value, Unknown | Dim)
        and not any(isinstance(item, Tensor | Unknown | Dim | Turns) for item in items)
        and all(isinstance(end, int | None) for item in items if isinstance(item, slice) for end in _ends(item))
    ):

        def changed(numpy: Any, array: Any, new: Any) -> Any:
            copied = numpy.array(array)
            copied[index] = new
            return copied

        const = lazily(changed, input, value)
    rank = len(input.shape) if input.shape is not None else 0
    consumed = sum(_consumes(item) for item in items)
    spread = [part for item in items for part in ([slice(None)] * (rank - consumed) if item is Ellipsis else [item])]
    if input.shape is not None and isinstance(value, Tensor):
        checks.item(_taken(input.shape, list(items))[0], value)
    result = ctx.emit(
        "setitem",
        tensors(input, value, *items),
        input.shape,
        input.dtype,
        const=const,
        spec=_spec(spread),
        value=value if isinstance(value, int | float) else None,
    )
    ctx.write(input, result)


def diff(ctx: Any, input: Tensor, n: Any = 1, dim: Any = -1, prepend: Any = None, append: Any = None) -> Any:  # noqa: A002
    shape = None
    if input.shape is not None:
        where = axis(dim, len(input.shape))
        extra = sum((t.shape[where] for t in tensors(prepend, append) if t.shape), 0)
        shape = (*input.shape[:where], input.shape[where] - n + extra, *input.shape[where + 1 :])
    const = lazily(lambda numpy, a: numpy.diff(a, n=n, axis=dim), input) if not tensors(prepend, append) else None
    return ctx.emit("diff", tensors(input, prepend, append), shape, input.dtype, const=const)


def _number(item: Any) -> Any:
    """A place or a length given as a number, as a tensor of one, or as one that data decide."""
    if isinstance(item, Tensor):
        array = constant(item)
        return fresh("size") if array is None else int(array.reshape(-1)[0])
    return fresh("size") if isinstance(item, Unknown) else item


def narrow(ctx: Any, input: Tensor, dim: Any, start: Any, length: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    start, length = (_number(item) for item in (start, length))
    size = input.shape[where]
    if isinstance(start, int | Dim) and isinstance(length, int | Dim) and decide(">", start + length, size) is True:
        if not (isinstance(start, int) and start < 0):
            raise ShapeError("index", f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return ctx.emit(
        "slice",
        (input,),
        (*input.shape[:where], length, *input.shape[where + 1 :]),
        input.dtype,
        view_of=input,
        spec=(*[":"] * where, (start, start + length, None)),
    )


def select_(ctx: Any, input: Tensor, dim: Any, index: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    return getitem(ctx, input, (*([slice(None)] * where), index))


def unchanged_shape(kind: str, **fixed: Any) -> Model:
    def model(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        return ctx.emit(kind, tensors(input, *args, *kwargs.values()), input.shape, input.dtype, **fixed)

    model.__name__ = kind
    return model


def cum(name: str) -> Model:
    def model(ctx: Any, input: Tensor, dim: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
        dim = kwargs.get("axis", dim)
        if input.shape and isinstance(dim, int):
            axis(dim, len(input.shape))
        dtype = input.dtype if input.dtype not in ("bool", "int32", "uint8") else "int64"
        return ctx.emit(
            name,
            (input,),
            input.shape,
            dtype,
            dim=dim,
            const=lazily(lambda numpy, a: getattr(numpy, name)(a, axis=dim), input),
        )

    return model


def tri(name: str) -> Model:
    def model(ctx: Any, input: Tensor, diagonal: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
        if input.shape is not None and len(input.shape) < 2:
            raise ShapeError("view", f"{name}: input tensor must have at least 2 dimensions")
        const = lazily(lambda numpy, a: getattr(numpy, name)(a, diagonal), input) if isinstance(diagonal, int) else None
        return ctx.emit(
            name,
            (input,),
            input.shape,
            input.dtype,
            diagonal=diagonal if isinstance(diagonal, int) else None,
            const=const,
        )

    return model


def roll(ctx: Any, input: Tensor, shifts: Any, dims: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    amounts = tuple(shifts) if isinstance(shifts, list | tuple) else (shifts,)
    where = dims if dims is None or isinstance(dims, list | tuple) else (dims,)
    for dim in where or ():
        axis(dim, len(input.shape or (1,) * 8))
    return ctx.emit(
        "roll",
        (input,),
        input.shape,
        input.dtype,
        shifts=amounts,
        dims=None if where is None else tuple(where),
        const=lazily(lambda numpy, a: numpy.roll(a, amounts, where), input)
        if all(isinstance(amount, int) for amount in amounts)
        else None,
    )


def flip(ctx: Any, input: Tensor, *dims: Any, **kwargs: Any) -> Any:  # noqa: A002
    """``torch.flip``."""
    given = dims[0] if len(dims) == 1 and isinstance(dims[0], list | tuple) else dims or kwargs.get("dims", ())
    where = tuple(given) if isinstance(given, list | tuple) else (given,)
    for dim in where:
        axis(dim, len(input.shape or (1,) * 8))
    const = lazily(lambda numpy, a: numpy.flip(a, where), input)
    return ctx.emit("flip", (input,), input.shape, input.dtype, const=const, dims=where)


def one_hot(ctx: Any, tensor: Tensor, num_classes: Any = -1) -> Any:
    """``torch.nn.functional.one_hot``."""
    count = num_classes
    if not isinstance(count, int | Dim) or (isinstance(count, int) and count == -1):
        array = computed(lambda numpy, a: a, tensor)
        count = fresh("classes") if array is None else int(array.max()) + 1
    shape = None if tensor.shape is None else (*tensor.shape, count)
    const = lazily(lambda numpy, a: numpy.eye(count)[a.astype("int64")], tensor) if small(shape) else None
    return ctx.emit("one_hot", (tensor,), shape, "int64", classes=num_classes, const=const)


def masked_select(ctx: Any, input: Tensor, mask: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    """``torch.masked_select``."""
    broadcast(input.shape, mask.shape)
    array = computed(lambda numpy, a: a.astype(bool), mask)
    count = fresh("selected") if array is None or array.shape != input.shape else int(array.sum())
    return ctx.emit("masked_select", (input, mask), (count,), input.dtype)


def bincount(ctx: Any, input: Tensor, weights: Any = None, minlength: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
    """``torch.bincount``."""
    array = computed(lambda numpy, a: numpy.bincount(a.astype("int64"), minlength=minlength), input)
    shape = (fresh("count"),) if array is None else array.shape
    const = None if array is None or isinstance(weights, Tensor) else array
    return ctx.emit("bincount", tensors(input, weights), shape, "int64", const=const)


def unique(
    ctx: Any,
    input: Tensor,
    sorted: Any = True,
    return_inverse: Any = False,
    return_counts: Any = False,
    dim: Any = None,
    **kwargs: Any,
) -> Any:  # noqa: A002
    """``torch.unique``."""
    array = computed(lambda numpy, a: numpy.unique(a), input) if dim is None else None
    count = fresh("unique") if array is None else len(array)
    shape: Any = (count,)
    if dim is not None and input.shape is not None:
        where = axis(dim, len(input.shape))
        shape = (*input.shape[:where], count, *input.shape[where + 1 :])
    found = [ctx.emit("unique", (input,), shape, input.dtype, const=array)]
    if return_inverse:
        inverse = computed(lambda numpy, a: numpy.unique(a, return_inverse=True)[1].reshape(a.shape), input)
        found.append(ctx.emit("unique", (input,), input.shape, "int64", const=inverse if dim is None else None))
    if return_counts:
        counts = computed(lambda numpy, a: numpy.unique(a, return_counts=True)[1], input) if dim is None else None
        found.append(ctx.emit("unique", (input,), (count,), "int64", const=counts))
    return found[0] if len(found) == 1 else tuple(found)


def unique_consecutive(
    ctx: Any, input: Tensor, return_inverse: Any = False, return_counts: Any = False, dim: Any = None, **kwargs: Any
) -> Any:  # noqa: A002
    """``torch.unique_consecutive``."""
    array = computed(lambda numpy, a: a.reshape(-1), input) if dim is None else None
    kept = inverse = counts = None
    if array is not None:
        first = [index for index in range(len(array)) if index == 0 or array[index] != array[index - 1]]
        kept = array[first]
        ends = [*first[1:], len(array)]
        counts = computed(lambda numpy: numpy.array([b - a for a, b in zip(first, ends, strict=True)], dtype="int64"))
        inverse = computed(lambda numpy: numpy.repeat(numpy.arange(len(first)), counts).reshape(input.shape))
    count = fresh("unique") if kept is None else len(kept)
    found = [ctx.emit("unique", (input,), (count,), input.dtype, const=kept)]
    if return_inverse:
        found.append(ctx.emit("unique", (input,), input.shape, "int64", const=inverse))
    if return_counts:
        found.append(ctx.emit("unique", (input,), (count,), "int64", const=counts))
    return found[0] if len(found) == 1 else tuple(found)


def bucketize(ctx: Any, input: Any, boundaries: Any, *, right: Any = False, **kwargs: Any) -> Any:  # noqa: A002
    """``torch.bucketize``."""
    side = "right" if right else "left"
    const = lazily(lambda numpy, a, b: numpy.searchsorted(b, a, side=side), input, boundaries)
    return ctx.emit(
        "bucketize", tensors(input, boundaries), input.shape if isinstance(input, Tensor) else (), "int64", const=const
    )


def searchsorted(
    ctx: Any, sequence: Tensor, values: Any, *, right: Any = False, side: Any = None, **kwargs: Any
) -> Any:
    """``torch.searchsorted``."""
    where = side or ("right" if right else "left")
    flat = sequence.shape is not None and len(sequence.shape) == 1
    const = lazily(lambda numpy, a, b: numpy.searchsorted(a, b, side=where), sequence, values) if flat else None
    return ctx.emit(
        "bucketize", tensors(sequence, values), values.shape if isinstance(values, Tensor) else (), "int64", const=const
    )


def diagonal(ctx: Any, input: Tensor, offset: Any = 0, dim1: Any = 0, dim2: Any = 1) -> Any:  # noqa: A002
    """``torch.diagonal``."""
    if input.shape is None:
        return ctx.emit("diagonal", (input,), None, input.dtype)
    rank = len(input.shape)
    a, b = axis(dim1, rank), axis(dim2, rank)
    rest = tuple(size for index, size in enumerate(input.shape) if index not in (a, b))
    rows, columns = input.shape[a], input.shape[b]
    length = Dim.minimum(rows - max(-offset, 0), columns - max(offset, 0))
    const = lazily(lambda numpy, array: numpy.diagonal(array, offset, a, b), input)
    return ctx.emit(
        "diagonal", (input,), (*rest, length), input.dtype, view_of=input, const=const, offset=offset, dims=(a, b)
    )


def diag(ctx: Any, input: Tensor, diagonal_: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
    """``torch.diag``."""
    if input.shape is None:
        return ctx.emit("diagonal", (input,), None, input.dtype)
    if len(input.shape) == 2:
        return diagonal(ctx, input, diagonal_)
    return diag_embed(ctx, input, diagonal_)


def diag_embed(ctx: Any, input: Tensor, offset: Any = 0, dim1: Any = -2, dim2: Any = -1) -> Any:  # noqa: A002
    """``torch.diag_embed``."""
    side = input.shape[-1] + abs(offset) if input.shape else 0
    shape = None if input.shape is None else (*input.shape[:-1], side, side)
    return ctx.emit("diag_embed", (input,), shape, input.dtype)


def triangle(which: str) -> Model:
    """``tril_indices`` and ``triu_indices``."""

    def model(ctx: Any, row: Any, col: Any, offset: Any = 0, **kwargs: Any) -> Any:
        if isinstance(row, int) and isinstance(col, int):
            array = computed(lambda numpy: numpy.stack(getattr(numpy, f"{which}_indices")(row, offset, col)))
            return ctx.emit("constant", (), tuple(array.shape), "int64", const=array)
        return ctx.emit("constant", (), (2, fresh("count")), "int64")

    model.__name__ = f"{which}_indices"
    return model
