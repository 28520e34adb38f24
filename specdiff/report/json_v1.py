"""The versioned machine interface: `specdiff/check/1` and `specdiff/inspect/1`, the same bytes for the same result."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from specdiff.facts import Absence, Evidence, Fact, Undecided, Value
from specdiff.report import openness, wording
from specdiff.results import CheckResult, ClaimResult, ClassResult, Extra, Finding

CHECK_SCHEMA = "specdiff/check/1"
INSPECT_SCHEMA = "specdiff/inspect/1"

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_WIDTH = 118
"""Longest array or object that is written on one line, in characters."""


def check_document(results: Sequence[CheckResult]) -> str:
    """All results as one document, ending in a newline."""
    return _dump({"schema": CHECK_SCHEMA, "results": [_check(result) for result in results]}) + "\n"


def inspect_document(results: Sequence[ClassResult], only: Collection[str] = ()) -> str:
    """All classes as one document, ending in a newline. `only` names the keys that were computed; empty means all."""
    names = Counter(result.name for result in results)
    classes = {
        # Two files may each have a class of one name; then both carry their file.
        result.name if names[result.name] == 1 else f"{result.file}::{result.name}": _class(result, only)
        for result in results
    }
    return _dump({"schema": INSPECT_SCHEMA, "classes": classes}) + "\n"


def inspect_row(result: ClassResult, only: Collection[str] = ()) -> str:
    """One class as one line, ending in a newline."""
    row: dict[str, Json] = {"schema": INSPECT_SCHEMA, "class": result.name, **_class(result, only)}
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def inspect_rows(results: Sequence[ClassResult], only: Collection[str] = ()) -> str:
    """One line per class."""
    return "".join(inspect_row(result, only) for result in results)


def plain(value: Value) -> Json:
    """A value as JSON has it: tuples are arrays; what JSON has no number for is text."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case tuple() | list():
            return [plain(item) for item in value]
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case _:
            return value


def _check(result: CheckResult) -> Json:
    document: dict[str, Json] = {
        "spec": result.spec,
        "name": result.name,
        "target": result.target,
        "verdict": str(result.verdict),
        "claims": [_claim(claim) for claim in result.claims],
        "extras": [_extra(extra) for extra in result.extras],
        "findings": [finding_json(finding) for finding in result.findings],
        "documents": {each.id: {"title": each.title, "url": each.url} for each in result.documents},
        "code": {
            "class": result.code.name,
            "file": result.code.file,
            "line": result.code.line,
            "total_parameters": result.code.total_parameters,
            "active_parameters": result.code.active_parameters,
            "verdict": result.code.verdict,
            "live_share": result.code.live_share,
            "claims_used": list(wording.used_share(result)),
        },
    }
    if result.release:
        document["release"] = plain(result.release)
        document["openness"] = [
            {"yardstick": each.yardstick, "level": each.level, "answer": each.answer}
            for each in openness.measures(result)
        ]
    return document


def _claim(claim: ClaimResult) -> Json:
    document: dict[str, Json] = {
        "key": claim.key,
        "status": str(claim.status),
        "expected": plain(claim.expected),
        "actual": plain(claim.actual),
        "level": None if claim.level is None else str(claim.level),
        "needed": str(claim.needed),
        "source": {"id": claim.source.id, "where": claim.source.where, "quote": claim.source.quote},
        "evidence": _evidences(claim.evidence),
        "reason": claim.reason,
        "line": claim.spec_line,
    }
    if claim.known_deviation:
        document["known_deviation"] = claim.known_deviation
    return document


def _extra(extra: Extra) -> Json:
    return {
        "key": extra.key,
        "value": plain(extra.value),
        "level": str(extra.level),
        "evidence": _evidences(extra.evidence),
    }


def _class(result: ClassResult, only: Collection[str]) -> dict[str, Json]:
    document: dict[str, Json] = {
        "file": result.file,
        "line": result.line,
        "parameters": {name: list(shape) for name, shape in result.parameters.items()},
        "tied": [list(pair) for pair in result.tied],
        "total_parameters": result.total_parameters,
        "active_parameters": result.active_parameters,
        "facts": {key: _fact(fact) for key, fact in sorted(result.sheet.facts.items())},
        "absences": {key: _absence(absence) for key, absence in sorted(result.sheet.absences.items())},
        "calls": [list(edge) for edge in result.calls],
        "unreached": list(result.unreached),
        "live": list(result.live),
        "unused": list(result.unused),
        "selects": list(result.selects),
        "undecided": [_undecided(item) for item in wording.undecided(result)],
        "findings": [finding_json(finding) for finding in result.findings],
        "verdict": result.verdict,
        "missing": list(result.missing),
        "live_share": result.live_share,
    }
    if only:
        # What was not computed is left out: an empty list would say that there is none.
        wanted = {"file", "line", "undecided", "findings", "verdict", "missing", "live_share", *only}
        document = {key: value for key, value in document.items() if key in wanted}
    return document


def _fact(fact: Fact) -> Json:
    return {"value": plain(fact.value), "level": str(fact.level), "evidence": _evidences(fact.evidence)}


def _absence(absence: Absence) -> Json:
    return {"reason": absence.reason, "level": str(absence.level), "evidence": _evidences(absence.evidence)}


def _undecided(item: Undecided) -> Json:
    document: dict[str, Json] = {"reason": item.reason, "file": item.file, "line": item.line}
    if item.key is not None:
        document["key"] = item.key
    return document


def finding_json(finding: Finding) -> dict[str, Json]:
    """A finding as JSON has it."""
    return {
        "id": finding.id,
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "message": finding.message,
        "primary": _evidence(finding.primary),
        "related": _evidences(finding.related),
    }


def _evidences(evidence: Sequence[Evidence]) -> Json:
    return [_evidence(step) for step in evidence]


def _evidence(step: Evidence) -> Json:
    return {"file": step.file, "line": step.line, "end_line": step.end_line, "what": step.what}


def _dump(value: Json, indent: int = 0) -> str:
    """JSON with what fits on one line left there, so that shapes and pairs stay readable."""
    if not isinstance(value, Mapping | list | tuple) or not value:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if _is_flat(value):
        line = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if len(line) + indent <= _WIDTH:
            return line
    inner = " " * (indent + 1)
    if isinstance(value, Mapping):
        items = [f"{json.dumps(key, ensure_ascii=False)}: {_dump(item, indent + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + item for item in items) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(inner + _dump(item, indent + 1) for item in value) + "\n" + " " * indent + "]"


def _is_flat(value: Json) -> bool:
    """Whether nothing inside holds anything itself."""
    assert isinstance(value, Mapping | list | tuple)
    items = value.values() if isinstance(value, Mapping) else value
    return not any(isinstance(item, Mapping | list | tuple) and item for item in items)
