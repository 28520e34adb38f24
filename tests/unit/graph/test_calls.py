"""Call graphs of small models; the edges that each must have, and no other, end its file as comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from specdiff.api import inspect, program_calls
from specdiff.options import Options

CASES = sorted((Path(__file__).parents[2] / "cases" / "calls").glob("*.py"))


def _name(function: str) -> str:
    return function.partition("::")[2].rpartition(":")[0] or function


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_calls(case: Path) -> None:
    expected = {line[2:] for line in case.read_text().splitlines() if line.startswith("# ") and " -> " in line}
    (result,) = inspect(f"{case}::Model", Options(only=frozenset({"calls", "unreached"}), use_cache=False))
    assert {f"{_name(caller)} -> {_name(callee)}" for caller, callee in result.calls} == expected
    assert [f"# unreached: {' '.join(map(_name, result.unreached))}"] == [
        line for line in case.read_text().splitlines() if line.startswith("# unreached")
    ]


PROGRAMS = sorted((Path(__file__).parents[2] / "cases" / "programs").glob("*.py"))


@pytest.mark.parametrize("case", PROGRAMS, ids=lambda path: path.stem)
def test_programs(case: Path) -> None:
    expected = {line[2:] for line in case.read_text().splitlines() if line.startswith("# ") and " -> " in line}
    calls = program_calls(case)
    inside = {f"{caller.qualname} -> {callee.qualname}" for caller, callee in calls.edges}
    outside = {f"{caller.qualname} -> {name}" for caller, name in calls.outward}
    assert inside | {edge for edge in outside if "elsewhere" in edge} == expected
