"""Joining, splitting, padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim, fresh
from specdiff.interp.values import Tensor, Turns, Unknown
from specdiff.intrinsics.torch_core import ShapeError, apart, axis, constant, lazily, small

Model = Callable[..., Any]


def cat(ctx: Any, tensors: Any, dim: Any = 0, **kwargs: Any) -> Any:
    dim = kwargs.get("axis", dim)
    tensors, turns = pieces_of(ctx, tensors)
    if isinstance(tensors, Unknown):
        return tensors
    items = [item for item in tensors if isinstance(item, Tensor)]
    if not items:
        raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
    shapes = [item.shape for item in items if item.shape != (0,)]
    if any(shape is None for shape in shapes) or not shapes:
        return ctx.emit("cat", tuple(items), None if shapes else (0,), items[0].dtype, dim=dim)
    rank = len(shapes[0])  # type: ignore[arg-type]
    where = axis(dim, rank)
    total: Any = 0
    result = list(shapes[0])  # type: ignore[arg-type]
    for shape in shapes:
        assert shape is not None
        if len(shape) != rank:
            raise ShapeError("cat", "Tensors must have same number of dimensions: got " + f"{rank} and {len(shape)}")
        for index, size in enumerate(shape):
            if index != where and apart(size, result[index]):
                raise ShapeError(
                    "cat",
                    f"Sizes of tensors must match except in dimension {where}. Expected size {result[index]} but got size {size} for tensor number {shapes.index(shape)} in the list.",
                )
            if index != where and isinstance(size, int):
                result[index] = size
        total = total + shape[where]
    result[where] = total if turns is None else total * turns
    return ctx.emit(
        "cat",
        tuple(items),
        tuple(result),
        items[0].dtype,
        dim=where - rank,
        const=lazily(lambda numpy, *parts: numpy.concatenate(parts, axis=where), *items) if turns is None else None,
    )


def pieces_of(ctx: Any, pieces: Any) -> tuple[Any, Any]:
    """The tensors to join and, for a list that a loop of unknown turns filled, how often they repeat."""
    turns = None
    if isinstance(pieces, Turns):
        return [pieces.element], pieces.length if pieces.length is not None else fresh("turns")
    if isinstance(pieces, list) and id(pieces) in ctx.open_lists:
        turns = ctx.open_lists[id(pieces)][1]
        pieces = pieces[-1:]
    elif not isinstance(pieces, list | tuple):
        pieces = ctx.listed(pieces)
    return next((item for item in pieces if isinstance(item, Unknown)), pieces), turns


def stack(ctx: Any, tensors: Any, dim: Any = 0, **kwargs: Any) -> Any:
    tensors, turns = pieces_of(ctx, tensors)
    if isinstance(tensors, Unknown):
        return tensors
    items = [item for item in tensors if isinstance(item, Tensor)]
    if not items:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = items[0].shape
    if shape is None:
        return ctx.emit("stack", tuple(items), None, items[0].dtype)
    for index, item in enumerate(items):
        if item.shape is not None and (
            len(item.shape) != len(shape) or any(apart(a, b) for a, b in zip(item.shape, shape, strict=True))
        ):
            raise ShapeError(
                "cat",
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and {list(item.shape)} at entry {index}",
            )
    where = axis(dim, len(shape), 1)
    return ctx.emit(
        "stack",
        tuple(items),
        (*shape[:where], len(items) if turns is None else turns, *shape[where:]),
        items[0].dtype,
        dim=where,
        const=lazily(lambda numpy, *parts: numpy.stack(parts, axis=where), *items) if turns is None else None,
    )


def pieces(ctx: Any, kind: str, input: Tensor, lengths: list[Any], dim: int) -> tuple[Any, ...]:  # noqa: A002
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    result = []
    start: Any = 0
    for number, length in enumerate(lengths):
        shape = (*input.shape[:where], length, *input.shape[where + 1 :])
        begin, end = start, start + length
        const = (
            lazily(lambda numpy, a, b=begin, e=end: a.take(range(b, e), axis=where), input)
            if isinstance(begin, int) and isinstance(end, int)
            else None
        )
        result.append(
            ctx.emit(
                kind,
                (input,),
                shape,
                input.dtype,
                view_of=input,
                output=number,
                dim=where - len(shape),
                start=begin,
                length=length,
                const=const,
            )
        )
        start = end
    return tuple(result)


def split(ctx: Any, input: Tensor, split_size_or_sections: Any = None, dim: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
    how = (
        split_size_or_sections
        if split_size_or_sections is not None
        else kwargs.get("split_size", kwargs.get("split_sizes"))
    )
    if input.shape is None:
        count = len(how) if isinstance(how, list | tuple) else None
        if count is None:
            return ctx.unknown("a split of a tensor of unknown shape")
        return tuple(ctx.emit("split", (input,), None, input.dtype, output=index) for index in range(count))
    size = input.shape[axis(dim, len(input.shape))]
    if isinstance(how, list | tuple):
        lengths = _lengths(how, size)
        if all(isinstance(item, int | Dim) for item in lengths) and apart(sum(lengths), size):
            raise ShapeError(
                "split",
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension {dim}), but got split_sizes={list(how)}",
                input,
                axis(dim, len(input.shape)) - len(input.shape),
                sum(lengths),
            )
    elif isinstance(how, int) and isinstance(size, int):
        lengths = [how] * (size // how) + ([size % how] if size % how else [])
    elif isinstance(size, Dim) and isinstance(how, int | Dim):
        count = size // how
        if not isinstance(count, int):
            piece = pieces(ctx, "split", input, [how], dim)[0]
            return Turns(piece, count, "a split into a symbolic number of pieces")
        lengths = [how] * count
    else:
        return ctx.unknown("a split into sizes that are not known")
    return pieces(ctx, "split", input, lengths, dim)


def _lengths(how: Any, size: Any) -> list[Any]:
    """The sizes of the parts; where data decides, the last one is what the others leave."""
    lengths: list[Any] = [fresh("size") if isinstance(item, Unknown | Tensor) else item for item in how]
    if lengths and isinstance(how[-1], Unknown | Tensor):
        lengths[-1] = size - sum(lengths[:-1])
    return lengths


def chunk(ctx: Any, input: Tensor, chunks: Any, dim: Any = 0) -> Any:  # noqa: A002
    if input.shape is None:
        return tuple(ctx.emit("split", (input,), None, input.dtype, output=index) for index in range(chunks))
    size = input.shape[axis(dim, len(input.shape))]
    if isinstance(size, int):
        step = -(-size // chunks)
        lengths = [step] * (size // step) + ([size % step] if size % step else [])
    else:
        lengths = [size // chunks] * chunks
    return pieces(ctx, "split", input, lengths, dim)


def unbind(ctx: Any, input: Tensor, dim: Any = 0) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.unknown("unbind of a tensor of unknown shape")
    where = axis(dim, len(input.shape))
    count = input.shape[where]
    if not isinstance(count, int):
        piece = ctx.emit(
            "split",
            (input,),
            (*input.shape[:where], *input.shape[where + 1 :]),
            input.dtype,
            view_of=input,
            output=0,
            dim=where - len(input.shape),
            start=0,
            length=1,
        )
        return Turns(piece, count, "unbind over a symbolic size")
    shape = (*input.shape[:where], *input.shape[where + 1 :])
    return tuple(
        ctx.emit(
            "split",
            (input,),
            shape,
            input.dtype,
            view_of=input,
            output=index,
            dim=where - len(shape) - 1,
            start=index,
            length=1,
            const=lazily(lambda numpy, a, i=index: a.take(i, axis=where), input),
        )
        for index in range(count)
    )


def pad_(ctx: Any, input: Tensor, pad: Any = (), mode: Any = "constant", value: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    if input.shape is None or isinstance(pad, Unknown):
        return ctx.emit("pad", (input,), None, input.dtype)
    shape = list(input.shape)
    amounts = [_amount(item) for item in pad]
    if len(amounts) % 2 or len(amounts) > 2 * len(shape):
        raise ShapeError("pad", f"a padding of {len(amounts)} amounts does not fit an input of shape {list(shape)}")
    for index in range(len(amounts) // 2):
        extra = [fresh("pad") if isinstance(item, Unknown) else item for item in amounts[2 * index : 2 * index + 2]]
        shape[-1 - index] = shape[-1 - index] + extra[0] + extra[1]
        if isinstance(shape[-1 - index], int) and shape[-1 - index] < 0:
            raise ShapeError("pad", f"a padding of {amounts} takes more than an input of shape {list(input.shape)} has")
    return ctx.emit(
        "pad",
        (input,),
        tuple(shape),
        input.dtype,
        pad=tuple(amounts),
        mode=mode,
        value=value if not isinstance(value, Tensor) else None,
        const=_padded(input, amounts, value) if mode == "constant" and small(tuple(shape)) else None,
    )


def _amount(item: Any) -> Any:
    if isinstance(item, Tensor):
        array = constant(item)
        return Unknown("an amount that depends on data") if array is None else int(array.reshape(-1)[0])
    return item


def _padded(input: Tensor, amounts: list[Any], value: Any) -> Any:  # noqa: A002
    if not all(isinstance(item, int) for item in amounts) or isinstance(value, Tensor) or input.shape is None:
        return None
    pairs = [(amounts[2 * index], amounts[2 * index + 1]) for index in range(len(amounts) // 2)]
    around = [*[(0, 0)] * (len(input.shape) - len(pairs)), *reversed(pairs)]

    def pad(numpy: Any, array: Any) -> Any:
        grown = numpy.pad(array, [(max(a, 0), max(b, 0)) for a, b in around], constant_values=value or 0)
        cut = tuple(slice(max(-a, 0), size - max(-b, 0)) for (a, b), size in zip(around, grown.shape, strict=True))
        return grown[cut]

    return lazily(pad, input)


def meshgrid(ctx: Any, *args: Any, indexing: Any = "ij", **kwargs: Any) -> Any:
    items = list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else list(args)
    if any(item.shape is not None and len(item.shape) > 1 for item in items):
        shapes = [list(item.shape or ()) for item in items]
        raise ShapeError("broadcast", f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {shapes}")
    lengths = [item.shape[0] if item.shape else 1 for item in items]
    if indexing == "xy" and len(lengths) > 1:
        lengths[0], lengths[1] = lengths[1], lengths[0]
    return tuple(
        ctx.emit(
            "meshgrid",
            tuple(items),
            tuple(lengths),
            item.dtype,
            output=index,
            indexing=indexing,
            const=lazily(lambda numpy, *parts, i=index: numpy.meshgrid(*parts, indexing=indexing)[i], *items),
        )
        for index, item in enumerate(items)
    )
