"""Facts about recurrent mixers, linear attention and short convolutions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from specdiff import vocab
from specdiff.detect.agree import agreed
from specdiff.detect.paths import bias_of, is_projection, kernel_of
from specdiff.detect.recurrence import Recurrence, projections_of, recurrences
from specdiff.detect.scene import Block, Scene, Tower, see
from specdiff.graph.operations import VIEWS, Operations, is_computed, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

Row = tuple[Block, Recurrence]
Ends = tuple[Op | None, Op | None]
"""The first and the last projection of a mixer."""


def mixers(scene: Scene) -> None:
    """`ssm.*`, `linear_attention.*`, `conv.*`."""
    for tower in scene.towers:
        table = recurrences(scene, tower)
        rows = [(block, table[block.index]) for block in tower.blocks if block.index in table]
        families = {family: [row for row in rows if row[1].family == family] for family in ("ssm", "linear", "conv")}
        known = all(block.mixer[0] or block.attentions for block in tower.blocks)
        if known and not any(block.attentions for block in tower.blocks):
            words = "no layer multiplies queries with keys"
            scene.absent(tower.key("attention.kind"), words, [see(tower.blocks[0].ops[0], "another mixer")])
        for family, write, name in (
            ("ssm", _ssm, "ssm.kind"), ("linear", _linear, "linear_attention.kind"), ("conv", _conv, "conv.kernel"),
        ):  # fmt: skip
            if families[family]:
                write(scene, tower, families[family])
            elif family == "conv" and not families["ssm"] and not families["linear"] and _beside(scene, tower):
                continue
            elif known:
                words = "no layer has such a mixer"
                scene.absent(
                    tower.key(name), words, [see(tower.blocks[0].ops[0], "every layer's mixer is another one")]
                )


def _beside(scene: Scene, tower: Tower) -> bool:
    """`conv.kernel` of blocks that attend and convolve over positions too (Conformer); False where no block does."""
    graph = scene.operations
    assert graph is not None
    wide = [
        (block, next((op for op in block.ops if max(kernel_of(graph, op), default=1) > 1), None))
        for block in tower.blocks
    ]
    if not any(op for _, op in wide):
        return False
    if all(op is not None and block.attentions and len(kernel_of(graph, op)) == 1 for block, op in wide):
        agreed(
            scene,
            tower.key("conv.kernel"),
            ((kernel_of(graph, op)[0], op, f"kernel {kernel_of(graph, op)}") for _, op in wide if op is not None),
        )
    return True


def _tell(
    scene: Scene, tower: Tower, rows: list[Row], name: str, read: Callable[[Block, Recurrence], tuple[Any, Op, str]]
) -> None:
    agreed(scene, tower.key(name), (read(block, mixer) for block, mixer in rows))


def _whether(scene: Scene, tower: Tower, rows: list[Row], name: str, found: Mapping[int, Op | None], what: str) -> None:
    """A key that says whether there is a thing: what was found in each block, by the block's number."""
    _tell(
        scene,
        tower,
        rows,
        name,
        lambda b, m: (
            found[b.index] is not None,
            found[b.index] or m.at,
            f"a {what}" if found[b.index] else f"no {what}",
        ),
    )


