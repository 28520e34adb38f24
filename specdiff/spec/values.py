"""A claimed value by its key's type; every wrong one is reported with what was expected."""

from __future__ import annotations

import re
from typing import assert_never

from specdiff import vocab
from specdiff.facts import Value
from specdiff.spec.document import Node, Scalar, Sequence
from specdiff.spec.fields import Report, describe, suggestion
from specdiff.spec.model import Exactly, Expectation, OneOf, Pattern, Tolerance
from specdiff.vocab import Key, ValueType

MAX_LAYERS = 10_000
"""Largest layer index or count in a pattern; the deepest published models have some hundreds."""

_ARTICLE = {
    ValueType.INT: "a whole number",
    ValueType.NUMBER: "a number",
    ValueType.BOOL: "true or false",
    ValueType.CHOICE: "a choice",
    ValueType.PATTERN: "a pattern over layers",
    ValueType.LAYERS: "layer indices",
    ValueType.INTEGERS: "a list of whole numbers",
    ValueType.NUMBERS: "a list of numbers",
    ValueType.NAMES: "a list of names",
    ValueType.TEXT: "text",
    ValueType.PARTS: "a list of parts as `specdiff draft` writes them",
}

NONE = "none"
"""The choice, of keys that have it, that ``false`` says too; ``true`` says any of the others."""

_POWERS = {"M": 6, "million": 6, "B": 9, "billion": 9, "T": 12, "trillion": 12}
_FIGURE = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,6}})?)\s*({'|'.join(_POWERS)})")
"""Not ``128k``, which may be 128,000 or 131,072."""

