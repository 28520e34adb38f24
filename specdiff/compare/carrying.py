"""Weights of one side as a pair of parameters says that the other side keeps them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from specdiff.compare.model import Pair
from specdiff.compare.numbers import Array, NotEvaluated, weight
from specdiff.graph.computed import relative
from specdiff.results import ClassResult

_ROTATED = re.compile(
    r"interleaved row 2i is half row i and row 2i\+1 is row i\+(\d+) \(.* the (left|right) side is half\)"
)
_LESS = re.compile(r"the (left|right) side stores them less (\S+) and")
_GROUPS = re.compile(r" in each of (\d+) groups")
_COLUMNS = -2
_VALUE = 2
"""Place of the value projection, which is not rotated, among three that are fused."""


class Weight(NamedTuple):
    """One parameter of a pair."""

    name: str
    shape: tuple[int, ...]
    contracted: int
    """As in `Use`: -2 where rows are stored as columns."""


def carried(
    pair: Pair, values: Sequence[Array], lefts: Sequence[Weight], rights: Sequence[Weight], head_dim: int | None
) -> list[Array]:
    """The right side's tensors of a pair.

    Args:
        pair: How the two sides keep the same weights.
        values: The left side's tensors, in the pair's order.
        lefts: What they are.
        rights: What is made of them.
        head_dim: Channels of one head, for rotations.

    Raises:
        NotEvaluated: the pair does not say how.
    """
    if "alternat" in pair.how:
        raise NotEvaluated("rows that alternate are not carried over")
    if "rows stand otherwise" in pair.how:
        raise NotEvaluated("rows of a fused weight that stand otherwise are not carried over")
    rows = [_turned(value) if each.contracted == _COLUMNS else value for value, each in zip(values, lefts, strict=True)]
    shapes = [_swapped(each.shape) if each.contracted == _COLUMNS else each.shape for each in rights]
    match pair.relation:
        case "same" | "permuted":
            made = _rotated(pair.how, rows, head_dim)
        case "shifted" if (match := _LESS.search(pair.how)) is not None:
            made = [value + float(match[2]) * (-1 if match[1] == "right" else 1) for value in rows]
        case "transposed":
            unknown = not (lefts[0].contracted and rights[0].contracted)
            made = _rotated(pair.how, [_turned(each) for each in rows] if unknown else rows, head_dim)
        case "reshaped":
            made = [each.reshape(shape) for each, shape in zip(rows, shapes, strict=True)]
        case "fused" if len(rights) == 1 and "of them stacked" in pair.how:
            made = [_piled(rows, shapes[0][0])]
        case "fused" if len(rights) == 1:
            made = [_in_turn(_rotated(pair.how, rows, head_dim), _turns(pair.how))]
        case "split" if len(lefts) == 1:
            if _turns(pair.how) > 1:
                raise NotEvaluated("rows that stand in groups are not carried over")
            made = _rotated(pair.how, _split(rows[0], shapes, pair.how), head_dim)
        case "unstacked":
            made = list(rows[0])
        case "stacked":
            made = [np.stack(rows)]
        case _:
            raise NotEvaluated(f"weights that are {pair.relation} are not carried over")
    if [each.shape for each in made] != shapes:
        raise NotEvaluated(f"weights that are {pair.relation} do not come out in their shape")
    return [_turned(value) if each.contracted == _COLUMNS else value for value, each in zip(made, rights, strict=True)]


class Weights:
    """Random weights of both sides, the right ones made of the left ones; owned by one `align` call."""

    def __init__(self, left: ClassResult, right: ClassResult, pairs: Sequence[Pair]) -> None:
        self._shapes = (left.parameters, right.parameters)
        self._contracted = tuple({use.name: use.contracted for use in side.uses} for side in (left, right))
        self._roles = tuple({use.name: use.role for use in side.uses} for side in (left, right))
        self._pairs = {name: pair for pair in pairs for name in pair.right}
        self._ties = (tied(left), tied(right))
        head = next(
            (fact.value for side in (left, right) if (fact := side.sheet.facts.get("attention.head_dim"))), None
        )
        self._head_dim = head if isinstance(head, int) else None
        self._known: dict[tuple[int, str, float], Array] = {}
        self._random: dict[str, Array] = {}

    def sure(self) -> bool:
        """Whether no weight could stand for another one than the pairs say: shape and part tell each from the others of its
        layer, and none is without a partner."""
        if self._shapes[0] == self._shapes[1]:
            return True
        for side in (0, 1):
            met: set[tuple[str, tuple[int, ...], str]] = set()
            paired = {name for pair in self._pairs.values() for name in (pair.right if side else pair.left)}
            for name, shape in self._shapes[side].items():
                if paired.isdisjoint(self._ties[side].get(name, (name,))):
                    return False
                stem = name.rpartition(_last_number(name))[0]
                key = (stem, shape, self._roles[side].get(name, ""))
                if len(shape) > 1 and key in met:
                    return False
                met.add(key)
        return True

    def array(self, side: int, here: str, name: str) -> Array:
        """A parameter as a part of the model sees it.

        Args:
            side: 0 for the left one.
            here: The part's path on the left side: equal parts get equal weights.
            name: The parameter's whole name on its own side.

        Raises:
            NotEvaluated: no pair says what it is.
        """
        return self._made(side, name, lambda each: weight(each.shape, f"parameter {relative(here, each.name)}"))

    def whole(self, side: int, name: str, scale: float) -> Array:
        """A parameter with numbers of its own, tied ones alike.

        Args:
            side: 0 for the left one.
            name: Its whole name on its own side.
            scale: Size of the numbers.

        Raises:
            NotEvaluated: no pair says what it is.
        """
        known = self._known.get((side, name, scale))
        if known is None:
            known = self._made(side, name, lambda each: self._drawn(each) * scale)
            self._known[side, name, scale] = known
        return known

    def _drawn(self, each: Weight) -> Array:
        label = f"parameter {self._first(each.name)}"
        found = self._random.get(label)
        if found is None:
            found = self._random[label] = weight(each.shape, label)
        return found

    def _first(self, name: str) -> str:
        """The name under which a left parameter is drawn: the same for tied ones."""
        return min(self._ties[0].get(name, (name,)))

    def _made(self, side: int, name: str, drawn: Callable[[Weight], Array]) -> Array:
        if not side:
            return drawn(self._weight(0, name))
        pair = next((self._pairs[each] for each in self._ties[1].get(name, (name,)) if each in self._pairs), None)
        if pair is None:
            raise NotEvaluated(f"nothing on the other side stands for `{name}`")
        lefts = [self._weight(0, each) for each in pair.left]
        rights = [self._weight(1, each) for each in pair.right]
        made = carried(pair, [drawn(each) for each in lefts], lefts, rights, self._head_dim)
        alike = self._ties[1].get(name, (name,))
        return made[next(place for place, each in enumerate(pair.right) if each in alike)]

    def _weight(self, side: int, name: str) -> Weight:
        shape = self._shapes[side].get(name)
        if shape is None:
            raise NotEvaluated(f"`{name}` is not trained")
        return Weight(name, shape, self._contracted[side].get(name, 0))


def _turns(how: str) -> int:
    found = _GROUPS.search(how)
    return int(found[1]) if found is not None else 1


def _in_turn(parts: Sequence[Array], turns: int) -> Array:
    """Rows of several in one, all parts in each of so many groups."""
    whole = np.concatenate([part.reshape(turns, -1, *part.shape[1:]) for part in parts], 1)
    return whole.reshape(-1, *whole.shape[2:])


def tied(side: ClassResult) -> dict[str, tuple[str, ...]]:
    """By parameter: all names that it has."""
    groups: list[set[str]] = []
    for tie in side.tied:
        near = [group for group in groups if not group.isdisjoint(tie)]
        groups = [group for group in groups if group not in near]
        groups.append(set(tie).union(*near))
    return {name: tuple(sorted(group)) for group in groups for name in group}


def _last_number(name: str) -> str:
    return next((each for each in reversed(name.split(".")) if each.isdigit()), name)


def _turned(value: Array) -> Array:
    return value.swapaxes(-1, -2) if value.ndim > 1 else value


def _swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else shape


def _split(whole: Array, shapes: Sequence[tuple[int, ...]], how: str) -> list[Array]:
    """The rows of one tensor for several; of a stack, each expert's."""
    if "of them stacked" in how:
        count = whole.shape[0]
        sizes = [shapes[index * count][0] for index in range(len(shapes) // count)]
        return [piece for stack in np.split(whole, np.cumsum(sizes)[:-1], -2) for piece in stack]
    return list(np.split(whole, np.cumsum([shape[0] for shape in shapes])[:-1], 0))


def _piled(values: Sequence[Array], count: int) -> Array:
    """One stack of experts' rows of several weights, each of which every expert has."""
    parts = [np.stack(values[start : start + count]) for start in range(0, len(values), count)]
    return np.concatenate(parts, -2)


def _rotated(how: str, values: Sequence[Array], head_dim: int | None) -> list[Array]:
    """Half rotation's rows as interleaved ones, or back, in the query and key projections."""
    match = _ROTATED.search(how)
    if match is None:
        return list(values)
    half, width = int(match[1]), 2 * int(match[1])
    order = np.arange(width).reshape(2, half).T.reshape(-1)  # interleaved row 2i is half row i
    if match[2] == "right":
        order = np.argsort(order)
    head = head_dim or width
    found = []
    for index, value in enumerate(values):
        if len(values) > _VALUE and index == _VALUE:
            found.append(value)
            continue
        heads = value.reshape(-1, head, *value.shape[1:]).copy()
        heads[:, :width] = heads[:, :width][:, order]
        found.append(heads.reshape(value.shape))
    return found
