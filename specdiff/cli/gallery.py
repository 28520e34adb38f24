"""`specdiff gallery`: a folder of reports with an index page, from specs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from specdiff.cli.check import write_reports
from specdiff.cli.options import OK, write_file
from specdiff.cli.progress import progress
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
    parts = []
    with progress("specs") as told, ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(_build, paths, [arguments.output] * len(paths)):
            parts.append(part)
            told(len(parts), len(paths))
    problems = [Problem(*each) for _, found in parts for each in found]
    if problems:
        raise SpecdiffError(*problems)
    cards = {card.name: card for card, _ in parts}
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


def _build(path: str, output: Path) -> tuple[Any, list[tuple[str, int, int, str]]]:
    """Check a spec and write its folder; its card, and what was wrong."""
    from specdiff import api
    from specdiff.options import Options
    from specdiff.report import gallery

    try:
        (result,) = api.check_all([Path(path)], Options())
        folder = _folder(path)
        write_reports(result, output / folder)
    except SpecdiffError as error:
        return None, [(each.file, each.line, each.column, each.message) for each in error.problems]
    return gallery.card(result, folder), []
