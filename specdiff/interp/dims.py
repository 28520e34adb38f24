"""Symbolic sizes: integer polynomials over named sizes (`batch`, `sequence`) and opaque parts (`floor(a/b)`).

Every named symbol stands for an integer of at least 1; `BOUNDS` narrows those of the entry's inputs. A result that is
constant is a plain ``int``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import gcd
from typing import Any, TypeAlias

from specdiff.interp.limits import MAX_TERMS

Monomial: TypeAlias = tuple[str, ...]
"""Symbols of a product, sorted, repeated for powers; empty for the constant term."""
Size: TypeAlias = "int | Dim"


BOUNDS: dict[str, tuple[int, int | None]] = {
    "sequence": (9, 63),
    "target_sequence": (2, 63),
    "source_sequence": (2, 63),
    "query_sequence": (2, 63),
}
"""What is assumed of a prompt: as many tokens as two windows of a causal convolution (4) span or more, and fewer than any
table of positions, window or chunk holds. A comparison that this decides is decided; any other one that depends on a
symbol is not. What only the upper bounds decide is said to `TOLD`, since a longer prompt may go the other way there."""
TOLD: list[Callable[[int], None]] = []
"""Who hears of each number that the prompt's length was taken to be below, without which a comparison would be open."""
_OPAQUE: dict[str, tuple[int, int | None]] = {}
"""Bounds of the opaque parts made so far."""
MADE: list[str] = []
"""Names of the sizes made so far of which nothing is known; emptied between files."""

_NAME = re.compile(r"[a-z]+_\d+")


@contextmanager
def prompts_of(least: int, most: int | None) -> Iterator[None]:
    """Another assumption of how many tokens a prompt has, for as long as the context lasts."""
    bounds, opaque = dict(BOUNDS), dict(_OPAQUE)
    _OPAQUE.clear()
    BOUNDS.update(dict.fromkeys(BOUNDS, (least, most)))
    try:
        yield
    finally:
        BOUNDS.update(bounds)
        _OPAQUE.clear()
        _OPAQUE.update(opaque)


def fresh(what: str) -> Dim:
    """A size nothing is known of."""
    MADE.append(f"{what}_{len(MADE) + 1}")
    return Dim.symbol(MADE[-1])


def is_given(value: Size | None) -> bool:
    """Whether a size is made of nothing but numbers and the sizes of the inputs."""
    if not isinstance(value, Dim):
        return value is not None
    return not any(_NAME.search(symbol) for monomial, _ in value.terms for symbol in monomial)


def renamed(value: Size, names: dict[str, str]) -> Size:
    """A size with other names for some of its symbols, also inside of opaque parts."""
    if isinstance(value, int):
        return value
    terms: dict[Monomial, int] = {}
    for monomial, factor in value.terms:
        symbols = [_NAME.sub(lambda match: names.get(match.group(), match.group()), symbol) for symbol in monomial]
        terms[tuple(sorted(symbols))] = factor
    return Dim(terms)


class _Ordered:
    """Comparisons that answer True, False or, where the input decides, an unknown with the question as its reason."""

    __slots__ = ()

    def _compared(self, op: str, other: object) -> object:
        raise NotImplementedError

    def __lt__(self, other: object) -> object:
        return self._compared("<", other)

    def __le__(self, other: object) -> object:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> object:
        return self._compared(">", other)

    def __ge__(self, other: object) -> object:
        return self._compared(">=", other)


