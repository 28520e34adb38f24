"""How images and sound become tokens, and what joins a tower to the language model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from specdiff.detect.paths import cuts_patches, is_projection, kernel_of, path_from, pools_positions, weight_of
from specdiff.detect.scene import Block, Scene, Tower, see, sizes
from specdiff.detect.sites import Attention
from specdiff.facts import Level
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

_CARRY = VIEWS | {"dropout", "join", "identity", "index", "pad", "mul", "add"}
_ACTIVATIONS = frozenset({"gelu", "silu", "relu", "quick_gelu", "tanh", "sigmoid", "mish"})


def stems(scene: Scene) -> None:
    """`patch_size`, `channels`, `class_token`, `register_tokens`, `conv_stem.*`, `mel_bins`, `stages.*`, `image_size`."""
    graph = scene.operations
    if graph is None:
        return
    owners = {op.id: tower.path for tower in scene.towers for block in tower.blocks for op in block.ops}
    for tower in scene.towers:
        stem = _stem(graph, tower, owners)
        kinds = {_input_kind(op) for op in stem if op.kind == "input"}
        if not kinds & {"image", "sound", "text"} and _begins_with_patches(graph, stem):
            kinds.add("image")
        elif not kinds & {"image", "sound", "text"} and _begins_with_frames(graph, stem):
            kinds.add("sound")
        if kinds & {"image", "sound"} and "text" not in kinds:
            _convolutions(scene, graph, tower, stem, "image" in kinds)
            if "image" in kinds:
                _tokens(scene, graph, tower, stem)
                _image_size(scene, tower)
            elif stem and not scene.facts.keys() & {tower.key("temporal_patch_size"), tower.key("patch_size")}:
                for name in ("patch_size", "temporal_patch_size", "spatial_merge", "class_token", "register_tokens"):
                    scene.absent(tower.key(name), "the tower hears, and sees nothing", [see(stem[0], "its input")])
        if kinds & {"image", "sound"} and not tower.stages:
            widths = {norm.width for block in tower.blocks for norm in block.norms[:1]}
            heads = {site.heads for block in tower.blocks for site in block.attentions}
            for name in ("stages.depths", "stages.sizes", "stages.heads"):
                if len(widths) == 1 and len(heads) < 2:
                    words = "one stack of layers, all as wide"
                    scene.absent(tower.key(name), words, [see(tower.blocks[0].ops[0], "its first layer")])
                else:
                    words = "layers of one list have several widths, and where stages begin is not recognised"
                    scene.unsure(tower.key(name), words, tower.blocks[0].ops[0])
        if tower.stages:
            _stages(scene, tower)
        _windows(scene, tower)


def _stem(graph: Operations, tower: Tower, owners: Mapping[int, str]) -> list[Op]:
    """What the first block reads, from the inputs on; what another stack of layers made has that stack's stem, not this one's."""
    first = tower.blocks[0].ops[0].id
    starts = {index for op in tower.blocks[0].ops[:60] for index in op.inputs if index < first}
    behind = graph.ancestors(starts, lambda op: owners.get(op.id, tower.path) == tower.path)
    return [graph[index] for index in sorted(behind)]


def _begins_with_patches(graph: Operations, stem: list[Op]) -> bool:
    first = next((op for op in stem if op.kind == "conv" and kernel_of(graph, op)), None)
    return first is not None and cuts_patches(graph, first)


def _begins_with_frames(graph: Operations, stem: list[Op]) -> bool:
    """Whether the first convolution goes along one axis of an input, whatever that is called."""
    first = next((op for op in stem if op.kind == "conv" and kernel_of(graph, op)), None)
    if first is None or len(kernel_of(graph, first)) != 1:
        return False
    source = graph.source(graph[first.inputs[0]], VIEWS | {"cast"})
    return source.kind == "input" and source.dtype.startswith("float")


def _input_kind(op: Op) -> str:
    name = str(op.attrs.get("name", ""))
    if "pixel" in name or "image" in name:
        return "image"
    if "feature" in name or "audio" in name or name == "input_values":
        return "sound"
    if op.dtype.startswith("int") and "ids" in name:
        return "text"
    if op.dtype.startswith("float") and len(op.shape or ()) >= 4:
        return "image"
    return "other"


def _convolutions(scene: Scene, graph: Operations, tower: Tower, stem: list[Op], image: bool) -> None:
    key = tower.key
    convs = [op for op in stem if op.kind == "conv" and kernel_of(graph, op)]
    if not convs and image and (cut := _cut_by_views(graph, stem)) is not None:
        side, colours, op = cut
        here = [see(op, f"reads {sizes(graph[op.inputs[0]])}: squares of {side}×{side} pixels in {colours} channels")]
        scene.fact(key("patch_size"), side, here)
        scene.fact(key("channels"), colours, here)
        return
    if not convs:
        part = f"{tower.prefix}_config" if tower.prefix else ""
        setting = scene.setting("patch_size", part=part) if image else None
        if setting is not None and isinstance(setting[0], int):
            scene.fact(key("patch_size"), setting[0], [setting[1]], Level.DECLARED)
        return
    first = convs[0]
    kernel = kernel_of(graph, first)
    channels = (graph[first.inputs[1]].shape or (0, 0))[1]
    groups = first.attrs.get("groups", 1)
    if image:
        step = _single(first.attrs.get("stride"))
        if step != kernel[-1]:
            scene.unsure(
                key("patch_size"), f"the first convolution of kernel {kernel} steps by {step}: no patches", first
            )
        elif len(set(kernel[-2:])) == 1:
            scene.fact(key("patch_size"), kernel[-1], [see(first, f"a convolution of kernel {kernel}")])
        else:
            scene.unsure(key("patch_size"), f"patches are not square: {kernel}", first)
        if is_number(channels) and groups in (1, None):
            scene.fact(key("channels"), int(channels), [see(first, f"reads {channels} channels")])
        if len(kernel) == 2 and step == kernel[-1]:
            scene.absent(
                key("temporal_patch_size"), "a patch spans one picture", [see(first, "a convolution of two axes")]
            )
        if len(kernel) == 3:
            scene.fact(key("temporal_patch_size"), kernel[0], [see(first, f"a convolution of kernel {kernel}")])
        return
    convs = [op for op in convs if op.attrs.get("groups", 1) in (1, None)]  # a grouped one makes positions
    if not convs:
        return
    names = [key] if tower.prefix != "encoder" else [key, lambda name: name]
    steps = [see(op, f"kernel {kernel_of(graph, op)}") for op in convs]
    for name in names:
        scene.fact(name("conv_stem.kernels"), tuple(kernel_of(graph, op)[-1] for op in convs), steps)
        strides = [_single(op.attrs.get("stride")) for op in convs]
        if all(stride is not None for stride in strides):
            scene.fact(name("conv_stem.strides"), tuple(stride or 0 for stride in strides), steps)
        widths = [(graph[op.inputs[1]].shape or (None,))[0] for op in convs]
        if all(is_number(width) for width in widths):
            scene.fact(name("conv_stem.channels"), tuple(int(width or 0) for width in widths), steps)
        if is_number(channels) and channels > 1 and first.attrs.get("n") == 1:
            scene.fact(name("mel_bins"), int(channels), [see(first, f"reads {channels} channels")])


def _cut_by_views(graph: Operations, stem: list[Op]) -> tuple[int, int, Op] | None:
    """(side, channels, the projection) of square patches that a picture is rearranged into."""
    for op in stem:
        if not is_projection(graph, op) or op.kind == "conv":
            continue
        patches = graph[op.inputs[0]]
        picture = graph.source(patches, VIEWS | {"cast"})
        shape = picture.shape or ()
        if (
            picture.kind != "input"
            or len(shape) != 4
            or not all(map(is_number, (*shape[1:], (patches.shape or (None,))[-1])))
        ):
            continue
        colours = int(min(shape[1], shape[3]))  # channels stand before or behind rows and columns
        width = int((patches.shape or (0,))[-1])
        side = math.isqrt(width // colours)
        if side > 1 and side * side * colours == width and not shape[2] % side:
            return side, colours, op
    return None


def _single(value: object) -> int | None:
    if isinstance(value, tuple | list):
        value = value[-1] if value else None
    return value if isinstance(value, int) else None


def _tokens(scene: Scene, graph: Operations, tower: Tower, stem: list[Op]) -> None:
    """Learned tokens that are put beside the patches."""
    counts: list[tuple[int, Op]] = []
    for op in stem:
        if op.kind != "cat" or not graph.from_inputs[op.id]:
            continue  # tables by position that are put together hold no tokens
        for item in graph.inputs(op):
            if item.shape and len(item.shape) >= 3 and is_number(item.shape[-2]) and _learned(graph, item):
                counts.append((int(item.shape[-2]), op))
    single = [op for count, op in counts if count == 1]
    more = sum(count for count, _ in counts if count > 1)
    last = stem[-1] if stem else tower.blocks[0].ops[0]
    scene.fact(
        tower.key("class_token"),
        bool(single),
        [see(single[0] if single else last, "a learned token before the patches" if single else "only patches")],
    )
    if more:
        at = next(op for count, op in counts if count > 1)
        scene.fact(tower.key("register_tokens"), more, [see(at, f"{more} learned tokens beside the patches")])
    else:
        scene.absent(tower.key("register_tokens"), "no further learned tokens", [see(last, "only patches")])


def _learned(graph: Operations, op: Op) -> bool:
    """Whether a value is made of parameters and constants alone: spread over the batch, or added to zeros of its size."""
    if graph.from_inputs[op.id]:
        return False
    return any(graph[index].kind == "parameter" for index in graph.ancestors([op.id]))


def _image_size(scene: Scene, tower: Tower) -> None:
    for part in (f"{tower.prefix}_config" if tower.prefix else "", "vision_config", ""):
        setting = scene.setting("image_size", "img_size", part=part)
        if setting is None:
            continue
        value = setting[0]
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if isinstance(value, int) and not isinstance(value, bool):
            scene.fact(tower.key("image_size"), value, [setting[1]], Level.DECLARED)
        return


def _stages(scene: Scene, tower: Tower) -> None:
    first = tower.blocks[0].ops[0]
    scene.fact(tower.key("stages.depths"), tower.stages, [see(first, f"{tower.path}: {len(tower.stages)} stages")])
    position = 0
    widths: list[int] = []
    heads: list[int] = []
    for count in tower.stages:
        blocks = tower.blocks[position : position + count]
        position += count
        found = {norm.width for block in blocks for norm in block.norms[:1] if is_number(norm.width)}
        if len(found) == 1:
            widths.append(int(found.pop()))
        each = {site.heads for block in blocks for site in block.attentions}
        if len(each) == 1 and None not in each:
            heads.append(each.pop() or 0)
    if not any(block.attentions for block in tower.blocks):
        scene.absent(tower.key("stages.heads"), "no block attends", [see(first, "the first block")])
    for name, known in (("sizes", widths), ("heads", heads)):
        if len(known) < len(tower.stages) and tower.key(f"stages.{name}") not in scene.absences:
            scene.unsure(tower.key(f"stages.{name}"), "the blocks of a stage do not have one number of these", first)
    if len(widths) == len(tower.stages):
        scene.fact(tower.key("stages.sizes"), tuple(widths), [see(first, "widths that the blocks' norms read")])
    if len(heads) == len(tower.stages):
        scene.fact(tower.key("stages.heads"), tuple(heads), [see(first, "heads that meet in the blocks' products")])


def _windows(scene: Scene, tower: Tower) -> None:
    """Attention among fewer positions than the block has: within windows that the layout or a split cuts out."""
    graph = scene.operations
    assert graph is not None
    sizes: set[int] = set()
    shown: Op | None = None
    pieces: Op | None = None
    for block in tower.blocks:
        width = next((norm.width for norm in block.norms if is_number(norm.width)), None)
        cut = [site for site in block.attentions if _among_fewer(site, _positions(graph, site, width))]
        for site in cut:
            sizes.add(int((site.softmax.shape or ())[-1]))
            shown = shown or site.softmax
            block.mixer = ("chunked", site.softmax)
        if len(cut) > len({path_from(graph, site.key).weight for site in cut}):
            pieces = pieces or cut[0].product
    if pieces is not None:
        # One projection's keys in several products: the example picture decides their lengths, and need not fill a window.
        for name in ("attention.chunk.size", "attention.window.size", "attention.window.layers"):
            scene.unsure(tower.key(name), "the sequence is cut into pieces that attend apart", pieces)
    elif len(sizes) == 1 and shown is not None:
        size = sizes.pop()
        scene.fact(tower.key("attention.chunk.size"), size, [see(shown, f"{size} positions attend to each other")])
    elif shown is not None:
        scene.unsure(tower.key("attention.chunk.size"), f"layers cut out windows of {sorted(sizes)} positions", shown)


def _among_fewer(site: Attention, count: int | None) -> bool:
    """Whether as many queries as keys meet in a product, fewer than the stream has positions."""
    rows, columns = (site.softmax.shape or (None, None))[-2:]
    return count is not None and is_number(columns) and columns < count and rows == columns and bool(site.value.shape)


def _positions(graph: Operations, site: Attention, width: Any) -> int | None:
    """Positions of the stream that a product's result joins: the numbers between the batch and the channels, multiplied.

    A block may carry two streams (tokens and a picture), so only the addition behind this product counts. A stream of two
    axes has its positions in the first.
    """
    reached = {site.output.id}
    for index in range(site.output.id + 1, min(len(graph), site.output.id + JOINS_WITHIN)):
        op = graph[index]
        if not any(source in reached for source in op.inputs):
            continue
        reached.add(index)
        shape = op.shape or ()
        if op.kind == "add" and len(op.inputs) == 2 and len(shape) > 1 and shape[-1] == width:
            if any(graph.source(item).kind == "parameter" for item in graph.inputs(op)):
                continue  # a bias
            inner = shape[1:-1] if len(shape) > 2 else shape[:1]
            return math.prod(inner) if all(is_number(size) for size in inner) else None
    return None


JOINS_WITHIN = 400
"""Operations after a product within which its result is added to the stream."""


def projectors(scene: Scene) -> None:
    """`projector`, `spatial_merge`, `projection_size`."""
    graph = scene.operations
    if graph is None:
        return
    texts = [tower for tower in scene.towers if tower.prefix in ("", "decoder")]
    for tower in scene.towers:
        if tower.prefix not in ("vision", "audio") or not texts:
            continue
        fed = ((text, last) for text in texts if (last := _feeds(graph, tower, text)) is not None)
        goal, last = next(fed, (None, None))
        if goal is not None and last is not None:
            _projector(scene, graph, tower, goal, last)
    _compared(scene, graph)


def _feeds(graph: Operations, tower: Tower, text: Tower) -> Block | None:
    """The last block of a tower whose result reaches the language model: not always the last one there is."""
    first = text.blocks[0].ops[0].id
    goals = {index for op in text.blocks[0].ops for index in op.inputs if index < first}
    behind = graph.ancestors(goals, lambda op: op.id >= tower.blocks[0].ops[0].id)
    return next((block for block in reversed(tower.blocks) if any(op.id in behind for op in block.ops)), None)


def _between(graph: Operations, last: Block, text: Tower) -> list[Op]:
    """What carries the tower's output to the language model's first block."""
    start, end = last.ops[-1].id, text.blocks[0].ops[0].id
    goals = {index for op in text.blocks[0].ops[:80] for index in op.inputs if index < end}
    behind = graph.ancestors(goals, lambda op: op.id > start)
    reached = {start}
    found = []
    for index in sorted(behind):
        if index > start and any(source in reached for source in graph[index].inputs):
            reached.add(index)
            found.append(graph[index])
    return found


def _projector(scene: Scene, graph: Operations, tower: Tower, text: Tower, end: Block) -> None:
    way = _between(graph, end, text)
    if not way:
        scene.unsure(
            tower.key("projector"),
            "the way from the tower to the language model is not followed",
            tower.blocks[-1].ops[-1],
        )
        return
    projections = [op for op in way if is_projection(graph, op) and weight_of(graph, op)]
    attends = [site for site in scene.attentions if way[0].id <= site.softmax.id <= way[-1].id]
    last = projections[-1] if projections else way[-1]
    kind = "none"
    if attends:
        own = [site for site in attends if site.scores and site.scores[-2] == site.scores[-1]]
        kind = "qformer" if 0 < len(own) < len(attends) else "resampler"
    elif len(projections) == 1:
        kind = "pool" if any(op.kind == "pool" for op in way) else "linear"
    elif projections:
        between = [op for op in way if projections[0].id < op.id < projections[-1].id]
        kind = "mlp" if any(op.kind in _ACTIVATIONS for op in between) else "linear"
    merge = _merge(graph, tower, projections[0]) if projections and not attends else None
    if merge is not None and merge > 1:
        scene.fact(
            tower.key("spatial_merge"), merge, [see(projections[0], f"{merge}×{merge} neighbouring patches are joined")]
        )
        if kind == "mlp":
            kind = "patch_merger"
    elif merge == 1 and not pooled(way):
        scene.absent(
            tower.key("spatial_merge"), "each patch is projected by itself", [see(projections[0], "reads one patch")]
        )
    else:
        scene.unsure(tower.key("spatial_merge"), "how many patches are put together is not recognised", last)
    for name in {tower.key("projector"), "projector"}:
        scene.fact(name, kind, [see(last, f"{len(projections)} linear maps between the tower and the language model")])
    if tower.prefix == "vision":
        _per_picture(scene, graph, way, last)


def pooled(way: list[Op]) -> bool:
    """Whether something between a tower and what reads it may take several patches together."""
    return any(op.kind in ("pool", "reduce", "conv", "unfold", "pixel_shuffle") for op in way)


def _per_picture(scene: Scene, graph: Operations, way: list[Op], last: Op) -> None:
    """`tokens_per_image`: rows that the last projection before the language model gives for one picture."""
    pictures = {
        (op.shape or (None,))[0]
        for op in graph.kind("input")
        if "pixel" in str(op.attrs.get("name", "image")) and len(op.shape or ()) >= 4
    }
    behind = [op for op in way if op.id > last.id]
    pooled = next((op for op in behind if op.kind in ("pool", "reduce") or _joins_learned(graph, op)), None)
    rows: Any = 1
    for size in (last.shape or ())[:-1]:
        rows = rows * size
    (one,) = pictures if len(pictures) == 1 else (None,)
    count = None
    if pooled is None and last.shape and isinstance(rows, Dim) and isinstance(one, Dim) and (rows % one == 0) is True:
        count = rows // one
    fixed = any(name in scene.facts for name in ("image_size", "vision.image_size", "vision.position.table_size"))
    if is_number(count) and fixed:
        scene.fact("tokens_per_image", int(count), [see(last, f"{sizes(last)}: {count} tokens for each picture")])
    else:
        scene.unsure("tokens_per_image", "how many tokens a picture becomes depends on its size", pooled or last)


def _joins_learned(graph: Operations, op: Op) -> bool:
    """Whether learned rows are put between others (the end of a row of patches, or of a picture)."""
    return op.kind == "cat" and any(
        graph.source(item, _CARRY | {"expand"}).kind == "parameter" for item in graph.inputs(op)
    )


def _merge(graph: Operations, tower: Tower, first: Op) -> int | None:
    """Side of the square of tokens that a projection reads at once."""
    data = graph[first.inputs[0]]
    inside = tower.blocks[-1].ops[-1]
    if not data.shape or not inside.shape or not is_number(data.shape[-1]) or not is_number(inside.shape[-1]):
        return None
    ratio, rest = divmod(data.shape[-1], inside.shape[-1])
    side = round(ratio**0.5)
    return int(side) if not rest and side * side == ratio else None


def _compared(scene: Scene, graph: Operations) -> None:
    """The space in which the outputs of two towers are compared."""
    if len(scene.towers) == 1:
        scene.absent("projection_size", "one tower, which is compared with no other")
    if len(scene.towers) < 2:
        return
    after = max(tower.blocks[-1].ops[-1].id for tower in scene.towers)
    for op in graph.kind("matmul", "einsum"):
        if op.id < after or len(op.inputs) < 2:
            continue
        ends = [_projected(graph, item) for item in graph.inputs(op)[:2]]
        widths = {end.shape[-1] for end in ends if end is not None and end.shape and is_number(end.shape[-1])}
        if all(ends) and len(widths) == 1 and ends[0] is not ends[1]:
            scene.fact("projection_size", int(widths.pop()), [see(op, "outputs of two towers meet in this product")])
            return


def _projected(graph: Operations, op: Op) -> Op | None:
    for _ in range(16):
        if is_projection(graph, op) and weight_of(graph, op):
            return op
        if not op.inputs or op.kind not in VIEWS | {"div", "mul", "normalize", "add", "layer_norm"}:
            return None
        op = graph[op.inputs[0]]
    return None


def outputs(scene: Scene) -> None:
    """`pooling` and `classes`: one vector of a sequence, and the classes it is sorted into."""
    graph = scene.operations
    if graph is None:
        return
    words = scene.facts.get("vocab_size")
    if words is not None and any((graph[index].shape or (None,))[-1] == words.value for index in graph.outputs):
        return  # scores over the vocabulary, perhaps of the last position only
    for tower in scene.towers:
        if tower.prefix not in ("encoder", "decoder"):
            _pooling(scene, graph, tower)
    if len(scene.towers) != 1:
        return
    last = scene.towers[0].blocks[-1].ops[-1]
    if last.shape is not None and len(last.shape) == 2:
        return  # tokens of all sequences behind each other: a row is a token's, not a sequence's
    for index in graph.outputs:
        op = graph.source(graph[index])
        if is_projection(graph, op) and op.shape and len(op.shape) == 2 and op.id > last.id and is_number(op.shape[-1]):
            weight = weight_of(graph, op)
            if weight:
                scene.fact("classes", int(op.shape[-1]), [see(op, f"{weight} makes {op.shape[-1]} numbers per input")])
            return


def _pooling(scene: Scene, graph: Operations, tower: Tower) -> None:
    key, last = tower.key("pooling"), tower.blocks[-1].ops[-1]
    for op in _after(graph, last):
        if op.kind in ("slice", "index") and op.shape is not None and op.inputs:
            before = graph[op.inputs[0]].shape or ()
            spec = op.attrs.get("spec")
            if not isinstance(spec, tuple) or len(spec) < 2 or len(op.shape) >= len(before):
                continue
            if spec[1] == 0:
                scene.fact(key, "class_token", [see(op, "the first position is taken")])
                return
            if spec[1] == -1 or (spec[:2] == ("tensor", "tensor") and _end_of_text(graph, op)):
                scene.fact(key, "last", [see(op, "the last position is taken")])
                return
        if pools_positions(graph, op):
            scene.fact(key, "mean", [see(op, "the mean over positions")])
            return
        if op.kind in ("softmax", "sdpa") and any(
            site.softmax.id == op.id and _learned_query(graph, site.query) for site in scene.attentions
        ):
            scene.fact(key, "attention", [see(op, "a learned query attends to all positions")])
            return
    made = [graph[index] for index in graph.outputs if index == last.id or graph.reaches(last.id, index)]
    if made and last.shape and len(last.shape) == 3 and all(_keeps_positions(op, last) for op in made):
        scene.absent(key, "every output keeps all positions", [see(op, "goes out") for op in made[:2]])


def _keeps_positions(op: Op, last: Op) -> bool:
    """Whether a value has as many positions, one beside the other, as the last block's."""
    return op.shape is not None and last.shape is not None and len(op.shape) == 3 and op.shape[1] == last.shape[1]


def _learned_query(graph: Operations, query: Op) -> bool:
    """Whether a query is a parameter, itself or behind its projection."""
    path = path_from(graph, query)
    start = graph[path.projection.inputs[0]] if path.projection is not None else path.steps[-1] if path.steps else query
    return graph.source(start, VIEWS | {"repeat", "cast"}).kind == "parameter"


def _end_of_text(graph: Operations, op: Op) -> bool:
    """Whether a position is looked for among the input's tokens: the highest token, or the first that equals one."""
    for item in graph.inputs(op)[1:]:
        behind = [graph[index] for index in sorted(graph.ancestors([item.id]))][-30:]
        if any(each.kind in ("argmax", "reduce") for each in behind) and any(each.kind == "input" for each in behind):
            return True
    return False


def _after(graph: Operations, last: Op) -> Iterator[Op]:
    reached = {last.id}
    for index in range(last.id + 1, min(len(graph), last.id + 60)):
        op = graph[index]
        if any(source in reached for source in op.inputs):
            reached.add(index)
            yield op
