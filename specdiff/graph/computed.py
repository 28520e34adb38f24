"""What ``forward`` computes as plain data: each operation with its settings and what it reads, part by part.

`graph.canonical` makes digests of one model's operations; comparing two models needs what the digests are made of, so that
parameters of other names, and layers under other paths, can stand for each other.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from specdiff.facts import Value
from specdiff.graph.canonical import LEAVES, RESHAPED, Writer, content, plain
from specdiff.graph.operations import Operations
from specdiff.interp.dims import MADE, Dim
from specdiff.interp.trace import Op
from specdiff.interp.values import Tensor
from specdiff.results import Computed, ComputedPart, Seen

RAISES = "raises"
"""Kind of the only operation of a run that is refused."""
_STREAM = "stream"
_SHAPED = RESHAPED | {"expand", "repeat", "constant"}
"""Operations whose result's shape is what they were asked for."""
_SIZES = {"batch": 2, "sequence": 11}
"""Small numbers for the sizes of the input, no two of which are mistaken for each other."""
_ANY_SIZE = 3
_ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_MADE = re.compile(r"\w+_\d+")
"""How `dims.fresh` names a size."""
_SHORT = 16_384
"""Elements of a constant up to which its numbers are kept."""
_UNSAID = frozenset({"made", "own", "trained", "tensor", "name", "given", "source", "target"})
"""Attributes that say where something stands, or what the shape says."""
_SCALARS = {"add": 1, "sub": -1, "mul": 1, "div": -1}
"""Operations with a number that are an addition (of the number or its negative) or a product (with it or its inverse)."""


def computed(operations: Operations, run: str, kept: Iterable[int] = ()) -> tuple[ComputedPart, ...]:
    """The parts of a run; equal ones once, under all their paths.

    Args:
        operations: One run of ``forward``.
        run: Its name; empty for the plain prompt.
        kept: Operations beside the outputs whose results are not lost.
    """
    return _Plain(operations, run, kept).parts()


def refused(run: str, failure: str, file: str, line: int) -> ComputedPart:
    """The one part of a run that certainly raises on the way to an output."""
    return ComputedPart(run, ("",), (Computed(RAISES, failure, (), "", None, Seen("", None, ""), {}, file, line),))


def relative(scope: str, there: str) -> str:
    """A path as seen from another: how many pieces up, then the rest; a neighbour's number as a distance."""
    here, path = _pieces(scope), _pieces(there)
    same = 0
    while same < min(len(here), len(path)) and here[same] == path[same]:
        same += 1
    rest = path[same:]
    if rest and same < len(here) and here[same].isdigit() and rest[0].isdigit():
        rest[0] = f"{int(rest[0]) - int(here[same]):+d}"
    return f"{len(here) - same}/{'.'.join(rest)}"


def absolute(scope: str, text: str) -> str:
    """The inverse of `relative`."""
    up, _, tail = text.partition("/")
    here, rest = _pieces(scope), _pieces(tail)
    same = len(here) - int(up)
    if rest and rest[0][0] in "+-" and same < len(here):
        rest[0] = str(int(here[same]) + int(rest[0]))
    return ".".join([*here[:same], *rest])


def bound(size: Any, sizes: Mapping[str, int]) -> int:
    """A size as a small number.

    Raises:
        ValueError: it is not known.
    """
    if isinstance(size, int):
        return int(size)
    if not isinstance(size, Dim):
        raise ValueError(size)
    total = 0
    for monomial, factor in size.terms:
        for symbol in monomial:
            factor *= (
                _in_numbers(ast.parse(symbol, mode="eval").body, sizes)
                if "(" in symbol
                else sizes.get(symbol, _ANY_SIZE)
            )
        total += factor
    return total


def _in_numbers(node: ast.expr, sizes: Mapping[str, int]) -> int:
    """What `Dim` writes for sizes that are no sums of products: ``min(8, batch)``, ``floor((sequence + 1)/(2))``."""

    def of(inner: ast.expr) -> int:
        return _in_numbers(inner, sizes)

    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return sizes.get(name, _ANY_SIZE)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -of(inner)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](of(left), of(right))
        case ast.Call(func=ast.Name(id="floor"), args=[ast.BinOp(left=left, op=ast.Div(), right=right)]):
            return _quotient(of(left), of(right))
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=arguments):
            return (min if name == "min" else max)(map(of, arguments))
        case ast.Call(func=ast.Name(id="mod"), args=[left, right]):
            return of(left) - _quotient(of(left), of(right)) * of(right)
    raise ValueError(ast.unparse(node))


def _quotient(left: int, right: int) -> int:
    if not right:
        raise ValueError("a size divided by nothing")
    return left // right


