"""The claim that pins down every operation: what leaves it as it is, and what a difference says; the cases are data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from specdiff import api
from specdiff.cli import main
from specdiff.match.parts import members
from specdiff.options import Options

CASES = Path(__file__).parents[1] / "cases" / "computation"
KEY = "computation.operations"


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("draft") / "spec.yaml"
    assert main(["draft", f"{CASES / 'model.py'}::Model", "--output", str(path)]) == 0
    return path


@pytest.mark.parametrize("case", yaml.safe_load((CASES / "cases.yaml").read_text()), ids=lambda case: case["name"])
def test_operations(case: dict[str, Any], spec: Path, tmp_path: Path) -> None:
    text = (CASES / "model.py").read_text(encoding="utf-8")
    for old, new in case["edits"].items():
        assert old in text, f"the source has no {old!r}"
        text = text.replace(old, new)
    path = tmp_path / "model.py"
    path.write_text(text, encoding="utf-8")

    result = api.check(spec, Options(use_cache=False), f"{path}::Model", allow_todo=True)

    claims = {claim.key: claim for claim in result.claims}
    flow, claim = claims["computation.settings"], claims[KEY]
    assert str(flow.status) == ("mismatch" if "settings" in case else "match"), flow.reason
    assert case.get("settings", "") in flow.reason
    assert str(claim.status) == ("mismatch" if "says" in case else "match"), claim.reason
    assert case.get("says", "") in claim.reason
    if "says" in case and "is no " not in claim.reason:
        step = claim.evidence[0]
        assert step.file == "model.py" and text.splitlines()[step.line - 1].strip()


def test_a_claim_from_another_version_of_the_analysis_is_left_open(spec: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    lines = spec.read_text(encoding="utf-8").replace("analysis: ", "analysis: other ").replace("softmax(", "softmin(")
    other.write_text(lines, encoding="utf-8")
    result = api.check(other, Options(use_cache=False), allow_todo=True)
    (claim,) = (claim for claim in result.claims if claim.key == KEY)
    assert str(claim.status) == "undecided" and "another version" in claim.reason


def test_it_is_written_and_shown_only_where_it_is_asked_for(spec: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    assert main(["draft", f"{CASES / 'model.py'}::Model", "--without-computation", "--output", str(path)]) == 0
    assert KEY in spec.read_text(encoding="utf-8") and KEY not in path.read_text(encoding="utf-8")
    result = api.check(path, Options(use_cache=False), allow_todo=True)
    assert not [extra for extra in result.extras if extra.key.startswith("computation.")]


@pytest.mark.parametrize(
    ("label", "paths"),
    [
        ("model", [""]),
        ("layers.*{0-2,5}", ["layers.0", "layers.1", "layers.2", "layers.5"]),
        ("a.*.b.*{0.1,2.0-1}", ["a.0.b.1", "a.2.b.0", "a.2.b.1"]),
        ("written by hand{x}", ["written by hand{x}"]),
    ],
)
def test_members(label: str, paths: list[str]) -> None:
    assert members(label) == paths


_CHOICE = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.head = nn.Linear(2, 8)

    def forward(self, input_ids):
        return self.head(torch.topk(self.embed(input_ids), 2, dim=-1{more})[0])
"""


@pytest.mark.parametrize(
    ("more", "status"), [("", "match"), (", largest=True", "match"), (", largest=False", "mismatch")]
)
def test_arguments_that_no_shape_tells(more: str, status: str, tmp_path: Path) -> None:
    source, path = tmp_path / "model.py", tmp_path / "spec.yaml"
    source.write_text(_CHOICE.format(more=""), encoding="utf-8")
    assert main(["draft", f"{source}::Model", "--output", str(path)]) == 0
    source.write_text(_CHOICE.format(more=more), encoding="utf-8")
    result = api.check(path, Options(use_cache=False), allow_todo=True)
    (claim,) = (claim for claim in result.claims if claim.key == KEY)
    assert str(claim.status) == status, claim.reason
