"""Facts of small models in several styles of code, and what one change to the code makes of them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import specdiff
from specdiff.results import ClassResult

CASES = Path(__file__).parent.parent / "cases" / "facts"


def _read(source: str, folder: Path) -> ClassResult:
    path = folder / "modeling_case.py"
    path.write_text(source, encoding="utf-8")
    results = specdiff.inspect(str(path))
    assert len(results) == 1, "a case has one model"
    return results[0]


def _same(value: Any, wanted: Any) -> bool:
    return list(value) == wanted if isinstance(wanted, list) else value == wanted


def _hold(result: ClassResult, expect: dict[str, Any], absent: list[str], undecided: list[str]) -> None:
    sheet = result.sheet
    said = {key: list(fact.value) if isinstance(fact.value, tuple) else fact.value for key, fact in sheet.facts.items()}
    wrong = {key: (wanted, said.get(key)) for key, wanted in expect.items() if said.get(key) != wanted}
    assert not wrong, (
        wrong,
        sheet.why_open,
        {key: sheet.undecided[key].reason for key in wrong if key in sheet.undecided},
    )
    assert [key for key in absent if key not in sheet.absences] == []
    assert [key for key in undecided if key not in sheet.undecided] == []
    for key in expect:
        assert sheet.facts[key].evidence, f"{key} has no evidence"


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.py")))
def test_facts(case: str, tmp_path: Path) -> None:
    source = (CASES / f"{case}.py").read_text(encoding="utf-8")
    lines = [line[2:].partition(": ") for line in source.splitlines() if line.startswith(("# expect: ", "# absent: "))]
    expect = {
        key: yaml.safe_load(_number(value))
        for word, _, rest in lines
        if word == "expect"
        for key, _, value in [rest.partition(" = ")]
    }
    _hold(_read(source, tmp_path), expect, [rest for word, _, rest in lines if word == "absent"], [])


def _number(text: str) -> str:
    """YAML 1.1 reads ``1e-5`` as text."""
    return text.replace("e-", ".0e-") if "e-" in text and "." not in text else text


CHANGES = yaml.safe_load((CASES / "changes.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change['case']}: {change['to'].strip()[:40]}")
def test_a_change_shows(change: dict[str, Any], tmp_path: Path) -> None:
    source = (CASES / f"{change['case']}.py").read_text(encoding="utf-8")
    assert change["from"] in source, "the change fits the case"
    result = _read(source.replace(change["from"], change["to"]), tmp_path)
    _hold(result, change.get("expect", {}), change.get("absent", []), change.get("undecided", []))
