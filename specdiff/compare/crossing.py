"""Names that both sides have for weights that play other parts: what fits by name, and gives another result."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from specdiff.compare.model import OPERATIONS, Difference, Meaning, Pair, Side
from specdiff.facts import Evidence, Level
from specdiff.results import ClassResult, Use


def by_name(pairs: Sequence[Pair], left: ClassResult, right: ClassResult) -> list[Pair]:
    """The pairs, with two weights that stand for each other's names under their own where nothing says they play other parts."""
    roles = _uses(left), _uses(right)
    at = {(each.left, each.right): index for index, each in enumerate(pairs) if each.relation == "same"}
    found = list(pairs)
    for (one, other), index in at.items():
        back = at.get((other, one))
        if back is None or back <= index or one == other:
            continue
        names = (*zip(one, other, strict=True), *zip(other, one, strict=True))
        if not any(_crosses(roles, *both) for both in names):
            found[index] = replace(pairs[index], right=one)
            found[back] = replace(pairs[back], right=other)
    return found


def crossed(left: ClassResult, right: ClassResult, pairs: Sequence[Pair]) -> list[Difference]:
    """Weights that the other side has under the same name and uses for something else.

    Weights are paired by what they do. Where both sides name all of theirs alike, a checkpoint of the one loads into the
    other without a word, so names that stand for other parts change the result; where the names are others anyway, whoever
    carries the weights over follows the pairs, and only has to know that an equal name is a trap.
    """
    alike = set(left.parameters) == set(right.parameters)
    meaning = Meaning.RESULT if alike else Meaning.LAYOUT
    words = (
        "both sides have both names: a checkpoint loads by name, and gives another result"
        if alike
        else "both sides have both names: weights must be carried over as the pairs say, not by name"
    )
    roles = _uses(left), _uses(right)
    found: dict[tuple[str, str], Difference] = {}
    for each in pairs:
        for one, other in zip(each.left, each.right, strict=True) if len(each.left) == len(each.right) else ():
            key = (_starred(one), _starred(other))
            if key[0] == key[1] or key in found or not _crosses(roles, one, other):
                continue
            sides = (_side(roles[0].get(one), key[0]), _side(roles[1].get(other), key[1]))
            found[key] = Difference(OPERATIONS, *sides, meaning, words, f"with {key[0]}")
    return list(found.values())


def _uses(result: ClassResult) -> dict[str, Use]:
    return {use.name: use for use in reversed(result.uses)}


def _crosses(roles: tuple[dict[str, Use], dict[str, Use]], one: str, other: str) -> bool:
    """Whether two weights of one role have names that the other side gives to weights of other roles."""
    here, there, namesake = roles[0].get(one), roles[1].get(other), roles[1].get(one)
    if one == other or here is None or there is None or namesake is None or other not in roles[0]:
        return False
    return bool(here.role) and here.role == there.role != namesake.role


def _side(use: Use | None, shown: str) -> Side:
    if use is None:
        return Side(shown, Level.USED, ())
    words = f"{shown} as {use.role.replace('+', ' and ')}"
    return Side(words, Level.USED, (Evidence(use.file, use.line, use.line, f"{use.name} meets data"),))


def _starred(name: str) -> str:
    return re.sub(r"\d+", "*", name)


__all__ = ["by_name", "crossed"]
