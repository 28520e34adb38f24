"""Liveness against recorded runs: a parameter that received a gradient must be live, and what is unused must not have.

``python benchmarks/liveness.py [--more] [--only TEXT] [--every N]``; with ``--table`` it lists what is reported
unused over the installed library's classes, built from their configurations' defaults.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import checkout  # noqa: F401

from benchmarks.calls import DEFAULT, MORE, analysed, rows, scored
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.project.modes import MODES
from specdiff.project.targets import resolve, transformers_folder
from specdiff.results import ClassResult
from specdiff.session import Session, deeply

LIVE_PARTS = frozenset({"live", "unused"})


@dataclass(slots=True)
class Score:
    """What one class's comparison gave."""

    name: str
    gradients: set[str]
    """Parameters that received one."""
    none: set[str]
    """Parameters that did not."""
    live: set[str]
    unused: set[str]
    selects: set[str]
    why: str = ""
    """Why nothing is claimed."""

    @property
    def decided(self) -> bool:
        return bool(self.live or self.unused)


def score(session: Session, row: dict[str, object], options: Options) -> Score:
    """Compare one class."""
    result = analysed(session, row, options)
    gradients, none = set(row["live"]), set(row["no_gradient"])  # type: ignore[call-overload]
    if isinstance(result, str):
        return Score(str(row["cls"]), gradients, none, set(), set(), set(), result)
    why = "; ".join(note.reason for note in result.undecided if "forward" in note.reason)
    return Score(
        result.name,
        gradients,
        none,
        set(result.live),
        set(result.unused),
        set(result.selects),
        why or "no reason given",
    )


def report(scores: list[Score], most: int) -> int:
    """Print the comparison; how many claims are wrong."""
    decided = [item for item in scores if item.decided]
    wrong = sum(len(item.gradients & item.unused) for item in decided)
    gradients = sum(len(item.gradients) for item in decided)
    live = sum(len(item.gradients & item.live) for item in decided)
    idle = [name for item in decided for name in item.none]
    print(f"classes {len(scores)}, with liveness {len(decided)}, undecided {len(scores) - len(decided)}")
    print(f"parameters with a gradient that are live: {live}/{gradients}, said to be unused: {wrong}")
    kinds = Counter(_kind(item, name) for item in decided for name in item.none)
    print(f"parameters without a gradient: {len(idle)}:", ", ".join(f"{kind} {n}" for kind, n in kinds.most_common()))
    for item in scores:
        if not item.decided:
            print(f"  undecided {item.name}: {item.why}")
    for item in decided:
        lost = sorted(item.gradients - item.live)
        if lost:
            print(f"  not live in {item.name}: {len(lost)}: {', '.join(lost[:most])}")
        for title, names in (
            ("live without a gradient", item.none & item.live),
            ("unused", item.unused),
            ("selects", item.selects),
        ):
            if names:
                print(f"  {title} in {item.name}: {len(names)}: {', '.join(sorted(folded(names))[:most])}")
    return wrong + gradients - live


def _kind(item: Score, name: str) -> str:
    return next((kind for kind in ("unused", "selects", "live") if name in getattr(item, kind)), "nothing")


def folded(names: set[str]) -> set[str]:
    """Names with layer numbers folded."""
    return {re.sub(r"(?<=\.)\d+(?=\.|$)", "N", name) for name in names}


def unused_table(session: Session, only: str, every: int) -> None:
    """Print what is unused over the library, one line per class and folded parameter name."""
    paths = sorted((transformers_folder() / "models").glob("*/modeling_*.py"))
    for path in [path for path in paths if only in path.name][::every]:
        try:
            results = [result for target in resolve(str(path)) for result in session.analyse(target)]
        except SpecdiffError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            continue
        for result in results:
            _print_unused(result)


def _print_unused(result: ClassResult) -> None:
    status = "decided" if result.live or not result.parameters else "undecided"
    names = Counter(re.sub(r"(?<=\.)\d+(?=\.|$)", "N", name) for name in result.unused)
    print("\t".join((result.file, result.name, status, " ".join(f"{name}({n})" for name, n in names.items()))))
    sys.stdout.flush()


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, action="append", help="recorded rows (default: all that are committed)")
    parser.add_argument("--only", default="", help="classes (with --table: files) whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="take every N-th row or file")
    parser.add_argument("--more", action="store_true", help="the other classes that were recorded")
    parser.add_argument("--most", type=int, default=6, help="names to list per class")
    parser.add_argument("--mode", default="prefill", choices=MODES, help="what forward is followed with")
    parser.add_argument("--table", action="store_true", help="what is unused over the installed library")
    args = parser.parse_args()
    options = Options(only=LIVE_PARTS, mode=args.mode)
    if args.table:
        deeply(lambda: unused_table(Session(options), args.only, args.every))
        return 0
    paths = tuple(args.truth or ((MORE,) if args.more else DEFAULT))
    scores = deeply(lambda: scored(list(rows(paths, args.only))[:: args.every], options, score))
    return 1 if report(scores, args.most) else 0


if __name__ == "__main__":
    sys.exit(main())
