"""Stacks of layers: which numbered modules are the repeated blocks, and which part of the model they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from specdiff.detect.sites import Attention, Norm
from specdiff.interp.trace import Op

if TYPE_CHECKING:
    from specdiff.detect.scene import Block, Scene, Tower

_IMAGE = frozenset({"pixel_values", "pixel_values_videos", "pixel_values_images", "image", "images"})
_SOUND = frozenset({"input_features", "input_values", "audio_values", "audio_features", "spectrogram"})
_MIXING = frozenset({"matmul", "linear", "conv", "einsum", "softmax", "index", "bmm"})


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
    for site in scene.attentions:
        _place(stacks, site)
    for norm in scene.norms:
        where = split_path(norm.module)
        if where is not None and where[0] in stacks and where[1] in stacks[where[0]]:
            stacks[where[0]][where[1]].norms.append(norm)
    towers = [
        Tower("", container, [blocks[number] for number in sorted(blocks)])
        for container, blocks in stacks.items()
        if _is_stack(list(blocks.values()))
    ]
    _name(scene, towers)
    return towers


def _place(stacks: dict[str, dict[int, Block]], site: Attention) -> None:
    where = split_path(site.module)
    if where is not None and where[0] in stacks and where[1] in stacks[where[0]]:
        stacks[where[0]][where[1]].attentions.append(site)


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
    """Prefixes by what the stacks read; a model with one stack has none."""
    if len(towers) < 2:
        return
    inputs = [_sources(scene, tower.blocks[0].ops) for tower in towers]
    everything = set().union(*inputs)
    two_sided = any(name.startswith("decoder_") for name in everything)
    for tower, names in zip(towers, inputs, strict=True):
        if two_sided:
            tower.prefix = "decoder" if any(name.startswith("decoder_") for name in names) else "encoder"
        elif names and names <= _IMAGE:
            tower.prefix = "vision"
        elif names and names <= _SOUND:
            tower.prefix = "audio"
    if not two_sided and len({tower.prefix for tower in towers}) == 1:
        for tower in towers:
            tower.prefix = ""


def attention_of(tower: Tower) -> list[list[Attention]]:
    """Self-attention products of each layer, products that read another sequence left out."""
    return [[site for site in block.attentions if not is_cross(site)] for block in tower.blocks]


def is_cross(site: Attention) -> bool:
    """Whether queries and keys come from sequences of different length."""
    if not site.query.shape or not site.softmax.shape or site.fused:
        query, key = site.query.shape, site.key.shape
        return bool(query and key and site.fused and len(query) > 1 and query[-2] != key[-2])
    rows, columns = site.softmax.shape[-2:]
    if site.sink_at is not None:
        return False
    return bool(rows != columns)


def main_norms(block: Block) -> list[Norm]:
    """Norms that stand directly in a block, not inside its attention or experts."""
    return block.norms
