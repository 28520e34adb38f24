"""Operations that take dimensions together: sums, means, extremes, softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.values import DType, OwnDType, Tensor
from specdiff.intrinsics.torch_core import (
    axis,
    broadcast,
    dtype_name,
    is_float,
    lazily,
    of,
    promote,
    tensors,
)

Model = Callable[..., Any]


def reduce(which: str, numpy_name: str = "", dtype_of: str = "") -> Model:
    """A reduction over dimensions."""

    def model(
        ctx: Any,
        input: Tensor,
        dim: Any = None,
        keepdim: Any = False,
        *args: Any,
        dtype: Any = None,
        axis_: Any = None,
        **kwargs: Any,
    ) -> Any:  # noqa: A002
        input = of(input)  # noqa: A001
        dim = kwargs.get("axis", dim)
        keepdim = kwargs.get("keepdims", keepdim)
        if isinstance(dim, DType):
            dtype, dim = dim, None
        default = dtype_of or (
            input.dtype
            if is_float(input.dtype) or which in ("max", "min")
            else "int64"
            if which in ("sum", "prod")
            else "float32"
        )
        result = dtype_name(dtype, default)
        if input.shape is None:
            return ctx.emit("reduce", (input,), None, result, which=which, dims=None, keepdim=keepdim)
        rank = len(input.shape)
        dims = (
            tuple(range(rank))
            if dim is None or dim == ()
            else tuple(axis(d, rank) for d in (dim if isinstance(dim, list | tuple) else (dim,)))
        )
        shape = tuple(1 if i in dims else s for i, s in enumerate(input.shape) if keepdim or i not in dims)
        const = (
            lazily(lambda numpy, a: getattr(numpy, numpy_name)(a, axis=dims or None, keepdims=bool(keepdim)), input)
            if numpy_name
            else None
        )
        return ctx.emit(
            "reduce",
            (input,),
            shape,
            result,
            const=const,
            which=which,
            dims=tuple(d - rank for d in dims),
            keepdim=bool(keepdim),
        )

    model.__name__ = which
    return model


class ValuesIndices(tuple):  # type: ignore[type-arg]
    """What ``max(dim)``, ``topk``, ``sort`` … return."""

    __slots__ = ()

    @property
    def values(self) -> Any:
        """The first item."""
        return self[0]

    @property
    def indices(self) -> Any:
        """The second item."""
        return self[1]


def extreme(which: str) -> Model:
    """``max`` and ``min`` of a tensor, over a dimension, or of two."""
    plain_reduce = reduce(which, which)

    def model(ctx: Any, input: Tensor, dim: Any = None, keepdim: Any = False, **kwargs: Any) -> Any:  # noqa: A002
        dim, keepdim = kwargs.get("axis", dim), kwargs.get("keepdims", keepdim)
        if dim is None and isinstance(kwargs.get("other"), Tensor):
            dim = kwargs["other"]
        if isinstance(dim, Tensor):
            return maximum(which)(ctx, input, dim)
        if dim is None:
            return plain_reduce(ctx, input)
        values = plain_reduce(ctx, input, dim, keepdim)
        const = (
            lazily(lambda numpy, a: getattr(numpy, f"arg{which}")(a, axis=dim, keepdims=bool(keepdim)), input)
            if which in ("max", "min")
            else None
        )
        return ValuesIndices((values, ctx.emit("indices", (values,), values.shape, "int64", const=const)))

    model.__name__ = which
    return model


def maximum(which: str) -> Model:
    """``maximum`` and ``minimum`` of two tensors."""

    def model(ctx: Any, input: Any, other: Any) -> Any:  # noqa: A002
        a = input.shape if isinstance(input, Tensor) else ()
        b = other.shape if isinstance(other, Tensor) else ()
        return ctx.emit(
            f"{which}imum",
            tensors(input, other),
            broadcast(a, b),
            promote(input, other),
            const=lazily(lambda numpy, x, y: getattr(numpy, f"{which}imum")(x, y), input, other),
        )

    return model


def arg_extreme(which: str) -> Model:
    """``argmax`` and ``argmin``."""

    def model(ctx: Any, input: Tensor, dim: Any = None, keepdim: Any = False, **kwargs: Any) -> Any:  # noqa: A002
        dim, keepdim = kwargs.get("axis", dim), kwargs.get("keepdims", keepdim)
        where = None if dim is None else int(dim)
        const = lazily(lambda numpy, a: getattr(numpy, which)(a, axis=where, keepdims=bool(keepdim)), input)
        if dim is None:
            return ctx.emit("indices", (input,), (), "int64", which=which, const=const)
        reduced = reduce(which, dtype_of="int64")(ctx, input, dim, keepdim)
        reduced.const = const
        return reduced

    return model


def softmax(kind: str) -> Model:
    """``softmax`` and ``log_softmax``."""

    def model(ctx: Any, input: Tensor, dim: Any = None, _stacklevel: int = 3, dtype: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        input = of(input)  # noqa: A001
        result = dtype_name(dtype, input.dtype)
        rank = len(input.shape) if input.shape is not None else None
        where = axis(dim, rank) - rank if rank and isinstance(dim, int) else dim
        return ctx.emit(
            kind,
            (input,),
            input.shape,
            result,
            dim=where,
            computed_in="input" if isinstance(dtype, OwnDType) else dtype_name(dtype, "input"),
        )

    model.__name__ = kind
    return model
