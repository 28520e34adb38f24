"""What the first layer's input is the sum of: tokens' vectors, tables and sines by position, convolutions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from specdiff.detect.masks import lengths, ordinary
from specdiff.detect.scene import Tower
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

SHORT = 12
"""Positions at which a table's index is looked at."""

DATA = frozenset({"linear", "conv", "matmul", "softmax", "bmm", "einsum"})
_THROUGH = VIEWS | {
    "dropout",
    "identity",
    "index",
    "gather",
    "masked_fill",
    "where",
    "contiguous",
    "flip",
    "roll",
    "pad",
}
MOST_LEAVES = 60


_PUT_TOGETHER = frozenset({"cat", "join", "stack", "setitem", "overwrite", "scatter"})
"""What a table of sines and cosines is put together with."""
MOST_OFFSET = 4
"""Rows that a table of sines may keep in front of the first position's."""


@dataclass(slots=True)
class Leaf:
    """One of the values that the first layer's input is the sum of."""

    op: Op
    kind: str
    """`learned`, `sinusoidal`, `fixed` (a table that is not trained), `conv`, `data`, or `unknown`."""
    name: str = ""
    rows: int | None = None
    offset: int | None = None


def added_to_input(graph: Operations, tower: Tower) -> list[Leaf]:
    """The values that are summed up to the first layer's input."""
    block = tower.blocks[0]
    first = block.ops[0].id
    coming = [
        graph[source]
        for op in block.ops
        for source in op.inputs
        if source < first and _wide(graph[source]) and graph[source].kind not in ("parameter", "buffer")
    ]
    return _summed(graph, _tokens_among(coming)) if coming else []


def _tokens_among(coming: list[Op]) -> Op:
    """The tokens among what comes into a block: the first value, unless it is one vector for all of them.

    A block that modulates its tokens reads the condition first (adaptive norms, Peebles and Xie 2023, section 3.2).
    """
    shape = coming[0].shape or ()
    if len(shape) == 2:  # noqa: PLR2004 - batch and channels
        for op in coming:
            if op.shape and len(op.shape) == 3 and op.shape[-1] == shape[-1]:  # noqa: PLR2004 - batch, positions, channels
                return op
    return coming[0]


def _summed(graph: Operations, start: Op, deep: bool = False) -> list[Leaf]:
    """The values that a value is the sum of; also the positions that a projection of a sum has taken in before it."""
    found: list[Leaf] = []
    seen: set[int] = set()
    stack = [start]
    while stack and len(seen) < 400 and len(found) < MOST_LEAVES:
        op = stack.pop()
        if op.id in seen:
            continue
        seen.add(op.id)
        inputs = graph.inputs(op)
        if op.kind in ("add", "sub") and len(inputs) == 2:
            loop = _convolved(graph, inputs)
            if loop is not None:
                found.append(loop[0])
                stack.append(loop[1])
                continue
            stack.extend(inputs)
        elif (
            op.kind in _PUT_TOGETHER and not graph.from_inputs[op.id] and (sines := _sinusoidal(graph, op)) is not None
        ):
            found.append(sines)
        elif op.kind == "cat" and not all(_stored(graph, item) for item in inputs):
            # What is learned and stands before the tokens is tokens too: a class, registers.
            found.extend(Leaf(item, "data") for item in inputs if _stored(graph, item))
            stack.extend(item for item in inputs if not _stored(graph, item))
        elif op.kind in ("cat", "join", "stack"):
            stack.extend(inputs)
        elif op.kind in ("slice", "expand", "index", "view", "reshape", "unsqueeze") and graph.source(
            op, _THROUGH
        ).kind in ("parameter", "buffer", "constant"):
            found.append(_table(graph, op, graph.source(op, _THROUGH)))
        elif (
            op.kind in ("layer_norm", "rms_norm", "batch_norm", "group_norm")
            or op.kind in _THROUGH
            or op.kind in ("tanh", "gelu", "relu", "silu")
        ):
            if op.kind == "where" and len(inputs) > 1:
                stack.extend(item for item in inputs[1:] if _wide(item))
            elif inputs:
                stack.append(inputs[0])
        elif op.kind in ("mul", "div") and inputs:
            data = [item for item in inputs if graph.source(item).kind != "parameter"] or inputs
            stack.append(max(data, key=lambda item: (len(item.shape or ()), -item.id)))
        elif op.kind in ("setitem", "scatter", "overwrite") and inputs:
            stack.extend(item for item in inputs[:2] if _wide(item))
        else:
            found.append(_leaf(graph, op))
            if op.kind in ("linear", "addmm") and inputs and not deep:
                found += [
                    leaf for leaf in _summed(graph, inputs[0], deep=True) if leaf.kind in ("learned", "sinusoidal")
                ]
    return found


def _stored(graph: Operations, op: Op) -> bool:
    return graph.source(op, _THROUGH).kind == "parameter"


def _wide(op: Op) -> bool:
    return bool(op.shape) and len(op.shape or ()) >= 2 and op.dtype.startswith(("float", "bfloat"))


def _behind_conv(graph: Operations, op: Op) -> int:
    """The id of the operation itself where a convolution lies close behind it, else -1."""
    current = op
    for _ in range(10):
        if current.kind == "conv":
            return op.id
        if not current.inputs or current.kind not in (*_THROUGH, "gelu", "relu", "silu", "layer_norm", "split"):
            return -1
        current = graph[current.inputs[0]]
    return -1


