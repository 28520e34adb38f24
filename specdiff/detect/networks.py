"""Feed-forward networks: from a block's last projection back to its first ones, the gate and the activation between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from specdiff.detect.paths import bias_of, is_projection, kernel_of, weight_behind, weight_of
from specdiff.detect.scene import Block
from specdiff.detect.stream import width_of
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

NAMED = {
    "silu": "silu", "gelu": "gelu", "relu": "relu", "tanh": "tanh", "mish": "mish", "sigmoid": "sigmoid",
    "relu6": "relu6", "leaky_relu": "leaky_relu", "elu": "elu", "softplus": "softplus", "hardswish": "hard_swish",
    "selu": "selu", "celu": "celu", "hardtanh": "hard_tanh", "hardsigmoid": "hard_sigmoid", "softsign": "softsign",
    "logsigmoid": "log_sigmoid", "prelu": "prelu",
}  # fmt: skip
"""Operations that are activations, with the vocabulary's words for them."""

_CARRY = frozenset({"cast", "copy", "dropout", "identity", "detach", "join", "contiguous", "overwrite"})
_CUBE = 0.044715
"""The factor on x³ in GELU's tanh approximation (Hendrycks and Gimpel 2016, arXiv:1606.08415)."""


@dataclass(slots=True)
class Network:
    """One feed-forward network: from its last projection back to its first ones."""

    down: Op
    weight: str
    gated: bool
    activation: str
    activation_at: Op
    alpha: float | None
    size: int | None
    width_in: int | None
    """Width of what it reads."""
    width_out: int | None
    up: Op
    """The first projection (the gate's, where there is one)."""
    other: Op | None = None
    """The projection that the gate multiplies."""
    gate_limit: tuple[float | None, float | None] | None = None
    up_limit: tuple[float | None, float | None] | None = None
    limit_at: Op | None = None
    up_offset: float = 0.0
    offset_at: Op | None = None
    sparse_at: Op | None = None
    """Where a cut-off sets hidden channels to zero."""
    biases: list[tuple[Op, str]] = field(default_factory=list)
    """Projections with the names of their biases, empty where they have none."""
    convolves: bool = False
    """Whether a projection reads neighbours too."""


def final_projections(graph: Operations, ends: Iterable[int], first: int, through: bool = False) -> list[Op]:
    """The projections whose results reach some values without passing another projection.

    Args:
        graph: The operations.
        ends: Where to walk back from.
        first: Nothing before this operation is looked at.
        through: Walk on behind the data of projections too.
    """
    found: list[Op] = []
    seen: set[int] = set()
    stack = list(ends)
    while stack and len(seen) < 4000:
        index = stack.pop()
        if index in seen or index < first:
            continue
        seen.add(index)
        op = graph[index]
        if is_projection(graph, op):
            found.append(op)
            if through:
                stack.extend(item.id for item in graph.inputs(op) if not weight_behind(graph, item))
            continue
        stack.extend(op.inputs)
    return sorted(found, key=lambda op: op.id)


def network_of(graph: Operations, down: Op, block: Block) -> Network | None:
    """The network that ends in a projection; None where it is none."""
    if not is_projection(graph, down):
        return None
    data = next((item for item in graph.inputs(down) if not weight_behind(graph, item)), None)
    if data is None:
        return None
    first = block.ops[0].id
    inner = carried(graph, data)
    norm = next((each for each in block.norms if each.output in (inner.id, data.id)), None)
    if norm is not None:  # normalised once more between the activation and the last projection
        inner = carried(graph, graph[norm.input])
    seen = activation(graph, inner)
    other: Op | None = None
    if seen is None and inner.kind == "mul" and len(inner.inputs) == 2:
        sides = [carried(graph, item) for item in graph.inputs(inner)]
        for own, against in ((sides[0], sides[1]), (sides[1], sides[0])):
            gate = activation(graph, own)
            if gate is not None and projected(graph, gate[1], first) and projected(graph, against, first):
                seen, other = gate, against
                break
        else:
            if all(projected(graph, side, first) for side in sides):  # a bilinear gate
                seen, other = ("identity", sides[0], inner, None), sides[1]
    if seen is None:
        return None
    name, operand, at, alpha = seen
    sparse = _sparse(graph, operand)
    if sparse is not None:
        operand = sparse[1]
    up = projected(graph, operand, first)
    if up is None or at.id < first:
        return None
    network = Network(
        down, weight_of(graph, down), other is not None, name, at, alpha, width_of(data), _width_in(graph, up),
        _channels(graph, down), up, sparse_at=sparse[0] if sparse else None,
    )  # fmt: skip
    network.gate_limit, network.limit_at = _limits(graph, operand)
    projections = [up, down]
    if other is not None:
        network.up_limit, at_other = _limits(graph, other)
        network.limit_at = network.limit_at or at_other
        network.up_offset, network.offset_at = _offset(graph, other)
        network.other = projected(graph, other, first)
        if network.other is not None and network.other.id != up.id:
            projections.insert(1, network.other)
    network.biases = [(op, bias_of(graph, op)[0]) for op in projections]
    network.convolves = any(size != 1 for op in projections for size in kernel_of(graph, op))
    return network


