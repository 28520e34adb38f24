"""Whether two ways of writing come to the same numbers: both worked out on the same random ones."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from specdiff.compare.evaluating import evaluate
from specdiff.compare.held import Held, Layer, Place, own_place
from specdiff.compare.numbers import Array, NotEvaluated, distance, given, random, spread, weight
from specdiff.graph.canonical import COMMUTES
from specdiff.results import Computed, Seen

_SCALES = (1.0, 1e-3, 8.0)
"""Sizes of the random numbers: a small constant beside them shows in small ones, a limit in large ones."""
CLOSE = 1e-6
"""As a share of an ordinary number: constants were rounded to 32 bits."""
APART = "alone "
"""Begins the label of a parameter that no single one of the other side stands for."""
_LONG = 8
"""Whole numbers from here on may be a window or a length that a short prompt does not reach."""


class Outcome(StrEnum):
    """What working out two ways of writing says."""

    SAME = "same"
    OTHER = "other"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome and a sentence on how it was found."""

    outcome: Outcome
    words: str
    shapes: bool = False
    """Whether already the shapes differ, or where there are numbers at all."""


def decide(held: Held, place: Place) -> Decision:
    """Work out both sides of a place."""
    try:
        if not _met(held, place):
            return Decision(Outcome.OPEN, "what reads their result is not the same on both sides")
        largest = 0.0
        for scale in _SCALES:
            found = _largest(held, place, scale, False)
            if found is None:
                found = _largest(held, place, scale, True)  # roots and logarithms
            if found is None:
                return Decision(Outcome.OPEN, "worked out on random numbers, too few of the results are numbers")
            largest = max(largest, found)
            if largest > CLOSE:
                break
    except NotEvaluated as error:
        return Decision(Outcome.OPEN, str(error))
    if largest > CLOSE:
        words = f"worked out on the same random numbers, they differ by {_share(largest)}"
        return Decision(Outcome.OTHER, words, math.isinf(largest))
    limit = _limit(held, place)
    if limit is not None:
        return Decision(
            Outcome.OPEN, f"the same for the numbers that were worked out; {limit} may matter for larger ones"
        )
    longer = _longer(held, place)
    if longer is not None:
        return Decision(
            Outcome.OPEN, f"the same for the short prompt that was worked out; {longer} may matter in a longer one"
        )
    return Decision(Outcome.SAME, "worked out on the same random numbers, they come to the same")


def _share(largest: float) -> str:
    return "more than any number" if largest == math.inf else f"{largest:.2g} times an ordinary number"


def _met(held: Held, place: Place) -> bool:
    """Whether what both come to is read by as many on either side."""
    counts = [[len(readers.get(name, ())) for name in sorted(place.readers)] for readers in held.readers]
    return bool(place.readers) and counts[0] == counts[1]


def _largest(held: Held, place: Place, scale: float, positive: bool) -> float | None:
    sides = [_Values(held, side, scale, positive) for side in (0, 1)]
    largest = 0.0
    for name in sorted(place.readers):
        for one, other in zip(held.readers[0][name], held.readers[1][name], strict=True):
            found = _reads(sides[0], one, sides[1], other)
            if found is None:
                return None
            largest = max(largest, found)
    return largest


def _reads(left: _Values, one: int, right: _Values, other: int) -> float | None:
    """How far apart what two readers read is; what both read alike is not worked out."""
    sides = ((left, one), (right, other))
    slots = [list(range(len(side.layer.labels[index]))) for side, index in sides]
    if len(slots[0]) != len(slots[1]):
        return None
    turns = left.layer.operations[one].kind in COMMUTES
    for slot in list(slots[0]):
        mine = left.known_as(one, slot)
        alike = [each for each in slots[1] if (turns or each == slot) and right.known_as(other, each) == mine]
        if alike:
            slots[0].remove(slot)
            slots[1].remove(alike[0])
    if len(slots[0]) == 1:
        sizes = [
            side.layer.operations[index].reads[rest[0]].size for (side, index), rest in zip(sides, slots, strict=True)
        ]
        if sizes[0] is not None and sizes[1] is not None and spread(sizes[0]) != spread(sizes[1]):
            return math.inf
    reads = [[side.read(index, slot) for slot in rest] for (side, index), rest in zip(sides, slots, strict=True)]
    best: float | None = None if reads[0] else 0.0
    for order in (reads[1], reads[1][::-1]) if turns else (reads[1],):
        apart = [distance(a, b) for a, b in zip(reads[0], order, strict=True)]
        if not apart or any(each is None for each in apart):
            continue
        found = max(each for each in apart if each is not None)
        best = found if best is None else min(best, found)
    return best


