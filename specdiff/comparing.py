"""Two analysed classes side by side, analysed again in a smaller size where numbers are to decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from specdiff import api
from specdiff.compare.model import OTHER_SIZE, Comparison
from specdiff.compare.parameters import pair
from specdiff.compare.reducing import Settings, derived, reduced
from specdiff.compare.sides import compare, other_way
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.results import ClassResult


@dataclass(frozen=True, slots=True)
class Asked:
    """One side of a comparison."""

    target: str
    """With its class."""
    options: Options
    result: ClassResult


def compared(left: Asked, right: Asked, left_name: str, right_name: str) -> Comparison:
    """Both sides compared; `Options.operations` must have been asked for.

    Args:
        left: One side.
        right: The other.
        left_name: What it is called in the report.
        right_name: The same of the other.
    """

    def again(settings: tuple[Settings, Settings]) -> Pair | None:
        return _both(left, right, settings)

    return compare(left.result, right.result, left_name, right_name, lambda: smaller(left.result, right.result, again))


Pair: TypeAlias = tuple[ClassResult, ClassResult]
Both: TypeAlias = Callable[[tuple[Settings, Settings]], Pair | None]
"""Analyses both sides again with further settings."""


def smaller(left: ClassResult, right: ClassResult, both: Both) -> Pair | str | None:
    """Both sides in a size that can be worked out as a whole, or why not; none where none of those tried builds both."""
    sides = (left, right)
    why_not = None
    for whole_width in (False, True):
        settings = reduced(*sides, whole_width)
        if settings is None:
            continue
        found = both(settings)
        if found is None:
            continue
        more = derived(sides, found)
        if more is not None:
            found = both(({**settings[0], **more[0]}, {**settings[1], **more[1]}))
        if found is None:
            continue
        why_not = _unfit(sides, found)
        if why_not is None:
            return found
    return why_not


def _both(left: Asked, right: Asked, settings: tuple[Settings, Settings]) -> tuple[ClassResult, ClassResult] | None:
    one = _again(left, settings[0])
    other = _again(right, settings[1]) if one is not None else None
    return (one, other) if one is not None and other is not None else None


def _again(asked: Asked, settings: Settings) -> ClassResult | None:
    results = []
    for _ in range(2):
        options = replace(asked.options, settings=(*asked.options.settings, *settings.items()), operations=True)
        try:
            results = api.inspect(asked.target, options)
        except SpecdiffError as error:
            # What a configuration works out by itself it does not take.
            refused = {problem.message.partition(":")[0] for problem in error.problems}
            settings = {name: value for name, value in settings.items() if name not in refused}
            continue
        break
    return next((each for each in results if each.name == asked.result.name and each.computed), None)


def _unfit(large: Pair, small: Pair) -> str | None:
    """Why a smaller size does not stand for the larger one."""
    before, after = pair(*large), pair(*small)
    left_over = [len(each[1]) + len(each[2]) for each in (before, after)]
    if after[3] or left_over[1] > left_over[0] or any(each.relation == OTHER_SIZE for each in after[0]):
        return "in the smaller size that was tried, not every weight has a partner"
    return other_way(large, small) or None
