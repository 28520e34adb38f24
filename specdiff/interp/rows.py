"""Long comprehensions of plain arithmetic over a range, computed for all numbers at once.

Tables of sines by position are written as Python loops in many models; a million turns one by one take half a minute.
"""

from __future__ import annotations

from typing import Any

from specdiff.interp.objects import Frame
from specdiff.interp.run import Run
from specdiff.interp.tracked import Tracked
from specdiff.interp.values import Intrinsic
from specdiff.ir import nodes as ir

SHORTEST = 64
"""Shorter ranges are not worth the import of numpy."""
_EXACT = 2**53
"""Whole numbers up to here are the same as floats; beyond it, numpy's integers could differ from Python's."""
_FUNCTIONS = frozenset({"numpy.power", "numpy.sin", "numpy.cos", "numpy.exp", "numpy.sqrt", "numpy.log"})


class _Other(Exception):
    """The element is more than plain arithmetic, or Python would raise."""


def row(run: Run, node: ir.Comp, frame: Frame) -> list[int | float] | None:
    """The list of a comprehension; None where it has to be made turn by turn."""
    (clause,) = node.clauses
    if type(clause.target) is not ir.Name or type(clause.iter) is not ir.Call or clause.ifs:
        return None
    if type(clause.iter.func) is not ir.Name or clause.iter.func.id != "range" or type(node.element) is not ir.Binary:
        return None
    numbers = run.evaluate(clause.iter, frame)
    if type(numbers) is not range or len(numbers) < SHORTEST or max(abs(numbers[0]), abs(numbers[-1])) >= _EXACT:
        return None
    import numpy  # noqa: PLC0415 - only for long ranges

    made = _Row(run, frame, clause.target.id, numpy.asarray(numbers))
    try:
        with numpy.errstate(all="ignore"):
            result = made.value(node.element)
    except _Other:
        return None
    if not isinstance(result, numpy.ndarray) or not numpy.all(numpy.isfinite(result)):
        return None
    listed: list[int | float] = result.tolist()
    return listed


class _Row:
    """One element's expression over all numbers. Owned by one call of `row`."""

    def __init__(self, run: Run, frame: Frame, name: str, numbers: Any) -> None:
        self._run = run
        self._frame = frame
        self._name = name
        self._numbers = numbers

    def value(self, node: ir.Expr) -> Any:
        """A number, or an array of one per turn.

        Raises:
            _Other: it is more than plain arithmetic.
        """
        match node:
            case ir.Name(_, name) if name == self._name:
                return self._numbers
            case ir.Const(_, number):
                return self._number(number)
            case ir.Name():
                return self._number(self._run.evaluate(node, self._frame))
            case ir.Unary(_, "-", operand):
                return -self.value(operand)
            case ir.Binary(_, op, left, right):
                return self._binary(op, self.value(left), self.value(right))
            case ir.Call():
                return self._call(node)
        raise _Other

    def _number(self, value: Any) -> int | float:
        if type(value) is Tracked:
            value = value.observe()
        if type(value) not in (int, float) or abs(value) >= _EXACT:
            raise _Other
        number: int | float = value
        return number

    def _binary(self, op: str, left: Any, right: Any) -> Any:
        import numpy  # noqa: PLC0415

        whole = all(numpy.asarray(side).dtype.kind == "i" for side in (left, right))
        if op in ("/", "//", "%") and numpy.any(numpy.asarray(right) == 0):
            raise _Other  # Python raises
        match op:
            case "+":
                result = left + right
            case "-":
                result = left - right
            case "*":
                if whole and _largest(left) * _largest(right) >= _EXACT:
                    raise _Other
                result = left * right
            case "/":
                result = left / right
            case "//" if whole:
                result = left // right
            case "%" if whole:
                result = left % right
            case _:
                raise _Other
        if numpy.asarray(result).dtype.kind == "i" and numpy.any(numpy.abs(result) >= _EXACT):
            raise _Other
        return result

    def _call(self, node: ir.Call) -> Any:
        import numpy  # noqa: PLC0415

        function = self._run.evaluate(node.func, self._frame)
        if not isinstance(function, Intrinsic) or function.name not in _FUNCTIONS:
            raise _Other
        if any(type(argument) is not ir.Arg or argument.star or argument.name for argument in node.args):
            raise _Other
        operands = [numpy.asarray(self.value(argument.value), dtype=float) for argument in node.args]
        result = getattr(numpy, function.name.rpartition(".")[2])(*operands)
        return result if result.shape else float(result)


def _largest(side: Any) -> int:
    import numpy  # noqa: PLC0415

    return int(numpy.max(numpy.abs(side)))
