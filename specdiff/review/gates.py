"""Which branches no known configuration reaches: conditions recorded by the analysis, worked out on plain settings."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from specdiff.facts import Evidence, Value
from specdiff.results import Branch
from specdiff.review.model import GatedBranch

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "is": lambda a, b: a is b if None in (a, b) or isinstance(b, bool) else a == b,
    "is not": lambda a, b: a is not b if None in (a, b) or isinstance(b, bool) else a != b,
    "in": lambda a, b: a in b, "not in": lambda a, b: a not in b,
}  # fmt: skip


class _Unknown(Exception):
    """A value that the settings do not tell."""


def unreached(branches: Sequence[Branch], configurations: Sequence[Mapping[str, Value]]) -> list[Branch]:
    """The branches that none of some configurations reaches, those inside another left out.

    Args:
        branches: Of one class.
        configurations: Plain settings, parts of a configuration as nested mappings; at least one.
    """
    found: list[Branch] = []
    for branch in branches:
        if any(holds(branch.test, settings) is not False for settings in configurations):
            continue
        inside = any(
            each.file == branch.file and each.first <= branch.first and branch.last <= each.last for each in found
        )
        if not inside:
            found.append(branch)
    return found


def new_gates(
    before: Sequence[Branch],
    after: Sequence[Branch],
    old: Sequence[Mapping[str, Value]],
    new: Sequence[Mapping[str, Value]],
) -> tuple[GatedBranch, ...]:
    """Branches of the head side that no known configuration reaches, without those of which that was so before."""
    known = Counter(branch.test for branch in unreached(before, old)) if old else Counter[tuple[Value, ...]]()
    found = []
    for branch in unreached(after, new):
        if known[branch.test]:
            known[branch.test] -= 1
            continue
        values = tuple(dict.fromkeys(tuple(_shown(settings, name) for name in branch.settings) for settings in new))
        place = Evidence(branch.file, branch.first, branch.last, f"where the condition of line {branch.condition} "
                         f"{'does not hold' if branch.negated else 'holds'}")  # fmt: skip
        found.append(GatedBranch(place, branch.settings, values, len(new)))
    return tuple(found)


def holds(test: Any, settings: Mapping[str, Value]) -> bool | None:
    """Whether a condition holds; None where the settings do not tell."""
    if test[0] in ("and", "or"):
        answers = [holds(each, settings) for each in test[1:]]
        decisive = bool(test[0] == "or")
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive
    if test[0] == "not":
        answer = holds(test[1], settings)
        return None if answer is None else not answer
    try:
        return bool(_value(test, settings))
    except _Unknown:
        return None


def _value(test: Any, settings: Mapping[str, Value]) -> Any:
    match test[0]:
        case "const":
            return test[1]
        case "setting":
            return _read(settings, test[1])
        case "not":
            return not _value(test[1], settings)
        case "and" | "or":
            answer = None
            for each in test[1:]:
                answer = _value(each, settings)
                if bool(answer) == (test[0] == "or"):
                    break
            return answer
        case name if name in _COMPARED:
            left, right = (_value(each, settings) for each in test[1:])
            try:
                return _COMPARED[name](left, right)
            except TypeError:
                raise _Unknown from None
    raise _Unknown


def _read(settings: Mapping[str, Value], name: str) -> Any:
    value: Any = settings
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise _Unknown
        value = value[part]
    return value


def _shown(settings: Mapping[str, Value], name: str) -> Value:
    try:
        value = _read(settings, name)
    except _Unknown:
        return "?"
    return value if isinstance(value, bool | int | float | str | None) else str(value)
