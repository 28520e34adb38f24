"""Which keys of the vocabulary have a small case of their own: present, absent, contradicted and undecidable.

``uncovered.yaml`` lists those that have none yet. A key that gets a case leaves the list, a new key comes with one.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import yaml

from specdiff import vocab

CASES = Path(__file__).parents[2] / "cases" / "detect"
NO_DETECTOR = ("release.", "computation.")
"""What the publisher says, and what stands for the whole computation."""


def without_prefix(key: str) -> str:
    first, _, rest = key.partition(".")
    return rest if first in ("vision", "audio", "encoder", "decoder") else key


def covered() -> dict[str, set[str]]:
    """Keys by sort of case. Two values of one key, or a value and an absence, contradict a claim of the other."""
    values: dict[str, set[str]] = defaultdict(set)
    found: dict[str, set[str]] = {name: set() for name in ("present", "absent", "undecided")}
    for path in CASES.glob("*.yaml"):
        cases = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in cases if isinstance(cases, list) else ():
            for key, value in case.get("facts", {}).items():
                values[without_prefix(key)].add(repr(value))
            found["absent"].update(map(without_prefix, case.get("absent", [])))
            found["undecided"].update(map(without_prefix, case.get("undecided", [])))
    found["present"].update(values)
    either = {key for key in values if len(values[key]) > 1 or key in found["absent"]}
    return {**found, "contradicted": either}


def test_keys_without_cases_are_among_the_listed_ones() -> None:
    keys = {key for key in vocab.KEYS if not key.startswith(NO_DETECTOR)}
    listed = yaml.safe_load((CASES / "uncovered.yaml").read_text(encoding="utf-8"))

    for name, have in covered().items():
        assert sorted(keys - have - set(listed[name])) == [], name