def _ssm(scene: Scene, tower: Tower, rows: list[Row]) -> None:
    graph = scene.operations
    assert graph is not None
    words = {"mamba": "a decay per channel and state", "mamba2": "a decay per head", "rg_lru": "a gated decay per channel",
             "rwkv": "a running maximum and a fixed decay per channel"}  # fmt: skip
    _tell(scene, tower, rows, "ssm.kind", lambda b, m: (m.kind, m.at, f"{words.get(m.kind, m.kind)} ({m.decay})"))
    ends = {block.index: projections_of(graph, block, mixer) for block, mixer in rows}
    _convolution(scene, tower, graph, rows, "ssm.conv_kernel", "ssm.conv_bias")
    _biases(scene, tower, graph, rows, ends)
    inner = {block.index: _inner(graph, mixer, ends[block.index][1]) for block, mixer in rows}
    if all(inner.values()):
        _tell(
            scene, tower, rows, "ssm.inner_size", lambda b, m: (inner[b.index], m.at, f"inner width {inner[b.index]}")
        )
        hidden = scene.facts.get(tower.key("hidden_size"))
        sizes = set(inner.values())
        if hidden is not None and isinstance(hidden.value, int) and len(sizes) == 1:
            width = sizes.pop() or 0
            ratio = width / hidden.value
            place = see(rows[0][1].at, f"inner width {width} over a stream of {hidden.value}")
            scene.fact(tower.key("ssm.expand"), int(ratio) if ratio.is_integer() else ratio, [place])
    kinds = {mixer.kind for _, mixer in rows}
    if kinds == {"mamba"}:
        _tell(
            scene,
            tower,
            rows,
            "ssm.state_size",
            lambda b, m: (m.decay_shape[-1], m.at, f"{m.decay} of {m.decay_shape}"),
        )
        ranks = {block.index: _step_rank(graph, mixer) for block, mixer in rows}
        if all(ranks.values()):
            _tell(
                scene,
                tower,
                rows,
                "ssm.dt_rank",
                lambda b, m: (ranks[b.index], m.step or m.at, f"steps are projected from {ranks[b.index]} channels"),
            )
        if all(len(mixer.decay_shape) == 3 for _, mixer in rows):
            _tell(
                scene, tower, rows, "ssm.heads", lambda b, m: (m.decay_shape[0], m.at, f"{m.decay} of {m.decay_shape}")
            )
    if kinds == {"mamba2"}:
        _mamba2(scene, tower, graph, rows, inner)
    inside = {block.index: _norm_inside(block, mixer, ends[block.index]) for block, mixer in rows}
    _whether(scene, tower, rows, "ssm.norm", inside, "norm inside the mixer")
    _without(scene, tower, graph, rows, kinds, ends)


def _without(
    scene: Scene, tower: Tower, graph: Operations, rows: list[Row], kinds: set[str], ends: dict[int, Ends]
) -> None:
    """What a recurrence has no use for, and a word about whatever is left."""
    at = rows[0][1].at
    here = [see(at, "the recurrence")]
    if kinds <= {"mamba", "rwkv", "rg_lru"} and all(len(mixer.decay_shape) < 3 for _, mixer in rows):  # noqa: PLR2004 - heads come first
        if kinds != {"rg_lru"}:
            for name in ("heads", "head_dim"):
                scene.absent(tower.key(f"ssm.{name}"), "every channel decays by itself", here)
        scene.absent(tower.key("ssm.groups"), "no heads share what they write and read", here)
    if kinds <= {"rwkv", "rg_lru"}:
        scene.absent(tower.key("ssm.dt_rank"), "no step size is computed", here)
    if kinds == {"mamba2"} and all(_steps_beside(graph, mixer, ends[block.index][0]) for block, mixer in rows):
        scene.absent(tower.key("ssm.dt_rank"), "the first projection makes the steps", here)
    cut = next((op for block, _ in rows for op in block.ops if any(map(_may_be_a_part, op.shape or ()))), None)
    if not any(_chunk(block) for block, _ in rows) and cut is None:
        scene.absent(tower.key("ssm.chunk_size"), "positions are not put together in chunks", here)
    for name in (name for name in vocab.KEYS if name.startswith("ssm.")):
        key = tower.key(name)
        if key not in scene.facts and key not in scene.absences and key not in scene.undecided:
            scene.unsure(key, f"how this recurrence spells {name} is not recognised", cut if "chunk" in name else at)


def _may_be_a_part(size: object) -> bool:
    """Whether a size may be that of a chunk: a quotient of the sequence's, or one of which nothing is known."""
    unknown = isinstance(size, Dim) and any(_UNKNOWN.search(symbol) for part, _ in size.terms for symbol in part)
    return unknown or is_computed(size)


_UNKNOWN = re.compile(r"_\d+$")
"""The end of the names that sizes of which nothing is known are given."""


def _steps_beside(graph: Operations, mixer: Recurrence, first: Op | None) -> bool:
    """Whether step sizes come out of the same projection as the inner channels."""
    if mixer.step is None or first is None:
        return False
    op = graph[mixer.step.inputs[0]]
    while not is_projection(graph, op):
        if not op.inputs or op.kind not in VIEWS | {"add", "clamp"}:
            return False
        op = graph[op.inputs[0]]
    return op.id == first.id


