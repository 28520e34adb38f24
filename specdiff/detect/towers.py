"""Stacks of layers: which numbered modules are the repeated blocks, and which part of the model they belong to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from specdiff.detect.masks import row_axis
from specdiff.detect.norm_sites import Norm
from specdiff.detect.paths import cuts_patches
from specdiff.detect.sites import Attention
from specdiff.interp.trace import Op

if TYPE_CHECKING:
    from specdiff.detect.scene import Block, Scene, Tower

_MIXING = frozenset({"matmul", "linear", "conv", "einsum", "softmax", "index", "bmm"})


@lru_cache(maxsize=4096)
def split_path(path: str) -> tuple[str, int] | None:
    """The outermost numbered module of a path: (its container, its number)."""
    pieces = path.split(".")
    for position, piece in enumerate(pieces):
        if piece.isdigit() and position:
            return ".".join(pieces[:position]), int(piece)
    return None


def find_towers(scene: Scene) -> list[Tower]:
    """The stacks whose layers really ran, in the order they run."""
    from specdiff.detect.scene import Block, Tower  # noqa: PLC0415 - the scene reads this module

    graph = scene.operations
    if graph is None:
        return []
    stacks: dict[str, dict[int, Block]] = {}
    for op in graph.ops:
        where = split_path(op.module)
        if where is None:
            continue
        container, number = where
        blocks = stacks.setdefault(container, {})
        block = blocks.get(number)
        if block is None:
            block = blocks[number] = Block(number, f"{container}.{number}", [])
        block.ops.append(op)
    towers = []
    for container, found in stacks.items():
        outer = [found[number] for number in sorted(found)]
        _fill(scene, outer)
        if not _is_stack(outer):
            continue
        stages = [_inner(scene, block) for block in outer]
        inner = [block for stage in stages for block in stage]
        if all(stages) and _is_stack(inner) and (len(inner) > len(outer) or len(outer) > 1):
            for index, block in enumerate(inner):
                block.index = index
            depths = tuple(len(stage) for stage in stages)
            towers.append(Tower("", container, inner, depths if len(depths) > 1 else ()))
        else:
            towers.append(Tower("", container, _runs(scene, outer)))
    if not towers:
        towers = [Tower("", path, blocks) for path, blocks in _repeated(scene)]
    _name(scene, towers)
    return towers


def _repeated(scene: Scene) -> Iterator[tuple[str, list[Block]]]:
    """The outermost module without a number that attends and runs several times: one layer at several depths."""
    from specdiff.detect.scene import Block  # noqa: PLC0415 - the scene reads this module

    graph = scene.operations
    assert graph is not None
    pieces = scene.attentions[0].module.split(".") if scene.attentions else []
    for count in range(1, len(pieces) + 1):
        path = ".".join(pieces[:count])
        ops = [op for op in graph.ops if op.module == path or op.module.startswith(f"{path}.")]
        turns = _turns(scene, ops)
        if len(turns) > 1:
            blocks = [Block(index, path, each) for index, each in enumerate(turns)]
            _fill(scene, blocks)
            if all(block.attentions and block.norms and _adds_to_a_stream(block) for block in blocks):
                yield path, blocks
                return


def _fill(scene: Scene, blocks: list[Block]) -> None:
    """Attention products and norms of blocks, by where their operations stand."""
    owner = {op.id: block for block in blocks for op in block.ops}
    for block in blocks:
        block.attentions.clear()
        block.norms.clear()
    for site in scene.attentions:
        if site.softmax.id in owner:
            owner[site.softmax.id].attentions.append(site)
    for norm in scene.norms:
        if norm.start.id in owner:
            owner[norm.start.id].norms.append(norm)


def _inner(scene: Scene, stage: Block) -> list[Block]:
    """The blocks within a stage: numbered modules of one list below it, each with a norm or attention of its own."""
    from specdiff.detect.scene import Block  # noqa: PLC0415 - the scene reads this module

    found: dict[str, dict[int, Block]] = {}
    for op in stage.ops:
        below = op.module[len(stage.path) + 1 :]
        number = below.partition(".")[0]
        # A list of lists numbers its blocks right below the stage.
        where = ("", int(number)) if number.isdecimal() else split_path(below)
        if where is None:
            continue
        container = f"{stage.path}.{where[0]}".rstrip(".")
        blocks = found.setdefault(container, {})
        block = blocks.get(where[1])
        if block is None:
            block = blocks[where[1]] = Block(where[1], f"{container}.{where[1]}", [])
        block.ops.append(op)
    best = max(found.values(), key=lambda blocks: sum(len(block.ops) for block in blocks.values()), default={})
    inside = [best[number] for number in sorted(best)]
    if not inside or sum(len(block.ops) for block in inside) < INNER_SHARE * len(stage.ops):
        return []
    if not all(_adds_to_a_stream(block) for block in inside):
        return []
    _fill(scene, inside)
    attends = bool(stage.attentions)
    if not attends and inside[0].path == f"{stage.path}.{inside[0].index}":
        return []  # a list in a list of layers may hold a layer's parts
    if not all(block.attentions if attends else block.norms for block in inside):
        return []
    return _runs(scene, inside)


INNER_SHARE = 0.8
"""Share of a stage's operations that its blocks must hold; a list of attentions inside one block holds fewer."""