class Dim(_Ordered):
    """A size that is not a number. Immutable; equality is equality of the canonical form."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: dict[Monomial, int]) -> None:
        self.terms = tuple(sorted(terms.items()))
        self._hash = hash(self.terms)

    @staticmethod
    def symbol(name: str) -> Dim:
        """The size with a name."""
        return Dim({(name,): 1})

    @staticmethod
    def maximum(left: Size, right: Size) -> Size:
        """The larger of two sizes."""
        answer = decide(">=", left, right)
        if answer is None and decide("<=", left, right):
            answer = False
        if answer is None:
            return Dim.symbol(f"max({left}, {right})")
        return left if answer else right

    @staticmethod
    def minimum(left: Size, right: Size) -> Size:
        """The smaller of two sizes."""
        answer = decide("<=", left, right)
        if answer is None and decide(">=", left, right):
            answer = False
        if answer is None:
            return Dim.symbol(f"min({left}, {right})")
        return left if answer else right

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Any) -> Any:
        return _ratio(self) + other if isinstance(other, float | Ratio) else _sum(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _ratio(self) - other if isinstance(other, float | Ratio) else _sum(self, other, -1)

    def __rsub__(self, other: Any) -> Any:
        return -_ratio(self) + other if isinstance(other, float | Ratio) else _sum(-self, other, 1)

    def __neg__(self) -> Size:
        return _made({monomial: -factor for monomial, factor in self.terms})

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, float | Ratio):
            return _ratio(self) * other
        if not isinstance(other, int | Dim):
            return NotImplemented
        terms: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                monomial = tuple(sorted((*left, *right)))
                terms[monomial] = terms.get(monomial, 0) + a * b
        return _made(terms)

    __rmul__ = __mul__

    def __pow__(self, other: int) -> Size:
        result: Size = 1
        for _ in range(other):
            result = result * self
        return result

    def __floordiv__(self, other: Any) -> Any:
        if not isinstance(other, int | Dim):
            return NotImplemented
        exact = _divided(self, other)
        if exact is not None:
            return exact
        low, high = _range(self)
        if isinstance(other, int) and other > 0:
            if low is not None and high is not None and low // other == high // other:
                _tell(self, other)
                return low // other
            bounds = (None if low is None else low // other, None if high is None else high // other)
            _QUOTIENTS[f"floor(({self})/({other}))"] = (self, other)
        else:
            bounds = (0 if low is not None and low >= 0 else None, None)
        return _opaque(f"floor(({self})/({other}))", *bounds)

    def __rfloordiv__(self, other: Size) -> Size:
        return Dim.symbol(f"floor(({other})/({self}))")

    def __truediv__(self, other: Any) -> Any:
        return _ratio(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return _ratio(other) / self if isinstance(other, int) else NotImplemented

    def __mod__(self, other: Size) -> Size:
        if _divided(self, other) is not None:
            return 0
        low, high = _range(self)
        if isinstance(other, int) and low is not None and high is not None and low >= 0 and high < other:
            _tell(self, other)
            return self
        if isinstance(other, int) and other > 0:
            rest = _residue(self, other)
            if isinstance(rest, int):
                return rest % other
            _REMAINDERS[f"mod({self}, {other})"] = (self, other)
        return _opaque(f"mod({self}, {other})", 0, other - 1 if isinstance(other, int) and other > 0 else None)

    def __rmod__(self, other: Size) -> Size:
        return Dim.symbol(f"mod({other}, {self})")

    def _compared(self, op: str, other: object) -> object:
        from specdiff.interp.values import Unknown  # noqa: PLC0415

        if not isinstance(other, int | Dim):
            return Unknown(f"{self} {op} {other} depends on the input")
        answer = decide(op, self, other)
        return Unknown(f"{self} {op} {other} depends on the input") if answer is None else answer

    def __str__(self) -> str:
        pieces = []
        for monomial, factor in sorted(self.terms, key=lambda term: (-len(term[0]), term[0])):
            name = "*".join(monomial)
            if not monomial:
                pieces.append(str(factor))
            elif factor == 1:
                pieces.append(name)
            else:
                pieces.append(f"{factor}*{name}")
        return "+".join(pieces).replace("+-", "-")

    __repr__ = __str__


class Ratio(_Ordered):
    """A quotient of sizes that need not be whole (``sequence / 4``), until something rounds it."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: Size, denominator: Size) -> None:
        self.numerator = numerator
        self.denominator = denominator

    @property
    def floor(self) -> Size:
        """Rounded down."""
        return self.numerator // self.denominator

    @property
    def ceil(self) -> Size:
        """Rounded up."""
        exact = _divided(self.numerator, self.denominator)
        return exact if exact is not None else (self.numerator + self.denominator - 1) // self.denominator

    def __add__(self, other: Any) -> Any:
        right = _ratio(other)
        if right is None:
            return NotImplemented
        return _reduced(
            self.numerator * right.denominator + right.numerator * self.denominator,
            self.denominator * right.denominator,
        )

    __radd__ = __add__

    def __neg__(self) -> Ratio:
        return Ratio(-self.numerator, self.denominator)

    def __sub__(self, other: Any) -> Any:
        right = _ratio(other)
        return NotImplemented if right is None else self + -right

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        right = _ratio(other)
        if right is None:
            return NotImplemented
        return _reduced(self.numerator * right.numerator, self.denominator * right.denominator)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        right = _ratio(other)
        if right is None:
            return NotImplemented
        return _reduced(self.numerator * right.denominator, self.denominator * right.numerator)

    def __rtruediv__(self, other: Any) -> Any:
        left = _ratio(other)
        return NotImplemented if left is None else left / self

    def __floordiv__(self, other: Any) -> Any:
        quotient = self / other
        return quotient.floor if isinstance(quotient, Ratio) else quotient

    def _compared(self, op: str, other: object) -> object:
        from specdiff.interp.values import Unknown  # noqa: PLC0415

        right = _ratio(other)
        if right is None or not isinstance(self.denominator, int) or not isinstance(right.denominator, int):
            return Unknown(f"{self} {op} {other} depends on the input")
        left = self.numerator * right.denominator
        answer = decide(op, left, right.numerator * self.denominator)
        return Unknown(f"{self} {op} {other} depends on the input") if answer is None else answer

    def __str__(self) -> str:
        return f"({self.numerator})/({self.denominator})"

    __repr__ = __str__


