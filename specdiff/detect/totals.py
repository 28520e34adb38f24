"""Totals: parameters in all, those one token multiplies with, bytes of the checkpoint and of the key and value cache."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from specdiff.detect.feedforward import Layer, layers_of
from specdiff.detect.quantize import bits_of_dtype, quantized_bits
from specdiff.detect.routing import expert_weights
from specdiff.detect.scene import Scene, see
from specdiff.detect.shape import head_of, made, token_table
from specdiff.detect.towers import is_cross
from specdiff.facts import Evidence, Level
from specdiff.graph.operations import VIEWS
from specdiff.interp.trace import Op


def parameters(scene: Scene) -> None:
    """`parameters.total`, `.active`, `.embedding`, `.non_embedding`."""
    sizes = unique_sizes(scene)
    if not scene.parameters and scene.why_not:
        return
    if sizes is None:
        for name in ("total", "active", "embedding", "non_embedding"):
            scene.unsure(f"parameters.{name}", "the shape of a parameter is not known")
        return
    total = sum(sizes.values())
    largest = max(sizes, key=lambda name: sizes[name], default="")
    file, line = scene.here
    here = Evidence(file, line, line, f"{len(sizes)} parameters of this class, tied ones once")
    scene.fact("parameters.total", total, [here, *made(scene, largest)], Level.BUILT)
    if scene.operations is None:
        for name in ("active", "embedding", "non_embedding"):
            scene.unsure(f"parameters.{name}", scene.why_not or "forward was not followed")
        return
    tables = _tables(scene)
    _embedding(scene, sizes, total, here)
    idle = _idle_experts(scene, sizes)
    if idle is None:
        return
    only_read = {name for name in tables if name in sizes}
    active = total - sum(sizes[name] for name in only_read) - sum(count for count, _ in idle.values())
    steps = [here]
    steps += [see(op, f"{name} is only looked up") for name, op in tables.items() if name in only_read][:1]
    steps += [see(op, f"{count:,} parameters of experts that a token does not visit") for count, op in idle.values()][
        :1
    ]
    scene.fact("parameters.active", active, steps, Level.BUILT)


def unique_sizes(scene: Scene) -> dict[str, int] | None:
    """Elements per parameter, tied ones under their first name; None where a shape is not known."""
    later = {name for name, _ in scene.tied}
    found = {name: prod(shape) for name, shape in scene.parameters.items() if name not in later}
    return None if any(size < 0 for shape in scene.parameters.values() for size in shape) else found


def _first_name(scene: Scene, name: str) -> str:
    return next((first for later, first in scene.tied if later == name), name)


def _tables(scene: Scene) -> dict[str, Op]:
    """Parameters that are only looked up, under the name that counts: no product or sum reads them."""
    graph = scene.operations
    assert graph is not None
    found: dict[str, Op] = {}
    other: set[str] = set()
    for op in graph.kind("parameter"):
        name = _first_name(scene, str(op.attrs.get("name", "")))
        for reader in graph.readers(op, VIEWS):
            looked_up = reader.kind == "embedding" and graph.parameter(graph[reader.inputs[1]]) == op.attrs.get("name")
            if looked_up:
                found.setdefault(name, reader)
            else:
                other.add(name)
    return {name: op for name, op in found.items() if name not in other}


def _embedding(scene: Scene, sizes: dict[str, int], total: int, here: Evidence) -> None:
    graph = scene.operations
    table = token_table(scene)
    assert graph is not None
    if table is None:
        scene.absent("parameters.embedding", "no table of tokens is looked up", level=Level.BUILT)
        return
    name = _first_name(scene, graph.parameter(graph[table.inputs[1]]))
    steps = [see(table, f"{name}, the input's table")]
    names = {name}
    head = head_of(scene)
    shape = scene.parameters.get(name)
    if head is not None and head.weight and shape and head.projection.shape and head.projection.shape[-1] == shape[0]:
        names.add(_first_name(scene, head.weight))
        steps.append(see(head.projection, f"{head.weight}, the output head"))
    count = sum(sizes.get(each, 0) for each in names)
    scene.fact("parameters.embedding", count, steps, Level.BUILT)
    scene.fact("parameters.non_embedding", total - count, [here, *steps], Level.BUILT)


def _idle_experts(scene: Scene, sizes: dict[str, int]) -> dict[str, tuple[int, Op]] | None:
    """Per layer: elements of experts that one token does not visit; None where that is not known."""
    graph = scene.operations
    assert graph is not None
    for tower in scene.towers:
        odd = next((each for each in layers_of(scene, tower) if each.chooses is not None), None)
        if odd is not None:
            scene.unsure("parameters.active", odd.reason, odd.chooses)
            return None
    found: dict[str, tuple[int, Op]] = {}
    counted: set[str] = set()
    for layer in _expert_layers(scene):
        chosen = layer.router
        assert chosen is not None
        if chosen.per_token is None or chosen.without_weights:
            scene.unsure(
                "parameters.active", "how many experts with weights a token visits is not known", chosen.choice
            )
            return None
        weights, _ = expert_weights(graph, scene, layer.block)
        names = {_first_name(scene, name) for name, count in weights.items() if count == chosen.experts} - counted
        counted |= names
        whole = sum(sizes.get(name, 0) for name in names)
        found[layer.block.path] = (whole - whole * chosen.per_token // chosen.experts, chosen.choice)
    return found


def _expert_layers(scene: Scene) -> Iterable[Layer]:
    for tower in scene.towers:
        for layer in layers_of(scene, tower):
            if layer.router is not None:
                yield layer


def bytes_needed(scene: Scene) -> None:
    """`checkpoint.bytes` and `kv_cache.bytes_per_token`."""
    fact = scene.facts.get("dtype")
    width = bits_of_dtype(fact.value) if fact is not None else None
    sizes = unique_sizes(scene)
    if fact is None or width is None:
        for name in ("checkpoint.bytes", "kv_cache.bytes_per_token"):
            scene.unsure(name, "the configuration names no number format")
        return
    if sizes is not None:
        _checkpoint(scene, sizes, width, fact.evidence)
    _cache(scene, width, fact.evidence)


def _checkpoint(scene: Scene, sizes: dict[str, int], width: int, evidence: tuple[Evidence, ...]) -> None:
    quantized = quantized_bits(scene)
    if quantized is None:
        scene.unsure("checkpoint.bytes", "which weights are quantized to how many bits is not declared")
        return
    bits = sum(size * quantized.get(name, width) for name, size in sizes.items())
    total = scene.facts.get("parameters.total")
    steps = [*evidence, *(total.evidence[:1] if total is not None else ())]
    scene.fact("checkpoint.bytes", int(bits // 8), steps, Level.DECLARED)


def _cache(scene: Scene, width: int, evidence: tuple[Evidence, ...]) -> None:
    key = "kv_cache.bytes_per_token"
    if scene.operations is None:
        scene.unsure(key, scene.why_not or "forward was not followed")
        return
    numbers = 0
    at: Op | None = None
    for tower in scene.towers:
        causal = scene.facts.get(tower.key("attention.causal"))
        if tower.prefix in ("vision", "audio", "encoder") or causal is None or causal.value is not True:
            continue
        latent = scene.facts.get(tower.key("attention.mla.kv_rank"))
        rotated = scene.facts.get(tower.key("attention.mla.rope_dim"))
        shared = scene.facts.get(tower.key("attention.kv_shared_layers"))
        skipped = shared.value if shared is not None and isinstance(shared.value, int) else 0
        for block in tower.blocks[: len(tower.blocks) - skipped]:
            for site in block.attentions:
                if is_cross(site):
                    continue
                at = at or site.product
                if latent is not None and isinstance(latent.value, int):
                    extra = rotated.value if rotated is not None and isinstance(rotated.value, int) else 0
                    numbers += latent.value + extra
                elif site.kv_heads and site.head_dim and site.value_dim:
                    numbers += site.kv_heads * (site.head_dim + site.value_dim)
                else:
                    scene.unsure(key, "the shape of this layer's keys or values is not known", site.product)
                    return
    if numbers and at is not None:
        scene.fact(
            key, numbers * width // 8, [see(at, f"{numbers} numbers per token over all layers"), *evidence], Level.BUILT
        )
