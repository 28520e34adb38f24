"""Shapes that operations give, and operands that torch refuses: present and absent, with a symbolic batch and length."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from specdiff.options import Options
from specdiff.pipeline import analyse, new_program
from specdiff.project.build import build
from specdiff.project.forward import forward, outputs_in
from specdiff.project.targets import resolve
from specdiff.session import deeply

MODEL = """
import torch
from torch import nn
import torch.nn.functional as F

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        self.inner = nn.Linear(64, 48)
        self.outer = nn.Linear(48, 64)

    def forward(self, tokens: torch.Tensor):
        x = self.embed(tokens)
        batch, length, width = x.shape
        {body}
"""
LINE = 16
"""Where the body stands."""
CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "forward" / "shapes.yaml").read_text())


def _target(folder: Path, body: str):
    path = folder / "model.py"
    path.write_text(MODEL.replace("{body}", body))
    return resolve(str(path), ("Model",))[0]


@pytest.mark.parametrize("case", [case for case in CASES if "shape" in case], ids=lambda case: case["body"])
def test_fits(tmp_path: Path, case: dict[str, str]) -> None:
    target = _target(tmp_path, case["body"])

    def run() -> str:
        program = new_program(target, Options(use_cache=False))
        ran = forward(program, build(program, target, program.module(target.module).get("Model"), {}))
        assert ran.failure is None
        return str(outputs_in(ran.outputs)[0]["output"].shape)

    assert deeply(run) == case["shape"]


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=lambda case: case["body"])
def test_refused(tmp_path: Path, case: dict[str, str]) -> None:
    target = _target(tmp_path, case["body"])
    options = Options(use_cache=False, only=frozenset({"findings"}))
    (result,) = deeply(lambda: list(analyse(new_program(target, options), target, options)))
    (found,) = (item for item in result.findings if item.id.startswith("shape."))
    assert (found.id, found.primary.line) == (case["refused"], LINE)
