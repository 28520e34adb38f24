"""How the parts of a layer are connected: one after the other, or parting from a value and meeting again.

Most layers are series and parallels of their parts; `arranged` finds these in a graph of parts. What is neither stays a
`Tangle`: its parts in order, with every edge by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from specdiff.graph.boxes import Box


@dataclass(frozen=True, slots=True)
class Alternative:
    """What stands in a place in some of the layers."""

    layers: tuple[int, ...]
    """0-based; empty where it is all of them."""
    box: Box


@dataclass(frozen=True, slots=True)
class Read:
    """What a box reads from outside of the layer beside the stream."""

    words: str
    layers: tuple[int, ...] = ()
    """The layers in which it does."""


@dataclass(frozen=True, slots=True)
class Place:
    """A box, or different boxes in different layers."""

    alternatives: tuple[Alternative, ...]
    reads: tuple[Read, ...] = ()

    @property
    def box(self) -> Box:
        """The first box."""
        return self.alternatives[0].box


@dataclass(frozen=True, slots=True)
class Fork:
    """Ways that part from one value and meet again; an empty one is the value itself (a residual path)."""

    ways: tuple[Flow, ...]
    join: str
    """What brings them together: `+`, `×`, `−`, another operation's name; empty where what follows reads them all."""
    reads: tuple[str, ...] = ()
    """What is brought in there from outside of the layer."""

    @property
    def past(self) -> bool:
        """Whether the value itself is among the ways."""
        return any(not way for way in self.ways)


@dataclass(frozen=True, slots=True)
class Tangle:
    """Parts whose connections are no series of parallels."""

    items: tuple[Place | Fork, ...]
    """In an order in which data can pass; a fork without ways stands for its operation."""
    edges: tuple[tuple[int, int], ...]
    """Indices; -1 is the value that comes in, and the number of items what goes out."""


Flow = tuple[Place | Fork | Tangle, ...]


def boxes_of(flow: Flow) -> Iterator[Box]:
    """Every box in the order of the data, without those inside of boxes."""
    for place in places(flow):
        for alternative in place.alternatives:
            yield alternative.box


def places(flow: Flow) -> Iterator[Place]:
    """Every place in the order of the data."""
    for each in flow:
        match each:
            case Place():
                yield each
            case Fork():
                for way in each.ways:
                    yield from places(way)
            case Tangle():
                yield from places(each.items)


def shape_of(flow: Flow) -> tuple[object, ...]:
    """How parts are connected, whatever they are: equal for two flows that differ in their boxes alone."""

    def one(each: Place | Fork | Tangle) -> object:
        match each:
            case Place():
                return "place"
            case Fork():
                return (each.join, tuple(shape_of(way) for way in each.ways))
            case Tangle():
                return (each.edges, shape_of(each.items))

    return tuple(one(each) for each in flow)


def mapped(flow: Flow, change: Callable[[Box], Box]) -> Flow:
    """The same connections with every box changed."""

    def one(each: Place | Fork | Tangle) -> Place | Fork | Tangle:
        match each:
            case Place():
                done = tuple(Alternative(item.layers, change(item.box)) for item in each.alternatives)
                return replace(each, alternatives=done)
            case Fork():
                return replace(each, ways=tuple(mapped(way, change) for way in each.ways))
            case Tangle():
                return replace(each, items=tuple(item for item in map(one, each.items) if not isinstance(item, Tangle)))

    return tuple(one(each) for each in flow)


def merged(one: Flow, other: Flow, alike: Callable[[Box, Box], bool]) -> Flow | None:
    """Two layers' flows as one whose places hold the boxes of both; None where they are connected differently."""
    if len(one) != len(other):
        return None
    found: list[Place | Fork | Tangle] = []
    for left, right in zip(one, other, strict=True):
        both = _merged_item(left, right, alike)
        if both is None:
            return None
        found.append(both)
    return tuple(found)


def _merged_item(
    left: Place | Fork | Tangle, right: Place | Fork | Tangle, alike: Callable[[Box, Box], bool]
) -> Place | Fork | Tangle | None:
    match left, right:
        case Place(), Place() if alike(left.box, right.box):
            reads = _joined((*left.reads, *right.reads))
            return Place(_alternatives((*left.alternatives, *right.alternatives)), reads)
        case Fork(), Fork() if (left.join, left.reads, len(left.ways)) == (right.join, right.reads, len(right.ways)):
            ways = [merged(*each, alike) for each in zip(left.ways, right.ways, strict=True)]
            return replace(left, ways=tuple(way for way in ways if way is not None)) if None not in ways else None
        case Tangle(), Tangle() if left.edges == right.edges:
            items = merged(left.items, right.items, alike)
            kept = [item for item in items or () if not isinstance(item, Tangle)]
            return None if items is None else replace(left, items=tuple(kept))
        case _:
            return None


