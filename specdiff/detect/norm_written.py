"""Norms that are written out: a statistic of a row, its root, and the product of the row with what is one over it.

The parts may come in any order: the weight before the statistic or folded into it, a root with the constant outside,
a mean as a sum over a size, a variance as the mean of squares less the square of the mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

CASTS = frozenset({"cast", "copy", "identity", "detach"})
_CARRIES = CASTS | VIEWS | {"join"}
_SELF_PRODUCT = re.compile(r"(?P<a>[a-zA-Z.]+),(?P=a)->(?P<out>[a-zA-Z.]*)")
_STEPS = 12
"""Operations between a statistic and the product at most."""
CLOSE = 1e-4
"""As a share: how near a constant must be to the root of a size."""


def asks_for_32_bits(op: Op) -> bool:
    """Whether an operation casts to 32 bits because the code says so, not because another tensor happens to have them."""
    return op.kind == "cast" and op.attrs.get("to") == "float32" and not op.attrs.get("own")


def same(op: Op, *others: Op) -> bool:
    """Whether an operation is one of some others, or the same computed again."""
    return any(op.id == other.id or (op.kind == other.kind == "sub" and op.inputs == other.inputs) for other in others)


@dataclass(frozen=True, slots=True)
class Written:
    """A norm that is written out, up to the product."""

    kind: str
    """`rms`, `layer` or `l2`."""
    value: Op
    """What is normalised, casts and all."""
    product: Op
    root: Op
    """The root of the statistic, or the statistic that has one in itself."""
    eps: float | None
    eps_at: Op | None
    width: Any
    """Size of the normalised dimension."""
    factor: float
    """What is left in front of the normalised value."""
    weight: Op | None
    """A parameter, or one with a number added, that was multiplied with before the product."""
    weight_at: Op | None
    weight_cast: bool
    """Whether the value is cast to 32 bits after it was multiplied with the weight, not before."""
    in_32_bits: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """One number per row: ``factor * (scale * statistic + eps) ** exponent``."""

    op: Op
    values: Op
    """What it is a statistic of."""
    statistic: Op
    centred: bool
    summed: bool
    """Whether the statistic is a sum; else a mean."""
    exponent: float
    """1 before the root, then 0.5, or -0.5 where it is one over the root."""
    scale: float = 1.0
    factor: float = 1.0
    eps: float | None = 0.0
    eps_at: Op | None = None
    root: Op | None = None
    weight: Op | None = None
    weight_at: Op | None = None


def written(graph: Operations) -> Iterator[Written]:
    """All norms that are written out."""
    for op in graph.kind("reduce", "einsum"):
        row = _statistic(graph, op)
        if row is not None:
            found = _follow(graph, row)
            if found is not None:
                yield found


def _statistic(graph: Operations, op: Op) -> _Row | None:
    """What an operation says about a row, where it is a sum of squares, a variance, or the root of one."""
    if op.kind == "einsum":
        match = _SELF_PRODUCT.fullmatch(op.attrs.get("equation", ""))
        if match is None or len(op.inputs) != 2 or op.inputs[0] != op.inputs[1] or match["out"] != match["a"][:-1]:
            return None
        return _Row(op, graph[op.inputs[0]], op, False, True, 1.0) if graph.from_inputs[op.id] else None
    which = op.attrs.get("which")
    value = graph[op.inputs[0]]
    if which == "var":
        return _Row(op, value, op, True, False, 1.0)
    if which in ("std", "norm"):
        # The root is in it; weights are given unit length in this way too, which is no norm of activations.
        centred = which == "std"
        return _Row(op, value, op, centred, not centred, 0.5, root=op) if graph.from_inputs[op.id] else None
    if which in ("mean", "sum"):
        squared = _squared(graph, graph.source(value, CASTS))
        if squared is not None:
            return _Row(op, squared, op, centre(graph, squared) is not None, which == "sum", 1.0)
    return None


def _squared(graph: Operations, op: Op) -> Op | None:
    """What is squared."""
    if op.kind == "square" or (op.kind == "pow" and op.attrs.get("other") == 2 and not op.attrs.get("reflected")):
        inner = graph[op.inputs[0]]
        return graph[inner.inputs[0]] if inner.kind == "abs" else inner
    if op.kind == "mul" and len(op.inputs) == 2 and op.inputs[0] == op.inputs[1]:
        return graph[op.inputs[0]]
    return None


def centre(graph: Operations, value: Op) -> Op | None:
    """What a value is without its mean, where it is a value less its mean."""
    base = graph.source(value, CASTS)
    if base.kind == "sub" and len(base.inputs) == 2:
        mean = graph.source(graph[base.inputs[1]], CASTS | {"unsqueeze", "slice", "expand"})
        if mean.kind == "reduce" and mean.attrs.get("which") == "mean":
            return graph[base.inputs[0]]
    return None


def _follow(graph: Operations, start: _Row) -> Written | None:
    """From a statistic to the product with what it is a statistic of."""
    stack = [(start, 0)]
    while stack:
        row, steps = stack.pop()
        if steps > _STEPS:
            continue
        for index in reversed(graph.consumers[row.op.id]):
            reader = graph[index]
            found = _product(graph, row, reader)
            if found is not None:
                return found
            following = _step(graph, row, reader)
            if following is not None:
                stack.append((following, steps + 1))
    return None


def _step(graph: Operations, row: _Row, op: Op) -> _Row | None:
    """The row after one more operation; None where it is no such number any more."""
    if op.kind in _CARRIES:
        return replace(row, op=op)
    other = op.attrs.get("other")
    number = float(other) if isinstance(other, int | float) and not isinstance(other, bool) else None
    reflected = bool(op.attrs.get("reflected"))
    match op.kind:
        case "add" | "clamp":
            return _with_eps(graph, row, op, number)
        case "mul" if number is not None:
            return _times(row, op, number)
        case "div" if number and not reflected:
            return _times(row, op, 1 / number)
        case "div" if number and row.exponent == 0.5:
            return replace(row, op=op, exponent=-0.5, factor=number / row.factor)
        case "reciprocal" if row.exponent == 0.5:
            return replace(row, op=op, exponent=-0.5, factor=1 / row.factor)
        case "sqrt" | "rsqrt" if row.exponent == 1:
            return replace(row, op=op, exponent=0.5 if op.kind == "sqrt" else -0.5, root=op)
        case "pow" if row.exponent == 1 and number in (0.5, -0.5) and not reflected:
            return replace(row, op=op, exponent=number, root=op)
        case "sub" if row.exponent == 1 and _is_square_of_mean(graph, row, op):
            return replace(row, op=op, centred=True)
        case "mul" if row.exponent == -0.5 and row.weight is None and len(op.inputs) == 2:
            weight = next((graph[i] for i in op.inputs if i != row.op.id), None)
            if weight is not None and _is_weight(graph, weight):
                return replace(row, op=op, weight=weight, weight_at=op)
    return None


def _with_eps(graph: Operations, row: _Row, op: Op, number: float | None) -> _Row | None:
    if row.exponent == -0.5:
        return None
    if op.kind == "clamp":
        return replace(row, op=op, eps=op.attrs.get("min"), eps_at=op)
    if len(op.inputs) == 1 and number is not None:
        return replace(row, op=op, eps=number, eps_at=op)
    other = next((graph[i] for i in op.inputs if i != row.op.id), None)
    if other is None or graph.from_inputs[other.id]:
        return None
    array = graph.array(other)
    eps = float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None
    return replace(row, op=op, eps=eps, eps_at=op)


def _times(row: _Row, op: Op, number: float) -> _Row:
    if row.exponent == 1:
        return replace(row, op=op, scale=row.scale * number)
    return replace(row, op=op, factor=row.factor * number)


def _is_square_of_mean(graph: Operations, row: _Row, op: Op) -> bool:
    """Whether the square of the row's mean is taken off the mean of its squares."""
    if len(op.inputs) != 2 or op.inputs[0] != row.op.id or row.summed:
        return False
    mean = _squared(graph, graph.source(graph[op.inputs[1]], CASTS))
    mean = graph.source(mean, _CARRIES) if mean is not None else None
    if mean is None or mean.kind != "reduce" or mean.attrs.get("which") != "mean":
        return False
    return graph.source(graph[mean.inputs[0]], CASTS).id == graph.source(row.values, CASTS).id


