"""Where norms stand: torch's own, and those that are written out as a statistic, its root and a product."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from specdiff.detect.norm_written import CASTS, CLOSE, Written, asks_for_32_bits, centre, written
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op


@dataclass(slots=True)
class Norm:
    """A normalisation: of which value, to which value, and how."""

    kind: str
    """`rms`, `layer` or `l2`."""
    input: int
    output: int
    eps: float | None
    weight: str
    """Name of its weight; empty where it has none."""
    offset: float
    bias: str
    computed_in: str
    """dtype of the statistics: `float32` where the code casts first, else `input`."""
    module: str
    start: Op
    """The operation that shows the statistics."""
    scale: Op | None
    """The operation that multiplies with the weight."""
    eps_at: Op | None = None
    width: Any = None
    """Size of the normalised dimension."""
    product_in: str = ""
    """dtype of the product with the weight, as `computed_in`; empty where there is none."""


def norms(graph: Operations) -> list[Norm]:
    """All normalisations, in order of their last operation."""
    found: list[Norm] = []
    for op in graph.kind("layer_norm", "rms_norm"):
        others = graph.inputs(op)[1:]
        weight, offset = _weight(graph, others[0]) if others and op.attrs.get("affine") else ("", 0.0)
        bias = graph.parameter(others[-1]) if op.attrs.get("bias") and others else ""
        kind = "layer" if op.kind == "layer_norm" else "rms"
        source = graph[op.inputs[0]]
        cast = asks_for_32_bits(source)
        found.append(
            Norm(kind, op.inputs[0], op.id, op.attrs.get("eps"), weight, offset, bias, "float32" if cast else "input",
                 op.module, op, op if weight else None, op, op.shape[-1] if op.shape else None)
        )  # fmt: skip
        if cast:
            found[-1].input = source.inputs[0]
        if not op.attrs.get("affine"):
            _affine(graph, found[-1], op, 1.0)
    found += [_from_written(graph, each) for each in written(graph)]
    found += [_from_normalize(graph, op) for op in graph.kind("normalize")]
    return sorted(found, key=lambda norm: norm.output)


def _from_written(graph: Operations, each: Written) -> Norm:
    source = each.value
    while source.kind in CASTS and source.inputs:
        source = graph[source.inputs[0]]
    in_32_bits = each.in_32_bits or _sum_of_casts(graph, source)
    norm = Norm(each.kind, source.id, each.product.id, each.eps, "", 0.0, "", "float32" if in_32_bits else "input",
                each.product.module, each.root, None, each.eps_at, each.width)  # fmt: skip
    if each.weight is not None and each.weight_at is not None:
        name, offset = _weight(graph, each.weight)
        if not _fits(graph, each.weight, norm):
            return norm
        norm.weight, norm.offset, norm.scale = name, offset, each.weight_at
        norm.product_in = "float32" if in_32_bits and not each.weight_cast else "input"
    _affine(graph, norm, each.product, each.factor)
    return norm


def _from_normalize(graph: Operations, op: Op) -> Norm:
    """A row given unit length: times the root of its size that is a root mean square norm."""
    dim = op.attrs.get("dim")
    width = op.shape[dim] if op.shape and isinstance(dim, int) and -len(op.shape) <= dim < len(op.shape) else None
    norm = Norm("l2", op.inputs[0], op.id, op.attrs.get("eps"), "", 0.0, "", "input", op.module, op, None, op, width)
    if op.attrs.get("p") == 2:  # noqa: PLR2004 - the Euclidean length
        _affine(graph, norm, op, 1.0)
    return norm


def is_statistic(op: Op) -> bool:
    """Whether an operation is a statistic over channels, as norms begin with."""
    shape = op.shape or ()
    return (
        op.kind == "reduce"
        and op.attrs.get("which") in ("mean", "var", "std", "norm")
        and len(shape) > 2
        and shape[-1] == 1
    )


def _sum_of_casts(graph: Operations, op: Op) -> bool:
    """Whether a value is a sum of what the code casts to 32 bits (a norm that adds the residual itself)."""
    return op.kind == "add" and len(op.inputs) == 2 and all(asks_for_32_bits(item) for item in graph.inputs(op))


def _weight(graph: Operations, op: Op) -> tuple[str, float]:
    """(name of the parameter that a factor is, number that is added to it)."""
    plain = graph.source(op, VIEWS)
    name, offset = graph.parameter(plain), 0.0
    if not name and plain.kind == "add" and isinstance(plain.attrs.get("other"), int | float):
        name, offset = graph.parameter(graph[plain.inputs[0]]), float(plain.attrs["other"])
    return name, offset


def _affine(graph: Operations, norm: Norm, product: Op, factor: float) -> None:
    """Follow the normalised value through its weight, offset and bias; a row of unit length through the root of its size."""
    current = product
    for _ in range(6):
        readers = list(graph.readers(current, CASTS))
        if len(readers) != 1:
            # A norm that several readers share is at its end, unless all but one only look at it.
            break
        reader = readers[0]
        if norm.kind == "l2" and _is_root_of_size(norm, reader, factor):
            _as_mean(graph, norm)
            current = reader
            continue
        if len(reader.inputs) != 2 or reader.kind not in ("mul", "add"):
            break
        other = next((graph[i] for i in reader.inputs if graph.source(graph[i], CASTS).id != current.id), None)
        if other is None:
            break
        if reader.kind == "mul" and not norm.weight:
            name, offset = _weight(graph, other)
            if not name or not _fits(graph, other, norm):
                break
            norm.weight, norm.offset, norm.scale = name, offset, reader
            cast = any(op.kind == "cast" for op in _between(graph, reader, current))
            norm.product_in = "input" if cast or norm.computed_in == "input" else "float32"
        elif reader.kind == "add" and norm.weight and not norm.bias:
            name = graph.parameter(graph.source(other, VIEWS))
            if not name or not _fits(graph, other, norm):
                break
            norm.bias = name
        else:
            break
        current = reader
        norm.output = current.id
    last = current
    while True:  # the cast back to the input's dtype belongs to it
        after = graph.consumers[last.id]
        if len(after) == 1 and graph[after[0]].kind in CASTS:
            last = graph[after[0]]
        else:
            break
    norm.output = last.id


def _is_root_of_size(norm: Norm, op: Op, factor: float) -> bool:
    """Whether a row of unit length is multiplied with the root of its size: its mean square is one then."""
    number = op.attrs.get("other")
    if op.kind not in ("mul", "div") or len(op.inputs) != 1 or not isinstance(number, int | float) or not number:
        return False
    if not is_number(norm.width) or (op.kind == "div" and op.attrs.get("reflected")):
        return False
    return math.isclose(factor * (number if op.kind == "mul" else 1 / number), math.sqrt(norm.width), rel_tol=CLOSE)


def _as_mean(graph: Operations, norm: Norm) -> None:
    without = centre(graph, graph[norm.input])
    norm.kind = "rms" if without is None else "layer"
    if without is not None:
        norm.input = without.id


def _between(graph: Operations, reader: Op, value: Op) -> list[Op]:
    """The casts between a value and the operation that reads it."""
    for item in graph.inputs(reader):
        steps = []
        while item.id != value.id and item.kind in CASTS and item.inputs:
            steps.append(item)
            item = graph[item.inputs[0]]
        if item.id == value.id:
            return steps
    return []


def _fits(graph: Operations, weight: Op, norm: Norm) -> bool:
    shape = graph.source(weight, VIEWS).shape
    return bool(shape) and (norm.width is None or shape is None or shape[-1] == norm.width)
