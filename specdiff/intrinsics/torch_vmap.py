"""``torch.vmap`` of functions of single elements, one dimension per level: the elements broadcast against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.builtins import raw
from specdiff.interp.values import Intrinsic, Tensor, Unknown

_NAME = "torch.vmap"


def vmap(ctx: Any, func: Any, in_dims: Any = 0, out_dims: Any = 0, *args: Any, **kwargs: Any) -> Any:
    """A function that maps another over one dimension of some arguments; mapping a mapped one adds a level outside."""
    base, levels = func, [in_dims]
    if isinstance(func, Intrinsic) and func.name == _NAME:
        base, inner = func.function.__dict__["mapped"]
        levels += inner
    if out_dims != 0:
        return _unmapped("torch.vmap with out_dims")

    @raw
    def call(inner: Any, *given: Any, **named: Any) -> Any:
        if named:
            return inner.unknown("torch.vmap with arguments by name")
        return _mapped(inner, base, levels, given)

    call.mapped = (base, levels)  # type: ignore[attr-defined] # the next level reads it
    return Intrinsic(_NAME, call)


def _unmapped(why: str) -> Intrinsic:
    model: Callable[..., Any] = raw(lambda ctx, *args, **kwargs: ctx.unknown(why))
    return Intrinsic("torch.vmap of something else", model)


def _mapped(ctx: Any, base: Any, levels: list[Any], given: tuple[Any, ...]) -> Any:
    """The function called once, each element tensor laid along a dimension of its own."""
    sizes: list[Any] = [None] * len(levels)
    placed: list[Any] = []
    for position, value in enumerate(given):
        dims = [level[position] if isinstance(level, list | tuple) else level for level in levels]
        at = [index for index, dim in enumerate(dims) if dim is not None]
        if not at:
            placed.append(value)
            continue
        if isinstance(value, Unknown):
            return value
        if len(at) > 1 or not isinstance(value, Tensor) or value.shape is None or len(value.shape) != 1:
            return ctx.unknown("torch.vmap over more than single elements")
        sizes[at[0]] = value.shape[0]
        shape = tuple(value.shape[0] if index == at[0] else 1 for index in range(len(levels)))
        placed.append(ctx.call(ctx.getattr(value, "view"), shape, {}))
    result = ctx.call(base, tuple(placed), {})
    if not isinstance(result, Tensor) or any(size is None for size in sizes):
        return (
            result if isinstance(result, Unknown) else ctx.unknown("torch.vmap of a function without a tensor result")
        )
    if result.shape is not None and len(result.shape) > len(levels):
        return ctx.unknown("torch.vmap over more than single elements")
    return ctx.call(ctx.getattr(result, "expand"), tuple(sizes), {})


FUNCTIONS: dict[str, Any] = {"torch.vmap": vmap, "torch.func.vmap": vmap}
