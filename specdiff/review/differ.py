"""Two sides of one class: facts, parameters and findings that differ."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile

from specdiff.facts import Absence, Fact, FactSheet
from specdiff.results import ClassResult, Finding, ModuleNode, Severity
from specdiff.review.model import ClassReview, FactChange, ParameterChange, Standing
from specdiff.review.operations import operations


def pairs(
    before: dict[str, ClassResult], after: dict[str, ClassResult], *, renamed: bool
) -> Iterator[tuple[ClassResult | None, ClassResult | None]]:
    """Classes of one file on both sides, by name; those of a renamed file also by what follows the model's own name."""
    partner = {name: name for name in after if name in before}
    if renamed:
        rest = {_without(_model_name(before), name): name for name in before if name not in partner}
        for name in after:
            old = rest.get(_without(_model_name(after), name))
            if name not in partner and old is not None:
                partner[name] = old
    for name, new in after.items():
        yield before.get(partner.get(name, "")), new
    taken = set(partner.values())
    for name, old_class in before.items():
        if name not in taken:
            yield old_class, None


def parts_alone(*sides: dict[str, ClassResult]) -> frozenset[str]:
    """Classes that cannot be built by themselves, and are built as parts of others wherever they are: with what a class of
    the file gives them. They are no models, and no defect."""
    names = {name for side in sides for name in side}
    for side in sides:
        built = {node.class_name for result in side.values() if result.tree is not None for node in _below(result.tree)}
        names -= {name for name, result in side.items() if result.tree is not None or name not in built}
    return frozenset(names)


def _below(node: ModuleNode) -> Iterator[ModuleNode]:
    for child in node.children:
        yield child
        yield from _below(child)


_WORDS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z\d]+|\W|_")
"""A name's words: `GPT2`, `Neo`, `MLP`."""


def _model_name(names: Collection[str]) -> str:
    """The words that all names begin with, less the last of them where a name is nothing else."""
    words = [_WORDS.findall(name) for name in names]
    common = [group[0] for group in takewhile(lambda group: len(set(group)) == 1, zip(*words, strict=False))]
    return "".join(common[:-1] if "".join(common) in names else common)


def _without(model: str, name: str) -> str:
    return name.removeprefix(model)


def review_class(file: str, why: str, before: ClassResult | None, after: ClassResult | None) -> ClassReview:
    """What a change does to one class; a side is None where the class is not there."""
    one = after or before
    assert one is not None
    facts = (
        tuple(_facts(before.sheet if before else _EMPTY, after.sheet if after else _EMPTY)) if before and after else ()
    )
    parameters = tuple(_parameters(before, after)) if before and after and before.tree and after.tree else ()
    was = before.name if before and after and before.name != after.name else ""
    old = {_identity(finding, before) for finding in before.findings} if before else set()
    new = {_identity(finding, after) for finding in after.findings} if after else set()
    findings = tuple(finding for finding in after.findings if _identity(finding, after) not in old) if after else ()
    resolved = (
        tuple(finding for finding in before.findings if _identity(finding, before) not in new)
        if before and after
        else ()
    )
    compared = bool(before and after and before.operations and after.operations)
    changes = operations(before.operations, after.operations) if before and after and compared else ()
    standing = Standing.SAME
    if before is None:
        standing = Standing.ADDED
    elif after is None:
        standing = Standing.REMOVED
    elif any(each.tells for each in facts) or parameters or was or changes or _grave((*findings, *resolved)):
        standing = Standing.CHANGED
    unbuilt = tuple(
        result.findings[0].message if result is not None and result.tree is None and result.findings else ""
        for result in (before, after)
    )
    failed = ""
    if unbuilt[0] != unbuilt[1]:  # else nothing of it is the change
        side = "after" if unbuilt[1] else "before"
        failed = f"{side} the change the class could not be built: {unbuilt[1] or unbuilt[0]}"
    return ClassReview(
        one.name, file, standing, why, facts, parameters, findings, resolved, before, after, failed, was,
        operations=changes, compared=compared,
    )  # fmt: skip


def _grave(findings: Iterable[Finding]) -> bool:
    """Whether findings are more than notes: a note that is new or gone is told, and makes no other class."""
    return any(finding.severity is not Severity.NOTE for finding in findings)


_EMPTY = FactSheet({}, {}, {})


def _identity(finding: Finding, owner: ClassResult) -> tuple[str, str, str]:
    """What makes two findings the same one although lines moved, or the class's own file was renamed."""
    file = finding.primary.file
    return (finding.id, "" if file == owner.file else file, finding.message)


def _facts(before: FactSheet, after: FactSheet) -> Iterator[FactChange]:
    for key in sorted({*before.facts, *before.absences, *after.facts, *after.absences}):
        old: Fact | Absence | None = before.facts.get(key) or before.absences.get(key)
        new: Fact | Absence | None = after.facts.get(key) or after.absences.get(key)
        if old is None and new is None:
            continue
        was = old.value if isinstance(old, Fact) else None
        now = new.value if isinstance(new, Fact) else None
        level = new.level if new is not None else None
        steps = (old.evidence if old else (), new.evidence if new else ())
        if new is None:
            question = after.undecided.get(key)
            reason = question.reason if question else after.why_open or "nothing is known about it any more"
            yield FactChange(key, "lost", was, None, level, *steps, reason)
        elif old is None:
            yield FactChange(key, "decided", None, now, level, *steps)
        elif was != now or isinstance(old, Fact) != isinstance(new, Fact):
            kind = "added" if was is None else "removed" if now is None else "changed"
            yield FactChange(key, kind, was, now, level, *steps)


def _parameters(before: ClassResult, after: ClassResult) -> Iterator[ParameterChange]:
    for name, shape in before.parameters.items():
        now = after.parameters.get(name)
        if now is None:
            yield ParameterChange(name, "removed", shape, None)
        elif now != shape:
            yield ParameterChange(name, "reshaped", shape, now)
    for name, shape in after.parameters.items():
        if name not in before.parameters:
            yield ParameterChange(name, "added", None, shape)
