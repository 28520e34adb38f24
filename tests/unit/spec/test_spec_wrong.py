"""Every file in `cases/spec/wrong` gives exactly the problems that its `# expect:` lines list."""

from __future__ import annotations

from pathlib import Path

import pytest

from specdiff.errors import SpecError
from specdiff.spec.load import load_specs

CASES = Path(__file__).parents[2] / "cases" / "spec"
WRONG = sorted(path.relative_to(CASES).as_posix() for path in (CASES / "wrong").glob("*.yaml"))


@pytest.mark.parametrize("case", WRONG)
def test_problems(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    lines = Path(case).read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]
    assert expected, "a case says what it expects"
    with pytest.raises(SpecError) as caught:
        load_specs([case])
    # What follows "YAML syntax" is the YAML library's wording, which differs between its parsers.
    assert [_shorten(str(problem)) for problem in caught.value.problems] == [_shorten(line) for line in expected]


def test_all_files_report_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    with pytest.raises(SpecError) as caught:
        load_specs(["wrong/level.yaml", "right/base.yaml", "nowhere.yaml", "wrong/empty.yaml"])
    assert [problem.file for problem in caught.value.problems] == [
        "nowhere.yaml",
        "wrong/empty.yaml",
        *["wrong/level.yaml"] * 4,
    ]
    assert str(caught.value.problems[0]) == "nowhere.yaml: no such file"


def _shorten(message: str) -> str:
    head, syntax, _ = message.partition("YAML syntax: ")
    return head + syntax if syntax else message
