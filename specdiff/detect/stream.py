"""The residual stream of a block: what is added to it, and where the norms stand."""

from __future__ import annotations

from dataclasses import dataclass, field

from specdiff.detect.norm_sites import Norm
from specdiff.detect.paths import is_projection, path_from
from specdiff.detect.scene import Block, Scene, Tower
from specdiff.graph.operations import Operations, is_number
from specdiff.interp.trace import Op

CARRY = frozenset({"cast", "copy", "dropout", "detach", "identity", "join", "contiguous"})
RESHAPE = frozenset({"view", "reshape", "transpose", "permute"})


@dataclass(slots=True)
class Branch:
    """One sub-layer: what it reads from the stream and how it comes back."""

    added_at: Op
    output: Op
    """The value that is added, scales and dropouts removed."""
    before: list[Norm] = field(default_factory=list)
    """Norms of the stream that it reads."""
    after: Norm | None = None
    """The norm its output passes before it is added."""
    scale: float | None = None
    scale_at: Op | None = None
    layer_scale: str = ""
    attends: bool = False
    replaces: bool = False
    """Its output becomes the stream, nothing is added."""


@dataclass(slots=True)
class Stream:
    """A block's residual stream, its end first."""

    branches: list[Branch]
    """In the order the stream meets them."""
    post: list[Norm]
    """Norms that the stream itself passes after an addition."""
    parallel: bool
    complete: bool
    """Whether the stream was followed back to the block's input."""
    scales: list[tuple[float, Op]] = field(default_factory=list)
    """Numbers that the stream itself is multiplied with."""


def stream_of(graph: Operations, block: Block, norm_of: dict[int, Norm]) -> Stream | None:
    """Follow the stream back from a block's output to its input."""
    inside = {op.id for op in block.ops}
    first = block.ops[0].id
    last = block_output(graph, block, inside)
    if last is None:
        return None
    found = Stream([], [], False, False)
    current = last
    deferred = last.id not in inside
    inside.add(last.id)
    for _ in range(60):
        if current.id < first or current.id not in inside or (deferred and _comes_in(graph, current, first)):
            found.complete = True
            break
        norm = norm_of.get(current.id)
        if norm is not None and norm.output == current.id and norm.input < current.id:
            found.post.append(norm)
            current = graph[norm.input]
        elif current.kind in (*CARRY, *RESHAPE, "roll", "pad", "slice") and current.inputs:
            current = graph[current.inputs[0]]
        elif current.kind == "add" and len(current.inputs) == 2:
            leaves = _leaves(graph, current, inside, first, norm_of)
            if leaves is None:
                break
            base, outputs = leaves
            found.parallel = found.parallel or len(outputs) > 1
            found.scales += _scales(graph, current, base)
            found.branches += [_branch(graph, current, out, base, block, norm_of) for out in reversed(outputs)]
            current = base
        elif current.kind in ("mul", "div") and len(current.inputs) == 1:
            value = _factor(current)
            if value is not None:
                found.scales.append((value, current))
            current = graph[current.inputs[0]]
        elif current.kind == "mul" and (data := _weighed(graph, current)) is not None:
            current = data
        else:
            below = _replaced(graph, block, current, inside, first, norm_of)
            if below is None:
                break
            branch = _branch(graph, current, current, below, block, norm_of)
            branch.replaces = True
            found.branches.append(branch)
            current = below
    found.branches.reverse()
    found.post.reverse()
    return found


def _weighed(graph: Operations, op: Op) -> Op | None:
    """The data in a product with one learned or stored number for the whole layer."""
    for own, other in (op.inputs, op.inputs[::-1]) if len(op.inputs) == 2 else ():
        source = graph.source(graph[other])
        if source.kind in ("parameter", "buffer") and all(size == 1 for size in source.shape or ()):
            return graph[own]
    return None


def _factor(op: Op) -> float | None:
    """The number that an operation multiplies with."""
    other = op.attrs.get("other")
    if not isinstance(other, int | float) or isinstance(other, bool) or len(op.inputs) != 1:
        return None
    return float(other) if op.kind == "mul" else 1 / float(other) if other and not op.attrs.get("reflected") else None


