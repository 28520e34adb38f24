"""Compares the analyser's parameter trees with recorded ground truth: `python benchmarks/parameters.py --help`.

One row of ground truth per class: the names, shapes and order that torch gave, or the error that it raised.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.project.targets import resolve, transformers_folder
from specdiff.results import ClassResult
from specdiff.session import Session, deeply

TRUTH = Path(__file__).resolve().parent / "truth"
ONLY = frozenset({"parameters", "tied", "total_parameters"})
SLOWEST = 15
"""Files listed in the table of times."""


@dataclass
class Score:
    """What one file, or all of them, came to."""

    classes: int = 0
    exact_classes: int = 0
    parameters: int = 0
    exact_parameters: int = 0
    exact_totals: int = 0
    errors: int = 0
    same_causes: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Add another file's score."""
        for name in ("classes", "exact_classes", "parameters", "exact_parameters", "exact_totals", "errors"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.same_causes += other.same_causes
        self.differences.extend(other.differences)


def read_truth(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of ground truth by file."""
    rows: dict[str, list[dict[str, Any]]] = {}
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            rows.setdefault(row["file"], []).append(row)
    return rows


def in_slice(name: str, slices: int, which: int = 0) -> bool:
    """Whether a family belongs to one of so many slices, by the hash of its name."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % slices == which


def same_cause(error: str, result: ClassResult) -> bool:
    """Whether the finding is the exception that torch raised: its type, and its message as far as both give one."""
    if not result.findings or result.findings[0].id != "build.error":
        return False
    return reduced(error) == reduced(result.findings[0].message)


def reduced(error: str) -> str:
    """An exception's type and message without what depends on the machine (installation advice, object addresses)."""
    kind, _, message = error.partition(": ")
    kind = {"ModuleNotFoundError": "ImportError"}.get(kind, kind)
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    text = lines[0] if lines else ""
    return f"{kind}: {text.partition('. ')[0].partition(' at position ')[0][:120]}"


def compare(rows: Iterable[dict[str, Any]], results: dict[str, ClassResult]) -> Score:
    """Score the classes of one file."""
    score = Score()
    for row in rows:
        name = row["cls"]
        label = f"{row['family']}::{name}"
        result = results.get(name)
        if "error" in row:
            score.errors += 1
            if result is not None and same_cause(row["error"], result):
                score.same_causes += 1
            else:
                found = _shown(result)
                score.differences.append(f"{label}: torch: {' '.join(row['error'].split())[:150]} | here: {found}")
            continue
        expected: dict[str, list[int]] = row["params"]
        score.classes += 1
        score.parameters += len(expected)
        actual = {key: list(shape) for key, shape in result.parameters.items()} if result is not None else {}
        score.exact_parameters += sum(actual.get(key) == shape for key, shape in expected.items())
        total_right = result is not None and (result.total_parameters or 0) == row["n"]
        score.exact_totals += total_right
        if list(actual.items()) == list(expected.items()) and result is not None and result.tree is not None:
            score.exact_classes += 1
            if not total_right:
                score.differences.append(f"{label}: total {result.total_parameters} instead of {row['n']}")
        else:
            score.differences.append(f"{label}: {_first_difference(expected, actual, result)}")
    return score


def _shown(result: ClassResult | None) -> str:
    if result is None:
        return "no such class"
    if result.findings:
        finding = result.findings[0]
        return f"{' '.join(finding.message.split())[:150]} ({finding.primary.file}:{finding.primary.line})"
    return f"built, {len(result.parameters)} parameters"


def _first_difference(expected: dict[str, list[int]], actual: dict[str, list[int]], result: ClassResult | None) -> str:
    if result is None or result.tree is None:
        return _shown(result)
    for key, shape in expected.items():
        if key not in actual:
            return f"{key} {shape} is missing ({len(actual)} of {len(expected)} parameters)"
        if actual[key] != shape:
            return f"{key} is {actual[key]} instead of {shape}"
    for key in actual:
        if key not in expected:
            return f"{key} {actual[key]} is too much"
    first = next((pair for pair in zip(expected, actual, strict=False) if pair[0] != pair[1]), ("", ""))
    return f"order: {first[1]} where torch has {first[0]}"


_SESSIONS: dict[bool, Session] = {}


def run_file(task: tuple[str, str, list[dict[str, Any]], bool]) -> tuple[str, Score, float, float]:
    """Analyse one file and compare; a crash of the analyser is a difference, not the end."""
    return deeply(lambda: _run_file(task))


def _run_file(task: tuple[str, str, list[dict[str, Any]], bool]) -> tuple[str, Score, float, float]:
    label, path, rows, use_cache = task
    started = time.process_time()
    session = _SESSIONS.setdefault(use_cache, Session(Options(only=ONLY, use_cache=use_cache)))
    results: dict[str, ClassResult] = {}
    crash = ""
    try:
        wanted = {row["cls"] for row in rows}
        for target in resolve(path):
            for result in session.analyse(replace(target, classes=())):
                if result.name in wanted:
                    results[result.name] = result
    except SpecdiffError as error:
        crash = f"{label}: {error}"
    except Exception as error:
        crash = f"{label}: the analyser crashed: {type(error).__name__}: {error}"
    score = compare(rows, results)
    if crash:
        score.differences.insert(0, crash)
    return label, score, time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tasks(
    truth: dict[str, list[dict[str, Any]]], root: Path, keep: Any, use_cache: bool
) -> Iterator[tuple[str, str, list[dict[str, Any]], bool]]:
    """The files to analyse."""
    for file, rows in sorted(truth.items()):
        if keep(rows[0]["family"]):
            yield file, str(root / file), rows, use_cache


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="compare parameter trees with recorded ground truth")
    parser.add_argument("--truth", type=Path, help="a file of ground truth (default: the newest that fits the library)")
    parser.add_argument("--source", type=Path, help="the transformers package to analyse (default: the installed one)")
    parser.add_argument("--family", action="append", default=[], help="only this family; may be given several times")
    parser.add_argument("--slice", type=int, default=1, metavar="N", help="one Nth of the families, by hash")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-cache", action="store_true", help="parse everything again")
    parser.add_argument("--limit", type=int, default=10_000, metavar="N", help="differences to print")
    given = parser.parse_args()
    root: Path = given.source or transformers_folder()
    truth_path = given.truth or next(iter(sorted(TRUTH.glob("parameters-transformers-*.jsonl.xz"), reverse=True)))
    truth = read_truth(truth_path)

    def keep(family: str) -> bool:
        return family in given.family if given.family else in_slice(family, given.slice)

    todo = list(tasks(truth, root, keep, not given.no_cache))
    started = time.perf_counter()
    score, times, peak = Score(), [], 0.0
    pool = multiprocessing.Pool(given.jobs) if given.jobs > 1 and len(todo) > 1 else None
    try:
        for label, part, seconds, memory in pool.imap_unordered(run_file, todo, 4) if pool else map(run_file, todo):
            score.add(part)
            times.append((seconds, label))
            peak = max(peak, memory)
    finally:
        if pool is not None:
            pool.close()
            pool.join()
    for line in sorted(score.differences)[: given.limit]:
        print(line)
    print(f"\n{truth_path.name}, {len(todo)} files")
    print(f"exact classes      {score.exact_classes} / {score.classes}")
    print(f"exact parameters   {score.exact_parameters} / {score.parameters}")
    print(f"exact totals       {score.exact_totals} / {score.classes}")
    print(f"errors, same cause {score.same_causes} / {score.errors}")
    print(
        f"\n{time.perf_counter() - started:.1f} s in {given.jobs} processes, peak {peak:.0f} MiB; process seconds by file:"
    )
    for seconds, label in sorted(times, reverse=True)[:SLOWEST]:
        print(f"  {seconds:7.2f}  {label}")
    print(f"  {sum(seconds for seconds, _ in times):7.2f}  all {len(times)}")
    return 1 if score.differences else 0


if __name__ == "__main__":
    sys.exit(main())
