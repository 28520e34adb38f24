"""A whole run of both sides worked out on the same small numbers: the same tokens, and weights that stand for each other.

Where the code is written otherwise throughout, no operation of one side stands for one of the other, and only what comes out
at the end tells whether the two are one function. Nothing of the analysed code runs here (see `numbers`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from specdiff.compare.deciding import bounded
from specdiff.compare.evaluating import evaluate
from specdiff.compare.numbers import Array, NotEvaluated, given
from specdiff.compare.placing import IN_PLACE
from specdiff.graph.computed import absolute
from specdiff.results import Computed, ComputedPart, Seen

Node: TypeAlias = "tuple[str, int]"
"""An operation: the part's path, and its number there."""
Known: TypeAlias = "dict[Node, Array]"
_OWN = re.compile(r"#(\d+)\Z")
_OUTER = re.compile(r"#(\d+) of (.*)\Z")
_RESULT = re.compile(r"result (\S+) of (.*)\Z")
_MADE = re.compile(r"buffer (#\d+(?: of \S+)?) \[")
_NONE: frozenset[Node] = frozenset()


class Whole:
    """One run of one side; owned by one comparison."""

    def __init__(self, parts: Sequence[ComputedPart], leaf: Callable[[str, Seen, str], Array]) -> None:
        """Take a run's parts.

        Args:
            parts: All of them.
            leaf: What stands behind the label of a parameter or an input; the last argument is the reader's path.
        """
        self._parts = {path: part for part in parts for path in part.paths}
        self._streams = {
            path: stream for part in parts for path, stream in zip(part.paths, part.streams, strict=False) if stream
        }
        self._leaf = leaf
        self._known: Known = {}
        self._sources: dict[Node, list[Node | None]] = {}
        self._turns: dict[Node, frozenset[Node]] = {}
        self._sums: dict[Node, Node] = {}
        """By operation that changes a tensor in each turn of a loop over a tensor: what is another in each turn."""
        self._before: dict[Node, set[Node]] = {}
        self.met: set[tuple[str, int]] = set()
        """File and line of bounds that some number was beyond."""

    def outputs(self) -> list[Node]:
        """What ``forward`` gives, in order."""
        ends = [("", i) for i, op in enumerate(self._parts[""].operations) if op.kind == "output"]
        return sorted(ends, key=lambda node: int(self._operation(node).said))

    def operation(self, node: Node) -> Computed:
        """What stands at a place."""
        return self._operation(node)

    def value(self, node: Node) -> Array:
        """What an operation comes to.

        Raises:
            NotEvaluated: something on the way to it is not worked out.
        """
        if self._turning(node):
            raise NotEvaluated("what a loop over data gives in its last turn is not worked out")
        self._fill(node, self._known)
        return self._known[node]

    def _operation(self, node: Node) -> Computed:
        return self._parts[node[0]].operations[node[1]]

    def _fill(self, target: Node, known: Known, within: frozenset[Node] = _NONE) -> None:
        """Work out an operation and all that it needs."""
        waiting = [target]
        while waiting:
            node = waiting[-1]
            if node in known:
                waiting.pop()
                continue
            needed = [each for each in self._needed(node, within) if each not in known]
            if needed:
                waiting.extend(needed)
                continue
            known[node] = self._made(node, known, within)
            waiting.pop()

    def _needed(self, node: Node, within: frozenset[Node]) -> Iterator[Node]:
        turn = self._sum(node)
        if turn is not None and turn not in within:
            yield from self._outside(node, turn)
        else:
            yield from (each for each in self._of(node) if each is not None)

    def _made(self, node: Node, known: Known, within: frozenset[Node]) -> Array:
        operation = self._operation(node)
        turn = self._sum(node)
        if turn is not None and turn not in within:
            return self._looped(node, turn, known, within)
        reads = [
            known[source] if source is not None else self._read(seen, node[0])
            for seen, source in zip(operation.reads, self._of(node), strict=True)
        ]
        if operation.kind == "join":
            return self._chosen(operation, reads)
        made = evaluate(operation, reads, data=True)
        if bounded(operation) is not None and made.shape == reads[0].shape and not np.array_equal(made, reads[0]):
            self.met.add((operation.file, operation.line))
        return made

    @staticmethod
    def _chosen(operation: Computed, reads: Sequence[Array]) -> Array:
        """One of several values: worked out where all are the same."""
        if any(each.shape != reads[0].shape or not np.array_equal(each, reads[0]) for each in reads[1:]):
            raise NotEvaluated("which of several values it is depends on data")
        return reads[0]

    def _read(self, seen: Seen, path: str) -> Array:
        if seen.values is not None:
            return given(seen)
        return self._leaf(seen.label, seen, path)

    # Loops over a tensor: recorded for one turn, in which what changes a tensor in place adds to what the turn before left.

    def _looped(self, node: Node, turn: Node, known: Known, within: frozenset[Node]) -> Array:
        base = self._of(node)[0]
        items = known[self._over(turn)]
        made = known[base] if base is not None else self._read(self._operation(node).reads[0], node[0])
        inside = self._inside(node, turn)
        for item in items:
            now = {each: value for each, value in known.items() if each not in inside}
            now[turn] = np.asarray(item)
            if base is not None:
                now[base] = made
            self._fill(node, now, within | {turn})
            made = now[node]
        return made

    def _over(self, turn: Node) -> Node:
        source = self._of(turn)[0]
        if source is None:
            raise NotEvaluated("what a loop runs over is not known")
        return source

    def _inside(self, node: Node, turn: Node) -> set[Node]:
        """What is another in each turn, on the way to an operation."""
        found: set[Node] = set()
        waiting = [node]
        while waiting:
            each = waiting.pop()
            if each not in found and (each == node or turn in self._turning(each)):
                found.add(each)
                waiting.extend(source for source in self._of(each) if source is not None)
        return found

    def _outside(self, node: Node, turn: Node) -> set[Node]:
        """What the turns of a loop read that is the same in all of them."""
        found = self._before.get(node)
        if found is None:
            inside = self._inside(node, turn)
            found = {source for each in inside for source in self._of(each) if source is not None} - inside
            found.add(self._over(turn))
            self._before[node] = found
        return found

    def _turning(self, node: Node) -> frozenset[Node]:
        """The loops in each of whose turns an operation comes to something else."""
        waiting = [node]
        while waiting:
            each = waiting[-1]
            if each in self._turns:
                waiting.pop()
                continue
            sources = [source for source in self._of(each) if source is not None]
            missing = [source for source in sources if source not in self._turns]
            if missing:
                waiting.extend(missing)
                continue
            self._turns[each] = self._turns_of(each)
            waiting.pop()
        return self._turns[node]

    def _turns_of(self, node: Node) -> frozenset[Node]:
        operation = self._operation(node)
        turns = [self._turns[source] if source is not None else _NONE for source in self._of(node)]
        every = _NONE.union(*turns)
        if operation.settings.get("each") is True:
            return every | {node}
        if operation.kind in IN_PLACE and every and not turns[0]:
            if len(every) != 1:
                raise NotEvaluated("a loop over data within another is not worked out")
            base = self._of(node)[0]
            if base is not None and self._sums.get(base) in every:
                raise NotEvaluated("a loop over data that changes one tensor twice is not worked out")
            (self._sums[node],) = every
            return _NONE
        return every

    def _sum(self, node: Node) -> Node | None:
        self._turning(node)
        return self._sums.get(node)

    # Labels

    def _of(self, node: Node) -> list[Node | None]:
        """By what an operation reads: the operation that makes it; none for parameters, inputs and constants."""
        found = self._sources.get(node)
        if found is None:
            found = [self._place(seen.label, node[0]) for seen in self._operation(node).reads]
            self._sources[node] = found
        return found

    def _place(self, label: str, path: str) -> Node | None:
        if label == "stream":
            if path not in self._streams:
                raise NotEvaluated("what a layer takes from the one before is not known")
            return self._place(self._streams[path], "")
        if match := _OWN.match(label):
            return path, int(match[1])
        if match := _OUTER.match(label):
            return absolute(path, match[2]), int(match[1])
        if match := _RESULT.match(label):
            there = absolute(path, match[2])
            part = self._parts.get(there)
            ends = enumerate(part.operations) if part is not None else ()
            return next((there, i) for i, op in ends if op.kind == "result" and op.said == match[1])
        if match := _MADE.match(label):
            return self._place(match[1], path)
        return None


def inputs(parts: Sequence[ComputedPart]) -> Mapping[str, Seen]:
    """What a run is given, by label, in the order it is read."""
    return {
        seen.label: seen
        for part in parts
        for op in part.operations
        for seen in op.reads
        if seen.label.startswith("input ")
    }


def rows(parts: Sequence[ComputedPart], label: str) -> int | None:
    """How many rows the table has that an input is looked up in; none where it is looked up in none."""
    found = [
        op.reads[1 - slot].size
        for part in parts
        for op in part.operations
        if op.kind == "embedding"
        for slot in (0, 1)
        if op.reads[slot].label == label
    ]
    return min((size[0] for size in found if size), default=None)
