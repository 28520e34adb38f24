"""The claim that pins down code which the configuration leaves out: what leaves it as it is, and what a difference says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from specdiff import api
from specdiff.cli import main
from specdiff.options import Options

CASES = Path(__file__).parents[1] / "cases" / "dormant"


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("draft") / "spec.yaml"
    assert main(["draft", f"{CASES / 'model.py'}::Model", "--output", str(path)]) == 0
    return path


@pytest.mark.parametrize("case", yaml.safe_load((CASES / "cases.yaml").read_text()), ids=lambda case: case["name"])
def test_dormant(case: dict[str, Any], spec: Path, tmp_path: Path) -> None:
    text = (CASES / "model.py").read_text(encoding="utf-8")
    for old, new in case["edits"].items():
        assert old in text, f"the source has no {old!r}"
        text = text.replace(old, new)
    path = tmp_path / "model.py"
    path.write_text(text, encoding="utf-8")

    result = api.check(spec, Options(use_cache=False), f"{path}::Model", allow_todo=True)

    claims = {claim.key: claim for claim in result.claims}
    claim = claims["computation.dormant"]
    assert str(claim.status) == ("mismatch" if "says" in case else "match"), claim.reason
    assert case.get("says", "") in claim.reason
    if "says" in case and "there is no " not in claim.reason:
        step = claim.evidence[0]
        assert step.file == "model.py" and text.splitlines()[step.line - 1].strip()


def test_code_that_raises_now_contradicts_the_computation(spec: Path, tmp_path: Path) -> None:
    text = (CASES / "model.py").read_text(encoding="utf-8").replace("if heads < 1:", "if heads > 1:")
    (tmp_path / "model.py").write_text(text, encoding="utf-8")
    result = api.check(spec, Options(use_cache=False), f"{tmp_path / 'model.py'}::Model", allow_todo=True)
    (claim,) = (claim for claim in result.claims if claim.key == "computation.operations")
    assert str(claim.status) == "mismatch" and "raises ValueError" in claim.reason
    assert claim.evidence[0].line == text.splitlines().index('            raise ValueError(f"{heads} heads")') + 1
