"""The action's script, end to end on a local repository with a real change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from test_compare import APART

ROOT = Path(__file__).resolve().parents[2]
MODEL = APART
LINE = 1 + MODEL[: MODEL.index("+ self.eps")].count("\n")
"""Where the constant is added."""


def git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return run.stdout.strip()


def act(folder: Path, base: str, specs: str = "") -> dict[str, str]:
    """What the action's script leaves for the steps after it."""
    out = folder.parent / "out"
    binary = folder.parent / "bin"
    binary.mkdir(exist_ok=True)
    program = binary / "specdiff"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m specdiff "$@"\n')
    program.chmod(0o755)
    files = {"GITHUB_OUTPUT": folder.parent / "output", "GITHUB_STEP_SUMMARY": folder.parent / "summary"}
    for file in files.values():
        file.write_text("")
    environment = os.environ | {name: str(file) for name, file in files.items()}
    environment |= {
        "SPECDIFF_BASE": base, "SPECDIFF_SPECS": specs, "SPECDIFF_OUT": str(out), "PYTHONPATH": str(ROOT),
        "PATH": f"{binary}:{os.environ['PATH']}",
    }  # fmt: skip
    run = subprocess.run(
        ["bash", str(ROOT / "action" / "run.sh")],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    texts = {name: file.read_text() for name, file in files.items()}
    return texts | {"comment": (out / "comment.md").read_text(), "log": run.stdout + run.stderr}


def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "modeling_toy.py").write_text(MODEL.replace("EPS", "1e-5"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "A toy")
    git(folder, "checkout", "-qb", "change")
    return folder


def test_a_changed_constant_reaches_the_comment_with_both_lines(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    (folder / "modeling_toy.py").write_text(MODEL.replace("EPS", "1e-3"))
    git(folder, "commit", "-qam", "Another constant")
    left = act(folder, git(folder, "rev-parse", "main"))
    assert left["comment"].startswith("<!-- specdiff review -->")
    assert f"| `norm.eps` | 1e-5 | 0.001 | `modeling_toy.py:{LINE}` → `modeling_toy.py:{LINE}` |" in left["comment"]
    assert left["GITHUB_STEP_SUMMARY"] == left["comment"]
    assert left["GITHUB_OUTPUT"] == "failed=false\n"
    assert git(folder, "status", "--porcelain") == ""


def test_a_spec_that_no_longer_holds_fails_the_job_and_is_annotated(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    (folder / "toy.yaml").write_text(
        "specdiff: 1\nname: toy\ntarget: modeling_toy.py::Model\n"
        'sources: {paper: {title: "A toy", url: "https://example.org/toy"}}\n'
        'claims:\n  norm.eps: {value: 1e-5, source: paper, where: "§1", quote: "epsilon 1e-5"}\n'
    )
    (folder / "modeling_toy.py").write_text(MODEL.replace("EPS", "1e-3"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "A spec and another constant")
    left = act(folder, git(folder, "rev-parse", "main"), "*.yaml")
    assert left["GITHUB_OUTPUT"] == "failed=true\n"
    assert f"::error file=modeling_toy.py,line={LINE}" in left["log"]
    assert "the spec of toy does not hold" in left["comment"]


def test_a_change_to_nothing_says_so(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    (folder / "README.md").write_text("words")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Words")
    left = act(folder, git(folder, "rev-parse", "main"))
    assert "no architectural change" in left["comment"]
    assert left["GITHUB_OUTPUT"] == "failed=false\n"
