"""Reshaping, joining, splitting, indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim
from specdiff.interp.values import Tensor, Turns, Unknown
from specdiff.intrinsics.torch_core import axis, broadcast, constant, fresh, lazily, numel, of, sizes, tensors
from specdiff.intrinsics.torch_pointwise import ValuesIndices

Model = Callable[..., Any]


def _items(args: tuple[Any, ...]) -> tuple[Any, ...]:
    items = tuple(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else args
    return tuple(
        int(constant(item)) if isinstance(item, Tensor) and constant(item) is not None else item for item in items
    )


def _reshape(kind: str) -> Model:
    def model(ctx: Any, input: Tensor, *args: Any, shape: Any = None, size: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        target = _items(args) if args else _items((shape if shape is not None else size,))
        if any(isinstance(item, Unknown) for item in target):
            return ctx.emit(
                kind,
                (input,),
                tuple(fresh("size") if isinstance(item, Unknown) or item == -1 else item for item in target),
                input.dtype,
                view_of=input,
            )
        if target and not isinstance(target[0], int | Dim):
            return input  # view(dtype)
        if input.shape is None:
            result: tuple[Any, ...] = tuple(fresh("size") if item == -1 else item for item in target)
        else:
            result = _solved(input.shape, target)
        return ctx.emit(
            kind,
            (input,),
            result,
            input.dtype,
            const=lazily(lambda numpy, a: a.reshape(result), input),
            view_of=input,
            target=target,
        )

    model.__name__ = kind
    return model


def _solved(shape: tuple[Any, ...], target: tuple[Any, ...]) -> tuple[Any, ...]:
    total = numel(shape)
    known: Any = 1
    for item in target:
        if not (isinstance(item, int) and item == -1):
            known = known * item
    if -1 in [item for item in target if isinstance(item, int)]:
        if isinstance(total, int) and isinstance(known, int):
            if known == 0 or total % known:
                raise RuntimeError(f"shape '{list(target)}' is invalid for input of size {total}")
            missing: Any = total // known
        elif isinstance(known, int) and known == 0:
            missing = fresh("size")
        else:
            missing = total // known
        return tuple(missing if isinstance(item, int) and item == -1 else item for item in target)
    if isinstance(total, int) and isinstance(known, int) and total != known:
        raise RuntimeError(f"shape '{list(target)}' is invalid for input of size {total}")
    return target


def _permute(ctx: Any, input: Tensor, *dims: Any, **kwargs: Any) -> Any:  # noqa: A002
    order = _items(dims) if dims else tuple(kwargs["dims"])
    if input.shape is None:
        return ctx.emit("permute", (input,), None, input.dtype, dims=order, view_of=input)
    rank = len(input.shape)
    order = tuple(axis(d, rank) for d in order)
    if len(order) != rank:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = {rank} is not equal to len(dims) = {len(order)}"
        )
    return ctx.emit(
        "permute",
        (input,),
        tuple(input.shape[d] for d in order),
        input.dtype,
        dims=order,
        view_of=input,
        const=lazily(lambda numpy, a: a.transpose(order), input),
    )


def _transpose(ctx: Any, input: Tensor, dim0: Any, dim1: Any) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("transpose", (input,), None, input.dtype, dim0=dim0, dim1=dim1, view_of=input)
    rank = len(input.shape)
    a, b = axis(dim0, rank), axis(dim1, rank)
    shape = list(input.shape)
    shape[a], shape[b] = shape[b], shape[a]
    return ctx.emit(
        "transpose",
        (input,),
        tuple(shape),
        input.dtype,
        dim0=a - rank,
        dim1=b - rank,
        view_of=input,
        const=lazily(lambda numpy, x: numpy.swapaxes(x, a, b), input),
    )


def transposed(ctx: Any, input: Tensor) -> Any:  # noqa: A002
    """``tensor.T`` and ``t()``."""
    if input.shape is None or len(input.shape) < 2:
        return input
    return _permute(ctx, input, *range(len(input.shape) - 1, -1, -1))


def _flatten(ctx: Any, input: Tensor, start_dim: Any = 0, end_dim: Any = -1) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("view", (input,), None, input.dtype, view_of=input)
    rank = len(input.shape)
    first, last = axis(start_dim, rank), axis(end_dim, rank)
    shape = (*input.shape[:first], numel(input.shape[first : last + 1]), *input.shape[last + 1 :]) if rank else (1,)
    return ctx.emit(
        "view",
        (input,),
        shape,
        input.dtype,
        view_of=input,
        target=shape,
        const=lazily(lambda numpy, a: a.reshape(shape), input),
    )


def _unflatten(ctx: Any, input: Tensor, dim: Any, sizes: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    parts = _solved((input.shape[where],), tuple(sizes))
    return ctx.emit(
        "view", (input,), (*input.shape[:where], *parts, *input.shape[where + 1 :]), input.dtype, view_of=input
    )


def _unsqueeze(ctx: Any, input: Tensor, dim: Any) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("unsqueeze", (input,), None, input.dtype, view_of=input)
    where = axis(dim, len(input.shape), 1)
    return ctx.emit(
        "unsqueeze",
        (input,),
        (*input.shape[:where], 1, *input.shape[where:]),
        input.dtype,
        view_of=input,
        dim=where,
        const=lazily(lambda numpy, a: numpy.expand_dims(a, where), input),
    )


def _squeeze(ctx: Any, input: Tensor, *dim: Any) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("squeeze", (input,), None, input.dtype, view_of=input)
    rank = len(input.shape)
    dims = {axis(d, rank) for d in _items(dim)} if dim and dim[0] is not None else set(range(rank))
    shape = tuple(
        size for index, size in enumerate(input.shape) if not (index in dims and isinstance(size, int) and size == 1)
    )
    return ctx.emit(
        "squeeze", (input,), shape, input.dtype, view_of=input, const=lazily(lambda numpy, a: a.reshape(shape), input)
    )


def _expand(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    target = _items(args) if args else tuple(kwargs.get("size", ()))
    if input.shape is None:
        return ctx.emit("expand", (input,), None, input.dtype, view_of=input)
    extra = len(target) - len(input.shape)
    if extra < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(target)}) must be greater or equal to the number of dimensions in the tensor ({len(input.shape)})"
        )
    shape: list[Any] = []
    for index, size in enumerate(target):
        own = input.shape[index - extra] if index >= extra else 1
        if isinstance(size, Unknown):
            shape.append(fresh("size"))
        elif isinstance(size, int) and size == -1:
            shape.append(own)
        else:
            if isinstance(own, int) and isinstance(size, int) and own not in (1, size):
                raise RuntimeError(
                    f"The expanded size of the tensor ({size}) must match the existing size ({own}) at non-singleton dimension {index}.  Target sizes: {list(target)}.  Tensor sizes: {list(input.shape)}"
                )
            shape.append(size)
    result = tuple(shape)
    return ctx.emit(
        "expand",
        (input,),
        result,
        input.dtype,
        view_of=input,
        const=lazily(lambda numpy, a: numpy.broadcast_to(a, result), input)
        if all(isinstance(s, int) for s in result) and numel(result) <= 65536
        else None,
    )


def _repeat(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    times = _items(args) if args else tuple(kwargs.get("repeats", kwargs.get("dims", ())))
    if input.shape is None:
        return ctx.emit("repeat", (input,), None, input.dtype)
    own = (1,) * (len(times) - len(input.shape)) + input.shape
    times = (1,) * (len(own) - len(times)) + times
    shape = tuple(fresh("size") if isinstance(t, Unknown) else size * t for size, t in zip(own, times, strict=True))
    return ctx.emit(
        "repeat",
        (input,),
        shape,
        input.dtype,
        times=times,
        const=lazily(lambda numpy, a: numpy.tile(a, times), input)
        if all(isinstance(s, int) for s in shape) and numel(shape) <= 65536
        else None,
    )


def _repeat_interleave(ctx: Any, input: Tensor, repeats: Any = None, dim: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("repeat_interleave", (input,), None, input.dtype)
    if dim is None:
        input = _flatten(ctx, input)  # noqa: A001
        dim = 0
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    grown = input.shape[where] * repeats if isinstance(repeats, int | Dim) else fresh("size")
    shape = (*input.shape[:where], grown, *input.shape[where + 1 :])
    return ctx.emit(
        "repeat_interleave",
        tensors(input, repeats),
        shape,
        input.dtype,
        dim=where - len(shape),
        repeats=repeats if isinstance(repeats, int) else None,
        const=lazily(lambda numpy, a: numpy.repeat(a, repeats, axis=where), input)
        if isinstance(repeats, int)
        else None,
    )


def _cat(ctx: Any, tensors: Any, dim: Any = 0, **kwargs: Any) -> Any:
    dim = kwargs.get("axis", dim)
    tensors, turns = _pieces_of(ctx, tensors)
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
            raise RuntimeError("Tensors must have same number of dimensions: got " + f"{rank} and {len(shape)}")
        for index, size in enumerate(shape):
            if index != where and isinstance(size, int) and isinstance(result[index], int) and size != result[index]:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {where}. Expected size {result[index]} but got size {size} for tensor number {shapes.index(shape)} in the list."
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


def _pieces_of(ctx: Any, pieces: Any) -> tuple[Any, Any]:
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


def _stack(ctx: Any, tensors: Any, dim: Any = 0, **kwargs: Any) -> Any:
    tensors, turns = _pieces_of(ctx, tensors)
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
            len(item.shape) != len(shape)
            or any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(item.shape, shape, strict=True))
        ):
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and {list(item.shape)} at entry {index}"
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


def _pieces(ctx: Any, kind: str, input: Tensor, lengths: list[Any], dim: int) -> tuple[Any, ...]:  # noqa: A002
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


def _split(ctx: Any, input: Tensor, split_size_or_sections: Any = None, dim: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
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
        lengths: list[Any] = [fresh("size") if isinstance(item, Unknown) else item for item in how]
        if isinstance(size, int) and all(isinstance(item, int) for item in lengths) and sum(lengths) != size:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size at dimension {dim}), but got split_sizes={list(how)}"
            )
    elif isinstance(how, int) and isinstance(size, int):
        lengths = [how] * (size // how) + ([size % how] if size % how else [])
    elif isinstance(size, Dim) and isinstance(how, int | Dim):
        count = size // how
        if not isinstance(count, int):
            piece = _pieces(ctx, "split", input, [how], dim)[0]
            return Turns(piece, count, "a split into a symbolic number of pieces")
        lengths = [how] * count
    else:
        return ctx.unknown("a split into sizes that are not known")
    return _pieces(ctx, "split", input, lengths, dim)


def _chunk(ctx: Any, input: Tensor, chunks: Any, dim: Any = 0) -> Any:  # noqa: A002
    if input.shape is None:
        return tuple(ctx.emit("split", (input,), None, input.dtype, output=index) for index in range(chunks))
    size = input.shape[axis(dim, len(input.shape))]
    if isinstance(size, int):
        step = -(-size // chunks)
        lengths = [step] * (size // step) + ([size % step] if size % step else [])
    else:
        lengths = [size // chunks] * chunks
    return _pieces(ctx, "split", input, lengths, dim)


def _unbind(ctx: Any, input: Tensor, dim: Any = 0) -> Any:  # noqa: A002
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


def _topk(
    ctx: Any, input: Tensor, k: Any, dim: Any = -1, largest: Any = True, sorted: Any = True, **kwargs: Any
) -> Any:  # noqa: A002
    input = of(input)  # noqa: A001
    shape = None
    if input.shape is not None:
        where = axis(dim, len(input.shape))
        size = input.shape[where]
        count = k if isinstance(k, int | Dim) else fresh("k")
        if isinstance(size, int) and isinstance(count, int) and count > size:
            raise RuntimeError("selected index k out of range")
        shape = (*input.shape[:where], count, *input.shape[where + 1 :])
    count = k if isinstance(k, int) else None
    picked, taken = _ordered(input, dim, largest, count) if count is not None else (None, None)
    values = ctx.emit("topk", (input,), shape, input.dtype, k=count, dim=dim, output="values", const=taken)
    return ValuesIndices(
        (values, ctx.emit("topk", (input,), shape, "int64", k=count, dim=dim, output="indices", const=picked))
    )


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


def _sort(ctx: Any, input: Tensor, dim: Any = -1, descending: Any = False, **kwargs: Any) -> Any:  # noqa: A002
    picked, taken = _ordered(input, dim, descending)
    values = ctx.emit("sort", (input,), input.shape, input.dtype, output="values", const=taken)
    return ValuesIndices((values, ctx.emit("sort", (input,), input.shape, "int64", output="indices", const=picked)))


def _argsort(ctx: Any, input: Tensor, dim: Any = -1, descending: Any = False, **kwargs: Any) -> Any:  # noqa: A002
    picked, _ = _ordered(input, dim, descending)
    return ctx.emit("sort", (input,), input.shape, "int64", output="indices", const=picked)


def getitem(ctx: Any, input: Tensor, index: Any) -> Any:  # noqa: A002
    """``tensor[index]``: numpy's rules for basic and advanced indexing."""
    items = list(index) if isinstance(index, tuple) else [index]
    if input.shape is None:
        return ctx.emit("index", tensors(input, *items), None, input.dtype)
    consumed = sum(_consumes(item) for item in items)
    rank = len(input.shape)
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
            size = input.shape[at]
            shape.append(_sliced(size, item))
            spec.append(_slice_spec(item))
            at += 1
        elif isinstance(item, bool):
            shape.append(fresh("size"))
            simple = False
        elif isinstance(item, int | Dim):
            size = input.shape[at]
            if isinstance(size, int) and isinstance(item, int) and not -size <= item < size:
                raise IndexError(f"index {item} is out of bounds for dimension {at} with size {size}")
            spec.append(item)
            at += 1
        else:
            simple = False
            own, used = _advanced_shape(item)
            if advanced is not None and last_advanced != position - 1:
                separated = True
            advanced = own if advanced is None else broadcast(advanced, own)
            if advanced_at is None:
                advanced_at = len(shape)
            last_advanced = position
            at += used
    if advanced is not None:
        where = 0 if separated else advanced_at or 0
        shape[where:where] = list(advanced)
    result = tuple(shape)
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
    const = lazily(lambda numpy, a, *indices: a[_rebuilt(spread, indices)], input, *arrays)
    return ctx.emit("index", tensors(input, *spread), result, input.dtype, const=const, spec=_spec(spread))


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
        low = size + low
    if isinstance(high, int) and high < 0:
        high = size + high
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


