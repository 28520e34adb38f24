"""YAML text as a tree of nodes with places; the only module that knows the YAML library.

Scalars follow YAML 1.2's core schema, so that ``1e-5`` is a number and ``no``, ``off`` and ``2024-01-01`` are text.
The tree is built from parser events, with limits: no input makes it recurse, hang or run code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, TypeAlias

import yaml

from specdiff.errors import Problem

MAX_BYTES = 1_000_000
"""Largest spec file. The longest real ones are some tens of kilobytes."""

MAX_DEPTH = 60
"""Deepest nesting; a spec needs about five, an inline configuration some more."""

MAX_NODES = 100_000
"""Most values in a file, those that aliases repeat counted each time."""

Plain: TypeAlias = None | bool | int | float | str


class Scalar(NamedTuple):
    """One plain value."""

    line: int
    """1-based, as all lines and columns here."""
    column: int
    value: Plain
    text: str
    """As written, without quotes."""


class Sequence(NamedTuple):
    """A list."""

    line: int
    column: int
    items: tuple[Node, ...]


class Mapping(NamedTuple):
    """A mapping with text keys, in the file's order; every key once."""

    line: int
    column: int
    entries: dict[str, tuple[Scalar, Node]]


Node: TypeAlias = Scalar | Sequence | Mapping


class Unreadable(Exception):
    """Indicates text of which no tree can be made; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


_INT = re.compile(r"[-+]?[0-9]{1,300}\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Plain] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one YAML document (None for an empty one), and duplicate keys and the like as problems.

    Raises:
        Unreadable: The text is not YAML, or is beyond a limit.
    """
    builder = _Builder(file)
    # The C parser is some ten times faster; both report the same events.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_syntax_problem(error, text, file)) from None
    except yaml.reader.ReaderError as error:
        message = f"YAML syntax: the character {_character(error)} is not allowed"
        raise Unreadable(Problem(file, 1 + text.count("\n", 0, error.position), 0, message)) from None
    except yaml.YAMLError as error:
        raise Unreadable(Problem(file, 0, 0, f"YAML syntax: {' '.join(str(error).split())}")) from None
    return builder.root, builder.problems


def plain(node: Node) -> object:
    """The value without its places: nested lists and dicts, as JSON would have it."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, (_, value) in node.entries.items()}


def _character(error: yaml.reader.ReaderError) -> str:
    code = error.character
    return f"U+{code:04X}" if isinstance(code, int) else repr(code)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    message = " ".join((error.problem or error.context or "not YAML").split())
    lines = text.splitlines()
    faulty = lines[mark.line][mark.column :] if mark is not None and mark.line < len(lines) else ""
    if "mapping values are not allowed" in message:
        message += " (put text that contains ': ' into quotes)"
    elif faulty.startswith("\t"):
        message += " (indent with spaces, not tabs)"
    elif "cannot start any token" in message:
        message += " (put text that starts with a special character into quotes)"
    elif error.context_mark is not None and mark is not None and error.context_mark.line < mark.line:
        message += f" (for what begins on line {error.context_mark.line + 1})"
    if mark is None:
        return Problem(file, 0, 0, f"YAML syntax: {message}")
    return Problem(file, mark.line + 1, mark.column + 1, f"YAML syntax: {message}")


class _Open:
    """A collection that is still being read; owned by one `_Builder`."""

    def __init__(self, line: int, column: int, anchor: str | None, is_mapping: bool) -> None:
        self.line = line
        self.column = column
        self.anchor = anchor
        self.is_mapping = is_mapping
        self.children: list[Node] = []
        self.size = 1
        self.height = 1
        """Levels of collections from here down."""


class _Builder:
    """Puts events together into a tree without recursion; owned by one `read` call."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._nodes = 0
        self._documents = 0

    def add(self, event: yaml.Event) -> None:
        """Takes the parser's next event."""
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        node: Node
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._stop(line, column, "a spec is one YAML document; '---' begins a second one")
            case yaml.ScalarEvent():
                self._check_tag(event.tag, line, column)
                value = resolve(event.value) if event.implicit[0] else event.value
                self._close(Scalar(line, column, value, event.value), 1, 0, event.anchor)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._check_tag(event.tag, line, column)
                if len(self._stack) >= MAX_DEPTH:
                    self._stop(line, column, f"nested more than {MAX_DEPTH} levels deep")
                self._stack.append(_Open(line, column, event.anchor, isinstance(event, yaml.MappingStartEvent)))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._stack.pop()
                node = (
                    self._mapping(done) if done.is_mapping else Sequence(done.line, done.column, tuple(done.children))
                )
                self._close(node, done.size, done.height, done.anchor)
            case yaml.AliasEvent():
                anchored = self._anchors.get(event.anchor or "")
                if anchored is None:
                    self._stop(line, column, f"the alias *{event.anchor} has no anchor before it")
                node, size, height = anchored
                if len(self._stack) + height > MAX_DEPTH:
                    self._stop(line, column, f"nested more than {MAX_DEPTH} levels deep")
                self._close(node, size, height, None)
            case _:
                pass

    def _close(self, node: Node, size: int, height: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size, height)
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.children.append(node)
        parent.size += size
        parent.height = max(parent.height, height + 1)
        self._nodes += 1
        if parent.size > MAX_NODES or self._nodes > MAX_NODES:
            self._stop(node.line, node.column, f"more than {MAX_NODES} values")

    def _mapping(self, done: _Open) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in _pairs(done.children):
            if not isinstance(key, Scalar):
                self._report(key.line, key.column, "a key must be text, not a list or mapping")
            elif key.text in entries:
                first = entries[key.text][0].line
                self._report(key.line, key.column, f"duplicate key {key.text} (first on line {first})")
            else:
                entries[key.text] = (key, value)
        return Mapping(done.line, done.column, entries)

    def _check_tag(self, tag: str | None, line: int, column: int) -> None:
        if tag is not None and tag not in (
            "!",
            "tag:yaml.org,2002:str",
            "tag:yaml.org,2002:map",
            "tag:yaml.org,2002:seq",
        ):
            self._report(line, column, f"the YAML tag {_short_tag(tag)} is not accepted; write the plain value")

    def _report(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(self._file, line, column, message))

    def _stop(self, line: int, column: int, message: str) -> NoReturn:
        raise Unreadable(Problem(self._file, line, column, message))


def resolve(text: str) -> Plain:
    """An unquoted scalar's value by YAML 1.2's core schema; infinities and NaN stay text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _HEX.match(text):
        return int(text, 16)
    if _FLOAT.match(text):
        value = float(text)
        return value if value not in (float("inf"), float("-inf")) else text
    return text


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _pairs(children: list[Node]) -> Iterator[tuple[Node, Node]]:
    return zip(children[::2], children[1::2], strict=True)