def _alternatives(found: Sequence[Alternative]) -> tuple[Alternative, ...]:
    """Boxes that read alike stand once."""
    kept: list[Alternative] = []
    for each in found:
        same = next((index for index, other in enumerate(kept) if same_words(other.box, each.box)), None)
        if same is None:
            kept.append(each)
        else:
            layers = tuple(sorted({*kept[same].layers, *each.layers}))
            kept[same] = Alternative(layers, kept[same].box)
    return tuple(kept)


def _joined(reads: Sequence[Read]) -> tuple[Read, ...]:
    found: dict[str, tuple[int, ...]] = {}
    for each in reads:
        found[each.words] = tuple(sorted({*found.get(each.words, ()), *each.layers}))
    return tuple(Read(words, layers) for words, layers in found.items())


def same_words(left: Box, right: Box) -> bool:
    """Whether two boxes look alike."""
    return (left.kind, left.title, left.lines, left.inside) == (right.kind, right.title, right.lines, right.inside)


def limited(flow: Flow, count: int, most: int, rest: Callable[[Sequence[Box]], Box]) -> Flow:
    """The flow with at most `most` alternatives in each place; what holds for all `count` layers names no layers."""

    def place(each: Place) -> Place:
        found = each.alternatives
        if len(found) > 2 and (one := _ranged([item.box for item in found])) is not None:
            found = (Alternative(tuple(sorted(layer for item in found for layer in item.layers)), one),)
        if len(found) > most:
            tail = found[most - 1 :]
            layers = tuple(sorted(layer for item in tail for layer in item.layers))
            found = (*found[: most - 1], Alternative(layers, rest([item.box for item in tail])))
        reads = tuple(replace(item, layers=()) if len(item.layers) == count else item for item in each.reads)
        done = tuple(replace(item, layers=()) if len(item.layers) == count else item for item in found)
        return Place(done, reads)

    def one(each: Place | Fork | Tangle) -> Place | Fork | Tangle:
        match each:
            case Place():
                return place(each)
            case Fork():
                return replace(each, ways=tuple(limited(way, count, most, rest) for way in each.ways))
            case Tangle():
                return replace(each, items=tuple(item for item in map(one, each.items) if not isinstance(item, Tangle)))

    return tuple(one(each) for each in flow)


_LONGEST = 64
"""Characters of a line that lists what boxes say in different layers."""


def _ranged(boxes: Sequence[Box]) -> Box | None:
    """Boxes that differ in their numbers alone as one that says all of them; None where more differs."""
    first = boxes[0]
    if any(
        (box.kind, len(box.lines), len(box.inside)) != (first.kind, len(first.lines), len(first.inside))
        for box in boxes
    ):
        return None
    if any(_worded(box) != _worded(first) for box in boxes):
        return None
    rows = []
    for row in zip(*(box.inside for box in boxes), strict=True):
        if len({len(each) for each in row}) > 1:
            return None
        inner = [_ranged(each) for each in zip(*row, strict=True)]
        if None in inner:
            return None
        rows.append(tuple(box for box in inner if box is not None))
    lines = tuple(_listed(each) for each in zip(*(box.lines for box in boxes), strict=True))
    return replace(first, lines=lines, inside=tuple(rows))


def _worded(box: Box) -> tuple[str, ...]:
    """What a box says beside its numbers."""
    return tuple(re.sub(r"[\d.,]+(?:e[+-]?\d+)?", "0", line) for line in (box.title, *box.lines))


def _listed(lines: Sequence[str]) -> str:
    """Lines as one: each that is different, or the first and the last of many."""
    different = list(dict.fromkeys(lines))
    whole = " | ".join(different)
    return whole if len(whole) <= _LONGEST else f"{different[0]} … {different[-1]}"


