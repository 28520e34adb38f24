"""Facts of small models in several styles, and of the same with one thing changed; the cases are data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from as_claims import held_against_claims, proven

from specdiff import api
from specdiff.options import Options
from specdiff.results import ClassResult

CASES = Path(__file__).parents[2] / "cases" / "detect"


def cases() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in (
            listed if isinstance(listed, list) else ()
        ):  # mappings are tables of keys, see test_vocabulary_has_cases
            found.append(pytest.param(case, id=f"{case['source']}: {case.get('name', 'as it is')}"))
    return found


def analysed(path: Path, config: Path | None) -> ClassResult:
    (result,) = api.inspect(f"{path}::Model", Options(use_cache=False, only=frozenset({"facts"}), config=config))
    return result


@pytest.mark.parametrize("case", cases())
def test_facts(case: dict[str, Any], tmp_path: Path) -> None:
    text = (CASES / case["source"]).read_text(encoding="utf-8")
    for old, new in case.get("edits", {}).items():
        assert old in text, f"the source has no {old!r}"
        text = text.replace(old, new)
    path = tmp_path / case["source"]
    path.write_text(text, encoding="utf-8")
    config = tmp_path / "config.json" if "config" in case else None
    if config is not None:
        config.write_text(json.dumps(case["config"]), encoding="utf-8")

    result = analysed(path, config)
    sheet = result.sheet

    assert sheet.why_open == case.get("why_open", "")
    found = {key: plain(sheet.facts[key].value) if key in sheet.facts else "no fact" for key in case.get("facts", {})}
    assert found == case.get("facts", {})
    missing = [key for key in case.get("absent", []) if key not in sheet.absences]
    assert missing == [], {key: (sheet.facts.get(key), sheet.undecided.get(key)) for key in missing}
    decided = [key for key in case.get("undecided", []) if key in sheet.absences or proven(key, sheet)]
    assert decided == [], {key: sheet.facts.get(key) for key in decided}
    held_against_claims(case, result)


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
