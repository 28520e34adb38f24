"""`gallery`: a folder of reports that is the same however it is built."""

from __future__ import annotations

from pathlib import Path

from specdiff.cli import main

SPECS = [f"specs/{name}.yaml" for name in ("gpt2", "gpt-oss-20b", "whisper-large-v2")]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_bytes_in_any_order_and_number_of_processes(tmp_path: Path) -> None:
    assert main(["gallery", *SPECS, "--jobs", "1", "--output", str(tmp_path / "one")]) == 0
    assert main(["gallery", *reversed(SPECS), "--jobs", "2", "--output", str(tmp_path / "two")]) == 0
    first = _files(tmp_path / "one")
    assert first == _files(tmp_path / "two")
    assert {"README.md", "index.html", "facts.csv", "gpt-oss-20b/report.md", "gpt-oss-20b/architecture.svg"} <= set(
        first
    )


def test_the_readme_links_every_model(tmp_path: Path) -> None:
    assert main(["gallery", *SPECS, "--output", str(tmp_path)]) == 0
    text = (tmp_path / "README.md").read_text()
    rows = [line for line in text.splitlines() if "report.md" in line]
    assert len(rows) == len(SPECS)
    assert all((tmp_path / row.split("](")[1].split(")")[0]).is_file() for row in rows)
    assert "| [gpt-oss-20b](gpt-oss-20b/report.md) | match |" in text
