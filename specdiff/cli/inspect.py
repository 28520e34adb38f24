"""`specdiff inspect`: what the code is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from specdiff.cli.options import OK, TARGET_HELP, add_classes, emit, pipeline_options, wants_colour
from specdiff.cli.progress import progress
from specdiff.errors import Problem, TargetError
from specdiff.report import INSPECT_FORMATS


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
        choices=INSPECT_FORMATS,
        default="terminal",
        help="(default: terminal)",
    )
    inspect.add_argument(
        "--only", default="", metavar="PARTS", help="compute only these parts: parameters,facts,calls,live,findings"
    )
    inspect.add_argument(
        "--mode",
        choices=("prefill", "decode", "train"),
        default="prefill",
        help="follow a prompt, one token after a prompt, or a training step (default: prefill)",
    )
    inspect.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: the cores)")
    inspect.set_defaults(run=run)


def _nothing(targets: list[str]) -> TargetError:
    return TargetError(
        Problem(" ".join(targets), 0, 0, "no model class here; a target is code that defines a torch.nn.Module")
    )


def _print(rows: Iterable[str]) -> bool:
    """Print rows as they come; whether there was any."""
    found = False
    for row in rows:
        found = True
        sys.stdout.write(row)
        sys.stdout.flush()
    return found


def run(arguments: argparse.Namespace) -> int:
    """Analyse and print."""
    from specdiff import api, report

    options = pipeline_options(arguments)
    if arguments.format == "jsonl":
        render = partial(report.render_inspect_row, only=options.only)
        with progress("files", quiet=arguments.output is None and sys.stdout.isatty()) as told:
            rows = api.inspect_rows(arguments.targets, options, render, told)
            if arguments.output is not None:
                emit(arguments, "".join(rows))
            elif not _print(rows):
                raise _nothing(arguments.targets)
        return OK
    with progress("files") as told:
        results = api.inspect_all(arguments.targets, options, told)
    if not results:
        raise _nothing(arguments.targets)
    emit(arguments, report.render_inspect(results, arguments.format, wants_colour(arguments), options.only))
    return OK
