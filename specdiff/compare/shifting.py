"""Weights that one side stores less by a plain number: a norm's that is multiplied as it is, and as one plus what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specdiff.compare.model import Pair
from specdiff.graph.computed import absolute
from specdiff.results import ClassResult, Computed


def shifted(pairs: Sequence[Pair], left: ClassResult, right: ClassResult) -> list[Pair]:
    """The pairs with the number by which the same weights are stored otherwise, where the two sides add different ones."""
    lefts, rights = _offsets(left), _offsets(right)
    if lefts == rights:
        return list(pairs)
    found = []
    for pair in pairs:
        more = lefts.get(pair.left[0], 0.0) - rights.get(pair.right[0], 0.0)
        if pair.relation == "same" and more and len(pair.left) == len(pair.right) == 1:
            side = "right" if more < 0 else "left"
            words = f"the {side} side stores them less {abs(more):g} and adds it when it uses them"
            pair = replace(pair, relation="shifted", how=words)  # noqa: PLW2901 - the same pair
        found.append(pair)
    return found


def _offsets(side: ClassResult) -> dict[str, float]:
    """By parameter: the plain number that is added wherever it is used."""
    found: dict[str, set[float]] = {}
    for part in side.computed:
        if part.run:
            continue
        for path in part.paths:
            for name, number in _added(part.operations):
                found.setdefault(absolute(path, name), set()).add(number)
    return {name: numbers.pop() for name, numbers in found.items() if len(numbers) == 1 and 0.0 not in numbers}


def _added(operations: Sequence[Computed]) -> list[tuple[str, float]]:
    """(parameter, the number that is added to it: none is 0), once for each use."""
    found = []
    carried: dict[str, str] = {}
    for index, operation in enumerate(operations):
        for seen in operation.reads:
            name = carried.get(seen.label)
            if name is None and seen.label.startswith("parameter "):
                name = seen.label.removeprefix("parameter ")
            if name is None:
                continue
            if operation.kind == "cast":
                carried[f"#{index}"] = name
            elif operation.kind == "add" and operation.number is not None and len(operation.reads) == 1:
                found.append((name, operation.number))
            else:
                found.append((name, 0.0))
    return found
