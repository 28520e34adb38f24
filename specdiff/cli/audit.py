"""`specdiff audit`: whether code is a whole implementation, and what of it is never used."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from specdiff.cli.options import DIFFERS, OK, TARGET_HELP, add_classes, emit, pipeline_options, wants_colour, write_file
from specdiff.cli.progress import progress


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    audit = commands.add_parser(
        "audit",
        parents=[shared],
        help="a whole implementation or a skeleton, and what is never used",
        description="Findings and a verdict per class and file: complete, partial, skeleton or undecided.",
    )
    audit.add_argument("targets", nargs="+", metavar="TARGET", help=TARGET_HELP)
    add_classes(audit)
    audit.add_argument(
        "--format",
        choices=("terminal", "json", "sarif", "markdown"),
        default="terminal",
        help="(default: terminal)",
    )
    audit.add_argument(
        "--min-severity",
        choices=("error", "warning", "note"),
        default="note",
        help="leave out what is less than this (default: note)",
    )
    audit.add_argument("--baseline", type=Path, metavar="FILE", help="leave out the findings that this file lists")
    audit.add_argument("--write-baseline", type=Path, metavar="FILE", help="write the findings there as the baseline")
    audit.add_argument("--explain", action="store_true", help="say for each kind why it matters and how to check it")
    audit.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: the cores)")
    audit.set_defaults(run=run, only="findings")


def run(arguments: argparse.Namespace) -> int:
    """Audit, print, and say by the exit code whether an error or a warning is left."""
    from specdiff import api
    from specdiff.audit import files, policy
    from specdiff.report import audits
    from specdiff.results import Severity

    rules = policy.read_policy(Path.cwd())
    known = policy.read_baseline(arguments.baseline) if arguments.baseline is not None else frozenset()
    with progress("files") as told:
        results = api.inspect_all(arguments.targets, pipeline_options(arguments), told)
    found = files.by_file(results, rules, known, Severity(arguments.min_severity))
    if arguments.write_baseline is not None:
        write_file(arguments.write_baseline, policy.baseline_text(files.shown(found)).encode())
    emit(arguments, audits.render(found, arguments.format, wants_colour(arguments), arguments.explain))
    worst = {item.severity for item in files.shown(found)}
    bad = {each.verdict for each in found} & {"skeleton", "partial"}
    return DIFFERS if worst & {Severity.ERROR, Severity.WARNING} or (bad and arguments.baseline is None) else OK
