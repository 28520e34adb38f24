"""Puts facts and parameters of two classes together into one comparison."""

from __future__ import annotations

from specdiff.compare.facts import compare_facts
from specdiff.compare.model import Comparison
from specdiff.compare.parameters import pair
from specdiff.results import ClassResult


def compare(left: ClassResult, right: ClassResult, left_target: str, right_target: str) -> Comparison:
    """Two analysed classes side by side."""
    same, differences, undecided = compare_facts(left.sheet, right.sheet)
    pairs, left_only, right_only, pairing = pair(left, right)
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
    )
