"""Every row of `cases/match/claims.yaml`: one claim, some facts, a status and its sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from match_rows import code_of, frozen, sheet_of, spec_of

from specdiff.facts import Level
from specdiff.match.compare import check_spec
from specdiff.spec import document

CASES = Path(__file__).parents[2] / "cases" / "match" / "claims.yaml"


def _rows() -> list[Any]:
    root, problems = document.read(CASES.read_text(encoding="utf-8"), CASES.name)
    assert root is not None and not problems
    rows = document.plain(root)
    assert isinstance(rows, list)
    return rows


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["name"])
def test_row(row: dict[str, Any], tmp_path: Path) -> None:
    spec = spec_of(tmp_path, {row["key"]: row["claim"], **row.get("also", {})})
    sheet = sheet_of(
        {key: (frozen(fact["value"]), Level[fact["level"].upper()]) for key, fact in row.get("facts", {}).items()},
        {key: (each["reason"], Level[each["level"].upper()]) for key, each in row.get("absent", {}).items()},
        row.get("open"),
        {key: tuple(frozen(value) for value in values) for key, values in row.get("several", {}).items()},
        row.get("raises", ""),
    )
    claim = check_spec(spec, code_of(sheet)).claims[0]
    assert (claim.status, claim.reason) == (row["status"], row.get("reason", ""))
    assert (claim.actual is None) == (row["key"] not in row.get("facts", {}))
    shown = row.get("open", {}).get(row["key"]) or (row.get("raises") and claim.status == "missing")
    assert bool(claim.evidence) == (claim.level is not None or bool(shown) or claim.status == "undecided")
