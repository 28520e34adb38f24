"""`specdiff facts`: the fact sheet of a model."""

from __future__ import annotations

import argparse
import re
from typing import Any

from specdiff.cli.options import OK, TARGET_HELP, add_classes, emit, main_class, pipeline_options, wants_colour
from specdiff.errors import Problem, TargetError

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\Z", re.IGNORECASE)


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    facts = commands.add_parser(
        "facts",
        parents=[shared],
        help="the fact sheet of a model",
        description="Facts by group with level and line, parameters by part, bytes of weights and cache.",
    )
    facts.add_argument("target", metavar="TARGET", help=TARGET_HELP)
    add_classes(facts)
    facts.add_argument("--memory", metavar="SIZE", help="say whether it fits, as in 24GiB or 80GB")
    facts.add_argument(
        "--format", choices=("terminal", "markdown", "json"), default="terminal", help="(default: terminal)"
    )
    facts.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Analyse and print."""
    from specdiff import api
    from specdiff.report import sheet

    memory = _bytes(arguments.memory) if arguments.memory else None
    results = api.inspect(arguments.target, pipeline_options(arguments))
    if not arguments.classes and "::" not in arguments.target:
        results = [main_class(results, arguments.target)]
    emit(arguments, sheet.render(results, arguments.format, wants_colour(arguments), memory))
    return OK


def _bytes(text: str) -> int:
    found = _MEMORY.match(text.strip())
    if found is None:
        raise TargetError(Problem("--memory", 0, 0, f"{text!r} is no size; write one such as 24GiB or 80GB"))
    power = " KMGT".index(found[2].upper() or " ")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)
