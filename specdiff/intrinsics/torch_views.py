"""Reshaping, reordering and repeating."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim, decide, fresh
from specdiff.interp.values import Tensor, Unknown
from specdiff.intrinsics import torch_checks as checks
from specdiff.intrinsics.torch_core import ShapeError, axis, computed, constant, lazily, numel, small, tensors

Model = Callable[..., Any]


def items_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    items = tuple(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else args
    return tuple([_number(item) if isinstance(item, Tensor) else item for item in items])


def _number(item: Tensor) -> Any:
    """A size given as a tensor; unknown where data decide it."""
    array = constant(item)
    return int(array.reshape(-1)[0]) if array is not None else Unknown("a size that depends on data", source=item)


def reshape(kind: str) -> Model:
    def model(ctx: Any, input: Tensor, *args: Any, shape: Any = None, size: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        target = items_of(args) if args else items_of((shape if shape is not None else size,))
        open_ = [index for index, item in enumerate(target) if isinstance(item, Unknown)]
        if len(open_) == 1 and input.shape is not None and -1 not in target[: open_[0]] + target[open_[0] + 1 :]:
            target = (*target[: open_[0]], -1, *target[open_[0] + 1 :])  # the others leave one size
            open_ = []
        if open_:
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
            result = solved(input.shape, target, input)
            if kind == "view" and input.base is not None:
                checks.lies_in_order(ctx, input, result)
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


def solved(shape: tuple[Any, ...], target: tuple[Any, ...], input: Tensor | None = None) -> tuple[Any, ...]:  # noqa: A002
    total = numel(shape)
    known: Any = 1
    for item in target:
        if not (isinstance(item, int) and item == -1):
            known = known * item
    if -1 in [item for item in target if isinstance(item, int)]:
        if isinstance(total, int) and isinstance(known, int):
            if known == 0 or total % known:
                raise ShapeError("view", f"shape '{list(target)}' is invalid for input of size {total}")
            missing: Any = total // known
        elif isinstance(known, int) and known == 0:
            missing = fresh("size")
        elif _uneven(total, known):
            raise ShapeError("view", f"shape '{list(target)}' is invalid for input of shape {list(shape)}")
        else:
            missing = total // known
        return tuple(missing if isinstance(item, int) and item == -1 else item for item in target)
    if decide("==", total, known) is False:
        size = total if isinstance(total, int) else f"shape {list(shape)}"
        raise ShapeError("view", f"shape '{list(target)}' is invalid for input of size {size}", input, 0, target)
    return target


def _uneven(total: Any, known: Any) -> bool:
    """Whether a size is a fraction of another for all values of the symbols."""
    if not isinstance(total, Dim) or not isinstance(known, Dim) or len(total.terms) != 1 or len(known.terms) != 1:
        return False
    (symbols, count), (others, factor) = total.terms[0], known.terms[0]
    return symbols == others and count % factor != 0


def permute(ctx: Any, input: Tensor, *dims: Any, **kwargs: Any) -> Any:  # noqa: A002
    order = items_of(dims) if dims else tuple(kwargs["dims"])
    if input.shape is None:
        return ctx.emit("permute", (input,), None, input.dtype, dims=order, view_of=input)
    rank = len(input.shape)
    order = tuple(axis(d, rank) for d in order)
    if len(order) != rank:
        raise ShapeError(
            "view",
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = {rank} is not equal to len(dims) = {len(order)}",
        )
    if len(set(order)) != rank:
        raise ShapeError("view", "permute(): duplicate dims are not allowed.")
    return ctx.emit(
        "permute",
        (input,),
        tuple(input.shape[d] for d in order),
        input.dtype,
        dims=order,
        view_of=input,
        const=lazily(lambda numpy, a: a.transpose(order), input),
    )


def transpose(ctx: Any, input: Tensor, dim0: Any, dim1: Any) -> Any:  # noqa: A002
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
    return permute(ctx, input, *range(len(input.shape) - 1, -1, -1))


def turned(ctx: Any, input: Tensor) -> Any:  # noqa: A002
    """``t()``, which takes no more than two dimensions."""
    if input.shape is not None and len(input.shape) > 2:
        raise ShapeError("view", f"t() expects a tensor with <= 2 dimensions, but self is {len(input.shape)}D")
    return transposed(ctx, input)


def contiguous(ctx: Any, input: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    """``contiguous()``: a copy of what was put in another order, else the tensor itself."""
    if ctx.trace is None or input.base is None or input.node is None:
        return input
    if ctx.trace.ops[input.node].kind not in ("transpose", "permute"):
        return input
    copy = Tensor(input.shape, input.dtype, node=input.node, const=input.const, place=input.place)
    copy.grad, copy.serial = input.grad, ctx.serial
    return copy


def flatten(ctx: Any, input: Tensor, start_dim: Any = 0, end_dim: Any = -1) -> Any:  # noqa: A002
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


def unflatten(ctx: Any, input: Tensor, dim: Any, sizes: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    parts = solved((input.shape[where],), tuple(sizes))
    return ctx.emit(
        "view", (input,), (*input.shape[:where], *parts, *input.shape[where + 1 :]), input.dtype, view_of=input
    )


def unsqueeze(ctx: Any, input: Tensor, dim: Any) -> Any:  # noqa: A002
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


def squeeze(ctx: Any, input: Tensor, *dims_: Any, dim: Any = None) -> Any:  # noqa: A002
    dims_ = (dim,) if dim is not None else dims_
    if input.shape is None:
        return ctx.emit("squeeze", (input,), None, input.dtype, view_of=input)
    rank = len(input.shape)
    dims = {axis(d, rank) for d in items_of(dims_)} if dims_ and dims_[0] is not None else set(range(rank))
    shape = tuple(
        size for index, size in enumerate(input.shape) if not (index in dims and isinstance(size, int) and size == 1)
    )
    return ctx.emit(
        "squeeze", (input,), shape, input.dtype, view_of=input, const=lazily(lambda numpy, a: a.reshape(shape), input)
    )


def expand(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    target = items_of(args) if args else tuple(kwargs.get("size", ()))
    if input.shape is None:
        return ctx.emit("expand", (input,), None, input.dtype, view_of=input)
    extra = len(target) - len(input.shape)
    if extra < 0:
        raise ShapeError(
            "broadcast",
            f"expand: the number of sizes provided ({len(target)}) must be greater or equal to the number of dimensions in the tensor ({len(input.shape)})",
        )
    shape: list[Any] = []
    for index, size in enumerate(target):
        own = input.shape[index - extra] if index >= extra else 1
        if isinstance(size, Unknown):
            shape.append(fresh("size"))
        elif isinstance(size, int) and size == -1:
            shape.append(own)
        else:
            if decide("==", own, size) is False and decide("==", own, 1) is False:
                raise ShapeError(
                    "broadcast",
                    f"The expanded size of the tensor ({size}) must match the existing size ({own}) at non-singleton dimension {index}.  Target sizes: {list(target)}.  Tensor sizes: {list(input.shape)}",
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


def repeat(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    times = items_of(args) if args else tuple(kwargs.get("repeats", kwargs.get("dims", ())))
    if input.shape is None:
        return ctx.emit("repeat", (input,), None, input.dtype)
    if len(times) < len(input.shape) and kwargs.get("tiles") is None:
        raise ShapeError(
            "view",
            f"Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: {list(times)} and {list(input.shape)}",
        )
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


def repeat_interleave(ctx: Any, input: Tensor, repeats: Any = None, dim: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("repeat_interleave", (input,), None, input.dtype)
    if dim is None:
        input = flatten(ctx, input)  # noqa: A001
        dim = 0
    assert input.shape is not None
    where = axis(dim, len(input.shape))
    counts = computed(lambda numpy, a: a.astype("int64"), repeats) if isinstance(repeats, Tensor) else None
    if counts is not None:
        count = int(counts.reshape(-1)[0]) if counts.size == 1 else None
        grown = int(counts.sum()) if count is None else input.shape[where] * count
        repeats_ = counts if count is None else count
    else:
        grown = input.shape[where] * repeats if isinstance(repeats, int | Dim) else fresh("size")
        repeats_ = repeats
    if "output_size" in kwargs and isinstance(kwargs["output_size"], int | Dim):
        grown = kwargs["output_size"]
    shape = (*input.shape[:where], grown, *input.shape[where + 1 :])
    known = isinstance(repeats, int) or counts is not None
    return ctx.emit(
        "repeat_interleave",
        tensors(input, repeats),
        shape,
        input.dtype,
        dim=where - len(shape),
        repeats=repeats_ if isinstance(repeats_, int) else None,
        const=lazily(lambda numpy, a: numpy.repeat(a, repeats_, axis=where), input) if known and small(shape) else None,
    )


def movedim(ctx: Any, input: Tensor, source: Any, destination: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    rank = len(input.shape)
    sources = [axis(d, rank) for d in (source if isinstance(source, list | tuple) else (source,))]
    targets = [axis(d, rank) for d in (destination if isinstance(destination, list | tuple) else (destination,))]
    order = [d for d in range(rank) if d not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return permute(ctx, input, *order)


def unfold(ctx: Any, input: Tensor, dimension: Any, size: Any, step: Any) -> Any:  # noqa: A002
    assert input.shape is not None
    where = axis(dimension, len(input.shape))
    if decide(">", size, input.shape[where]) is True:
        raise ShapeError(
            "view", f"maximum size for tensor at dimension {where} is {input.shape[where]} but size is {size}"
        )
    count = (input.shape[where] - size) // step + 1
    return ctx.emit(
        "unfold", (input,), (*input.shape[:where], count, *input.shape[where + 1 :], size), input.dtype, view_of=input
    )


def view_as_complex(ctx: Any, input: Tensor) -> Any:  # noqa: A002
    """``torch.view_as_complex``."""
    if input.shape and decide("==", input.shape[-1], 2) is False:
        raise ShapeError("view", f"Tensor must have a last dimension of size 2, not the shape {list(input.shape)}")
    return ctx.emit(
        "view_as_complex",
        (input,),
        input.shape[:-1] if input.shape is not None else None,
        "complex64",
        const=lazily(lambda numpy, a: a[..., 0] + 1j * a[..., 1], input),
    )
