"""An answer key written from papers and cards before the tool saw the models: right values must match, wrong ones must be contradicted.

``answers.yaml`` holds it: a model, what the publisher configures beside the defaults, and per key a right value and a wrong
one. A right value that is not matched and a wrong one that is not contradicted are printed with what the code has.

``python benchmarks/answers.py [--only WORD] [--jobs N] [--file KEY.yaml] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import checkout  # noqa: F401
import yaml

DATA = Path(__file__).with_name("answers.yaml")
FAILS = ("mismatch", "missing")


@dataclass(frozen=True, slots=True)
class Row:
    """One key of one model: what became of the right value and of the wrong one."""

    name: str
    key: str
    right: str
    wrong: str
    actual: Any
    reason: str
    deviates: bool = False
    """Whether the code is known to differ from the source."""

    @property
    def good(self) -> bool:
        """Whether the right value matches and the wrong one is contradicted; a right one that the code is known not to have fails."""
        return self.right in FAILS if self.deviates else self.right == "match" and self.wrong in FAILS


def document(entry: dict[str, Any], side: int) -> dict[str, Any]:
    """A spec with the right values (side 0) or the wrong ones (side 1)."""
    claims = {}
    for key, values in entry["claims"].items():
        value = values[side]
        claim = value if isinstance(value, dict) else {"value": value}
        claims[key] = {**claim, "source": "paper", "where": "answer key", "quote": key}
    written: dict[str, Any] = {
        "specdiff": 1,
        "name": entry["name"],
        "target": entry["target"],
        "sources": {"paper": {"title": entry["name"], "url": address(entry["paper"])}},
        "claims": claims,
    }
    if entry.get("config"):
        written["config"] = entry["config"]
        written["config_source"] = {"source": "paper", "where": "published configuration"}
    return written


def address(paper: str) -> str:
    """The address of a source: an arXiv identifier or an address itself."""
    return f"https://arxiv.org/abs/{paper.removeprefix('arXiv:')}" if paper.startswith("arXiv:") else paper


def answers(entry: dict[str, Any]) -> list[Row]:
    """The rows of one model."""
    from specdiff import api  # noqa: PLC0415 - in the worker
    from specdiff.errors import SpecdiffError  # noqa: PLC0415
    from specdiff.options import Options  # noqa: PLC0415

    sides = []
    for side in (0, 1):
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "claims.yaml"
            path.write_text(yaml.safe_dump(document(entry, side)), encoding="utf-8")
            try:
                sides.append({claim.key: claim for claim in api.check(path, Options(only=frozenset({"facts"}))).claims})
            except SpecdiffError as error:
                return [Row(entry["name"], key, "error", "error", None, str(error)) for key in entry["claims"]]
    known = entry.get("deviations", {})
    rows = []
    for key in entry["claims"]:
        right, wrong = (side[key] for side in sides)
        status = str(right.status), str(wrong.status)
        rows.append(Row(entry["name"], key, *status, right.actual, right.reason, key in known))
    return rows


def main() -> None:
    """Check and print; the exit code says whether a row is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only models whose name holds this word")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--file", type=Path, default=DATA, help="another answer key")
    parser.add_argument("--json", type=Path, help="write every row there")
    arguments = parser.parse_args()
    key = yaml.safe_load(arguments.file.read_text(encoding="utf-8"))
    entries = [entry for entry in key if arguments.only in entry["name"]]
    rows: list[Row] = []
    with get_context("spawn").Pool(arguments.jobs, maxtasksperchild=4) as pool:
        for found in pool.imap(answers, entries):
            rows += found
            for row in found:
                if not row.good:
                    text = f"{row.name:<24} {row.key:<28} right: {row.right:<10} wrong: {row.wrong:<10} {row.actual}"
                    print(f"{text} {row.reason[:160]}".rstrip(), flush=True)
    print(f"right values: {dict(Counter(row.right for row in rows))}")
    print(f"wrong values: {dict(Counter(row.wrong for row in rows))}")
    print(f"{sum(row.good for row in rows)} of {len(rows)} as they should be, {len(entries)} models")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    raise SystemExit(not all(row.good for row in rows))


if __name__ == "__main__":
    main()
