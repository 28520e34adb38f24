"""Counts of audit findings per id, and of verdicts, over modeling files of the installed transformers.

    python benchmarks/audit.py [--every N] [--offset K] [--jobs N] [--output FILE] [--list ID,…]
    python benchmarks/audit.py --table FILE…      what earlier runs wrote

Error and warning findings must all be real: `benchmarks/tables/audit-real.md` lists those that were read.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from benchmarks.families import digest
from specdiff import api
from specdiff.options import Options
from specdiff.project.targets import transformers_folder
from specdiff.results import ClassResult

LOUD = ("error", "warning")


def row(result: ClassResult) -> str:
    """One class as one line."""
    found = [
        [str(item.severity), item.id, item.primary.file, item.primary.line, item.message] for item in result.findings
    ]
    why = (
        [f"{item.file}:{item.line} {item.reason}" for item in result.undecided] if result.verdict == "undecided" else []
    )
    said = {"class": result.name, "file": result.file, "verdict": result.verdict, "findings": found}
    return json.dumps({**said, "missing": list(result.missing), "undecided": why[:6]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every Nth file, files in the order of a digest")
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write one JSON line per class as it is done")
    parser.add_argument("--table", type=Path, nargs="+", help="only count what these files say")
    parser.add_argument(
        "--list", default="", help="print the findings of these ids too; `all` for every error and warning"
    )
    arguments = parser.parse_args()
    if arguments.table:
        rows = [json.loads(line) for path in arguments.table for line in path.open()]
    else:
        folder = transformers_folder() / "models"
        every = sorted(folder.glob("*/modeling_*.py"), key=lambda path: digest(path.name))
        files = every[arguments.offset :: arguments.every]
        rows = []
        options = Options(only=frozenset({"findings"}), jobs=arguments.jobs)
        for line in api.inspect_rows([str(path) for path in files], options, row):
            rows.append(json.loads(line))
            if arguments.output:
                with arguments.output.open("a") as file:
                    file.write(line + "\n")
    show(rows, set(arguments.list.split(",")))


def show(rows: list[dict[str, Any]], wanted: set[str]) -> None:
    verdicts = Counter(each["verdict"] for each in rows)
    unique = {tuple(item[1:]): item[0] for each in rows for item in each["findings"]}
    counts = Counter((severity, item[0]) for item, severity in unique.items())
    files = {each["file"] for each in rows}
    said = ", ".join(f"{n} {v}" for v, n in verdicts.most_common())
    print(f"{len(files)} files, {len(rows)} classes: {said}\n")
    print("| severity | finding | places |\n|---|---|---|")
    for (severity, name), count in sorted(counts.items()):
        print(f"| {severity} | {name} | {count} |")
    for (name, file, line, message), severity in sorted(unique.items()):
        if name in wanted or ("all" in wanted and severity in LOUD):
            print(f"{severity} {name} {file}:{line} {message}")
    if "undecided" in wanted:
        for each in rows:
            if each["verdict"] == "undecided":
                print(f"undecided {each['file']} {each['class']}: {'; '.join(each['undecided'][:2])}")


if __name__ == "__main__":
    main()
