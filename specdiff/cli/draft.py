"""`specdiff draft`: a spec written from the code, ready to be corrected from the paper."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from specdiff.cli.options import OK, TARGET_HELP, add_classes, emit, main_class, pipeline_options


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    draft = commands.add_parser(
        "draft",
        parents=[shared],
        help="write a spec from the code",
        description="Every fact as a claim with its evidence as a comment and its source TODO.",
    )
    draft.add_argument("target", metavar="TARGET", help=TARGET_HELP)
    add_classes(draft)
    draft.add_argument("--name", default="", help="the model's name in the spec (default: the class's)")
    draft.add_argument(
        "--from",
        dest="papers",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a paper or card (.md .txt .html .pdf): quotes near each key's terms are proposed as comments; may be repeated",
    )
    draft.add_argument(
        "--without-computation",
        action="store_true",
        help="leave out the claims that pin down every operation (computation.*), for a spec to be sourced from a paper",
    )
    draft.add_argument("--schema", default="", metavar="PATH", help="where the editor finds the JSON Schema")
    draft.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Analyse and write the draft."""
    from specdiff import api, pipeline
    from specdiff.project.targets import resolve
    from specdiff.spec import draft, propose

    options = replace(pipeline_options(arguments), computation=not arguments.without_computation)
    papers = [propose.read(path) for path in arguments.papers]
    result = main_class(api.inspect(arguments.target, options), arguments.target)
    values = pipeline.config_values(resolve(arguments.target)[0], options)
    name, _, _ = arguments.target.partition("::")
    text = draft.draft(
        result,
        f"{name}::{result.name}",
        name=arguments.name,
        config=values,
        schema=arguments.schema,
        proposals=propose.comments(papers, result.sheet) if papers else None,
    )
    emit(arguments, text)
    return OK