_EVERY = {"all": (True,), "even": (True, False), "odd": (False, True)}
_RANGE = re.compile(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?\Z")


def expected(key: Key) -> str:
    """What a value of the key looks like, with its unit or its choices."""
    if key.type is ValueType.CHOICE:
        return f"one of {', '.join(key.choice_ids)}"
    return f"{_ARTICLE[key.type]} ({key.unit})" if key.unit else _ARTICLE[key.type]


def read_value(node: Node, name: str, key: Key, report: Report) -> Expectation | None:
    """A claim's ``value:``; None where it was reported."""
    match key.type:
        case ValueType.INTEGERS | ValueType.NUMBERS | ValueType.NAMES | ValueType.PARTS:
            return _listing(node, name, key, report)
        case ValueType.LAYERS:
            return _layers(node, name, key, report)
        case ValueType.PATTERN:
            form = f"{name} is a pattern over layers: write `pattern: [{key.choices[0].id}]` with `repeat: true`"
            report.add(node, form)
            return None
        case ValueType.INT | ValueType.NUMBER if isinstance(node, Scalar) and (figure := _FIGURE.fullmatch(node.text)):
            return _rounded(figure, key)
        case ValueType.CHOICE if isinstance(node, Scalar) and node.value is True and NONE in key.choice_ids:
            return OneOf(tuple(choice for choice in key.choice_ids if choice != NONE))
        case _:
            found = read_scalar(node, name, key, report)
            return None if found is None else Exactly(found)


def _rounded(figure: re.Match[str], key: Key) -> Exactly:
    """``117B``: what the figure says, give or take half a unit of its last digit, as figures in papers are rounded."""
    power = _POWERS[figure[2]]
    decimals = len(figure[1].partition(".")[2])
    number = float(f"{figure[1]}e{power}")
    return Exactly(
        int(number) if key.type is ValueType.INT else number,
        Tolerance(0.5 * 10.0 ** (power - decimals), relative=False),
    )


def read_scalar(node: Node, name: str, key: Key, report: Report) -> Value:
    """One value of a key whose values are not lists; None where it was reported."""
    value = node.value if isinstance(node, Scalar) else None
    match key.type:
        case ValueType.INT | ValueType.INTEGERS:
            if isinstance(value, float) and value.is_integer():
                # 116.83e9 is how people write a whole number of parameters.
                return int(value)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        case ValueType.NUMBER | ValueType.NUMBERS:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
        case ValueType.BOOL:
            if isinstance(value, bool):
                return value
            if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
                report.add(node, f"{name}: expected true or false, found {describe(node)} (write true or false)")
                return None
        case ValueType.CHOICE | ValueType.PATTERN:
            if value is False and NONE in key.choice_ids:
                return NONE
            if isinstance(node, Scalar) and node.text:
                return _choice(node, name, key, report)
        case ValueType.TEXT | ValueType.NAMES | ValueType.PARTS:
            if isinstance(value, str) and value:
                return value
        case ValueType.LAYERS:
            pass
        case _:
            assert_never(key.type)
    report.add(node, f"{name}: expected {expected(key)}, found {describe(node)}{_number_hint(node, key)}")
    return None


def read_pattern(node: Node, name: str, key: Key, repeat: bool, report: Report) -> Expectation | None:
    """A claim's ``pattern:``; None where it was reported."""
    if key.type not in (ValueType.PATTERN, ValueType.LAYERS):
        report.add(node, f"{name} is not a pattern over layers: expected `value:` with {expected(key)}")
        return None
    if not isinstance(node, Sequence) or not node.items:
        report.add(node, f"{name}: pattern must be a list with at least one entry, found {describe(node)}")
        return None
    before = len(report.problems)
    kinds: list[str | bool] = []
    for item in node.items:
        kind, count = _pattern_item(item, name, key, report)
        if len(kinds) + count > MAX_LAYERS:
            report.add(item, f"{name}: a pattern has at most {MAX_LAYERS} layers")
            return None
        if kind is not None:
            kinds += [kind] * count
    if len(report.problems) > before:
        return None
    return Pattern(tuple(kinds), repeat)


def read_tolerance(node: Node, name: str, report: Report) -> Tolerance | None:
    """A claim's ``tolerance:``: a number in the key's unit, or a share such as ``0.1%``."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Tolerance(float(value), relative=False)
    if isinstance(value, str) and (share := re.fullmatch(r"(\d{1,9}(?:\.\d{1,15})?)\s*%", value)):
        return Tolerance(float(share[1]) / 100, relative=True)
    report.add(node, f"{name}: tolerance must be a number from 0 up or a share such as 0.1%, found {describe(node)}")
    return None


def _choice(node: Scalar, name: str, key: Key, report: Report) -> str | None:
    found = vocab.canonical(key, node.text)
    if found is None:
        spellings = [each for choice in key.choices for each in (choice.id, *choice.aliases)]
        hint = suggestion(node.text, spellings)
        report.add(node, f"{name}: {node.text!r} is not one of {', '.join(key.choice_ids)}{hint}")
    return found


def _number_hint(node: Node, key: Key) -> str:
    """What to write in place of ``1_000``, ``1,000``, ``128k`` or ``none``."""
    if key.type not in (ValueType.INT, ValueType.NUMBER) or not isinstance(node, Scalar):
        return ""
    digits = re.sub(r"[_,' ]", "", node.text)
    if digits != node.text and re.fullmatch(r"\d+", digits):
        return f" (write {digits})"
    if scaled := _FIGURE.fullmatch(node.text):
        return f" (write {scaled[1]}e{_POWERS[scaled[2]]})"
    if thousands := re.fullmatch(r"(\d{1,6})\s*[kK]", node.text):
        return f" (write {int(thousands[1]) * 1000} or {int(thousands[1]) * 1024})"
    if node.value is False or node.text.lower() in ("none", "no", "null", "~"):
        return " (write `absent: true` for none)"
    return ""


def _listing(node: Node, name: str, key: Key, report: Report) -> Expectation | None:
    if not isinstance(node, Sequence):
        report.add(node, f"{name}: expected {expected(key)}, found {describe(node)}")
        return None
    before = len(report.problems)
    values = tuple(read_scalar(item, name, key, report) for item in node.items)
    return Exactly(values) if len(report.problems) == before else None


def _layers(node: Node, name: str, key: Key, report: Report) -> Expectation | None:
    """``all``, ``even``, ``odd``, ``"3-60, 62"`` or a list of indices and ranges."""
    if isinstance(node, Scalar) and node.text in _EVERY:
        return Pattern(_EVERY[node.text], repeat=True)
    pieces: list[tuple[Node, str]]
    if isinstance(node, Scalar) and node.value is not None:
        pieces = [(node, piece) for piece in node.text.split(",")]
    elif isinstance(node, Sequence):
        pieces = [(item, item.text if isinstance(item, Scalar) else "") for item in node.items]
    else:
        pieces = [(node, "")]
    indices: set[int] = set()
    for place, piece in pieces:
        found = _RANGE.match(piece)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last or last >= MAX_LAYERS:
            form = "layer indices from 0 ([3, 7], 3-60, all, even or odd)"
            report.add(place, f"{name}: expected {form}, found {describe(place)}")
            return None
        indices.update(range(first, last + 1))
    return Exactly(tuple(sorted(indices)))


def _pattern_item(item: Node, name: str, key: Key, report: Report) -> tuple[str | bool | None, int]:
    """One entry: a kind, or ``{kind: count}``; the kind is None where it was reported."""
    count = 1
    if not isinstance(item, Scalar | Sequence) and len(item.entries) == 1:
        ((kind_node, count_node),) = item.entries.values()
        number = count_node.value if isinstance(count_node, Scalar) else None
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_LAYERS:
            report.add(count_node, f"{name}: expected how many layers, from 1 up, found {describe(count_node)}")
            return None, 0
        item, count = kind_node, number
    if key.type is ValueType.LAYERS:
        if isinstance(item, Scalar) and isinstance(item.value, bool):
            return item.value, count
        report.add(item, f"{name}: a pattern's entries are true or false here, found {describe(item)}")
        return None, 0
    if isinstance(item, Scalar) and item.text:
        return _choice(item, name, key, report), count
    kinds = ", ".join(key.choice_ids)
    report.add(
        item, f"{name}: a pattern's entries are {kinds}, or one with a count {{kind: 3}}, found {describe(item)}"
    )
    return None, 0
