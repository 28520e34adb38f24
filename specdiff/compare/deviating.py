"""Differences in operations as differences that people read: what stands on either side, where, and what it does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from specdiff.compare.deciding import Outcome
from specdiff.compare.model import OPERATIONS, Difference, Meaning, Side
from specdiff.compare.operations import Alignment, Deviation
from specdiff.facts import Evidence, Level
from specdiff.graph.canonical import label
from specdiff.results import Computed

_TRAINING = frozenset({"dropout", "detach", "loss"})
_FORMATS = frozenset({"cast"})
_TAKING = frozenset({"slice", "index", "gather"})
_RUNS = {
    "": "",
    "padded": "where the prompt is padded",
    "decode": "where tokens follow a prompt",
    "train": "in training",
}
_MOST = 4
"""Lines of code that one side of a difference is told with."""


def merged(differences: Sequence[Difference], alignment: Alignment) -> list[Difference]:
    """Differences of facts and of operations, worst first; operations that a fact tells of already are left out."""
    outcomes = {each.decision.outcome for each in alignment.deviations}
    if outcomes <= {Outcome.SAME} and not (alignment.otherwise or alignment.why_not):
        differences = [_settled(each) for each in differences]
    found = list(differences)
    for each in alignment.deviations:
        made = difference(each)
        if not any(_tells(fact, made) for fact in differences):
            found.append(made)
    order = list(Meaning)
    return sorted(found, key=lambda each: (order.index(each.meaning), each.key != OPERATIONS, each.key))


def _settled(fact: Difference) -> Difference:
    """A fact that two ways of writing show otherwise, where every operation is accounted for."""
    levels = {fact.left.level, fact.right.level} - {None}
    if fact.meaning is not Meaning.RESULT or levels != {Level.USED}:
        return fact
    return replace(fact, meaning=Meaning.WRITTEN, explanation="all operations are the same or come to the same")


def _tells(fact: Difference, made: Difference) -> bool:
    """Whether a fact that differs stands on the same lines, and says no less than the operations do."""
    if fact.meaning not in (Meaning.RESULT, made.meaning):
        return False
    sides = ((fact.left, made.left), (fact.right, made.right))
    return all(not _places(own) or _places(own) & _places(other) for other, own in sides)


def _places(side: Side) -> set[tuple[str, int]]:
    return {(each.file, each.line) for each in side.evidence}


def difference(deviation: Deviation) -> Difference:
    """A deviation with its meaning and where it is."""
    meaning, words = _meaning(deviation)
    where = ", ".join(each for each in (_RUNS[deviation.run], _where(deviation.paths)) if each)
    return Difference(OPERATIONS, _side(deviation.left), _side(deviation.right), meaning, words, where)


def _where(paths: Sequence[str]) -> str:
    """The parts of a model, each stack once."""
    stacks: dict[str, list[str]] = {}
    for path in paths:
        stacks.setdefault(re.sub(r"\d+", "*", path), []).append(path)
    return " and ".join(f"in {label(members)}" if stack else "outside of layers" for stack, members in stacks.items())


def _meaning(deviation: Deviation) -> tuple[Meaning, str]:
    kinds = {op.kind for side in (deviation.left, deviation.right) for op in side}
    floats = {op.result.dtype for side in (deviation.left, deviation.right) for op in side if op.kind in _FORMATS}
    if kinds <= _TRAINING or deviation.run == "train":
        return Meaning.TRAINING, "it changes nothing in evaluation"
    if kinds <= _FORMATS and not deviation.rewired and not any("int" in each or each == "bool" for each in floats):
        return Meaning.NUMERICS, "the same function, computed in another number format"
    words = deviation.decision.words
    if deviation.paths == ("",) and kinds <= _TAKING and not (deviation.left and deviation.right):
        return Meaning.LIMIT, "one side alone takes some of the positions; at those the results are compared"
    match deviation.decision.outcome:
        case Outcome.SAME:
            return Meaning.WRITTEN, words
        case Outcome.OTHER:
            read = "the same operations read something else; " if deviation.rewired else ""
            return Meaning.RESULT, f"{read}{words}"
        case _:
            return Meaning.UNKNOWN, words


def _side(operations: Sequence[Computed]) -> Side:
    told = lines(operations)
    words = "; ".join(words for _, _, words in told[:_MOST]) + (" …" if len(told) > _MOST else "")
    return Side(words or None, Level.USED, tuple(Evidence(file, line, line, text) for file, line, text in told))


def in_words(operation: Computed) -> str:
    """One operation with its number or settings: ``mul by 0.5``, ``softmax (dim=3)``."""
    if operation.number is not None:
        by = {"mul": "by", "add": "of"}.get(operation.kind, "with")
        return f"{operation.kind} {by} {operation.number:g}" + (f" ({operation.said})" if operation.said else "")
    settings = [*([operation.said] if operation.said else []), *([f"to {operation.shape}"] if operation.shape else [])]
    names = [seen.label.rpartition("/")[2] for seen in operation.reads if seen.label.startswith("parameter ")]
    words = f"{operation.kind} with {', '.join(names)}" if names else operation.kind
    return words + (f" ({', '.join(settings)})" if settings else "")


def lines(operations: Iterable[Computed]) -> list[tuple[str, int, str]]:
    """(file, line, operations there in words), in order."""
    found: dict[tuple[str, int], list[str]] = {}
    for op in operations:
        found.setdefault((op.file, op.line), []).append(in_words(op))
    return [(file, line, ", ".join(dict.fromkeys(words))) for (file, line), words in found.items()]