def _is_open(size: Any) -> bool:
    """Whether only data decide a size."""
    return isinstance(size, Dim) and bool(set(_MADE.findall(str(size))) & set(MADE))


def _bound_all(shape: Any, sizes: Mapping[str, int]) -> tuple[int, ...] | None:
    try:
        return None if shape is None else tuple(bound(size, sizes) for size in shape)
    except ValueError:
        return None


def _settings(op: Op, sizes: Mapping[str, int]) -> dict[str, Value]:
    """What an operation was given, as plain values."""
    given = op.attrs.get("given")
    found: dict[str, Value] = {}
    for name, value in {**(given if isinstance(given, dict) else {}), **op.attrs}.items():
        if name in _UNSAID:
            continue
        try:
            found[name] = _value(value, sizes)
        except ValueError:
            continue
    return found


def _value(value: Any, sizes: Mapping[str, int]) -> Value:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return tuple(_value(each, sizes) for each in value)
    return bound(value, sizes)


def _numbers(tensor: Any) -> tuple[float, ...] | None:
    """A short constant's numbers."""
    if not isinstance(tensor, Tensor):
        return None
    const = tensor.const
    if callable(const):
        const = tensor.const = const()
    if const is None or const.dtype.kind not in "fiubc":
        return None
    if const.dtype.kind == "c":
        if const.size > _SHORT:
            return None
        return tuple(part for number in const.ravel().tolist() for part in (number.real, number.imag))
    if const.size > _SHORT:
        first = const.flat[0]
        return (float(first),) if (const == first).all() else None
    return tuple(float(number) for number in const.ravel().tolist())


def _pieces(path: str) -> list[str]:
    return path.split(".") if path else []


class _Silent(Writer):
    """As a draft sees operations, save that a slice which takes all is nothing, and that a numbered layer of torch's (one of
    an `nn.Sequential` inside a block) is no part of its own."""

    def __init__(self, operations: Operations, kept: Iterable[int]) -> None:
        self.members = {
            ".".join(pieces[: end + 1])
            for pieces in (module.split(".") for module in {op.module for op in operations.ops})
            for end, piece in enumerate(pieces[:-1])
            if piece.isdigit()
        }
        """Paths that end in a number and have parts of their own."""
        super().__init__(operations, kept)

    def scope(self, op: Op) -> str:
        """See `Writer.scope`."""
        known = self.scopes.get(op.module)
        if known is None:
            pieces = op.module.split(".")
            while pieces and not (pieces[-1].isdigit() and ".".join(pieces) in self.members):
                pieces.pop()
            known = self.scopes[op.module] = ".".join(pieces)
        return known

    def silent(self, op: Op) -> bool:
        """See `Writer.silent`."""
        if op.kind == "slice" and op.shape is not None and self.operations[op.inputs[0]].shape == op.shape:
            return _takes_all(op)
        return super().silent(op)


def _takes_all(op: Op) -> bool:
    """Whether a slice that leaves the shape as it is does so for prompts of any length."""
    spec = op.attrs.get("spec")
    shape = op.shape or ()
    if not isinstance(spec, tuple) or len(spec) > len(shape):
        return False
    for each, size in zip(spec, shape, strict=False):
        if each == ":" or (
            isinstance(each, tuple) and each[0] in (None, 0) and each[1] in (None, size) and each[2] in (None, 1)
        ):
            continue
        return False
    return True


def _sizes(operations: Operations) -> Mapping[str, int]:
    """Numbers for the sizes of the input; a decoder's tokens are as many as a prompt's where they are the only ones."""
    asked = {
        symbol
        for op in operations.ops
        if op.kind == "input"
        for size in op.shape or ()
        if isinstance(size, Dim)
        for monomial, _ in size.terms
        for symbol in monomial
    }
    return _SIZES if "sequence" in asked else {**_SIZES, "target_sequence": _SIZES["sequence"]}