def _advanced_shape(item: Any) -> tuple[tuple[Any, ...], int]:
    if isinstance(item, Tensor):
        if item.shape is None:
            return (fresh("size"),), 1
        if item.dtype in ("bool", "uint8"):
            return (fresh("selected"),), len(item.shape)
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
    items = index if isinstance(index, tuple) else (index,)
    const = None
    if (
        input.const is not None
        and not isinstance(value, Unknown | Dim)
        and not any(isinstance(item, Tensor | Unknown | Dim | Turns) for item in items)
    ):

        def changed(numpy: Any, array: Any, new: Any) -> Any:
            copied = numpy.array(array)
            copied[index] = new
            return copied

        const = lazily(changed, input, value)
    rank = len(input.shape) if input.shape is not None else 0
    consumed = sum(_consumes(item) for item in items)
    spread = [part for item in items for part in ([slice(None)] * (rank - consumed) if item is Ellipsis else [item])]
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


def _diff(ctx: Any, input: Tensor, n: Any = 1, dim: Any = -1, prepend: Any = None, append: Any = None) -> Any:  # noqa: A002
    shape = None
    if input.shape is not None:
        where = axis(dim, len(input.shape))
        extra = sum((t.shape[where] for t in tensors(prepend, append) if t.shape), 0)
        shape = (*input.shape[:where], input.shape[where] - n + extra, *input.shape[where + 1 :])
    return ctx.emit("diff", tensors(input, prepend, append), shape, input.dtype)


