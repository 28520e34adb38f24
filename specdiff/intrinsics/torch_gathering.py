"""Gathering and scattering along a dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.values import Tensor
from specdiff.intrinsics import torch_checks as checks
from specdiff.intrinsics.torch_core import ShapeError, apart, axis, broadcast, lazily, tensors

Model = Callable[..., Any]


def gather(ctx: Any, input: Tensor, dim: Any, index: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    if input.shape and index.shape:
        checks.gathered(input, index, axis(dim, len(input.shape)))
    const = lazily(lambda numpy, a, i: numpy.take_along_axis(a, i.astype("int64"), axis=dim), input, index)
    if const is not None and not (input.shape and index.shape and input.shape[:dim] == index.shape[:dim]):
        const = None
    return ctx.emit("gather", (input, index), index.shape, input.dtype, dim=dim, const=const)


def scatter(
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
    checks.same_rank("self", input, index)
    return ctx.emit(
        "scatter",
        tensors(input, index, other),
        input.shape,
        input.dtype,
        dim=dim,
        value=other if not isinstance(other, Tensor) else None,
    )


def index_select(ctx: Any, input: Tensor, dim: Any, index: Tensor) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("index", (input, index), None, input.dtype)
    where = axis(dim, len(input.shape))
    if index.shape is not None and len(index.shape) > 1:
        raise ShapeError("index", f"index_select(): Index is supposed to be a vector, not of shape {list(index.shape)}")
    count = index.shape[0] if index.shape else 1
    return ctx.emit(
        "index",
        (input, index),
        (*input.shape[:where], count, *input.shape[where + 1 :]),
        input.dtype,
        dim=dim,
        const=lazily(lambda numpy, a, i: a.take(i.astype("int64"), axis=where), input, index),
    )


def scatter_add(ctx: Any, input: Tensor, dim: Any, index: Any, src: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    """``scatter_add`` and ``scatter_reduce``: what is written is put together with what was there."""
    checks.same_rank("self", input, index)
    how = args[0] if args else kwargs.get("reduce", "sum")
    return ctx.emit("scatter", tensors(input, index, src), input.shape, input.dtype, dim=dim, adds=how)


def index_copy(ctx: Any, input: Tensor, dim: Any, index: Any, source: Any, **kwargs: Any) -> Any:  # noqa: A002
    """``index_copy``: as `index_add`, in place of what was there."""
    return index_add(ctx, input, dim, index, source, copies=True)


def index_add(ctx: Any, input: Tensor, dim: Any, index: Any, source: Any, copies: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    """``index_add``: a source of as many slices as there are indices."""
    count = index.shape or () if isinstance(index, Tensor) else ()
    if input.shape and len(count) == 1 and isinstance(source, Tensor) and source.shape:
        where = axis(dim, len(input.shape))
        if where < len(source.shape) and apart(count[0], source.shape[where]):
            raise ShapeError(
                "index",
                f"Number of indices ({count[0]}) should be equal to source.size(dim): ({source.shape[where]}), for dim: {where}",
            )
    return ctx.emit("index_add", tensors(input, index, source), input.shape, input.dtype, dim=dim, copies=copies)


def take_along_dim(ctx: Any, input: Tensor, indices: Tensor, dim: Any = None) -> Any:  # noqa: A002
    """``torch.take_along_dim``: a gather whose sizes stretch beside the dimension that it picks from."""
    wanted = indices.shape
    if input.shape and wanted and dim is not None and len(input.shape) == len(wanted):
        where = axis(dim, len(input.shape))
        own, other = ((*size[:where], 1, *size[where + 1 :]) for size in (input.shape, wanted))
        shape = list(broadcast(own, other) or ())
        shape[where] = wanted[where]
        return ctx.emit("gather", (input, indices), tuple(shape), input.dtype, dim=dim)
    return gather(ctx, input, 0 if dim is None else dim, indices)