class _Plain:
    """Writes one run down; owned by one `computed` call."""

    def __init__(self, operations: Operations, run: str, kept: Iterable[int]) -> None:
        self.operations = operations
        self.run = run
        self.writer = _Silent(operations, kept)
        self.found: dict[str, list[Computed]] = defaultdict(list)
        self.sizes = _sizes(operations)
        self.places: dict[int, int] = {}
        """By operation: its number in its part."""

    def parts(self) -> tuple[ComputedPart, ...]:
        writer = self.writer
        for op in self.operations.ops:
            if op.id in writer.live and op.kind not in LEAVES and not writer.silent(op):
                self._add(op, writer.scope(op))
        for index, rank in writer.ranks.items():
            op = writer.passed(index)
            self._end(writer.scope(op), "result", str(rank), op)
        for index, output in enumerate(self.operations.outputs):
            self._end("", "output", str(index), self.operations[output])
        alike: dict[tuple[str, str], list[str]] = defaultdict(list)
        for path, steps in self.found.items():
            alike[re.sub(r"\d+", "*", path), repr(steps)].append(path)
        return tuple(
            ComputedPart(self.run, tuple(paths), tuple(self.found[paths[0]]), tuple(map(self._stream, paths)))
            for paths in alike.values()
        )

    def _stream(self, path: str) -> str:
        """Where a part's stream comes from, as a label outside of parts; empty where it takes none."""
        index = self.writer.streams.get(path)
        if index is None:
            return ""
        op = self.operations[index]
        there = self.writer.scope(op)
        if op.kind in LEAVES:
            return self._leaf(op, "")
        return f"#{self.places[op.id]} of {relative('', there)}" if there else f"#{self.places[op.id]}"

    def _end(self, scope: str, kind: str, number: str, op: Op) -> None:
        seen = self._read(op.id, scope)
        self.found[scope].append(
            Computed(kind, number, (seen,), "", None, replace(seen, label=""), {}, op.file, op.line)
        )

    def _add(self, op: Op, scope: str) -> None:
        kind, said, number = self._said(op)
        sources = op.inputs
        if op.kind in RESHAPED:
            while (before := self.operations[sources[0]]).kind in RESHAPED and self.writer.scope(before) == scope:
                sources = (before.inputs[0], *sources[1:])
        reads = tuple(self._read(source, scope) for source in sources)
        if kind == "pow" and number == 2:  # noqa: PLR2004 - a square
            kind, said, number, reads = "mul", "", None, reads * 2
        values = None
        if kind == "constant" and not op.inputs:
            tensor = op.attrs.get("tensor") or self.operations.constants.get(op.id)
            said, values = f"{said} {content(tensor)}".strip(), _numbers(tensor)
        self.places[op.id] = len(self.found[scope])
        shape = plain(op.shape) if op.kind in _SHAPED else ""
        result = Seen("", _bound_all(op.shape, self.sizes), op.dtype, values)
        settings = _settings(op, self.sizes)
        if any(map(_is_open, op.shape or ())):
            settings["open"] = tuple(axis for axis, size in enumerate(op.shape or ()) if _is_open(size))
        self.found[scope].append(Computed(kind, said, reads, shape, number, result, settings, op.file, op.line))

    def _said(self, op: Op) -> tuple[str, str, float | None]:
        """(kind, settings, number): writings of one operation with a plain number are one."""
        if op.kind in RESHAPED:
            return "reshape", "", None
        said = self.writer.said(op)
        if op.kind == "cast":
            said = [op.dtype]
        other = op.attrs.get("other")
        if len(op.inputs) != 1 or isinstance(other, bool) or not isinstance(other, int | float):
            return ("mul", "", -1.0) if op.kind == "neg" else (op.kind, ", ".join(said), None)
        rest = ", ".join(each for each in said if not each.startswith("other="))
        sign = _SCALARS.get(op.kind)
        if sign == 1 and not rest.replace("reflected", ""):
            return op.kind, "", float(other)
        if sign == -1 and not op.attrs.get("reflected") and other and not rest:
            return ("add", "", -float(other)) if op.kind == "sub" else ("mul", "", 1 / float(other))
        return op.kind, rest, float(other)

    def _read(self, source: int, scope: str) -> Seen:
        """What a reader in a part sees of a value."""
        op = self.writer.passed(source)
        values = _numbers(op.attrs.get("tensor")) if op.kind == "buffer" else None
        return Seen(self._label(op, scope), _bound_all(op.shape, self.sizes), op.dtype, values)

    def _label(self, op: Op, scope: str) -> str:
        writer = self.writer
        if op.kind in LEAVES:
            return self._leaf(op, scope)
        there = writer.scope(op)
        if scope and writer.streams.get(scope) == op.id:
            return _STREAM
        if there == scope:
            return f"#{self.places[op.id]}"
        if not there or scope.startswith(f"{there}."):
            return f"#{self.places[op.id]} of {relative(scope, there)}"
        return f"result {writer.ranks.get(op.id)} of {relative(scope, there)}"

    def _leaf(self, op: Op, scope: str) -> str:
        name = str(op.attrs.get("name", ""))
        if op.kind == "input":
            return f"input {name} {op.dtype}"
        if op.kind == "parameter":
            return f"parameter {relative(scope, name)}"
        # A buffer is what it holds; of one whose content is not known, how it was made or its own name tells it from others.
        made = " ".join(self._label(self.writer.passed(index), scope) for index in op.inputs)
        return f"buffer {content(op.attrs.get('tensor')) or made or name.rpartition('.')[2]} {plain(op.shape)}"
