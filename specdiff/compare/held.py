"""One layer of two models held against each other: which operations each has that the other has not.

An operation is found again by what it computes (its settings and all that it reads, forwards) or by what becomes of it (all
that reads it, backwards). What neither finds is where the two are written otherwise.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from specdiff.graph.canonical import COMMUTES
from specdiff.results import Computed

_OWN = re.compile(r"#(\d+)\Z")
ENDS = frozenset({"result", "output", "given"})
"""Kinds that hand something on and compute nothing."""


class Layer:
    """One side of one part with labels that mean the same on both sides, and two digests of each operation."""

    def __init__(
        self,
        operations: Sequence[Computed],
        labels: Sequence[tuple[str, ...]],
        shaped: bool,
        values: Callable[[str], Any] | None = None,
    ) -> None:
        """Take the operations of one part.

        Args:
            operations: In the order they run.
            labels: What each reads, in terms that both sides share.
            shaped: Whether sizes count.
            values: What an array is that a label stands for; None for any that is to be random.
        """
        self.values = values
        self.operations = operations
        self.labels = list(labels)
        """Of each operation: what it reads; ``#N`` for the part's own."""
        self.constant: list[bool] = []
        """Of each operation: whether nothing of the model or its inputs goes into it."""
        self.words: list[str] = []
        """Of each operation: its kind and settings."""
        for op, read in zip(operations, self.labels, strict=True):
            self.constant.append(
                all(
                    self.constant[own] if (own := own_place(label)) is not None else seen.values is not None
                    for label, seen in zip(read, op.reads, strict=True)
                )
            )
            number = "" if op.number is None else f"{op.number:.6g}"
            self.words.append(f"{op.kind} {op.said} {number} {op.shape if shaped else ''}")
        self.forward = self.ahead([""] * len(operations))
        self.readers: list[list[tuple[int, int]]] = [[] for _ in operations]
        """Of each operation: (reader, place among what it reads)."""
        for index, read in enumerate(self.labels):
            for slot, label in enumerate(read):
                own = own_place(label)
                if own is not None:
                    self.readers[own].append((index, slot))
        self.backward = self.behind([""] * len(operations))

    def ahead(self, names: Sequence[str]) -> list[str]:
        """A digest of what each operation does and reads, up to operations that have a name."""
        found: list[str] = []
        for index, labels in enumerate(self.labels):
            seen = [names[own] or found[own] if (own := own_place(label)) is not None else label for label in labels]
            if self.operations[index].kind in COMMUTES:
                seen.sort()
            found.append(digest(self.words[index], *seen))
        return found

    def behind(self, names: Sequence[str]) -> list[str]:
        """A digest of what each operation does and of all that reads it, up to operations that have a name."""
        found = [""] * len(self.operations)
        for index in range(len(self.operations) - 1, -1, -1):
            seen = sorted(
                f"{self._slot(reader, slot)} {names[reader] or found[reader]}" for reader, slot in self.readers[index]
            )
            found[index] = digest(self.words[index], *seen)
        return found

    def _slot(self, reader: int, slot: int) -> str:
        return "" if self.operations[reader].kind in COMMUTES else str(slot)

    def inputs(self, index: int) -> Iterator[int]:
        """The part's own operations that an operation reads."""
        for label in self.labels[index]:
            own = own_place(label)
            if own is not None:
                yield own


class Place(NamedTuple):
    """Where two layers are written otherwise: operations of either, by number, and who reads what they come to."""

    left: frozenset[int]
    right: frozenset[int]
    readers: frozenset[str]
    """What operations that both sides have are known by."""


