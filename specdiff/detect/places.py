"""Where an element of a value that was moved about stands in the value it came from, at given sizes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy

from specdiff.graph.operations import Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

Index = tuple[Any, ...]
"""One array per dimension; all of one length (or single numbers)."""


class NotKnown(Exception):
    """An element depends on data or on an operation that is not modelled here."""

    def __init__(self, op: Op | None, reason: str) -> None:
        super().__init__(reason)
        self.op = op
        self.reason = reason


class Outside(NotKnown):
    """A position lies outside a table."""

    def __init__(self, op: Op | None, reason: str, size: int) -> None:
        super().__init__(op, reason)
        self.size = size


_SAME = frozenset({"cast", "copy", "detach", "dropout", "identity", "contiguous"})
_RAVEL = frozenset({"view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten"})
STRUCTURAL = _RAVEL | _SAME | {
    "transpose", "permute", "movedim", "slice", "split", "expand", "cat", "stack", "repeat", "repeat_interleave", "roll",
    "flip", "diagonal", "view_as_complex", "view_as_real", "real", "imag", "complex", "neg",
}  # fmt: skip
"""Operations that move elements about (or change their sign) and compute nothing else."""


class Places:
    """Sizes and places of one run, with numbers for the sizes that the input decides."""

    def __init__(self, graph: Operations, sizes: Mapping[str, int]) -> None:
        self.graph = graph
        self.sizes = dict(sizes)
        """Numbers for the symbols."""
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._known: dict[str, int] = {}

    # --- Sizes ---------------------------------------------------------------------------------

    def size(self, size: Any, op: Op | None = None) -> int:
        """A size as a number."""
        if is_number(size):
            return int(size)
        if not isinstance(size, Dim):
            raise NotKnown(op, "a size is not known")
        total = 0
        for monomial, factor in size.terms:
            product = factor
            for symbol in monomial:
                product *= self._symbol(symbol, op)
            total += product
        return total

    def _symbol(self, symbol: str, op: Op | None) -> int:
        found = self.sizes.get(symbol)
        if found is None:
            found = self._known.get(symbol)
        if found is None:
            try:
                found = self._known[symbol] = _arithmetic(ast.parse(symbol, mode="eval").body, self.sizes)
            except (SyntaxError, KeyError, ValueError, ZeroDivisionError):
                raise NotKnown(op, f"the size {symbol} depends on data") from None
        return found

    def shape(self, op: Op) -> tuple[int, ...]:
        """A value's sizes as numbers."""
        found = self._shapes.get(op.id)
        if found is None:
            if op.shape is None:
                raise NotKnown(op, "a shape is not known")
            found = self._shapes[op.id] = tuple(self.size(size, op) for size in op.shape)
        return found

    def within(self, source: Op, index: Index) -> Index:
        """The index of an operand for an index of the result, by torch's broadcasting."""
        shape = self.shape(source)
        if len(shape) > len(index):
            raise NotKnown(source, "a rank does not fit")
        picked = index[len(index) - len(shape) :]
        return tuple(item if size != 1 else numpy.zeros_like(item) for item, size in zip(picked, shape, strict=True))

    def moved(self, op: Op, index: Index) -> Index | None:
        """Where an element of a moved value stands in the value it was moved from; None for other operations."""
        kind = op.kind
        if not op.inputs:
            return None
        source = self.graph[op.inputs[0]]
        if kind in _SAME:
            return self.within(source, index)
        if kind in _RAVEL:
            return _unravelled(_ravelled(index, self.shape(op)), self.shape(source))
        if kind == "transpose":
            found = list(index)
            a, b = op.attrs["dim0"], op.attrs["dim1"]
            found[a], found[b] = found[b], found[a]
            return tuple(found)
        if kind in ("permute", "movedim") and op.attrs.get("dims") is not None:
            found = [index[0]] * len(index)
            for position, d in enumerate(op.attrs["dims"]):
                found[d] = index[position]
            return tuple(found)
        if kind == "slice":
            return self._slice(op, source, index)
        if kind == "split" and op.attrs.get("start") is not None:
            start = self.size(op.attrs["start"], op)
            where = op.attrs["dim"] % len(self.shape(source))
            if len(self.shape(source)) > len(index):
                return (*index[:where], numpy.full_like(index[0], start) if index else start, *index[where:])
            return (*index[:where], numpy.asarray(index[where]) + start, *index[where + 1 :])
        if kind == "expand":
            return self.within(source, index)
        if kind == "repeat":
            shape = self.shape(source)
            picked = index[len(index) - len(shape) :]
            return tuple(numpy.asarray(item) % size for item, size in zip(picked, shape, strict=True))
        if kind == "repeat_interleave" and is_number(op.attrs.get("repeats")):
            where = op.attrs["dim"] % len(index)
            return (*index[:where], numpy.asarray(index[where]) // op.attrs["repeats"], *index[where + 1 :])
        if kind == "flip" and op.attrs.get("dims") is not None:
            shape = self.shape(op)
            turned = {d % len(shape) for d in op.attrs["dims"]}
            return tuple(shape[d] - 1 - numpy.asarray(item) if d in turned else item for d, item in enumerate(index))
        if kind == "roll" and op.attrs.get("shifts") is not None and op.attrs.get("dims") is not None:
            shape = self.shape(op)
            found = list(index)
            for shift, d in zip(op.attrs["shifts"], op.attrs["dims"], strict=True):
                found[d] = (numpy.asarray(found[d]) - self.size(shift, op)) % shape[d % len(shape)]
            return tuple(found)
        if kind == "diagonal" and op.attrs.get("dims") is not None:
            return self._diagonal(op, index)
        return None

    def _diagonal(self, op: Op, index: Index) -> Index:
        """Where the elements of a diagonal stand in its matrix: the last position counts along both of its sides."""
        offset, (row, column) = self.size(op.attrs["offset"], op), op.attrs["dims"]
        along, rest = numpy.asarray(index[-1]), list(index[:-1])
        sides = {row: along + max(-offset, 0), column: along + max(offset, 0)}
        return tuple(sides[axis] if axis in sides else rest.pop(0) for axis in range(len(index) + 1))

    def basic(self, item: Any, rest: list[Any], shape: tuple[int, ...], found: list[Any], op: Op) -> None:
        """One item of a basic index: takes what it reads from ``rest`` and adds the place in the source to ``found``."""
        if item is None:
            rest.pop(0)
        elif isinstance(item, int | Dim):
            chosen = self.size(item, op)
            found.append(chosen if chosen >= 0 else chosen + shape[len(found)])
        else:
            found.append(self.sliced(item, rest.pop(0), shape[len(found)], op))

    def _slice(self, op: Op, source: Op, index: Index) -> Index:
        shape = self.shape(source)
        rest = list(index)
        found: list[Any] = []
        for item in op.attrs["spec"]:
            self.basic(item, rest, shape, found, op)
        found.extend(rest)
        for at, size in zip(found, shape, strict=True):
            # A slice of a table takes no more than there is, whatever length was given to the sequence.
            if numpy.max(at, initial=0) >= size > 1:
                raise Outside(op, f"position {int(numpy.max(at))} lies outside a table of {size}", size)
        length = next((numpy.shape(item) for item in index if numpy.ndim(item)), ())
        return tuple(numpy.full(length, item) if not numpy.ndim(item) else item for item in found)

    def sliced(self, item: Any, at: Any, size: int, op: Op) -> Any:
        """A position in a sliced dimension, for a position in the slice."""
        if item == ":":
            return at
        low, _, stride = self.bounds(item, size, op)
        return low + numpy.asarray(at) * stride

    def bounds(self, item: Any, size: int, op: Op) -> tuple[int, int, int]:
        """Start, stop and step of a slice of a dimension, as numbers."""
        parts = (None, None, None) if item == ":" else item
        numbers = [self.size(part, op) if isinstance(part, Dim) else part for part in parts]
        if any(part is not None and not isinstance(part, int) for part in numbers):
            raise NotKnown(op, "the bounds of a slice depend on data")
        return slice(*numbers).indices(size)


def _ravelled(index: Index, shape: tuple[int, ...]) -> Any:
    flat: Any = 0
    for item, size in zip(index, shape, strict=True):
        flat = flat * size + numpy.asarray(item)
    return flat


def _unravelled(flat: Any, shape: tuple[int, ...]) -> Index:
    found: list[Any] = []
    rest = numpy.asarray(flat)
    for size in reversed(shape):
        found.append(rest % max(size, 1))
        rest = rest // max(size, 1)
    return tuple(reversed(found))


def _arithmetic(node: ast.expr, sizes: Mapping[str, int]) -> int:
    """The number behind an opaque size (`floor((sequence+3)/(4))`, `min(512, sequence)`).

    Raises:
        KeyError: a name in it is not known.
        ValueError: it is no arithmetic.
    """
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Name(id=name):
            return sizes[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_arithmetic(operand, sizes)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _arithmetic(left, sizes) + _arithmetic(right, sizes)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _arithmetic(left, sizes) - _arithmetic(right, sizes)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _arithmetic(left, sizes) * _arithmetic(right, sizes)
        case ast.Call(func=ast.Name(id="floor"), args=[ast.BinOp(left=left, op=ast.Div(), right=right)]):
            return _arithmetic(left, sizes) // _arithmetic(right, sizes)
        case ast.Call(func=ast.Name(id=("min" | "max" | "mod") as name), args=[left, right]):
            a, b = _arithmetic(left, sizes), _arithmetic(right, sizes)
            return min(a, b) if name == "min" else max(a, b) if name == "max" else a % b
        case _:
            raise ValueError(ast.dump(node))


__all__ = ["STRUCTURAL", "Index", "NotKnown", "Outside", "Places"]
