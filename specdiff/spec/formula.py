"""Arithmetic over vocabulary keys (`hidden_size / attention.heads`): parsed and computed here, never by `eval`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, assert_never

MAX_LENGTH = 400
"""Longest formula, in characters: a claim's arithmetic fits a line or two."""

MAX_DEPTH = 40
"""Deepest nesting of parentheses, signs and powers, well below Python's recursion limit."""


class Number(NamedTuple):
    """A literal."""

    value: float


class Ref(NamedTuple):
    """Another key's value."""

    key: str


class Negative(NamedTuple):
    """``-operand``."""

    operand: Term


class Operation(NamedTuple):
    """``left op right``; ``op`` is one of ``+ - * / // % **``."""

    op: str
    left: Term
    right: Term


class Apply(NamedTuple):
    """A function of `FUNCTIONS` on its arguments."""

    name: str
    arguments: tuple[Term, ...]


Term: TypeAlias = Number | Ref | Negative | Operation | Apply


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula."""

    text: str
    term: Term

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys it reads, each once, in order of appearance."""
        return tuple(dict.fromkeys(_refs(self.term)))


class FormulaError(Exception):
    """Indicates text that is not a formula, or arithmetic that has no result; the message is one sentence."""


class _Function(NamedTuple):
    fewest: int
    most: int
    apply: Callable[..., float]


FUNCTIONS: Mapping[str, _Function] = {
    "sqrt": _Function(1, 1, math.sqrt),
    "log": _Function(1, 1, math.log),
    "log2": _Function(1, 1, math.log2),
    "floor": _Function(1, 1, math.floor),
    "ceil": _Function(1, 1, math.ceil),
    "round": _Function(1, 1, round),
    "min": _Function(2, 9, min),
    "max": _Function(2, 9, max),
}
"""What a formula may call, with the fewest and most arguments."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
    r"|(?P<op>\*\*|//|[-+*/%(),]))"
)

_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": 4}
"""How tightly an operator binds, as in Python; a sign binds at 3, looser than a power."""


def parse(text: str) -> Formula:
    """Reads a formula.

    Raises:
        FormulaError: The text is not a formula.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"a formula has at most {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    term = parser.expression(0, 0)
    parser.expect_end()
    return Formula(" ".join(text.split()), term)


def compute(formula: Formula, values: Mapping[str, float]) -> float:
    """Computes a formula whose keys all have values, in 64-bit floating point.

    Raises:
        FormulaError: A division by zero, a square root of a negative number, a result out of range.
    """
    try:
        result = float(_evaluate(formula.term, values))
    except (ArithmeticError, ValueError) as error:
        raise FormulaError(f"{formula.text} has no result: {error}") from error
    if not math.isfinite(result):
        raise FormulaError(f"{formula.text} has no finite result")
    return result


def _evaluate(term: Term, values: Mapping[str, float]) -> float:
    match term:
        case Number(value):
            return value
        case Ref(key):
            return values[key]
        case Negative(operand):
            return -_evaluate(operand, values)
        case Operation(op, left, right):
            return _operate(op, float(_evaluate(left, values)), float(_evaluate(right, values)))
        case Apply(name, arguments):
            return FUNCTIONS[name].apply(*(_evaluate(argument, values) for argument in arguments))
        case _:
            assert_never(term)


def _operate(op: str, left: float, right: float) -> float:
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "//":
            return left // right
        case "%":
            return left % right
        case _:
            return math.pow(left, right)


def _refs(term: Term) -> list[str]:
    match term:
        case Number():
            return []
        case Ref(key):
            return [key]
        case Negative(operand):
            return _refs(operand)
        case Operation(_, left, right):
            return _refs(left) + _refs(right)
        case Apply(_, arguments):
            return [key for argument in arguments for key in _refs(argument)]
        case _:
            assert_never(term)


class _Token(NamedTuple):
    kind: str
    text: str


_END = _Token("end", "")


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None:
            raise FormulaError(f"{text[position:].strip()[0]!r} is not part of a formula")
        tokens.append(_Token(str(found.lastgroup), found[str(found.lastgroup)]))
        position = found.end()
    return tokens


class _Parser:
    """Precedence climbing over a token list; owned by one `parse` call."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def expression(self, binding: int, depth: int) -> Term:
        """A term and all operators after it that bind tighter than `binding`."""
        if depth > MAX_DEPTH:
            raise FormulaError("the formula is nested too deeply")
        left = self._operand(depth)
        while (strength := _BINDING.get(self._peek().text, 0)) > binding:
            op = self._take().text
            # A power binds to the right: 2 ** 3 ** 2 is 2 ** 9.
            right = self.expression(strength - 1 if op == "**" else strength, depth + 1)
            left = Operation(op, left, right)
        return left

    def expect_end(self) -> None:
        """Raises FormulaError where something is left over."""
        if self._peek() is not _END:
            raise FormulaError(f"{self._peek().text!r} is not expected here")

    def _operand(self, depth: int) -> Term:
        token = self._take()
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind == "name":
            return self._call(token.text, depth) if self._peek().text == "(" else Ref(token.text)
        if token.text == "-":
            return Negative(self.expression(3, depth + 1))
        if token.text == "+":
            return self.expression(3, depth + 1)
        if token.text == "(":
            inner = self.expression(0, depth + 1)
            self._close()
            return inner
        raise FormulaError("the formula ends too early" if token is _END else f"{token.text!r} is not expected here")

    def _call(self, name: str, depth: int) -> Term:
        function = FUNCTIONS.get(name)
        if function is None:
            raise FormulaError(f"{name} is not a function; there are {', '.join(FUNCTIONS)}")
        self._take()
        arguments = [self.expression(0, depth + 1)]
        while self._peek().text == ",":
            self._take()
            arguments.append(self.expression(0, depth + 1))
        self._close()
        if not function.fewest <= len(arguments) <= function.most:
            wanted = str(function.fewest) if function.fewest == function.most else f"at least {function.fewest}"
            raise FormulaError(f"{name} takes {wanted} argument(s), not {len(arguments)}")
        return Apply(name, tuple(arguments))

    def _close(self) -> None:
        if self._take().text != ")":
            raise FormulaError("a closing parenthesis is missing")

    def _peek(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else _END

    def _take(self) -> _Token:
        token = self._peek()
        self._next += 1
        return token