def _is_weight(graph: Operations, op: Op) -> bool:
    plain = graph.source(op, VIEWS)
    if plain.kind == "add" and isinstance(plain.attrs.get("other"), int | float):
        plain = graph[plain.inputs[0]]
    return bool(graph.parameter(plain))


def _product(graph: Operations, row: _Row, op: Op) -> Written | None:
    """The norm, where an operation multiplies what the row is a statistic of with one over its root."""
    if len(op.inputs) != 2 or row.root is None or (op.kind, row.exponent) not in (("mul", -0.5), ("div", 0.5)):
        return None
    if op.kind == "div" and op.inputs[1] != row.op.id:
        return None
    other = next((graph[i] for i in op.inputs if i != row.op.id), None)
    side = _Side(1.0, None, None, False)
    goals = [graph.source(row.values, CASTS)]
    middle = centre(graph, row.values)
    base = _to(graph, other, goals, side) if other is not None else None
    if base is None or (side.weight is not None and row.weight is not None):
        return None
    without = centre(graph, base)
    if row.centred != (without is not None) or (middle is None and without is None and row.centred):
        return None
    factor = (1 / row.factor if op.kind == "div" else row.factor) * side.factor / math.sqrt(abs(row.scale) or 1.0)
    width = _width(graph, row.statistic)
    kind = "layer" if row.centred else "rms"
    if row.summed:
        root = math.sqrt(width) if is_number(width) and width > 0 else None
        if root is not None and math.isclose(factor, root, rel_tol=CLOSE):
            factor = 1.0
        elif not row.centred:
            kind = "l2"
        else:
            return None
    value = without if without is not None else base
    in_32_bits = any(
        asks_for_32_bits(step) for start in (row.values, value, middle) if start for step in _casts(graph, start)
    )
    return Written(
        kind, value, op, row.root, row.eps, row.eps_at, width, factor,
        row.weight or side.weight, row.weight_at or side.weight_at, side.cast, in_32_bits,
    )  # fmt: skip


