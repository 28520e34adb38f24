"""Short constructors for the tables; each makes one `Key` of a given value type."""

from __future__ import annotations

from dataclasses import replace

from specdiff.facts import Level, Value
from specdiff.vocab.model import Choice, Group, Key, ValueType

DECLARED, BUILT, USED = Level.DECLARED, Level.BUILT, Level.USED


def _key(
    id: str,
    type: ValueType,
    meaning: str,
    by: str,
    *,
    level: Level,
    unit: str,
    neutral: Value,
    implied_by: tuple[str, ...],
    lowest: Level,
    choices: tuple[Choice, ...] = (),
) -> Key:
    return Key(
        id=id,
        type=type,
        meaning=meaning,
        highest=level,
        introduced_by=by,
        unit=unit,
        choices=choices,
        lowest=lowest,
        neutral=neutral,
        implied_by=implied_by,
    )


def integer(
    id: str,
    meaning: str,
    by: str,
    *,
    level: Level = USED,
    unit: str = "",
    neutral: int | None = None,
    implied_by: tuple[str, ...] = (),
    lowest: Level = DECLARED,
) -> Key:
    """A whole number."""
    return _key(
        id, ValueType.INT, meaning, by, level=level, unit=unit, neutral=neutral, implied_by=implied_by, lowest=lowest
    )


def number(
    id: str,
    meaning: str,
    by: str,
    *,
    level: Level = USED,
    unit: str = "",
    neutral: float | None = None,
    implied_by: tuple[str, ...] = (),
) -> Key:
    """A real number."""
    return _key(
        id,
        ValueType.NUMBER,
        meaning,
        by,
        level=level,
        unit=unit,
        neutral=neutral,
        implied_by=implied_by,
        lowest=DECLARED,
    )


def boolean(id: str, meaning: str, by: str, *, level: Level = USED, implied_by: tuple[str, ...] = ()) -> Key:
    """Yes or no; ``false`` says the same as absence."""
    return _key(
        id,
        ValueType.BOOL,
        meaning,
        by,
        level=level,
        unit="",
        neutral=False,
        implied_by=implied_by,
        lowest=DECLARED,
    )


def choice(
    id: str,
    meaning: str,
    by: str,
    choices: tuple[Choice, ...],
    *,
    level: Level = USED,
    implied_by: tuple[str, ...] = (),
) -> Key:
    """One of a closed list; a choice ``none`` says the same as absence."""
    neutral = "none" if any(each.id == "none" for each in choices) else None
    return _key(
        id,
        ValueType.CHOICE,
        meaning,
        by,
        level=level,
        unit="",
        neutral=neutral,
        implied_by=implied_by,
        lowest=DECLARED,
        choices=choices,
    )


def pattern(
    id: str,
    meaning: str,
    by: str,
    choices: tuple[Choice, ...],
    *,
    level: Level = USED,
    implied_by: tuple[str, ...] = (),
) -> Key:
    """One choice per layer, from layer 0."""
    return _key(
        id,
        ValueType.PATTERN,
        meaning,
        by,
        level=level,
        unit="per layer",
        neutral=None,
        implied_by=implied_by,
        lowest=DECLARED,
        choices=choices,
    )


def layers(id: str, meaning: str, by: str, *, level: Level = USED, implied_by: tuple[str, ...] = ()) -> Key:
    """A set of 0-based layer indices; empty says the same as absence."""
    return _key(
        id,
        ValueType.LAYERS,
        meaning,
        by,
        level=level,
        unit="0-based layer indices",
        neutral=(),
        implied_by=implied_by,
        lowest=DECLARED,
    )


def listing(
    id: str,
    type: ValueType,
    meaning: str,
    by: str,
    *,
    level: Level = USED,
    unit: str = "",
    implied_by: tuple[str, ...] = (),
) -> Key:
    """Several integers, numbers or names; free text where `type` is TEXT."""
    return _key(id, type, meaning, by, level=level, unit=unit, neutral=None, implied_by=implied_by, lowest=DECLARED)


def group(id: str, title: str, about: str, *keys: Key) -> Group:
    """A section; its keys learn which one they stand in."""
    return Group(id, title, about, tuple(replace(key, group=id) for key in keys))
