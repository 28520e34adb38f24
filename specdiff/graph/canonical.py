"""What ``forward`` computes in a form that does not change where only the writing does: a digest per operation.

An operation's digest covers its kind, its settings and the digests of what it reads, so that names of variables,
functions and classes, the order of independent lines and code that reaches no output leave no trace. Layers are cut
out of the whole: what comes in from another layer or from outside stands under a label, so that equal layers are equal.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from specdiff.graph.operations import Operations
from specdiff.interp.trace import Op
from specdiff.interp.values import Tensor

RESHAPED = frozenset({"view", "reshape", "flatten", "squeeze", "unsqueeze", "unflatten"})
"""Operations of which only the resulting shape counts: the order of the elements stays as it is."""
_SILENT = frozenset({"contiguous", "detach", "identity", "dropout", "copy"})
"""Operations that leave every value as it is outside of training; one that stops a gradient counts (`Run.frozen`)."""
_UNSAID = frozenset(
    {"size", "shape", "sizes", "dtype", "device", "inplace", "out", "sorted", "training", "memory_format", "copy", "non_blocking"}
)  # fmt: skip
"""Arguments that the result's shape and format say, and those that change no value outside of training."""
_NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "div": 1}
"""By kind: the number that leaves the other side as it is."""
COMMUTES = frozenset({"add", "mul", "maximum", "minimum", "logical_and", "logical_or", "logical_xor"})
LEAVES = frozenset({"parameter", "buffer", "input"})
_LEFT_OUT = frozenset(
    {"given", "made", "tensor", "trained", "source", "own", "reflected", "name", "target", "condition", "each"}
)
"""Attributes that say where something stands, or again what the shape or the inputs say."""
_DIMS = frozenset({"dim", "dim0", "dim1", "dims", "axis"})
_SHAPED = RESHAPED | {
    "constant", "expand", "repeat", "slice", "split", "transpose", "permute", "cast", "cat", "stack", "pad", "join", "overwrite",
    "dropout"
}  # fmt: skip
"""Operations whose own attributes, or whose result's shape, say all that their call was given."""
QUIET = RESHAPED | {"transpose", "permute", "expand", "slice", "split", "cast"}
"""Operations that are part of what reads them and not listed themselves."""
_MOST_NUMBERS = 1 << 16
"""Elements of a constant up to which all of its content counts; of larger ones a sample does."""
_SAMPLED = 1 << 12
"""Elements of a large constant that count, about."""
_NUMBERED = re.compile(r"(?<=[a-z])_\d+\b")
_STACK = re.compile(r"(.*)\.(\d+)\Z")


class Step(NamedTuple):
    """One operation of one part."""

    text: str
    """Its kind with what it reads by name, in a few words."""
    digest: str
    file: str
    line: int
    module: str


@dataclass(frozen=True, slots=True)
class Part:
    """A layer, an expert or another member of a stack; or everything outside of stacks."""

    path: str
    """Module path; empty for what is outside of stacks."""
    steps: tuple[Step, ...]
    """In the order they run, equal ones once."""


def canonical(operations: Operations, kept: Iterable[int] = ()) -> list[Part]:
    """The parts of a run of ``forward`` in the order they run; operations that reach no output are left out.

    Args:
        operations: The run.
        kept: Further operations whose results are not lost.
    """
    return Writer(operations, kept).parts()


def neutral_places(operations: Operations) -> set[tuple[str, int]]:
    """(file, line) of operations that leave their input as it is because a number is one or zero."""
    return {
        (op.file, op.line)
        for op in operations.ops
        if len(op.inputs) == 1 and op.kind in _NEUTRAL and _is_number(op.attrs.get("other"), _NEUTRAL[op.kind])
    }


