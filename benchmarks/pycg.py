"""PyCG's micro-benchmark: sound and complete call graphs of small Python programs, beside PyCG's own figures.

``python benchmarks/pycg.py --path DIR [--verbose]``, where DIR is the folder ``micro-benchmark`` of a copy of PyCG's
repository (github.com/vitsalis/PyCG); nothing of it is kept here. A program counts as sound when no expected call is
missing and as complete when no other one is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import checkout  # noqa: F401

from specdiff.api import program_calls
from specdiff.interp.objects import Function
from specdiff.project.programs import ProgramCalls

PUBLISHED = {
    "assignments": (4, 3), "builtins": (3, 1), "classes": (22, 22), "decorators": (6, 5), "dicts": (12, 11),
    "direct_calls": (4, 4), "exceptions": (3, 3), "functions": (4, 4), "generators": (6, 6), "imports": (14, 14),
    "kwargs": (3, 3), "lambdas": (5, 5), "lists": (8, 7), "mro": (7, 5), "args": (6, 6), "returns": (4, 4),
}  # fmt: skip
"""Complete and sound programs in the paper (arXiv 2103.00587, Table III); ``args`` are its parameters."""

Edges = set[tuple[str, str]]
_TYPES = {"str": "<**PyStr**>", "dict": "<**PyDict**>", "list": "<**PyList**>", "int": "<**PyNum**>"}


def edges_of(calls: ProgramCalls) -> Edges:
    """The calls under the benchmark's names."""
    lambdas = _lambda_names(calls)
    found = {(_name(a, lambdas), _name(b, lambdas)) for a, b in calls.edges}
    return found | {(_name(a, lambdas), _outward(name)) for a, name in calls.outward}


def _lambda_names(calls: ProgramCalls) -> dict[int, str]:
    """Lambdas are numbered within their scope, in the order they stand in."""
    seen = {id(item.stub): item for edge in calls.edges for item in edge if item.name == "<lambda>"}
    scopes: defaultdict[str, list[Function]] = defaultdict(list)
    for item in sorted(seen.values(), key=lambda item: item.line):
        scopes[f"{item.module.name}.{item.qualname}"].append(item)
    return {id(item.stub): str(number) for items in scopes.values() for number, item in enumerate(items, 1)}


def _name(function: Function, lambdas: dict[int, str]) -> str:
    if function.name == "<module>":
        return function.module.name
    name = function.qualname.replace(".<locals>", "")
    if function.name == "<lambda>":
        name = name.removesuffix("<lambda>") + f"<lambda{lambdas[id(function.stub)]}>"
    return f"{function.module.name}.{name}"


def _outward(name: str) -> str:
    package, _, rest = name.partition(".")
    if package != "builtins":
        return name
    kind, _, method = rest.partition(".")
    return f"{_TYPES.get(kind, kind)}.{method}" if method else f"<builtin>.{rest}"


def expected_of(folder: Path) -> Edges:
    """The calls that a program of the benchmark has."""
    graph = json.loads((folder / "callgraph.json").read_text())
    return {(caller, callee) for caller, callees in graph.items() for callee in callees}


def main() -> int:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="PyCG's folder micro-benchmark")
    parser.add_argument("--verbose", action="store_true", help="show the calls that are missing or surplus")
    args = parser.parse_args()
    snippets = args.path / "snippets" if (args.path / "snippets").is_dir() else args.path
    behind = False
    totals = [0, 0, 0, 0, 0]
    print(f"{'category':14}{'programs':>9}{'complete':>10}{'PyCG':>6}{'sound':>8}{'PyCG':>6}")
    for category in sorted(item for item in snippets.iterdir() if item.is_dir() and not item.name.startswith("_")):
        complete = sound = 0
        programs = sorted(item for item in category.iterdir() if (item / "callgraph.json").is_file())
        for folder in programs:
            found, expected = edges_of(program_calls(folder / "main.py")), expected_of(folder)
            complete += found <= expected
            sound += found >= expected
            if args.verbose and found != expected:
                print(
                    f"  {category.name}/{folder.name}: missing {sorted(expected - found)} surplus {sorted(found - expected)}"
                )
        published = PUBLISHED.get(category.name)
        shown = ("-", "-") if published is None else published
        note = "" if published else "  (not in the paper's table)"
        print(f"{category.name:14}{len(programs):9}{complete:10}{shown[0]!s:>6}{sound:8}{shown[1]!s:>6}{note}")
        if published is not None:
            behind |= complete < published[0] or sound < published[1]
            totals = [a + b for a, b in zip(totals, (len(programs), complete, published[0], sound, published[1]))]
    print(f"{'total':14}{totals[0]:9}{totals[1]:10}{totals[2]:6}{totals[3]:8}{totals[4]:6}")
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
