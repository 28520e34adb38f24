"""Pairs the parameters of two implementations by what they do with data and by shape, never by name.

Each side's parameters stand in the order in which ``forward`` comes to them, layer by layer. Within a layer they are
aligned like two texts: equal shapes first; what is left over is explained as a transpose, a fusion or split of weights
that read the same data, or a stack of experts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from math import prod
from typing import NamedTuple, TypeAlias

from specdiff.compare.model import OTHER_SIZE, Pair
from specdiff.results import ClassResult

Explanation: TypeAlias = "Callable[[list[Item], list[Item]], tuple[list[Pair], list[Item], list[Item]]]"
_INDEX = re.compile(r"(?:^|\.)(\d+)(?=\.|$)")
_EXPERTS_LEAST = 2


class Item(NamedTuple):
    """One parameter, or the equal ones of a layer's experts, at its place."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    source: int
    """Equal for parameters that read the same data."""
    kind: str


def pair(left: ClassResult, right: ClassResult) -> tuple[list[Pair], list[str], list[str], str]:
    """(pairs, left ones without a partner, right ones, why nothing could be paired)."""
    for side, word in ((left, "left"), (right, "right")):
        if not side.uses:
            return (
                [],
                [],
                [],
                f"the order in which the {word} side uses its parameters is not known: its forward was not followed",
            )
    lefts, rights = _layers(left), _layers(right)
    pairs: list[Pair] = []
    one_only: list[str] = []
    other_only: list[str] = []
    for part, other in _aligned(lefts, rights):
        found, left_rest, right_rest = _pair_layer(part, other)
        pairs += found
        one_only += [name for item in left_rest for name in item.names]
        other_only += [name for item in right_rest for name in item.names]
    used_left = {use.name for use in left.uses}
    used_right = {use.name for use in right.uses}
    tied_left, tied_right = {name for name, _ in left.tied}, {name for name, _ in right.tied}
    one_only += [name for name in left.parameters if name not in used_left and name not in tied_left]
    other_only += [name for name in right.parameters if name not in used_right and name not in tied_right]
    return pairs, one_only, other_only, ""


def _layers(side: ClassResult) -> list[list[Item]]:
    """What comes before the layers, each layer, and what comes after them."""
    runs: list[tuple[str, list[Item]]] = []
    for use in side.uses:
        shape = side.parameters.get(use.name)
        if shape is None:
            continue
        match = _INDEX.search(use.name)
        layer = use.name[: match.end(1)] if match else ""
        if not runs or runs[-1][0] != layer:
            runs.append((layer, []))
        runs[-1][1].append(Item((use.name,), shape, use.source, use.kind))
    merged: list[list[Item]] = []
    for _, items in runs:
        merged.append(_with_experts(items))
    return merged


