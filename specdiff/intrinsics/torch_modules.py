"""What a torch module holds, gone through in torch's order and no further than is asked: submodules and their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from specdiff.interp.builtins import raw
from specdiff.interp.containers import NotIterable, getitem, iterate
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import Instance, Value
from specdiff.interp.run import Run
from specdiff.interp.values import Unknown

Pairs = Iterator[tuple[str, Value]]


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _table(run: Run, module: Instance, name: str) -> Pairs:
    """The entries of one of a module's tables as they are when they are reached."""
    table = run.getattr(module, name)
    if not isinstance(table, dict):
        return
    for key in list(table):
        if key in table:
            yield key, table[key]


def _is_torch_s_own(run: Run, module: Instance, name: str) -> bool:
    return run.is_library(lookup(module.cls, name)[1].file)


def _modules(run: Run, module: Instance, memo: set[Any], prefix: str, once: bool) -> Pairs:
    if module in memo:
        return
    if once:
        memo.add(module)
    yield prefix, module
    for name, child in _table(run, module, "_modules"):
        if isinstance(child, Unknown):
            run.note(f"a module that is not known: {child.reason}", child.place)
        elif isinstance(child, Instance):
            path = _join(prefix, name)
            if _is_torch_s_own(run, child, "named_modules"):
                yield from _modules(run, child, memo, path, once)
            else:
                yield from iterate(run, run.call(run.getattr(child, "named_modules"), (memo, path, once), {}))


def _named_modules(
    ctx: Run, module: Instance, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
) -> Value:
    if memo is not None:
        ctx.touch(memo)
    return ctx.walk(_modules(ctx, module, set() if memo is None else memo, prefix, remove_duplicate))


def _children(run: Run, module: Instance) -> Pairs:
    seen: set[int] = set()
    for name, child in _table(run, module, "_modules"):
        if child is not None and id(child) not in seen:
            seen.add(id(child))
            yield name, child


def _named_children(ctx: Run, module: Instance) -> Value:
    return ctx.walk(_children(ctx, module))


def _members(run: Run, modules: Pairs, table: str, once: bool) -> Pairs:
    seen: set[int] = set()
    for prefix, module in modules:
        for name, value in _table(run, module, table):
            if value is None or id(value) in seen:
                continue
            if once:
                seen.add(id(value))
            yield _join(prefix, name), value


def _named(table: str) -> Callable[..., Value]:
    def model(
        ctx: Run, module: Instance, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Value:
        modules: Any = iter([(prefix, module)])
        if recurse and _is_torch_s_own(ctx, module, "named_modules"):
            modules = _modules(ctx, module, set(), prefix, remove_duplicate)
        elif recurse:
            own = {"prefix": prefix, "remove_duplicate": remove_duplicate}
            modules = iterate(ctx, ctx.call(ctx.getattr(module, "named_modules"), (), own))
        return ctx.walk(_members(ctx, modules, table, remove_duplicate))

    return model


def _second(ctx: Run, pairs: Value) -> Value:
    """The second item of each pair."""
    try:
        items = iterate(ctx, pairs)
    except NotIterable as stop:
        return stop.value
    return ctx.walk(getitem(ctx, pair, 1) for pair in items)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "specdiff_native.named_modules": raw(_named_modules),
    "specdiff_native.named_children": raw(_named_children),
    "specdiff_native.named_parameters": raw(_named("_parameters")),
    "specdiff_native.named_buffers": raw(_named("_buffers")),
    "specdiff_native.second": raw(_second),
}

__all__ = ["FUNCTIONS"]
