"""JUnit XML: a suite per spec, a test case per claim, for whatever shows test results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from specdiff.report import wording
from specdiff.results import CheckResult, ClaimResult, Severity


def check_document(results: Sequence[CheckResult]) -> str:
    """All results as one document, ending in a newline.

    A contradicted or missing claim is a failure, an undecided one and a known deviation are skipped, and each
    error-level finding is a failed case of its own.
    """
    root = Element("testsuites", name="specdiff")
    totals = [0, 0, 0]
    for result in results:
        suite = SubElement(root, "testsuite", name=result.name)
        counts = [0, 0, 0]
        for case, outcome in _cases(suite, result):
            counts[0] += 1
            counts[1] += outcome == "failure"
            counts[2] += outcome == "skipped"
            case.set("file", result.spec)
        for key, count in zip(("tests", "failures", "skipped"), counts, strict=True):
            suite.set(key, str(count))
        suite.set("errors", "0")
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    for key, count in zip(("tests", "failures", "skipped"), totals, strict=True):
        root.set(key, str(count))
    indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _cases(suite: Element, result: CheckResult) -> Iterator[tuple[Element, str]]:
    for claim in result.claims:
        case = SubElement(suite, "testcase", classname=_clean(result.name), name=claim.key)
        standing = wording.standing(claim)
        if standing in ("mismatch", "missing"):
            failure = SubElement(case, "failure", type=standing, message=_clean(_message(claim)))
            failure.text = _clean("; ".join(f"{wording.place(step)} {step.what}" for step in claim.evidence))
            yield case, "failure"
        elif standing == "match":
            yield case, "passed"
        else:
            SubElement(case, "skipped", message=_clean(f"{standing}: {claim.known_deviation or claim.reason}"))
            yield case, "skipped"
    for finding in result.findings:
        if finding.severity is Severity.ERROR:
            case = SubElement(suite, "testcase", classname=_clean(result.name), name=finding.id)
            message = f"{wording.place(finding.primary)}: {finding.message}"
            SubElement(case, "failure", type=finding.id, message=_clean(message))
            yield case, "failure"


def _message(claim: ClaimResult) -> str:
    return (
        f"expected {wording.expected(claim)}, found {wording.found(claim)}"
        f" ({claim.source.id} {claim.source.where}: “{claim.source.quote}”)"
    )


def _clean(text: str) -> str:
    return wording.clean(text)
