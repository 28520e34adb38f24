"""What of a repository's other models an added one is closest to, and how it differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from specdiff import api
from specdiff.compare.facts import compare_facts
from specdiff.compare.model import Difference
from specdiff.errors import SpecdiffError
from specdiff.nearest import nearest
from specdiff.options import Options
from specdiff.report.nearest import differs, in_short
from specdiff.results import ClassResult
from specdiff.review.model import Closest

LEAST_MODELS = 3
"""Model files beside which a folder counts as a library."""
MOST_NEAR = 3
"""Models that are looked at."""
AS_NEAR = 0.05
"""Share of the code within which two models are as near: then facts decide."""


def closest(file: str, path: Path, results: Sequence[ClassResult], options: Options) -> Closest | None:
    """The neighbours of an added file that lies in a folder of model folders; None for any other.

    Args:
        file: Its name in the repository.
        path: Where it lies.
        results: Its classes.
        options: How they were analysed.
    """
    library = path.parent.parent
    if not path.is_file() or sum(1 for _ in library.glob("*/modeling_*.py")) < LEAST_MODELS:
        return None
    try:
        found = nearest(str(path), library)
    except SpecdiffError:
        return None  # what is no Python is told where it is analysed
    near = [(name, share) for name, share, _ in found.models[:MOST_NEAR]]
    ties = [name for name, share in near if share >= near[0][1] - AS_NEAR]
    facts = {name: _differences(results, library / name, options) for name in ties}
    counts = {name: len(told) for name, told in facts.items() if told is not None}
    best = min(counts, key=lambda name: counts[name], default="")
    near.sort(key=lambda row: row[0] != best)
    lines: tuple[str, ...] = ()
    told = facts.get(best)
    if told is not None:
        model = best.partition("/")[0]
        lines = tuple(in_short(model, told)) or (f"no fact of its architecture differs from {model}, sizes left aside",)
    return Closest(
        file,
        tuple(near),
        tuple(
            (each.name, f"{each.file}::{each.other}")
            for each in found.classes
            if each.alike is not None and each.alike.share == 1.0
        ),
        lines,
        tuple(
            (each.name, f"{each.file}::{each.other}", ", ".join(differs(each.alike)))
            if each.alike is not None
            else (each.name, "", "")
            for each in found.classes
            if each.alike is None or each.alike.share < 1.0
        ),
    )


def _differences(results: Sequence[ClassResult], other: Path, options: Options) -> tuple[Difference, ...] | None:
    """Facts in which the largest class differs from the other model's; None where either could not be built."""
    own = [result for result in results if result.tree is not None]
    there = [result for result in api.inspect(str(other), options) if result.tree is not None]
    if not own or not there:
        return None
    one, two = (max(found, key=lambda result: result.total_parameters or 0) for found in (own, there))
    _, differences, _ = compare_facts(one.sheet, two.sheet)
    return tuple(differences)
