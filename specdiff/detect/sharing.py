"""What layers share or have beside the usual: weights, keys of an earlier layer, embeddings and low-rank branches of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator

from specdiff.detect.agree import agreed
from specdiff.detect.attention import self_attentions
from specdiff.detect.paths import is_projection, path_from, weight_of
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.shape import output_of, token_table, token_tables
from specdiff.detect.sites import Attention
from specdiff.facts import Evidence
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

_THROUGH = VIEWS | {"dropout", "identity"}


def shared(scene: Scene) -> None:
    """`layers.shared_blocks`, `layers.shared_lora_rank`, `attention.kv_shared_layers`."""
    for tower in scene.towers:
        _shared_blocks(scene, tower)
        _shared_keys(scene, tower)


def _shared_blocks(scene: Scene, tower: Tower) -> None:
    """Blocks that run at several depths: one module that runs again, or modules whose weights are tied."""
    key = tower.key("layers.shared_blocks")
    paths = {block.path for block in tower.blocks}
    first = tower.blocks[0].ops[0]
    if len(paths) < len(tower.blocks):
        here = [see(first, f"{len(paths)} sets of weights run {len(tower.blocks)} times")]
        scene.fact(key, len(paths), here)
        _lora_rank(scene, tower, {block.index for block in tower.blocks}, here)
        return
    sets = _tied_layers(scene, tower)
    if sets:
        names = " and ".join(str(min(each)) for each in sets[:4])
        words = f"{sum(map(len, sets))} layers share {len(sets)} sets of weights, first built in layer {names}"
        here = [see(tower.blocks[min(sets[0])].ops[0], words)]
        scene.fact(key, len(sets), here)
        _lora_rank(scene, tower, {layer for each in sets for layer in each}, here)
    else:
        scene.absent(key, "every layer has weights of its own", [see(first, "the first layer")])


def _tied_layers(scene: Scene, tower: Tower) -> list[set[int]]:
    """Layers of one stack that have tied weights in common, by set."""
    prefix = f"{tower.path}."
    groups: list[set[int]] = []
    for pair in scene.tied:
        numbers = {int(name[len(prefix) :].split(".")[0]) for name in pair
                   if name.startswith(prefix) and name[len(prefix) :].split(".")[0].isdigit()}  # fmt: skip
        if len(numbers) < 2:
            continue
        touching = [group for group in groups if group & numbers]
        groups = [group for group in groups if not group & numbers]
        groups.append(numbers.union(*touching))
    return sorted(groups, key=min)


def _lora_rank(scene: Scene, tower: Tower, layers: set[int], here: list[Evidence]) -> None:
    """The narrow width of pairs of matrices that only the layers that share the rest have."""
    graph = scene.operations
    assert graph is not None
    ranks: set[int] = set()
    at: Op | None = None
    pairs = [pair for block in tower.blocks if block.index in layers for pair in _narrow_pairs(graph, block.ops)]
    first = dict(scene.tied)
    names = [first.get(weight_of(graph, down), weight_of(graph, down)) for down, _ in pairs]
    for (down, up), own in zip(pairs, names, strict=True):
        width = down.shape[-1] if down.shape else None
        if is_number(width) and weight_of(graph, up) and names.count(own) == 1:
            ranks.add(int(width or 0))
            at = at or down
    if len(ranks) == 1 and at is not None:
        rank = ranks.pop()
        scene.fact(tower.key("layers.shared_lora_rank"), rank, [see(at, f"a branch of rank {rank}"), *here])
    elif ranks:
        words = f"changes of several ranks tell uses of a shared block apart: {sorted(ranks)}"
        scene.unsure(tower.key("layers.shared_lora_rank"), words, at)
    else:
        scene.absent(tower.key("layers.shared_lora_rank"), "no change of low rank tells uses of a block apart", here)


def _narrow_pairs(graph: Operations, ops: list[Op]) -> Iterator[tuple[Op, Op]]:
    """Two linear maps one right after the other, the width between them less than half of both sides."""
    for down in ops:
        if not is_projection(graph, down) or not down.shape or not is_number(down.shape[-1]):
            continue
        wide = graph[down.inputs[0]].shape
        for up in graph.readers(down, _THROUGH):
            if is_projection(graph, up) and up.shape and wide and weight_of(graph, down) and weight_of(graph, up):
                ends = (wide[-1], up.shape[-1])
                if all(is_number(end) and 2 * down.shape[-1] <= end for end in ends):
                    yield down, up


def _shared_keys(scene: Scene, tower: Tower) -> None:
    """Layers whose keys come from a projection that stands in an earlier layer."""
    graph = scene.operations
    assert graph is not None
    key = tower.key("attention.kv_shared_layers")
    sites = self_attentions(tower)
    if not sites or len(sites) != len({index for index, _ in sites}):
        return
    starts = {block.index: block.ops[0].id for block in tower.blocks}
    borrowed: list[tuple[int, Op]] = []
    for index, site in sites:
        projection = path_from(graph, site.key).projection
        if projection is None:
            scene.unsure(key, f"where the keys of layer {index} come from is not followed", site.product)
            return
        if projection.id < starts[index]:
            own = next((op for op in tower.blocks[index].ops if _joins_keys(graph, op, site)), None)
            if own is not None:
                scene.unsure(key, f"keys of layer {index} are made of an earlier value and of its own", own)
                return
            borrowed.append((index, projection))
    if len({projection.id for _, projection in borrowed}) == 1 and len(borrowed) == len(sites):
        return  # one projection for all layers is none of theirs
    if borrowed:
        words = f"{len(borrowed)} layers, the first is {borrowed[0][0]}, read keys that an earlier layer has made"
        scene.fact(key, len(borrowed), [see(borrowed[0][1], words)])
    else:
        scene.absent(key, "every layer projects keys of its own", [see(sites[-1][1].product, "the last layer")])


def _joins_keys(graph: Operations, op: Op, site: Attention) -> bool:
    """Whether a projection of the layer itself takes part in a product's keys."""
    return op.id < site.key.id and is_projection(graph, op) and graph.reaches(op.id, site.key.id)


