"""GitHub workflow commands: one annotation per problem, in the form that the runner reads from standard output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from specdiff.report import fits, wording
from specdiff.results import CheckResult, ClassResult, Finding, Severity
from specdiff.review.model import Review

MOST = 50
"""Annotations; GitHub shows ten errors, ten warnings and ten notices per step and fifty per job."""
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def check_document(results: Sequence[CheckResult]) -> str:
    """Claims that do not hold, at the code's line where there is one and else at the spec's, and findings."""
    return _document([line for result in results for line in _check(result)])


def inspect_document(results: Sequence[ClassResult]) -> str:
    """Findings of inspected classes."""
    return _document([_finding(finding) for result in results for finding in result.findings])


def review_document(result: Review) -> str:
    """What a change brings: specs that do not hold, findings and branches that are new, checkpoints that no longer fit."""
    lines = [line for check in result.checks for line in _check(check)]
    told: set[Finding] = set()
    for each in result.classes:
        new = [finding for finding in each.findings if finding not in told]
        told.update(new)
        lines += [_finding(finding) for finding in new]
        for gate in each.gates:
            step, message = gate.place, f"no known configuration of {each.name} reaches this branch ({gate.place.what})"
            lines.append(_line("notice", step.file, step.line, step.end_line, "specdiff: unreached", message))
    for fit in result.fits:
        if fit.result is not None and not fit.result.fits and fit.fitted is not False:
            message = "; ".join([fits.sentence(fit), *fits.wrong(fit.result)])
            lines.append(_line("error", fit.file, 1, 1, "specdiff: checkpoint", message))
    for name in result.unreadable:
        said = next((text for text in result.problems if text.startswith(f"{name} (after)")), f"{name} cannot be read")
        lines.append(_line("error", name, 1, 1, "specdiff: unreadable", said))
    if result.unread:
        message = f"{len(result.unread)} more model files use what changed and were not analysed"
        lines.append(_line("notice", result.files[0] if result.files else "", 1, 1, "specdiff: not analysed", message))
    return _document(list(dict.fromkeys(lines)))


def _document(lines: list[str]) -> str:
    shown = lines[:MOST]
    if len(lines) > MOST:
        shown.append(f"::notice title=specdiff::{len(lines) - MOST} more; the other reports have all of them")
    return "".join(f"{line}\n" for line in shown)


def _check(result: CheckResult) -> Iterator[str]:
    for claim in result.claims:
        standing = wording.standing(claim)
        if standing not in ("mismatch", "missing"):
            continue
        message = (
            f"{claim.key}: {claim.source.id} {claim.source.where} says {wording.expected(claim)}, "
            f"the code has {wording.found(claim)}. {claim.reason}"
        )
        if claim.evidence:
            step = claim.evidence[-1]
            yield _line("error", step.file, step.line, step.end_line, f"specdiff: {standing}", message)
        else:
            file = result.spec.partition("::")[0]
            yield _line("error", file, claim.spec_line, claim.spec_line, f"specdiff: {standing}", message)
    for finding in result.findings:
        yield _finding(finding)


def _finding(finding: Finding) -> str:
    step = finding.primary
    level = _LEVELS[finding.severity]
    return _line(level, step.file, step.line, step.end_line, f"specdiff: {finding.id}", finding.message)


def _line(level: str, file: str, line: int, end_line: int, title: str, message: str) -> str:
    places = [f"file={_property(file)}"] if file else []
    if line:
        places += [f"line={line}", f"endLine={max(line, end_line)}"]
    places.append(f"title={_property(wording.clean(title))}")
    return f"::{level} {','.join(places)}::{_data(wording.clean(message))}"


def _data(text: str) -> str:
    """Escaped as the runner's toolkit does (actions/toolkit, core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