def carried(graph: Operations, op: Op) -> Op:
    """Back through what changes neither values nor order within a position; an expert's own positions may be cut out."""
    while op.inputs and (op.kind in _CARRY or op.kind in ("view", "reshape") or _cut_out(op)):
        op = graph[op.inputs[0]]
    return op


def _cut_out(op: Op) -> bool:
    """Whether a value is some positions of another: as many as chose an expert, which no number says."""
    return op.kind == "split" and op.attrs.get("dim", -1) != -1 and not is_number(op.attrs.get("length", 0))


def activation(graph: Operations, op: Op) -> tuple[str, Op, Op, float | None] | None:
    """(name, operand, where, slope) of the activation that made a value; None where none did."""
    if op.kind in NAMED and op.inputs:
        kind = NAMED[op.kind]
        if op.kind == "gelu" and op.attrs.get("approximate") == "tanh":
            kind = "gelu_tanh"
        below = carried(graph, graph[op.inputs[0]])
        return kind, below, op, 1.0 if kind == "silu" else None
    if op.kind in ("pow", "square") and op.inputs:
        below = carried(graph, graph[op.inputs[0]])
        if below.kind == "relu" and (op.kind == "square" or op.attrs.get("other") == 2):
            return "relu2", carried(graph, graph[below.inputs[0]]), op, None
    if op.kind == "sqrt" and op.inputs:
        below = carried(graph, graph[op.inputs[0]])
        if below.kind == "softplus":
            return "sqrt_softplus", carried(graph, graph[below.inputs[0]]), op, None
    if op.kind == "clamp" and op.attrs.get("min") in (0, 0.0) and op.attrs.get("max") is None:
        return "relu", carried(graph, graph[op.inputs[0]]), op, None
    if op.kind == "where":
        return _xielu(graph, op)
    if op.kind == "mul" and len(op.inputs) == 1 and op.attrs.get("other") == 0.5:
        below = carried(graph, graph[op.inputs[0]])  # 0.5·(x·(1 + …)), the half outside
        return activation(graph, below) if below.kind == "mul" and len(below.inputs) == 2 else None
    if op.kind == "mul" and len(op.inputs) == 2:
        for own, against in (op.inputs, op.inputs[::-1]):
            found = _gate(graph, op, graph[own], graph[against])
            if found is not None:
                return found
    return None


def _gate(graph: Operations, op: Op, own: Op, against: Op) -> tuple[str, Op, Op, float | None] | None:
    """x·g(x) written out: SiLU, QuickGELU, both GELUs, Mish, squared ReLU."""
    gate, x = carried(graph, against), carried(graph, own)
    if gate.kind == "sigmoid":  # x · sigmoid(alpha x)
        inside, alpha = carried(graph, graph[gate.inputs[0]]), 1.0
        if inside.kind == "mul" and len(inside.inputs) == 1 and isinstance(inside.attrs.get("other"), int | float):
            alpha = float(inside.attrs["other"])
            inside = carried(graph, graph[inside.inputs[0]])
        if inside.id == x.id:
            return "silu", inside, op, alpha
    if gate.kind == "relu" and x.id == gate.id:
        return "relu2", carried(graph, graph[gate.inputs[0]]), op, None
    if gate.kind == "tanh":
        inside = carried(graph, graph[gate.inputs[0]])
        if inside.kind == "softplus" and carried(graph, graph[inside.inputs[0]]).id == x.id:
            return "mish", x, op, None
    if gate.kind == "mul" and gate.attrs.get("other") == 0.5:
        gate = carried(graph, graph[gate.inputs[0]])
    if x.kind == "mul" and len(x.inputs) == 1 and x.attrs.get("other") == 0.5:
        x = carried(graph, graph[x.inputs[0]])
    if gate.kind == "add" and gate.attrs.get("other") in (1, 1.0):
        inside = carried(graph, graph[gate.inputs[0]])
        if inside.kind == "erf" and graph.reaches(x.id, inside.id):
            return "gelu", x, op, None
        if inside.kind == "tanh" and graph.reaches(x.id, inside.id):
            between = graph.ancestors([inside.id], lambda each: each.id > x.id)
            if any(_close(graph[index].attrs.get("other"), _CUBE) for index in between):
                return "gelu_tanh", x, op, None
    return None


