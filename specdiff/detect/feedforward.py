"""Feed-forward networks and experts: gates, activations, widths, routers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specdiff.detect.paths import PROJECTIONS, bias_of, is_projection, weight_behind, weight_of
from specdiff.detect.scene import Block, Scene, Tower, see, sizes
from specdiff.detect.stream import width_of
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

ACTIVATIONS = {
    "silu": "silu", "gelu": "gelu", "relu": "relu", "tanh": "tanh", "mish": "mish", "sigmoid": "sigmoid",
    "relu6": "relu", "leaky_relu": "relu", "elu": "elu", "softplus": "softplus", "hardswish": "silu",
}  # fmt: skip
_CARRY = frozenset({"cast", "copy", "dropout", "identity", "detach", "join"})


@dataclass(slots=True)
class Network:
    """One feed-forward network: from its last projection back to its first ones."""

    down: Op
    weight: str
    gated: bool
    activation: str | None
    activation_at: Op
    alpha: float | None
    size: int | None
    limit: float | None
    limit_at: Op | None
    up_offset: float
    offset_at: Op | None
    bias: bool
    up: Op | None
    """The first projection (the gate's, where there is one)."""


def networks(graph: Operations, block: Block) -> list[Network]:
    """All feed-forward networks of a block, in order of their last projection."""
    found = []
    for op in block.ops:
        if is_projection(graph, op):
            network = _network(graph, op, block)
            if network is not None:
                found.append(network)
    return found


def _network(graph: Operations, down: Op, block: Block) -> Network | None:
    data = next((item for item in graph.inputs(down) if not weight_behind(graph, item)), None)
    if data is None:
        return None
    inner = _carried(graph, data)
    network = Network(
        down, weight_of(graph, down), False, None, down, None, width_of(data), None, None, 0.0, None, False, None
    )
    first = block.ops[0].id
    found = _activation(graph, inner, network)
    if found is None and inner.kind == "mul" and len(inner.inputs) == 2:
        sides = [_strip(graph, item, network) for item in graph.inputs(inner)]
        for own, other in ((sides[0], sides[1]), (sides[1], sides[0])):
            gate = _activation(graph, own, network)
            if (
                gate is not None
                and _projected(graph, gate, first) is not None
                and _projected(graph, other, first) is not None
            ):
                network.gated = True
                found = gate
                _limits(graph, network, gate)
                _offset(graph, network, other)
                break
    if found is None or found.id < first:
        return None
    up = _projected(graph, found, first)
    if up is None:
        return None
    network.up = up
    _limits(graph, network, found)
    biases = [bias_of(graph, down)[0], bias_of(graph, up)[0]]
    network.bias = all(biases)
    if any(biases) != all(biases):
        network.bias = True
    return network


def _carried(graph: Operations, op: Op) -> Op:
    while (op.kind in _CARRY or op.kind in ("view", "reshape")) and op.inputs:
        op = graph[op.inputs[0]]
    return op


def _strip(graph: Operations, op: Op, network: Network) -> Op:
    return _carried(graph, op)


def _activation(graph: Operations, op: Op, network: Network) -> Op | None:
    """The operand of the activation that made a value, the activation noted; None where none did."""
    if op.kind in ACTIVATIONS and op.inputs:
        kind = ACTIVATIONS[op.kind]
        if op.kind == "gelu" and op.attrs.get("approximate") == "tanh":
            kind = "gelu_tanh"
        network.activation, network.activation_at = kind, op
        network.alpha = 1.0 if kind == "silu" else None
        return _carried(graph, graph[op.inputs[0]])
    if op.kind in ("pow", "square") and op.inputs:
        below = _carried(graph, graph[op.inputs[0]])
        if below.kind == "relu" and (op.kind == "square" or op.attrs.get("other") == 2):
            network.activation, network.activation_at = "relu2", op
            return _carried(graph, graph[below.inputs[0]])
    if op.kind == "mul" and len(op.inputs) == 2:
        for own, other in (op.inputs, op.inputs[::-1]):
            gate = _carried(graph, graph[other])
            if gate.kind == "sigmoid":  # x · sigmoid(alpha x)
                inside = _carried(graph, graph[gate.inputs[0]])
                alpha = 1.0
                if (
                    inside.kind == "mul"
                    and len(inside.inputs) == 1
                    and isinstance(inside.attrs.get("other"), int | float)
                ):
                    alpha = float(inside.attrs["other"])
                    inside = _carried(graph, graph[inside.inputs[0]])
                if inside.id == _carried(graph, graph[own]).id:
                    network.activation, network.activation_at, network.alpha = "silu", op, alpha
                    return inside
            below = _tanh_gelu(graph, graph[own], graph[other])
            if below is not None:
                network.activation, network.activation_at = "gelu_tanh", op
                return below
            below = _erf_gelu(graph, graph[own], graph[other])
            if below is not None:
                network.activation, network.activation_at = "gelu", op
                return below
    return None


def _tanh_gelu(graph: Operations, half: Op, gate: Op) -> Op | None:
    """0.5·x·(1 + tanh(√(2/π)(x + 0.044715x³))), Hendrycks & Gimpel 2016, arXiv:1606.08415."""
    gate = _carried(graph, gate)
    if gate.kind == "add" and gate.attrs.get("other") in (1, 1.0):
        inner = _carried(graph, graph[gate.inputs[0]])
        if inner.kind == "tanh":
            half = _carried(graph, half)
            if half.kind == "mul" and half.attrs.get("other") == 0.5:
                return _carried(graph, graph[half.inputs[0]])
            return half
    return None


def _erf_gelu(graph: Operations, own: Op, gate: Op) -> Op | None:
    gate = _carried(graph, gate)
    if gate.kind == "mul" and gate.attrs.get("other") == 0.5:
        gate = _carried(graph, graph[gate.inputs[0]])
    if gate.kind == "add" and gate.attrs.get("other") in (1, 1.0):
        inner = _carried(graph, graph[gate.inputs[0]])
        if inner.kind == "erf":
            own = _carried(graph, own)
            if own.kind == "mul" and own.attrs.get("other") == 0.5:
                return _carried(graph, graph[own.inputs[0]])
            return own
    return None


def _projected(graph: Operations, op: Op, first: int) -> Op | None:
    """The projection behind a value, through clamps, offsets, scales, slices and biases."""
    for _ in range(24):
        if op.id < first:
            return None
        if is_projection(graph, op):
            return op
        if op.kind in ("clamp", "minimum", "slice", "split", "index") or op.kind in _CARRY or op.kind in VIEWS:
            op = graph[op.inputs[0]]
        elif op.kind in ("add", "mul", "div", "sub") and op.inputs:
            if len(op.inputs) == 1:
                op = graph[op.inputs[0]]
                continue
            side = next((item for item in graph.inputs(op) if not weight_behind(graph, item)), None)
            others = [item for item in graph.inputs(op) if weight_behind(graph, item)]
            if side is None or not others:
                return None
            op = side
        else:
            return None
    return None


def _limits(graph: Operations, network: Network, gate: Op) -> None:
    op = gate
    for _ in range(8):
        if op.kind == "clamp":
            high = op.attrs.get("max")
            if isinstance(high, int | float):
                network.limit, network.limit_at = float(high), op
            return
        if op.kind in VIEWS or op.kind in _CARRY:
            if not op.inputs:
                return
            op = graph[op.inputs[0]]
        else:
            return


def _offset(graph: Operations, network: Network, other: Op) -> None:
    op = other
    for _ in range(6):
        if op.kind == "add" and len(op.inputs) == 1 and isinstance(op.attrs.get("other"), int | float):
            network.up_offset, network.offset_at = float(op.attrs["other"]), op
            return
        if op.kind in _CARRY or op.kind in VIEWS:
            if not op.inputs:
                return
            op = graph[op.inputs[0]]
        else:
            return


@dataclass(slots=True)
class Router:
    """The choice of experts in one block."""

    choice: Op
    """The top-k (or argmax) over experts."""
    experts: int
    per_token: int | None
    projection: Op | None
    bias: bool
    bias_at: Op | None
    score: str | None
    score_at: Op | None
    order: str | None
    normalise: bool | None
    normalise_at: Op | None
    scale: float | None
    scale_at: Op | None
    selection_bias: str
    selection_at: Op | None
    groups: int | None = None
    groups_at: Op | None = None
    groups_per_token: int | None = None
    group_score: str | None = None


_SCORES = frozenset({"softmax", "sigmoid"})
_THROUGH = VIEWS | {
    "dropout",
    "join",
    "masked_fill",
    "where",
    "mul",
    "div",
    "add",
    "sub",
    "scatter",
    "gather",
    "clamp",
    "copy",
}


def router(graph: Operations, block: Block, widths: set[int]) -> Router | None:
    """The router of a block: a top-k over scores of a few dozen or hundred experts, that a projection made.

    Args:
        graph: The operations.
        block: The layer.
        widths: First sizes of stacked expert weights, and lengths of expert lists.
    """
    choices = [
        op
        for op in block.ops
        if op.kind in ("topk", "indices") and op.dtype == "int64" and op.inputs and _width(graph, op) is not None
    ]
    for choice in reversed(choices):
        width = _width(graph, choice)
        assert width is not None
        if widths and width not in widths:
            continue
        projection = _score_source(graph, choice, block)
        if projection is None:
            continue
        return _read_router(graph, block, choice, width, projection)
    return None


def _width(graph: Operations, op: Op) -> int | None:
    shape = graph[op.inputs[0]].shape
    if op.kind == "indices":
        inner = graph[op.inputs[0]]
        if inner.kind == "reduce" and inner.inputs:
            shape = graph[inner.inputs[0]].shape
    return int(shape[-1]) if shape and is_number(shape[-1]) and shape[-1] > 1 else None


def _score_source(graph: Operations, choice: Op, block: Block) -> Op | None:
    first = block.ops[0].id
    stack = [choice.inputs[0]]
    seen: set[int] = set()
    while stack and len(seen) < 80:
        index = stack.pop()
        if index in seen or index < first:
            continue
        seen.add(index)
        op = graph[index]
        if is_projection(graph, op):
            return op
        stack.extend(op.inputs)
    return None


def _read_router(graph: Operations, block: Block, choice: Op, width: int, projection: Op) -> Router:
    k = choice.attrs.get("k") if choice.kind == "topk" else 1
    bias, bias_at = bias_of(graph, projection)
    found = Router(choice, width, k if isinstance(k, int) else None, projection, bool(bias), bias_at or projection,
                   None, None, None, None, None, 1.0, None, "", None)  # fmt: skip
    before = graph.ancestors([choice.inputs[0]], lambda op: op.id > projection.id)
    for index in sorted(before):
        op = graph[index]
        if op.id <= projection.id:
            continue
        if op.kind in _SCORES:
            found.score, found.score_at, found.order = op.kind, op, f"{op.kind}_then_topk"
        if op.kind == "add" and len(op.inputs) == 2 and op.id != (bias_at.id if bias_at else -1):
            for item in graph.inputs(op):
                source = graph.source(item)
                if source.kind in ("parameter", "buffer") and source.shape and source.shape[-1] == width:
                    found.selection_bias, found.selection_at = str(source.attrs.get("name", "a bias")), op
        if (
            op.kind == "topk"
            and op.attrs.get("output") == "values"
            and op.id != choice.id
            and is_number(_last(graph, op))
        ):
            found.group_score = "top2_sum" if op.attrs.get("k") == 2 else found.group_score
        if op.kind == "topk" and op.attrs.get("output") == "indices" and op.id != choice.id:
            groups = _last(graph, op)
            if is_number(groups) and groups < width and width % groups == 0:
                found.groups, found.groups_at, found.groups_per_token = int(groups), op, op.attrs.get("k")
        if op.kind == "reduce" and op.attrs.get("which") in ("max", "amax") and found.group_score is None:
            shape = graph[op.inputs[0]].shape
            if shape and len(shape) >= 3 and is_number(shape[-1]):
                found.group_score = "max"
    if found.groups is None:
        found.group_score = None
    _weights(graph, block, found)
    return found


def _last(graph: Operations, op: Op) -> Any:
    shape = graph[op.inputs[0]].shape
    return shape[-1] if shape else None


def _weights(graph: Operations, block: Block, found: Router) -> None:
    """Follow the chosen experts' weights: normalised or not, scaled or not."""
    last = block.ops[-1].id
    starts: list[int] = []
    for op in block.ops:
        if op.id <= found.choice.inputs[0]:
            continue
        if op.kind == "topk" and op.inputs == found.choice.inputs and op.attrs.get("output") == "values":
            starts.append(op.id)
        if op.kind in ("gather", "index", "take_along_dim") and len(op.inputs) > 1:
            if any(graph.source(graph[i]).id == found.choice.id for i in op.inputs[1:]):
                shape = graph[op.inputs[0]].shape
                if shape and shape[-1] == found.experts:
                    starts.append(op.id)
        if op.kind == "reduce" and op.attrs.get("which") in ("max", "amax") and op.inputs == found.choice.inputs:
            starts.append(op.id)
        if op.kind == "scatter" and len(op.inputs) > 1 and found.choice.id in op.inputs:
            starts.append(op.id)
    found.normalise = False
    seen: set[int] = set()
    stack = sorted(starts)
    while stack and len(seen) < 60:
        index = stack.pop(0)
        if index in seen or index > last:
            continue
        seen.add(index)
        op = graph[index]
        for reader_id in graph.consumers[index]:
            reader = graph[reader_id]
            if reader.kind in _SCORES and reader.id not in seen:
                found.score, found.score_at = reader.kind, reader
                found.order = f"topk_then_{reader.kind}"
                if reader.kind == "softmax":
                    found.normalise, found.normalise_at = True, reader
                stack.append(reader_id)
            elif (
                reader.kind == "div"
                and len(reader.inputs) == 2
                and reader.inputs[0] == index
                and _is_sum(graph, graph[reader.inputs[1]], seen)
            ):
                found.normalise, found.normalise_at = True, reader
                stack.append(reader_id)
            elif reader.kind == "normalize" or (
                reader.kind == "div" and len(reader.inputs) == 2 and _is_sum(graph, graph[reader.inputs[1]], seen)
            ):
                found.normalise, found.normalise_at = True, reader
                stack.append(reader_id)
            elif reader.kind in ("mul", "div") and len(reader.inputs) == 1:
                other = reader.attrs.get("other")
                if isinstance(other, int | float) and found.scale is not None:
                    found.scale *= float(other) if reader.kind == "mul" else 1 / float(other)
                    found.scale_at = reader
                stack.append(reader_id)
            elif reader.kind in VIEWS or reader.kind in ("scatter", "index", "gather", "dropout", "masked_fill"):
                if reader.kind in ("index", "gather") and reader.inputs[0] != index:
                    continue
                stack.append(reader_id)
    if found.score is None and found.order is None:
        found.score = None


def _is_sum(graph: Operations, op: Op, seen: set[int]) -> bool:
    for _ in range(6):
        if op.kind == "reduce" and op.attrs.get("which") == "sum":
            return any(graph.source(graph[i]).id in seen or i in seen for i in op.inputs)
        if op.kind in ("add", "clamp") and op.inputs and len(op.inputs) == 1:
            op = graph[op.inputs[0]]
        elif op.kind in VIEWS and op.inputs:
            op = graph[op.inputs[0]]
        else:
            return False
    return False


def expert_weights(graph: Operations, scene: Scene, block: Block) -> tuple[dict[str, int], set[int]]:
    """Parameters that hold experts, with how many; and the numbers of experts seen."""
    found: dict[str, int] = {}
    counts: set[int] = set()
    for op in block.ops:
        if (
            op.kind in ("index", "gather")
            and op.inputs
            and graph[op.inputs[0]].kind == "parameter"
            and len(op.inputs) > 1
        ):
            parameter = graph[op.inputs[0]]
            name, shape = str(parameter.attrs.get("name", "")), parameter.shape
            if name and shape and len(shape) >= 2 and is_number(shape[0]) and shape[0] > 1:
                found[name] = int(shape[0])
                counts.add(int(shape[0]))
        if op.kind in ("bmm", "matmul", "einsum", "grouped_mm"):
            for item in graph.inputs(op):
                source = graph.source(item)
                if (
                    source.kind == "parameter"
                    and source.shape
                    and len(source.shape) == 3
                    and is_number(source.shape[0])
                ):
                    name = str(source.attrs.get("name", ""))
                    if name:
                        found[name] = int(source.shape[0])
                        counts.add(int(source.shape[0]))
    prefix = block.path + "."
    lists: dict[str, set[int]] = {}
    members: dict[str, list[str]] = {}
    for name in scene.parameters:
        if not name.startswith(prefix):
            continue
        pieces = name[len(prefix) :].split(".")
        for position, piece in enumerate(pieces):
            if piece.isdigit() and position:
                container = ".".join(pieces[:position])
                lists.setdefault(container, set()).add(int(piece))
                members.setdefault(container, []).append(name)
                break
    for container, numbers in lists.items():
        if len(numbers) > 1 and numbers == set(range(len(numbers))):
            for name in members[container]:
                found.setdefault(name, len(numbers))
            counts.add(len(numbers))
    return found, counts


@dataclass(slots=True)
class Layer:
    """The feed-forward part of one block."""

    block: Block
    networks: list[Network]
    router: Router | None
    experts: dict[str, int]
    routed: list[Network]
    shared: list[Network]


def layers_of(scene: Scene, tower: Tower) -> list[Layer]:
    """The feed-forward part of every block."""
    graph = scene.operations
    assert graph is not None
    found = []
    for block in tower.blocks:
        experts, counts = expert_weights(graph, scene, block)
        chosen = router(graph, block, counts)
        nets = networks(graph, block)
        routed: list[Network] = []
        if chosen is not None:
            experts = {name: count for name, count in experts.items() if count == chosen.experts}
            routed = [net for net in nets if net.weight in experts]
        else:
            experts = {}
        shared = [net for net in nets if chosen is not None and net.weight not in experts]
        found.append(Layer(block, nets, chosen, experts, routed, shared))
    return found


__all__ = [
    "ACTIVATIONS",
    "PROJECTIONS",
    "Layer",
    "Network",
    "Router",
    "layers_of",
    "networks",
    "router",
    "see",
    "sizes",
]
