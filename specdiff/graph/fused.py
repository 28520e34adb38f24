"""Which rows of one stored weight play which part: where queries, keys and values, or gate and up, stand in a fused one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

Rows = tuple[tuple[str, int, int, int], ...]
"""(part, first row, rows in one go, rows from one go to the next or 0 where there is but one), in the order of the rows."""
_LARGEST = 1 << 22
"""Elements of a result up to which rows are followed: with the text's sizes as one, all but those of large pictures."""
_SAME_ELEMENTS = frozenset(
    {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "contiguous", "cast", "detach"}
)


def rows_of(
    operations: Operations, product: Op, weight: int, arrivals: Mapping[str, Collection[int]], cone: Collection[int]
) -> Rows:
    """Which rows of a projection's weight make what arrives as which part; empty where that is not followed.

    Args:
        operations: The run.
        product: The projection.
        weight: What it reads as its weight: the stored one, or a piece of it.
        arrivals: By part: the operations whose results arrive as it.
        cone: Operations between the projection and these.
    """
    first = _offset(operations, weight)
    last = product.shape[-1] if product.shape else None
    if first is None or not isinstance(last, int):
        return ()
    shape = _ones(product.shape)
    if shape is None or not 0 < prod(shape) <= _LARGEST:
        return ()
    known: dict[int, Any] = {product.id: np.broadcast_to(np.arange(first, first + last), shape)}
    found = []
    for part, ends in arrivals.items():
        reached = [_carried(operations, end, known, cone) for end in ends]
        if not reached or any(each is None for each in reached):
            return ()
        there = np.zeros(first + last, dtype=bool)  # a picture's millions of elements come from a few thousand rows
        for each in reached:
            there[each] = True
        turn = _turn(np.flatnonzero(there))
        if turn is None:
            return ()
        found.append((part, *turn))
    return tuple(sorted(found, key=lambda each: each[1]))


def joined(one: Rows, other: Rows) -> Rows:
    """What two pieces of one weight say together; empty where either is not known."""
    return tuple(sorted({*one, *other}, key=lambda each: each[1])) if one and other else ()


def _offset(operations: Operations, weight: int) -> int | None:
    """The row of the stored weight that a piece begins with; None where rows are taken otherwise."""
    first = 0
    for view in operations.chain(operations[weight])[:-1]:
        before = operations[view.inputs[0]].shape
        if view.kind in ("split", "slice"):
            start = _first_row(view, len(before or ()))
            if start is None:
                return None
            first += start
        elif view.kind not in ("transpose", "permute", "cast", "contiguous", "detach"):
            return None
    return first


def _first_row(view: Op, rank: int) -> int | None:
    if view.kind == "split":
        dim, start = view.attrs.get("dim"), view.attrs.get("start")
        return start if isinstance(dim, int) and isinstance(start, int) and dim % rank == max(rank - 2, 0) else None
    spec = view.attrs.get("spec")
    if not isinstance(spec, tuple) or len(spec) != rank:
        return None
    *_, rows, columns = (":", *spec) if rank == 1 else spec
    if rank == 1:
        rows, columns = columns, ":"
    if columns != ":" or not isinstance(rows, tuple) or rows[2] not in (None, 1):
        return None
    return rows[0] or 0


def _ones(shape: Iterable[Any] | None) -> tuple[int, ...] | None:
    """A shape for one token."""
    found = []
    for size in shape or ():
        if isinstance(size, int):
            found.append(int(size))
        elif isinstance(size, Dim) and not any("(" in symbol for monomial, _ in size.terms for symbol in monomial):
            found.append(sum(factor for _, factor in size.terms))
        else:
            return None
    return tuple(found)


def _carried(operations: Operations, index: int, known: dict[int, Any], cone: Collection[int]) -> Any:
    """The numbers of the rows that an operation's result is made of, in its shape; None where that is not followed."""
    if index not in known:
        op = operations[index]
        known[index] = None
        if op.kind == "cat":
            pieces = [
                _carried(operations, each, known, cone)
                for each in op.inputs
                if operations[each].shape != (0,)  # a cache that nothing is in yet
            ]
            if all(piece is not None for piece in pieces):
                known[index] = _together(op, pieces)
            return known[index]
        source = next((each for each in op.inputs if each in cone or each in known), None)
        before = _carried(operations, source, known, cone) if source is not None else None
        if before is not None:
            known[index] = _moved(op, before)
    return known[index]


def _together(op: Op, pieces: list[Any]) -> Any:
    try:
        return np.concatenate(pieces, op.attrs["dim"])
    except (KeyError, TypeError, ValueError):
        return None


def _moved(op: Op, before: Any) -> Any:
    shape = _ones(op.shape)
    if shape is None or any(size < 1 for size in shape):
        return None
    rank = before.ndim
    try:
        if op.kind in _SAME_ELEMENTS:
            return before.reshape(shape)
        if op.kind == "split":
            start, length = op.attrs["start"], op.attrs["length"]
            return before.take(range(start, start + length), op.attrs["dim"]).reshape(shape)
        if op.kind == "slice":
            spec = op.attrs["spec"]
            index = tuple(
                slice(None) if each == ":" else slice(*each) if isinstance(each, tuple) else each for each in spec
            )
            return before[index].reshape(shape)
        if op.kind == "transpose":
            return before.swapaxes(op.attrs["dim0"], op.attrs["dim1"])
        if op.kind == "permute":
            return before.transpose(op.attrs["dims"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return before if op.kind not in VIEWS and rank == len(shape) and before.shape == shape else None


def _turn(rows: Any) -> tuple[int, int, int] | None:
    """Row numbers as (first, rows in one go, rows from one go to the next); None where they are not regular."""
    breaks = np.flatnonzero(np.diff(rows) != 1)
    starts = rows[np.concatenate(([0], breaks + 1))]
    lengths = np.diff(np.concatenate(([0], breaks + 1, [len(rows)])))
    if len(set(lengths.tolist())) != 1:
        return None
    steps = set(np.diff(starts).tolist())
    if len(steps) > 1:
        return None
    return int(starts[0]), int(lengths[0]), steps.pop() if steps else 0
