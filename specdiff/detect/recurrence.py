"""Recurrent mixers and short convolutions, recognised by how they decay: what `recurrent` makes facts of."""

from __future__ import annotations

from dataclasses import dataclass

from specdiff.detect.paths import bias_of, is_projection, kernel_of, weight_of
from specdiff.detect.regions import region
from specdiff.detect.rotation import trigonometric
from specdiff.detect.scene import Block, Scene, Tower
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

_ARGUMENT = VIEWS | {"mul", "div", "neg", "add", "sub", "cumsum", "masked_fill", "pad", "softplus", "sigmoid", "exp",
                     "clamp", "maximum", "logsigmoid", "join", "where", "rms_norm", "setitem", "overwrite"}  # fmt: skip
"""What may stand between a decay's exponential and what it is computed from."""


@dataclass(slots=True)
class Recurrence:
    """One mixer with a state, or a short convolution that stands for one."""

    kind: str
    """As in `ssm.kind` or `linear_attention.kind`; `conv` for a convolution only."""
    at: Op
    """The operation that shows it."""
    decay: str
    """Name of the parameter that decays are made of; empty for none."""
    decay_shape: tuple[int, ...]
    step: Op | None
    """The softplus that makes the step size."""
    conv: Op | None
    gate_width: int | None = None
    """Last size of the decay before it is spread over channels."""
    keys: Op | None = None
    """The normalised key or query of a delta rule."""
    state: Op | None = None
    """The product of keys and values that joins a state of fixed decay."""

    @property
    def family(self) -> str:
        """`ssm`, `linear` or `conv`, as in `layers.pattern`."""
        if self.kind == "conv":
            return "conv"
        return "linear" if self.kind in ("gated_delta", "kda", "lightning", "retention", "gla", "plain") else "ssm"


def recurrences(scene: Scene, tower: Tower) -> dict[int, Recurrence]:
    """Recurrent mixers of a stack by layer; also notes them as what mixes tokens in their blocks."""
    key = f"recurrences {tower.path}"
    if key not in scene.memo:
        graph = scene.operations
        assert graph is not None
        found: dict[int, Recurrence] = {}
        for block in tower.blocks:
            mixer = recurrence_of(graph, block)
            if mixer is None or (mixer.kind == "conv" and block.attentions):
                continue
            found[block.index] = mixer
            if block.attentions:
                block.mixer = ("hybrid", mixer.at)
            elif not block.mixer[0]:
                block.mixer = (mixer.family, mixer.at)
        scene.memo[key] = found
    table: dict[int, Recurrence] = scene.memo[key]
    return table


def recurrence_of(graph: Operations, block: Block) -> Recurrence | None:
    """The recurrent mixer of one block; None where nothing decays and nothing is convolved over positions."""
    convs = [op for op in block.ops if _short(graph, op)]
    conv = next(iter(convs), None)
    fixed: Recurrence | None = None
    for op in block.ops:
        if op.kind != "exp":
            continue
        mixer = _decay(graph, block, op, conv)
        if mixer is not None and mixer.state is None:
            return mixer
        fixed = fixed or mixer
    if fixed is not None and not block.attentions:
        return fixed
    if conv is not None and not _goes_on(graph, block, convs):
        return Recurrence("conv", conv, "", (), None, conv)
    return None


def _goes_on(graph: Operations, block: Block, convs: list[Op]) -> bool:
    """Whether what a block's convolutions give takes part in a recurrence or a product of tokens that is not recognised.

    Looked for up to where the mixer's result joins the stream.
    """
    first = block.ops[0].id
    reached = {conv.id for conv in convs}
    for op in block.ops:
        if op.id in reached or not any(source in reached for source in op.inputs):
            continue
        reached.add(op.id)
        if op.kind == "add" and len(op.inputs) == 2 and min(op.inputs) < first:
            return False
        if op.kind in ("cumsum", "exp"):
            return True
        if op.kind in ("matmul", "einsum", "bmm") and not is_projection(graph, op):
            return True
        if _outer(graph, op):
            return True
    return False


def _outer(graph: Operations, op: Op) -> bool:
    """Whether two values are multiplied each with every one of the other: a state that tokens write to."""
    if op.kind == "outer":
        return True
    if op.kind != "mul" or len(op.inputs) != 2:
        return False
    left, right = (item.shape or () for item in graph.inputs(op))
    pairs = list(zip(reversed(left), reversed(right), strict=False))
    return any(a == 1 != b for a, b in pairs) and any(b == 1 != a for a, b in pairs)


