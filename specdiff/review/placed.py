"""Where evidence stands: from the analysed package's own names of files to names in the repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from specdiff.facts import Evidence
from specdiff.results import CheckResult, ClassResult, Finding
from specdiff.review.model import ClassReview

Move = Callable[[Evidence], Evidence]


def folder_of(file: str, inside: str) -> str:
    """What comes before a file's name in the package to make its name in the repository; empty where nothing does."""
    return file[: -len(inside)] if inside and file.endswith(f"/{inside}") else ""


def within(folder: str, there: Callable[[str], bool]) -> Move:
    """To names in the repository, of files that are there; the library's own stay what they are."""

    def move(evidence: Evidence) -> Evidence:
        name = folder + evidence.file
        return replace(evidence, file=name) if folder and there(name) else evidence

    return move


def moved(review: ClassReview, before: Move, after: Move) -> ClassReview:
    """A review whose evidence stands elsewhere, each side's by its own rule."""

    def old(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(map(before, evidence))

    def new(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(map(after, evidence))

    return replace(
        review,
        facts=tuple(
            replace(each, before_evidence=old(each.before_evidence), after_evidence=new(each.after_evidence))
            for each in review.facts
        ),
        operations=tuple(
            replace(each, before_evidence=old(each.before_evidence), after_evidence=new(each.after_evidence))
            for each in review.operations
        ),
        findings=tuple(_finding(each, after) for each in review.findings),
        gates=tuple(replace(gate, place=after(gate.place)) for gate in review.gates),
    )


def added(result: ClassResult, move: Move) -> ClassResult:
    """A class whose facts' evidence stands elsewhere."""
    facts = {key: replace(fact, evidence=tuple(map(move, fact.evidence))) for key, fact in result.sheet.facts.items()}
    return replace(result, sheet=replace(result.sheet, facts=facts))


def checked(check: CheckResult, move: Move) -> CheckResult:
    """A spec's result whose evidence stands elsewhere."""
    claims = tuple(replace(claim, evidence=tuple(map(move, claim.evidence))) for claim in check.claims)
    return replace(check, claims=claims, findings=tuple(_finding(each, move) for each in check.findings))


def _finding(finding: Finding, move: Move) -> Finding:
    return replace(finding, primary=move(finding.primary), related=tuple(map(move, finding.related)))
