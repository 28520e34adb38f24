"""Which classes of a file are parts of others: found by who makes them, not by what they are called."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from specdiff.interp.objects import ModuleVal
from specdiff.ir import nodes as ir

_TESTS = frozenset({"isinstance", "issubclass", "hasattr", "type"})
"""Calls that ask about a class and make nothing of it."""


def built_inside(module: ModuleVal, classes: Collection[str]) -> set[str]:
    """Names among ``classes`` that another of them makes, itself or through functions and tables of the file.

    What only functions outside of them make (``main``, loaders, factories) is a model, not a part.
    """
    positions: dict[str, list[int]] = {}
    for position, chunk in enumerate(module.unit.chunks):
        if chunk.kind == "compound" and module.unit.chunk_text(position).lstrip().startswith("if __name__"):
            continue
        for name in chunk.binds:
            positions.setdefault(name, []).append(position)
    used: dict[str, set[str]] = {}

    def names_in(name: str) -> set[str]:
        found = used.get(name)
        if found is None:
            found = used[name] = {
                mention
                for position in positions.get(name, ())
                if module.unit.chunks[position].kind != "import"
                for statement in module.unit.statements(position)
                for mention in _values(module.unit, statement)
            }
        return found

    parts: set[str] = set()
    for cls in classes:
        seen = {cls}
        waiting = [cls]
        while waiting:
            for name in names_in(waiting.pop()):
                if name in seen or name not in positions:
                    continue
                seen.add(name)
                if name in classes:
                    parts.add(name)
                else:
                    waiting.append(name)
    return parts


def _values(unit: Any, node: Any) -> Iterator[str]:
    """Names that a piece of code reads as values: not in annotations, bases or tests of a type."""
    kind = type(node)
    if kind is ir.Name:
        yield node.id
    elif kind is ir.FunctionStub:
        yield from _values(unit, unit.function(node))
    elif kind is ir.FunctionDef:
        local = {param.name for param in node.params} | set(_bound(node.body))
        for part in (*(param.default for param in node.params), *node.decorators, *node.body):
            yield from (name for name in _values(unit, part) if name not in local)
    elif kind is ir.ClassDef:
        for part in (*node.decorators, *node.body):
            yield from _values(unit, part)
    elif kind is ir.AnnAssign:
        yield from _values(unit, node.value)
    elif kind is ir.Call and type(node.func) is ir.Name and node.func.id in _TESTS:
        return
    elif isinstance(node, tuple):
        for part in node:
            yield from _values(unit, part)


def _bound(node: Any) -> Iterator[str]:
    """Names that statements assign, which are local to their function."""
    kind = type(node)
    if kind is ir.Assign:
        for target in node.targets:
            yield from _targets(target)
    elif kind in (ir.AnnAssign, ir.AugAssign, ir.For, ir.WithItem):
        yield from _targets(node.target)
    elif kind is ir.NamedExpr:
        yield node.target
    if isinstance(node, tuple) and kind not in (ir.FunctionDef, ir.ClassDef):
        for part in node:
            yield from _bound(part)


def _targets(node: Any) -> Iterator[str]:
    if type(node) is ir.Name:
        yield node.id
    elif type(node) in (ir.TupleExpr, ir.ListExpr):
        for item in node.items:
            yield from _targets(item)


__all__ = ["built_inside"]
