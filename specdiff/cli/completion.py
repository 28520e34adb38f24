"""`specdiff completion`: shell completion scripts."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from specdiff.cli.options import OK


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """The command and its options."""
    completion = commands.add_parser("completion", help="print a shell completion script")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from specdiff.cli import build_parser

    sys.stdout.write(shtab.complete(build_parser(), shell=arguments.shell) + "\n")
    return OK
