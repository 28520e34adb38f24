"""The residual stream of a block: what is added to it, and where the norms stand."""

from __future__ import annotations

from dataclasses import dataclass, field

from specdiff.detect.agree import agreed
from specdiff.detect.norm_sites import Norm, is_statistic
from specdiff.detect.paths import is_projection, path_from
from specdiff.detect.scene import Block, Scene, Tower, see
from specdiff.facts import Fact
from specdiff.graph.operations import Operations, is_number
from specdiff.interp.trace import Op

_CARRY = frozenset({"cast", "copy", "dropout", "detach", "identity", "join", "contiguous"})
_RESHAPE = frozenset({"view", "reshape", "transpose", "permute"})


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
    last = _output(graph, block, inside)
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
        elif current.kind in (*_CARRY, *_RESHAPE, "roll", "pad", "slice") and current.inputs:
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
        while each.id != base.id and each.inputs and (each.kind in _CARRY or each.kind in ("mul", "div")):
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
        elif data.kind in (*_CARRY, *_RESHAPE) and data.inputs:
            data = graph[data.inputs[0]]
        else:
            return data if data.kind == "add" and data.id in inside else None
    return None


def _output(graph: Operations, block: Block, inside: set[int]) -> Op | None:
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
    for reader in graph.readers(op, _CARRY):
        if reader.kind == "add" and len(reader.inputs) == 2 and reader.id not in inside and reader.shape == op.shape:
            if all(graph.source(item, _CARRY).id in inside for item in graph.inputs(reader)):
                return reader
    return None


def _comes_in(graph: Operations, op: Op, first: int) -> bool:
    """Whether an addition is of two values that enter the block: what the block before left to be added."""
    return (
        op.kind == "add" and len(op.inputs) == 2 and all(graph.source(i, _CARRY).id < first for i in graph.inputs(op))
    )


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
            inner = _through(graph, one)
            if inner.kind == "add" and len(inner.inputs) == 2 and inner.id in inside:
                below = _leaves(graph, inner, inside, first, norm_of)
                if below is not None and (below[0].id == other.id or graph.reaches(below[0].id, other.id)):
                    if other.id == below[0].id:
                        return None
                    return below[0], [*below[1], other]
        return None
    inner = _through(graph, branch)
    if inner.kind == "add" and len(inner.inputs) == 2 and inner.id in inside and norm_of.get(inner.id) is None:
        a, b = graph.inputs(inner)
        weights = a.kind in ("parameter",) or b.kind in ("parameter",)
        if not weights and _big(a) and _big(b) and graph.reaches(stream.id, a.id) and graph.reaches(stream.id, b.id):
            if not graph.reaches(a.id, b.id) and not graph.reaches(b.id, a.id) and inner.module == op.module:
                return stream, [a, b]
    below_op = _through(graph, stream)
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