class _Values:
    """The numbers of one side; owned by one decision."""

    def __init__(self, held: Held, side: int, scale: float, positive: bool) -> None:
        self.scale = scale
        self.positive = positive
        """Whether random numbers are to be positive."""
        self.layer = held.sides[side]
        self.core = held.cores[side]
        self.common = held.common[side]
        self.unmatched = held.ahead[side]
        self.named = held.readers[side]
        self.known: dict[int, Array] = {}

    def of(self, index: int) -> Array:
        """The result of an operation: worked out where the sides differ, else random by what both have in common."""
        found = self.known.get(index)
        if found is None:
            found = self.known[index] = self._made(index)
        return found

    def known_as(self, index: int, slot: int) -> str | int:
        """What stands for a value that both sides have; a number of its own for any other."""
        label = self.layer.labels[index][slot]
        own = own_place(label)
        if own is None:
            return label
        if own not in self.core:
            return self.common[own]
        return self.layer.forward[own] if self.layer.forward[own] in self.named else id(self) + own

    def _same_as(self, index: int) -> int | None:
        """An operation that both sides have and that computes just what this one does: one side does it more often."""
        alike = self.named.get(self.layer.forward[index])
        return alike[0] if alike and alike[0] not in self.core else None

    def _made(self, index: int) -> Array:
        operation = self.layer.operations[index]
        if index in self.core:
            alike = self._same_as(index)
            return self._evaluated(index) if alike is None else self.of(alike)
        if self.layer.constant[index] and index not in self.unmatched:
            with suppress(NotEvaluated):
                return self._evaluated(index)
        return self._random(operation.result, self.common[index])

    def _evaluated(self, index: int) -> Array:
        operation = self.layer.operations[index]
        return evaluate(operation, [self.read(index, slot) for slot in range(len(operation.reads))])

    def read(self, index: int, slot: int) -> Array:
        """What an operation reads at a place."""
        label, seen = self.layer.labels[index][slot], self.layer.operations[index].reads[slot]
        own = own_place(label)
        if own is not None:
            return self.of(own)
        if seen.values is not None:
            return given(seen)
        found = self.layer.values(label) if self.layer.values is not None else None
        if found is None and label.startswith(APART):
            raise NotEvaluated("its weights are laid out otherwise")
        return found if found is not None else self._random(seen, label)

    def _random(self, seen: Seen, seed: str) -> Array:
        if seen.size is None:
            raise NotEvaluated("a size is not known")
        if seed.startswith("parameter "):
            return weight(seen.size, seed)
        return random(seen.size, seen.dtype, seed, self.positive, self.scale)


def constant(layer: Layer, index: int) -> Array:
    """The result of an operation that nothing of the model or its inputs goes into.

    Raises:
        NotEvaluated: it, or what goes into it, is not worked out.
    """
    held = Held(layer, layer)
    held.cores = [set(range(len(layer.operations))), set()]
    return _Values(held, 0, 1.0, False).of(index)


def _longer(held: Held, place: Place) -> str | None:
    """A number that only a longer prompt would come to."""
    for layer, members in zip(held.sides, (place.left, place.right), strict=True):
        for index in members:
            number = long_number(layer.operations[index])
            if number is not None:
                return f"{number:g} at {layer.operations[index].file}:{layer.operations[index].line}"
    return None


def _limit(held: Held, place: Place) -> str | None:
    """A bound on numbers that one side alone has."""
    bounds: list[dict[tuple[float, ...], Computed]] = [{}, {}]
    for found, layer, members in zip(bounds, held.sides, (place.left, place.right), strict=True):
        for index in members:
            op = layer.operations[index]
            bound = bounded(op)
            if bound is not None:
                found[bound] = op
    apart = set(bounds[0]) ^ set(bounds[1])
    if not apart:
        return None
    op = next(found[key] for key in sorted(apart) for found in bounds if key in found)
    return f"the bound at {op.file}:{op.line}"


def bounded(operation: Computed) -> tuple[float, ...] | None:
    """The numbers that an operation keeps others between."""
    if operation.kind not in ("clamp", "maximum", "minimum"):
        return None
    numbers = (operation.number, *(operation.settings.get(name) for name in ("min", "max")))
    return tuple(each for each in numbers if isinstance(each, int | float))


def long_number(operation: Computed, least: int = _LONG) -> float | None:
    """A whole number that a short prompt does not come to."""
    if operation.kind == "slice":
        spec = operation.settings.get("spec")
        size = max(operation.reads[0].size or (0,))
        for each in spec if isinstance(spec, tuple) else ():
            for bound in each if isinstance(each, tuple) else ():
                if isinstance(bound, int) and abs(bound) > size:
                    return bound
        return None
    if "int" not in operation.result.dtype and operation.result.dtype != "bool":
        return None
    numbers = (operation.number, *(operation.settings.get(name) for name in ("min", "max", "diagonal")))
    return next((each for each in numbers if isinstance(each, int | float) and abs(each) >= least), None)
