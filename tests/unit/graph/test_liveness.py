"""Liveness of small models' parameters; what each must be ends its file as comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from specdiff.api import inspect
from specdiff.options import Options

CASES = sorted((Path(__file__).parents[2] / "cases" / "liveness").glob("*.py"))


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_liveness(case: Path) -> None:
    expected: dict[str, set[str]] = {"live": set(), "selects": set(), "unused": set()}
    for line in case.read_text().splitlines():
        kind, separator, names = line.removeprefix("# ").partition(": ")
        if line.startswith("# ") and separator:
            expected[kind] |= set(names.split())
    (result,) = inspect(f"{case}::Model", Options(only=frozenset({"live"}), use_cache=False))
    actual = {"live": set(result.live), "selects": set(result.selects), "unused": set(result.unused)}
    assert actual == expected, [note.reason for note in result.undecided]