def _through(graph: Operations, op: Op) -> Op:
    while op.kind in _CARRY and op.inputs:
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
            op.kind in _CARRY
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
        if current.kind in _CARRY or current.kind in _RESHAPE:
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
    base = _through(graph, base)
    lanes = {base.id}
    for norm in block.norms:
        if (
            _through(graph, graph[norm.input]).id in lanes
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


def norm_facts(scene: Scene) -> None:
    """`norm.*` and `residual*` per tower."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        streams = streams_of(scene, tower)
        final = final_norm(scene, tower)
        _kinds(scene, tower, streams, final)
        _placement(scene, graph, tower, streams)


def final_norm(scene: Scene, tower: Tower) -> Norm | None:
    """`norm.final`: the norm that reads what the last block returns."""
    graph = scene.operations
    assert graph is not None
    key = tower.key("norm.final")
    block = tower.blocks[-1]
    last = _output(graph, block, {op.id for op in block.ops})
    if last is None:
        scene.unsure(key, "what the last block returns is not known", block.ops[-1])
        return None
    after = block.ops[-1].id
    seen: set[int] = set()
    stack = [last.id]
    carries = _CARRY | _RESHAPE | {"slice", "index", "split", "flatten"}
    by_input = {norm.input: norm for norm in scene.norms if norm.output > after}
    while stack:
        index = stack.pop(0)
        if index in seen:
            continue
        seen.add(index)
        norm = by_input.get(index)
        if norm is not None:
            scene.fact(key, True, [see(norm.start, f"{norm.kind} norm {norm.weight} of the last block's output")])
            return norm
        stack += [r for r in graph.consumers[index] if graph[r].kind in carries or _times_a_number(graph[r])]
    later = _norm_behind(graph, last, set(by_input))
    if later is not None:
        scene.unsure(key, "a norm stands behind the last block, and what it reads is not that block's output", later)
        return None
    odd = _norm_behind(graph, last, {op.id for op in graph.kind("reduce") if op.id > after and is_statistic(op)})
    if odd is not None:
        scene.unsure(key, "a statistic of the last block's output is taken, and no norm recognised", odd)
        return None
    scene.fact(key, False, [see(last, "no norm reads the last block's output")])
    return None


def _times_a_number(op: Op) -> bool:
    return op.kind in ("mul", "div") and len(op.inputs) == 1 and isinstance(op.attrs.get("other"), int | float)


def _norm_behind(graph: Operations, last: Op, inputs: set[int]) -> Op | None:
    """The input of a norm that the last block's output gets to with no projection between."""
    seen: set[int] = set()
    stack = [last.id]
    while stack:
        index = stack.pop()
        if index in seen or is_projection(graph, graph[index]):
            continue
        seen.add(index)
        if index in inputs:
            return graph[index]
        stack += graph.consumers[index]
    return None


def _kinds(scene: Scene, tower: Tower, streams: list[tuple[Block, Stream | None]], final: Norm | None) -> None:
    used: list[Norm] = []
    for block, stream in streams:
        if stream is None:
            used.extend(block.norms)
            continue
        own = [norm for branch in stream.branches for norm in branch.before]
        own += [branch.after for branch in stream.branches if branch.after is not None]
        own += stream.post
        used.extend(own or _as_wide(block, scene.facts.get(tower.key("hidden_size"))))
    if final is not None and used:
        used.append(final)
    key = tower.key
    if not used:
        scene.unsure(key("norm.kind"), "no norm of a known sort is recognised in the blocks", tower.blocks[0].ops[0])
        return
    agreed(scene, key("norm.kind"), ((_kind(n), n.start, f"{n.kind} norm {n.weight}") for n in used))
    agreed(scene, key("norm.eps"), ((n.eps, n.eps_at or n.start, f"epsilon {n.eps}") for n in used))
    agreed(
        scene,
        key("norm.weight_offset"),
        (
            (n.offset, n.scale or n.start, f"times {n.offset:g} + {n.weight}" if n.offset else f"times {n.weight}")
            for n in used
        ),
    )
    agreed(
        scene,
        key("norm.bias"),
        ((bool(n.bias), n.scale or n.start, f"bias {n.bias}" if n.bias else "no bias") for n in used),
    )
    weighted = [norm for norm in used if norm.product_in]
    if len(weighted) == len(used):
        agreed(
            scene,
            key("norm.product_dtype"),
            ((n.product_in, n.scale or n.start, f"multiplied with {n.weight} in {n.product_in}") for n in weighted),
        )
    agreed(scene, key("norm.dtype"), ((n.computed_in, n.start, f"statistics in {n.computed_in}") for n in used))


def _as_wide(block: Block, hidden: Fact | None) -> list[Norm]:
    """Norms of a block whose stream is not followed: those as wide as the stream, not those of a latent or of a head."""
    wide = [norm for norm in block.norms if hidden is not None and norm.width == hidden.value]
    return wide or block.norms


def _kind(norm: Norm) -> str:
    if norm.kind == "layer" and not norm.weight:
        return "layer_no_affine"
    return norm.kind


def _placement(scene: Scene, graph: Operations, tower: Tower, streams: list[tuple[Block, Stream | None]]) -> None:
    key = tower.key
    for block, stream in streams:
        if stream is not None and stream.parallel:
            stream.parallel = _side_by_side(graph, block, stream)
    good = [(block, stream) for block, stream in streams if stream is not None and stream.complete and stream.branches]
    if len(good) != len(streams) or not good:
        odd = next(
            (block for block, stream in streams if stream is None or not stream.complete or not stream.branches), None
        )
        if odd is not None:
            for name in ("norm.placement", "residual"):
                scene.unsure(key(name), "the residual stream of a block could not be followed", odd.ops[-1])
        return
    agreed(scene, key("norm.placement"), ((_place(stream), *_place_at(block, stream)) for block, stream in good))
    agreed(
        scene,
        key("residual"),
        (_residual(stream) for _, stream in good),
    )
    counts = [
        (
            len(
                {n.output for b in s.branches for n in b.before}
                | {b.after.output for b in s.branches if b.after}
                | {n.output for n in s.post}
            )
            or (None if any(map(is_statistic, block.ops)) else 0),
            *_place_at(block, s),
        )
        for block, s in good
    ]
    other = next(
        (norm for block, stream in good if (norm := _of_another_stream(graph, block, stream)) is not None), None
    )
    if other is not None:
        scene.unsure(
            key("norm.per_block"), "a norm reads a second stream beside the one that was followed", other.start
        )
    agreed(scene, key("norm.per_block"), counts)
    scales = {branch.scale for _, stream in good for branch in stream.branches}
    if scales == {None}:
        scene.absent(
            key("residual.scale"),
            "sub-layer outputs are added as they come",
            [see(good[0][1].branches[0].added_at, "the addition")],
        )
    elif len(scales) == 1:
        branch = next(branch for _, stream in good for branch in stream.branches if branch.scale is not None)
        assert branch.scale is not None and branch.scale_at is not None
        scene.fact(key("residual.scale"), round(branch.scale, 12), [see(branch.scale_at, f"times {branch.scale:.6g}")])
    else:
        one = next(branch for _, stream in good for branch in stream.branches if branch.scale is not None)
        scene.unsure(key("residual.scale"), "sub-layers differ in the factor on their output", one.scale_at)
    factors = [(round(value, 12), op) for _, stream in good for value, op in stream.scales]
    if not factors:
        place = see(good[0][1].branches[0].added_at, "the addition")
        scene.absent(key("residual.stream_scale"), "the stream is added to as it is", [place])
    elif len({value for value, _ in factors}) == 1:
        scene.fact(
            key("residual.stream_scale"), factors[0][0], [see(factors[0][1], f"the stream times {factors[0][0]:.6g}")]
        )
    else:
        scene.unsure(key("residual.stream_scale"), "the stream is multiplied with several numbers", factors[0][1])
    learned = [bool(branch.layer_scale) for _, stream in good for branch in stream.branches]
    first = good[0][1].branches[0]
    if all(learned):
        scene.fact(
            key("residual.layer_scale"), True, [see(first.scale_at or first.added_at, f"times {first.layer_scale}")]
        )
    elif not any(learned):
        scene.fact(key("residual.layer_scale"), False, [see(first.added_at, "no learned factor")])


def _of_another_stream(graph: Operations, block: Block, stream: Stream) -> Norm | None:
    """A norm that reads a sum, or what enters the block, and stands on no branch of the stream that was followed."""
    counted = {norm.output for branch in stream.branches for norm in (*branch.before, branch.after) if norm is not None}
    counted |= {norm.output for norm in stream.post}
    first, width = block.ops[0].id, width_of(stream.branches[0].output)
    for norm in block.norms:
        read = _through(graph, graph[norm.input])
        if norm.output in counted or norm.width != width or read.id < first:
            continue
        sums = read.kind == "add" and len(read.inputs) == 2 and not any(graph.parameter(i) for i in graph.inputs(read))
        if sums and norm.input not in counted:
            return norm
    return None


def _side_by_side(graph: Operations, block: Block, stream: Stream) -> bool:
    """Whether a feed-forward part is added together with a mixer, not only two mixers with each other."""
    mixer = block.mixer[1] if block.mixer[0] == "hybrid" else None
    groups: dict[int, list[bool]] = {}
    for branch in stream.branches:
        mixes = branch.attends or (mixer is not None and graph.reaches(mixer.id, branch.output.id))
        groups.setdefault(branch.added_at.id, []).append(mixes)
    return any(len(group) > 1 and not all(group) for group in groups.values())


def _residual(stream: Stream) -> tuple[str, Op, str]:
    lost = next((branch for branch in stream.branches if branch.replaces), None)
    if lost is not None:
        return "missing", lost.added_at, "this sub-layer's output replaces the stream"
    return ("parallel" if stream.parallel else "sequential"), stream.branches[-1].added_at, "added to the stream"


def _place(stream: Stream) -> str | None:
    before = [bool(branch.before) for branch in stream.branches]
    after = [branch.after is not None for branch in stream.branches]
    post = len(stream.post)
    if all(before) and all(after) and not post:
        return "sandwich"
    if all(before) and not any(after) and not post:
        return "parallel" if stream.parallel else "pre"
    if not any(before) and all(after) and not post:
        return "sublayer_output"
    if not any(before) and not any(after) and post and post >= len(stream.branches):
        return "post"
    return None


def _place_at(block: Block, stream: Stream) -> tuple[Op, str]:
    branch = stream.branches[0]
    if branch.before:
        return branch.before[0].start, "the sub-layer reads a normalised stream"
    if branch.after is not None:
        return branch.after.start, "the sub-layer's output is normalised"
    if stream.post:
        return stream.post[0].start, "the sum is normalised"
    return branch.added_at, "where the norms of this block stand"


def width_of(op: Op) -> int | None:
    """The last size of a result, where it is a number."""
    return int(op.shape[-1]) if op.shape and is_number(op.shape[-1]) else None
