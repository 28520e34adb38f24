"""Sizes of the whole model: layers, widths, vocabulary, the embedding and the output head, and what is only declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from specdiff.detect.norm_sites import Norm, is_statistic
from specdiff.detect.paths import bias_of, is_projection, weight_of
from specdiff.detect.scene import Block, Scene, see
from specdiff.detect.stream import streams_of
from specdiff.facts import Evidence, Level
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

_CARRY = VIEWS | {"dropout", "join", "identity", "index", "gather"}

CONTEXT = (
    "max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "max_seq_length", "seq_length",
    "n_ctx", "max_target_positions", "max_source_positions", "model_max_length", "block_size", "context_length",
    "sequence_len", "sequence_length", "seq_len", "max_sequence_len", "max_context_length", "context_len", "context_size",
    "ctx_len", "ctx_length", "max_positions", "max_len",
)  # fmt: skip
"""Settings under which configurations keep the longest input."""

DROPOUTS = {
    "dropout.embedding": ("embd_pdrop", "embedding_dropout", "embed_dropout", "embeddings_dropout", "emb_pdrop"),
    "dropout.attention": (
        "attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "attention_dropout_prob", "attn_dropout",
        "attention_dropout_p", "attention_probs_dropout",
    ),
    "dropout.residual": (
        "resid_pdrop", "hidden_dropout_prob", "hidden_dropout", "residual_dropout", "resid_dropout", "residue_dropout",
        "dropout", "dropout_rate",
    ),
    "init.std": ("initializer_range", "init_std"),
}  # fmt: skip
"""Settings for what only training reads."""

_DTYPES = {"torch.float32": "float32", "torch.bfloat16": "bfloat16", "torch.float16": "float16"}


@dataclass(slots=True)
class Head:
    """The projection that makes the output, and what happens to its result."""

    projection: Op
    weight: str
    bias: str
    softcap: float | None
    softcap_at: Op | None
    scale: float | None
    scale_at: Op | None


def token_table(scene: Scene) -> Op | None:
    """The look-up of the input's tokens: of several, the one with the largest table."""
    graph = scene.operations
    if graph is None:
        return None
    return max(token_tables(scene), key=lambda op: (_rows(graph, op) or 0, -op.id), default=None)


def token_tables(scene: Scene) -> list[Op]:
    """All look-ups of inputs in learned tables."""
    graph = scene.operations
    if graph is None:
        return []
    return [
        op
        for op in graph.kind("embedding")
        if len(op.inputs) > 1
        and graph.parameter(graph[op.inputs[1]])
        and _from_input(graph, graph[op.inputs[0]])
        and not _one_each(graph[op.inputs[0]])
    ]


def _one_each(index: Op) -> bool:
    """Whether each example has a single number: a class that a picture is made of, no tokens."""
    return index.shape == (Dim.symbol("batch"),)


def _from_input(graph: Operations, op: Op) -> bool:
    for _ in range(12):
        if op.kind == "input":
            return True
        if op.kind == "cat":  # tokens of a learned prompt before those of the input
            return any(_from_input(graph, item) for item in graph.inputs(op))
        if not op.inputs or op.kind not in (
            *VIEWS,
            "masked_fill",
            "where",
            "clamp",
            "join",
            "setitem",
            "overwrite",
            "mul",
            "pad",
        ):
            return False
        op = graph[op.inputs[0]] if op.kind != "where" else graph[op.inputs[-1]]
    return False


def _rows(graph: Operations, op: Op) -> int | None:
    shape = graph[op.inputs[1]].shape
    return int(shape[0]) if shape and is_number(shape[0]) else None


def layers(scene: Scene) -> None:
    """`layers` and `hidden_size` of every stack."""
    if scene.operations is not None and not scene.towers:
        scene.unsure("layers", "no stack of layers is recognised among what runs")
    for tower in scene.towers:
        first = tower.blocks[0]
        scene.fact(
            tower.key("layers"), len(tower.blocks), [see(first.ops[0], f"{tower.path}: {len(tower.blocks)} blocks ran")]
        )
        rows = [(block, output_of(scene.operations, block)) for block in tower.blocks]
        widths = {int(op.shape[-1]) for _, op in rows if op is not None and op.shape and is_number(op.shape[-1])}
        if len(widths) == 1 and all(op is not None for _, op in rows):
            op = rows[0][1]
            assert op is not None
            scene.fact(tower.key("hidden_size"), widths.pop(), [see(op, f"the block's output is {_times(op)}")])
        elif widths:
            scene.unsure(
                tower.key("hidden_size"), f"blocks have outputs of different widths: {sorted(widths)}", first.ops[-1]
            )
    for name in ("hidden_size", "layers"):
        facts = {scene.facts[key].value for tower in scene.towers if (key := tower.key(name)) in scene.facts}
        two_sided = {tower.prefix for tower in scene.towers} == {"encoder", "decoder"}
        if name == "hidden_size" and two_sided and len(facts) == 1 and "hidden_size" not in scene.facts:
            scene.fact(name, facts.pop(), scene.facts[f"decoder.{name}"].evidence)