def _short(graph: Operations, op: Op) -> bool:
    """A convolution of each channel by itself along positions."""
    if op.kind != "conv" or len(op.inputs) < 2:
        return False
    weight = graph[op.inputs[1]].shape
    return (
        bool(weight) and len(weight or ()) >= 3 and (weight or ())[1] == 1 and any(k > 1 for k in kernel_of(graph, op))
    )


def _decay(graph: Operations, block: Block, op: Op, conv: Op | None) -> Recurrence | None:
    """What an exponential decays by: its parameters, and the functions on them."""
    first = block.ops[0].id
    seen: set[int] = set()
    stack = list(op.inputs)
    slopes: list[Op] = []
    steps: list[Op] = []
    learned: list[Op] = []
    sigmoids: list[Op] = []
    maxima = computed = fixed = False
    while stack and len(seen) < 120:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        each = graph[index]
        source = graph.source(graph[each.inputs[0]]) if each.inputs else each
        if each.kind == "exp":
            if source.kind == "parameter":
                slopes.append(source)
                continue
        elif each.kind == "softplus":
            (learned if source.kind == "parameter" else steps).append(source if source.kind == "parameter" else each)
            if source.kind == "parameter":
                continue
        elif each.kind in ("log", "log1p"):
            spelled = _spelled_softplus(graph, each)
            if spelled is not None:
                steps.append(next((r for r in graph.readers(each, VIEWS) if r.kind == "where"), each))
                stack.append(spelled)
                continue
        elif each.kind == "sigmoid":
            sigmoids.append(each)
        elif each.kind == "maximum":
            maxima = True
        elif each.kind in ("constant", "buffer"):
            fixed = True
        if is_projection(graph, each) or each.kind in ("input", "embedding", "conv") or (index < first and each.inputs):
            computed = True
            continue
        if each.kind in _ARGUMENT or each.kind == "softplus" or _spreads(each):
            stack.extend(each.inputs)
        elif each.kind not in ("parameter", "buffer", "constant"):
            computed = True
    if slopes and steps:
        return _selective(graph, block, op, slopes[0], steps[0], conv)
    if slopes and sigmoids:  # a decay bounded from below: -c·sigmoid(exp(A)·x), of delta rules only
        bounded = _selective(graph, block, op, slopes[0], sigmoids[0], conv)
        return bounded if bounded.keys is not None else None
    if learned and sigmoids and not steps:
        return _made("rg_lru", op, learned[0], None, conv)
    if maxima and not steps:
        slope = _slope_near(graph, block)
        if slope is not None:
            return _made("rwkv", op, slope, None, conv)
    if fixed and not computed and not slopes and not learned and not steps:
        state = _weighed_state(graph, op)
        if state is not None:
            turned = _turned(graph, graph[state.inputs[0]])
            return Recurrence("retention" if turned else "lightning", op, "", (), None, conv, state=state)
    return None


def _spreads(op: Op) -> bool:
    """Whether an einsum multiplies number by number and adds nothing up."""
    before, _, after = str(op.attrs.get("equation", "")).replace(" ", "").partition("->")
    return op.kind == "einsum" and bool(after) and set(before) - {",", "."} <= set(after)


def _turned(graph: Operations, keys: Op) -> bool:
    """Whether keys are multiplied with cosines and with sines, or with complex numbers; a decay is one factor only."""
    area = region(graph, keys)
    factors: set[int] = set()
    for index in area.derived:
        op = graph[index]
        if op.kind == "mul" and len(op.inputs) == 2:
            other = [item for item in graph.inputs(op) if item.id not in area.derived]
            if len(other) == 1 and trigonometric(graph, other[0]) is not None:
                if op.dtype.startswith("complex"):
                    return True
                factors.add(other[0].id)
    return len(factors) > 1


def _spelled_softplus(graph: Operations, op: Op) -> int | None:
    """What log(1 + exp(x)) takes as x."""
    inner = graph.source(graph[op.inputs[0]]) if op.inputs else op
    if op.kind == "log":
        if inner.kind != "add":
            return None
        inner = next((each for each in map(graph.source, graph.inputs(inner)) if each.kind == "exp"), inner)
    return inner.inputs[0] if inner.kind == "exp" and inner.inputs else None


def _slope_near(graph: Operations, block: Block) -> Op | None:
    """The parameter in -exp(parameter), added to a running maximum (RWKV, arXiv:2305.13048, section 3)."""
    for op in block.ops:
        if op.kind == "neg" and op.inputs:
            inner = graph.source(graph[op.inputs[0]])
            if inner.kind == "exp" and graph.source(graph[inner.inputs[0]]).kind == "parameter":
                return graph.source(graph[inner.inputs[0]])
    return None


