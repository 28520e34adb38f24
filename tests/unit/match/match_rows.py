"""Builds what matching reads: a spec through the loader, a class result out of plain facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from specdiff.facts import Absence, Evidence, Fact, FactSheet, Level, Undecided, Value
from specdiff.results import ClassResult
from specdiff.spec.load import load_spec
from specdiff.spec.model import Spec

Plain: TypeAlias = "None | bool | int | float | str | list[Plain] | dict[str, Plain]"

CITED: dict[str, Plain] = {"source": "paper", "where": "table 1", "quote": "q"}
EVIDENCE = (Evidence("modeling_toy.py", 7, 9, "says so"),)


def spec_of(folder: Path, claims: Mapping[str, Mapping[str, Plain]], **more: Plain) -> Spec:
    """A spec with these claims, each citing the same place."""
    content = {
        "specdiff": 1,
        "name": "toy",
        "target": "toy::Toy",
        "sources": {"paper": {"title": "A toy", "url": "https://example.org/toy"}},
        "claims": {key: CITED | dict(claim) for key, claim in claims.items()},
        **more,
    }
    path = folder / "toy.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return load_spec(path)


def sheet_of(
    facts: Mapping[str, tuple[Value, Level]],
    absences: Mapping[str, tuple[str, Level]] | None = None,
    undecided: Mapping[str, str] | None = None,
    several: Mapping[str, tuple[Value, ...]] | None = None,
    raises: str = "",
) -> FactSheet:
    """A fact sheet with the same evidence everywhere.

    Args:
        facts: By key.
        absences: By key.
        undecided: Reasons by key.
        several: What different places have of an undecided key.
        raises: Why torch refuses to run the code.
    """
    return FactSheet(
        {key: Fact(key, value, level, EVIDENCE) for key, (value, level) in facts.items()},
        {key: Absence(key, reason, EVIDENCE, level) for key, (reason, level) in (absences or {}).items()},
        {
            key: Undecided(reason, "modeling_toy.py", 11, key, (several or {}).get(key, ()))
            for key, reason in (undecided or {}).items()
        },
        raises=Evidence("modeling_toy.py", 13, 13, raises) if raises else None,
    )


def code_of(sheet: FactSheet) -> ClassResult:
    """A class of which nothing but its facts matters."""
    return ClassResult(
        name="Toy",
        file="modeling_toy.py",
        line=1,
        tree=None,
        parameters={},
        tied=(),
        total_parameters=None,
        active_parameters=None,
        sheet=sheet,
        calls=(),
        live=(),
        unused=(),
        undecided=(),
        findings=(),
        verdict="complete",
    )


def frozen(value: Plain) -> Value:
    """Lists as tuples, as facts have them."""
    if isinstance(value, list):
        return tuple(frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return value