def _scales(graph: Operations, op: Op, base: Op) -> list[tuple[float, Op]]:
    """Numbers between the stream and the addition that it takes part in."""
    found: list[tuple[float, Op]] = []
    for item in graph.inputs(op):
        steps = []
        each = item
        while each.id != base.id and each.inputs and (each.kind in CARRY or each.kind in ("mul", "div")):
            value = _factor(each) if each.kind in ("mul", "div") else 1.0
            if value is None:
                break
            if each.kind in ("mul", "div"):
                steps.append((value, each))
            each = graph[each.inputs[0]]
        if each.id == base.id:
            found += steps
    return found


def _replaced(
    graph: Operations, block: Block, current: Op, inside: set[int], first: int, norm_of: dict[int, Norm]
) -> Op | None:
    """What the stream was before a whole sub-layer whose output is the stream, where it is clear which one that is."""
    from specdiff.detect.networks import network_of  # noqa: PLC0415 - networks read this module's widths

    network = network_of(graph, current, block)
    site = next(
        (s for s in block.attentions if s.output.id < current.id and graph.reaches(s.output.id, current.id)), None
    )
    if network is not None and network.width_in == network.width_out:
        data = next((graph[i] for i in network.up.inputs if graph[i].kind != "parameter"), None)
    elif site is not None and is_projection(graph, current):
        data = path_from(graph, site.query).projection
        data = graph[data.inputs[0]] if data is not None else None
    else:
        return None
    for _ in range(12):
        if data is None or data.id < first:
            return data
        norm = norm_of.get(data.id)
        if norm is not None:
            data = graph[norm.input]
        elif data.kind in (*CARRY, *RESHAPE) and data.inputs:
            data = graph[data.inputs[0]]
        else:
            return data if data.kind == "add" and data.id in inside else None
    return None


def block_output(graph: Operations, block: Block, inside: set[int]) -> Op | None:
    """The last value of the block that something outside reads, or that is an output."""
    outputs = set(graph.outputs)
    op: Op
    for op in reversed(block.ops):
        if op.id in outputs or any(reader not in inside for reader in graph.consumers[op.id]):
            if op.shape and len(op.shape) >= 2:
                return _deferred_sum(graph, op, inside) or op
    return None


def _deferred_sum(graph: Operations, op: Op, inside: set[int]) -> Op | None:
    """The addition of two values of a block that whoever reads them makes (norms that take the residual along)."""
    for reader in graph.readers(op, CARRY):
        if reader.kind == "add" and len(reader.inputs) == 2 and reader.id not in inside and reader.shape == op.shape:
            if all(graph.source(item, CARRY).id in inside for item in graph.inputs(reader)):
                return reader
    return None


def _comes_in(graph: Operations, op: Op, first: int) -> bool:
    """Whether an addition is of two values that enter the block: what the block before left to be added."""
    return op.kind == "add" and len(op.inputs) == 2 and all(graph.source(i, CARRY).id < first for i in graph.inputs(op))


def _leaves(
    graph: Operations, op: Op, inside: set[int], first: int, norm_of: dict[int, Norm]
) -> tuple[Op, list[Op]] | None:
    """The stream and the branches of an addition: a branch is computed from the stream, not the other way round.

    Several additions in a row whose branches read the same stream are one: ``x + attention(x) + mlp(x)``.
    """
    left, right = graph.inputs(op)
    stream, branch = _ordered(graph, left, right, first)
    if stream is None or branch is None:
        for one, other in ((left, right), (right, left)):
            # (attention + mlp) + x, or attention + (x + mlp): the sum of two branches of an earlier value
            inner = through(graph, one)
            if inner.kind == "add" and len(inner.inputs) == 2 and inner.id in inside:
                below = _leaves(graph, inner, inside, first, norm_of)
                if below is not None and (below[0].id == other.id or graph.reaches(below[0].id, other.id)):
                    if other.id == below[0].id:
                        return None
                    return below[0], [*below[1], other]
        return None
    inner = through(graph, branch)
    if inner.kind == "add" and len(inner.inputs) == 2 and inner.id in inside and norm_of.get(inner.id) is None:
        a, b = graph.inputs(inner)
        weights = a.kind in ("parameter",) or b.kind in ("parameter",)
        if not weights and _big(a) and _big(b) and graph.reaches(stream.id, a.id) and graph.reaches(stream.id, b.id):
            if not graph.reaches(a.id, b.id) and not graph.reaches(b.id, a.id) and inner.module == op.module:
                return stream, [a, b]
    below_op = through(graph, stream)
    if (
        below_op.kind == "add"
        and len(below_op.inputs) == 2
        and below_op.id in inside
        and norm_of.get(below_op.id) is None
    ):
        below = _leaves(graph, below_op, inside, first, norm_of)
        if below is not None and not graph.reaches(below_op.id, branch.id):
            return below[0], [*below[1], branch]
    return stream, [branch]