def _made(kind: str, op: Op, parameter: Op, step: Op | None, conv: Op | None) -> Recurrence:
    shape = tuple(int(size) for size in parameter.shape or () if is_number(size))
    return Recurrence(kind, op, str(parameter.attrs.get("name", "")), shape, step, conv)


def _selective(graph: Operations, block: Block, op: Op, slope: Op, step: Op, conv: Op | None) -> Recurrence:
    """exp(-exp(A)·softplus(step)): per channel and state (Mamba), per head (Mamba-2), with or without a delta rule."""
    found = _made("mamba", op, slope, step, conv)
    wide = [size for size in found.decay_shape if size != 1]
    if len(wide) >= 2:
        return found
    heads = wide[0] if wide else 1
    product = next((r for r in graph.readers(step, VIEWS) if r.kind == "mul"), step)
    width = product.shape[-1] if product.shape else None
    found.gate_width = int(width) if is_number(width) else None
    normalised = next((norm for norm in block.norms if norm.kind == "l2"), None)
    if normalised is not None and _writes_difference(graph, block, heads):
        per_channel = found.gate_width is not None and found.gate_width != heads
        found.kind = "kda" if per_channel else "gated_delta"
        found.keys = graph[normalised.output]
        return found
    found.kind = "mamba2"
    return found


def _writes_difference(graph: Operations, block: Block, heads: int) -> bool:
    """Whether what is written is a value less what the state has for its key, by the sigmoid of one projected number per head."""
    strengths = [
        op
        for op in block.ops
        if op.kind == "sigmoid" and op.shape and heads in op.shape[-2:] and graph.consumers[op.id]
        and is_projection(graph, graph.source(graph[op.inputs[0]]))
    ]  # fmt: skip
    differences = [op for op in block.ops if op.kind == "sub" and len(op.inputs) == 2 and len(op.shape or ()) >= 3]
    keys = [norm.output for norm in block.norms if norm.kind == "l2"]
    return bool(strengths) and any(graph.reaches(key, op.id) for op in differences for key in keys)


def _weighed_state(graph: Operations, op: Op) -> Op | None:
    """The product of keys and values that is added to a state which a decay multiplies."""
    for product in graph.readers(op):
        if product.kind != "mul" or len(product.inputs) != 2:
            continue
        for total in graph.readers(product):
            if total.kind != "add" or len(total.inputs) != 2:
                continue
            for item in graph.inputs(total):
                source = graph.source(item)
                if source.kind in ("matmul", "einsum", "bmm") and source.shape and len(source.shape) >= 4:
                    return source
    return None


def projections_of(graph: Operations, block: Block, mixer: Recurrence) -> tuple[Op | None, Op | None]:
    """(first, last) projection of a mixer: what makes its inner width, and what leaves it."""
    first: Op | None = None
    if mixer.conv is None:
        # The earliest of those that the recurrence reads: later ones make steps out of what it gives.
        start = block.ops[0].id
        behind = graph.ancestors([mixer.at.id], lambda op: op.id >= start)
        first = next((op for op in block.ops if op.id in behind and is_projection(graph, op)), None)
    stack = [mixer.conv.inputs[0]] if mixer.conv is not None and mixer.conv.inputs else []
    seen: set[int] = set()
    while stack and len(seen) < 200:
        index = stack.pop()
        if index in seen or index < block.ops[0].id:
            continue
        seen.add(index)
        op = graph[index]
        if is_projection(graph, op) and op.kind != "conv":
            first = op
            break
        stack.extend(op.inputs[:1] if op.kind != "mul" else op.inputs)
    last: Op | None = None
    reached = {mixer.at.id}
    for op in block.ops:
        if op.id <= mixer.at.id or not any(index in reached for index in op.inputs):
            continue
        if is_projection(graph, op) and op.kind != "conv" and weight_of(graph, op) and _within(block, mixer, op):
            last = op
            break
        reached.add(op.id)
    if last is None:
        # A loop over positions that was followed for one turn: its result does not read the decay again.
        read = {index for op in block.ops if op.id <= mixer.at.id and is_projection(graph, op) for index in op.inputs}
        for op in block.ops:
            ahead = op.id > mixer.at.id and _within(block, mixer, op)
            if ahead and is_projection(graph, op) and op.inputs[0] not in read:
                return first, op
    return first, last


def _within(block: Block, mixer: Recurrence, op: Op) -> bool:
    """Whether an operation stands in the same part of the block as the recurrence, where that is a module of its own."""
    inside = mixer.at.module[len(block.path) + 1 :].partition(".")[0]
    return not inside or op.module == f"{block.path}.{inside}" or op.module.startswith(f"{block.path}.{inside}.")


__all__ = ["Recurrence", "bias_of", "projections_of", "recurrence_of", "recurrences"]
