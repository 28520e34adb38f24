"""One source file: its text, chunks and comments, and statements and functions lowered when they are asked for.

What Python's own parser reads is parsed anew each time, which takes no longer than reading it back would; the cache
keeps what takes libcst, which is imported only for what the cache does not have.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from specdiff.cache import Cache, content_digest, disabled, key_of
from specdiff.errors import Problem, SourceError
from specdiff.frontend.scan import Chunk, Comment, Uncertain, scan
from specdiff.ir import codec
from specdiff.ir import nodes as ir

_SIMPLE_DECORATOR = re.compile(r"[ \t]*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)[ \t]*(?:#.*)?$")


class SourceUnit:
    """A file of source code."""

    def __init__(
        self,
        path: Path,
        name: str,
        cache: Cache | None = None,
        read: Callable[[Path], bytes] = Path.read_bytes,
        support: bool = False,
    ) -> None:
        self.path = path
        self.support = support
        """Whether it is library code around what is analysed (`frontend.parse`)."""
        self.essential = False
        """Whether text that is not Python ends the analysis: the target's own file. Of another one it costs that piece."""
        self.name = name
        """As reports show it."""
        self.text, self.digest = _read(path, name, read)
        """The digest is of the bytes that were read."""
        self._cache = cache if cache is not None else disabled()
        self._functions: list[Chunk] = []
        self._loaded: dict[int, ir.FunctionDef] = {}
        self._statements: dict[int, tuple[ir.Stmt, ...]] = {}
        self._words: frozenset[str] | None = None
        try:
            found = scan(self.text)
            self.chunks: tuple[Chunk, ...] = found.chunks
            self.comments: tuple[Comment, ...] = found.comments
        except Uncertain:
            from specdiff.frontend.whole import chunks_of  # noqa: PLC0415 - libcst only where the scanner is not sure

            self.chunks, self.comments = chunks_of(self.text, name)

    def chunk_text(self, index: int) -> str:
        """The text of a top-level chunk."""
        chunk = self.chunks[index]
        return self.text[chunk.start : chunk.end]

    def may_define(self, name: str) -> bool:
        """Whether the file's text has the name at all."""
        if self._words is None:
            self._words = frozenset(name for chunk in self.chunks for name in chunk.binds)
        return name in self._words or "*" in self._words

    def statements(self, index: int) -> tuple[ir.Stmt, ...]:
        """A top-level chunk lowered; functions in it (and methods of a class) are stubs.

        Raises:
            SourceError: it is not valid Python.
        """
        found = self._statements.get(index)
        if found is None:
            chunk = self.chunks[index]
            if chunk.kind == "def":
                found = (self._stub(chunk),)
            elif chunk.kind == "class" and chunk.header_end:
                found = (self._class(chunk),)
            else:
                found = self._lowered(chunk.line, self.text[chunk.start : chunk.end] + "\n", chunk.indent)
            self._statements[index] = found
        return found

    def readable(self, index: int) -> tuple[ir.Stmt, ...]:
        """`statements`, but nothing where an imported file is not valid Python."""
        try:
            return self.statements(index)
        except SourceError:
            if self.essential:
                raise
            return ()

    def function(self, stub: ir.FunctionStub) -> ir.FunctionDef:
        """A function's body, lowered the first time.

        Raises:
            SourceError: it is not valid Python.
        """
        found = self._loaded.get(stub.chunk)
        if found is None:
            chunk = self._functions[stub.chunk]
            (node,) = self._lowered(chunk.line, self.text[chunk.start : chunk.end] + "\n", chunk.indent)
            assert isinstance(node, ir.FunctionDef)
            found = self._loaded[stub.chunk] = node
        return found

    def flush(self) -> None:
        """Write what was lowered to the cache."""
        self._cache.flush()

    def _stub(self, chunk: Chunk) -> ir.FunctionStub:
        self._functions.append(chunk)
        decorators = tuple(self._decorator(line, text) for line, text in chunk.decorators)
        return ir.FunctionStub(
            chunk.line, chunk.end_line, chunk.def_line, chunk.name, decorators, len(self._functions) - 1
        )

    def _class(self, chunk: Chunk) -> ir.ClassDef:
        """The class with its methods blanked out is lowered at once; the methods stay stubs."""
        pieces: list[str] = []
        at = chunk.start
        stubs: list[Chunk] = []
        simple = False
        for member in chunk.members:
            if member.kind == "def":
                stubs.append(member)
                pieces.append(self.text[at : member.start])
                pieces.append("\n" * self.text.count("\n", member.start, member.end))
                at = member.end
            else:
                simple = True
        pieces.append(self.text[at : chunk.end])
        text = "".join(pieces) + "\n"
        if not simple and stubs:
            text += " pass\n"
        (node,) = self._lowered(chunk.line, text, chunk.indent)
        assert isinstance(node, ir.ClassDef)
        body = [item for item in node.body if simple or not isinstance(item, ir.Pass)]
        merged = sorted([*body, *[self._stub(member) for member in stubs]], key=lambda item: item.line)
        return node._replace(body=tuple(merged), end_line=chunk.end_line)

    def _decorator(self, line: int, text: str) -> ir.Expr:
        match = _SIMPLE_DECORATOR.match(text)
        if match is not None:
            first, *rest = match.group(1).split(".")
            node: ir.Expr = ir.Name(line, first)
            for part in rest:
                node = ir.Attr(line, node, part)
            return node
        from specdiff.frontend.parse import parse_expression  # noqa: PLC0415

        return parse_expression(text, line, self.name, self.support)

    def _lowered(self, line: int, text: str, indent: int) -> tuple[ir.Stmt, ...]:
        if self.support:
            from specdiff.frontend.parse import REFUSED, native_statements  # noqa: PLC0415

            with contextlib.suppress(*REFUSED):
                return native_statements(text, line, indent)
        key = key_of("statements", str(bool(indent)), text)
        stored = self._cache.get(key)
        if stored is not None:
            nodes: tuple[ir.Stmt, ...] = codec.decode(json.loads(stored), line)
            return nodes
        from specdiff.frontend.lower import parse_statements  # noqa: PLC0415 - libcst takes a fifth of a second

        nodes = parse_statements(text, line, self.name, indent)
        self._cache.put(key, lambda: json.dumps(codec.encode(nodes, line), separators=(",", ":")).encode())
        return nodes


def _read(path: Path, name: str, read: Callable[[Path], bytes]) -> tuple[str, str]:
    try:
        data = read(path)
    except OSError as error:
        raise SourceError(Problem(name, 0, 0, f"cannot be read: {error.strerror}")) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 text (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        raise SourceError(Problem(name, line, 0, message)) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SourceError(Problem(name, line, 0, "not Python source: it contains null bytes"))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, content_digest(data)


__all__ = ["Any", "SourceUnit"]
