"""Whether one value is what a claim expects; pure comparison, no levels and no verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias, assert_never

from specdiff import vocab
from specdiff.facts import Value
from specdiff.match import parts
from specdiff.spec import formula
from specdiff.spec.model import Absent, Computed, Exactly, Expectation, OneOf, Pattern, Tolerance
from specdiff.vocab import Key, ValueType

RELATIVE_ERROR = 1e-9
"""Numbers this close (as a share) are equal: far above rounding in float64, far below any difference in a paper."""

Lookup: TypeAlias = Callable[[str], "float | str"]
"""A key's number, or one clause that says why it is not known."""


class Judgement(NamedTuple):
    """The answer for one value."""

    holds: bool | None
    """None where it cannot be said."""
    expected: Value
    """What the claim expects, worked out as far as possible."""
    reason: str = ""
    """One sentence; empty for a plain match."""


def judge(expectation: Expectation, key: Key, name: str, value: Value, lookup: Lookup) -> Judgement:
    """Compares a fact's value with what is expected.

    Args:
        expectation: What the claim says.
        key: The vocabulary's entry.
        name: The key with its tower prefix.
        value: The fact's value, of the key's type.
        lookup: Other keys' numbers, for formulas and layer counts.
    """
    if not _fits(key, value):
        return Judgement(None, shown(expectation), f"the analysis gave {show(value)}, which is no {key.type} value")
    match expectation:
        case Absent():
            if vocab.is_neutral(key, value):
                return Judgement(True, None, f"{show(value)} says the same as absent")
            return Judgement(False, None, f"the source says there is none, the code has {show(value)}")
        case Exactly(expected, tolerance):
            return _exactly(key, value, expected, tolerance)
        case OneOf(values):
            return _one_of(key, value, values)
        case Pattern(kinds, repeat):
            return _pattern(key, name, value, kinds, repeat, lookup)
        case Computed(computed, tolerance):
            number = compute(computed, lookup)
            if isinstance(number, str):
                return Judgement(None, computed.text, number)
            found = _exactly(key, value, _whole(number), tolerance)
            return found if found.holds else found._replace(reason=f"{found.reason} ({computed.text})")
        case _:
            assert_never(expectation)


def wants_nothing(expectation: Expectation, key: Key, lookup: Lookup) -> bool:
    """Whether a claim holds where the code has no such thing: ``absent``, or a value that says the same."""
    match expectation:
        case Absent():
            return True
        case Exactly(value):
            return vocab.is_neutral(key, value)
        case OneOf(values):
            return any(vocab.is_neutral(key, value) for value in values)
        case Pattern(kinds):
            return key.type is ValueType.LAYERS and not any(kinds)
        case Computed(computed):
            number = compute(computed, lookup)
            return not isinstance(number, str) and vocab.is_neutral(key, _whole(number))
        case _:
            assert_never(expectation)


def shown(expectation: Expectation) -> Value:
    """What a claim expects, as a plain value, where there is no fact to work it out against."""
    match expectation:
        case Absent():
            return None
        case Exactly(value):
            return value
        case OneOf(values):
            return {"one_of": values}
        case Pattern(kinds):
            return kinds
        case Computed(computed):
            return computed.text
        case _:
            assert_never(expectation)


def show(value: Value) -> str:
    """A value in a sentence."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.12g}"
        case tuple():
            return f"[{', '.join(show(item) for item in value)}]" if value else "none"
        case dict():
            return ", ".join(f"{name} {show(item)}" for name, item in value.items())
        case _:
            text = str(value)
            return text if text.isprintable() else repr(text)  # a reason is one line, whatever a name holds


def compute(computed: formula.Formula, lookup: Lookup) -> float | str:
    """A formula's value, or one clause that says why it has none."""
    values: dict[str, float] = {}
    for key in computed.keys:
        found = lookup(key)
        if isinstance(found, str):
            return f"the formula {computed.text} needs {key}, and {found}"
        values[key] = found
    try:
        return formula.compute(computed, values)
    except formula.FormulaError as error:
        return str(error)


def _exactly(key: Key, value: Value, expected: Value, tolerance: Tolerance | None) -> Judgement:
    differs = f"the code has {show(value)}, the source says {show(expected)}"
    match key.type:
        case ValueType.INT | ValueType.NUMBER:
            assert isinstance(value, int | float) and isinstance(expected, int | float)
            return _number(value, expected, tolerance)
        case ValueType.CHOICE:
            return _choice(key, value, expected)
        case ValueType.NUMBERS:
            assert isinstance(value, tuple) and isinstance(expected, tuple)
            close = len(value) == len(expected) and all(
                _close(one, other) for one, other in zip(value, expected, strict=True)
            )
            return Judgement(close, expected, "" if close else differs)
        case ValueType.NAMES:
            return _names(value, expected)
        case ValueType.PARTS:
            assert isinstance(value, tuple) and isinstance(expected, tuple)
            return Judgement(*parts.judge(expected, value))
        case ValueType.PATTERN | ValueType.LAYERS | ValueType.INTEGERS | ValueType.BOOL | ValueType.TEXT:
            same = value == expected
            return Judgement(same, expected, "" if same else differs)
        case _:
            assert_never(key.type)


