"""`specdiff gallery`: a folder of reports with an index page, from specs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from specdiff.cli.check import write_reports
from specdiff.cli.options import OK, write_file
from specdiff.errors import Problem, SpecdiffError


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    gallery = commands.add_parser(
        "gallery",
        help="reports of many specs with an index page",
        description="Check specs and write a folder of reports with an index page (HTML and Markdown) and a table of all facts.",
    )
    gallery.add_argument(
        "specs", nargs="+", type=Path, metavar="SPEC", help="YAML specs; a family's variants all count"
    )
    gallery.add_argument("--output", type=Path, default=Path("reports"), metavar="DIR", help="(default: reports)")
    gallery.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: the cores)")
    gallery.add_argument("--debug", action="store_true", help="show tracebacks of defects")
    gallery.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check everything, then write everything; specs that do not validate end it before anything is written."""
    from concurrent.futures import ProcessPoolExecutor

    from specdiff.report import gallery
    from specdiff.spec.load import load_specs

    paths = [spec.path for spec in load_specs(arguments.specs)]
    jobs = min(len(paths), arguments.jobs or os.cpu_count() or 1)
    pieces = [paths[start::jobs] for start in range(jobs)]
    if jobs == 1:
        parts = [_build(pieces[0], arguments.output)]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            parts = list(pool.map(_build, pieces, [arguments.output] * jobs))
    problems = [Problem(*each) for _, found in parts for each in found]
    if problems:
        raise SpecdiffError(*problems)
    cards = {each.name: each for cards, _ in parts for each in cards}
    ordered = [cards[name] for name in sorted(cards, key=str.lower)]
    write_file(arguments.output / "index.html", gallery.page(ordered).encode())
    write_file(arguments.output / "README.md", gallery.readme(ordered).encode())
    write_file(arguments.output / "facts.csv", gallery.table(ordered).encode())
    return OK


def _folder(path: str) -> str:
    """A spec's folder: its file's name, and its variant's."""
    file, _, variant = path.partition("::")
    name = "-".join(part for part in (Path(file).stem, variant) if part)
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name)


def _build(paths: Sequence[str], output: Path) -> tuple[list[Any], list[tuple[str, int, int, str]]]:
    """Check some specs and write their folders; their cards, and what was wrong."""
    from specdiff import api
    from specdiff.options import Options
    from specdiff.report import gallery

    cards = []
    problems: list[tuple[str, int, int, str]] = []
    for path in paths:
        try:
            (result,) = api.check_all([Path(path)], Options())
            folder = _folder(path)
            write_reports(result, output / folder)
        except SpecdiffError as error:
            problems.extend((each.file, each.line, each.column, each.message) for each in error.problems)
            continue
        cards.append(gallery.card(result, folder))
    return cards, problems