class Writer:
    """Works out digests in the order the operations ran; owned by one `canonical` call."""

    def __init__(self, operations: Operations, kept: Iterable[int]) -> None:
        self.operations = operations
        self.kept = frozenset(kept)
        """Operations whose readers are not known."""
        self.live = operations.ancestors((*operations.outputs, *self.kept))
        self.came_from: dict[int, int] = {}
        """By operation that hands on what it reads: the one that made it."""
        self.scopes: dict[str, str] = {}
        """Scope by module path."""
        self.digests: dict[int, str] = {}
        crossings = _Crossings(self)
        self.streams = crossings.streams()
        self.ranks = crossings.ranks()

    def parts(self) -> list[Part]:
        found: dict[str, dict[tuple[str, str], Step]] = defaultdict(dict)
        for op in self.operations.ops:
            if op.id not in self.live or op.kind in LEAVES:
                continue
            scope = self.scope(op)
            text, digest = self._digest(op, scope)
            self.digests[op.id] = digest
            quiet = op.kind in QUIET and op.id not in self.kept
            if op.kind == "dropout" or not (quiet or self.silent(op)):
                step = Step(text, digest, op.file, op.line, op.module)
                found[scope].setdefault((text, digest), step)
        for index, rank in self.ranks.items():
            op = self.operations[index]
            step = Step(f"result {rank}", self.digests[index], op.file, op.line, op.module)
            found[self.scope(op)].setdefault((step.text, step.digest), step)
        for index, output in enumerate(self.operations.outputs):
            op = self.operations[output]
            digest = _short(f"output {index} {self._read(output, '')}")
            step = Step(f"output {index}", digest, op.file, op.line, op.module)
            found[""].setdefault((step.text, digest), step)
        return [Part(path, tuple(steps.values())) for path, steps in found.items()]

    def scope(self, op: Op) -> str:
        """The innermost member of a stack that an operation runs in."""
        known = self.scopes.get(op.module)
        if known is None:
            pieces = op.module.split(".")
            while pieces and not pieces[-1].isdigit():
                pieces.pop()
            known = self.scopes[op.module] = ".".join(pieces)
        return known

    def passed(self, source: int) -> Op:
        """The operation that a value comes from, through those that hand it on as it is."""
        way: list[int] = []
        index = source
        while index not in self.came_from and self.silent(self.operations[index]):
            way.append(index)
            index = self.operations[index].inputs[0]
        index = self.came_from.get(index, index)
        self.came_from.update(dict.fromkeys(way, index))
        return self.operations[index]

    def silent(self, op: Op) -> bool:
        """Whether an operation hands on its first input as it is."""
        if not op.inputs:
            return False
        before = self.operations[op.inputs[0]]
        if op.kind in _SILENT:
            return not op.attrs.get("cut")
        if op.kind == "cast":
            # A format that the code names counts, also where the model runs in it anyway.
            named = op.attrs.get("own") is False and not (before.kind == "cast" and before.attrs.get("own") is False)
            return before.dtype == op.dtype and not named
        if op.kind in RESHAPED or op.kind == "expand":
            return op.shape is not None and before.shape == op.shape
        if op.kind in _NEUTRAL and len(op.inputs) == 1:
            return _is_number(op.attrs.get("other"), _NEUTRAL[op.kind]) and not op.attrs.get("reflected")
        return False

    def _read(self, source: int, scope: str) -> str:
        """What a reader in a scope sees of a value."""
        op = self.passed(source)
        if op.kind in LEAVES:
            return self._leaf(op, scope)
        there = self.scope(op)
        digest = self.digests.get(op.id, "")
        if scope and self.streams.get(scope) == op.id:
            return "stream"
        if there == scope or not there or scope.startswith(f"{there}."):
            return digest
        return f"result {self.ranks.get(op.id)} of {_seen_from(scope, there)}"

    def _leaf(self, op: Op, scope: str) -> str:
        name = str(op.attrs.get("name", ""))
        if scope and name.startswith(f"{scope}."):
            name = name[len(scope) + 1 :]
        held = content(op.attrs.get("tensor")) if op.kind == "buffer" else ""
        # Numbers too many to keep: how they were made stands for them.
        held += "".join(self.digests.get(index, "") for index in op.inputs)
        return f"{op.kind} {name} {plain(op.shape)} {held}"

    def _digest(self, op: Op, scope: str) -> tuple[str, str]:
        sources = op.inputs
        kind = op.kind
        if kind in RESHAPED:
            kind = "reshape"
            while (before := self.operations[sources[0]]).kind in RESHAPED and self.scope(before) == scope:
                sources = (before.inputs[0], *sources[1:])
        reads = [self._read(source, scope) for source in sources]
        if kind in COMMUTES:
            reads.sort()
        said = self.said(op)
        pieces = [kind, *said, *reads]
        if kind in ("reshape", "expand", "constant", "repeat"):
            pieces.append(plain(op.shape))
        if kind == "constant" and not op.inputs:
            pieces.append(content(op.attrs.get("tensor") or self.operations.constants.get(op.id)))
        names = [self._name(source, scope) for source in sources]
        shown = ", ".join([name for name in names if name] + [each for each in said if len(each) < 24])
        return f"{op.kind}({shown})", _short("\n".join(pieces))

    def _name(self, source: int, scope: str) -> str:
        """The parameter or buffer that a reader meets, by its name below the reader's part."""
        op = self.operations.source(self.operations[source])
        if op.kind not in ("parameter", "buffer"):
            return ""
        name = str(op.attrs.get("name", ""))
        return name[len(scope) + 1 :] if scope and name.startswith(f"{scope}.") else name

    def said(self, op: Op) -> list[str]:
        """An operation's settings as text."""
        rank = self._rank(op)
        found = []
        for name in sorted(op.attrs):
            value = op.attrs[name]
            if value is None or value == () or name in _LEFT_OUT:
                continue
            if name in _DIMS and rank:
                value = _counted(value, rank)
            found.append(f"{name}={plain(value)}")
        found.extend(self._given(op, rank))
        if op.kind == "transpose" and len(found) >= 2:
            found.sort(key=lambda text: text.partition("=")[2])
            found = [f"dims={'/'.join(text.partition('=')[2] for text in found)}"]
        if op.attrs.get("reflected") and op.kind not in COMMUTES:
            found.append("reflected")
        return found

    def _given(self, op: Op, rank: int) -> Iterator[str]:
        """Plain arguments of the call that no attribute of the operation tells."""
        given = op.attrs.get("given")
        if not isinstance(given, dict) or op.kind in _SHAPED:
            return
        told = [value for name, value in op.attrs.items() if name != "given"]
        for name in sorted(given):
            value = given[name]
            if name in _DIMS and not _DIMS.isdisjoint(op.attrs):
                continue
            if name in op.attrs or name in _UNSAID or any(value is other or value == other for other in told):
                continue
            if name.rstrip("0123456789_").endswith(("dim", "dims", "axis")) and rank:
                value = _counted(value, rank)
            yield f"{name}={plain(value)}"

    def _rank(self, op: Op) -> int:
        if op.kind in ("stack", "unsqueeze") or not op.inputs:
            return len(op.shape) if op.shape is not None else 0
        shape = self.operations[op.inputs[0]].shape
        return len(shape) if shape is not None else 0