def _with_experts(items: Sequence[Item]) -> list[Item]:
    """Parameters of one layer, those that differ only in an expert's number together."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        first = _INDEX.search(item.names[0])
        tail = item.names[0][first.end(1) :] if first else item.names[0]
        groups.setdefault(_INDEX.sub(".#", tail), []).append(item)
    found = []
    for members in groups.values():
        if len(members) >= _EXPERTS_LEAST and len({member.shape for member in members}) == 1:
            ordered = sorted(members, key=lambda member: [int(n) for n in _INDEX.findall(member.names[0])])
            names = tuple(name for member in ordered for name in member.names)
            found.append(Item(names, members[0].shape, members[0].source, members[0].kind))
        else:
            found += members
    return found


def _aligned(lefts: list[list[Item]], rights: list[list[Item]]) -> Iterator[tuple[list[Item], list[Item]]]:
    """Layers beside layers: both ends first, the rest in order."""
    if len(lefts) == len(rights):
        yield from zip(lefts, rights, strict=True)
        return
    matcher = SequenceMatcher(
        None, [_weight(part) for part in lefts], [_weight(part) for part in rights], autojunk=False
    )
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal" or (i2 - i1) == (j2 - j1):
            yield from zip(lefts[i1:i2], rights[j1:j2], strict=True)
        else:
            left = [item for part in lefts[i1:i2] for item in part]
            right = [item for part in rights[j1:j2] for item in part]
            yield left, right


def _weight(part: Sequence[Item]) -> int:
    return sum(prod(item.shape) * len(item.names) for item in part)


def _pair_layer(left: list[Item], right: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """The explanation that leaves least over: equal shapes first, or fusions and stacks first."""
    attempts = [
        _explained(left, right, (_in_order, _moved, _turned, _stacked, _fused, _sized)),
        _explained(left, right, (_stacked, _fused, _in_order, _moved, _turned, _sized)),
    ]
    return min(attempts, key=_cost)


def _cost(attempt: tuple[list[Pair], list[Item], list[Item]]) -> tuple[int, int]:
    pairs, left, right = attempt
    unlike = sum(pair.relation == OTHER_SIZE for pair in pairs)
    return len(left) + len(right) + 2 * unlike, sum(pair.relation != "same" for pair in pairs)


def _explained(
    left: list[Item], right: list[Item], explanations: Sequence[Explanation]
) -> tuple[list[Pair], list[Item], list[Item]]:
    pairs: list[Pair] = []
    left, right = list(left), list(right)
    for explain in explanations:
        found, left, right = explain(left, right)
        pairs += found
    return pairs, left, right


def _in_order(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """Equal shapes in the same order on both sides."""
    matcher = SequenceMatcher(None, [_shape(item) for item in lefts], [_shape(item) for item in rights], autojunk=False)
    pairs: list[Pair] = []
    rest_left: list[Item] = []
    rest_right: list[Item] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            pairs += [Pair(a.names, b.names, "same", "") for a, b in zip(lefts[i1:i2], rights[j1:j2], strict=True)]
        else:
            rest_left += lefts[i1:i2]
            rest_right += rights[j1:j2]
    return pairs, rest_left, rest_right


def _shape(item: Item) -> tuple[object, ...]:
    return (item.shape, len(item.names))


def _take(
    lefts: list[Item],
    rights: list[Item],
    fits: Callable[[Item, Item], bool],
    relation: str,
    words: Callable[[Item, Item], str],
) -> tuple[list[Pair], list[Item], list[Item]]:
    """Pair each left item with the first right one that fits."""
    pairs = []
    remaining = list(rights)
    kept = []
    for item in lefts:
        partner = next((other for other in remaining if fits(item, other)), None)
        if partner is None:
            kept.append(item)
        else:
            remaining.remove(partner)
            pairs.append(Pair(item.names, partner.names, relation, words(item, partner)))
    return pairs, kept, remaining


def _moved(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    return _take(lefts, rights, lambda a, b: _shape(a) == _shape(b), "same", lambda a, b: "")


def _turned(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    def fits(a: Item, b: Item) -> bool:
        return (
            len(a.names) == len(b.names)
            and len(a.shape) == len(b.shape) >= 2
            and a.shape == (*b.shape[:-2], b.shape[-1], b.shape[-2])
        )

    pairs, lefts, rights = _take(lefts, rights, fits, "transposed", lambda a, b: "transposed")
    flat, lefts, rights = _take(
        lefts,
        rights,
        lambda a, b: len(a.names) == len(b.names) and _squeezed(a.shape) == _squeezed(b.shape) and a.shape != b.shape,
        "reshaped",
        lambda a, b: f"{_size(a.shape)} as {_size(b.shape)}",
    )
    return [*pairs, *flat], lefts, rights


def _sized(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """What meets data in the same way, in the same order, and has another size."""
    return _take(
        lefts,
        rights,
        lambda a, b: a.kind == b.kind and len(a.shape) == len(b.shape),
        OTHER_SIZE,
        lambda a, b: f"{_copies(a)}{_size(a.shape)} against {_copies(b)}{_size(b.shape)}",
    )


def _copies(item: Item) -> str:
    return f"{len(item.names)} of " if len(item.names) > 1 else ""


def _stacked(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """One tensor with a dimension for the experts against one tensor per expert."""

    def one_way(stack: Item, single: Item) -> bool:
        count = len(single.names)
        inner = stack.shape[1:]
        return len(stack.names) == 1 and count > 1 and stack.shape[:1] == (count,) and inner in _both_ways(single.shape)

    def how(stack: Item, single: Item) -> str:
        turned = ", transposed" if stack.shape[1:] != single.shape else ""
        return f"{len(single.names)} of {_size(single.shape)} stacked as {_size(stack.shape)}{turned}"

    first, lefts, rights = _take(lefts, rights, one_way, "unstacked", how)
    second, lefts, rights = _take(lefts, rights, lambda a, b: one_way(b, a), "stacked", lambda a, b: how(b, a))
    return [*first, *second], lefts, rights


def _fused(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """One tensor whose rows are those of several that read the same data."""
    pairs: list[Pair] = []
    for whole_side, part_side, relation in ((rights, lefts, "fused"), (lefts, rights, "split")):
        for whole in list(whole_side):
            group = _parts_of(whole, part_side)
            if group is None:
                continue
            parts, words = group
            whole_side.remove(whole)
            for part in parts:
                part_side.remove(part)
            names = tuple(name for part in parts for name in part.names)
            sides = (names, whole.names) if relation == "fused" else (whole.names, names)
            pairs.append(Pair(*sides, relation, words))
    return pairs, lefts, rights


def _parts_of(whole: Item, candidates: Sequence[Item]) -> tuple[list[Item], str] | None:
    """Neighbours whose rows add up to a fused weight's, perhaps transposed or stacked over experts."""
    readers: dict[tuple[int, int], list[Item]] = {}
    for item in candidates:
        readers.setdefault((item.source, len(item.shape)), []).append(item)
    for shape, turned in ((whole.shape, False), (_swapped(whole.shape), True)):
        for group in readers.values():
            for start in range(len(group)):
                for count in (2, 3, 4, 5, 6):
                    parts = group[start : start + count]
                    if len(parts) == count and _adds_up(shape, len(whole.names), parts):
                        rows = " + ".join(str(_rows(part)) for part in parts)
                        return parts, f"rows {rows} of {_size(whole.shape)}" + (", transposed" if turned else "")
    return None


def _adds_up(shape: tuple[int, ...], copies: int, parts: Sequence[Item]) -> bool:
    if len(shape) == 1:
        return (
            all(len(p.shape) == 1 and len(p.names) == copies for p in parts)
            and sum(p.shape[0] for p in parts) == shape[0]
        )
    if len(shape) == 3 and copies == 1 and all(len(p.shape) == 2 and len(p.names) == shape[0] for p in parts):
        return {p.shape[1] for p in parts} == {shape[2]} and sum(p.shape[0] for p in parts) == shape[1]
    same = all(len(p.shape) == len(shape) and len(p.names) == copies and p.shape[:-2] == shape[:-2] for p in parts)
    return same and {p.shape[-1] for p in parts} == {shape[-1]} and sum(p.shape[-2] for p in parts) == shape[-2]


def _rows(item: Item) -> int:
    return item.shape[-2] if len(item.shape) > 1 else item.shape[0]


def _swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) >= 2 else shape


def _both_ways(shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return (shape, _swapped(shape))


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _size(shape: Sequence[int]) -> str:
    return "×".join(str(size) for size in shape)
