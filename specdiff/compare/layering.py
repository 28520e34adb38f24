"""A model's parameters in the order in which ``forward`` comes to them, cut into layers, and layers beside layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from math import prod
from typing import NamedTuple

from specdiff.results import ClassResult, Use

_INDEX = re.compile(r"(?:^|\.)(\d+)(?=\.|$)")
_EXPERTS_LEAST = 2
DEEPEST = 3
"""Numbers in a name by which layers are told apart: a stage, its block, the block's part."""


class Item(NamedTuple):
    """One parameter, or the equal ones of a layer's experts, at its place."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    source: int
    """Equal for parameters that read the same data."""
    kind: str
    contracted: int = 0
    """As in `Use`."""
    role: str = ""
    """As in `Use`."""
    meaning: str = ""
    """Of a vector: `scale` or `shift`, where the operation that it meets data in says so."""
    layout: tuple[tuple[str, int, int, int], ...] = ()
    """`Use.rows`."""

    @property
    def rows(self) -> tuple[int, ...]:
        """The shape with what goes out before what comes in, however it is stored."""
        return swapped(self.shape) if self.contracted == -2 else self.shape


def layers(side: ClassResult, depth: int = 1, together: bool = True) -> list[list[Item]]:
    """What comes before the layers, each layer, and what comes after them.

    Args:
        side: The model.
        depth: How many numbers of a name say which layer it is; a name that has fewer goes by those that it has.
        together: Whether parameters of one layer that differ only in a further number are experts and stand together.
    """
    runs: list[tuple[str, list[Item]]] = []
    for use in side.uses:
        shape = side.parameters.get(use.name)
        if shape is None:
            continue
        layer = _layer_of(use.name, depth)
        if not runs or runs[-1][0] != layer:
            runs.append((layer, []))
        runs[-1][1].append(
            Item((use.name,), shape, use.source, use.kind, use.contracted, use.role, _meaning(use, shape), use.rows)
        )
    return [_with_experts(items, layer) if together else items for layer, items in runs]


def _layer_of(name: str, depth: int) -> str:
    """The path of the layer that a parameter belongs to; empty outside of layers."""
    ends = [match.end(1) for match in _INDEX.finditer(name)]
    return name[: ends[min(depth, len(ends)) - 1]] if ends else ""


def depth_of(side: ClassResult) -> int:
    """The most numbers that a parameter's name has, up to `DEEPEST`."""
    return max((min(DEEPEST, len(_INDEX.findall(use.name))) for use in side.uses), default=1)


def _meaning(use: Use, shape: tuple[int, ...]) -> str:
    """What a vector does to data that it meets: a norm's or a projection's second operand scales, its third shifts."""
    if len(shape) != 1 or use.source < 0:
        return ""
    if use.kind in ("mul", "add", "sub"):
        return "scale" if use.kind == "mul" else "shift"
    if use.kind in ("linear", "conv") or use.kind.endswith("_norm"):
        return {1: "scale", 2: "shift"}.get(use.place, "")
    return ""


def _with_experts(items: Sequence[Item], layer: str) -> list[Item]:
    """Parameters of one layer, those that differ only in an expert's number together."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        tail = item.names[0][len(layer) :]
        groups.setdefault(_INDEX.sub(".#", tail), []).append(item)
    found = []
    for members in groups.values():
        if len(members) >= _EXPERTS_LEAST and len({member.shape for member in members}) == 1:
            ordered = sorted(members, key=lambda member: [int(n) for n in _INDEX.findall(member.names[0])])
            names = tuple(name for member in ordered for name in member.names)
            found.append(members[0]._replace(names=names))
        else:
            found += members
    return found


def aligned(lefts: list[list[Item]], rights: list[list[Item]]) -> Iterator[tuple[list[Item], list[Item]]]:
    """Layers beside layers: both ends first, the rest in order."""
    if len(lefts) == len(rights):
        yield from zip(lefts, rights, strict=True)
        return
    stacks = _stack(lefts), _stack(rights)
    if len(stacks[0]) == len(stacks[1]) > 1:
        yield from zip(*stacks, strict=True)
        one, other = ([item for part in side if part not in stack for item in part]
                      for side, stack in zip((lefts, rights), stacks, strict=True))  # fmt: skip
        yield one, other
        return
    matcher = SequenceMatcher(None, [weight(part) for part in lefts], [weight(part) for part in rights], autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal" or (i2 - i1) == (j2 - j1):
            yield from zip(lefts[i1:i2], rights[j1:j2], strict=True)
        else:
            left = [item for part in lefts[i1:i2] for item in part]
            right = [item for part in rights[j1:j2] for item in part]
            yield left, right


def _stack(parts: list[list[Item]]) -> list[list[Item]]:
    """The layers of the list that holds most: what one side has beside it (tables of its own, numbered too) is no layer."""
    groups: dict[str, list[list[Item]]] = {}
    for part in parts:
        match = _INDEX.search(part[0].names[0])
        if match is not None:
            groups.setdefault(part[0].names[0][: match.start(1)], []).append(part)
    return max(groups.values(), key=lambda group: (len(group), sum(map(weight, group))), default=[])


def weight(part: Sequence[Item]) -> int:
    return sum(prod(item.shape) * len(item.names) for item in part)


def swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape with its last two axes the other way round."""
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) >= 2 else shape
