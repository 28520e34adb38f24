"""Where the CPU time of one cold command goes, from the start of the process to its end; `speed.py` prints the tables.

    python benchmarks/stages.py inspect gpt_oss --format jsonl

The command's output is dropped; a line per stage (name, seconds, calls, seconds with what it calls) goes to standard
output. A stage's time is its own: what it calls that is a stage itself is taken away. Importing is a stage wherever it happens.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import Any

import checkout  # noqa: F401

START = time.process_time()
"""Python's own start, and this file's."""

spent: dict[str, float] = {}
whole: dict[str, float] = {}
"""The same with what they call, but for importing."""
calls: dict[str, int] = {}
_inner: list[float] = []
_imports: list[bool] = []
"""Of the imports that are running, whether each is inside another."""
_imported = [0.0]
"""Seconds spent importing so far."""


def timed(place: Any, name: str, label: str) -> None:
    """Count a function's own time under a label."""
    function = getattr(place, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        begin, imported = time.thread_time(), _imported[0]
        _inner.append(0.0)
        if label == "import":
            _imports.append(bool(_imports))
        try:
            return function(*args, **kwargs)
        finally:
            took = time.thread_time() - begin
            spent[label] = spent.get(label, 0.0) + took - _inner.pop()
            calls[label] = calls.get(label, 0) + 1
            if label == "import" and not _imports.pop():
                _imported[0] += took
            whole[label] = whole.get(label, 0.0) + took - (_imported[0] - imported)
            if _inner:
                _inner[-1] += took

    setattr(place, name, wrapped)


def main() -> int:
    """Run the command given and print its stages."""
    os.environ["SPECDIFF_CACHE"] = "off"
    from importlib import _bootstrap  # type: ignore[attr-defined]

    timed(_bootstrap, "_load_unlocked", "import")
    import specdiff.cli
    from specdiff import api, pipeline, report, session
    from specdiff.audit import readers
    from specdiff.frontend import lower, parse, unit
    from specdiff.match import compare
    from specdiff.spec import load

    timed(parse, "native_statements", "parse and lower (ast)")
    timed(unit, "scan", "cut files into chunks")
    timed(pipeline, "model_classes", "find classes")
    timed(pipeline, "build", "interpret __init__")
    timed(pipeline, "forward", "interpret forward")
    timed(pipeline, "possible_calls", "calls beyond that run")
    timed(pipeline, "liveness", "liveness")
    timed(pipeline, "detect", "detect")
    timed(pipeline, "audit", "audit")
    timed(readers, "_library_reads", "audit")
    for name in ("unreached", "uses", "steps", "verdict", "suppressed", "tied_pairs", "call_edges"):
        timed(pipeline, name, "lists of the result")
    timed(pipeline, "class_result", "lists of the result")
    timed(compare, "check_spec", "match")
    for name in ("render_check", "render_inspect", "render_inspect_row"):
        timed(report, name, "report")

    timed(lower, "_parse", "parse (libcst)")
    timed(lower, "lower_block", "lower (libcst)")
    timed(lower, "Cursor", "lower (libcst)")
    timed(load, "load_specs", "read the spec")
    plain = session.deeply

    def deeply(work: Any) -> Any:
        def inside() -> Any:
            begin = time.thread_time()
            _inner.append(0.0)
            try:
                return work()
            finally:
                spent["the rest"] = spent.get("the rest", 0.0) + time.thread_time() - begin - _inner.pop()

        return plain(inside)

    session.deeply = api.deeply = deeply  # type: ignore[attr-defined]
    with contextlib.redirect_stdout(io.StringIO()):
        status = specdiff.cli.main(sys.argv[1:])
    total = time.process_time()
    spent["Python's start"] = START
    spent["the rest"] = total - sum(seconds for label, seconds in spent.items() if label != "the rest")
    for label, seconds in spent.items():
        print(f"{label}\t{seconds}\t{calls.get(label, 0)}\t{whole.get(label, seconds)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
