"""Attention to other sequences, learned queries, shifted windows, and feature extractors that a model is built around."""

from __future__ import annotations

import re

from specdiff.detect.agree import agreed
from specdiff.detect.scene import Block, Scene, Tower, see
from specdiff.detect.sites import Attention
from specdiff.detect.towers import is_cross
from specdiff.facts import Level
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

CROSS_KEYS = ("heads", "kv_heads", "head_dim", "gated")
_FAMILY = re.compile(r"(?:^|/)models/(\w+)/")


def cross_attention(scene: Scene) -> None:
    """`cross_attention.*`: products whose keys come from another sequence than their queries."""
    for tower in scene.towers:
        key = tower.key
        rows = [(block, site) for block in tower.blocks for site in block.attentions if is_cross(site)]
        first = tower.blocks[0].ops[0]
        if not rows:
            known = all(block.mixer[0] or block.attentions for block in tower.blocks)
            if known:
                for name in (*CROSS_KEYS, "layers"):
                    words = "queries and keys come from the same positions"
                    scene.absent(key(f"cross_attention.{name}"), words, [see(first, "the first layer")])
            continue
        layers = tuple(sorted({block.index for block, _ in rows}))
        words = f"{len(layers)} layers attend to another sequence"
        scene.fact(key("cross_attention.layers"), layers, [see(rows[0][1].product, words)])
        counts = {
            "heads": [(site.heads, site) for _, site in rows],
            "kv_heads": [(site.kv_heads, site) for _, site in rows],
            "head_dim": [(site.head_dim, site) for _, site in rows],
        }
        for name, values in counts.items():
            agreed(
                scene,
                key(f"cross_attention.{name}"),
                ((value, site.product, f"{site.heads} heads attend to another sequence") for value, site in values),
            )
        _gate(scene, tower, rows)


def _gate(scene: Scene, tower: Tower, rows: list[tuple[Block, Attention]]) -> None:
    """Whether a learned number for the whole layer stands before the addition."""
    graph = scene.operations
    assert graph is not None
    words = {True: "a learned gate on what cross attention gives", False: "added as it is",
             None: "what stands between cross attention and the stream, and multiplies it,"}  # fmt: skip
    found = [_gated(graph, block, site) for block, site in rows]
    agreed(scene, tower.key("cross_attention.gated"), ((gated, at, words[gated]) for gated, at in found))


def _gated(graph: Operations, block: Block, site: Attention) -> tuple[bool | None, Op]:
    """Whether cross attention's output is multiplied with one learned number before it joins the stream.

    None where it is multiplied with several learned or with computed ones.
    """
    reached = {site.output.id}
    for op in block.ops:
        if op.id <= site.output.id or not any(source in reached for source in op.inputs):
            continue
        others = [graph[source] for source in op.inputs if source not in reached]
        reached.add(op.id)
        if op.kind == "add" and others and not graph.parameter(others[0]):
            break
        if op.kind != "mul" or len(op.inputs) != 2:
            continue
        source = graph.source(others[0], VIEWS) if others else op
        if source.kind == "tanh":
            source = graph.source(graph[source.inputs[0]], VIEWS)
        if source.kind == "parameter" and all(size == 1 for size in source.shape or ()):
            return True, op
        if source.kind not in ("constant", "buffer"):
            return None, op
    return False, site.output


def queries(scene: Scene) -> None:
    """`object_queries`: rows of a learned table that a decoder's positions are."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        if not any(is_cross(site) for block in tower.blocks for site in block.attentions):
            continue
        own = [site for block in tower.blocks for site in block.attentions if not is_cross(site)]
        counts = {site.softmax.shape[-1] for site in own if site.softmax.shape}
        if len(counts) != 1:
            continue
        count = counts.pop()
        if not is_number(count):
            continue
        table = next(
            (op for op in graph.kind("parameter") if op.shape and len(op.shape) == 2 and op.shape[0] == count
             and graph.reaches(op.id, own[0].product.id, 200_000)), None
        )  # fmt: skip
        if table is not None:
            words = f"{table.attrs.get('name')} has a row for each of {count} queries"
            for name in {tower.key("object_queries"), "object_queries"}:
                scene.fact(name, int(count), [see(table, words)])


def shifted_windows(scene: Scene) -> None:
    """`attention.window.shift`: how far a picture is rolled before it is cut into windows."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        key = tower.key("attention.window.shift")
        shifts: list[tuple[int, Op]] = []
        for block in tower.blocks:
            before = block.attentions[0].softmax.id if block.attentions else 0
            for op in block.ops:
                values = op.attrs.get("shifts")
                if op.kind == "roll" and op.id < before:
                    sizes = values if isinstance(values, tuple | list) else (values,)
                    if all(isinstance(size, int) for size in sizes):
                        shifts.append((max((abs(size) for size in sizes), default=0), op))
        agreed(scene, key, ((size, at, f"rolled by {size} before windows are cut") for size, at in shifts))
        if not shifts and any(block.attentions for block in tower.blocks):
            first = tower.blocks[0].ops[0]
            scene.absent(key, "nothing is rolled before a product", [see(first, "the first layer")])


def extractors(scene: Scene) -> None:
    """`backbone`: the family of the model that a picture passes before the first stack; else what the configuration names."""
    graph = scene.operations
    if graph is not None and scene.towers:
        start = min(tower.blocks[0].ops[0].id for tower in scene.towers)
        own = _family(scene.here[0])
        for op in graph.kind("conv"):
            family = _family(op.file)
            if op.id < start and family and own and family != own:
                scene.fact("backbone", family, [see(op, f"convolutions of {family} come before the first layer")])
                return
    setting = scene.setting("backbone_config.model_type", "backbone")
    if setting is not None and isinstance(setting[0], str):
        scene.fact("backbone", setting[0], [setting[1]], Level.DECLARED)


def _family(file: str) -> str:
    match = _FAMILY.search(file)
    return match[1] if match else ""


def frames(scene: Scene) -> None:
    """`max_frames`: the rows that positions of sound have."""
    for part, prefixes in (("", ("encoder", "")), ("audio_config", ("audio",))):
        setting = scene.setting("max_source_positions", "n_audio_ctx", part=part)
        keys = [f"{prefix}." if prefix else "" for prefix in prefixes]
        hears = scene.operations is None or any(f"{key}conv_stem.kernels" in scene.facts for key in keys)
        for key in keys if hears else ():
            if setting is not None and isinstance(setting[0], int):
                scene.fact(f"{key}max_frames", setting[0], [setting[1]], Level.DECLARED)
            elif f"{key}mel_bins" in scene.facts:
                scene.unsure(f"{key}max_frames", "no setting says how many frames an input may have")
