"""What a review says of published checkpoints: whether each fits, or why that is not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from specdiff.report import wording
from specdiff.report.weights import folded
from specdiff.results import Severity
from specdiff.review.model import Fit
from specdiff.weights.model import WeightsResult

_MOST = 12
"""Lines of one checkpoint."""


def sentence(each: Fit) -> str:
    """Whether a checkpoint fits, in one sentence without markup."""
    name = each.file.rpartition("/")[2]
    if each.result is None:
        return f"Whether the published checkpoint of {name} fits is not known: {each.reason}."
    filled = f"{each.result.matched:,} of {each.result.parameters:,} parameters filled"
    if each.result.fits:
        return f"The checkpoint {each.checkpoint} fits {each.result.class_name} of {name}: {filled}."
    before = {True: "; it did before this change", False: "; nor did it before this change", None: ""}[each.fitted]
    return f"The checkpoint {each.checkpoint} does not fit {each.result.class_name} of {name}: {filled}{before}."


def together(fits: Sequence[Fit]) -> list[str]:
    """Sentences for all, those that are not known for one reason in one."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in fits:
        if each.result is None:
            reasons.setdefault((each.checkpoint, each.reason), []).append(each.file.rpartition("/")[2])
    unknown = [
        f"Whether {f'the checkpoint {checkpoint}' if checkpoint else 'the published checkpoint'} fits is not known for "
        f"{', '.join(names)}: {reason}."
        for (checkpoint, reason), names in reasons.items()
    ]
    return [sentence(each) for each in fits if each.result is not None] + unknown


def wrong(result: WeightsResult) -> Iterator[str]:
    """What does not fit, a line for each group of layers."""
    rows = [
        f"{each.issue.kind}: {each.name}{f' ({each.times:,})' if each.times > 1 else ''}: {each.issue.detail}"
        for _, group in folded(result)
        for each in group
        if each.issue.severity is not Severity.NOTE
    ]
    yield from (wording.clean(row) for row in rows[:_MOST])
    if len(rows) > _MOST:
        yield f"and {len(rows) - _MOST:,} more lines"


def document(each: Fit) -> dict[str, object]:
    """One checkpoint for machines."""
    result = each.result
    return {
        "file": each.file,
        "checkpoint": each.checkpoint,
        "fits": None if result is None else result.fits,
        "fitted": each.fitted,
        "reason": each.reason,
        "class": "" if result is None else result.class_name,
        "parameters": 0 if result is None else result.parameters,
        "filled": 0 if result is None else result.matched,
        "issues": []
        if result is None
        else [
            {"kind": issue.kind, "severity": str(issue.severity), "name": issue.name, "detail": issue.detail}
            for issue in result.issues
        ],
    }