def output_of(graph: Operations | None, block: Block) -> Op | None:
    """The last wide value of a block that something outside reads."""
    if graph is None:
        return None
    inside = {op.id for op in block.ops}
    outputs = set(graph.outputs)
    op: Op
    for op in reversed(block.ops):
        if op.shape and len(op.shape) >= 2 and op.dtype.startswith(("float", "bfloat")):
            if op.id in outputs or any(reader not in inside for reader in graph.consumers[op.id]):
                return op
    return None


def _times(op: Op) -> str:
    return "×".join(str(size) for size in op.shape or ())


def embedding(scene: Scene) -> None:
    """`vocab_size`, `embedding.size`, `.scale`, `.norm`, `.token_types`."""
    graph = scene.operations
    table = token_table(scene)
    if graph is None:
        return
    if table is None:
        numbered = next((op for op in graph.kind("input") if op.dtype.startswith(("int", "uint"))), None)
        if numbered is None and scene.towers:
            scene.absent("vocab_size", "no input is looked up in a table")
        else:
            scene.unsure("vocab_size", "no look-up of an input's numbers in a table is recognised", numbered)
        return
    weight = graph[table.inputs[1]]
    name = graph.parameter(weight)
    here = [see(table, f"{name} of {_times(weight)}"), *made(scene, name)]
    rows = _rows(graph, table)
    if rows is not None:
        scene.fact("vocab_size", rows, here)
    first = min(
        (tower.blocks[0] for tower in scene.towers if graph.reaches(table.id, tower.blocks[-1].ops[-1].id, 200_000)),
        key=lambda block: block.ops[0].id,
        default=None,
    )
    if first is None:
        return
    end = first.ops[0].id
    way = list(_forward(graph, table, first))
    _embedding_scale(scene, graph, table, way)
    norm = next(
        (
            item
            for item in scene.norms
            if item.output < end and item.weight and any(op.id == item.output or op.id == item.input for op in way)
        ),
        None,
    )
    if norm is not None:
        scene.fact(
            "embedding.norm", norm.kind, [see(norm.start, f"{norm.kind} norm {norm.weight} before the first block")]
        )
    elif (own := _norm_in_first_block(scene, table)) is not None:
        scene.fact(
            "embedding.norm", own.kind, [see(own.start, f"{own.kind} norm {own.weight} of what enters the first block")]
        )
    elif (odd := next((op for op in way if is_statistic(op) and not _within(scene, op)), None)) is not None:
        scene.unsure("embedding.norm", "a statistic of the embedded tokens is taken, and no norm recognised", odd)
    else:
        scene.absent("embedding.norm", "nothing normalises the embedded tokens before the first block", here[:1])
    projection = next((op for op in way if is_projection(graph, op) and op.id != table.id), None)
    width = weight.shape[-1] if weight.shape else None
    stream = scene.facts.get("hidden_size") or scene.facts.get("decoder.hidden_size")
    if projection is not None and is_number(width) and (stream is None or stream.value != width):
        scene.fact("embedding.size", int(width), [*here, see(projection, "projected to the stream's width")])
    elif is_number(width):
        scene.absent("embedding.size", "the table is as wide as the stream", here[:1])
    types = next((op for op in graph.kind("embedding") if op.id < end and _is_types(graph, op, name)), None)
    if types is not None:
        count = _rows(graph, types)
        if count is not None:
            scene.fact(
                "embedding.token_types", count, [see(types, f"{graph.parameter(graph[types.inputs[1]])} by token type")]
            )
    else:
        scene.absent("embedding.token_types", "no table is read by token type", here[:1])


def _within(scene: Scene, op: Op) -> bool:
    """Whether an operation is part of a norm."""
    return any(norm.input <= op.id <= norm.output for norm in scene.norms)


