"""The interpreter on small programs: each line `name = expression  # => value` of `cases/interp/*.py` is an expectation.

Programs in `python_*.py` use only the standard library, so Python itself must give the same values; those in
`torch_*.py` show tensors by their shapes. `# => unknown` expects a value that is not known, `# => raises Kind` an exception.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from specdiff import pipeline
from specdiff.interp.formatting import to_text
from specdiff.interp.objects import ModuleVal, Raised
from specdiff.interp.values import Tensor, Unknown
from specdiff.project.build import failure_of
from specdiff.project.modules import Program
from specdiff.project.targets import resolve

CASES = Path(__file__).resolve().parents[2] / "cases" / "interp"
_EXPECTED = re.compile(r"^(\w+) = .*# => (.+)$")


def expectations(path: Path) -> list[tuple[int, str, str]]:
    found = []
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _EXPECTED.match(text)
        if match is not None:
            found.append((line, match.group(1), match.group(2).strip()))
    return found


def program_of(path: Path) -> tuple[Program, ModuleVal]:
    (target,) = resolve(str(path))
    program = pipeline.new_program(target, pipeline.Options(use_cache=False))
    module = program.module(target.module)
    assert isinstance(module, ModuleVal)
    return program, module


def shown(program: Program, module: ModuleVal, name: str) -> str:
    try:
        value = module.get(name)
    except Raised as error:
        failure = failure_of(program.run, error)
        return f"raises {failure.kind}: {failure.message}" if failure.message else f"raises {failure.kind}"
    if isinstance(value, Unknown):
        return "unknown"
    if isinstance(value, Tensor):
        return str(value.shape)
    return to_text(program.run, value, debug=True)


def files(pattern: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(CASES.glob(pattern))]


@pytest.mark.parametrize("path", files("*.py"))
def test_values(path: Path) -> None:
    program, module = program_of(path)
    wrong = [
        f"{path.name}:{line}: {name} is {found}, expected {expected}"
        for line, name, expected in expectations(path)
        if (found := shown(program, module, name)) != expected
        and not (expected.startswith("raises") and found.startswith(expected))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", files("python_*.py"))
def test_expectations_are_pythons_own(path: Path) -> None:
    values = runpy.run_path(str(path))
    wrong = [
        f"{path.name}:{line}: {name} is {values.get(name)!r}, expected {expected}"
        for line, name, expected in expectations(path)
        if repr(values.get(name)) != expected
    ]
    assert not wrong, "\n".join(wrong)
