"""From text to the IR: model code by libcst, the library around it by Python's own parser where that accepts the text.

What is analysed is read by libcst, which reads syntax that is newer than the Python that runs, and says precisely what
is wrong with text that is none. Of the surrounding library (base classes, utilities, our stubs) only the meaning is
needed; Python's parser is ten times as fast. Both give the same IR.
"""

from __future__ import annotations

import ast
import warnings

from specdiff.frontend.native_expressions import Reader, lower_expression
from specdiff.frontend.native_statements import lower_block
from specdiff.ir import nodes as ir

REFUSED = (SyntaxError, ValueError, KeyError, MemoryError)
"""What parsing and lowering raise for text that is not this Python's: `MemoryError` is its parser's word for brackets
nested too deeply, `ValueError` for a null byte, `KeyError` a node that the lowering does not know."""


def native_statements(text: str, first_line: int, indent: int = 0) -> tuple[ir.Stmt, ...]:
    """Parse and lower statements that begin at a line of a file by Python's own parser.

    Indented text is parsed inside of a block, so that multi-line strings keep their content.

    Raises:
        SyntaxError: or another of `REFUSED`; the text is not Python, or not that of the Python that runs.
    """
    offset = first_line - 1
    if indent:
        text = "if 1:\n" + text
        offset -= 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the analysed code's escapes
        body = ast.parse(text).body
    if indent:
        (block,) = body
        assert isinstance(block, ast.If)
        if block.orelse:
            raise SyntaxError  # an `else` of its own would belong to the block around it
        body = block.body
    return lower_block(body, Reader(text, offset))


def parse_expression(text: str, line: int, name: str, support: bool = False) -> ir.Expr:
    """Parse and lower one expression (a decorator).

    Args:
        text: The expression.
        line: The line of the file that it stands on.
        name: The file, for errors.
        support: Whether it is library code around what is analysed.

    Raises:
        SourceError: the text is not Python.
    """
    text = text.strip()
    if support:
        try:
            return native_expression(text, line)
        except REFUSED:
            pass
    from specdiff.frontend import lower

    return lower.parse_expression(text, line, name)


def native_expression(text: str, line: int) -> ir.Expr:
    """`parse_expression` by Python's own parser alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text, mode="eval").body
    return lower_expression(tree, Reader(text, line - 1))