def _mamba2(scene: Scene, tower: Tower, graph: Operations, rows: list[Row], inner: dict[int, int | None]) -> None:
    def heads(mixer: Recurrence) -> int:
        return max(mixer.decay_shape, default=1)

    _tell(scene, tower, rows, "ssm.heads", lambda b, m: (heads(m), m.at, f"{m.decay} of {m.decay_shape}"))
    _tell(
        scene,
        tower,
        rows,
        "ssm.head_dim",
        lambda b, m: ((inner[b.index] or 0) // heads(m) or None, m.at, "inner width over heads"),
    )
    shared = {block.index: _groups(graph, block, mixer) for block, mixer in rows}
    if all(found is not None for found in shared.values()):
        for position, name in enumerate(("ssm.groups", "ssm.state_size")):
            readings = ((found[position], found[2], "B and C as they are split") for found in shared.values() if found)
            agreed(scene, tower.key(name), readings)
    else:
        for name in ("ssm.groups", "ssm.state_size"):
            scene.unsure(tower.key(name), "how B and C are split is not recognised", rows[0][1].at)
    chunks = {block.index: _chunk(block) for block, _ in rows}
    if all(chunks.values()):
        _tell(
            scene,
            tower,
            rows,
            "ssm.chunk_size",
            lambda b, m: (
                (chunks[b.index] or (0, m.at))[0],
                (chunks[b.index] or (0, m.at))[1],
                "a triangle of one chunk's positions",
            ),
        )


def _chunk(block: Block) -> tuple[int, Op] | None:
    """Side of the triangular mask within a chunk."""
    for op in block.ops:
        if op.kind in ("tril", "triu") and op.shape and len(op.shape) == 2 and op.shape[0] == op.shape[1]:
            if is_number(op.shape[0]):
                return int(op.shape[0]), op
    return None


def _square_table(graph: Operations, block: Block) -> tuple[int, Op] | None:
    """Side of a fixed table of decays between the positions of a block, of which as many are taken as there are."""
    for op in block.ops:
        source = graph.source(op) if op.kind == "slice" else op
        shape = source.shape or ()
        fixed = source.kind in ("buffer", "constant") or not graph.from_inputs[source.id]
        if op.kind == "slice" and fixed and len(shape) >= 2 and shape[-1] == shape[-2]:
            if is_number(shape[-1]) and shape[-1] > 1 and len(set((op.shape or ())[-2:])) == 1:
                return int(shape[-1]), op
    return None


def _groups(graph: Operations, block: Block, mixer: Recurrence) -> tuple[int, int, Op] | None:
    """(groups, state size, where) of B and C: two equal parts beside the inner channels of one split."""
    parts: dict[int, list[Op]] = {}
    for op in block.ops:
        if op.kind in ("split", "slice") and op.inputs and op.shape and is_number(op.shape[-1]):
            parts.setdefault(op.inputs[0], []).append(op)
    for source, found in parts.items():
        widths = [int(op.shape[-1]) for op in found if op.shape]
        if len(widths) < 3 or widths[-1] != widths[-2] or graph[source].shape is None:
            continue
        whole = (graph[source].shape or (0,))[-1]
        if not is_number(whole) or sum(widths[-3:]) != whole or (mixer.conv is not None and source < mixer.conv.id):
            continue
        width = widths[-1]
        for reader_id in graph.consumers[found[-1].id]:
            reader = graph[reader_id]
            shape = reader.shape or ()
            if reader.kind in ("view", "reshape") and len(shape) >= 2 and is_number(shape[-1]) and is_number(shape[-2]):
                if shape[-1] * shape[-2] == width:
                    return int(shape[-2]), int(shape[-1]), reader
        return 1, width, found[-1]
    return None


def _inner(graph: Operations, mixer: Recurrence, last: Op | None) -> int | None:
    """Width that the last projection reads."""
    if last is None:
        return None
    data = graph[last.inputs[0]]
    width = data.shape[-1] if data.shape else None
    return int(width) if is_number(width) else None


def _step_rank(graph: Operations, mixer: Recurrence) -> int | None:
    """Width that the step size is projected from."""
    if mixer.step is None:
        return None
    op = graph[mixer.step.inputs[0]]
    for _ in range(12):
        if is_projection(graph, op):
            for item in graph.inputs(op):
                weight = graph.source(item)
                if (
                    weight.kind == "parameter"
                    and weight.shape
                    and len(weight.shape) == 2
                    and is_number(weight.shape[-1])
                ):
                    return int(weight.shape[-1])
            return None
        if not op.inputs or op.kind not in VIEWS | {"add", "cast", "clamp"}:
            return None
        op = graph[op.inputs[0]]
    return None


def _norm_inside(block: Block, mixer: Recurrence, ends: tuple[Op | None, Op | None]) -> Op | None:
    first, last = ends
    if first is None or last is None:
        return None
    return next((n.start for n in block.norms if first.id < n.start.id < last.id and n.kind in ("rms", "layer")), None)


def _convolution(scene: Scene, tower: Tower, graph: Operations, rows: list[Row], kernel: str, bias: str) -> None:
    convs = [(block, mixer.conv) for block, mixer in rows if mixer.conv is not None]
    if len(convs) == len(rows):
        agreed(
            scene,
            tower.key(kernel),
            (
                (kernel_of(graph, op)[-1] if kernel_of(graph, op) else None, op, f"kernel {kernel_of(graph, op)}")
                for _, op in convs
            ),
        )
        if bias:
            agreed(
                scene,
                tower.key(bias),
                ((bool(bias_of(graph, op)[0]) or len(op.inputs) > 2, op, "the convolution") for _, op in convs),
            )
    elif not convs:
        for name in (kernel, bias) if bias else (kernel,):
            scene.absent(tower.key(name), "nothing is convolved in the mixer", [see(rows[0][1].at, "the mixer")])


def _biases(
    scene: Scene, tower: Tower, graph: Operations, rows: list[Row], ends: dict[int, tuple[Op | None, Op | None]]
) -> None:
    readings = []
    for block, _ in rows:
        first, last = ends[block.index]
        if first is None or last is None:
            return
        names = [bias_of(graph, first)[0], bias_of(graph, last)[0]]
        value = None if bool(names[0]) != bool(names[1]) else bool(names[0])
        readings.append(
            (
                value,
                last,
                "bias"
                if value
                else "no bias"
                if value is False
                else "one projection adds a bias, the other none: one answer",
            )
        )
    agreed(scene, tower.key("ssm.bias"), readings)


def _linear(scene: Scene, tower: Tower, rows: list[Row]) -> None:
    graph = scene.operations
    assert graph is not None
    _tell(scene, tower, rows, "linear_attention.kind", lambda b, m: (m.kind, m.at, _linear_words(m)))
    _convolution(scene, tower, graph, rows, "linear_attention.conv_kernel", "")
    ends = {block.index: projections_of(graph, block, mixer) for block, mixer in rows}
    gates = {block.index: _output_gate(graph, mixer, ends[block.index][1]) for block, mixer in rows}
    _whether(scene, tower, rows, "linear_attention.gate", gates, "gate on the output")
    squares = {block.index: _chunk(block) or _square_table(graph, block) for block, _ in rows}
    known = [(found[0], found[1], "a square of one block's positions") for found in squares.values() if found]
    if len(known) == len(rows):
        agreed(scene, tower.key("linear_attention.block_size"), known)
    elif mixers_with_state := [mixer for _, mixer in rows if mixer.state is not None]:
        why = "how many positions a block has is not a known number"
        scene.unsure(tower.key("linear_attention.block_size"), why, mixers_with_state[0].state)
    if all(mixer.state is not None for _, mixer in rows):
        for place, name in ((-3, "heads"), (-2, "key_dim"), (-1, "value_dim"), (-3, "value_heads")):
            readings = []
            for _, mixer in rows:
                size = (mixer.state.shape or ())[place] if mixer.state is not None else None
                words = f"{name.replace('_', ' ')} of the state"
                readings.append((int(size) if is_number(size) else None, mixer.state or mixer.at, words))
            agreed(scene, tower.key(f"linear_attention.{name}"), readings)
    elif all(mixer.keys is not None and mixer.decay_shape for _, mixer in rows):
        sizes = {block.index: _delta_sizes(graph, mixer, ends[block.index][1]) for block, mixer in rows}
        for position, name in enumerate(("heads", "key_dim", "value_heads", "value_dim")):
            readings = []
            for block, mixer in rows:
                found = sizes[block.index]
                readings.append(
                    (
                        found[position] if found else None,
                        mixer.keys or mixer.at,
                        f"{name.replace('_', ' ')} of the delta rule",
                    )
                )
            agreed(scene, tower.key(f"linear_attention.{name}"), readings)


def _linear_words(mixer: Recurrence) -> str:
    if mixer.kind == "retention":
        return "a fixed decay weighs products of rotated queries and keys"
    if mixer.kind == "lightning":
        return "a fixed decay weighs products of queries and keys"
    return f"a delta rule with a decay per {'channel' if mixer.kind == 'kda' else 'head'} ({mixer.decay})"


def _delta_sizes(graph: Operations, mixer: Recurrence, last: Op | None) -> tuple[int, int, int, int] | None:
    """(key heads, key width, value heads, value width) of a delta rule."""
    keys = mixer.keys
    if keys is None or last is None:
        return None
    width = keys.shape[-1] if keys.shape else None
    inner = _inner(graph, mixer, last)
    values = max(mixer.decay_shape, default=0)
    heads: int | None = None
    op = keys
    for _ in range(30):
        if (
            op.kind in ("view", "reshape")
            and op.shape
            and op.shape[-1] == width
            and is_number(op.shape[-2])
            and op.inputs
        ):
            before = graph[op.inputs[0]].shape or (0,)
            if is_number(before[-1]) and before[-1] == op.shape[-2] * op.shape[-1]:
                heads = int(op.shape[-2])
                break
        if not op.inputs or is_projection(graph, op):
            break
        op = max(graph.inputs(op), key=lambda item: len(item.shape or ()))
    if heads is None or not is_number(width) or inner is None or not values or inner % values:
        return None
    return heads, int(width), values, inner // values


def _output_gate(graph: Operations, mixer: Recurrence, last: Op | None) -> Op | None:
    """The product with an activated projection, right before the last projection."""
    if last is None:
        return None
    op = graph[last.inputs[0]]
    for _ in range(16):
        if op.kind == "mul" and len(op.inputs) == 2:
            for item in graph.inputs(op):
                gate = graph.source(item)
                if gate.kind in ("sigmoid", "silu", "gelu"):
                    return op
            data = [item for item in graph.inputs(op) if graph.source(item).kind not in ("parameter", "rsqrt")]
            if not data:
                return None
            op = data[-1]
            continue
        if not op.inputs or op.kind not in VIEWS | {"cast", "rms_norm", "layer_norm", "add"}:
            return None
        op = graph[op.inputs[0]]
    return None


def _conv(scene: Scene, tower: Tower, rows: list[Row]) -> None:
    graph = scene.operations
    assert graph is not None
    _convolution(scene, tower, graph, rows, "conv.kernel", "conv.bias")
    _tell(scene, tower, rows, "conv.depthwise", lambda b, m: (True, m.conv or m.at, "each channel by itself"))
    _tell(
        scene,
        tower,
        rows,
        "conv.gated",
        lambda b, m: (
            _gated(graph, m.conv or m.at),
            m.conv or m.at,
            "its input and output times computed values"
            if _gated(graph, m.conv or m.at)
            else "no gate before and after it",
        ),
    )


def _gated(graph: Operations, conv: Op) -> bool:
    """Whether a convolution's input and its output are each multiplied with something computed."""
    before = graph.source(graph[conv.inputs[0]], _AROUND)
    return _of_two(graph, before) and any(_of_two(graph, reader) for reader in graph.readers(conv, _AROUND))


_AROUND = VIEWS | {"pad", "cast"}
"""What may stand between a short convolution and its gates: padding, and the way positions lie."""


def _of_two(graph: Operations, op: Op) -> bool:
    """Whether two values are multiplied of which none is a parameter."""
    return op.kind == "mul" and len(op.inputs) == 2 and not any(graph.parameter(item) for item in graph.inputs(op))