def _gather(ctx: Any, input: Tensor, dim: Any, index: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    return ctx.emit("gather", (input, index), index.shape, input.dtype, dim=dim)


def _scatter(
    ctx: Any,
    input: Tensor,
    dim: Any,
    index: Any,
    src: Any = None,
    *args: Any,
    value: Any = None,
    reduce: Any = None,
    **kwargs: Any,
) -> Any:  # noqa: A002
    other = src if src is not None else value
    return ctx.emit(
        "scatter",
        tensors(input, index, other),
        input.shape,
        input.dtype,
        dim=dim,
        value=other if not isinstance(other, Tensor) else None,
    )


def _index_select(ctx: Any, input: Tensor, dim: Any, index: Tensor) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("index", (input, index), None, input.dtype)
    where = axis(dim, len(input.shape))
    count = index.shape[0] if index.shape else 1
    return ctx.emit(
        "index",
        (input, index),
        (*input.shape[:where], count, *input.shape[where + 1 :]),
        input.dtype,
        dim=dim,
        const=lazily(lambda numpy, a, i: a.take(i.astype("int64"), axis=where), input, index),
    )


def _narrow(ctx: Any, input: Tensor, dim: Any, start: Any, length: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    return ctx.emit(
        "slice",
        (input,),
        (*input.shape[:where], length, *input.shape[where + 1 :]),
        input.dtype,
        view_of=input,
        spec=(*[":"] * where, (start, start + length, None)),
    )


def _select(ctx: Any, input: Tensor, dim: Any, index: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    return getitem(ctx, input, (*([slice(None)] * where), index))


def _same(kind: str, **fixed: Any) -> Model:
    def model(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        return ctx.emit(kind, tensors(input, *args, *kwargs.values()), input.shape, input.dtype, **fixed)

    model.__name__ = kind
    return model


def _cum(name: str) -> Model:
    def model(ctx: Any, input: Tensor, dim: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
        dim = kwargs.get("axis", dim)
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


def _tri(name: str) -> Model:
    def model(ctx: Any, input: Tensor, diagonal: Any = 0, **kwargs: Any) -> Any:  # noqa: A002
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


def _roll(ctx: Any, input: Tensor, shifts: Any, dims: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    amounts = tuple(shifts) if isinstance(shifts, list | tuple) else (shifts,)
    where = dims if dims is None or isinstance(dims, list | tuple) else (dims,)
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


def _movedim(ctx: Any, input: Tensor, source: Any, destination: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    rank = len(input.shape)
    sources = [axis(d, rank) for d in (source if isinstance(source, list | tuple) else (source,))]
    targets = [axis(d, rank) for d in (destination if isinstance(destination, list | tuple) else (destination,))]
    order = [d for d in range(rank) if d not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return _permute(ctx, input, *order)


def _meshgrid(ctx: Any, *args: Any, indexing: Any = "ij", **kwargs: Any) -> Any:
    items = list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else list(args)
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


def _unfold(ctx: Any, input: Tensor, dimension: Any, size: Any, step: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dimension, len(input.shape))
    count = (input.shape[where] - size) // step + 1
    return ctx.emit(
        "unfold", (input,), (*input.shape[:where], count, *input.shape[where + 1 :], size), input.dtype, view_of=input
    )


def _pad(ctx: Any, input: Tensor, pad: Any = (), mode: Any = "constant", value: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    if input.shape is None or isinstance(pad, Unknown):
        return ctx.emit("pad", (input,), None, input.dtype)
    shape = list(input.shape)
    amounts = list(pad)
    for index in range(len(amounts) // 2):
        extra = [fresh("pad") if isinstance(item, Unknown) else item for item in amounts[2 * index : 2 * index + 2]]
        shape[-1 - index] = shape[-1 - index] + extra[0] + extra[1]
    return ctx.emit(
        "pad",
        (input,),
        tuple(shape),
        input.dtype,
        pad=tuple(amounts),
        mode=mode,
        value=value if not isinstance(value, Tensor) else None,
    )


def _one_hot(ctx: Any, tensor: Tensor, num_classes: Any = -1) -> Any:
    count = num_classes if isinstance(num_classes, int) and num_classes != -1 else fresh("classes")
    return ctx.emit(
        "one_hot", (tensor,), None if tensor.shape is None else (*tensor.shape, count), "int64", classes=num_classes
    )


def _unknown_count(kind: str, dtype: str = "") -> Model:
    def model(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        return ctx.emit(kind, tensors(input, *args), (fresh("count"),), dtype or input.dtype)

    model.__name__ = kind
    return model


def _unique(
    ctx: Any, input: Tensor, *args: Any, return_inverse: Any = False, return_counts: Any = False, **kwargs: Any
) -> Any:  # noqa: A002
    count = fresh("unique")
    found = [ctx.emit("unique", (input,), (count,), input.dtype)]
    if return_inverse:
        found.append(ctx.emit("unique", (input,), input.shape, "int64"))
    if return_counts:
        found.append(ctx.emit("unique", (input,), (count,), "int64"))
    return found[0] if len(found) == 1 else tuple(found)


SHAPES: dict[str, Model] = {
    "reshape": _reshape("reshape"),
    "permute": _permute,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "swapdims": _transpose,
    "t": transposed,
    "flatten": _flatten,
    "ravel": _flatten,
    "unflatten": _unflatten,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "repeat_interleave": _repeat_interleave,
    "tile": _repeat,
    "cat": _cat,
    "concat": _cat,
    "concatenate": _cat,
    "stack": _stack,
    "hstack": lambda ctx, tensors: _cat(
        ctx, tensors, -1 if tensors and tensors[0].shape is not None and len(tensors[0].shape) == 1 else 1
    ),
    "vstack": lambda ctx, tensors: _cat(
        ctx, [t if len(t.shape or (1, 1)) > 1 else _unsqueeze(ctx, t, 0) for t in tensors], 0
    ),
    "split": _split,
    "split_with_sizes": _split,
    "tensor_split": _chunk,
    "chunk": _chunk,
    "unbind": _unbind,
    "topk": _topk,
    "sort": _sort,
    "argsort": _argsort,
    "gather": _gather,
    "take_along_dim": lambda ctx, input, indices, dim=None: _gather(ctx, input, dim, indices),
    "scatter": _scatter,
    "scatter_add": _scatter,
    "scatter_reduce": _scatter,
    "index_select": _index_select,
    "index_add": lambda ctx, input, dim, index, source, **kwargs: ctx.emit(
        "index_add", tensors(input, index, source), input.shape, input.dtype, dim=dim
    ),
    "index_copy": lambda ctx, input, dim, index, source, **kwargs: ctx.emit(
        "index_add", tensors(input, index, source), input.shape, input.dtype, dim=dim
    ),
    "index_fill": _same("index_fill"),
    "index_put": _same("index_put"),
    "masked_scatter": _same("masked_scatter"),
    "masked_select": _unknown_count("masked_select"),
    "narrow": _narrow,
    "select": _select,
    "cumsum": _cum("cumsum"),
    "cumprod": _cum("cumprod"),
    "tril": _tri("tril"),
    "triu": _tri("triu"),
    "roll": _roll,
    "flip": lambda ctx, input, *dims, **kwargs: ctx.emit(
        "flip",
        (input,),
        input.shape,
        input.dtype,
        const=lazily(lambda numpy, a: numpy.flip(a, _items(dims) or tuple(kwargs["dims"])), input),
        dims=_items(dims) or tuple(kwargs.get("dims", ())),
    ),
    "fliplr": _same("flip", dims=(1,)),
    "movedim": _movedim,
    "moveaxis": _movedim,
    "meshgrid": _meshgrid,
    "broadcast_to": lambda ctx, input, *size: _expand(ctx, input, *size),
    "unique": _unique,
    "unique_consecutive": _unique,
    "bincount": _unknown_count("bincount", "int64"),
    "diff": _diff,
    "diagonal": lambda ctx, input, offset=0, dim1=0, dim2=1: ctx.emit("diagonal", (input,), None, input.dtype),
    "diag": lambda ctx, input, diagonal=0: ctx.emit("diagonal", (input,), None, input.dtype),
    "bucketize": lambda ctx, input, *args, **kwargs: ctx.emit(
        "bucketize", (input,), input.shape if isinstance(input, Tensor) else (), "int64"
    ),
    "searchsorted": lambda ctx, sequence, values, **kwargs: ctx.emit(
        "bucketize", tensors(sequence, values), values.shape, "int64"
    ),
    "atleast_1d": lambda ctx, input: input,
    "view_as_complex": lambda ctx, input: ctx.emit(
        "view_as_complex",
        (input,),
        input.shape[:-1] if input.shape is not None else None,
        "complex64",
        const=lazily(lambda numpy, a: a[..., 0] + 1j * a[..., 1], input),
    ),
    "view_as_real": lambda ctx, input: ctx.emit(
        "view_as_real",
        (input,),
        (*input.shape, 2) if input.shape is not None else None,
        "float32",
        const=lazily(lambda numpy, a: numpy.stack([a.real, a.imag], -1), input),
    ),
    "polar": lambda ctx, abs, angle: ctx.emit(
        "polar",
        (abs, angle),
        angle.shape,
        "complex64",
        const=lazily(lambda numpy, r, t: r * numpy.exp(1j * t), abs, angle),
    ),  # noqa: A006
    "complex": lambda ctx, real, imag: ctx.emit("complex", (real, imag), real.shape, "complex64"),
    "real": lambda ctx, input: ctx.emit("real", (input,), input.shape, "float32"),
    "imag": lambda ctx, input: ctx.emit("imag", (input,), input.shape, "float32"),
}
METHODS: dict[str, Model] = {
    "view": _reshape("view"),
    "view_as": lambda ctx, input, other: _reshape("view")(ctx, input, other.shape),
    "reshape_as": lambda ctx, input, other: _reshape("reshape")(ctx, input, other.shape),
    "expand": _expand,
    "expand_as": lambda ctx, input, other: _expand(ctx, input, other.shape) if other.shape is not None else input,
    "repeat": _repeat,
    "unfold": _unfold,
}
FUNCTIONS: dict[str, Model] = {
    "torch.nn.functional.pad": _pad,
    "torch.nn.functional.one_hot": _one_hot,
    "torch.broadcast_tensors": lambda ctx, *tensors_: tuple(tensors_),
    "torch.broadcast_shapes": lambda ctx, *shapes: shapes[0],
    "torch.concat": _cat,
    "torch.tril_indices": lambda ctx, row, col, offset=0, **kwargs: ctx.emit(
        "constant", (), (2, fresh("count")), "int64"
    ),
    "torch.triu_indices": lambda ctx, row, col, offset=0, **kwargs: ctx.emit(
        "constant", (), (2, fresh("count")), "int64"
    ),
    "torch.cartesian_prod": lambda ctx, *parts: ctx.emit(
        "meshgrid", parts, (fresh("count"), len(parts)), parts[0].dtype
    ),
}
__all__ = ["FUNCTIONS", "METHODS", "SHAPES", "getitem", "setitem", "sizes", "transposed"]
