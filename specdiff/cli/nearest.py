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
    from specdiff import api
    from specdiff.compare.facts import compare_facts
    from specdiff.nearest import nearest
    from specdiff.project.targets import transformers_folder
    from specdiff.report import nearest as report
    from specdiff.session import deeply

    result = deeply(lambda: nearest(arguments.target, arguments.library))
    differences: list[Any] = []
    if result.models and not arguments.no_facts:
        options = pipeline_options(arguments)
        other = (arguments.library or transformers_folder() / "models") / result.models[0][0]
        try:
            one = main_class(api.inspect(arguments.target, options), arguments.target)
            two = main_class(api.inspect(str(other)), str(other))
            _, differences, _ = compare_facts(one.sheet, two.sheet)
        except SpecdiffError:
            differences = []  # what cannot be built can still be compared class by class
    emit(arguments, report.render(result, tuple(differences), arguments.format, wants_colour(arguments)))
    return OK
