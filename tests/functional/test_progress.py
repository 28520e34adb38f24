"""Progress of long work: for a person at a terminal, and for nobody else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

CODE = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)
"""


def command(folder: Path, output: Path) -> list[str]:
    for name in "abc":
        (folder / f"modeling_{name}.py").write_text(CODE)
    return [sys.executable, "-m", "specdiff", "inspect", str(folder), "--format", "jsonl", "--output", str(output)]


def test_a_person_sees_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    leader, follower = pty.openpty()
    run = subprocess.run(command(tmp_path / "code", tmp_path / "rows"), stdout=subprocess.PIPE, stderr=follower)
    os.close(follower)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert run.returncode == 0 and run.stdout == b""
    assert "files" in shown and "3/3" in shown
    assert len((tmp_path / "rows").read_text().splitlines()) == 3


def test_a_pipe_gets_no_progress(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    run = subprocess.run(command(tmp_path / "code", tmp_path / "rows"), capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
