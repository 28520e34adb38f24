"""Which classes are the same up to renaming: decided on lowered code, with the file's own names taken out.

A class becomes its members, each a digest of its lowered statements in which every name that the file itself defines
(its classes and functions, wherever they stand) is a number by first appearance, annotations, docstrings, comments and
line numbers do not count, and the model's own prefix is taken out of texts.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from specdiff.frontend.unit import SourceUnit
from specdiff.ir import nodes as ir

_SKIPPED = frozenset({"line", "end_line", "def_line", "annotation", "returns", "doc", "is_generator"})


class Member(NamedTuple):
    """One method or class-level statement."""

    name: str
    digest: str
    statements: tuple[str, ...]
    """Digests of a method's head and of its statements, nested ones too."""


class Shape(NamedTuple):
    """One class as comparing sees it."""

    name: str
    line: int
    bases: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def digest(self) -> str:
        """Equal for two classes that are the same up to renaming."""
        return _short(repr((self.bases, sorted((member.name, member.digest) for member in self.members))))


def shapes(unit: SourceUnit) -> list[Shape]:
    """The classes of a file.

    Raises:
        SourceError: a class is not valid Python.
    """
    own = {chunk.name for chunk in unit.chunks if chunk.kind in ("class", "def")}
    prefix = prefix_of(chunk.name for chunk in unit.chunks if chunk.kind == "class")
    found = []
    for index, chunk in enumerate(unit.chunks):
        if chunk.kind != "class":
            continue
        for node in unit.statements(index):
            if isinstance(node, ir.ClassDef):
                found.append(_shape(unit, node, own, prefix))
    return found


def prefix_of(names: Iterable[str]) -> str:
    """What most of a file's class names begin with, cut at a capital letter: the model's own name."""
    counts: Counter[str] = Counter()
    for name in names:
        cuts = [match.start() for match in re.finditer(r"(?<=[a-z0-9])(?=[A-Z])", name)]
        counts.update({name[:cut] for cut in cuts})
    if not counts:
        return ""
    most = max(counts.values())
    return max((prefix for prefix, count in counts.items() if count == most), key=len)


def _shape(unit: SourceUnit, node: ir.ClassDef, own: set[str], prefix: str) -> Shape:
    members: list[Member] = []
    for item in node.body:
        if isinstance(item, ir.FunctionStub):
            body: Any = unit.function(item)
            members.append(_member(item.name, body, own, prefix))
        elif isinstance(item, ir.ClassDef | ir.Pass):
            continue
        elif not _says_nothing(item):
            members.append(_member(_bound(item), item, own, prefix))
    bases = tuple(_words(_Writer(own, prefix).text(base.value)) for base in node.bases if hasattr(base, "value"))
    return Shape(node.name, node.line, bases, tuple(members))


def _bound(item: Any) -> str:
    target = getattr(item, "target", None) or (getattr(item, "targets", None) or (None,))[0]
    return target.id if isinstance(target, ir.Name) else type(item).__name__


def _member(name: str, node: Any, own: set[str], prefix: str) -> Member:
    writer = _Writer(own, prefix)
    digest = _short(writer.text(node))
    plain = _Writer(own, prefix, numbered=False)
    statements = tuple(_short(plain.text(each)) for each in _statements(node))
    if isinstance(node, ir.FunctionDef):
        statements = (_short(f"{plain.text(node.params)}{plain.text(node.decorators)}"), *statements)
    return Member(name, digest, statements)


def _statements(node: Any) -> Iterator[Any]:
    body = getattr(node, "body", None)
    if isinstance(body, tuple):
        for each in body:
            if not _says_nothing(each):
                yield each
                yield from _statements(each)


