"""Changes of operations that change no number: both sides worked out on the same random numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from specdiff.compare.deciding import Outcome
from specdiff.compare.operations import Deviation, align
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.project.targets import Target
from specdiff.results import ClassResult, Computed, Severity
from specdiff.review.model import ClassReview, OperationChange, Standing
from specdiff.session import Session

MOST_WORKED_OUT = 4
"""Kinds of change of one file that are worked out, each in one class."""
PARTS = frozenset({"parameters", "live"})
"""What is computed of a class besides its operations."""


def worked_out(reviews: Sequence[ClassReview], before: Target, after: Target, options: Options) -> list[ClassReview]:
    """The classes of one file without the places where both sides are proven to come to the same.

    Looked at are classes of which nothing else changed that is known; those with the same changes once.

    Args:
        reviews: The classes of the file.
        before: The file on the base side.
        after: The file on the head side.
        options: The run of both sides.
    """
    groups: dict[object, list[ClassReview]] = {}
    for each in reviews:
        if _is_open(each):
            groups.setdefault(tuple(sorted(_places(each))), []).append(each)
    found = {id(each): each for each in reviews}
    for members in sorted(groups.values(), key=len, reverse=True)[:MOST_WORKED_OUT]:
        left, right = (
            next(_analysed(replace(target, classes=(members[0].name,)), options), None) for target in (before, after)
        )
        if left is None or right is None or left.parameters != right.parameters:
            continue
        told = align(left, right, ())
        if not told.why_not:
            for each in members:
                found[id(each)] = _without(each, [item for item in told.deviations if not item.run])
    return [found[id(each)] for each in reviews]


def _is_open(each: ClassReview) -> bool:
    known = any(change.tells for change in each.facts) or each.parameters or each.was or each.failed
    return each.standing is Standing.CHANGED and bool(each.operations) and not known


def _places(each: ClassReview) -> Iterator[tuple[str, int, str, int]]:
    for change in each.operations:
        for side, steps in enumerate((change.before_evidence, change.after_evidence)):
            for step in steps:
                yield step.file, step.line, step.what, side


def _analysed(target: Target, options: Options) -> Iterator[ClassResult]:
    session = Session(replace(options, only=PARTS, operations=True))
    try:
        yield from session.analyse(target)
    except SpecdiffError:
        return
    finally:
        session.close()


def _without(each: ClassReview, deviations: Sequence[Deviation]) -> ClassReview:
    """A class without the changes at whose lines nothing is left that is not proven to be the same."""
    same = [item for item in deviations if item.decision.outcome is Outcome.SAME]
    others = [item for item in deviations if item.decision.outcome is not Outcome.SAME]
    kept = tuple(change for change in each.operations if _meet(change, others) or (others and not _meet(change, same)))
    if kept == each.operations:
        return each
    quiet = not kept and all(finding.severity is Severity.NOTE for finding in (*each.findings, *each.resolved))
    return replace(each, operations=kept, proven=True, standing=Standing.SAME if quiet else each.standing)


def _meet(change: OperationChange, deviations: Sequence[Deviation]) -> bool:
    """Whether one of some deviations has a line of a change."""
    before = {(step.file, step.line) for step in change.before_evidence}
    after = {(step.file, step.line) for step in change.after_evidence}
    return any(before & _lines(item.left) or after & _lines(item.right) for item in deviations)


def _lines(side: Iterable[Computed]) -> set[tuple[str, int]]:
    return {(op.file, op.line) for op in side}
