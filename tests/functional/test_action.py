"""The action's script, end to end on a local repository with a real change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
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


def act(folder: Path, base: str, specs: str = "", head: str = "") -> dict[str, str]:
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
        "SPECDIFF_BASE": base, "SPECDIFF_HEAD": head, "SPECDIFF_SPECS": specs, "SPECDIFF_OUT": str(out), "PYTHONPATH": str(ROOT),
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
    assert left["GITHUB_OUTPUT"] == "failed=false\nsarif=true\nspecs-sarif=false\n"
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
    assert left["GITHUB_OUTPUT"] == "failed=true\nsarif=true\nspecs-sarif=true\n"
    assert f"::error file=modeling_toy.py,line={LINE}" in left["log"]
    assert "the spec of toy does not hold" in left["comment"]


def test_what_came_into_the_base_meanwhile_is_no_change_of_the_pull_request(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    base = git(folder, "rev-parse", "main")
    (folder / "modeling_other.py").write_text(MODEL.replace("EPS", "1e-3"))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Another model")
    head = git(folder, "rev-parse", "HEAD")
    git(folder, "checkout", "-q", "main")
    (folder / "modeling_toy.py").write_text(MODEL.replace("EPS", "1e-2"))
    git(folder, "commit", "-qam", "Another constant")
    git(folder, "checkout", "-q", "--detach")
    git(folder, "merge", "-q", "--no-edit", "change")
    assert "1 added model class\n" in act(folder, base, head=head)["comment"]


def test_a_change_to_nothing_says_so(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    (folder / "README.md").write_text("words")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Words")
    left = act(folder, git(folder, "rev-parse", "main"))
    assert "no architectural change" in left["comment"]
    assert left["GITHUB_OUTPUT"].startswith("failed=false\n")


def test_a_new_error_is_annotated_and_in_the_sarif(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    (folder / "modeling_toy.py").write_text(
        MODEL.replace("EPS", "1e-5").replace("self.head(self.last(x))", "self.head(self.lost(x))")
    )
    git(folder, "commit", "-qam", "A slip")
    left = act(folder, git(folder, "rev-parse", "main"))
    assert left["GITHUB_OUTPUT"].startswith("failed=true\nsarif=true\n")
    assert "::error file=modeling_toy.py,line=" in left["log"]
    document = json.loads((tmp_path / "out" / "specdiff.sarif").read_text())
    assert {result["level"] for result in document["runs"][0]["results"]} >= {"error"}


def test_a_base_that_is_not_there_is_said_to_be_the_checkouts_fault(tmp_path: Path) -> None:
    left = act(repository(tmp_path), "0" * 40)
    assert left["GITHUB_OUTPUT"] == "failed=true\nsarif=false\nspecs-sarif=false\n"
    assert "fetch-depth 0" in left["log"]
    assert "could not review this change" in left["comment"]


GH = """\
#!/bin/sh
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  *--paginate*) printf '%s' "$EARLIER" ;;
  *) [ -z "$DENIED" ] || { echo "gh: Resource not accessible by integration (HTTP 403)" >&2; exit 1; } ;;
esac
"""


@pytest.mark.parametrize(
    ("earlier", "denied", "last", "said"),
    [
        ("", "", "--method POST repos/o/r/issues/7/comments", ""),
        ("41\n42\n", "", "--method PATCH repos/o/r/issues/comments/41", ""),
        ("", "1", "--method POST", "::notice title=specdiff::the review is in the job summary"),
    ],
    ids=["the first", "an update", "from a fork"],
)
def test_one_comment(tmp_path: Path, earlier: str, denied: str, last: str, said: str) -> None:
    (tmp_path / "comment.md").write_text("<!-- specdiff review -->\nwords\n")
    program, calls = tmp_path / "gh", tmp_path / "calls"
    program.write_text(GH)
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), "EARLIER": earlier, "DENIED": denied,
        "SPECDIFF_OUT": str(tmp_path), "GITHUB_REPOSITORY": "o/r", "PULL": "7",
    }  # fmt: skip
    run = subprocess.run(
        ["bash", str(ROOT / "action" / "comment.sh")], env=environment, check=True, capture_output=True, text=True
    )
    assert last in calls.read_text().splitlines()[-1]
    assert run.stdout.startswith(said)
