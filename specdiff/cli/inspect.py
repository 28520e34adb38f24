"""`specdiff inspect`: what the code is."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from specdiff.cli.options import OK, TARGET_HELP, add_classes, emit, pipeline_options, wants_colour


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    inspect = commands.add_parser(
        "inspect",
        parents=[shared],
        help="what the code is",
        description="Parameters, facts and calls of model classes.",
    )
    inspect.add_argument("targets", nargs="+", metavar="TARGET", help=TARGET_HELP)
    add_classes(inspect)
    inspect.add_argument(
        "--format",
        choices=("terminal", "markdown", "html", "json", "jsonl", "sarif"),
        default="terminal",
        help="(default: terminal)",
    )
    inspect.add_argument(
        "--only", default="", metavar="PARTS", help="compute only these parts: parameters,facts,calls,live,findings"
    )
    inspect.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: the cores)")
    inspect.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Analyse and print."""
    from specdiff import pipeline, report

    options = pipeline_options(arguments)
    if arguments.format == "jsonl":
        rows = (
            report.render_inspect_row(result, options.only)
            for result in pipeline.inspect_many(arguments.targets, options)
        )
        if arguments.output is not None:
            emit(arguments, "".join(row.rstrip("\n") + "\n" for row in rows))
        else:
            for row in rows:
                sys.stdout.write(row.rstrip("\n") + "\n")
                sys.stdout.flush()
        return OK
    results = list(pipeline.inspect_many(arguments.targets, options))
    emit(arguments, report.render_inspect(results, arguments.format, wants_colour(arguments), options.only))
    return OK