def _ratio(value: Any) -> Any:
    """A number as a ratio; None for what is none."""
    if isinstance(value, Ratio):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return None
        exact = Fraction(value).limit_denominator(1_000_000)
        return Ratio(exact.numerator, exact.denominator)
    return Ratio(value, 1) if isinstance(value, int | Dim) else None


def _reduced(numerator: Size, denominator: Size) -> Any:
    """A quotient in lowest terms; the size itself where it is whole, a float where it is a number."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        return numerator / denominator
    exact = _divided(numerator, denominator)
    if exact is not None:
        return exact
    factors = [factor for _, factor in (*_terms(numerator), *_terms(denominator))]
    common = gcd(*factors)
    if common > 1:
        numerator, denominator = _divided(numerator, common) or 0, _divided(denominator, common) or 1
    return Ratio(numerator, denominator)


def _terms(value: Size) -> tuple[tuple[Monomial, int], ...]:
    return value.terms if isinstance(value, Dim) else (((), value),)


def _made(terms: dict[Monomial, int]) -> Size:
    terms = {monomial: factor for monomial, factor in terms.items() if factor}
    if not terms:
        return 0
    if len(terms) == 1 and () in terms:
        return terms[()]
    return Dim(terms) if len(terms) <= MAX_TERMS else fresh("large")


def _sum(left: Size, right: Size, sign: int) -> Size:
    if not isinstance(right, int | Dim):
        return NotImplemented
    terms = dict(_terms(left))
    for monomial, factor in _terms(right):
        terms[monomial] = terms.get(monomial, 0) + sign * factor
    return _made(terms)


def _divided(left: Size, right: Size) -> Size | None:
    """``left / right`` where it divides for all values of the symbols."""
    divisor = _terms(right)
    if not any(factor for _, factor in divisor):
        return 1 if left == right else None
    if len(divisor) > 1:
        return _divided_long(left, divisor)
    terms: dict[Monomial, int] = {}
    for product, count in _terms(left):
        term = _divided_term(product, count, *divisor[0])
        if term is None:
            return None
        terms[term[0]] = term[1]
    return _made(terms)


def _divided_long(left: Size, divisor: tuple[tuple[Monomial, int], ...]) -> Size | None:
    """Long division of polynomials by descending degree; None where something is left over."""

    def rank(term: tuple[Monomial, int]) -> tuple[int, Monomial]:
        return len(term[0]), term[0]

    leading = max(divisor, key=rank)
    rest = dict(_terms(left))
    terms: dict[Monomial, int] = {}
    for _ in range(MAX_TERMS):
        if not rest:
            return _made(terms)
        term = _divided_term(*max(rest.items(), key=rank), *leading)
        if term is None:
            return None
        terms[term[0]] = terms.get(term[0], 0) + term[1]
        for monomial, factor in divisor:
            product = tuple(sorted((*term[0], *monomial)))
            remaining = rest.get(product, 0) - term[1] * factor
            if remaining:
                rest[product] = remaining
            else:
                rest.pop(product, None)
    return None


def _divided_term(product: Monomial, count: int, monomial: Monomial, factor: int) -> tuple[Monomial, int] | None:
    rest = list(product)
    for symbol in monomial:
        if symbol not in rest:
            return None
        rest.remove(symbol)
    return (tuple(rest), count // factor) if count % factor == 0 else None


def independent(left: Size, right: Size) -> bool:
    """Whether one size is a number of batches and the other a number of tokens, which only chance makes the same."""
    if type(left) is not Dim or type(right) is not Dim or len(left.terms) != 1 or len(right.terms) != 1:
        return False
    first, second = left.terms[0][0], right.terms[0][0]
    if first == ("batch",):
        return len(second) == 1 and second[0] in BOUNDS
    return second == ("batch",) and len(first) == 1 and first[0] in BOUNDS


def decide(op: str, left: Size, right: Size) -> bool | None:
    """Whether a comparison holds for all values of the symbols; None where it depends on them."""
    difference = _sum(left, right, -1)
    if type(difference) is Dim and len(difference.terms) > 1 and () not in dict(difference.terms):
        difference = _without_common_factor(difference)
    if isinstance(difference, int):
        return {
            "<": difference < 0,
            "<=": difference <= 0,
            ">": difference > 0,
            ">=": difference >= 0,
            "==": difference == 0,
            "!=": difference != 0,
        }[op]
    low, high = _range(difference)
    if low is None or high is None or low <= 0 <= high:
        low, high = _narrowed(difference, low, high)
    if op in (">", ">="):
        answer = None
        if low is not None and (low > 0 or (op == ">=" and low >= 0)):
            answer = True
        elif high is not None and (high < 0 or (op == ">" and high <= 0)):
            answer = False
        if answer is not None and TOLD and () in dict(difference.terms):
            _tell_threshold(difference)
        return answer
    if op in ("<", "<="):
        opposite = decide(">=" if op == "<" else ">", left, right)
        return None if opposite is None else not opposite
    if (low is not None and low > 0) or (high is not None and high < 0):
        return op == "!="
    return None


def _tell(value: Dim, number: int) -> None:
    """Say that a size of the prompt was taken to be below a number."""
    if TOLD and any(symbol in BOUNDS for monomial, _ in value.terms for symbol in monomial):
        for hear in TOLD:
            hear(number)


def _tell_threshold(difference: Dim) -> None:
    """Say where a difference changes its sign, if a greater length of the prompt alone would bring that about."""
    constant = dict(difference.terms)[()]
    factors = [count for monomial, count in difference.terms if any(symbol in BOUNDS for symbol in monomial)]
    if factors and all(count * constant < 0 for count in factors):
        number = -(-abs(constant) // max(map(abs, factors)))
        if number >= (BOUNDS["sequence"][1] or number):
            _tell(difference, number)


def _without_common_factor(value: Dim) -> Size:
    """A size of the same sign: without the named symbols, each at least 1, that all its terms have."""
    first, *others = (list(monomial) for monomial, _ in value.terms)
    common = []
    for symbol in first:
        if _bounds(symbol)[0] >= 1 and all(symbol in other for other in others):
            common.append(symbol)
            for other in others:
                other.remove(symbol)
    return value if not common else _divided(value, Dim({tuple(sorted(common)): 1})) or value


_QUOTIENTS: dict[str, tuple[Size, int]] = {}
"""What opaque quotients are the rounded quotients of."""


def _narrowed(value: Dim, low: int | None, high: int | None) -> tuple[int | None, int | None]:
    """Bounds that know how a rounded quotient and what it is a quotient of hang together."""
    if not any(symbol in _QUOTIENTS for monomial, _ in value.terms for symbol in monomial):
        return low, high
    least, most = _without_rounding(value, True), _without_rounding(value, False)
    return (
        least if low is None or (least is not None and least > low) else low,
        most if high is None or (most is not None and most < high) else high,
    )


def _without_rounding(value: Dim, least: bool) -> int | None:
    """The least (or greatest) value of a size, each ``floor(a/n)`` taken for between ``(a-n+1)/n`` and ``a/n``."""
    scale, current = 1, value
    for _ in range(8):
        found = [
            (len(symbol), symbol, monomial, factor)
            for monomial, factor in current.terms
            for symbol in monomial
            if symbol in _QUOTIENTS
        ]
        if not found:
            break
        _, symbol, monomial, factor = max(found)
        rest = list(monomial)
        rest.remove(symbol)
        if len(current.terms) > 8 or any(_bounds(other)[0] < 0 for other in rest):
            return None
        inner, of = _QUOTIENTS[symbol]
        replaced = inner if (factor > 0) != least else inner - of + 1
        others = {term: count * of for term, count in current.terms if term != monomial}
        result = _made(others) + replaced * _made({tuple(rest): factor})
        scale *= of
        if not isinstance(result, Dim):
            return result // scale if not least else -(-result // scale)
        current = result
    low, high = _range(current)
    if least:
        return None if low is None else -(-low // scale)
    return None if high is None else high // scale


_REMAINDERS: dict[str, tuple[Size, int]] = {}
"""What opaque remainders are the remainders of."""


def _residue(value: Size, number: int, depth: int = 0) -> Size:
    """A size that leaves the same remainder: remainders opened, multiples left out (``x + (4 - x % 4) % 4`` is 0)."""
    result: Size = 0
    for monomial, factor in _terms(value):
        inner, of = _REMAINDERS.get(monomial[0], (0, 1)) if len(monomial) == 1 else (0, 1)
        if of % number == 0 and of > 1 and depth < 4:
            result = result + factor * _residue(inner, number, depth + 1)
        elif factor % number:
            result = result + Dim({monomial: factor}) if monomial else result + factor
    return result if isinstance(result, int) else _made({m: f for m, f in result.terms if f % number})


def _opaque(name: str, low: int | None, high: int | None) -> Dim:
    """An opaque part; one that may be negative gets no bounds at all (-1)."""
    _OPAQUE[name] = (-1, None) if low is None or low < 0 else (low, high)
    return Dim.symbol(name)


def _bounds(symbol: str) -> tuple[int, int | None]:
    known = BOUNDS.get(symbol) or _OPAQUE.get(symbol)
    if known is not None:
        return known
    return (0, None) if symbol.startswith(("floor(", "mod(", "turn_of_")) else (1, None)


def _range(value: Dim) -> tuple[int | None, int | None]:
    """The least and the greatest value of a size; None where there is no bound."""
    low: int | None = 0
    high: int | None = 0
    for monomial, factor in value.terms:
        least = most = 1
        unbounded = negative = False
        for symbol in monomial:
            bottom, top = _bounds(symbol)
            least *= bottom
            negative |= bottom < 0
            if top is None:
                unbounded = True
            else:
                most *= top
        first, last = (least, None if unbounded else most) if factor > 0 else (None if unbounded else most, least)
        if negative:
            return None, None
        low = None if low is None or first is None else low + factor * first
        high = None if high is None or last is None else high + factor * last
    return low, high
