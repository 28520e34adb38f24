"""SARIF 2.1.0 for code review systems: contradicted and missing claims, findings and, as notes, what stayed undecided."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

from specdiff._version import __version__
from specdiff.facts import Evidence
from specdiff.report import wording
from specdiff.results import CheckResult, ClaimResult, ClassResult, Finding, Severity, Status
from specdiff.review.model import Review

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_RESULTS = 5_000
"""GitHub code scanning shows this many results per run; the worst ones come first."""
_MAX_RELATED = 20
"""Related locations per result; GitHub code scanning takes 1,000 and shows 100, readers give up long before."""

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_CLAIM_RULES = {
    Status.MISMATCH: ("claim.mismatch", "error", "The code contradicts a claim of its paper."),
    Status.MISSING: ("claim.missing", "error", "Something that the paper claims is not in the code."),
    Status.UNDECIDED: ("claim.undecided", "note", "A claim could neither be confirmed nor contradicted."),
}
_DEVIATION_RULE = ("claim.deviation", "note", "The code differs from the paper for a reason that the spec gives.")
_HELP = (
    "Open the spec and the cited document beside the lines shown. Either the code, the spec or the document is wrong; "
    "a difference that is meant can be written down in the spec as `known_deviation`, with its source."
)


class _Result(NamedTuple):
    rule: str
    level: str
    description: str
    message: str
    primary: Evidence
    related: tuple[Evidence, ...]
    about: str
    """What identifies the result when lines move."""


def check_document(results: Sequence[CheckResult]) -> str:
    """All results as one run."""
    rows = [row for result in results for row in _of_check(result)]
    return _document(rows)


def inspect_document(results: Sequence[ClassResult]) -> str:
    """The findings of all classes as one run."""
    rows = [_of_finding(finding, result.name) for result in results for finding in result.findings]
    return _document(rows)


def review_document(result: Review) -> str:
    """What a change brings, as one run: specs that do not hold and findings that are new."""
    rows = [row for check in result.checks for row in _of_check(check)]
    found = dict.fromkeys(finding for each in result.classes for finding in each.findings)
    rows += [_of_finding(finding, "") for finding in found]  # one alert, however many classes share the line
    return _document(rows)


def _of_check(result: CheckResult) -> Iterator[_Result]:
    for claim in result.claims:
        row = _of_claim(result, claim)
        if row is not None:
            yield row
    for finding in result.findings:
        yield _of_finding(finding, result.target)


def _of_claim(result: CheckResult, claim: ClaimResult) -> _Result | None:
    if claim.status is Status.MATCH:
        return None
    deviates = wording.standing(claim) == wording.DEVIATION
    rule, level, description = _DEVIATION_RULE if deviates else _CLAIM_RULES[claim.status]
    says = f"{result.name}: {claim.key} should be {wording.expected(claim)}"
    has = "" if claim.status is Status.UNDECIDED else f", the code has {wording.found(claim)}"
    why = claim.known_deviation if deviates else claim.reason
    message = f"{says}{has}. {why[:1].upper()}{why[1:]}".rstrip(". ") + "."
    message += f" Source: {claim.source.id} {claim.source.where}: “{claim.source.quote}”."
    spec = Evidence(result.spec, max(claim.spec_line, 1), max(claim.spec_line, 1), f"the claim {claim.key}")
    steps = claim.evidence
    # A piece that is missing has no line of its own; its claim does.
    primary = steps[0] if steps else spec
    related = (*steps[1:], spec) if steps else ()
    return _Result(rule, level, description, wording.clean(message), primary, related, f"{result.target} {claim.key}")


def _of_finding(finding: Finding, target: str) -> _Result:
    message = wording.clean(f"{finding.message} ({finding.confidence} confidence)")
    return _Result(
        finding.id,
        _LEVELS[finding.severity],
        f"What specdiff reports as {finding.id}.",
        message,
        finding.primary,
        finding.related,
        f"{target} {finding.message}",
    )


def _document(rows: Sequence[_Result]) -> str:
    order = {"error": 0, "warning": 1, "note": 2}
    shown = sorted(rows, key=lambda row: order[row.level])[:MAX_RESULTS]
    rules = sorted({(row.rule, row.level, row.description) for row in shown})
    identifiers = list(dict.fromkeys(rule for rule, _, _ in rules))
    run: dict[str, Json] = {
        "tool": {
            "driver": {
                "name": "specdiff",
                "version": __version__,
                "rules": [_rule(identifier, rules) for identifier in identifiers],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": _numbered([(row, identifiers.index(row.rule)) for row in shown]),
    }
    if len(rows) > len(shown):
        text = f"{len(rows) - len(shown):,} results are left out, the least severe; the JSON report has all of them."
        note: Json = {"level": "note", "message": {"text": text}}
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": [note]}]
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _rule(identifier: str, rules: Sequence[tuple[str, str, str]]) -> Json:
    level, description = next((level, description) for rule, level, description in rules if rule == identifier)
    return {
        "id": identifier,
        "shortDescription": {"text": description},
        "fullDescription": {"text": description},
        "help": {"text": _HELP, "markdown": _HELP},
        "defaultConfiguration": {"level": level},
    }


def _numbered(rows: Sequence[tuple[_Result, int]]) -> list[Json]:
    """Results with fingerprints that stay when lines move; equal ones are counted."""
    seen: dict[str, int] = {}
    results: list[Json] = []
    for row, index in rows:
        text = f"{row.rule}\n{row.primary.file}\n{row.about}"
        count = seen[text] = seen.get(text, 0) + 1
        digest = hashlib.sha256(f"{text}\n{count}".encode()).hexdigest()[:32]
        result: dict[str, Json] = {
            "ruleId": row.rule,
            "ruleIndex": index,
            "level": row.level,
            "message": {"text": row.message + _more(len(row.related) - _MAX_RELATED, "related place")},
            "locations": [_location(row.primary)],
            # GitHub code scanning reads the second one, and makes it from the line's text where there is none.
            "partialFingerprints": {"specdiff/v1": digest, "primaryLocationLineHash": f"{digest[:16]}:1"},
        }
        if row.related:
            result["relatedLocations"] = [
                {"id": number, **_location(step), "message": {"text": wording.clean(step.what)}}
                for number, step in enumerate(row.related[:_MAX_RELATED])
            ]
        results.append(result)
    return results


def _more(count: int, noun: str) -> str:
    return f" ({wording.plural(count, noun)} more)" if count > 0 else ""


def _location(step: Evidence) -> dict[str, Json]:
    line = max(step.line, 1)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(step.file)},
            "region": {"startLine": line, "endLine": max(step.end_line, line)},
        }
    }