def own_embeddings(scene: Scene) -> None:
    """`embedding.per_layer_size`: a second table of tokens, cut into a part for each layer."""
    graph = scene.operations
    main = token_table(scene)
    if graph is None or main is None:
        return
    tables = [table for table in token_tables(scene) if table.id != main.id and table.shape]
    texts = [tower for tower in scene.towers if tower.prefix in ("", "decoder")]
    here = [see(main, "the table of tokens")]
    for tower in texts:
        for table in tables:
            width = (table.shape or (None,))[-1]
            count = len(tower.blocks)
            if not is_number(width) or width % count or count < 2:
                continue
            size = width // count
            if _is_cut(graph, table, count, size):
                words = f"a table of {width} channels, {size} for each of {count} layers"
                scene.fact(tower.key("embedding.per_layer_size"), size, [see(table, words)])
                return
    if not tables:
        scene.absent("embedding.per_layer_size", "tokens are looked up in one table only", here)


def _is_cut(graph: Operations, table: Op, count: int, size: int) -> bool:
    """Whether what a look-up gives is taken apart into one row per layer."""
    stack, seen = [table.id], set[int]()
    while stack and len(seen) < 60:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        op = graph[index]
        if op.shape and len(op.shape) >= 2 and op.shape[-1] == size and op.shape[-2] == count:
            return True
        if op.id == table.id or op.kind in VIEWS or op.kind in ("mul", "div", "cast", "add", "where"):
            stack.extend(graph.consumers[index])
    return False


def _towers(scene: Scene, name: str) -> Iterator[tuple[Operations, Tower, str]]:
    """The stacks of layers that ran, each with its own key of a fact; nothing where ``forward`` was not followed."""
    if scene.operations is not None:
        for tower in scene.towers:
            yield scene.operations, tower, tower.key(name)


def streams(scene: Scene) -> None:
    """`residual.streams`: values of the stream's width that a block passes on side by side."""
    for _, tower, key in _towers(scene, "residual.streams"):
        counts: dict[int, Op] = {}
        for block in tower.blocks:
            op = output_of(scene.operations, block)
            sizes = (op.shape or ())[:-1] if op is not None else ()
            beside = [int(size) for size in sizes if is_number(size) and size > 1]
            if op is None or len(sizes) - len(beside) < 2 or len(beside) > 1 or (not beside and len(sizes) > 2):
                break
            counts.setdefault(beside[0] if beside else 1, op)
        else:
            if len(counts) == 1:
                ((count, op),) = counts.items()
                _streams(scene, tower, key, count, op)


