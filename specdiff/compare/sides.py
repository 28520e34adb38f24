"""Puts facts and parameters of two classes together into one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specdiff.compare.deviating import merged
from specdiff.compare.facts import COUNTS, compare_facts
from specdiff.compare.model import Comparison, Difference, Meaning, Pair
from specdiff.compare.operations import align
from specdiff.compare.parameters import pair
from specdiff.results import ClassResult

_STYLES = {"half", "interleaved"}
_ROTATED = {"query", "key"}


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


def _unpaired(difference: Difference) -> Difference:
    """A difference that parameters would explain, where they could not be paired."""
    if not difference.key.startswith(COUNTS):
        return difference
    return replace(difference, meaning=Meaning.RESULT, explanation="the parameters could not be paired to explain it")


def compare(left: ClassResult, right: ClassResult, left_target: str, right_target: str) -> Comparison:
    """Two analysed classes side by side; with `Options.operations`, every operation as well."""
    same, differences, undecided = compare_facts(left.sheet, right.sheet)
    pairs, left_only, right_only, pairing = pair(left, right)
    pairs = _rotated(pairs, left, right, differences)
    told = align(left, right, pairs) if left.computed or right.computed else None
    if told is not None:
        differences = merged(differences, told)
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
