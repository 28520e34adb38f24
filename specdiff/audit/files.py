"""The classes of one file together: each finding once, with the classes it concerns, and one verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from specdiff.audit.policy import Policy, fingerprint
from specdiff.audit.subject import finding
from specdiff.audit.verdict import COMPLETE, PARTIAL, SKELETON, UNDECIDED
from specdiff.results import ClassResult, Finding, Severity, Suppression

_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True)
class FileAudit:
    """What the audit says about one file."""

    file: str
    verdict: str
    classes: tuple[ClassResult, ...]
    findings: tuple[tuple[Finding, tuple[str, ...]], ...]
    """Each with the names of the classes it concerns; worst first."""


def by_file(
    results: Sequence[ClassResult], policy: Policy, known: frozenset[str], least: Severity
) -> tuple[FileAudit, ...]:
    """Results by file.

    Args:
        results: All classes.
        policy: Severities of the project.
        known: Fingerprints that a baseline has.
        least: The lowest severity that is kept.
    """
    files: dict[str, list[ClassResult]] = {}
    for result in results:
        files.setdefault(result.file, []).append(result)
    return tuple(_file(file, classes, policy, known, least) for file, classes in files.items())


def _file(
    file: str, classes: Sequence[ClassResult], policy: Policy, known: frozenset[str], least: Severity
) -> FileAudit:
    merged: dict[tuple[str, str, int, str], tuple[Finding, list[str]]] = {}
    for result in classes:
        for item in result.findings:
            key = (item.id, item.primary.file, item.primary.line, item.message)
            merged.setdefault(key, (item, []))[1].append(result.name)
    for item in _comments(classes):
        merged[item.id, item.primary.file, item.primary.line, item.message] = (item, [])
    rows = []
    for item, names in merged.values():
        for judged in policy.apply([item]):
            if _RANK[judged.severity] <= _RANK[least] and fingerprint(judged) not in known:
                rows.append((judged, tuple(dict.fromkeys(names))))
    rows.sort(key=lambda row: (_RANK[row[0].severity], row[0].primary.file, row[0].primary.line, row[0].id))
    return FileAudit(file, file_verdict(classes), tuple(classes), tuple(rows))


def _comments(classes: Iterable[ClassResult]) -> Iterable[Finding]:
    """Suppression comments that no class of the file needed, and those that give no reason."""
    used: dict[tuple[str, int], tuple[Suppression, set[str]]] = {}
    for result in classes:
        for item in result.suppressions:
            used.setdefault((item.file, item.line), (item, set()))[1].update(item.used)
    for item, ids in used.values():
        for name in item.ids:
            if name not in ids:
                yield finding("suppression.unused", item.file, item.line, f"ignore[{name}] suppresses nothing")
        if not item.reason:
            yield finding("suppression.unexplained", item.file, item.line, "the suppression gives no reason")


def file_verdict(classes: Sequence[ClassResult]) -> str:
    """One verdict for a file: a skeleton if all that is decided in it is one, else the worst."""
    decided = [result.verdict for result in classes if result.verdict != UNDECIDED]
    if not decided:
        return UNDECIDED
    if all(each == SKELETON for each in decided):
        return SKELETON
    return PARTIAL if any(each in (PARTIAL, SKELETON) for each in decided) else COMPLETE


def shown(audits: Iterable[FileAudit]) -> list[Finding]:
    """All findings, each once."""
    return [item for each in audits for item, _ in each.findings]


def as_results(audit: FileAudit) -> tuple[ClassResult, ...]:
    """The file's classes with the findings that were kept, each with the first class it concerns."""
    own: dict[str, list[Finding]] = {}
    for item, names in audit.findings:
        own.setdefault(names[0] if names else audit.classes[0].name, []).append(item)
    return tuple(replace(result, findings=tuple(own.get(result.name, ()))) for result in audit.classes)
