"""Call graph against recorded runs: edges found of those that happened, and static edges that did not happen.

``python benchmarks/calls.py [--more] [--only TEXT] [--every N] [--missed N] [--surplus N]``
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.project.targets import resolve, transformers_folder
from specdiff.results import ClassResult
from specdiff.session import Session, deeply

TRUTH = Path(__file__).parent / "truth"
DEFAULT = (TRUTH / "dynamic-transformers-5.23.0.jsonl.xz",)
MORE = TRUTH / "calls-more-transformers-5.23.0.jsonl.xz"
"""Other classes, recorded with `make_calls.py`."""
PREFIX = "models/"
ENTRY = "<entry>"

Edge = tuple[str, str]


@dataclass(slots=True)
class Score:
    """What one class's comparison gave."""

    name: str
    recorded: set[Edge]
    found: set[Edge]
    notes: list[str] = field(default_factory=list)

    @property
    def missed(self) -> list[Edge]:
        return sorted(self.recorded - self.found)

    @property
    def surplus(self) -> list[Edge]:
        return sorted(self.found - self.recorded)


def rows(paths: tuple[Path, ...], only: str = "") -> Iterator[dict[str, Any]]:
    """The recorded classes."""
    for path in paths:
        with lzma.open(path, "rt") as lines:
            for line in lines:
                row = json.loads(line)
                if only in row["cls"]:
                    yield row


def edges_of(row: dict[str, Any]) -> set[Edge]:
    """A row's edges, those of other modes included, their paths as the analyser shows them."""
    edges = [*row["edges"], *(edge for mode in row.get("modes", {}).values() for edge in mode)]
    return {(_shown(a), _shown(b)) for a, b in edges}


def _shown(name: str) -> str:
    return name if name == ENTRY else PREFIX + name


def target_of(row: dict[str, Any]) -> str:
    """The file and class of a row (an edge names the file)."""
    end = f"/{row['file']}.py"
    for name in (name for edge in row["edges"] for name in edge):
        path = name.partition("::")[0]
        if path.endswith(end):
            return f"{transformers_folder() / 'models' / path}::{row['cls']}"
    family = row["file"].removeprefix("modeling_")
    return f"{family}::{row['cls']}"


def analysed(session: Session, row: dict[str, Any], options: Options) -> ClassResult | str:
    """The class with the row's configuration, or why there is none."""
    settings = tuple(row["config"].items())
    session.options = replace(options, settings=settings)
    try:
        for target in resolve(target_of(row)):
            for result in session.analyse(target):
                return result
    except SpecdiffError as error:
        return str(error)
    return "no such class"


def score(session: Session, row: dict[str, Any], options: Options) -> Score:
    """Compare one class."""
    result = analysed(session, row, options)
    if isinstance(result, str):
        return Score(row["cls"], edges_of(row), set(), [result])
    notes = [f"{note.reason} ({note.file}:{note.line})" for note in result.undecided]
    if "inputs" in row:
        notes.insert(0, f"recorded with {', '.join(row['inputs'])}")
    return Score(row["cls"], edges_of(row), set(result.calls), notes)


def report(scores: list[Score], missed: int, surplus: int) -> None:
    """Print recall, what was missed, and surplus with its most common edges."""
    recorded = sum(len(item.recorded) for item in scores)
    lost = sum(len(item.missed) for item in scores)
    extra = sum(len(item.surplus) for item in scores)
    whole = sum(not item.missed for item in scores)
    print(f"classes {len(scores)}, every recorded edge found in {whole}")
    print(f"recall {recorded - lost}/{recorded} = {100 * (recorded - lost) / max(recorded, 1):.2f}%")
    print(f"surplus {extra} static edges not seen, {extra / max(len(scores), 1):.2f} per class")
    for item in scores:
        if item.missed:
            print(f"\nmissed in {item.name}: {len(item.missed)} of {len(item.recorded)}")
            for caller, callee in item.missed[:missed]:
                print(f"  {_short(caller)} -> {_short(callee)}")
            for note in item.notes[:missed]:
                print(f"    undecided: {note}")
    ranked = sorted(scores, key=lambda item: -len(item.surplus))
    print("\nmost surplus:", ", ".join(f"{item.name} {len(item.surplus)}/{len(item.recorded)}" for item in ranked[:15]))
    common = Counter((_name(a), _name(b)) for item in scores for a, b in item.surplus)
    for (caller, callee), count in common.most_common(surplus):
        print(f"  {count:4} {caller} -> {callee}")


def _short(name: str) -> str:
    return name if name == ENTRY else name.rpartition("/")[2]


def _name(name: str) -> str:
    """``Class.function`` without file and line."""
    return name if name == ENTRY else name.partition("::")[2].rpartition(":")[0]


def scored(
    chosen: list[dict[str, Any]], options: Options, score: Callable[[Session, dict[str, Any], Options], Any]
) -> list[Any]:
    """The score of each recorded row, in one session."""
    session = Session(options)
    scores = []
    for row in chosen:
        scores.append(score(session, row, options))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    session.close()
    return scores


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, action="append", help="recorded rows (default: all that are committed)")
    parser.add_argument("--only", default="", help="classes whose name contains this")
    parser.add_argument("--missed", type=int, default=12, help="missed edges to list per class")
    parser.add_argument("--surplus", type=int, default=40, help="surplus edges to list")
    parser.add_argument("--more", action="store_true", help="the other classes, most of them recorded with text only")
    parser.add_argument("--every", type=int, default=1, help="take every N-th row")
    args = parser.parse_args()
    options = Options(only=frozenset({"calls"}))
    paths = tuple(args.truth or ((MORE,) if args.more else DEFAULT))
    scores = deeply(lambda: scored(list(rows(paths, args.only))[:: args.every], options, score))
    report(scores, args.missed, args.surplus)
    return 1 if any(item.missed for item in scores) else 0


if __name__ == "__main__":
    sys.exit(main())