def _big(op: Op) -> bool:
    return bool(op.shape) and len(op.shape or ()) >= 2


def through(graph: Operations, op: Op) -> Op:
    while op.kind in CARRY and op.inputs:
        op = graph[op.inputs[0]]
    return op


def _ordered(graph: Operations, left: Op, right: Op, first: int) -> tuple[Op | None, Op | None]:
    """(stream, branch): the stream may be multiplied with a number before the addition."""
    for one, other in ((left, right), (right, left)):
        base = _unscaled(graph, one, first)
        if base.id != one.id and graph.reaches(base.id, other.id):
            return base, other
    if graph.reaches(left.id, right.id):
        return left, right
    if graph.reaches(right.id, left.id):
        return right, left
    return None, None


def _unscaled(graph: Operations, op: Op, first: int) -> Op:
    while (
        op.inputs
        and op.id >= first
        and (
            op.kind in CARRY
            or (op.kind in ("mul", "div") and len(op.inputs) == 1 and isinstance(op.attrs.get("other"), int | float))
        )
    ):
        op = graph[op.inputs[0]]
    return op


def _branch(graph: Operations, added_at: Op, output: Op, base: Op, block: Block, norm_of: dict[int, Norm]) -> Branch:
    branch = Branch(added_at, output)
    current = output
    for _ in range(12):
        norm = norm_of.get(current.id)
        if norm is not None:
            branch.after = norm
            break
        if current.kind in CARRY or current.kind in RESHAPE:
            if not current.inputs:
                break
            current = graph[current.inputs[0]]
        elif (
            current.kind in ("mul", "div")
            and len(current.inputs) == 1
            and isinstance(current.attrs.get("other"), int | float)
        ):
            value = float(current.attrs["other"])
            branch.scale = (branch.scale or 1.0) * (value if current.kind == "mul" else 1 / value)
            branch.scale_at = current
            current = graph[current.inputs[0]]
        elif current.kind == "mul" and len(current.inputs) == 2:
            names = [graph.parameter(item) for item in graph.inputs(current)]
            name = next((n for n in names if n), "")
            if not name:
                break
            branch.layer_scale = name
            branch.scale_at = branch.scale_at or current
            current = next(item for item, n in zip(graph.inputs(current), names, strict=True) if not n)
        else:
            break
    branch.output = current
    base = through(graph, base)
    lanes = {base.id}
    for norm in block.norms:
        if (
            through(graph, graph[norm.input]).id in lanes
            and norm.output < added_at.id
            and graph.reaches(norm.output, current.id)
        ):
            branch.before.append(norm)
    branch.attends = any(
        base.id < site.output.id <= output.id and graph.reaches(site.output.id, current.id) for site in block.attentions
    )
    return branch


def streams_of(scene: Scene, tower: Tower) -> list[tuple[Block, Stream | None]]:
    """The blocks of a stack with their residual streams."""
    key = f"streams {tower.path}"
    if key not in scene.memo:
        graph = scene.operations
        assert graph is not None
        scene.memo[key] = [(block, stream_of(graph, block, scene.norm_of)) for block in tower.blocks]
    found: list[tuple[Block, Stream | None]] = scene.memo[key]
    return found


def width_of(op: Op) -> int | None:
    """The last size of a result, where it is a number."""
    return int(op.shape[-1]) if op.shape and is_number(op.shape[-1]) else None