def _number(value: float, expected: float, tolerance: Tolerance | None) -> Judgement:
    if tolerance is None:
        same = _close(value, expected)
        return Judgement(
            same, expected, "" if same else f"the code has {show(value)}, the source says {show(expected)}"
        )
    allowed = tolerance.amount * abs(expected) if tolerance.relative else tolerance.amount
    # The bounds themselves belong to the tolerance, whatever rounding does to them.
    inside = abs(value - expected) <= allowed * (1 + RELATIVE_ERROR)
    if inside:
        return Judgement(True, expected, f"{show(value)} is within {show(expected)} ± {show(allowed)}")
    return Judgement(False, expected, f"the code has {show(value)}, the source says {show(expected)} ± {show(allowed)}")


def _choice(key: Key, value: Value, expected: Value) -> Judgement:
    assert isinstance(value, str) and isinstance(expected, str)
    actual = vocab.canonical(key, value) or value
    if vocab.satisfies(key, actual, expected):
        reason = "" if actual == expected else f"{actual} is a case of {expected}"
        return Judgement(True, expected, reason)
    if vocab.may_be(key, actual, expected):
        return Judgement(None, expected, f"the code shows {actual}, which does not say whether it is {expected}")
    return Judgement(False, expected, f"the code has {actual}, the source says {expected}")


def _names(value: Value, expected: Value) -> Judgement:
    assert isinstance(value, tuple) and isinstance(expected, tuple)
    more = sorted(show(name) for name in set(value) - set(expected))
    fewer = sorted(show(name) for name in set(expected) - set(value))
    clauses = [f"only the code has {', '.join(more)}"] if more else []
    clauses += [f"only the source has {', '.join(fewer)}"] if fewer else []
    return Judgement(not clauses, expected, " and ".join(clauses))


def _one_of(key: Key, value: Value, values: tuple[Value, ...]) -> Judgement:
    judgements = [_exactly(key, value, each, None) for each in values]
    expected: Value = {"one_of": values}
    if any(each.holds for each in judgements):
        return Judgement(True, expected)
    for each in judgements:
        if each.holds is None:
            return Judgement(None, expected, each.reason)
    said = " or ".join(show(each) for each in values)
    return Judgement(False, expected, f"the code has {show(value)}, the source says {said}")


def _pattern(
    key: Key, name: str, value: Value, kinds: tuple[str | bool, ...], repeat: bool, lookup: Lookup
) -> Judgement:
    assert isinstance(value, tuple)
    if key.type is ValueType.LAYERS:
        return _layer_pattern(name, value, kinds, repeat, lookup)
    expected = tuple(kinds[layer % len(kinds)] for layer in range(len(value))) if repeat else kinds
    for layer, (actual, wanted) in enumerate(zip(value, expected, strict=False)):
        judgement = _choice(key, actual, wanted)
        if judgement.holds is not True:
            return Judgement(judgement.holds, expected, f"in layer {layer} {judgement.reason}")
    if len(value) != len(expected):
        reason = f"the code has {len(value)} layers, the source's pattern {len(expected)}"
        return Judgement(False, expected, reason)
    return Judgement(True, expected)


def _layer_pattern(
    name: str, value: tuple[Value, ...], kinds: tuple[str | bool, ...], repeat: bool, lookup: Lookup
) -> Judgement:
    count: float | str = len(kinds)
    if repeat:
        tower = vocab.split_tower(name)[0]
        count = lookup(f"{tower}.layers" if tower else "layers")
        if isinstance(count, str):
            return Judgement(None, kinds, f"a repeated pattern needs the number of layers, and {count}")
    expected = tuple(layer for layer in range(int(count)) if kinds[layer % len(kinds)])
    if value == expected:
        return Judgement(True, expected)
    first = min(set(value) ^ set(expected), key=lambda layer: (not isinstance(layer, int), layer))
    side = "the code only" if first in value else "the source only"
    return Judgement(False, expected, f"layer {show(first)} is among them for {side}")


def _fits(key: Key, value: Value) -> bool:
    """Whether a fact's value has its key's type; anything else is a defect of a detector, and decides nothing."""
    match key.type:
        case ValueType.INT:
            return isinstance(value, int) and not isinstance(value, bool)
        case ValueType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case ValueType.BOOL:
            return isinstance(value, bool)
        case ValueType.CHOICE:
            return isinstance(value, str) and vocab.canonical(key, value) is not None
        case ValueType.TEXT:
            return isinstance(value, str)
        case ValueType.PATTERN | ValueType.NAMES | ValueType.PARTS:
            return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        case ValueType.LAYERS | ValueType.INTEGERS:
            return isinstance(value, tuple) and all(type(item) is int for item in value)
        case ValueType.NUMBERS:
            return isinstance(value, tuple) and all(type(item) in (int, float) for item in value)
        case _:
            assert_never(key.type)


def _close(one: Value, other: Value) -> bool:
    """Whole numbers must be equal; others within `RELATIVE_ERROR`."""
    assert isinstance(one, int | float) and isinstance(other, int | float)
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    return math.isclose(one, other, rel_tol=RELATIVE_ERROR)


def _whole(number: float) -> float:
    """``45.0`` as ``45``."""
    return int(number) if number.is_integer() else number
