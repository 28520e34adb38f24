"""Counts of audit findings per id, and of verdicts, over modeling files of the installed transformers.

    python benchmarks/audit.py [--every N] [--offset K] [--jobs N] [--list ID,…]

Error and warning findings must all be real: `benchmarks/tables/audit-real.md` lists those that were read.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from specdiff import api
from specdiff.options import Options
from specdiff.project.targets import transformers_folder
from specdiff.results import Severity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every Nth file")
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument(
        "--list", default="", help="print the findings of these ids too; `all` for every error and warning"
    )
    arguments = parser.parse_args()
    files = sorted((transformers_folder() / "models").glob("*/modeling_*.py"))[arguments.offset :: arguments.every]
    results = api.inspect_all([str(path) for path in files], Options(only=frozenset({"findings"}), jobs=arguments.jobs))
    verdicts = Counter(result.verdict for result in results)
    unique = {
        (item.id, item.primary.file, item.primary.line, item.message): item
        for result in results
        for item in result.findings
    }
    counts = Counter((str(item.severity), item.id) for item in unique.values())
    print(f"{len(files)} files, {len(results)} classes: {', '.join(f'{n} {v}' for v, n in verdicts.most_common())}\n")
    print("| severity | finding | places |\n|---|---|---|")
    for (severity, name), count in sorted(counts.items()):
        print(f"| {severity} | {name} | {count} |")
    wanted = set(arguments.list.split(","))
    for item in unique.values():
        loud = item.severity in (Severity.ERROR, Severity.WARNING)
        if item.id in wanted or ("all" in wanted and loud):
            print(f"{item.severity} {item.id} {item.primary.file}:{item.primary.line} {item.message}")


if __name__ == "__main__":
    main()
