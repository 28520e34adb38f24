"""Options that several commands share, and writing their results; nothing here analyses anything."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specdiff.errors import Problem, TargetError
from specdiff.options import Options

if TYPE_CHECKING:
    from specdiff.results import ClassResult

OK, DIFFERS, WRONG_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes; `DIFFERS` is a mismatch or a missing piece (with ``--strict`` also an undecided claim)."""

TARGET_HELP = (
    "a model type of the installed transformers (gpt_oss), a file or a folder, each with an optional ::ClassName"
)


def shared_options() -> argparse.ArgumentParser:
    """Options of every command that analyses code."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, metavar="FILE", help="a config.json to build the model with")
    shared.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="a configuration value (JSON); may be repeated",
    )
    shared.add_argument(
        "--attention", default="eager", metavar="NAME", help="the attention back end to follow (default: eager)"
    )
    shared.add_argument(
        "--output", type=Path, metavar="FILE", help="write there instead of standard output (atomically)"
    )
    shared.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours (default: only on a terminal)"
    )
    shared.add_argument("--debug", action="store_true", help="show tracebacks of defects")
    return shared


def add_classes(parser: argparse.ArgumentParser) -> None:
    """`--class NAME`, which may be repeated."""
    parser.add_argument(
        "--class",
        action="append",
        default=[],
        dest="classes",
        metavar="NAME",
        help="a class to analyse; may be repeated",
    )


PARTS = frozenset(
    "parameters tied total_parameters active_parameters facts absences calls unreached live unused selects undecided "
    "findings verdict missing live_share".split()
)
"""What ``--only`` may name: the keys of a class in the JSON document."""


def _parts(text: str) -> frozenset[str]:
    parts = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = sorted(parts - PARTS)
    if unknown:
        import difflib  # noqa: PLC0415 - only on the way to an error

        near = {part: difflib.get_close_matches(part, sorted(PARTS), 1, 0.6) for part in unknown}
        raise TargetError(
            *[
                Problem(
                    "--only",
                    0,
                    0,
                    f"no part {part}; "
                    + (f"did you mean {near[part][0]}?" if near[part] else f"there are {', '.join(sorted(PARTS))}"),
                )
                for part in unknown
            ]
        )
    return parts


def pipeline_options(arguments: argparse.Namespace) -> Options:
    """What the arguments ask the pipeline for."""
    return Options(
        classes=tuple(getattr(arguments, "classes", ())),
        config=arguments.config,
        settings=tuple(read_settings(arguments.settings)),
        only=_parts(getattr(arguments, "only", "")),
        attention=arguments.attention,
        mode=getattr(arguments, "mode", "prefill"),
        jobs=getattr(arguments, "jobs", 1),
        debug=arguments.debug,
    )


def read_settings(pairs: Iterable[str]) -> Iterable[tuple[str, object]]:
    """``KEY=VALUE`` texts as pairs, values read as JSON."""
    problems = []
    found: list[tuple[str, object]] = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            problems.append(Problem("--set", 0, 0, f"{pair!r} is not KEY=VALUE"))
            continue
        try:
            found.append((key, json.loads(text)))
        except json.JSONDecodeError:
            problems.append(
                Problem("--set", 0, 0, f"{key}: {text!r} is not JSON; text needs quotes, as in {key}='\"{text}\"'")
            )
    if problems:
        raise TargetError(*problems)
    return found


def wants_colour(arguments: argparse.Namespace) -> bool:
    """Whether the text may have colours."""
    if arguments.color != "auto":
        return bool(arguments.color == "always")
    return arguments.output is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


_NEARLY = 0.95
"""Share of the largest class's parameters from which on a class is the whole model."""


def main_class(results: Sequence[ClassResult], target: str) -> ClassResult:
    """The class people mean when they name none: the largest that could be built, one with a head over the words first.

    Raises:
        TargetError: none could be built.
    """
    built = [result for result in results if result.tree is not None]
    failed = [result for result in results if result.tree is None]
    if failed and not any(result.parameters for result in built):
        built = []  # an abstract base builds without a model to show for it
    if not built:
        reasons = [finding.message for result in failed for finding in result.findings][:1]
        why = f": {reasons[0]}" if reasons else ""
        hint = "; --config or --set may give what the defaults lack" if failed else ""
        raise TargetError(Problem(target, 0, 0, f"no class could be built{why}{hint}"))
    largest = max(result.total_parameters or 0 for result in built)
    # A classifier's head, or a tied one, makes some thousandths of a model.
    whole = [result for result in built if (result.total_parameters or 0) >= _NEARLY * largest]

    def rank(result: ClassResult) -> tuple[bool, int, bool, bool]:
        scores = "embedding.tied" in result.sheet.facts
        return scores, result.total_parameters or 0, "ForCausalLM" in result.name, "For" in result.name

    return max(whole, key=rank)


def emit(arguments: argparse.Namespace, text: str) -> None:
    """Print a rendering, or write it to ``--output``."""
    if not text.endswith("\n"):
        text += "\n"
    if arguments.output is not None:
        write_file(arguments.output, text.encode())
    else:
        sys.stdout.write(text)


def write_file(path: Path, data: bytes) -> None:
    """Write a file at once: it is there whole or not at all.

    Raises:
        TargetError: the folder is not there or cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise TargetError(Problem(str(path), 0, 0, f"cannot be written: {error.strerror}")) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise TargetError(Problem(str(path), 0, 0, f"cannot be written: {error.strerror}")) from None
