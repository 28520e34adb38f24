"""Which values a tensor of symbolic size can hold, where the code filled it itself (a default mask, padding)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import product
from typing import TYPE_CHECKING, Any

from specdiff.interp.counted import counted_by
from specdiff.interp.dims import Dim
from specdiff.interp.values import Tensor

if TYPE_CHECKING:
    from specdiff.interp.run import Run
    from specdiff.interp.trace import Op, Trace

_MOST = 16
"""Values that are told apart."""
_DEPTH = 48
"""Operations that are followed back."""
_EXACT = 256
"""Whole numbers up to here are exact in every format."""
_MOVED = frozenset(
    "view reshape transpose permute unsqueeze squeeze expand slice split copy contiguous detach movedim flatten "
    "repeat repeat_interleave index gather item flip roll".split()
)
"""Operations that hold values of their first input only."""
_UNITED = frozenset("cat stack join overwrite".split())
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
}
_LOGIC: dict[str, Callable[[Any, Any], Any]] = {
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "xor": lambda a, b: a != b,
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_NEGATIONS = frozenset({"logical_not", "bitwise_not"})
_Number = bool | int | float
_World = frozenset[tuple[int, _Number]]
"""What operations hold at one position, by id: operands of one position must agree on it."""
_Cases = frozenset[tuple[_World, _Number]]


class _Open(Exception):  # noqa: N818 - not an error: the values are not known
    pass


def decided(run: Run, tensor: Tensor) -> _Number | Dim | None:
    """The number in a tensor of one element, where it can only be one; None where that is not known."""
    trace = run.trace
    if trace is None or tensor.node is None or trace.open_examples:
        return None
    counted = counted_by(trace, trace.ops[tensor.node])
    try:
        found = {value for _, value in _Search(trace).cases(tensor.node, 0)} if counted is None else {counted}
    except (_Open, ArithmeticError):
        return None
    if len(found) != 1:
        return None
    recording = run.recording
    while recording is not None:
        # The answer is about what these very tensors hold: the module's run is none for other tensors alike in shape.
        recording.impure = True
        recording = recording.parent
    (value,) = found
    if isinstance(value, Dim):
        return value
    if tensor.dtype == "bool":
        return bool(value)
    return float(value) if tensor.dtype.startswith(("float", "bfloat")) else int(value)


class _Search:
    def __init__(self, trace: Trace) -> None:
        self.ops = trace.ops
        self.examples = trace.examples
        self.found: dict[int, _Cases] = {}

    def cases(self, index: int, depth: int) -> _Cases:
        """The values of an operation's result, each with what its operands hold at the same position."""
        if index not in self.found:
            op = self.ops[index]
            try:
                self.found[index] = self._known(op, depth)
            except (_Open, ArithmeticError):
                if op.dtype != "bool":
                    raise
                self.found[index] = _atoms(op, (False, True))
        return self.found[index]

    def _known(self, op: Op, depth: int) -> _Cases:
        if any(start <= op.id < end for start, end in self.examples):
            raise _Open  # one turn of a loop stands for all
        if depth > _DEPTH or (op.shape is not None and any(isinstance(s, int) and s == 0 for s in op.shape)):
            raise _Open
        found = self._cases(op, depth + 1)
        if not found or len(found) > _MOST or not all(_whole(value) for _, value in found):
            raise _Open
        return found

    def _cases(self, op: Op, depth: int) -> _Cases:
        if op.kind == "constant" and not op.inputs and isinstance(op.attrs.get("fill"), bool | int | float):
            return _atoms(op, [op.attrs["fill"]])
        if op.kind in _MOVED | _UNITED and any(self.ops[index].dtype != op.dtype for index in op.inputs[:1]):
            raise _Open
        if op.kind in _UNITED and len({self.ops[index].dtype for index in op.inputs}) != 1:
            raise _Open
        if op.kind in _MOVED and op.inputs:
            return _atoms(op, self._values(op.inputs[:1], depth))
        if op.kind in _UNITED:
            return _atoms(op, self._values(op.inputs, depth))
        if op.kind == "pad" and op.attrs.get("mode") == "constant":
            filled = op.attrs.get("value") or 0
            if not isinstance(filled, bool | int | float):
                raise _Open
            return _atoms(op, [*self._values(op.inputs[:1], depth), filled])
        if op.kind == "setitem" and not self._fills_where(op):
            if not isinstance(op.attrs.get("value"), bool | int | float):
                raise _Open
            return _atoms(op, [*self._values(op.inputs[:1], depth), op.attrs["value"]])
        if op.kind == "reduce":
            return _atoms(op, _reduced(op.attrs.get("which"), set(self._values(op.inputs, depth))))
        return self._elementwise(op, depth)

    def _fills_where(self, op: Op) -> bool:
        """Whether ``tensor[mask] = number`` does what ``masked_fill`` does."""
        return (
            isinstance(op.attrs.get("value"), bool | int | float)
            and len(op.inputs) == 2
            and self.ops[op.inputs[1]].dtype == "bool"
            and self.ops[op.inputs[1]].shape == op.shape
        )

    def _values(self, inputs: Iterable[int], depth: int) -> list[_Number]:
        return [value for index in inputs for _, value in self.cases(index, depth)]

    def _elementwise(self, op: Op, depth: int) -> _Cases:
        function = _function(op)
        operands = []
        for index in op.inputs:
            cases = self.cases(index, depth)
            if self.ops[index].shape is None or self.ops[index].shape != op.shape:
                # Repeated over other positions: what it holds there is no longer told by what meets it.
                cases = frozenset((frozenset(), value) for _, value in cases)
            operands.append(cases)
        found = set()
        for chosen in product(*operands):
            world = frozenset().union(*(world for world, _ in chosen))
            if len(dict(world)) == len(world):
                found.add((world, function(*(value for _, value in chosen))))
        return frozenset(found)