def entries(scene: Scene) -> None:
    """`embedding.norm` of stacks beside the one that reads the largest table of tokens."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        key = tower.key("embedding.norm")
        if key in scene.facts or key in scene.absences or key in scene.undecided:
            continue
        block = tower.blocks[0]
        first = block.ops[0].id
        before = (graph[source] for op in block.ops for source in op.inputs if source < first)
        op = next((each for each in before if each.shape and len(each.shape) >= 2 and each.kind not in _CONTENT), None)
        for _ in range(20):
            norm = scene.norm_of.get(op.id) if op is not None else None
            if norm is not None and norm.weight:
                scene.fact(key, norm.kind, [see(norm.start, f"{norm.kind} norm {norm.weight} before the first block")])
                break
            if op is None or not op.inputs:
                break
            if op.kind not in _CARRY:
                scene.absent(key, "nothing normalises what enters the first block", [see(op, "enters the first block")])
                break
            op = graph[op.inputs[0]]


_CONTENT = frozenset({"parameter", "buffer", "constant"})


def _norm_in_first_block(scene: Scene, table: Op) -> Norm | None:
    """A norm that the first block alone puts on the stream itself, before it adds anything to it."""
    graph = scene.operations
    assert graph is not None
    for tower in scene.towers:
        if len(tower.blocks) < 2 or not graph.reaches(table.id, tower.blocks[0].ops[-1].id, 200_000):
            continue
        found = [
            [norm for norm in stream.post if norm.input < block.ops[0].id] if stream is not None else []
            for block, stream in streams_of(scene, tower)
        ]
        if found[0] and found[0][-1].weight and not any(found[1:]):
            return found[0][-1]
    return None


def _is_types(graph: Operations, op: Op, tokens: str) -> bool:
    """Whether a table other than the tokens' is read by segment: an input of that name, or the same row everywhere."""
    if len(op.inputs) < 2 or graph.parameter(graph[op.inputs[1]]) in ("", tokens):
        return False
    index = graph[op.inputs[0]]
    source = graph.source(index)
    if source.kind == "input":
        return "type" in str(source.attrs.get("name", ""))
    from specdiff.detect.entering import at_positions  # noqa: PLC0415 - it reads towers, which read the scene

    at = at_positions(graph, index)
    return at is not None and len(set(at.tolist())) == 1


def _forward(graph: Operations, start: Op, block: Block) -> Iterator[Op]:
    """What the embedded tokens pass before the first block, without what is only checked on the way."""
    reached = {start.id}
    entering = graph.ancestors((op.id for op in block.ops), lambda op: op.id > start.id)
    for index in range(start.id + 1, block.ops[0].id):
        op = graph[index]
        if index in entering and any(source in reached for source in op.inputs):
            reached.add(index)
            yield op


_PUT_IN = frozenset({"where", "masked_fill", "masked_scatter", "overwrite", "setitem", "index_put", "scatter"})
"""Operations that put other values in the place of some tokens'."""


def _multiplied(op: Op, table: Op) -> bool:
    other = op.attrs.get("other")
    return op.kind in ("mul", "div") and op.shape == table.shape and isinstance(other, int | float) and other != 1


def _embedding_scale(scene: Scene, graph: Operations, table: Op, way: list[Op]) -> None:
    factor, at = 1.0, table
    current = table
    for op in way:
        if current.id not in op.inputs:
            continue
        if op.kind in ("mul", "div"):
            other = number_in(graph, op, current)
            if other is None:
                if op.kind == "mul" and any(
                    item.dtype == "bool" or graph.source(item).dtype == "bool" for item in graph.inputs(op)
                ):
                    current = op  # padding set to zero
                    continue
                if any(item.kind == "parameter" or graph.source(item).kind == "reduce" for item in graph.inputs(op)):
                    break  # the beginning of a norm
                scene.unsure(
                    "embedding.scale", "the embedded tokens are multiplied with something that is not a number", op
                )
                return
            factor, at, current = (factor * other if op.kind == "mul" else factor / other), op, op
        elif op.kind in _CARRY or op.kind in _PUT_IN:
            current = op
        elif (later := next((each for each in way if each.id > op.id and _multiplied(each, table)), None)) is not None:
            words = "the embedded tokens are multiplied after something that is not recognised"
            scene.unsure("embedding.scale", words, later)
            return
        else:
            break
    scene.fact(
        "embedding.scale",
        round(factor, 12),
        [see(at, f"embedded tokens times {factor:.9g}" if at is not table else "read as they are")],
    )


def number_in(graph: Operations, op: Op, current: Op) -> float | None:
    """The number that an operation multiplies, divides or adds, written or as a tensor of one element."""
    other = op.attrs.get("other")
    if isinstance(other, int | float) and not isinstance(other, bool):
        return float(other)
    for item in graph.inputs(op):
        if item.id != current.id:
            array = graph.array(graph.source(item)) if item.shape == () else None
            if array is not None and array.size == 1:
                return float(array.reshape(-1)[0])
    return None