def _streams(scene: Scene, tower: Tower, key: str, count: int, op: Op) -> None:
    if count > 1:
        scene.fact(key, count, [see(op, f"a block gives {count} streams of {(op.shape or (0,))[-1]} channels")])
    elif _passes_several(scene, tower, op):
        scene.unsure(key, "a block passes several values of the stream's shape on", op)
    elif tower.key("residual") in scene.facts:
        scene.absent(key, "a block adds to one stream", [see(op, "the block's output")])


def _passes_several(scene: Scene, tower: Tower, output: Op) -> bool:
    """Whether the second block reads two values of the stream's shape that the first has made."""
    if scene.operations is None or len(tower.blocks) < 2:
        return False
    first, second = ({op.id for op in block.ops} for block in tower.blocks[:2])
    read = {index for op in tower.blocks[1].ops for index in op.inputs if index in first - second}
    return sum(scene.operations[index].shape == output.shape for index in read) > 1


def low_rank(scene: Scene) -> None:
    """`residual.low_rank`: a narrow pair of linear maps of the stream whose result is added to what it read."""
    for graph, tower, key in _towers(scene, "residual.low_rank"):
        added = [
            down
            for block in tower.blocks
            for down, up in _narrow_pairs(graph, block.ops)
            if _comes_back(scene, graph, down, up)
        ]
        ranks = [(int((down.shape or (0,))[-1]), down) for down in added]
        agreed(scene, key, ((rank, at, f"a branch of rank {rank} is added to its own input") for rank, at in ranks))
        if not ranks:
            first = tower.blocks[0].ops[0]
            scene.absent(key, "no branch of low rank is added to its own input", [see(first, "the first layer")])


def _comes_back(scene: Scene, graph: Operations, down: Op, up: Op) -> bool:
    """Whether a branch, perhaps normalised, is added to the value it began with."""
    start = graph.source(graph[down.inputs[0]]).id
    ends = {up.id}
    ends.update(norm.output for norm in scene.norms if graph.source(graph[norm.input]).id == up.id)
    for end in ends:
        for reader in graph.readers(graph[end], _THROUGH):
            if reader.kind == "add" and any(graph.source(item).id == start for item in graph.inputs(reader)):
                return True
    return False


def sparsity(scene: Scene) -> None:
    """`mlp.sparsity`: hidden channels below their mean plus so many standard deviations are set to zero."""
    for graph, tower, key in _towers(scene, "mlp.sparsity"):
        found = [
            (share, op)
            for block in tower.blocks
            for op in block.ops
            if op.kind == "relu" and (share := _cut_off(graph, op)) is not None
        ]
        if found:
            agreed(
                scene,
                key,
                (
                    (None, op, "the bound that hidden channels are cut off at")
                    if math.isnan(share)
                    else (share, op, f"the lower {share:.0%} of hidden channels become zero")
                    for share, op in found
                ),
            )
        elif tower.key("mlp.kind") in scene.facts or tower.key("mlp.activation") in scene.facts:
            here = [see(tower.blocks[0].ops[-1], "the first layer")]
            scene.absent(key, "no cut-off sets hidden channels to zero", here)


def _cut_off(graph: Operations, op: Op) -> float | None:
    """The share that ``relu(x - (mean(x) + k·std(x)))`` sets to zero, for channels spread like a bell curve.

    Not a number where k is none.
    """
    difference = graph.source(graph[op.inputs[0]], _THROUGH)
    if difference.kind != "sub" or len(difference.inputs) != 2:
        return None
    bound = graph.source(graph[difference.inputs[1]], _THROUGH)
    if bound.kind != "add" or len(bound.inputs) != 2:
        return None
    parts = [graph.source(item, _THROUGH) for item in graph.inputs(bound)]
    scaled = next((part for part in parts if part.kind == "mul"), None)
    if scaled is None or not any(part.kind == "reduce" and part.attrs.get("which") == "mean" for part in parts):
        return None
    if not any(graph.source(item, _THROUGH).attrs.get("which") == "std" for item in graph.inputs(scaled)):
        return None
    times = scaled.attrs.get("other")
    for item in graph.inputs(scaled):
        array = graph.array(graph.source(item, _THROUGH))
        if array is not None and array.size == 1:
            times = float(array.reshape(-1)[0])
    if not isinstance(times, int | float):
        return math.nan
    return round(0.5 * (1 + math.erf(float(times) / math.sqrt(2))), 6)
