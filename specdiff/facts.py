"""Facts: what the code is, under the vocabulary's keys, with evidence and the level it was proven at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

Value: TypeAlias = "None | bool | int | float | str | tuple[Value, ...] | dict[str, Value]"
"""A fact's or a claim's value. Patterns over layers are tuples of strings, one per layer."""


class Level(IntEnum):
    """How far a fact was proven; a higher level includes the lower ones."""

    DECLARED = 1
    """The configuration has the value."""
    BUILT = 2
    """``__init__`` builds parameters or modules whose shapes say so."""
    USED = 3
    """``forward`` carries data through them, and the operations say so."""

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One step of a proof."""

    file: str
    """Relative to the analysed package or folder, posix separators."""
    line: int
    """1-based."""
    end_line: int
    """1-based, inclusive."""
    what: str
    """What that line shows, in a few words."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What the code is, for one key."""

    key: str
    value: Value
    level: Level
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Absence:
    """The code was read to the end and shows that it has no such thing (a proof, not a lack of knowledge)."""

    key: str
    reason: str
    evidence: tuple[Evidence, ...]
    level: Level = Level.USED
    """The level the absence was proven at."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """Something that the analysis could not decide, with the reason and the place."""

    reason: str
    file: str
    line: int
    key: str | None = None
    """The vocabulary key that stays open because of it, where there is just one."""
    values: tuple[Value, ...] = ()
    """What different places of the code surely have, where they have no one value: a claim of one value is not so then."""
    follows: str = ""
    """The key whose answer this one waits for, where that is all that is open about it."""


@dataclass(frozen=True, slots=True)
class FactSheet:
    """Everything known about one model class, by key; a key stands in at most one of the three."""

    facts: dict[str, Fact]
    absences: dict[str, Absence]
    undecided: dict[str, Undecided]
    why_open: str = ""
    """Why nothing is known about keys in none of the three, where there is one reason for all of them."""
    enough: Level = Level.USED
    """The level that satisfies a claim that names none: a lower one where ``forward`` could not be followed."""
    raises: Evidence | None = None
    """Where Python or torch refuses to build or run the code, whatever the input: what only that would show is not there."""
