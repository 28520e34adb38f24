"""`compare` on one small model written in two ways: the same function is said to be, and what looks alike and is not is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from specdiff.cli import main

CASES = Path(__file__).parents[1] / "cases" / "compare"
BASE = (CASES / "base.py").read_text()
PAIRS: list[dict[str, Any]] = yaml.safe_load((CASES / "pairs.yaml").read_text())


def written(pair: dict[str, Any], side: str) -> str:
    text = BASE
    for before, after in (*pair.get(side, ()), *pair.get("both", ())):
        assert before in text, before
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["id"] for pair in PAIRS])
def test_a_pair_is_the_same_or_is_not(pair: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("left", "right"):
        (tmp_path / f"{side}.py").write_text(written(pair, side))
    main(["compare", f"{tmp_path}/left.py::Model", f"{tmp_path}/right.py::Model", "--format", "json"])
    result = json.loads(capsys.readouterr().out)
    wrong = [each for each in result["differences"] if each["meaning"] in ("result", "unknown")]
    if pair["verdict"] == "result":
        assert not result["agrees"]
        return
    assert result["proven"], wrong
    told = {each["relation"] for each in result["pairs"]} | {each["key"] for each in result["differences"]}
    assert pair.get("how") is None or pair["how"] in told
