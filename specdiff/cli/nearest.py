"""`specdiff nearest`: the closest architectures of the installed library."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from specdiff.cli.options import OK, TARGET_HELP, emit, main_class, pipeline_options, wants_colour
from specdiff.errors import SpecdiffError


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    nearest = commands.add_parser(
        "nearest",
        parents=[shared],
        help="the closest architectures in the library",
        description="Which classes of the library are the same up to renaming, which differ, and in what.",
    )
    nearest.add_argument("target", metavar="TARGET", help=TARGET_HELP)
    nearest.add_argument(
        "--library", type=Path, metavar="DIR", help="a folder of model folders (default: the installed transformers')"
    )
    nearest.add_argument(
        "--no-facts", action="store_true", help="leave out the facts that differ from the closest model"
    )
    nearest.add_argument("--format", choices=("terminal", "json"), default="terminal", help="(default: terminal)")
    nearest.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search and print."""
    from specdiff.nearest import nearest
    from specdiff.project.targets import transformers_folder
    from specdiff.report import nearest as report
    from specdiff.session import deeply

    result = deeply(lambda: nearest(arguments.target, arguments.library))
    library = arguments.library or transformers_folder() / "models"
    differences: tuple[Any, ...] = ()
    closest = ""
    if not arguments.no_facts:
        closest, differences = _by_facts(arguments, result, library)
    emit(arguments, report.render(result, differences, arguments.format, wants_colour(arguments), closest))
    return OK


def _by_facts(arguments: argparse.Namespace, result: Any, library: Path) -> tuple[str, tuple[Any, ...]]:
    """Facts that differ from the closest model; where none is written alike, the file whose facts differ least, and those."""
    from specdiff import api
    from specdiff.nearest import LEAST_SHARE, namesakes, prevalent
    from specdiff.project.targets import resolve
    from specdiff.report.nearest import said_of

    try:
        own = main_class(api.inspect(arguments.target, pipeline_options(arguments)), arguments.target).sheet
    except SpecdiffError:
        return "", ()  # what cannot be built can still be compared class by class
    if result.models and result.models[0][1] >= LEAST_SHARE:
        found = _compared(own, library / result.models[0][0], "")
        return "", found[1] if found is not None else ()
    (item, *_) = resolve(arguments.target)
    places = dict(namesakes(item.path, library))
    places |= {file: name for file, name in prevalent(library) if (library / file).resolve() != item.path.resolve()}
    best: tuple[tuple[int, int], str, tuple[Any, ...]] | None = None
    for file, name in places.items():
        found = _compared(own, library / file, name)
        if found is None:
            continue
        order = (said_of(found[1]), -found[0])
        if best is None or order < best[0]:
            best = (order, file, found[1])
    return (best[1], best[2]) if best is not None else ("", ())


def _compared(own: Any, path: Path, name: str) -> tuple[int, tuple[Any, ...]] | None:
    """How many facts of a library's model agree with a sheet's, and those that differ; None where it cannot be built."""
    from specdiff import api
    from specdiff.compare.facts import compare_facts

    target = f"{path}::{name}" if name else str(path)
    try:
        other = main_class(api.inspect(target), target)
    except SpecdiffError:
        return None
    same, differences, _ = compare_facts(own, other.sheet)
    return len(same), tuple(differences)