def _close(value: object, wanted: float) -> bool:
    return isinstance(value, int | float) and abs(value - wanted) < 1e-6


def _xielu(graph: Operations, op: Op) -> tuple[str, Op, Op, float | None] | None:
    """Two branches on the sign of x, one of them with an exponential less 1 and learned slopes (Apertus)."""
    condition = graph[op.inputs[0]]
    if condition.kind != "compare" or not condition.inputs:
        return None
    x = carried(graph, graph[condition.inputs[0]])
    between = [graph[index] for index in graph.ancestors([op.id], lambda each: each.id > x.id)]
    if any(each.kind == "expm1" for each in between) and any(each.kind == "softplus" for each in between):
        return "xielu", x, op, None
    return None


def _sparse(graph: Operations, op: Op) -> tuple[Op, Op] | None:
    """relu(x - (mean + c·deviation)): (where, x)."""
    if op.kind != "relu":
        return None
    below = carried(graph, graph[op.inputs[0]])
    if below.kind != "sub" or len(below.inputs) != 2:
        return None
    x, cut = carried(graph, graph[below.inputs[0]]), graph[below.inputs[1]]
    return (op, x) if graph.reaches(x.id, cut.id) else None


def projected(graph: Operations, op: Op, first: int) -> Op | None:
    """The projection behind a value, through clamps, offsets, scales, slices and biases."""
    for _ in range(24):
        if op.id < first:
            return None
        if is_projection(graph, op):
            return None if op.kind == "conv" and op.attrs.get("groups", 1) not in (1, None) and _causal(op) else op
        if op.kind in ("clamp", "minimum", "slice", "split", "index") or op.kind in _CARRY or op.kind in VIEWS:
            if not op.inputs:
                return None
            op = graph[op.inputs[0]]
        elif op.kind == "cat" and op.attrs.get("dim", -1) != -1:  # each expert's positions after the other's
            parts = [projected(graph, item, first) for item in graph.inputs(op)]
            weights = {weight_of(graph, part) if part is not None else "" for part in parts}
            return parts[0] if len(weights) == 1 else None
        elif op.kind in ("add", "mul", "div", "sub") and op.inputs:
            if len(op.inputs) == 1:
                op = graph[op.inputs[0]]
                continue
            side = next((item for item in graph.inputs(op) if not weight_behind(graph, item)), None)
            others = [item for item in graph.inputs(op) if weight_behind(graph, item)]
            if side is None:
                return None
            if not others:
                return _adapted(graph, op, first)
            op = side
        else:
            return None
    return None


def _adapted(graph: Operations, op: Op, first: int) -> Op | None:
    """The wider of two projections that are added: the other one is a low-rank change of it."""
    found = [projected(graph, item, first) for item in graph.inputs(op)] if op.kind == "add" else []
    widths = [_width_in(graph, each) if each is not None else None for each in found]
    if len(found) == 2 and widths[0] is not None and widths[1] is not None and widths[0] != widths[1]:
        return found[0] if widths[0] > widths[1] else found[1]
    return None


def _causal(op: Op) -> bool:
    """A convolution along one dimension that mixes tokens, as before a state-space model's projections."""
    return op.attrs.get("n") == 1


def _limits(graph: Operations, op: Op) -> tuple[tuple[float | None, float | None] | None, Op | None]:
    """What clamps a value on its way from the projection, offsets seen through."""
    for _ in range(8):
        if op.kind == "clamp":
            return (_number(op.attrs.get("min")), _number(op.attrs.get("max"))), op
        if not op.inputs:
            break
        if op.kind in VIEWS or op.kind in _CARRY or (op.kind == "add" and len(op.inputs) == 1):
            op = graph[op.inputs[0]]
        else:
            break
    return None, None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _offset(graph: Operations, op: Op) -> tuple[float, Op | None]:
    for _ in range(6):
        if op.kind == "add" and len(op.inputs) == 1 and isinstance(op.attrs.get("other"), int | float):
            return float(op.attrs["other"]), op
        if not op.inputs or not (op.kind in _CARRY or op.kind in VIEWS):
            break
        op = graph[op.inputs[0]]
    return 0.0, None


def _channels(graph: Operations, op: Op) -> int | None:
    """Width of a projection's result: its last dimension, a convolution's channels."""
    if op.kind == "conv" and op.shape:
        size = op.shape[-1 - op.attrs.get("n", 1)]
        return int(size) if is_number(size) else None
    return width_of(op)


def _width_in(graph: Operations, op: Op) -> int | None:
    data = next((item for item in graph.inputs(op) if not weight_behind(graph, item)), None)
    if data is None or not data.shape:
        return None
    size = data.shape[-1 - op.attrs.get("n", 1)] if op.kind == "conv" else data.shape[-1]
    return int(size) if is_number(size) else None
