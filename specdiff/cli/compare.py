"""`specdiff compare`: two implementations side by side."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from specdiff.cli.options import (
    DIFFERS,
    OK,
    TARGET_HELP,
    emit,
    main_class,
    pipeline_options,
    read_settings,
    wants_colour,
)


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    compare = commands.add_parser(
        "compare",
        parents=[shared],
        help="two implementations side by side",
        description="Facts side by side, parameters paired by what they do, and which differences change the result.",
    )
    compare.add_argument("left", metavar="A", help=TARGET_HELP)
    compare.add_argument("right", metavar="B", help="another")
    for side in ("a", "b"):
        compare.add_argument(f"--config-{side}", type=Path, metavar="FILE", help=f"a config for {side.upper()} alone")
        compare.add_argument(
            f"--set-{side}",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help=f"a setting for {side.upper()} alone",
        )
    compare.add_argument(
        "--format", choices=("terminal", "markdown", "json"), default="terminal", help="(default: terminal)"
    )
    compare.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Analyse both and print."""
    from specdiff import api
    from specdiff.comparing import Asked, compared
    from specdiff.report import compare as report

    options = pipeline_options(arguments)
    results = []
    for target, config, settings in (
        (arguments.left, arguments.config_a, arguments.set_a),
        (arguments.right, arguments.config_b, arguments.set_b),
    ):
        own = replace(
            options,
            config=config or options.config,
            settings=(*options.settings, *read_settings(settings)),
        )
        named = target if "::" in target else f"{target}::{main_class(api.inspect(target, own), target).name}"
        result = main_class(api.inspect(named, replace(own, operations=True)), named)
        results.append((Asked(named, own, result), target if "::" in target else f"{target}::{result.name}"))
    (left, left_name), (right, right_name) = results
    found = compared(left, right, left_name, right_name)
    emit(arguments, report.render(found, arguments.format, wants_colour(arguments)))
    return OK if found.agrees else DIFFERS
