"""`specdiff review`: what a change does to the models of a checkout."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from specdiff.cli.options import DIFFERS, OK, emit, pipeline_options, wants_colour


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    review = commands.add_parser(
        "review",
        parents=[shared],
        help="what a change does to the models of a git checkout",
        description="Analyse both sides of a change from git objects: facts, parameters and new findings per model class.",
    )
    review.add_argument(
        "range",
        nargs="?",
        default="",
        metavar="BASE..HEAD",
        help="two revisions, or one against the working tree (default: the merge base with the main branch)",
    )
    review.add_argument("--repository", type=Path, default=Path(), metavar="DIR", help="(default: the current folder)")
    review.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="GLOB",
        help="review the changed files that match alone (repeatable; every other change still counts for them)",
    )
    review.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="[MODEL=]PATH",
        help="the published checkpoint of a changed model: a folder, a *.safetensors file or an index (repeatable; default: "
        "what lies in the model's folder, or [tool.specdiff.checkpoints] names)",
    )
    review.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: one per core)")
    review.add_argument(
        "--format",
        choices=("terminal", "markdown", "json", "sarif", "github"),
        default="terminal",
        help="(default: terminal; github: annotations for a workflow's log)",
    )
    review.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Review, print, and say by the exit code whether something is wrong."""
    from specdiff import reviews
    from specdiff.report import review as report

    options = pipeline_options(arguments)
    result = reviews.review(
        arguments.repository, arguments.range, options, tuple(arguments.files), tuple(arguments.checkpoint)
    )
    emit(arguments, report.render(result, arguments.format, wants_colour(arguments)))
    return DIFFERS if result.fails else OK