def head_of(scene: Scene) -> Head | None:
    """The projection behind the first output, seen through caps, scales and slices; None where the output is no projection's."""
    graph = scene.operations
    if graph is None or not graph.outputs:
        return None
    last = max((tower.blocks[-1].ops[-1].id for tower in scene.towers), default=-1)
    for output in graph.outputs:
        found = _head_behind(graph, graph[output], last)
        if found is not None:
            return found
    return None


def _head_behind(graph: Operations, op: Op, last: int) -> Head | None:
    softcap: float | None = None
    softcap_at: Op | None = None
    scale, scale_at = 1.0, None
    for _ in range(30):
        if op.id <= last:
            return None
        if is_projection(graph, op):
            bias, _ = bias_of(graph, op)
            return Head(op, weight_of(graph, op), bias, softcap, softcap_at, scale, scale_at)
        if op.kind in ("mul", "div") and op.inputs:
            other = number_in(graph, op, graph[op.inputs[0]])
            if other is None:
                return None
            inner = graph.source(graph[op.inputs[0]], frozenset({"cast", "copy"}))
            if inner.kind == "tanh" and softcap is None:
                softcap, softcap_at = (other if op.kind == "mul" else 1 / other), op
                below = graph[inner.inputs[0]]
                op = (
                    graph[below.inputs[0]]
                    if below.kind in ("mul", "div") and number_in(graph, below, below) is not None
                    else below
                )
                continue
            scale, scale_at = (scale * other if op.kind == "mul" else scale / other), op
            op = graph[op.inputs[0]]
        elif op.kind == "add" and len(op.inputs) == 2:
            op = next((item for item in graph.inputs(op) if not graph.parameter(item)), graph[op.inputs[0]])
        elif (op.kind in _CARRY or op.kind in ("tanh", "where", "masked_fill", "sub")) and op.inputs:
            op = graph[op.inputs[0]]
        else:
            return None
    return None


def output_head(scene: Scene) -> None:
    """`embedding.tied`, `logits.softcap`, `.scale`, `.bias`."""
    graph = scene.operations
    table = token_table(scene)
    if graph is None or table is None:
        return
    name = graph.parameter(graph[table.inputs[1]])
    head = head_of(scene)
    rows = _rows(graph, table)
    width = head.projection.shape[-1] if head is not None and head.projection.shape else None
    if head is None or (width != rows and width != _vocabulary(scene)):
        _tied_unused(scene, name, table)
        return
    at = see(head.projection, f"the output head multiplies with {head.weight}")
    ties = [set(pair) for pair in scene.tied]
    same: set[str] = set()
    more = {head.weight}
    while more - same:
        same |= more
        more = {other for pair in ties if pair & same for other in pair}
    tied = name in same
    if not tied:  # an encoder and a decoder have tables of their own, and the head may be the decoder's
        for each in token_tables(scene):
            if graph.parameter(graph[each.inputs[1]]) in same and _rows(graph, each) == rows:
                name, table, tied = graph.parameter(graph[each.inputs[1]]), each, True
    words = f"{name} is the embedding table" if tied else f"the embedding table is {name}"
    scene.fact("embedding.tied", tied, [at, see(table, words)])
    if head.softcap is not None and head.softcap_at is not None:
        scene.fact(
            "logits.softcap", head.softcap, [see(head.softcap_at, f"{head.softcap:g}·tanh(logits/{head.softcap:g})")]
        )
    else:
        scene.absent("logits.softcap", "no tanh behind the output head", [at])
    before, before_at = _scale_before(scene, graph, head.projection)
    if before_at is not None and (before is None or head.bias):
        why = "a projection with a bias" if before is not None else "the output head"
        scene.unsure("logits.scale", f"what goes into {why} is multiplied with something", before_at)
    elif head.scale is not None and before is not None:
        scene.fact(
            "logits.scale",
            round(head.scale * before, 12),
            [
                see(head.scale_at or before_at or head.projection, f"logits times {head.scale * before:.9g}"),
                *([see(before_at, f"the head's input times {before:.9g}")] if before_at and head.scale_at else ()),
            ],
        )
    scene.fact(
        "logits.bias",
        bool(head.bias),
        [see(head.projection, f"bias {head.bias}" if head.bias else f"{head.weight} without a bias")],
    )


def _vocabulary(scene: Scene) -> int | None:
    """The vocabulary's size as configured; a table may have rows for tokens that are only read (Llama 3.2 Vision)."""
    found = next((hit for part in ("", "text_config") if (hit := scene.setting("vocab_size", part=part))), None)
    return found[0] if found is not None and isinstance(found[0], int) else None