def _convolved(graph: Operations, inputs: list[Op]) -> tuple[Leaf, Op] | None:
    """``x + f(conv(x))``: the convolution, and x."""
    for own, other in ((inputs[0], inputs[1]), (inputs[1], inputs[0])):
        if _behind_conv(graph, other) != other.id:
            continue
        op = other
        while op.kind != "conv":
            op = graph[op.inputs[0]]
        if graph.reaches(own.id, op.inputs[0]) and op.attrs.get("n") == 1:
            return Leaf(op, "conv", graph.parameter(graph[op.inputs[1]]) or "the input"), own
    return None


def _leaf(graph: Operations, op: Op) -> Leaf:
    if op.kind == "embedding" and len(op.inputs) > 1:
        table = graph[op.inputs[1]]
        name = graph.parameter(table)
        index = graph[op.inputs[0]]
        at = at_positions(graph, index)
        rows = int(table.shape[0]) if table.shape and is_number(table.shape[0]) else None
        if at is not None and counts_up(at):
            return Leaf(op, "learned" if trained(graph, table) else "fixed", name, rows, int(at[0]))
        if at is None and _by_position(graph, index):
            return Leaf(op, "learned" if trained(graph, table) else "fixed", name, rows, None)
        return Leaf(op, "data", name)
    if op.kind in DATA or op.kind in ("input", "pool", "recurrent"):
        return Leaf(op, "data")
    if op.kind in ("parameter", "buffer", "constant"):
        return _table(graph, op, op)
    sines = _sinusoidal(graph, op)
    return sines if sines is not None else Leaf(op, "unknown")


def _table(graph: Operations, op: Op, source: Op) -> Leaf:
    """A parameter or known table that is added as it is: one row per position where it has several rows."""
    shape = [size for size in source.shape or () if not (is_number(size) and size == 1)]
    name = str(source.attrs.get("name", ""))
    if source.kind == "parameter":
        if len(shape) < 2:
            return Leaf(op, "data", name)
        rows = int(shape[0]) if len(shape) == 2 and is_number(shape[0]) else None
        return Leaf(op, "learned" if trained(graph, source) else "fixed", name, rows)
    sines = _sinusoidal(graph, op)
    if sines is not None:
        return sines
    fill = source.attrs.get("fill")
    return Leaf(op, "data" if isinstance(fill, int | float) else "unknown", name)


def trained(graph: Operations, op: Op) -> bool:
    source = graph.source(op)
    return source.attrs.get("trained", True) is not False


def _sinusoidal(graph: Operations, op: Op) -> Leaf | None:
    """Whether a value holds sines and cosines of the position in its channels."""
    import numpy  # noqa: PLC0415 - only where a table is looked at

    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    points = Points(graph, lengths(graph, SHORT), ordinary(graph))
    try:
        shape = points.shape(op)
        if len(shape) < 2 or shape[-1] < 4 or shape[-2] < 4:
            return None
        rows = []
        for position in range(3):
            index = tuple(
                numpy.arange(shape[-1])
                if d == len(shape) - 1
                else numpy.full(shape[-1], position if d == len(shape) - 2 else 0)
                for d in range(len(shape))
            )
            rows.append(numpy.asarray(points.value(op, index), dtype=float))
    except NotKnown:
        return None
    table = numpy.stack(rows)
    if not numpy.all(numpy.abs(table) <= 1.0001) or numpy.ptp(table) == 0:
        return None
    for first in range(MOST_OFFSET):  # the first position's angle: some count from 1, some from behind a padding row
        angles = [(table[p], first + p) for p in range(3) if first + p]
        if all(
            numpy.isclose(row, math.sin(angle), atol=1e-4).any()
            and numpy.isclose(row, math.cos(angle), atol=1e-4).any()
            for row, angle in angles
        ):
            return Leaf(op, "sinusoidal")
    return None


def at_positions(graph: Operations, index: Op) -> Any:
    """What an index holds at the first positions of an ordinary sequence; None where that is not known."""
    import numpy  # noqa: PLC0415 - only where an index is looked at

    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    points = Points(graph, lengths(graph, SHORT), ordinary(graph))
    try:
        shape = points.shape(index)
        if not shape or shape[-1] < 4:
            return None
        count = min(shape[-1], SHORT)
        place = (*[numpy.zeros(count, dtype=int)] * (len(shape) - 1), numpy.arange(count))
        return numpy.broadcast_to(numpy.asarray(points.value(index, place), dtype=float), (count,))
    except NotKnown:
        return None


def counts_up(values: Any) -> bool:
    """Whether numbers grow by one."""
    return all(b - a == 1 for a, b in itertools.pairwise(values))


def _by_position(graph: Operations, index: Op) -> bool:
    """Whether an index that depends on the input still counts positions (a running sum)."""
    behind = [graph[i] for i in graph.ancestors([index.id])]
    return any(op.kind == "cumsum" for op in behind) or (
        any(
            op.attrs.get("range") is not None and any(isinstance(size, Dim) for size in op.shape or ()) for op in behind
        )
        and not any(op.kind in DATA for op in behind)
    )