def _atoms(op: Op, values: Iterable[_Number]) -> _Cases:
    return frozenset((frozenset({(op.id, value)}), value) for value in values)


def _whole(value: _Number) -> bool:
    """Whether a value compares alike in every format: a whole number or infinite."""
    return math.isinf(value) or (not math.isnan(value) and value == int(value))


def _reduced(which: Any, values: set[_Number]) -> list[_Number]:
    truths = {bool(value) for value in values}
    if which in ("any", "all"):
        return list(truths)
    if which in ("max", "min"):
        return list(values)
    if which == "sum" and values == {0}:
        return [0]
    if which == "mean" and len(values) == 1:
        return list(values)
    raise _Open


def _function(op: Op) -> Callable[..., _Number]:
    """What an operation computes of the values at one position."""
    attrs, count = op.attrs, len(op.inputs)
    if op.kind == "cast" and count == 1:
        return lambda value: _as_format(value, op.dtype)
    if op.kind in _NEGATIONS and count == 1 and op.dtype == "bool":
        return lambda value: not value
    if op.kind in ("masked_fill", "setitem"):
        if count == 3:
            return lambda value, mask, filled: filled if mask else value
        if count == 2 and isinstance(attrs.get("value"), bool | int | float):
            return lambda value, mask: attrs["value"] if mask else value
    if op.kind == "where":
        return _choice(attrs.get("values") or (None, None), count)
    if op.kind == "clamp" and count == 1:
        low, high = (
            -math.inf if attrs["min"] is None else attrs["min"],
            math.inf if attrs["max"] is None else attrs["max"],
        )
        return lambda value: min(max(value, low), high)
    if op.kind == "compare":
        return _operator(op, _COMPARE[attrs["op"]])
    if op.kind in _LOGIC and op.dtype == "bool":
        return _operator(op, lambda a, b: bool(_LOGIC[op.kind](a, b)))
    if op.kind in _ARITHMETIC:
        return _operator(op, lambda a, b: _computed(op, a, b))
    raise _Open


def _choice(numbers: tuple[Any, Any], count: int) -> Callable[..., _Number]:
    """``where``, of which either side may be a number."""
    if count != 1 + sum(number is None for number in numbers):
        raise _Open

    def choose(condition: _Number, *tensors: _Number) -> _Number:
        rest = list(tensors)
        first, second = (rest.pop(0) if number is None else number for number in numbers)
        return first if condition else second

    return choose


def _operator(op: Op, function: Callable[[Any, Any], _Number]) -> Callable[..., _Number]:
    if len(op.inputs) == 2:
        # Operands stand in the order of the expression.
        return function
    other = op.attrs.get("other")
    if len(op.inputs) != 1 or not isinstance(other, bool | int | float) or not _whole(other):
        raise _Open
    return (
        (lambda value: function(other, value)) if op.attrs.get("reflected") else (lambda value: function(value, other))
    )


def _computed(op: Op, a: _Number, b: _Number) -> _Number:
    """The result of arithmetic where no format rounds it."""
    result: _Number = _ARITHMETIC[op.kind](a, b)
    if op.dtype == "bool":
        return bool(result)
    if math.isnan(result) or (abs(result) > _EXACT and result not in (a, b)):
        raise _Open
    if op.dtype.startswith("uint") and result < 0:
        raise _Open
    return result


def _as_format(value: _Number, dtype: str) -> _Number:
    if dtype == "bool":
        return bool(value)
    if not abs(value) <= _EXACT and not (math.isinf(value) and dtype.startswith(("float", "bfloat"))):
        raise _Open
    if dtype.startswith(("int", "uint")):
        if value < 0 and dtype.startswith("uint"):
            raise _Open
        return int(value)
    return float(value)