class _Crossings:
    """Which values go from one part to another; owned by one `Writer`."""

    def __init__(self, writer: Writer) -> None:
        self.beside: dict[str, set[tuple[int, int]]] = defaultdict(set)
        """By member of a stack: (operation, how many members before) of what it reads from other members."""
        self.outside: dict[str, set[int]] = defaultdict(set)
        """By member of a stack: what it reads from elsewhere."""
        self.given: dict[str, set[int]] = defaultdict(set)
        """By part: what others read of it."""
        for op in writer.operations.ops:
            if op.id in writer.live:
                scope = writer.scope(op)
                for source in op.inputs:
                    self._add(writer, scope, writer.passed(source))
        for output in writer.operations.outputs:
            self._add(writer, "", writer.passed(output))

    def _add(self, writer: Writer, scope: str, op: Op) -> None:
        there = writer.scope(op)
        if there == scope or op.kind in LEAVES:
            return
        if there and not scope.startswith(f"{there}."):
            self.given[there].add(op.id)
        one, other = _STACK.match(scope), _STACK.match(there)
        if one and other and one[1] == other[1]:
            self.beside[scope].add((op.id, int(one[2]) - int(other[2])))
        elif one:
            self.outside[scope].add(op.id)

    def ranks(self) -> dict[int, int]:
        """By operation: the how-manieth it is of the values that leave its part."""
        return {index: rank for ids in self.given.values() for rank, index in enumerate(sorted(ids))}

    def streams(self) -> dict[str, int]:
        """By member of a stack: what it takes over from the member before (the first: from outside).

        Only where there is exactly one such value, so that the label says all.
        """
        found: dict[str, int] = {}
        for scope, read in self.beside.items():
            (only, before), *more = read
            if more or before != 1:
                continue
            found[scope] = only
            stack = scope.rpartition(".")[0]
            first = f"{stack}.0"
            if scope == f"{stack}.1" and first not in self.beside:
                # What no other member reads from outside: masks and rotary tables are read again further on.
                others = (self.outside[each] for each in self.beside if each.startswith(f"{stack}."))
                rest = self.outside[first].difference(*others)
                if len(rest) == 1:
                    found[first] = rest.pop()
        return found


