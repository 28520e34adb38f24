"""From libcst trees to the IR. The only module, with `expressions` and `statements`, that knows libcst."""

from __future__ import annotations

import ast
import re
from typing import Any

import libcst as cst

from specdiff.errors import Problem, SourceError
from specdiff.frontend.cursor import Cursor
from specdiff.frontend.expressions import lower_expression
from specdiff.frontend.statements import lower_block
from specdiff.ir import nodes as ir

_WHERE = re.compile(r"at (\d+):(\d+)")


def parse_statements(text: str, first_line: int, name: str, indent: int = 0) -> tuple[ir.Stmt, ...]:
    """Parse and lower statements that begin at a line of a file.

    Indented text is parsed inside of a block, so that multi-line strings keep their content.

    Raises:
        SourceError: the text is not Python.
    """
    offset = first_line - 1
    if indent:
        text = "if 1:\n" + text
        offset -= 1
    module = _parse(text, offset, name)
    body: Any = module.body
    cursor = Cursor(text, offset)
    if indent:
        body = body[0].body.body
        cursor.find("1")
    return lower_block(body, cursor)


def parse_expression(text: str, line: int, name: str) -> ir.Expr:
    """Parse and lower one expression (a decorator).

    Raises:
        SourceError: the text is not Python.
    """
    text = text.strip()
    try:
        tree = cst.parse_expression(text)
    except cst.ParserSyntaxError as error:
        raise problem_of(error, line - 1, name, text) from None
    return lower_expression(tree, Cursor(text, line - 1))


def check_syntax(text: str, name: str) -> None:
    """Parse a whole file.

    Raises:
        SourceError: the text is not Python.
    """
    _parse(text, 0, name)


def _parse(text: str, offset: int, name: str) -> cst.Module:
    try:
        return cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        raise problem_of(error, offset, name, text) from None


def problem_of(error: cst.ParserSyntaxError, offset: int, name: str, text: str) -> SourceError:
    """The place and the words of Python's own parser, which says what to do, where it refuses the text too."""
    try:
        ast.parse(text)
    except SyntaxError as own:
        line, column = own.lineno or error.raw_line, own.offset or 0
        return SourceError(Problem(name, line + offset, column, f"not valid Python: {own.msg}"))
    except (ValueError, MemoryError, RecursionError):
        pass
    message = error.message.partition("\n")[0].replace("parser error: ", "").strip()
    message = _WHERE.sub("here", message)
    return SourceError(Problem(name, error.raw_line + offset, error.raw_column + 1, f"not valid Python: {message}"))
