"""Where norms stand: torch's own, and those that are written out as a statistic, its root and a product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.trace import Op

CASTS = frozenset({"cast", "copy", "identity", "detach"})


def _same(op: Op, *others: Op) -> bool:
    """Whether an operation is one of some others, or the same computed again."""
    return any(op.id == other.id or (op.kind == other.kind == "sub" and op.inputs == other.inputs) for other in others)


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


def asks_for_32_bits(op: Op) -> bool:
    """Whether an operation casts to 32 bits because the code says so, not because another tensor happens to have them."""
    return op.kind == "cast" and op.attrs.get("to") == "float32" and not op.attrs.get("own")


def norms(graph: Operations) -> list[Norm]:
    """All normalisations, in order of their last operation."""
    found: list[Norm] = []
    for op in graph.kind("layer_norm", "rms_norm"):
        parameters = [graph.parameter(item) for item in graph.inputs(op)[1:]]
        weight = parameters[0] if parameters and op.attrs.get("affine") else ""
        bias = parameters[-1] if op.attrs.get("bias") and parameters else ""
        kind = "layer" if op.kind == "layer_norm" else "rms"
        source = graph[op.inputs[0]]
        cast = asks_for_32_bits(source)
        found.append(
            Norm(kind, op.inputs[0], op.id, op.attrs.get("eps"), weight, 0.0, bias, "float32" if cast else "input",
                 op.module, op, op if weight else None, op, op.shape[-1] if op.shape else None)
        )  # fmt: skip
        if cast:
            found[-1].input = source.inputs[0]
    for op in graph.kind("rsqrt"):
        norm = _by_hand(graph, op, graph[op.inputs[0]])
        if norm is not None:
            found.append(norm)
    for op in graph.kind("sqrt"):
        if any(reader.kind == "div" for reader in graph.readers(op, CASTS)):
            norm = _by_hand(graph, op, graph[op.inputs[0]])
            if norm is not None:
                found.append(norm)
    for op in graph.kind("pow"):
        if op.attrs.get("other") == -0.5:
            norm = _by_hand(graph, op, graph[op.inputs[0]])
            if norm is not None:
                found.append(norm)
    for op in graph.kind("normalize"):
        found.append(Norm("l2", op.inputs[0], op.id, op.attrs.get("eps"), "", 0.0, "", "input", op.module, op, None))
    return sorted(found, key=lambda norm: norm.output)


def _by_hand(graph: Operations, root: Op, radicand: Op) -> Norm | None:
    """``x * rsqrt(mean(x**2) + eps)``, perhaps centred first, perhaps scaled after."""
    eps: float | None = 0.0
    eps_at: Op | None = None
    inner = graph.source(radicand, CASTS)
    if inner.kind == "add" and isinstance(inner.attrs.get("other"), int | float) and len(inner.inputs) == 1:
        eps, eps_at = float(inner.attrs["other"]), inner
        inner = graph.source(graph[inner.inputs[0]], CASTS)
    elif inner.kind == "add" and len(inner.inputs) == 2:
        statistic = next((graph[i] for i in inner.inputs if graph[i].kind == "reduce"), None)
        eps, eps_at = None, inner
        if statistic is None:
            return None
        inner = statistic
    elif inner.kind == "clamp":
        eps, eps_at = inner.attrs.get("min"), inner
        inner = graph[inner.inputs[0]]
    which = inner.attrs.get("which") if inner.kind == "reduce" else None
    if which not in ("mean", "sum", "var"):
        return None
    squared = graph.source(graph[inner.inputs[0]], CASTS)
    centred = which == "var"
    value = squared
    if not centred:
        if squared.kind == "square" or (squared.kind == "pow" and squared.attrs.get("other") == 2):
            value = graph[squared.inputs[0]]
        elif squared.kind == "mul" and len(squared.inputs) == 2 and squared.inputs[0] == squared.inputs[1]:
            value = graph[squared.inputs[0]]
        else:
            return None
    base = graph.source(value, CASTS)
    original = value
    if base.kind == "sub" and len(base.inputs) == 2:
        mean = graph.source(graph[base.inputs[1]], CASTS)
        if mean.kind == "reduce" and mean.attrs.get("which") == "mean":
            centred, original = True, graph[base.inputs[0]]
    computed_in = "input"
    probe = original
    while probe.kind in CASTS and probe.inputs:
        if asks_for_32_bits(probe):
            computed_in = "float32"
        probe = graph[probe.inputs[0]]
    if asks_for_32_bits(value):
        computed_in = "float32"
    product = next(
        (
            reader
            for reader in graph.readers(root, CASTS)
            if reader.kind in ("mul", "div")
            and any(
                _same(graph.source(graph[index], CASTS), graph.source(original, CASTS), base)
                for index in reader.inputs
                if index != root.id
            )
        ),
        None,
    )
    if product is None:
        return None
    width = inner_width(graph, inner)
    kind = "layer" if centred else "l2" if which == "sum" else "rms"
    norm = Norm(kind, probe.id, product.id, eps, "", 0.0, "", computed_in, product.module, root, None, eps_at, width)
    _affine(graph, norm, product)
    return norm


def inner_width(graph: Operations, statistic: Op) -> Any:
    """Size of the dimension that a statistic is taken over."""
    shape = graph[statistic.inputs[0]].shape
    return shape[-1] if shape else None


def _affine(graph: Operations, norm: Norm, product: Op) -> None:
    """Follow the normalised value through its weight, offset and bias."""
    current = product
    for _ in range(6):
        readers = list(graph.readers(current, CASTS))
        if len(readers) != 1:
            # A norm that several readers share is at its end, unless all but one only look at it.
            break
        reader = readers[0]
        if len(reader.inputs) != 2 or reader.kind not in ("mul", "add"):
            break
        other = next((graph[i] for i in reader.inputs if graph.source(graph[i], CASTS).id != current.id), None)
        if other is None:
            break
        if reader.kind == "mul" and not norm.weight:
            plain = graph.source(other, VIEWS)
            name, offset = graph.parameter(plain), 0.0
            if not name and plain.kind == "add" and isinstance(plain.attrs.get("other"), int | float):
                name, offset = graph.parameter(graph[plain.inputs[0]]), float(plain.attrs["other"])
            if not name or not _fits(graph, plain, norm):
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