def _seen_from(scope: str, there: str) -> str:
    """Another part's path: below the reader's own, one layer before it, or whole."""
    if scope and there.startswith(f"{scope}."):
        return there[len(scope) :]
    here, path = scope.split("."), there.split(".")
    for index, (mine, other) in enumerate(zip(here, path, strict=False)):
        if mine != other:
            if mine.isdigit() and other.isdigit() and int(mine) - int(other) == 1:
                return ".".join(["<", "before", *path[index + 1 :]])
            break
    return there


def _counted(value: Any, rank: int) -> Any:
    """Dimensions counted from the front."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value % rank if -rank <= value < rank else value
    if isinstance(value, tuple | list):
        return tuple(_counted(each, rank) for each in value)
    return value


def plain(value: Any) -> str:
    """A setting or a shape as text without numbers that only count."""
    if isinstance(value, Tensor):
        return f"tensor {content(value)}"
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(plain(each) for each in value)}]"
    if isinstance(value, slice):
        return f"{plain(value.start)}:{plain(value.stop)}:{plain(value.step)}"
    if value is None or isinstance(value, bool | int | str):
        return _NUMBERED.sub("", str(value))
    text = str(value)
    return type(value).__name__ if " object at 0x" in text else _NUMBERED.sub("", text)


def content(tensor: Any) -> str:
    """A digest of a constant's numbers; empty where they are not known or too many."""
    if not isinstance(tensor, Tensor):
        return ""
    const = tensor.const
    if callable(const):
        const = tensor.const = const()
    size = getattr(const, "size", None)
    if const is None or size is None:
        return ""
    shape = const.shape
    if size > _MOST_NUMBERS:
        # Every so many numbers, never a whole number of rows apart where rows are a power of two long.
        const = const.ravel()[:: size // _SAMPLED | 1]
    if const.dtype.kind == "f":
        # Rounded, so that another order of the same arithmetic stays the same number.
        return _short(",".join(f"{number:.6g}" for number in const.ravel().tolist()))
    return _short(f"{const.dtype.kind}{shape}{const.tobytes()!r}")


def _is_number(value: Any, number: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == number


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()


class Listed(NamedTuple):
    """Equal parts under one label, as a spec writes them."""

    label: str
    """``model``, or a path whose numbers are stars, with the members in braces (``model.layers.*{0-31}``)."""
    part: Part
    """The first of them."""


def listed(parts: Iterable[Part]) -> list[Listed]:
    """Equal parts together, in the order of the first of each."""
    groups: dict[tuple[str, frozenset[str]], list[Part]] = {}
    for part in parts:
        key = (_starred(part.path), frozenset(step.digest for step in part.steps))
        groups.setdefault(key, []).append(part)
    return [Listed(label([part.path for part in group]), group[0]) for group in groups.values()]


def _starred(path: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.|$)", "*", path)


def label(members: Sequence[str]) -> str:
    """Members of one stack under one name, as a spec writes them."""
    path = _starred(members[0])
    if not path:
        return "model"
    heads: dict[str, list[int]] = defaultdict(list)
    for member in members:
        numbers = re.findall(r"(?<=\.)\d+(?=\.|$)", member)
        heads[".".join(numbers[:-1])].append(int(numbers[-1]) if numbers else 0)
    same: dict[str, list[str]] = defaultdict(list)
    for head, last in heads.items():
        same[" ".join(_ranges(sorted(last)))].append(head)
    written = [
        f"{head}.{piece}" if head else piece
        for tail, each in same.items()
        for head in each
        for piece in tail.split(" ")
    ]
    return f"{path}{{{','.join(written)}}}"


def _ranges(numbers: list[int]) -> Iterator[str]:
    start = 0
    for index in range(1, len(numbers) + 1):
        if index == len(numbers) or numbers[index] != numbers[index - 1] + 1:
            first, last = numbers[start], numbers[index - 1]
            yield str(first) if first == last else f"{first}-{last}"
            start = index
