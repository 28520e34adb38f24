"""What both lowerings read off nodes that are lowered: where they begin, whether they yield, their docstring."""

from __future__ import annotations

from typing import Any

from specdiff.ir import nodes as ir


def start_of(node: ir.Expr) -> int:
    """The line an expression begins on."""
    while isinstance(node, ir.Attr | ir.Item):
        node = node.value
    return node.line


def first_line(decorators: tuple[ir.Expr, ...], def_line: int) -> int:
    """The line of the first decorator, or of the definition."""
    if not decorators:
        return def_line
    node: Any = decorators[0]
    while isinstance(node, ir.Call | ir.Attr | ir.Item):
        node = node.func if isinstance(node, ir.Call) else node.value
    return int(node.line)


def doc_of(body: tuple[ir.Stmt, ...]) -> str | None:
    """The docstring of a body."""
    if (
        body
        and isinstance(body[0], ir.ExprStmt)
        and isinstance(body[0].value, ir.Const)
        and isinstance(body[0].value.value, str)
    ):
        return body[0].value.value
    return None


def is_generator(body: tuple[Any, ...]) -> bool:
    """Whether a function's own body yields."""
    stack: list[Any] = list(body)
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is ir.Yield or kind is ir.YieldFrom:
            return True
        if kind is ir.FunctionDef or kind is ir.ClassDef or kind is ir.Lambda:
            continue
        stack.extend([item for item in node if isinstance(item, tuple)])
    return False