def _scale_before(scene: Scene, graph: Operations, projection: Op) -> tuple[float | None, Op | None]:
    """The factor on what the head projects, which is one on the logits; None where it is a learned or unknown number."""
    factor, at = 1.0, None
    op = graph[projection.inputs[0]] if projection.inputs else projection
    for _ in range(30):
        if op.id in scene.norm_of or not op.inputs:
            break  # a number inside a norm belongs to it
        if op.kind in ("mul", "div"):
            other = number_in(graph, op, graph[op.inputs[0]])
            if other is None:
                single = next((item for item in graph.inputs(op)[1:] if item.shape in ((), (1,))), None)
                return (None, op) if single is not None and graph.parameter(single) else (factor, at)
            factor, at = (factor * other if op.kind == "mul" else factor / other), op
        elif op.kind not in _CARRY:
            break
        op = graph[op.inputs[0]]
    return factor, at


def _tied_unused(scene: Scene, name: str, table: Op) -> None:
    """A model without an output head over the vocabulary has nothing to tie."""
    if any(name in pair for pair in scene.tied):
        return
    scene.unsure("embedding.tied", "this class has no output head over the vocabulary", table)


def made(scene: Scene, name: str) -> list[Evidence]:
    """The line that builds a parameter."""
    place = scene.places.get(name)
    if place is None:
        return []
    shape = "×".join(str(size) for size in scene.parameters.get(name, ()))
    return [Evidence(place[0], place[1], place[1], f"{name} of {shape}")]


def declared(scene: Scene) -> None:
    """`context_length`, `dtype`, `dropout.*`, `init.std`: what only the configuration says."""
    part = "text_config" if scene.setting("text_config") is not None else ""
    setting = scene.setting(*CONTEXT, part=part) or scene.setting(*CONTEXT)
    if setting is not None and isinstance(setting[0], int):
        scene.fact("context_length", setting[0], [setting[1]], Level.DECLARED)
    elif scene.config and (table := token_table(scene)) is not None:
        scene.unsure("context_length", "no setting says how long an input may be", table)
    for prefix, name in (("encoder", "max_source_positions"), ("decoder", "max_target_positions")):
        setting = scene.setting(name)
        if setting is not None and isinstance(setting[0], int):
            scene.fact(f"{prefix}.context_length", setting[0], [setting[1]], Level.DECLARED)
    setting = scene.setting("dtype", "torch_dtype") or scene.setting("dtype", "torch_dtype", part=part)
    if setting is not None and isinstance(setting[0], str):
        name = _DTYPES.get(setting[0], setting[0])
        if name in ("float32", "float16", "bfloat16"):
            scene.fact("dtype", name, [setting[1]], Level.DECLARED)
    for key, names in DROPOUTS.items():
        _of_training(scene, key, names, part)


def _of_training(scene: Scene, key: str, names: tuple[str, ...], part: str) -> None:
    """A number that only training reads: of the settings under such names the first that a line of the code reads.

    One that no line reads says nothing about the model, unless it says that nothing is dropped.
    """
    dead: tuple[str, Evidence] | None = None
    for name in names:
        setting = scene.setting(name, part=part) or scene.setting(name)
        if setting is None or not isinstance(setting[0], int | float) or isinstance(setting[0], bool):
            continue
        if setting[0] == 0 or scene.text is None or scene.text.reads(name, library=key == "init.std"):
            scene.fact(key, float(setting[0]), [setting[1]], Level.DECLARED)
            return
        dead = dead or (name, setting[1])
    if scene.operations is None or scene.text is None:
        return
    if key != "init.std" and not scene.text.drops():
        here = Evidence(*scene.here, scene.here[1], "the class, whose code has no dropout")
        scene.absent(key, "no line of the code drops anything", [here, *([dead[1]] if dead else [])], Level.DECLARED)
    elif dead is not None:
        scene.unsure(key, f"no line of the code reads the setting {dead[0]}", dead[1])


def pattern(scene: Scene) -> None:
    """`layers.pattern`: what mixes tokens in each layer, where every layer's mixer is known."""
    for tower in scene.towers:
        kinds: list[str] = []
        evidence: list[Evidence] = []
        for block in tower.blocks:
            kind, op = block.mixer
            if not kind:
                scene.unsure(
                    tower.key("layers.pattern"),
                    f"what mixes tokens in layer {block.index} is not recognised",
                    block.ops[0],
                )
                break
            if kind not in kinds and op is not None:
                evidence.append(see(op, f"layer {block.index}: {kind}"))
            kinds.append(kind)
        else:
            scene.fact(tower.key("layers.pattern"), tuple(kinds), evidence)
