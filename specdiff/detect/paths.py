"""From a query, key or value back to the projection it comes from, and what happens on the way."""

from __future__ import annotations

from dataclasses import dataclass

from specdiff.graph.operations import VIEWS, Operations, factor, is_number
from specdiff.interp.trace import Op

PROJECTIONS = frozenset({"linear", "conv", "addmm"})


@dataclass(slots=True)
class Path:
    """The way from a projection to where its result is used."""

    projection: Op | None
    """The linear map, None where none was found."""
    weight: str
    """Name of its weight."""
    bias: str
    """Name of its bias; empty where it has none."""
    bias_at: Op | None
    steps: list[Op]
    """Everything on the way from the use back to the projection, the use first."""


def main_input(graph: Operations, op: Op) -> Op:
    """The input that carries the data on: the one of most dimensions and elements that is not a parameter."""
    inputs = graph.inputs(op)
    if len(inputs) == 1:
        return inputs[0]
    if op.kind in ("index", "gather", "scatter", "masked_fill", "embedding", "outside"):
        return inputs[0]
    if op.kind == "setitem" and len(inputs) > 1 and _is_store(graph, inputs[0]):
        return inputs[1]  # a cache gives back what was written into it
    return max(
        inputs,
        key=lambda item: (
            item.kind not in ("parameter", "constant", "buffer"),
            graph.from_inputs[item.id],
            len(item.shape or ()),
            volume(item),
            -item.id,
        ),
    )


def _is_store(graph: Operations, op: Op) -> bool:
    """Whether a value is made to be written into: a constant of its own, perhaps on another device or cast."""
    return graph.source(op, VIEWS | {"cast", "setitem"}).kind in ("constant", "buffer")


def volume(op: Op) -> int:
    """Elements of a value, symbols as one."""
    total = 1
    for size in op.shape or ():
        total *= factor(size)
    return total


def pools_positions(graph: Operations, op: Op) -> bool:
    """Whether an operation takes the mean over all positions, rows and columns: batch and channels stay.

    The mean of a norm is over channels.
    """
    before = graph[op.inputs[0]].shape if op.inputs else None
    if not op.shape or not before:
        return False
    if op.kind == "pool":
        inner = op.shape[2:]
        return bool(op.attrs.get("adaptive")) and op.attrs.get("which") == "avg" and all(size == 1 for size in inner)
    if op.kind != "reduce" or op.attrs.get("which") != "mean":
        return False
    dims = set(op.attrs.get("dims") or ())
    if len(before) == 3:  # noqa: PLR2004 - batch, positions, channels
        return dims == {-2} and op.shape[-1] == before[-1]
    return len(before) == 4 and dims in ({-1, -2}, {-2, -3})  # noqa: PLR2004 - channels before or behind rows and columns


def is_projection(graph: Operations, op: Op) -> bool:
    """Whether an operation multiplies data with a weight."""
    if op.kind in PROJECTIONS:
        return True
    if op.kind in ("matmul", "einsum", "bmm") and len(op.inputs) >= 2:
        return any(weight_behind(graph, item) for item in graph.inputs(op))
    return False


def weight_behind(graph: Operations, op: Op) -> str:
    """The parameter a value is, perhaps one expert's slice of it; of several put together, the one that a piece lies in."""
    start = 0
    for _ in range(12):
        if op.kind == "parameter":
            return str(op.attrs.get("name", ""))
        if op.kind == "cat" and op.inputs:
            op = _at(graph, op, start)
            start = 0
            continue
        if op.kind == "split" and is_number(op.attrs.get("start")):
            start += op.attrs["start"]
        if (op.kind in VIEWS or op.kind in ("index", "gather")) and op.inputs:
            op = graph[op.inputs[0]]
        else:
            return ""
    return ""


def _at(graph: Operations, joined: Op, start: int) -> Op:
    """The part of joined vectors that holds an element."""
    for part in graph.inputs(joined):
        size = part.shape[-1] if part.shape and len(part.shape) == 1 else None
        if not is_number(size) or start < size:
            return part
        start -= size
    return graph[joined.inputs[0]]


def weight_of(graph: Operations, op: Op) -> str:
    """Name of the weight that a projection multiplies with."""
    inputs = graph.inputs(op)
    for item in inputs[1:] if op.kind in PROJECTIONS else inputs:
        name = weight_behind(graph, item)
        if name:
            return name
    return ""


def bias_of(graph: Operations, op: Op) -> tuple[str, Op | None]:
    """Name of the bias that a projection adds, itself or in the operation right after it."""
    if op.kind in PROJECTIONS:
        inputs = graph.inputs(op)
        if len(inputs) > 2:
            return weight_behind(graph, inputs[2]), op
        if op.attrs.get("bias"):
            return weight_behind(graph, inputs[-1]), op
        if op.kind != "addmm":
            width = op.shape[-1] if op.shape else None
            for reader in graph.readers(op, frozenset({"cast"})):
                if reader.kind == "add" and len(reader.inputs) == 2:
                    for item in graph.inputs(reader):
                        name = weight_behind(graph, item)
                        if name and item.shape and item.shape[-1] == width:
                            return name, reader
            return "", None
    for reader in graph.readers(op, frozenset({"cast"})):
        if reader.kind == "add" and len(reader.inputs) == 2:
            for item in graph.inputs(reader):
                name = weight_behind(graph, item)
                if name:
                    return name, reader
    return "", None


def kernel_of(graph: Operations, op: Op) -> tuple[int, ...]:
    """Kernel sizes of a convolution whose weight is a parameter; empty for other operations and unknown sizes."""
    if op.kind not in ("conv", "conv_transpose") or len(op.inputs) < 2:
        return ()
    shape = graph[op.inputs[1]].shape or ()
    kernel = shape[2:]
    return tuple(int(size) for size in kernel) if all(is_number(size) for size in kernel) else ()


def cuts_patches(graph: Operations, op: Op) -> bool:
    """Whether a convolution of two or three dimensions steps as far as it is wide."""
    kernel, stride = kernel_of(graph, op), op.attrs.get("stride")
    step = stride[-1] if isinstance(stride, tuple | list) and stride else stride
    return len(kernel) >= 2 and kernel[-1] > 1 and kernel[-1] == step


def path_from(graph: Operations, op: Op, limit: int = 120) -> Path:
    """Walk back to the projection along the input that carries the data."""
    steps: list[Op] = []
    for _ in range(limit):
        if is_projection(graph, op):
            bias, at = bias_of(graph, op)
            return Path(op, weight_of(graph, op), bias, at, steps)
        steps.append(op)
        if not op.inputs:
            break
        op = main_input(graph, op)
    return Path(None, "", "", None, steps)


def between(graph: Operations, start: Op, end: Op, limit: int = 400) -> list[Op]:
    """All operations that data from ``start`` passes on its way to ``end``, in order, both included."""
    seen: set[int] = set()
    stack = [end.id]
    while stack and len(seen) < limit:
        index = stack.pop()
        if index in seen or index < start.id:
            continue
        seen.add(index)
        if index != start.id:
            stack.extend(graph[index].inputs)
    reached = {start.id}
    found = [start]
    for index in sorted(seen):
        if index != start.id and any(source in reached for source in graph[index].inputs):
            reached.add(index)
            found.append(graph[index])
    return found
