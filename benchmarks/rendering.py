"""Time and size of every rendering, for a checked model and for the class of the library with the most parameters.

    python benchmarks/rendering.py [--spec SPEC] [--target TARGET]

Processor time of a rendering alone, as a share of the analysis that it shows; the first of a kind carries the import of
its library. Pages over the limit are marked and end the run with 1.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import checkout  # noqa: F401

from specdiff import api, report
from specdiff.options import Options

ROOT = Path(__file__).resolve().parents[1]
TRUTH = ROOT / "benchmarks" / "truth" / "parameters-transformers-5.23.0.jsonl.xz"
PAGE_LIMIT = 2_000_000
"""Bytes: a page that is sent by mail or opened over a slow line."""


class Row(NamedTuple):
    """One rendering."""

    what: str
    form: str
    seconds: float
    share: float
    size: int


def largest() -> str:
    """The target with the most parameter tensors, as torch built it."""
    with lzma.open(TRUTH, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    best = max((row for row in rows if row.get("params")), key=lambda row: (len(row["params"]), row["cls"]))
    return f"{best['family']}::{best['cls']}"


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Processor seconds and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def renderings(spec: Path, target: str) -> Iterator[Row]:
    """Every format of a check, of an inspection, and of the drawings."""
    took, check = timed(lambda: api.check(spec, Options()))
    for form in report.CHECK_FORMATS:
        yield row(spec.stem, form, took, lambda form=form: report.render_check(check, form))
    for level in report.DIAGRAM_LEVELS:
        for form in report.DIAGRAM_FORMATS:
            yield row(spec.stem, f"{level} {form}", took, lambda f=form, at=level: report.render_diagram(check, f, at))
    took, found = timed(lambda: api.inspect(target, Options()))
    for form in report.INSPECT_FORMATS:
        yield row(target, form, took, lambda form=form: report.render_inspect(found, form))
    yield row(target, "model svg", took, lambda: report.render_diagram(found[0], "svg"))


def row(what: str, form: str, analysis: float, work: Callable[[], object]) -> Row:
    """One measured rendering."""
    took, data = timed(work)
    size = len(data.encode()) if isinstance(data, str) else len(data) if isinstance(data, bytes) else 0
    return Row(what, form, took, took / analysis if analysis else 0.0, size)


def main() -> int:
    """Print the table; 1 where a page is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, default=ROOT / "specs" / "gpt-oss-120b.yaml")
    parser.add_argument("--target", default="", help="(default: the class with the most parameter tensors)")
    arguments = parser.parse_args()
    over = False
    print(f"{'what':46} {'rendering':20} {'CPU ms':>8} {'of analysis':>12} {'bytes':>10}")
    for each in renderings(arguments.spec, arguments.target or largest()):
        late = each.form == "html" and each.size > PAGE_LIMIT
        over = over or late
        mark = f"  over {PAGE_LIMIT:,}" if late else ""
        print(f"{each.what:46} {each.form:20} {each.seconds * 1000:8.0f} {each.share:12.1%} {each.size:10,}{mark}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
