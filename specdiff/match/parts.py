"""Two computations held against each other part by part: the first operation that is not there, and what stands in its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from specdiff.facts import Evidence, Value

_MOST = 6
"""Steps that a result lists on either side."""
_MOST_MEMBERS = 10_000
ANALYSIS = "analysis"
"""The part that says which version of the analysis wrote the others."""


class Difference(NamedTuple):
    """One part that is not the same on both sides."""

    label: str
    """The part, as the side that has it writes it."""
    gone: tuple[str, ...]
    """Steps that only the source has."""
    new: tuple[str, ...]
    """Steps that only the code has."""


def judge(expected: tuple[Value, ...], actual: tuple[Value, ...]) -> tuple[bool | None, Value, str]:
    """(whether it holds, what was expected, why not)."""
    found = list(differences(expected, actual))
    if not found:
        skipped = sorted(_not_followed(actual) - _not_followed(expected))
        if skipped:
            return None, expected, f"the run that is called {skipped[0]} could not be followed"
        return True, expected, ""
    if _analysis(expected) != _analysis(actual):
        return None, expected, "the draft was written by another version of the analysis; draft it again to compare"
    return False, expected, _reason(found)


def shortened(
    expected: Value, actual: Value, evidence: tuple[Evidence, ...]
) -> tuple[tuple[Value, Value] | None, tuple[Evidence, ...]]:
    """((expected, actual) as far as they differ, or their size where they do not; the evidence of what differs)."""
    if not isinstance(expected, tuple) or not isinstance(actual, tuple):
        return (_size(expected), _size(actual)), evidence[:1]
    found = list(differences(expected, actual))
    if not found:
        return (_size(expected), _size(actual)), ()
    gone = [f"{item.label}: {_words(step)}" for item in found for step in item.gone]
    new = [f"{item.label}: {_words(step)}" for item in found for step in item.new]
    steps = {step for item in found for step in item.new}
    places = tuple(each for each in evidence if each.what in steps)
    shown = tuple(_worded(each) for each in places)
    return (tuple(gone[:_MOST]), tuple(new[:_MOST])), shown[:_MOST]


def differences(expected: tuple[Value, ...], actual: tuple[Value, ...]) -> Iterator[Difference]:
    """Parts that differ, in the code's order; each kind of difference once."""
    skipped = _not_followed(expected) | _not_followed(actual)
    left, right = _by_member(expected, skipped), _by_member(actual, skipped)
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for member in (*right, *(each for each in left if each not in right)):
        label, before = left.get(member, ("", ()))
        other, after = right.get(member, ("", ()))
        gone = tuple(step for step in before if step not in set(after))
        new = tuple(step for step in after if step not in set(before))
        if (gone or new) and (gone, new) not in seen:
            seen.add((gone, new))
            yield Difference(other or label, gone, new)


def _not_followed(value: tuple[Value, ...]) -> set[str]:
    """Names of runs of which one side knows nothing, so that they are not compared."""
    return {str(text).partition(" ")[0] for text in value if str(text).endswith(" model: not followed")}


def _by_member(value: tuple[Value, ...], skipped: set[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """(label, steps) by module path."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for text in value:
        label, _, steps = str(text).partition(": ")
        if label == ANALYSIS or label.partition(" ")[0] in skipped:
            continue
        for member in members(label):
            found[member] = (label, tuple(steps.split(" | ")))
    return found


def members(label: str) -> list[str]:
    """The module paths that a label stands for; the inverse of the labels of `graph.canonical`."""
    path, brace, written = label.partition("{")
    if not brace:
        return [""] if label == "model" else [label]
    found = []
    for piece in written.rstrip("}").split(","):
        *head, last = piece.split(".")
        first, _, end = last.partition("-")
        if not first.isdecimal() or not (end or first).isdecimal() or int(end or first) - int(first) > _MOST_MEMBERS:
            return [label]
        for number in range(int(first), int(end or first) + 1):
            pieces = path.split("*")
            numbers = [*head, str(number), *["*"] * len(pieces)]
            found.append(
                "".join(f"{piece}{more}" for piece, more in zip(pieces, [*numbers[: len(pieces) - 1], ""], strict=True))
            )
    return found


def _analysis(value: tuple[Value, ...]) -> str:
    return next((str(text) for text in value if str(text).startswith(f"{ANALYSIS}: ")), "")


def _reason(found: list[Difference]) -> str:
    first = next((item for item in found if item.new), found[0])
    more = f" (and {len(found) - 1} more parts differ)" if len(found) > 1 else ""
    gone, new = (_words(steps[0]) if steps else "" for steps in (first.gone, first.new))
    name, _, label = first.label.rpartition(" ")
    where = "outside of layers" if label == "model" else f"in {label}"
    if name:
        where = f"in the run that is called {name}, {where}"
    if not new:
        return f"{where} there is no {gone}{more}"
    if not gone:
        return f"{where} there is {new} besides{more}"
    if gone == new:
        return f"{where} {new} reads something else than before{more}"
    return f"{where} there is {new} where the source has {gone}{more}"


def _words(step: str) -> str:
    return step.rpartition("#")[0] or step


def _worded(step: Evidence) -> Evidence:
    return Evidence(step.file, step.line, step.end_line, _words(step.what))


def _size(value: Value) -> Value:
    if not isinstance(value, tuple):
        return value
    parts = [str(text) for text in value if not str(text).startswith(f"{ANALYSIS}: ")]
    return f"{sum(part.count(' | ') + 1 for part in parts)} steps in {len(parts)} parts"