class Held:
    """Two layers held against each other."""

    def __init__(self, left: Layer, right: Layer, anchored: bool = False) -> None:
        """Match operations.

        Args:
            left: One side.
            right: The other.
            anchored: Whether operations on the same parameter stand for each other, whatever they read and are read by.
        """
        self.sides = (left, right)
        self.ahead = _unmatched(left.forward, right.forward)
        """Of either side: what is not found forwards."""
        behind = _unmatched(left.backward, right.backward)
        self.common: list[list[str]] = []
        """Of either side's operations: what an operation that both have is known by; empty for others."""
        for layer, unmatched, lost in zip(self.sides, self.ahead, behind, strict=True):
            self.common.append(
                [
                    layer.forward[i] if i not in unmatched else "" if i in lost else layer.backward[i]
                    for i in range(len(layer.operations))
                ]
            )
        if anchored:
            self._anchor()
        self._both_have()
        self.readers = [_by_name(names) for names in self.common]
        """Of either side: operations by name."""
        self._unlike()
        self.cores = [{i for i, name in enumerate(names) if not name} for names in self.common]
        size = len(left.operations) + len(right.operations)
        self.found = len(left.operations) - len(self.cores[0])
        self.share = 1 - sum(map(len, self.cores)) / size if size else 1.0

    def _anchor(self) -> None:
        """Give names to operations on the same parameter, and from there to what is alike around them."""
        found = []
        for layer, names in zip(self.sides, self.common, strict=True):
            groups: dict[str, list[int]] = defaultdict(list)
            for index, labels in enumerate(layer.labels):
                parameters = [label for label in labels if label.startswith("parameter ")]
                if not names[index] and parameters:
                    groups[digest("anchor", layer.words[index], *parameters)].append(index)
            found.append(groups)
        for key, lefts in found[0].items():
            if len(lefts) == len(found[1].get(key, ())):
                for index, other in zip(lefts, found[1][key], strict=True):
                    self.common[0][index] = self.common[1][other] = key
        for ways in (Layer.ahead, Layer.behind):
            digests = [ways(layer, names) for layer, names in zip(self.sides, self.common, strict=True)]
            for names, own, lost in zip(self.common, digests, _unmatched(*digests), strict=True):
                for index, each in enumerate(own):
                    if not names[index] and index not in lost:
                        names[index] = each

    def _both_have(self) -> None:
        """Take the name from what the other side has not as often: found forwards in one place and backwards in another."""
        for names, rest in zip(self.common, _unmatched(*self.common), strict=True):
            for index in rest:
                names[index] = ""

    def _unlike(self) -> None:
        """Take the name from operations that both sides have and that read other things that both sides have."""
        for name, lefts in self.readers[0].items():
            rights = self.readers[1].get(name, ())
            if len(lefts) == len(rights) == 1:
                index, other = lefts[0], rights[0]
                reads = [self._names(side, each) for side, each in enumerate((index, other))]
                if "" not in (*reads[0], *reads[1]) and reads[0] != reads[1]:
                    self.common[0][index] = self.common[1][other] = ""

    def _names(self, side: int, index: int) -> list[str]:
        layer = self.sides[side]
        seen = [
            self.common[side][own] if (own := own_place(label)) is not None else label for label in layer.labels[index]
        ]
        return sorted(seen) if layer.operations[index].kind in COMMUTES else seen

    def places(self) -> list[Place]:
        """Where they are written otherwise, each connected place by itself."""
        groups: list[tuple[list[set[int]], set[str]]] = []
        for side, (layer, core) in enumerate(zip(self.sides, self.cores, strict=True)):
            for members in _connected(layer, core):
                read = {reader for index in members for reader, _ in layer.readers[index] if reader not in core}
                own: tuple[list[set[int]], set[str]] = ([set(), set()], {self.common[side][each] for each in read})
                own[0][side].update(members)
                groups.append(own)
        merged: list[tuple[list[set[int]], set[str]]] = []
        for both, keys in groups:
            near = [each for each in merged if each[1] & keys]
            for group in near:
                merged.remove(group)
                keys |= group[1]
                for mine, more in zip(both, group[0], strict=True):
                    mine |= more
            merged.append((both, keys))
        return [Place(frozenset(a), frozenset(b), frozenset(keys)) for (a, b), keys in merged]


def _by_name(names: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        if name:
            found[name].append(index)
    return found


def own_place(label: str) -> int | None:
    """The number of the part's own operation that a label stands for."""
    match = _OWN.match(label)
    return int(match[1]) if match else None


def _connected(layer: Layer, core: set[int]) -> list[set[int]]:
    left = set(core)
    found = []
    while left:
        members, waiting = set(), [left.pop()]
        while waiting:
            index = waiting.pop()
            members.add(index)
            near = {*layer.inputs(index), *(reader for reader, _ in layer.readers[index])} & left
            left -= near
            waiting.extend(near)
        found.append(members)
    return sorted(found, key=min)


def _unmatched(lefts: Sequence[str], rights: Sequence[str]) -> tuple[set[int], set[int]]:
    """Of either side: what the other has not, or not as often."""
    sides: list[set[int]] = []
    for own, others in ((lefts, rights), (rights, lefts)):
        left = Counter(others)
        rest = set()
        for index, each in enumerate(own):
            if left[each]:
                left[each] -= 1
            else:
                rest.add(index)
        sides.append(rest)
    return sides[0], sides[1]


def digest(*words: str) -> str:
    """A short text for some long ones."""
    return blake2b("\n".join(words).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
