"""Two sides of what a class computes, operation by operation: where they part, whatever the code looks like."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from specdiff.facts import Evidence
from specdiff.results import Operation, OperationPart
from specdiff.review.model import OperationChange

_CROSSINGS = ("output ", "result ")
"""Marks of what leaves a part; they differ wherever anything before them does."""


def operations(before: Sequence[OperationPart], after: Sequence[OperationPart]) -> tuple[OperationChange, ...]:
    """Where the operations of two sides differ, in the order they run; nothing where they are the same one by one.

    An operation whose own kind and settings are the same, and that only reads what changed, is told where nothing else is;
    what equal lines of several layers have in common is told once.
    """
    found = {
        (change.before, change.after, change.before_evidence, change.after_evidence): change
        for label, old, new in reversed(list(_paired(before, after)))
        if {each.digest for each in old} != {each.digest for each in new}
        for change in reversed(list(_changes(label, old, new)))
    }
    changes = tuple(reversed(found.values()))
    return tuple(change for change in changes if not change.reads) or changes


def _paired(
    before: Sequence[OperationPart], after: Sequence[OperationPart]
) -> Iterator[tuple[str, tuple[Operation, ...], tuple[Operation, ...]]]:
    """Parts at the same place in the model; those of one place that are the same on both sides go together first."""
    sides: list[dict[str, list[OperationPart]]] = [defaultdict(list), defaultdict(list)]
    for side, parts in zip(sides, (before, after), strict=True):
        for part in parts:
            side[part.label.partition("{")[0]].append(part)
    for path in dict.fromkeys([*sides[0], *sides[1]]):
        old, new = sides[0][path], sides[1][path]
        known = [{each.digest for each in part.operations} for part in old]
        fresh = [part for part in new if {each.digest for each in part.operations} not in known]
        known = [{each.digest for each in part.operations} for part in new]
        gone = [part for part in old if {each.digest for each in part.operations} not in known]
        for number in range(max(len(fresh), len(gone))):
            one = gone[number] if number < len(gone) else None
            two = fresh[number] if number < len(fresh) else None
            # A kind of layer that only one side has stands against one that it may have been made from.
            one, two = one or (old[-1] if old else None), two or (new[-1] if new else None)
            label = (two or one).label  # type: ignore[union-attr]
            yield label, one.operations if one else (), two.operations if two else ()


def _changes(label: str, old: tuple[Operation, ...], new: tuple[Operation, ...]) -> Iterator[OperationChange]:
    left, right = ([each for each in side if not each.text.startswith(_CROSSINGS)] for side in (old, new))
    matcher = SequenceMatcher(None, [each.text for each in left], [each.text for each in right], autojunk=False)
    told = False
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag != "equal":
            told = True
            yield _change(label, left[first:last], right[begin:end])
    if told:
        return
    known = {each.digest for each in left}
    fresh = next((number for number, each in enumerate(right) if each.digest not in known), None)
    if fresh is None:
        known = {each.digest for each in old}
        one = [each for each in new if each.digest not in known][:1]
        yield _change(label, one, one, reads=True)
    else:
        # The texts are the same, so that the numbers of both sides are.
        yield _change(label, left[fresh : fresh + 1], right[fresh : fresh + 1], reads=True)


def _change(label: str, old: Sequence[Operation], new: Sequence[Operation], *, reads: bool = False) -> OperationChange:
    return OperationChange(
        label,
        tuple(each.text for each in old),
        tuple(each.text for each in new),
        tuple(_place(each) for each in old),
        tuple(_place(each) for each in new),
        reads,
    )


def _place(operation: Operation) -> Evidence:
    return Evidence(operation.file, operation.line, operation.line, operation.text)
