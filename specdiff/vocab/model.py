"""Types of the vocabulary's entries; the entries themselves stand in the tables beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specdiff.facts import Level, Value


class ValueType(StrEnum):
    """What a key's value is, in facts and in specs."""

    INT = "integer"
    """``int``; ``128.0`` and ``true`` are not integers."""
    NUMBER = "number"
    """``int`` or ``float``, compared within one part in 1e9 unless the claim has a tolerance."""
    BOOL = "boolean"
    CHOICE = "choice"
    """``str``: one of the key's closed choices."""
    PATTERN = "pattern"
    """``tuple[str, ...]``: one choice per layer, from layer 0."""
    LAYERS = "layers"
    """``tuple[int, ...]``: ascending 0-based layer indices."""
    INTEGERS = "integers"
    """``tuple[int, ...]``: order matters."""
    NUMBERS = "numbers"
    """``tuple[float, ...]``: order matters, compared like NUMBER."""
    NAMES = "names"
    """``tuple[str, ...]``: a set; order does not matter."""
    TEXT = "text"
    """``str``: free, compared exactly."""
    PARTS = "parts"
    """``tuple[str, ...]``: one text per part, ``part: step | step``; a part is the set of its steps."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of an enum-like key."""

    id: str
    meaning: str
    aliases: tuple[str, ...] = ()
    """Other spellings that mean the same; a spec may use them, facts use `id`."""
    is_a: str = ""
    """A broader choice that this one is a case of: a claim of the broader one holds."""
    told_apart: bool = False
    """For a broader choice: code that has it is none of its cases, for those are told wherever they are."""


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that a paper can claim and code can show."""

    id: str
    """Lower-case, dotted, without a tower prefix."""
    type: ValueType
    meaning: str
    highest: Level
    """The highest level it can be proven at, which is also what a claim needs unless it says otherwise."""
    introduced_by: str
    """Where the idea comes from: paper with arXiv id, or document and section."""
    unit: str = ""
    choices: tuple[Choice, ...] = ()
    lowest: Level = Level.DECLARED
    """The lowest level that says anything about it."""
    neutral: Value = None
    """The value that says the same as absence (``False``, ``none``, a scale of 1); None where there is none."""
    implied_by: tuple[str, ...] = ()
    """Keys of which one claimed makes a fact of this key no news (it is then not listed as extra)."""
    group: str = ""
    """Filled in by the table that lists the key."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels it can be proven at, lowest first."""
        return tuple(level for level in Level if self.lowest <= level <= self.highest)

    @property
    def choice_ids(self) -> tuple[str, ...]:
        """The canonical choices, in table order."""
        return tuple(choice.id for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Group:
    """A section of the vocabulary and of the reference page."""

    id: str
    title: str
    about: str
    keys: tuple[Key, ...]
