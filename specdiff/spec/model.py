"""A spec as data: claims about one model, each with its source. Everything here was validated by `spec.load`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from specdiff.facts import Level, Value
from specdiff.results import SourceDocument, SourceRef
from specdiff.spec.formula import Formula

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
"""A configuration as JSON has it."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far off a number may be and still match."""

    amount: float
    """In the key's unit, or a share (0.001 for 0.1%) where `relative`."""
    relative: bool


@dataclass(frozen=True, slots=True)
class Exactly:
    """This value; choices are canonical. A PATTERN has one entry per layer, LAYERS are ascending indices."""

    value: Value
    tolerance: Tolerance | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of these values."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Choices (or, for LAYERS, booleans) over layers, from layer 0."""

    kinds: tuple[str | bool, ...]
    repeat: bool
    """Starts again until the layers end; the last round may be cut short."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What arithmetic over other keys gives."""

    formula: Formula
    tolerance: Tolerance | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """There is none."""


Expectation: TypeAlias = Exactly | OneOf | Pattern | Computed | Absent


@dataclass(frozen=True, slots=True)
class KnownDeviation:
    """Why the code differs from the source for a good reason."""

    reason: str
    source: SourceRef


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a source says about the model."""

    key: str
    """With its tower prefix."""
    expectation: Expectation
    level: Level
    """The level it needs."""
    source: SourceRef
    file: str
    """The spec file it stands in (an extended spec's claims stand in another file)."""
    line: int
    """1-based line of the key."""
    note: str = ""
    known_deviation: KnownDeviation | None = None
    names_level: bool = False
    """Whether the spec asks for the level itself; otherwise it is the highest that the key can be proven at."""


@dataclass(frozen=True, slots=True)
class ReleaseItem:
    """What the publisher says about one part of the release."""

    name: str
    """`weights`, `code`, … without the `release.` prefix."""
    value: Value
    source: SourceRef
    license: str = ""
    note: str = ""
    files: tuple[tuple[str, str], ...] = ()
    """Of `hashes`: (file, SHA-256 in hex) as published."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Claims about one model."""

    path: str
    """As given, with `::variant` where the file holds several."""
    name: str
    target: str
    """Empty where the spec names none and the command line must."""
    documents: tuple[SourceDocument, ...]
    claims: tuple[Claim, ...]
    """In the file's order; inherited ones first."""
    release: tuple[ReleaseItem, ...] = ()
    config: dict[str, Json] | None = None
    """The published configuration; None where the spec gives none."""
    config_path: str = ""
    """The file it was read from; empty for an inline one."""
    config_source: SourceRef | None = None
