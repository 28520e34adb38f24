"""What comparing two implementations gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specdiff.facts import Evidence, Level, Value
from specdiff.results import ClassResult


class Meaning(StrEnum):
    """What a difference does to the result of ``forward``."""

    RESULT = "result"
    """The same weights give another result."""
    UNKNOWN = "unknown"
    """The code is written otherwise, and whether it comes to the same is not proven."""
    LAYOUT = "layout"
    """The same function once weights are permuted, split, fused or shifted as the difference says."""
    WRITTEN = "written"
    """Other operations that were worked out on random numbers and come to the same."""
    NUMERICS = "numerics"
    """The same function in other number formats: results differ by rounding."""
    TRAINING = "training"
    """Training only: the same result in evaluation."""
    LIMIT = "limit"
    """What the model accepts, not what it computes."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a difference; the value is None where the code has no such thing."""

    value: Value
    level: Level | None
    """None where the side's own facts say nothing and another key decides it."""
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One key on which the two differ."""

    key: str
    """A fact's key, or `OPERATIONS`."""
    left: Side
    right: Side
    meaning: Meaning
    explanation: str
    """What to do about it, or why it is the same; one sentence."""
    where: str = ""
    """Of operations: which run and which layers."""


@dataclass(frozen=True, slots=True)
class Open:
    """One key that cannot be compared."""

    key: str
    reason: str


OPERATIONS = "operations"
"""Key of a difference in what is computed, told in operations rather than in a fact."""
OTHER_SIZE = "another size"
"""Relation of parameters that play the same part and cannot hold the same weights."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Parameters of the two sides that play the same part."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    relation: str
    """`same`, `permuted`, `transposed`, `fused`, `split`, `stacked`, `unstacked`, `reshaped`, `shifted`, or `OTHER_SIZE`."""
    how: str
    """The mapping in words; empty for `same`, save where one side trains what the other only stores."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two classes side by side."""

    left: ClassResult
    right: ClassResult
    left_target: str
    right_target: str
    same: tuple[str, ...]
    """Keys on which both agree."""
    differences: tuple[Difference, ...]
    open: tuple[Open, ...]
    pairs: tuple[Pair, ...]
    left_only: tuple[str, ...]
    """Parameters without a partner."""
    right_only: tuple[str, ...]
    pairing: str
    """Why parameters could not be paired; empty where they were."""
    operations: tuple[int, int] = (0, 0)
    """How many of the left side's operations the right side has too, reading and read by the same, of how many."""
    places: int = 0
    """In how many places the operations are others, those included that a fact tells of."""
    otherwise: tuple[str, ...] = ()
    """Paths of the left side's layers whose code is written otherwise throughout."""
    unheld: str = ""
    """Why operations could not be held against each other; empty where they were."""

    @property
    def proven(self) -> bool:
        """Whether every operation was found on the other side, or worked out to come to the same."""
        unknown = any(each.meaning in (Meaning.RESULT, Meaning.UNKNOWN) for each in self.differences)
        return self.agrees and not (self.unheld or self.otherwise or unknown) and self.operations[1] > 0

    @property
    def agrees(self) -> bool:
        """Whether nothing changes the result and every parameter has a partner."""
        return not (
            self.pairing
            or any(each.meaning is Meaning.RESULT for each in self.differences)
            or any(pair.relation == OTHER_SIZE for pair in self.pairs)
            or self.left_only
            or self.right_only
        )
