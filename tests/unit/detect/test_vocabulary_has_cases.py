"""Which keys of the vocabulary have a small case of their own: present, absent, contradicted and undecidable.

``uncovered.yaml`` lists those that have none yet. A key that gets a case leaves the list, a new key comes with one.
``not_applicable.yaml`` says for which keys a sort of case cannot be, and why.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from specdiff import vocab

CASES = Path(__file__).parents[2] / "cases" / "detect"
NO_DETECTOR = ("release.", "computation.")
"""What the publisher says, and what stands for the whole computation."""


def without_prefix(key: str) -> str:
    first, _, rest = key.partition(".")
    return rest if first in ("vision", "audio", "encoder", "decoder") else key


def covered() -> dict[str, set[str]]:
    """Keys by sort of case. A value that says the same as absence is one; two values of one key, or a value and an absence,
    contradict a claim of the other."""
    values: dict[str, set[str]] = defaultdict(set)
    found: dict[str, set[str]] = {name: set() for name in ("present", "absent", "undecided")}
    for path in CASES.glob("*.yaml"):
        cases = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in cases if isinstance(cases, list) else ():
            for key, value in case.get("facts", {}).items():
                values[without_prefix(key)].add(repr(value))
                if vocab.is_neutral(
                    vocab.KEYS[without_prefix(key)], tuple(value) if isinstance(value, list) else value
                ):
                    found["absent"].add(without_prefix(key))
            found["absent"].update(map(without_prefix, case.get("absent", [])))
            found["undecided"].update(map(without_prefix, case.get("undecided", [])))
    found["present"].update(values)
    either = {key for key in values if len(values[key]) > 1 or key in found["absent"]}
    return {**found, "contradicted": either}


def listed(name: str) -> dict[str, Any]:
    tables: dict[str, Any] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return tables


def test_keys_without_cases_are_among_the_listed_ones() -> None:
    keys = {key for key in vocab.KEYS if not key.startswith(NO_DETECTOR)}
    without, impossible = listed("uncovered.yaml"), listed("not_applicable.yaml")

    for name, have in covered().items():
        known = set(without[name]) | set(impossible.get(name) or {})
        assert sorted(keys - have - known) == [], name


def test_listed_keys_have_no_case() -> None:
    tables = {"uncovered": listed("uncovered.yaml"), "not applicable": listed("not_applicable.yaml")}

    for name, have in covered().items():
        for table, rows in tables.items():
            assert sorted(have & set(rows.get(name) or ())) == [], f"{name}, {table}"


def test_every_key_that_can_have_no_case_says_why() -> None:
    for name, rows in listed("not_applicable.yaml").items():
        assert name in covered()
        for key, why in (rows or {}).items():
            assert key in vocab.KEYS, key
            assert len(why.split()) > 4, f"{key}: {why}"
