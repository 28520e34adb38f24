"""`specdiff diagram`: the architecture as people draw it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from specdiff.cli.options import OK, TARGET_HELP, add_classes, main_class, pipeline_options, write_file
from specdiff.errors import Problem, TargetError
from specdiff.report import DIAGRAM_LEVELS


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    diagram = commands.add_parser(
        "diagram", parents=[shared], help="draw the architecture", description="Draw a model's architecture."
    )
    diagram.add_argument(
        "target", metavar="TARGET", help=TARGET_HELP + ", or a YAML spec (claims then colour the blocks)"
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
    from specdiff import api, report

    options = pipeline_options(arguments)
    ending = arguments.output.suffix.lstrip(".") if arguments.output is not None else ""
    kind = arguments.format or {"mmd": "mermaid", "gv": "dot"}.get(ending, ending) or "svg"
    if kind not in report.DIAGRAM_FORMATS:
        raise TargetError(Problem(str(arguments.output), 0, 0, f"no diagram format ends in .{ending}; give --format"))
    subject: Any
    if arguments.target.endswith((".yaml", ".yml")):
        subject = api.check(Path(arguments.target), options)
    else:
        subject = main_class(api.inspect(arguments.target, options), arguments.target)
    data = report.render_diagram(subject, kind, arguments.level)
    if arguments.output is not None:
        write_file(arguments.output, data)
    else:
        sys.stdout.buffer.write(data)
    return OK