class _Writer:
    """Writes lowered code as text without what may differ; owned by one member."""

    def __init__(self, own: set[str], prefix: str, numbered: bool = True) -> None:
        self._own = own
        self._prefix = prefix
        self._numbers: dict[str, int] = {}
        self._numbered = numbered
        """Whether a name's second use is told from another name's; a statement by itself does without, so that it is
        written once however deep it stands."""
        self._written: dict[int, str] = {}
        self._spelled: dict[str, str] = {}

    def text(self, node: Any) -> str:
        if not self._numbered and hasattr(node, "body"):
            found = self._written.get(id(node))
            if found is None:
                found = self._written[id(node)] = self._text(node)
            return found
        return self._text(node)

    def _text(self, node: Any) -> str:
        if isinstance(node, ir.Name) and node.id in self._own:
            return f"#{self._numbers.setdefault(node.id, len(self._numbers))}" if self._numbered else "#"
        if isinstance(node, str):
            found = self._spelled.get(node)
            if found is None:
                found = self._spelled[node] = repr(_unnamed(node, self._prefix))
            return found
        if isinstance(node, ir.Const) and isinstance(node.value, str):
            return repr(_neutral(node.value, self._prefix))
        if isinstance(node, tuple):
            names = getattr(node, "_fields", None)
            if names is None:
                return f"({','.join(self.text(each) for each in node if not _says_nothing(each))})"
            values = (self.text(value) for name, value in zip(names, node, strict=True) if name not in _SKIPPED)
            return f"{type(node).__name__}({','.join(values)})"
        return repr(node)


def _says_nothing(node: Any) -> bool:
    """A docstring, or `...` in the place of one."""
    return isinstance(node, ir.ExprStmt) and isinstance(node.value, ir.Const | ir.Ellipsis_)


def _neutral(text: str, prefix: str) -> str:
    """A text without the model's own name in any of its spellings."""
    if not prefix:
        return text
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", prefix).lower()
    return text.replace(prefix, "@").replace(snake, "@").replace(snake.replace("_", ""), "@")


def _unnamed(name: str, prefix: str) -> str:
    """An identifier without the model's own name: `self.conditional_detr`, a configuration class of another file."""
    plain = prefix.lower()
    if not plain or plain not in name.replace("_", "").lower():
        return name
    if name.startswith(prefix):
        return f"@{name.removeprefix(prefix)}"
    words = name.split("_")
    for first in range(len(words)):
        for last in range(first + 1, len(words) + 1):
            if "".join(words[first:last]).lower() == plain:
                return "_".join((*words[:first], "@", *words[last:]))
    return name


def _words(text: str) -> str:
    return re.sub(r"#\d+", "#", text)


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Likeness(NamedTuple):
    """How alike two classes are."""

    share: float
    """Statements that both have, of those that either has; 1 for the same up to renaming."""
    same: tuple[str, ...]
    """Members that are the same."""
    other: tuple[str, ...]
    """Members that differ."""
    mine: tuple[str, ...]
    """Members that only the first has."""
    theirs: tuple[str, ...]
    """Members that only the second has."""


def likeness(one: Shape, other: Shape) -> Likeness:
    """Two classes member by member."""
    left = {member.name: member for member in one.members}
    right = {member.name: member for member in other.members}
    same = tuple(name for name in left if name in right and left[name].digest == right[name].digest)
    differ = tuple(name for name in left if name in right and name not in same)
    a, b = _bag(one), _bag(other)
    either = sum((a | b).values())
    share = sum((a & b).values()) / either if either else float(one.digest == other.digest)
    if one.digest == other.digest:
        share = 1.0
    return Likeness(
        share, same, differ, tuple(n for n in left if n not in right), tuple(n for n in right if n not in left)
    )


def _bag(shape: Shape) -> Counter[str]:
    found: Counter[str] = Counter(shape.bases)
    for member in shape.members:
        found.update(member.statements or (member.digest,))
    return found


def encode(found: Iterable[Shape]) -> list[Any]:
    """As JSON data."""
    return [[s.name, s.line, list(s.bases), [[m.name, m.digest, list(m.statements)] for m in s.members]] for s in found]


def decode(data: Iterable[Any]) -> list[Shape]:
    """The inverse of `encode`."""
    return [
        Shape(name, line, tuple(bases), tuple(Member(m[0], m[1], tuple(m[2])) for m in members))
        for name, line, bases, members in data
    ]


Library = Mapping[str, list[Shape]]
"""Classes by file, relative to the library."""
