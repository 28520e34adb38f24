"""The command line: arguments to options, one pipeline call, a rendering, an exit code; nothing else.

Adding a command: a module beside this file with `add` and `run`, and its row in `_COMMANDS`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from specdiff._version import __version__
from specdiff.cli import (
    audit,
    check,
    compare,
    completion,
    diagram,
    draft,
    facts,
    gallery,
    inspect,
    nearest,
    review,
    weights,
)
from specdiff.cli.check import write_reports
from specdiff.cli.options import INTERNAL, INTERRUPTED, OK, WRONG_INPUT, shared_options, write_file
from specdiff.errors import SpecdiffError

_COMMANDS = (check, audit, inspect, facts, draft, compare, nearest, review, weights, diagram, gallery, completion)
"""In the order of the help text."""

EXAMPLES = """\
examples:
  specdiff check specs/gpt-oss-120b.yaml
  specdiff check specs/*.yaml --format json --output checks.json
  specdiff check specs/gpt-oss-120b.yaml --target path/to/modeling_gpt_oss.py::GptOssForCausalLM
  specdiff audit path/to/modeling_x.py --min-severity warning
  specdiff inspect llama::LlamaForCausalLM --set num_hidden_layers=2
  specdiff inspect path/to/remote-code-folder --format jsonl
  specdiff facts gpt_oss::GptOssForCausalLM --config config.json --memory 80GiB
  specdiff draft mixtral --from paper.pdf --output specs/mixtral.yaml
  specdiff compare mistral::MistralForCausalLM llama::LlamaForCausalLM
  specdiff nearest path/to/modeling_new.py
  specdiff review main..HEAD --format markdown
  specdiff weights path/to/checkpoint gpt_oss::GptOssForCausalLM
  specdiff diagram gpt_oss::GptOssForCausalLM --output gpt-oss.svg
  specdiff gallery specs/*.yaml --output reports

exit codes: 0 all claims match; 1 a mismatch or a missing piece (with --strict also an undecided one);
2 the input is wrong, one line per problem on standard error; 3 a defect of specdiff itself."""


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
    shared = shared_options()
    for command in _COMMANDS:
        command.add(commands, shared)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
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


__all__ = ["build_parser", "main", "write_file", "write_reports"]
