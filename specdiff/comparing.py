"""Two analysed classes side by side, analysed again in a smaller size where numbers are to decide."""

from __future__ import annotations

from dataclasses import dataclass, replace

from specdiff import api
from specdiff.compare.model import OTHER_SIZE, Comparison
from specdiff.compare.parameters import pair
from specdiff.compare.reducing import Settings, derived, reduced
from specdiff.compare.sides import compare
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
    return compare(left.result, right.result, left_name, right_name, lambda: smaller(left, right))


def smaller(left: Asked, right: Asked) -> tuple[ClassResult, ClassResult] | None:
    """Both sides in a size that can be worked out as a whole; none where none of those tried builds both."""
    sides = (left.result, right.result)
    for whole_width in (False, True):
        settings = reduced(*sides, whole_width)
        if settings is None:
            continue
        found = _both(left, right, settings)
        if found is None:
            continue
        more = derived(sides, found)
        if more is not None:
            found = _both(left, right, ({**settings[0], **more[0]}, {**settings[1], **more[1]}))
        if found is not None and _fit(found):
            return found
    return None


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


def _fit(found: tuple[ClassResult, ClassResult]) -> bool:
    """Whether every weight of one has a partner of its size on the other."""
    pairs, left_only, right_only, why_not = pair(*found)
    return not (left_only or right_only or why_not or any(each.relation == OTHER_SIZE for each in pairs))
