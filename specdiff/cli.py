"""The command line: arguments to options, one pipeline call, a rendering, an exit code; nothing else."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specdiff._version import __version__
from specdiff.errors import Problem, SpecdiffError, TargetError

if TYPE_CHECKING:
    from specdiff.pipeline import Options
    from specdiff.results import CheckResult

OK, DIFFERS, WRONG_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes; `DIFFERS` is a mismatch or a missing piece (with ``--strict`` also an undecided claim)."""

EXAMPLES = """\
examples:
  specdiff check specs/gpt-oss-120b.yaml
  specdiff check specs/*.yaml --format json --output checks.json
  specdiff check specs/gpt-oss-120b.yaml --target path/to/modeling_gpt_oss.py::GptOssForCausalLM
  specdiff inspect llama::LlamaForCausalLM --set num_hidden_layers=2
  specdiff inspect path/to/remote-code-folder --format jsonl
  specdiff diagram gpt_oss::GptOssForCausalLM --output gpt-oss.svg

exit codes: 0 all claims match; 1 a mismatch or a missing piece (with --strict also an undecided one);
2 the input is wrong, one line per problem on standard error; 3 a defect of specdiff itself."""

TARGET_HELP = (
    "a model type of the installed transformers (gpt_oss), a file or a folder, each with an optional ::ClassName"
)


def build_parser() -> argparse.ArgumentParser:
    """The argument parser, also what shell completion and the README's help text come from."""
    parser = argparse.ArgumentParser(
        prog="specdiff",
        description="Compares PyTorch model code with what its paper says. Reads code; never imports or runs it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"specdiff {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
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

    check = commands.add_parser(
        "check",
        parents=[shared],
        help="hold specs against code",
        description="Hold specs against the code they speak of.",
    )
    check.add_argument("specs", nargs="+", type=Path, metavar="SPEC", help="a YAML spec")
    check.add_argument("--target", help=TARGET_HELP + "; in place of the spec's own")
    check.add_argument(
        "--format",
        choices=("terminal", "markdown", "html", "json", "sarif"),
        default="terminal",
        help="(default: terminal)",
    )
    check.add_argument("--strict", action="store_true", help="exit with 1 for an undecided claim too")
    check.add_argument(
        "--report-dir",
        type=Path,
        metavar="DIR",
        help="also write report.md, report.html, report.json and architecture.svg there",
    )

    inspect = commands.add_parser(
        "inspect",
        parents=[shared],
        help="what the code is",
        description="Parameters, facts and calls of model classes.",
    )
    inspect.add_argument("targets", nargs="+", metavar="TARGET", help=TARGET_HELP)
    inspect.add_argument(
        "--class",
        action="append",
        default=[],
        dest="classes",
        metavar="NAME",
        help="a class to analyse; may be repeated",
    )
    inspect.add_argument(
        "--format",
        choices=("terminal", "markdown", "html", "json", "jsonl", "sarif"),
        default="terminal",
        help="(default: terminal)",
    )
    inspect.add_argument(
        "--only", default="", metavar="PARTS", help="compute only these parts: parameters,facts,calls,live,findings"
    )
    inspect.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: the cores)")

    diagram = commands.add_parser(
        "diagram", parents=[shared], help="draw the architecture", description="Draw a model's architecture."
    )
    diagram.add_argument(
        "target", metavar="TARGET", help=TARGET_HELP + ", or a YAML spec (claims then colour the blocks)"
    )
    diagram.add_argument(
        "--class", action="append", default=[], dest="classes", metavar="NAME", help="the class to draw"
    )
    diagram.add_argument(
        "--format", choices=("svg", "png", "pdf", "dot", "mermaid"), help="(default: by the output's ending, else svg)"
    )

    completion = commands.add_parser("completion", help="print a shell completion script")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        return _COMMANDS[options.command](options, parser)
    except SpecdiffError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        return WRONG_INPUT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place where a defect becomes a line
        if getattr(options, "debug", False):
            raise
        print(  # noqa: T201
            f"specdiff: a defect in specdiff itself: {type(error).__name__}: {error} (--debug shows where)",
            file=sys.stderr,
        )
        return INTERNAL


def _options(arguments: argparse.Namespace) -> Options:
    from specdiff.pipeline import Options as PipelineOptions

    return PipelineOptions(
        classes=tuple(getattr(arguments, "classes", ())),
        config=arguments.config,
        settings=tuple(_settings(arguments.settings)),
        only=frozenset(part for part in getattr(arguments, "only", "").split(",") if part),
        attention=arguments.attention,
        jobs=getattr(arguments, "jobs", 1),
        debug=arguments.debug,
    )


def _settings(pairs: Iterable[str]) -> Iterable[tuple[str, object]]:
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


def _colour(arguments: argparse.Namespace) -> bool:
    if arguments.color != "auto":
        return bool(arguments.color == "always")
    return arguments.output is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _check(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from specdiff import pipeline, report

    options = _options(arguments)
    problems: list[Problem] = []
    results: list[CheckResult] = []
    for spec in arguments.specs:
        try:
            results.append(pipeline.check(spec, options, arguments.target))
        except SpecdiffError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecdiffError(*problems)
    _emit(arguments, report.render_check(results, arguments.format, _colour(arguments)))
    if arguments.report_dir is not None:
        for result in results:
            folder = arguments.report_dir if len(results) == 1 else arguments.report_dir / Path(result.spec).stem
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


def _inspect(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from specdiff import pipeline, report

    options = _options(arguments)
    if arguments.format == "jsonl":
        rows = (
            report.render_inspect_row(result, options.only)
            for result in pipeline.inspect_many(arguments.targets, options)
        )
        if arguments.output is not None:
            _emit(arguments, "".join(row.rstrip("\n") + "\n" for row in rows))
        else:
            for row in rows:
                sys.stdout.write(row.rstrip("\n") + "\n")
                sys.stdout.flush()
        return OK
    results = list(pipeline.inspect_many(arguments.targets, options))
    _emit(arguments, report.render_inspect(results, arguments.format, _colour(arguments), options.only))
    return OK


def _diagram(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from specdiff import pipeline, report

    options = _options(arguments)
    ending = arguments.output.suffix.lstrip(".") if arguments.output is not None else ""
    kind = arguments.format or {"mmd": "mermaid", "gv": "dot"}.get(ending, ending) or "svg"
    if kind not in report.DIAGRAM_FORMATS:
        raise TargetError(Problem(str(arguments.output), 0, 0, f"no diagram format ends in .{ending}; give --format"))
    subject: Any
    if arguments.target.endswith((".yaml", ".yml")):
        subject = pipeline.check(Path(arguments.target), options)
    else:
        results = pipeline.inspect(arguments.target, options)
        built = [result for result in results if result.tree is not None]
        if not built:
            reasons = [finding.message for result in results for finding in result.findings][:1]
            raise TargetError(
                Problem(arguments.target, 0, 0, f"no class could be built{': ' + reasons[0] if reasons else ''}")
            )
        subject = max(built, key=lambda result: (result.total_parameters or 0, "ForCausalLM" in result.name))
    data = report.render_diagram(subject, kind)
    if arguments.output is not None:
        write_file(arguments.output, data)
    else:
        sys.stdout.buffer.write(data)
    return OK


def _completion(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    import shtab

    sys.stdout.write(shtab.complete(parser, shell=arguments.shell) + "\n")
    return OK


def _emit(arguments: argparse.Namespace, text: str) -> None:
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


_COMMANDS = {"check": _check, "inspect": _inspect, "diagram": _diagram, "completion": _completion}

__all__ = ["build_parser", "main", "replace", "write_file", "write_reports"]
