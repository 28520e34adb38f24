"""`specdiff nearest` on a small library: the origin before what is made from it, and differences told in facts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from test_compare import APART

from specdiff.cli import main

ORIGIN = APART.replace("EPS", "1e-5")
MODULAR = "from ..origin.modeling_origin import Model\n\n\nclass CopyModel(Model):\n    pass\n"


def library(tmp_path: Path) -> Path:
    files = {
        "origin/modeling_origin.py": ORIGIN,
        # A little closer to what is asked for than its origin is.
        "copy/modeling_copy.py": ORIGIN.replace("eps=1e-5", "eps=1e-3"),
        "copy/modular_copy.py": MODULAR,
        "far/modeling_far.py": "from torch import nn\n\n\nclass Far(nn.Module):\n    pass\n",
    }
    for name, text in files.items():
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "models"


def nearest(capsys: pytest.CaptureFixture[str], target: Path, models: Path, style: str = "json") -> str:
    assert main(["nearest", str(target), "--library", str(models), "--format", style]) == 0
    return capsys.readouterr().out


def test_an_origin_comes_before_what_is_made_from_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "modeling_new.py"
    target.write_text(ORIGIN.replace("eps=1e-5", "eps=1e-3"))
    found = json.loads(nearest(capsys, target, library(tmp_path)))
    files = {each["file"]: each["share"] for each in found["models"]}
    assert list(files) == ["origin/modeling_origin.py", "copy/modeling_copy.py"]
    assert files["copy/modeling_copy.py"] == 1.0


def test_differences_are_told_in_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "modeling_new.py"
    changed = ORIGIN.replace("eps=1e-5", "eps=1e-3").replace("is_causal=True", "is_causal=True, scale=1.0")
    target.write_text(
        changed.replace("self.key = nn.Linear(size, size, bias=False)", "self.key = nn.Linear(size, size)")
    )
    models = library(tmp_path)
    assert json.loads(nearest(capsys, target, models))["in_short"] == [
        "attention of origin, plus bias.k, scale 1 instead of 0.353553390593",
        "norm of origin, eps 0.001 instead of 1e-5",
    ]
    assert "attention of origin, plus bias.k" in nearest(capsys, target, models, "terminal")


def test_what_is_written_otherwise_is_found_by_what_it_computes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "modeling_new.py"
    models = library(tmp_path)
    (models / "copy" / "modeling_copy.py").write_text(ORIGIN.replace("F.silu", "F.gelu"))
    target.write_text(re.sub(r"\bself\.(\w+)", r"self.\1_part", ORIGIN))
    found = json.loads(nearest(capsys, target, models))
    assert found["by_facts"] == "origin/modeling_origin.py"
    assert found["in_short"] == []
    assert "no model is written like it; what it computes is closest to" in nearest(capsys, target, models, "terminal")


def test_an_origin_that_is_nearly_as_close_says_what_is_made_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "modeling_new.py"
    target.write_text(ORIGIN.replace("eps=1e-5", "eps=1e-3"))
    assert "the same; made from origin" in nearest(capsys, target, library(tmp_path), "terminal")
