"""Several files at once: every class has its row, whatever becomes of the process that analyses it."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from pathlib import Path

import pytest

from specdiff import api
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.results import ClassResult

MODEL = """
import torch
from torch import nn

class {name}Inner(nn.Module):
    def __init__(self, size=4):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size, {size}))

    def forward(self, x):
        return x @ self.weight

class {name}First(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = {name}Inner()

    def forward(self, x):
        return self.inner(x)

class {name}Second(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = {name}First()

    def forward(self, x):
        return self.first(x)
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPECDIFF_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "models"
    for size, name in enumerate("CAB", 3):
        path = folder / name.lower() / f"modeling_{name.lower()}.py"
        path.parent.mkdir(parents=True)
        path.write_text(textwrap.dedent(MODEL.format(name=name, size=size)))
    return folder


def name_of(result: ClassResult) -> str:
    return f"{result.name} {[finding.id for finding in result.findings]}\n"


ALL = ["AFirst", "ASecond", "BFirst", "BSecond", "CFirst", "CSecond"]
ONLY = frozenset({"parameters"})


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_class_has_a_row_in_the_order_of_the_files(models: Path, jobs: int) -> None:
    results = api.inspect_all([str(models)], Options(only=ONLY, jobs=jobs, classes=()))
    assert [result.name for result in results] == [name for name in ALL if "Second" in name]
    assert [list(result.parameters.values()) for result in results] == [[(4, 4)], [(4, 5)], [(4, 3)]]


def test_the_rows_are_the_same_for_any_number_of_processes(models: Path) -> None:
    rows = [
        sorted(api.inspect_rows([str(models)], Options(only=ONLY, jobs=jobs, use_cache=False), name_of))
        for jobs in (1, 2, 5)
    ]
    assert rows[0] == rows[1] == rows[2] == [f"{name} []\n" for name in ALL if "Second" in name]


def dies(result: ClassResult) -> str:
    if result.name == "BFirst" and result.tree is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return name_of(result)


def test_a_worker_that_dies_costs_the_class_it_was_at(models: Path) -> None:
    options = Options(only=ONLY, jobs=2)
    targets = [f"{models / name / f'modeling_{name}.py'}" for name in "abc"]
    asked = [f"{target}::{name.upper()}{which}" for target, name in zip(targets, "abc") for which in ("First",)]
    rows = sorted(api.inspect_rows([*asked, f"{targets[1]}::BSecond"], options, dies))
    assert rows == ["AFirst []\n", "BFirst ['internal.crash']\n", "BSecond []\n", "CFirst []\n"]


def dies_once(result: ClassResult) -> str:
    marker = Path(os.environ["SPECDIFF_CACHE_DIR"]) / "died"
    if result.name == "BSecond" and not marker.exists():
        marker.write_text("")
        os._exit(7)
    return name_of(result)


def test_a_class_is_tried_again_in_a_fresh_process(models: Path) -> None:
    rows = sorted(api.inspect_rows([str(models)], Options(only=ONLY, jobs=1), dies_once))
    assert rows == ["ASecond []\n", "BSecond []\n", "CSecond []\n"]


def test_a_file_in_a_folder_that_is_not_python_is_one_row(models: Path) -> None:
    (models / "b" / "modeling_b.py").write_text("class Broken(:\n")
    results = api.inspect_all([str(models)], Options(only=ONLY, jobs=2))
    assert [(result.name, [f.id for f in result.findings]) for result in results] == [
        ("ASecond", []),
        ("modeling_b", ["input.wrong"]),
        ("CSecond", []),
    ]


def test_a_named_file_that_is_not_python_ends_the_run(models: Path) -> None:
    (models / "b" / "modeling_b.py").write_text("class Broken(:\n")
    with pytest.raises(SpecdiffError, match=r"modeling_b\.py:1"):
        api.inspect_all([str(models / name / f"modeling_{name}.py") for name in "ab"], Options(only=ONLY, jobs=2))


def test_rows_of_the_command_line_are_json(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from specdiff.cli import main

    assert main(["inspect", str(models), "--format", "jsonl", "--jobs", "2", "--only", "parameters"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(row["class"] for row in rows) == ["ASecond", "BSecond", "CSecond"]
