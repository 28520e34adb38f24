"""Reading the IR of a function: its nodes, blocks, names, and the text around it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from specdiff.ir import nodes as ir

Block = tuple[ir.Stmt, ...]
_Answer = TypeVar("_Answer")

_STRING = re.compile(r"(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3})", re.DOTALL)
UNFINISHED = re.compile(
    r"\b(?:TODO|FIXME|XXX|HACK)\b|(?i:\bplace-?holder for\b|\b(?:a|the) real implementation\b|\bnot (?:yet )?implemented\b"
    r"|\bto be implemented\b|\bleft as an exercise\b|\bfor brevity\b|\bsimplified(?: version| implementation)?:"
    r"|\bimplement (?:this|me|later|the actual)\b|\bactual implementation\b)"
)
"""What an author writes who knows that something is not finished."""
_COMMENT = re.compile(r"#[^\n]*")


class Recalled(Generic[_Answer]):
    """Answers about pieces of code by identity: the classes of a file share most of what they run. Forgets all when full."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[object, tuple[object, _Answer]] = {}

    def of(self, code: object, work: Callable[[], _Answer], about: Hashable = None) -> _Answer:
        """What was worked out about a piece of code, worked out now if it was not yet."""
        key = (id(code), about)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= self._most:
                self._known.clear()
            found = self._known[key] = (code, work())  # as long as the code is kept, no other has its identity
        return found[1]


_MOST_BODIES = 4096
_WALKED: Recalled[tuple[Any, ...]] = Recalled(_MOST_BODIES)


def nodes_in(node: Any) -> Iterable[Any]:
    """A node and everything below it, nested functions and classes included, in source order."""
    # A body is walked by most audits, an expression by one.
    return _WALKED.of(node, lambda: tuple(_walked(node))) if type(node) is tuple and len(node) > 1 else _walked(node)


def _walked(node: Any) -> Iterator[Any]:
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            if type(item) is not tuple:
                yield item
            stack.extend([each for each in item[::-1] if isinstance(each, tuple)])


def blocks_in(body: Block) -> Iterator[Block]:
    """A block and the blocks inside its statements, those of nested functions left out."""
    yield body
    for node in body:
        match node:
            case ir.If() | ir.For() | ir.While():
                yield from blocks_in(node.body)
                yield from blocks_in(node.orelse)
            case ir.With():
                yield from blocks_in(node.body)
            case ir.Try():
                for part in (node.body, node.orelse, node.final, *(handler.body for handler in node.handlers)):
                    yield from blocks_in(part)
            case ir.Match():
                for case in node.cases:
                    yield from blocks_in(case.body)
            case _:
                pass


def dotted(node: Any) -> str:
    """``a.b.c`` as text; empty where it is anything but names and dots."""
    parts: list[str] = []
    while isinstance(node, ir.Attr):
        parts.append(node.name)
        node = node.value
    if not isinstance(node, ir.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def names_read(node: Any) -> set[str]:
    """Plain names mentioned anywhere below a node, as target or as value."""
    return {item.id for item in nodes_in(node) if isinstance(item, ir.Name)}


def without_words(text: str) -> str:
    """Source text without comments and long strings (lines kept), so that what remains is code."""
    return _COMMENT.sub("", _STRING.sub(lambda found: "\n" * found.group().count("\n"), text))


def real_body(node: ir.FunctionDef) -> Block:
    """A function's statements without the docstring."""
    body = node.body
    if body and isinstance(body[0], ir.ExprStmt) and isinstance(body[0].value, ir.Const):
        return body[1:] if isinstance(body[0].value.value, str) else body
    return body
