"""Puts facts and parameters of two classes together into one comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from specdiff.compare.carrying import Weights
from specdiff.compare.crossing import by_name, crossed
from specdiff.compare.deciding import Decision, Outcome
from specdiff.compare.deviating import merged
from specdiff.compare.facts import COUNTS, compare_facts
from specdiff.compare.held import own_place
from specdiff.compare.model import Comparison, Difference, Meaning, Pair
from specdiff.compare.operations import Alignment, align
from specdiff.compare.parameters import pair
from specdiff.compare.shifting import shifted
from specdiff.compare.throughout import through
from specdiff.graph.computed import absolute
from specdiff.results import ClassResult, ComputedPart

_STYLES = {"half", "interleaved"}
_ROTATED = {"query", "key"}
_EXCHANGES = 3
"""How often weights that nothing tells apart are tried in each other's place."""
_LARGE = 4_000_000
"""Parameters of both sides up to which they are worked out as they are."""


def _rotated(pairs: list[Pair], left: ClassResult, right: ClassResult, differences: Sequence[Difference]) -> list[Pair]:
    """The pairs with the permutation that turns half rotation into interleaved named where it is needed."""
    style = next((each for each in differences if each.key == "rope.style"), None)
    if style is None or {style.left.value, style.right.value} != _STYLES:
        return pairs
    dims = left.sheet.facts.get("rope.dims")
    width = dims.value if dims is not None and isinstance(dims.value, int) else None
    last, middle = (str(width - 1), str(width // 2)) if width else ("d-1", "d/2")
    words = (
        f"in each head's rotated rows, interleaved row 2i is half row i and row 2i+1 is row i+{middle} "
        f"(0 … {last}; the {'left' if style.left.value == 'half' else 'right'} side is half)"
    )
    turned = {use.name for side in (left, right) for use in side.uses if _ROTATED & set(use.role.split("+"))}
    found = []
    for each in pairs:
        if turned.isdisjoint(each.left) and turned.isdisjoint(each.right):
            found.append(each)
        elif each.relation == "same":
            found.append(replace(each, relation="permuted", how=words))
        else:
            found.append(replace(each, how=f"{each.how}; {words}"))
    return found


def _paired(
    left: ClassResult, right: ClassResult, differences: Sequence[Difference]
) -> tuple[list[Pair], list[str], list[str], str]:
    """As `parameters.pair`, with what must be done to weights that are the same otherwise."""
    pairs, left_only, right_only, pairing = pair(left, right)
    pairs = shifted(_rotated(by_name(pairs, left, right), left, right, differences), left, right)
    return pairs, left_only, right_only, pairing


def _aligned(
    left: ClassResult, right: ClassResult, pairs: list[Pair], smaller: Smaller | None
) -> tuple[list[Pair], Alignment]:
    """Operations held against each other, with weights that nothing tells apart changing places where then fewer differ."""
    told = align(left, right, pairs, lambda run: _through(left, right, pairs, smaller, run))
    for one, other in _exchanges(pairs, told, left.parameters):
        changed = _exchanged(pairs, one, other)
        again = align(left, right, changed, lambda run, by=changed: _through(left, right, by, smaller, run))  # type: ignore[misc]
        if _changing(again) < _changing(told):
            pairs, told = changed, again
    return pairs, told


def _changing(told: Alignment) -> int:
    return sum(each.decision.outcome is Outcome.OTHER for each in told.deviations)


def _exchanges(pairs: Sequence[Pair], told: Alignment, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, str]]:
    """Weights, with stars for numbers, one of which stands in a place that changes the result, of one shape and layer."""
    same = [each.left[0] for each in pairs if each.relation == "same" and each.left != each.right]
    found: dict[tuple[str, str], None] = {}
    for each in told.deviations:
        if each.decision.outcome is not Outcome.OTHER or not each.rewired:
            continue
        for label, size in each.weights:
            name = absolute(each.paths[0], label.removeprefix("parameter "))
            layer = _layer(name)
            alike = (other for other in same if _layer(other) == layer and shapes.get(other) == size and other != name)
            if layer and name in same:
                found.update(dict.fromkeys((_starred(name), _starred(other)) for other in alike))
    return list(found)[:_EXCHANGES]


def _layer(name: str) -> str:
    """A parameter's name up to its last number; empty where it has none."""
    match = re.match(r"(.*\.\d+)\.", name)
    return match[1] if match else ""


def _exchanged(pairs: Sequence[Pair], one: str, other: str) -> list[Pair]:
    """The pairs with two weights of every layer in each other's place."""
    places: dict[tuple[str, ...], dict[str, int]] = {}
    for index, each in enumerate(pairs):
        starred = _starred(each.left[0])
        if each.relation == "same" and starred in (one, other):
            places.setdefault(tuple(re.findall(r"\d+", each.left[0])), {})[starred] = index
    found = list(pairs)
    for both in places.values():
        if len(both) == 2:  # noqa: PLR2004 - each in the other's place
            a, b = both[one], both[other]
            found[a], found[b] = replace(pairs[a], right=pairs[b].right), replace(pairs[b], right=pairs[a].right)
    return found


def _starred(name: str) -> str:
    return re.sub(r"\d+", "*", name)


def _through(
    left: ClassResult, right: ClassResult, pairs: Sequence[Pair], smaller: Smaller | None, run: str
) -> Decision:
    """Both sides worked out from their inputs on: as they are where they are small, else in a smaller size."""
    if (left.total_parameters or 0) + (right.total_parameters or 0) > _LARGE:
        small = smaller() if smaller is not None else None
        if small is None:
            return Decision(Outcome.OPEN, "too large to be worked out, and no smaller size was found")
        if isinstance(small, str):
            return Decision(Outcome.OPEN, small)
        own = _paired(*small, compare_facts(small[0].sheet, small[1].sheet)[1])
        if {each.relation for each in own[0]} != {each.relation for each in pairs}:
            return Decision(Outcome.OPEN, "in a smaller size the weights are laid out otherwise")
        found = through(_run(small[0], run), _run(small[1], run), Weights(*small, own[0]))
        return replace(found, words=f"{found.words}; in a smaller size of both")
    return through(_run(left, run), _run(right, run), Weights(left, right, pairs))


def _run(side: ClassResult, run: str) -> list[ComputedPart]:
    return [part for part in side.computed if part.run == run]


def other_way(large: tuple[ClassResult, ClassResult], small: tuple[ClassResult, ClassResult]) -> str:
    """Where a smaller size takes another way through the code."""
    for one, other in zip(large, small, strict=True):
        places = [{place for part in side.computed for place in _worked(part)} for side in (one, other)]
        if places[0] != places[1]:
            file, line, kind = min(places[0] ^ places[1])
            return f"a smaller size takes another way through the code: `{kind}` at {file}:{line}"
    return ""


def _worked(part: ComputedPart) -> Iterator[tuple[str, int, str]]:
    """(file, line, kind) of operations on what the model is given or has learned: a table may be made otherwise."""
    plain: list[bool] = []
    for op in part.operations:
        reads = [
            plain[own] if (own := own_place(seen.label)) is not None else seen.label.startswith("buffer ")
            for seen in op.reads
        ]
        plain.append(all(reads))
        if not all(reads):
            yield op.file, op.line, op.kind


def _unpaired(difference: Difference) -> Difference:
    """A difference that parameters would explain, where they could not be paired."""
    if not difference.key.startswith(COUNTS):
        return difference
    return replace(difference, meaning=Meaning.RESULT, explanation="the parameters could not be paired to explain it")


Smaller: TypeAlias = "Callable[[], tuple[ClassResult, ClassResult] | str | None]"
"""Gives both classes again in a size that can be worked out as a whole, or why not; none where there is no such size."""


def compare(
    left: ClassResult, right: ClassResult, left_target: str, right_target: str, smaller: Smaller | None = None
) -> Comparison:
    """Two analysed classes side by side; with `Options.operations`, every operation as well.

    Args:
        left: One class.
        right: The other.
        left_target: What was asked for.
        right_target: The same of the other.
        smaller: Called where the two are too large to be worked out from their inputs on.
    """
    same, differences, undecided = compare_facts(left.sheet, right.sheet)
    pairs, left_only, right_only, pairing = _paired(left, right, differences)
    told = None
    if left.computed or right.computed:
        pairs, told = _aligned(left, right, pairs, smaller)
    if told is not None:
        differences = merged(differences, told)
    differences = [*crossed(left, right, pairs), *differences]
    if pairing:
        differences = [_unpaired(each) for each in differences]
    return Comparison(
        left,
        right,
        left_target,
        right_target,
        tuple(same),
        tuple(differences),
        tuple(undecided),
        tuple(pairs),
        tuple(left_only),
        tuple(right_only),
        pairing,
        (told.found, told.total) if told is not None else (0, 0),
        len(told.deviations) if told is not None else 0,
        told.otherwise if told is not None else (),
        told.why_not if told is not None else "operations were not asked for",
    )