def _adds_to_a_stream(block: Block) -> bool:
    """Whether a module adds something to what came into it, channel by channel."""
    first = block.ops[0].id
    return any(
        op.kind == "add"
        and len(op.inputs) == 2
        and min(op.inputs) < first
        and op.shape
        and isinstance(op.shape[-1], int)
        for op in block.ops
    )


def _runs(scene: Scene, blocks: list[Block]) -> list[Block]:
    """Blocks by run: one whose weights are used at several depths is several layers."""
    from specdiff.detect.scene import Block  # noqa: PLC0415 - the scene reads this module

    split: list[Block] = []
    for block in blocks:
        for ops in _turns(scene, block.ops):
            split.append(Block(block.index, block.path, ops))
    if len(split) == len(blocks):
        return blocks
    split.sort(key=lambda block: block.ops[0].id)
    for index, block in enumerate(split):
        block.index = index
    _fill(scene, split)
    return split


def _turns(scene: Scene, ops: list[Op]) -> list[list[Op]]:
    """The operations of each run of a module that runs several times in the same way; one list where it does not."""
    work = [op for op in ops if op.kind not in ("parameter", "constant", "buffer")]
    marks = [position for position, op in enumerate(work) if _mark(op) == _mark(work[0])]
    if len(marks) < 2:
        return [ops]
    size, rest = divmod(len(work), len(marks))
    kinds = [op.kind for op in work]
    if rest or size < 12 or any(kinds[:size] != kinds[turn * size : (turn + 1) * size] for turn in range(len(marks))):
        return [ops]
    starts = [work[turn * size].id for turn in range(1, len(marks))]
    turns: list[list[Op]] = [[] for _ in marks]
    for op in ops:
        turns[bisect_right(starts, op.id)].append(op)
    graph = scene.operations
    assert graph is not None
    for one, after in pairwise(turns):
        if not graph.reaches(one[-1].id, after[-1].id, 100_000):  # two ways of one condition, not two runs
            return [ops]
    return turns


def _mark(op: Op) -> tuple[str, str, int, str]:
    return op.kind, op.module, op.line, op.function


