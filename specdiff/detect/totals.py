"""Totals: parameters in all, those one token multiplies with, bytes of the checkpoint and of the key and value cache."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from specdiff.detect.feedforward import Layer, layers_of
from specdiff.detect.quantize import bits_of_dtype, quantized_bits
from specdiff.detect.routing import expert_weights
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.shape import head_of, made, token_table
from specdiff.detect.sites import Attention
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
    """`checkpoint.bytes`, `kv_cache.elements_per_token` and `kv_cache.bytes_per_token`."""
    _cache(scene)
    fact = scene.facts.get("dtype")
    width = bits_of_dtype(fact.value) if fact is not None else None
    if fact is None or width is None:
        scene.unsure("dtype", "the configuration names no number format")
        for name in ("checkpoint.bytes", "kv_cache.bytes_per_token"):
            if name not in scene.absences:
                scene.waits(name, "dtype")
        return
    sizes = unique_sizes(scene)
    if sizes is not None:
        _checkpoint(scene, sizes, width, fact.evidence)
    elements = scene.facts.get("kv_cache.elements_per_token")
    if elements is not None and isinstance(elements.value, int):
        steps = [*elements.evidence, *fact.evidence]
        scene.fact("kv_cache.bytes_per_token", elements.value * width // 8, steps, Level.BUILT)


def _checkpoint(scene: Scene, sizes: dict[str, int], width: int, evidence: tuple[Evidence, ...]) -> None:
    quantized = quantized_bits(scene)
    if quantized is None:
        scene.unsure("checkpoint.bytes", "which weights are quantized to how many bits is not declared")
        return
    bits = sum(size * quantized.get(name, width) for name, size in sizes.items())
    total = scene.facts.get("parameters.total")
    steps = [*evidence, *(total.evidence[:1] if total is not None else ())]
    scene.fact("checkpoint.bytes", int(bits // 8), steps, Level.DECLARED)


def _cache(scene: Scene) -> None:
    """`kv_cache.elements_per_token`: what the causal attention layers keep of each token."""
    key = "kv_cache.elements_per_token"
    if scene.operations is None or not scene.towers:
        _unsure_cache(scene, scene.why_not or "no stack of layers was found")
        return
    numbers = 0
    at: Op | None = None
    for tower in scene.towers:
        sites = _own_attentions(tower, scene)
        if tower.prefix in ("vision", "audio", "encoder") or not sites:
            continue
        causal = scene.facts.get(tower.key("attention.causal"))
        if causal is None:
            _unsure_cache(
                scene, "whether tokens see later ones, and so whether keys can be kept, is not known", sites[0]
            )
            return
        if causal.value is not True:
            continue
        at = at or sites[0].product
        for site in sites:
            kept = _kept_of_token(scene, tower, site)
            if kept is None:
                _unsure_cache(scene, "the shape of this layer's keys or values is not known", site)
                return
            numbers += kept
    if at is None:
        for name in (key, "kv_cache.bytes_per_token"):
            scene.absent(name, "no layer attends to earlier tokens only")
    else:
        scene.fact(key, numbers, [see(at, f"{numbers} numbers per token over all layers")], Level.BUILT)


def _own_attentions(tower: Tower, scene: Scene) -> list[Attention]:
    """Self attentions that make keys of their own: layers that read another's keep nothing."""
    shared = scene.facts.get(tower.key("attention.kv_shared_layers"))
    skipped = shared.value if shared is not None and isinstance(shared.value, int) else 0
    blocks = tower.blocks[: len(tower.blocks) - skipped]
    return [site for block in blocks for site in block.attentions if not is_cross(site)]


def _kept_of_token(scene: Scene, tower: Tower, site: Attention) -> int | None:
    kind = scene.facts.get(tower.key("attention.kind"))
    latent = scene.facts.get(tower.key("attention.mla.kv_rank"))
    if kind is not None and kind.value == "mla" and latent is None:
        return None
    if latent is not None and isinstance(latent.value, int):
        rotated = scene.facts.get(tower.key("attention.mla.rope_dim"))
        return latent.value + (rotated.value if rotated is not None and isinstance(rotated.value, int) else 0)
    if site.kv_heads and site.head_dim and site.value_dim:
        return site.kv_heads * (site.head_dim + site.value_dim)
    return None


def _unsure_cache(scene: Scene, reason: str, site: Attention | None = None) -> None:
    for name in ("kv_cache.elements_per_token", "kv_cache.bytes_per_token"):
        scene.unsure(name, reason, site.product if site is not None else None)