def in_layers(flow: Flow, layers: tuple[int, ...]) -> Flow:
    """The flow with every box standing in some layers."""

    def one(each: Place | Fork | Tangle) -> Place | Fork | Tangle:
        match each:
            case Place():
                boxes = tuple(replace(item, layers=layers) for item in each.alternatives)
                return Place(boxes, tuple(replace(item, layers=layers) for item in each.reads))
            case Fork():
                return replace(each, ways=tuple(in_layers(way, layers) for way in each.ways))
            case Tangle():
                return replace(each, items=tuple(item for item in map(one, each.items) if not isinstance(item, Tangle)))

    return tuple(one(each) for each in flow)


def arranged(items: Mapping[int, Place | Fork], edges: Mapping[int, Sequence[int]], start: int, end: int) -> Flow:
    """A graph of parts as series and parallels.

    Args:
        items: Parts by number; a fork without ways is an operation where ways meet.
        edges: For each number the numbers that read it; every one lies between `start` and `end`.
        start: Number of what comes in; no part.
        end: Number of what goes out; no part.
    """
    return _Arranging(items, edges).between(start, end, _sorted(items, edges, start, end))


def _sorted(items: Mapping[int, Place | Fork], edges: Mapping[int, Sequence[int]], start: int, end: int) -> list[int]:
    """Topological order, the lowest number first where there is a choice."""
    waiting = dict.fromkeys((*items, end), 0)
    for readers in edges.values():
        for reader in set(readers):
            waiting[reader] += 1
    ready, order = [start], []
    while ready:
        current = min(ready)
        ready.remove(current)
        if current not in (start, end):
            order.append(current)
        for reader in sorted(set(edges.get(current, ()))):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return order


class _Arranging:
    """Owned by one call of `arranged`."""

    def __init__(self, items: Mapping[int, Place | Fork], edges: Mapping[int, Sequence[int]]) -> None:
        self._items = items
        self._edges = edges

    def between(self, start: int, end: int, order: Sequence[int], one_way: bool = False) -> Flow:
        """What lies strictly between two numbers, in topological order; as one way of several, the edge past it is not its."""
        rank = {start: -1, end: len(order)} | {number: index for index, number in enumerate(order)}
        spans = [
            (rank[number], rank[reader])
            for number in (start, *order)
            for reader in self._edges.get(number, ())
            if reader in rank and not (one_way and (number, reader) == (start, end))
        ]
        # A part that no edge passes by stands on every way.
        cuts = [n for n in order if not any(low < rank[n] < high for low, high in spans)]
        found: list[Place | Fork | Tangle] = []
        before = start
        for cut in (*cuts, end):
            inner = [number for number in order if rank[before] < rank[number] < rank[cut]]
            met = self._meeting(before, cut, inner, one_way and (before, cut) == (start, end))
            item = self._items.get(cut) if cut != end else None
            if isinstance(met, Fork) and isinstance(item, Fork):
                met, item = replace(met, join=item.join, reads=item.reads), None
            found += [each for each in (met, item) if each is not None]
            before = cut
        return tuple(found)

    def _meeting(self, start: int, end: int, inner: Sequence[int], one_way: bool) -> Fork | Tangle | None:
        """The ways from one number to the next that all pass; None for nothing but the edge itself."""
        direct = not one_way and end in self._edges.get(start, ())
        parts = self._components(inner)
        if not parts:
            return None
        if len(parts) == 1 and not direct:
            return self._tangle(start, end, inner)
        ways = [self.between(start, end, part, one_way=True) for part in parts]
        return Fork((*ways, ()) if direct else tuple(ways), "")

    def _components(self, inner: Sequence[int]) -> list[list[int]]:
        group = {number: number for number in inner}

        def root(number: int) -> int:
            while group[number] != number:
                number = group[number]
            return number

        for number in inner:
            for reader in self._edges.get(number, ()):
                if reader in group:
                    first, second = sorted((root(number), root(reader)))
                    group[second] = first
        found: dict[int, list[int]] = {}
        for number in inner:
            found.setdefault(root(number), []).append(number)
        return list(found.values())

    def _tangle(self, start: int, end: int, inner: Sequence[int]) -> Tangle:
        index = {number: at for at, number in enumerate(inner)} | {start: -1, end: len(inner)}
        edges = [
            (index[number], index[reader])
            for number in (start, *inner)
            for reader in sorted(set(self._edges.get(number, ())))
            if reader in index and (number, reader) != (start, end)
        ]
        return Tangle(tuple(self._items[number] for number in inner), tuple(edges))
