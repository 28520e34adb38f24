"""The claims of all specs held against the code: by status and by key, and every one that does not match.

``python benchmarks/claims.py [SPEC ...] [--jobs N] [--undecided] [--markdown] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

REPOSITORY = Path(__file__).resolve().parents[1]
STATUSES = ("match", "mismatch", "missing", "undecided")
DEVIATION = "deviation"
LIMIT = 600


@dataclass(frozen=True, slots=True)
class Row:
    """One claim and what became of it; a known deviation is a status of its own."""

    spec: str
    key: str
    status: str
    expected: Any
    actual: Any
    reason: str
    place: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A spec that could not be checked."""

    spec: str
    reason: str


def checked(spec: Path) -> list[Row] | Failure:
    """Check one spec in a process of its own, so that a defect costs one spec only."""
    command = [sys.executable, "-m", "specdiff", "check", str(spec), "--format", "json"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return Failure(spec.stem, f"not done within {LIMIT} s")
    if done.returncode not in (0, 1):
        return Failure(spec.stem, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return [row for result in json.loads(done.stdout)["results"] for row in rows(spec.stem, result)]


def rows(spec: str, result: dict[str, Any]) -> Iterable[Row]:
    """The claims of one result."""
    for claim in result["claims"]:
        deviates = claim.get("known_deviation") and claim["status"] in ("mismatch", "missing")
        first = next(iter(claim.get("evidence") or ()), None)
        yield Row(
            spec,
            claim["key"],
            DEVIATION if deviates else claim["status"],
            claim.get("expected"),
            claim.get("actual"),
            (claim.get("known_deviation") if deviates else claim.get("reason")) or "",
            f"{first['file']}:{first['line']}" if first else "",
        )


def short(value: Any, width: int = 60) -> str:
    """A value on part of a line."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def summary(found: Sequence[Row]) -> Iterable[str]:
    """How many claims have which status."""
    counts = Counter(row.status for row in found)
    total = len(found) or 1
    yield f"{len(found)} claims in {len({row.spec for row in found})} specs"
    for status in (*STATUSES, DEVIATION):
        yield f"  {status:<10} {counts[status]:>5}  {counts[status] / total:7.2%}"


def by_key(found: Sequence[Row]) -> Iterable[str]:
    """Per key: claims, and how many of them are not decided or do not match."""
    keys: dict[str, Counter[str]] = {}
    for row in found:
        keys.setdefault(row.key, Counter())[row.status] += 1
    yield f"{'key':<36} {'claims':>6} " + " ".join(f"{status:>9}" for status in (*STATUSES, DEVIATION))
    for key, counts in sorted(keys.items(), key=lambda item: (-item[1].total() + item[1]["match"], item[0])):
        numbers = " ".join(f"{counts[status] or '':>9}" for status in (*STATUSES, DEVIATION))
        yield f"{key:<36} {counts.total():>6} {numbers}"


def lines(found: Sequence[Row], statuses: Sequence[str]) -> Iterable[str]:
    """One line per claim of these statuses."""
    for row in sorted(found, key=lambda row: (statuses.index(row.status) if row.status in statuses else 0, row.key)):
        if row.status in statuses:
            yield (
                f"{row.status:<9} {row.spec:<24} {row.key:<32} expected {short(row.expected)}, "
                f"actual {short(row.actual)}  {row.place}  {short(row.reason, 110)}"
            )


def table(found: Sequence[Row]) -> Iterable[str]:
    """The claims that do not match, as a Markdown table: the known deviations with their reason."""
    yield "| spec | claim | status | expected | in the code | where | why |"
    yield "|---|---|---|---|---|---|---|"
    for row in sorted(found, key=lambda row: (row.spec, row.key)):
        if row.status in ("mismatch", "missing", DEVIATION):
            cells = (row.spec, row.key, row.status, short(row.expected), short(row.actual), row.place, row.reason)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    """Print it all; the exit code is 1 where a claim is contradicted or missing without a known reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("specs", nargs="*", type=Path, help="specs to check (default: specs/*.yaml)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--undecided", action="store_true", help="list the undecided claims too")
    parser.add_argument("--markdown", action="store_true", help="print only the table of claims that do not match")
    parser.add_argument("--json", type=Path, help="write every claim's row there")
    options = parser.parse_args()
    specs = [path.resolve() for path in options.specs] or sorted((REPOSITORY / "specs").glob("*.yaml"))
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(checked, specs))
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    found = [row for outcome in outcomes if not isinstance(outcome, Failure) for row in outcome]
    if options.json:
        options.json.write_text(
            json.dumps([{name: getattr(row, name) for name in Row.__slots__} for row in found], indent=1) + "\n"
        )
    if options.markdown:
        print("\n".join(table(found)))
        return 0
    print("\n".join(summary(found)))
    print()
    print("\n".join(by_key(found)))
    shown = ("mismatch", "missing", *(("undecided",) if options.undecided else ()))
    print()
    print("\n".join(lines(found, shown)) or "every claim that is decided matches")
    for failure in failures:
        print(f"not checked: {failure.spec}: {failure.reason}")
    return 1 if failures or any(row.status in ("mismatch", "missing") for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