def _is_stack(blocks: list[Block]) -> bool:
    """Whether numbered modules are a model's layers: they attend, or each has a norm and several products."""
    if any(block.attentions for block in blocks):
        return True
    weighty = [block for block in blocks if block.norms and sum(op.kind in _MIXING for op in block.ops) >= 3]
    return len(weighty) >= max(1, len(blocks) // 2)


def _sources(scene: Scene, ops: Iterable[Op]) -> set[str]:
    """Names of the inputs that what runs first in a stack is computed from."""
    graph = scene.operations
    assert graph is not None
    first = list(ops)[:40]
    reached = graph.ancestors(op.id for op in first)
    return {graph[index].attrs.get("name", "") for index in reached if graph[index].kind == "input"}


def _name(scene: Scene, towers: list[Tower]) -> None:
    """Prefixes by what the stacks read; a model with one stack has none, and of several with one prefix the deepest stays."""
    graph = scene.operations
    assert graph is not None
    if len(towers) < 2:
        return
    inputs = [_sources(scene, tower.blocks[0].ops) for tower in towers]
    everything = set().union(*inputs)
    two_sided = any(name.startswith("decoder_") for name in everything)
    decodes = [any(name.startswith("decoder_") for name in names) for names in inputs]
    reads = [{input_kind(name) for name in names} for names in inputs]
    # Beside an encoder of text, one of pictures or sound is a tower of its own.
    several = any("text" in kinds for kinds, late in zip(reads, decodes, strict=True) if not late)
    for tower, kinds, late in zip(towers, reads, decodes, strict=True):
        if two_sided and (late or not several or "text" in kinds or not kinds):
            tower.prefix = "decoder" if late else "encoder"
        elif kinds and "text" not in kinds and "image" in kinds:
            tower.prefix = "vision"
        elif kinds and "text" not in kinds and "sound" in kinds:
            tower.prefix = "audio"
        elif two_sided:
            tower.prefix = "encoder"
    if not two_sided and len({tower.prefix for tower in towers}) == 1:
        _one_kind(scene, towers)
    for prefix in {tower.prefix for tower in towers}:
        same = [tower for tower in towers if tower.prefix == prefix]
        deepest = max(same, key=lambda tower: len(tower.blocks))
        if all(tower is deepest or 2 * len(tower.blocks) <= len(deepest.blocks) for tower in same):
            towers[:] = [tower for tower in towers if tower.prefix != prefix or tower is deepest]


def _one_kind(scene: Scene, towers: list[Tower]) -> None:
    """Stacks that read the same kind of input: one that attends to another's result is the decoder."""
    for tower in towers:
        tower.prefix = ""
    for position, tower in enumerate(towers[1:], 1):
        if any(is_cross(site) for block in tower.blocks for site in block.attentions):
            tower.prefix = "decoder"
            towers[position - 1].prefix = "vision" if _begins_with_patches(scene, towers[position - 1]) else "encoder"


def _begins_with_patches(scene: Scene, tower: Tower) -> bool:
    """Whether the first convolution before a stack steps as far as it is wide."""
    graph = scene.operations
    assert graph is not None
    first = tower.blocks[0].ops[0].id
    before = next((op for op in graph.kind("conv") if op.id < first), None)
    return before is not None and cuts_patches(graph, before)


def input_kind(name: str) -> str:
    """`image`, `sound`, `text` or `other`, by the name of an entry's argument."""
    if "pixel" in name or "image" in name:
        return "image"
    if "feature" in name or "audio" in name or name in ("input_values", "spectrogram"):
        return "sound"
    return "text" if name.endswith("input_ids") or name in ("inputs_embeds", "tokens", "idx") else "other"


def attention_of(tower: Tower) -> list[list[Attention]]:
    """Self-attention products of each layer, products that read another sequence left out."""
    return [[site for site in block.attentions if not is_cross(site)] for block in tower.blocks]


def is_cross(site: Attention) -> bool:
    """Whether queries and keys come from sequences of different length."""
    if not site.query.shape or not site.softmax.shape or site.fused:
        query, key = site.query.shape, site.key.shape
        return bool(query and key and site.fused and len(query) > 1 and query[-2] != key[-2] and not site.own)
    if site.sink_at is not None or site.own:
        return False
    return bool(site.softmax.shape[row_axis(site.softmax.shape)] != site.softmax.shape[-1])


def main_norms(block: Block) -> list[Norm]:
    """Norms that stand directly in a block, not inside its attention or experts."""
    return block.norms
