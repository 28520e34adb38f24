"""How well parameter trees are known on code that the analyser was not written for: older releases of transformers,
remote code and publishers' own programs.

    python benchmarks/generality.py --releases unpacked --programs repositories --output benchmarks/tables/generality.md

Releases are looked for as ``unpacked/VERSION/transformers``, programs as ``repositories/owner+name``; what is not there
is left out. Ground truth: ``truth/releases/*.jsonl.xz`` (`make_truth.py --files 60`), ``truth/programs.jsonl.xz``
(`make_programs.py`).
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import checkout  # noqa: F401
from parameters import ONLY, TRUTH, Score, compare, read_truth, run_file, tasks

from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.project.targets import resolve
from specdiff.results import ClassResult
from specdiff.session import Session, deeply

RELEASES = TRUTH / "releases"
PROGRAMS = TRUTH / "programs.jsonl.xz"
HEAD = "| {what} | exact classes | exact parameters | exact totals | errors, same cause |\n|---|--:|--:|--:|--:|"


def line(name: str, score: Score) -> str:
    """One row of the table."""
    return (
        f"| {name} | {score.exact_classes} / {score.classes} | {score.exact_parameters} / {score.parameters} "
        f"| {score.exact_totals} / {score.classes} | {score.same_causes} / {score.errors} |"
    )


def releases(folder: Path, differences: list[str], only: list[str]) -> Iterator[tuple[str, Score]]:
    """Every release that is there and has ground truth."""
    for path in sorted(RELEASES.glob("parameters-transformers-*.jsonl.xz"), key=version):
        name = path.name.removeprefix("parameters-transformers-").removesuffix(".jsonl.xz")
        root = folder / name / "transformers"
        if not root.is_dir() or (only and name not in only):
            continue
        score = Score()
        for _, part, _, _ in map(run_file, tasks(read_truth(path), root, lambda family: True, True)):
            score.add(part)
        differences.extend(f"{name} {text}" for text in score.differences)
        yield f"transformers {name}", score


def version(path: Path) -> tuple[int, ...]:
    """A release's number, to sort by."""
    return tuple(int(part) for part in path.name.split("-")[-1].split(".")[:3])


def program(root: Path, row: dict[str, Any]) -> Score:
    """One program."""
    folder = root / row["repository"].replace("/", "+") / row.get("path", "")
    options = Options(
        classes=(row["cls"],),
        config=folder / row["config"] if row.get("config") else None,
        settings=tuple(row.get("settings", {}).items()),
        only=ONLY,
    )
    results: dict[str, ClassResult] = {}
    label = {**row, "family": f"{row['repository']} {row['file']}"}
    try:
        for target in resolve(str(folder / row["file"]), options.classes):
            for result in Session(options).analyse(replace(target, classes=options.classes)):
                results[result.name] = result
    except SpecdiffError as error:
        score = compare([label], results)
        score.differences.insert(0, f"{label['family']}: {error}")
        return score
    return compare([label], results)


def programs(root: Path, path: Path, differences: list[str], only: list[str]) -> Iterator[tuple[str, Score]]:
    """Every repository that is there."""
    opener: Any = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(text) for text in stream]
    scores: dict[str, Score] = {}
    for row in rows:
        name = row["repository"]
        if not (root / name.replace("/", "+")).is_dir() or (only and not any(part in name for part in only)):
            continue
        part = deeply(lambda row=row: program(root, row))
        differences.extend(part.differences)
        scores.setdefault(name, Score()).add(part)
    yield from scores.items()


def table(what: str, rows: Iterator[tuple[str, Score]]) -> list[str]:
    """A table with its sum."""
    total = Score()
    lines = [HEAD.format(what=what)]
    for name, score in rows:
        lines.append(line(name, score))
        print(lines[-1], flush=True)
        total.add(score)
    return [*lines, line("all", total)]


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="compare parameter trees of other releases and programs with torch's")
    parser.add_argument("--releases", type=Path, help="the folder with unpacked releases of transformers")
    parser.add_argument("--programs", type=Path, help="the folder with repositories")
    parser.add_argument("--truth", type=Path, default=PROGRAMS, help="ground truth of the programs")
    parser.add_argument("--only", action="append", default=[], help="a release, or part of a repository's name")
    parser.add_argument("--output", type=Path, help="write the table there as well")
    given = parser.parse_args()
    differences: list[str] = []
    parts: list[str] = []
    if given.releases is not None:
        parts += ["", *table("release", releases(given.releases, differences, given.only))]
    if given.programs is not None:
        parts += ["", *table("program", programs(given.programs, given.truth, differences, given.only))]
    shown = [f"- {' '.join(text.split())}" for text in differences]
    if given.output is not None:
        head = ["# Parameter trees on code that the analyser was not written for", "", (__doc__ or "").strip()]
        rest = ["", "## What differs", "", *shown] if shown else []
        given.output.write_text("\n".join([*head, *parts, *rest]) + "\n", encoding="utf-8")
    print("\n".join(["", *shown]))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
