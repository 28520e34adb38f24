"""`specdiff diagram`: the architecture as people draw it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from specdiff.cli.options import OK, TARGET_HELP, add_classes, main_class, pipeline_options, write_file
from specdiff.errors import Problem, TargetError
from specdiff.options import Options
from specdiff.report import DIAGRAM_LEVELS
from specdiff.results import CheckResult, ClassResult


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    diagram = commands.add_parser(
        "diagram", parents=[shared], help="draw the architecture", description="Draw a model's architecture."
    )
    diagram.add_argument(
        "target", nargs="?", metavar="TARGET", help=TARGET_HELP + ", or a YAML spec (claims then colour the blocks)"
    )
    diagram.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="draw two targets or specs side by side: what they share in grey, what differs marked",
    )
    add_classes(diagram)
    diagram.add_argument(
        "--format", choices=("svg", "png", "pdf", "dot", "mermaid"), help="(default: by the output's ending, else svg)"
    )
    diagram.add_argument(
        "--level",
        choices=DIAGRAM_LEVELS,
        default="model",
        help="the whole model, its repeated layers alone, or one layer of each kind operation by operation",
    )
    diagram.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw and write."""
    from specdiff import report

    options = pipeline_options(arguments)
    ending = arguments.output.suffix.lstrip(".") if arguments.output is not None else ""
    kind = arguments.format or {"mmd": "mermaid", "gv": "dot"}.get(ending, ending) or "svg"
    if kind not in report.DIAGRAM_FORMATS:
        raise TargetError(Problem(str(arguments.output), 0, 0, f"no diagram format ends in .{ending}; give --format"))
    if (arguments.target is None) == (arguments.compare is None):
        raise TargetError(Problem("diagram", 0, 0, "give one TARGET, or --compare A B"))
    if arguments.compare is None:
        data = report.render_diagram(_subject(arguments.target, options), kind, arguments.level)
    elif arguments.level == "operations":
        raise TargetError(
            Problem("diagram", 0, 0, "--compare draws the model or the block; leave --level operations out")
        )
    else:
        left, right = (_subject(each, options) for each in arguments.compare)
        codes = [each.code if isinstance(each, CheckResult) else each for each in (left, right)]
        data = report.render_contrast(codes[0], codes[1], (left.name, right.name), kind, arguments.level)
    if arguments.output is not None:
        write_file(arguments.output, data)
    else:
        sys.stdout.buffer.write(data)
    return OK


def _subject(target: str, options: Options) -> ClassResult | CheckResult:
    """What a target or a spec stands for."""
    from specdiff import api

    if target.endswith((".yaml", ".yml")):
        return api.check(Path(target), options)
    return main_class(api.inspect(target, options), target)
