"""`specdiff check`: specs against code."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from specdiff.cli.options import DIFFERS, OK, TARGET_HELP, emit, pipeline_options, wants_colour, write_file
from specdiff.errors import Problem, TargetError
from specdiff.report import CHECK_FORMATS
from specdiff.results import CheckResult


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    check = commands.add_parser(
        "check",
        parents=[shared],
        help="hold specs against code",
        description="Hold specs against the code they speak of.",
    )
    check.add_argument(
        "specs", nargs="+", type=Path, metavar="SPEC", help="a YAML spec; SPEC::NAME picks one of a family's variants"
    )
    check.add_argument("--target", help=TARGET_HELP + "; in place of the spec's own")
    check.add_argument(
        "--format",
        choices=CHECK_FORMATS,
        default="terminal",
        help="(default: terminal)",
    )
    check.add_argument("--strict", action="store_true", help="exit with 1 for an undecided claim too")
    check.add_argument(
        "--allow-todo", action="store_true", help="accept claims whose source is still TODO (drafts; see draft)"
    )
    check.add_argument(
        "--report-dir",
        type=Path,
        metavar="DIR",
        help="also write report.md, report.html, report.json and architecture.svg there",
    )
    check.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and say by the exit code whether all is well."""
    from specdiff import api, report

    options = pipeline_options(arguments)
    results = api.check_all(arguments.specs, options, arguments.target, allow_todo=arguments.allow_todo)
    emit(arguments, report.render_check(results, arguments.format, wants_colour(arguments)))
    if arguments.report_dir is not None:
        for result in results:
            folder = arguments.report_dir if len(results) == 1 else arguments.report_dir / result.name
            write_reports(result, folder)
    statuses = {str(result.verdict) for result in results}
    if statuses & {"mismatch", "missing"} or (arguments.strict and "undecided" in statuses):
        return DIFFERS
    return OK


def write_reports(result: CheckResult, folder: Path) -> None:
    """Write every report of one check into a folder.

    Raises:
        TargetError: the folder cannot be written.
    """
    from specdiff import report

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(Problem(str(folder), 0, 0, f"cannot be made: {error.strerror}")) from None
    for name, text in (("report.md", "markdown"), ("report.html", "html"), ("report.json", "json")):
        write_file(folder / name, report.render_check(result, text).encode())
    write_file(folder / "architecture.svg", report.render_diagram(result, "svg"))
