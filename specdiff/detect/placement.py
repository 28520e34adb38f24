"""Facts about norms and the residual stream: which norms, where they stand, and how sub-layers join the stream."""

from __future__ import annotations

from specdiff.detect.agree import agreed
from specdiff.detect.norm_sites import Norm, is_statistic
from specdiff.detect.paths import is_projection, pools_positions
from specdiff.detect.scene import Block, Scene, Tower, see
from specdiff.detect.stream import CARRY, RESHAPE, Stream, block_output, streams_of, through, width_of
from specdiff.facts import Fact
from specdiff.graph.operations import Operations
from specdiff.interp.trace import Op

_NORMALISES = frozenset({"layer_norm", "rms_norm", "batch_norm", "group_norm", "instance_norm", "normalize", "rsqrt", "var",
                         "std"})  # fmt: skip
"""Operations that a norm may be, or be made of."""


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
    last = block_output(graph, block, {op.id for op in block.ops})
    if last is None:
        scene.unsure(key, "what the last block returns is not known", block.ops[-1])
        return None
    after = block.ops[-1].id
    seen: set[int] = set()
    stack = [last.id]
    carries = CARRY | RESHAPE | {"slice", "index", "split", "flatten"}
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
        readers = [graph[reader] for reader in graph.consumers[index]]
        stack += [
            each.id for each in readers if each.kind in carries or _times_a_number(each) or pools_positions(graph, each)
        ]
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
        ops = [op for block in tower.blocks for op in block.ops]
        if not any(op.kind in _NORMALISES or _of_a_row(op) for op in ops):
            scene.absent(key("norm.kind"), "nothing in the blocks is normalised", [see(ops[0], "the first block")])
            return
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
    if not weighted:
        if not any(norm.weight for norm in used):
            scene.absent(key("norm.product_dtype"), "no norm has a weight", [see(used[0].start, "a norm")])
        else:
            words = "norm and weight are one operation, which does not say in what format it multiplies"
            scene.unsure(key("norm.product_dtype"), words, used[0].start)
    elif len(weighted) < len(used):
        odd = next(norm for norm in used if not norm.product_in)
        scene.unsure(
            key("norm.product_dtype"), "some norms multiply with a weight in an operation, others do not", odd.start
        )
    else:
        agreed(
            scene,
            key("norm.product_dtype"),
            ((n.product_in, n.scale or n.start, f"multiplied with {n.weight} in {n.product_in}") for n in weighted),
        )
    agreed(scene, key("norm.dtype"), ((n.computed_in, n.start, f"statistics in {n.computed_in}") for n in used))


def _of_a_row(op: Op) -> bool:
    """Whether an operation makes one number of a row of channels, whatever number."""
    return op.kind == "reduce" and len(op.shape or ()) > 2 and (op.shape or (0,))[-1] == 1  # noqa: PLR2004 - batch, positions


def _as_wide(block: Block, hidden: Fact | None) -> list[Norm]:
    """Norms of a block whose stream is not followed: those as wide as the stream, not those of a latent or of a head."""
    wide = [norm for norm in block.norms if hidden is not None and norm.width == hidden.value]
    return wide or block.norms


def _kind(norm: Norm) -> str:
    if norm.kind == "layer" and not norm.weight:
        return "layer_no_affine"
    return norm.kind


_OF_THE_STREAM = (
    "norm.placement", "norm.per_block", "residual", "residual.scale", "residual.stream_scale", "residual.layer_scale",
)  # fmt: skip


def _leave_entry_out(streams: list[tuple[Block, Stream | None]]) -> None:
    """Take the norm of what enters the stack, which the first layer alone holds, out of its own norms."""
    leading = [
        [norm for norm in stream.post if norm.output < min(branch.added_at.id for branch in stream.branches)]
        if stream is not None and stream.branches
        else []
        for _, stream in streams
    ]
    first = streams[0][1]
    if first is not None and leading[0] and not any(leading[1:]) and len(streams) > 1:
        first.post = [norm for norm in first.post if norm not in leading[0]]


def _placement(scene: Scene, graph: Operations, tower: Tower, streams: list[tuple[Block, Stream | None]]) -> None:
    key = tower.key
    _leave_entry_out(streams)
    for block, stream in streams:
        if stream is not None and stream.parallel:
            stream.parallel = _side_by_side(graph, block, stream)
    good = [(block, stream) for block, stream in streams if stream is not None and stream.complete and stream.branches]
    if len(good) != len(streams) or not good:
        odd = next(
            (block for block, stream in streams if stream is None or not stream.complete or not stream.branches), None
        )
        if odd is not None:
            for name in _OF_THE_STREAM:
                scene.unsure(key(name), "the residual stream of a block could not be followed", odd.ops[-1])
        return
    if key("norm.kind") not in scene.absences:
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
    else:
        words = "some outputs have a learned factor, others none"
        scene.unsure(key("residual.layer_scale"), words, first.scale_at or first.added_at, (True, False))


def _of_another_stream(graph: Operations, block: Block, stream: Stream) -> Norm | None:
    """A norm that reads a sum, or what enters the block, and stands on no branch of the stream that was followed."""
    counted = {norm.output for branch in stream.branches for norm in (*branch.before, branch.after) if norm is not None}
    counted |= {norm.output for norm in stream.post}
    first, width = block.ops[0].id, width_of(stream.branches[0].output)
    for norm in block.norms:
        read = through(graph, graph[norm.input])
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