@dataclass(slots=True)
class _Side:
    """What a value went through before the product; owned by one walk."""

    factor: float
    weight: Op | None
    weight_at: Op | None
    cast: bool
    """Whether it was cast to 32 bits after it was multiplied with the weight."""


def _to(graph: Operations, op: Op, goals: list[Op], side: _Side) -> Op | None:
    """The value that the statistic is of (or that less its mean), back through numbers, casts and one weight."""
    wide = False
    for _ in range(_STEPS):
        if any(same(op, goal) for goal in goals):
            return op
        middle = centre(graph, op) if op.kind == "sub" else None
        if middle is not None and any(same(graph.source(middle, CASTS), goal) for goal in goals):
            return op
        if op.kind in CASTS:
            wide = wide or asks_for_32_bits(op)
            # A value read behind its cast is the goal in front of it too.
            op = graph[op.inputs[0]]
            continue
        number = op.attrs.get("other")
        if op.kind in ("mul", "div") and len(op.inputs) == 1 and isinstance(number, int | float) and number:
            if op.attrs.get("reflected") and op.kind == "div":
                return None
            side.factor *= number if op.kind == "mul" else 1 / number
            op = graph[op.inputs[0]]
            continue
        if op.kind == "mul" and len(op.inputs) == 2 and side.weight is None:
            weight = next((graph[i] for i in op.inputs if _is_weight(graph, graph[i])), None)
            rest = next((graph[i] for i in op.inputs if weight is not None and i != weight.id), None)
            if weight is None or rest is None:
                return None
            side.weight, side.weight_at, side.cast = weight, op, wide
            op = rest
            continue
        return None
    return None


def _casts(graph: Operations, op: Op) -> Iterator[Op]:
    while op.kind in CASTS and op.inputs:
        yield op
        op = graph[op.inputs[0]]


def _width(graph: Operations, statistic: Op) -> Any:
    """Size of the dimension that a statistic is taken over; None where it is more than one, or not known."""
    shape = graph[statistic.inputs[0]].shape
    dims = statistic.attrs.get("dims", (-1,))
    if not shape or not isinstance(dims, tuple) or len(dims) != 1:
        return None
    return shape[dims[0]]
