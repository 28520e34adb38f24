"""Running Graphviz: a `dot` program on the path, or else the libraries that the `pygraphviz` wheel carries."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from specdiff.errors import Problem, SpecdiffError

_RENDER_SECONDS = 60
"""A drawing takes a tenth of a second; beyond this the program hangs."""


def render(source: str, kind: str, layout: str) -> bytes:
    """DOT drawn, or laid out, by Graphviz.

    Args:
        source: DOT.
        kind: `png`, `pdf`, or `json` for positions.
        layout: `neato` for pinned nodes, `dot` for layers.

    Raises:
        SpecdiffError: there is no Graphviz, or it gives up.
    """
    program = shutil.which("dot")
    if program is not None:
        run = subprocess.run(  # noqa: S603 - Graphviz itself, fed by our own DOT on its standard input
            [program, f"-K{layout}", f"-T{kind}"], input=source.encode(), capture_output=True, timeout=_RENDER_SECONDS,
            check=False,
        )  # fmt: skip
        if run.returncode:
            said = run.stderr.decode(errors="replace").strip().splitlines()
            raise SpecdiffError(Problem("dot", 0, 0, f"cannot draw: {said[0] if said else 'no reason given'}"))
        return run.stdout
    try:
        import pygraphviz  # noqa: PLC0415 - a binary wheel that is needed only here
    except ImportError:
        message = f"{kind} needs a `dot` program or the pygraphviz package; `dot` and `mermaid` work without"
        raise SpecdiffError(Problem("diagram", 0, 0, message)) from None
    with _quietly():
        data: bytes = pygraphviz.AGraph(string=source).draw(format=kind, prog=layout)
    return data


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The wheel's font library warns about newer configuration files of the system, on the process's standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
