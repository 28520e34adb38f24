"""Cuts a file into chunks (top-level statements, members of classes) without parsing it.

One pass of a regular expression finds strings, comments, brackets and line ends, which is enough to
know where logical lines begin. What it is not sure of is left to libcst (`unit`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    [^\#"'()\[\]{}\\\n]*(?:\([^\#"'()\[\]{}\\\n]*\)[^\#"'()\[\]{}\\\n]*)*
    (?:
        (?P<newline>\n)
      | (?P<string>\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<comment>\#[^\n]*)
      | (?P<joined>\\\r?\n)
      | (?P<odd>["'\\])
      | (?P<end>\Z)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
"""What is between the things that matter is skipped first: most of a file is, and so are calls without nesting. No
possessive quantifier does it: those of Python before 3.11.5 lose text (CPython issue 106052).
A string's prefix does not matter, for a backslash keeps a quote from closing a raw string too."""
_WORD = re.compile(r"\w+|@|.")
_DEF = re.compile(r"(?:async\s+)?def\s+(\w+)")
_CLASS = re.compile(r"class\s+(\w+)")
_CONTINUES = frozenset({"else", "elif", "except", "finally"})
_COMPOUND = frozenset({"if", "for", "while", "try", "with", "match", "async"})
_NAME = re.compile(r"[A-Za-z_]\w*")
_ASSIGNED = re.compile(
    r"^[ \t]*([A-Za-z_][\w, \t*()]*?)(?:[ \t]*:[^=\n]+)?[ \t]*(?:[-+*/%&|^@]|//|\*\*|<<|>>)?=(?!=)", re.MULTILINE
)
_ANNOTATED = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*:", re.MULTILINE)
_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_IMPORTED = re.compile(
    r"^[ \t]*(?:from[ \t]+[\w. \t]+[ \t]+)?import[ \t]+(\([^)]*\)|(?:[^\n;\\]|\\\r?\n)*)", re.MULTILINE
)
_BOUND = re.compile(r"\b(?:as|for)[ \t]+([A-Za-z_]\w*)")
_LEADING = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*(?=[.\[(])", re.MULTILINE)
_REGISTERING = re.compile(r"[ \t]*([A-Za-z_]\w*)\.register\w*\b")
_COMMENT = re.compile(r"#[^\n]*")


class Comment(NamedTuple):
    """A comment with its ``#``."""

    line: int
    text: str


class Line(NamedTuple):
    """A logical line."""

    line: int
    end_line: int
    start: int
    end: int
    indent: int


class Chunk(NamedTuple):
    """A top-level statement, or a member of a class."""

    kind: str
    """`def`, `class`, `simple` or `compound`."""
    name: str
    """Of a function or class; else empty."""
    line: int
    """First line, decorators included; 1-based."""
    def_line: int
    end_line: int
    start: int
    """Offset of the first character of the first line."""
    end: int
    indent: int
    header_end: int
    """Offset behind the header line of a class; else 0."""
    members: tuple[Chunk, ...]
    """Of a class."""
    binds: frozenset[str]
    """Names the statement may bind: exact for a function, a class, an import and a plain assignment, a superset
    for a compound statement; `*` for a star import."""
    mentions: frozenset[str]
    """Names that begin a line of it and are called, subscripted or dotted, or that a decorator registers it with, so that
    it may change their value."""
    decorators: tuple[tuple[int, str], ...]
    """(line, text behind the ``@``)."""


class Uncertain(Exception):
    """Indicates text that this scanner does not understand."""


class Scan(NamedTuple):
    """What a scan found."""

    chunks: tuple[Chunk, ...]
    comments: tuple[Comment, ...]


def scan(text: str) -> Scan:
    """Cut a file.

    Raises:
        Uncertain: brackets or strings do not close, or the indentation is unusual.
    """
    lines, comments = _logical_lines(text)
    return Scan(_group(text, lines, 0, len(lines), 0, top=True), comments)


def _logical_lines(text: str) -> tuple[list[Line], tuple[Comment, ...]]:
    lines: list[Line] = []
    comments: list[Comment] = []
    depth = 0
    number = 1
    begin = 0
    begin_line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "newline":
            if depth == 0:
                _add(lines, text, begin, match.end() - 1, begin_line, number)
                begin = match.end()
                begin_line = number + 1
            number += 1
        elif kind == "string":
            number += match.group().count("\n")  # the skipped text has none
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
            if depth < 0:
                raise Uncertain
        elif kind == "joined":
            number += 1
        elif kind == "odd":
            raise Uncertain  # a quote that nothing closes
        elif kind == "comment":
            comments.append(Comment(number, match.group("comment")))
    if depth:
        raise Uncertain
    _add(lines, text, begin, len(text), begin_line, number)
    return lines, tuple(comments)


def _add(lines: list[Line], text: str, begin: int, end: int, first: int, last: int) -> None:
    body = text[begin:end]
    stripped = body.lstrip(" \t\f\r\\\n") if body[:1] in " \t\f\\\r\n" else body
    if not stripped or stripped[0] == "#":
        return
    indent = len(body) - len(stripped)
    if "\t" in body[:indent] or "\n" in body[:indent]:
        raise Uncertain
    lines.append(Line(first, last, begin, end, indent))


def _group(text: str, lines: list[Line], low: int, high: int, indent: int, top: bool) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    index = low
    while index < high:
        if lines[index].indent != indent:
            raise Uncertain
        start = index
        decorators: list[tuple[int, str]] = []
        while index < high and text[lines[index].start + indent] == "@":
            line = lines[index]
            decorators.append((line.line, text[line.start + indent + 1 : line.end]))
            index += 1
        if index >= high:
            raise Uncertain
        head = index
        index = _past_block(text, lines, index, high, indent)
        chunks.append(_chunk(text, lines, start, head, index, indent, tuple(decorators), top))
    return tuple(chunks)


def _past_block(text: str, lines: list[Line], index: int, high: int, indent: int) -> int:
    """The first line behind the statement that begins at ``index``."""
    index += 1
    while index < high:
        line = lines[index]
        if line.indent < indent:
            raise Uncertain
        if line.indent == indent:
            word = _WORD.match(text, line.start + indent)
            if word is None or word.group() not in _CONTINUES:
                break
        index += 1
    return index


def _chunk(
    text: str,
    lines: list[Line],
    start: int,
    head: int,
    stop: int,
    indent: int,
    decorators: tuple[tuple[int, str], ...],
    top: bool,
) -> Chunk:
    first, header, last = lines[start], lines[head], lines[stop - 1]
    at = header.start + indent
    place = (first.line, header.line, last.end_line, first.start, last.end, indent)
    match = _DEF.match(text, at)
    if match is not None:
        return Chunk(
            "def", match.group(1), *place, 0, (), frozenset({match.group(1)}), _registers(decorators), decorators
        )
    match = _CLASS.match(text, at)
    if match is not None:
        members: tuple[Chunk, ...] = ()
        if top and stop > head + 1:
            members = _group(text, lines, head + 1, stop, lines[head + 1].indent, top=False)
        return Chunk(
            "class",
            match.group(1),
            *place,
            header.end,
            members,
            frozenset({match.group(1)}),
            _registers(decorators),
            decorators,
        )
    word = _WORD.match(text, at)
    kind = "compound" if stop > head + 1 or (word is not None and word.group() in _COMPOUND) else "simple"
    if not top:
        return Chunk(kind, "", *place, 0, (), frozenset(), frozenset(), decorators)
    body = text[header.start : last.end]
    binds, mentions = names_in(body, compound=kind == "compound")
    return Chunk(kind, "", *place, 0, (), binds, mentions, decorators)


def _registers(decorators: tuple[tuple[int, str], ...]) -> frozenset[str]:
    """Names that decorators enter a function or class in (``@width.register``), so that their value changes."""
    return frozenset(match.group(1) for _, text in decorators if (match := _REGISTERING.match(text)) is not None)


def names_in(body: str, compound: bool) -> tuple[frozenset[str], frozenset[str]]:
    """The names that top-level statements bind and mention (see `Chunk`)."""
    if "import" in body:
        body_without = _COMMENT.sub("", body)
        binds = set(_imports(body_without))
    else:
        body_without = body
        binds = set()
    for match in _ASSIGNED.finditer(body_without):
        binds.update(_NAME.findall(match.group(1)))
        if not compound:
            break
    mentions = set(_LEADING.findall(body_without))
    if compound:
        binds.update(_DEFINED.findall(body_without))
        binds.update(_BOUND.findall(body_without))
        binds.update(_ANNOTATED.findall(body_without))
    else:
        annotated = _ANNOTATED.match(body_without)
        if annotated is not None:
            binds.add(annotated.group(1))
        chained = body_without.split("=")
        if len(chained) > 2 and all(part.strip().isidentifier() for part in chained[:2]):
            binds.update(part.strip() for part in chained[:-1] if part.strip().isidentifier())
    return frozenset(binds), frozenset(mentions - binds if not compound else mentions)


def _imports(body: str) -> list[str]:
    names: list[str] = []
    for match in _IMPORTED.finditer(body):
        plain = body[match.start() : match.end()].lstrip().startswith("import")
        for part in match.group(1).strip("() \t\n").replace("\\\r\n", " ").replace("\\\n", " ").split(","):
            words = part.split()
            if not words:
                continue
            if len(words) >= 3 and words[1] == "as":
                names.append(words[2])
            else:
                names.append(words[0].partition(".")[0] if plain else words[0])
    return names
