"""Heads, projections and kinds of attention, read off the tensors that meet in the product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from specdiff.detect.agree import agreed
from specdiff.detect.masks import Mask, read_mask
from specdiff.detect.norm_written import asks_for_32_bits
from specdiff.detect.paths import Path, bias_of, is_projection, path_from, weight_of
from specdiff.detect.scene import Scene, Tower, see, sizes
from specdiff.detect.sites import Attention
from specdiff.detect.towers import is_cross
from specdiff.facts import Evidence
from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.trace import Op

_UNCAST = VIEWS - {"cast"}


def self_attentions(tower: Tower) -> list[tuple[int, Attention]]:
    """(layer, product) of every product of a tower's own positions."""
    return [(block.index, site) for block in tower.blocks for site in block.attentions if not is_cross(site)]


def heads(scene: Scene) -> None:
    """`attention.heads`, `.kv_heads`, `.head_dim`, `.v_head_dim`, `.kind`."""
    for tower in scene.towers:
        sites = [site for _, site in self_attentions(tower)]
        if not sites:
            continue
        key = tower.key
        agreed(scene, key("attention.heads"), ((s.heads, s.product, f"queries of {sizes(s.query)}") for s in sites))
        agreed(
            scene,
            key("attention.head_dim"),
            ((s.head_dim, s.product, f"queries of {sizes(s.query)}") for s in sites),
        )
        graph = scene.operations
        assert graph is not None
        if mla(scene, graph, tower):
            continue
        agreed(
            scene,
            key("attention.kv_heads"),
            (
                (s.kv_heads, s.repeats or s.product, f"keys of {s.kv_heads} heads meet queries of {s.heads}")
                for s in sites
            ),
        )
        if all(s.value_dim is not None for s in sites):
            agreed(
                scene,
                key("attention.v_head_dim"),
                ((s.value_dim, s.output, f"values of {sizes(s.value)}") for s in sites),
            )
        if all(s.heads and s.kv_heads for s in sites):
            agreed(
                scene,
                key("attention.kind"),
                (
                    (
                        _kind(s.heads, s.kv_heads),
                        s.repeats or s.product,
                        f"{s.heads} query heads over {s.kv_heads} key heads",
                    )
                    for s in sites
                ),
            )


def _kind(heads: int | None, kv_heads: int | None) -> str | None:
    if heads is None or kv_heads is None:
        return None
    return "mha" if heads == kv_heads else "mqa" if kv_heads == 1 else "gqa"


@dataclass(frozen=True, slots=True)
class _Latent:
    """A product whose keys and values are projected up from one narrow projection of the layer's input."""

    site: Attention
    down: Op
    key: Path
    query: Path
    query_down: Op | None
    """The narrow projection that queries come from; None where they are projected directly."""


def _latents(graph: Operations, tower: Tower) -> Iterator[tuple[Attention, _Latent | None]]:
    for block in tower.blocks:
        for site in block.attentions:
            key, value, query = (path_from(graph, each) for each in (site.key, site.value, site.query))
            down = _latent(graph, key, block.path)
            if down is None or key.projection is None or _latent(graph, value, block.path) is None:
                yield site, None
            else:
                yield site, _Latent(site, down, key, query, _latent(graph, query, block.path))


def mla(scene: Scene, graph: Operations, tower: Tower) -> bool:
    """Latent attention: keys and values are projected up from one narrow projection of the layer's input."""
    rows = list(_latents(graph, tower))
    found = [latent for _, latent in rows if latent is not None]
    name = tower.key
    if not found:
        return False
    if len(found) < len(rows):
        why = "only some products have keys and values that are projected up from a latent"
        for key in ("attention.kind", "attention.kv_heads", "kv_cache.elements_per_token", "kv_cache.bytes_per_token"):
            scene.unsure(name(key), why, found[0].down)
        return True
    projected = [(_width_in(graph, each.key), each.key.projection or each.down) for each in found]
    here = [see(found[0].down, "a narrow projection that keys and values share"),
            see(projected[0][1], f"keys are projected up from a latent of {projected[0][0]}")]  # fmt: skip
    scene.fact(name("attention.kind"), "mla", here)
    kv_ranks = ((rank, at, f"keys are projected up from a latent of {rank}") for rank, at in projected)
    agreed(scene, name("attention.mla.kv_rank"), kv_ranks)
    if any(each.query_down is not None for each in found):
        agreed(scene, name("attention.mla.q_rank"), (_query_rank(graph, each) for each in found))
    else:
        scene.absent(name("attention.mla.q_rank"), "queries are projected directly")
    for key in ("attention.mla.v_dim", "attention.v_head_dim"):
        widths = ((each.site.value_dim, each.site.output, f"values of {sizes(each.site.value)}") for each in found)
        agreed(scene, name(key), widths)
    counts = ((each.site.heads, each.site.product, f"keys of {sizes(each.site.key)}") for each in found)
    agreed(scene, name("attention.kv_heads"), counts)
    return True


def _query_rank(graph: Operations, latent: _Latent) -> tuple[int | None, Op, str]:
    if latent.query_down is None or latent.query.projection is None:
        return None, latent.site.product, "the latent of queries, which only some layers have,"
    rank = _width_in(graph, latent.query)
    return rank, latent.query.projection, f"queries are projected up from a latent of {rank}"


def _latent(graph: Operations, path: Path, block: str) -> Op | None:
    """The projection inside the block that feeds a projection, through norms and views only."""
    if path.projection is None:
        return None
    below = path_from(graph, graph[path.projection.inputs[0]], 40)
    if below.projection is None or not below.projection.module.startswith(block + "."):
        return None
    if any(
        step.kind in ("add", "softmax", "matmul") and len(step.inputs) > 1 and _joins_stream(graph, step)
        for step in below.steps
    ):
        return None
    return below.projection


def _joins_stream(graph: Operations, op: Op) -> bool:
    """Whether an addition joins two values of the same shape (a residual), not a bias or an epsilon."""
    shapes = [item.shape for item in graph.inputs(op)]
    return len(shapes) == 2 and shapes[0] == shapes[1]


def _width_in(graph: Operations, path: Path) -> int | None:
    if path.projection is None:
        return None
    shape = graph[path.projection.inputs[0]].shape
    width = shape[-1] if shape else None
    return width if isinstance(width, int) else None


def projections(scene: Scene) -> None:
    """`attention.bias.*`, `attention.fused_qkv`, `attention.clip_qkv`."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        rows: dict[str, list[tuple[Any, Op, str]]] = {"q": [], "k": [], "v": [], "o": []}
        fused: list[tuple[Any, Op, str]] = []
        clip: list[tuple[Any, Op, str]] = []
        for _, site in self_attentions(tower):
            paths = {name: path_from(graph, op) for name, op in (("q", site.query), ("k", site.key), ("v", site.value))}
            for name, path in paths.items():
                if path.projection is not None:
                    rows[name].append(_bias(graph, site, path))
                else:
                    rows[name].append((None, site.product, "the projection"))
            weights = {path.weight for path in paths.values()}
            if all(path.projection is not None for path in paths.values()):
                first = paths["q"].projection
                assert first is not None
                fused.append((len(weights) == 1, first, f"from {', '.join(sorted(weights))}"))
                limits = {name: _clamp(path) for name, path in paths.items()}
                at = next((op for _, op in limits.values() if op is not None), first)
                values = {value for value, _ in limits.values()}
                words = "queries, keys and values are clamped"
                clip.append(
                    (values.pop(), at, words)
                    if len(values) == 1
                    else (None, at, "which of queries, keys and values is clamped, and to what,")
                )
            out = output_projection(graph, site)
            if out is not None:
                bias, bias_at = bias_of(graph, out)
                rows["o"].append(
                    (bool(bias), bias_at or out, f"bias {bias}" if bias else f"{weight_of(graph, out)} without a bias")
                )
            else:
                rows["o"].append((None, site.output, "the output projection"))
        for name, readings in rows.items():
            agreed(scene, tower.key(f"attention.bias.{name}"), readings)
        agreed(scene, tower.key("attention.fused_qkv"), fused)
        if clip and all(value == 0 for value, _, _ in clip):
            scene.absent(
                tower.key("attention.clip_qkv"),
                "nothing clamps queries between projection and product",
                [see(clip[0][1], "the query projection")],
            )
        elif clip:
            agreed(scene, tower.key("attention.clip_qkv"), clip)


def _bias(graph: Operations, site: Attention, path: Path) -> tuple[bool | None, Op, str]:
    """Whether a projection adds a bias; no answer where it has two steps of which one does."""
    assert path.projection is not None
    words = f"bias {path.bias}" if path.bias else f"{path.weight} without a bias"
    block = site.module.rpartition(".")[0]
    down = _latent(graph, path, block) if block else None
    if down is not None and bool(bias_of(graph, down)[0]) != bool(path.bias):
        return None, path.projection, "one step of the projection adds a bias, the other none: one answer"
    return bool(path.bias), path.bias_at or path.projection, words


def _clamp(path: Path) -> tuple[float | int, Op | None]:
    """What a projection's result is clamped to, to both sides; 0 where it is not."""
    for step in path.steps:
        if step.kind == "clamp" and step.attrs.get("max") is not None and step.attrs.get("min") == -step.attrs["max"]:
            return step.attrs["max"], step
    return 0, None


def output_projection(graph: Operations, site: Attention) -> Op | None:
    """The projection that reads the product's output."""
    seen: set[int] = set()
    stack = [site.output.id]
    while stack and len(seen) < 60:
        index = stack.pop(0)
        if index in seen:
            continue
        seen.add(index)
        for reader_id in graph.consumers[index]:
            reader = graph[reader_id]
            if is_projection(graph, reader):
                return reader
            if reader.module.startswith(site.module) or reader.kind in ("reshape", "view", "transpose", "permute"):
                stack.append(reader_id)
    return None


def scores(scene: Scene) -> None:
    """`attention.scale`, `.softcap`, `.sinks`, `.softmax_dtype`, `.output_gate`."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        sites = [site for _, site in self_attentions(tower)]
        if not sites:
            continue
        key = tower.key
        if all(site.scale is not None for site in sites):
            agreed(
                scene,
                key("attention.scale"),
                (
                    (round(s.scale or 0, 12), s.scales[0] if s.scales else s.product, f"scores times {s.scale:.6g}")
                    for s in sites
                ),
            )
        else:
            odd = next(site for site in sites if site.scale is None)
            scene.unsure(
                key("attention.scale"), "scores are multiplied with something that is not a number", odd.product
            )
        capped = [site for site in sites if site.softcap is not None]
        if capped:
            agreed(
                scene,
                key("attention.softcap"),
                ((s.softcap, s.softcap_at or s.product, "c·tanh(scores/c)") for s in sites),
            )
        else:
            scene.absent(
                key("attention.softcap"), "no tanh between product and softmax", [see(sites[0].softmax, "the softmax")]
            )
        _sinks(scene, graph, tower, sites)
        agreed(
            scene,
            key("attention.softmax_dtype"),
            (
                (
                    _softmax_dtype(graph, s),
                    s.softmax,
                    "the softmax",
                )
                for s in sites
                if not s.fused
            ),
        )
        _gate(scene, graph, tower, sites)


def _softmax_dtype(graph: Operations, site: Attention) -> str:
    """`float32` where the code asks for it: by the softmax's dtype, a cast on the way to it, or one of both its factors."""
    if site.softmax.attrs.get("computed_in") == "float32":
        return "float32"
    for step in _back(graph, site.softmax, site.product):
        if step.kind == "cast":
            return "float32" if asks_for_32_bits(step) else "input"
    factors = [graph.source(item, _UNCAST) for item in graph.inputs(site.product)[:2]]
    return "float32" if len(factors) == 2 and all(asks_for_32_bits(factor) for factor in factors) else "input"


def _back(graph: Operations, softmax: Op, product: Op) -> list[Op]:
    """The operations from a softmax back to the product whose scores it reads, nearest first; empty where there is no way."""
    ways = [[item] for item in graph.inputs(softmax)]
    seen: set[int] = set()
    while ways:
        way = ways.pop(0)
        if way[-1].id == product.id:
            return way
        if way[-1].id > product.id and way[-1].id not in seen:
            seen.add(way[-1].id)
            ways += [[*way, item] for item in graph.inputs(way[-1])]
    return []


def _sinks(scene: Scene, graph: Operations, tower: Tower, sites: list[Attention]) -> None:
    key = tower.key("attention.sinks")
    with_sink = [site for site in sites if site.sink is not None]
    if not with_sink:
        scene.absent(
            key,
            "nothing joins the scores before the softmax",
            [see(sites[0].softmax, "the softmax over the scores alone")],
        )
        return
    if len(with_sink) != len(sites):
        scene.unsure(key, "only some layers have one", with_sink[0].sink_at)
        return
    site = with_sink[0]
    assert site.sink is not None and site.sink_at is not None
    name = graph.parameter(site.sink)
    joined = see(site.sink_at, f"{name or 'a value'} joins the scores")
    if not name:
        source = graph.source(site.sink)
        if source.kind == "constant" and source.attrs.get("fill") == 0:
            scene.fact(key, "zero_logit", [joined])
        else:
            scene.unsure(key, "what joins the scores is computed", site.sink_at)
        return
    scene.fact(key, "learned_logit", [joined, see(site.softmax, "the softmax over scores and sink")])
    shape = scene.parameters.get(name, ())
    if shape:
        count = 1
        for size in shape:
            count *= size
        made = scene.places.get(name)
        where = [Evidence(made[0], made[1], made[1], f"{name} of {'×'.join(map(str, shape))}")] if made else []
        scene.fact(tower.key("attention.sinks.per_head"), count == site.heads, [*where, joined])
    dropped = all(item.dropped_at is not None for item in with_sink)
    at = site.dropped_at or site.softmax
    scene.fact(
        tower.key("attention.sinks.dropped"),
        dropped,
        [see(at, "the sink's share is cut off" if dropped else "nothing is cut off")],
    )


def _gate(scene: Scene, graph: Operations, tower: Tower, sites: list[Attention]) -> None:
    """A sigmoid gate on the output before the output projection."""
    readings: list[tuple[Any, Op, str]] = []
    for site in sites:
        out = output_projection(graph, site)
        if out is None:
            return
        op: Op | None = graph[out.inputs[0]]
        found = None
        for _ in range(12):
            if op is None or op.id <= site.output.id:
                break
            if op.kind == "mul" and len(op.inputs) == 2:
                for item in graph.inputs(op):
                    inner = graph.source(item)
                    if inner.kind in ("sigmoid", "silu", "softplus") and not graph.reaches(site.output.id, inner.id):
                        found = op
            op = graph[op.inputs[0]] if op.inputs else None
        readings.append(
            (found is not None, found or out, "the output times a gate" if found else "projected as it comes")
        )
    agreed(scene, tower.key("attention.output_gate"), readings)


def masks(scene: Scene) -> None:
    """`attention.causal`, `.prefix`, `.window.*`, `.chunk.size`, and what mixes tokens in the layers that attend."""
    graph = scene.operations
    if graph is None:
        return
    cache: dict[tuple[Any, ...], Mask] = {}
    for tower in scene.towers:
        rows: list[tuple[int, Attention, Mask]] = []
        for layer, site in self_attentions(tower):
            ids = (site.causal_flag, site.scores, *((bound.op.id, bound.how, bound.fill) for bound in site.bounds))
            mask = cache.get(ids)
            if mask is None:
                mask = cache[ids] = read_mask(graph, site, scene.length)
            rows.append((layer, site, mask))
        if rows:
            _mask_facts(scene, tower, rows)
        layers = {layer: (mask, site) for layer, site, mask in rows}
        for block in tower.blocks:
            if block.index in layers and not block.mixer[0]:
                mask, site = layers[block.index]
                shown = mask.shows.get("window") or mask.shows.get("chunk") or (site.softmax, "")
                block.mixer = (mask.kind, shown[0])


def _narrow(scene: Scene, rows: list[tuple[int, Attention, Mask]]) -> list[tuple[int, Attention, Mask]]:
    """The layers with windows; of windows of several sizes one as wide as the whole context is none."""
    context = scene.facts.get("context_length")
    if context is None or not isinstance(context.value, int) or len({mask.window for _, _, mask in rows}) < 2:
        return rows
    for _, _, mask in rows:
        if mask.window is not None and mask.window >= context.value:
            mask.window = None
    return [row for row in rows if row[2].window is not None]


def _visible_tokens(scene: Scene, tower: Tower, rows: list[tuple[int, Attention, Mask]]) -> None:
    """`attention.sinks` of the sort that are tokens: keys of their own, or the sequence's first ones beside a window."""
    graph = scene.operations
    assert graph is not None
    key, count = tower.key("attention.sinks"), tower.key("attention.sinks.count")
    added = [(mask, site) for _, site, mask in rows if mask.tokens]
    kept = [(mask, site) for _, site, mask in rows if mask.first]
    for found, word, number in ((added, "token", "tokens"), (kept, "first_tokens", "first")):
        if not found:
            continue
        mask, site = found[0]
        source = _learned_part(graph, site.key) if word == "token" else mask.shows["window"][0]
        numbers = {getattr(each, number) for each, _ in found}
        if source is None or len(numbers) > 1 or (word == "token" and len(found) != len(rows)):
            scene.absences.pop(key, None)
            scene.unsure(key, "some queries see keys beside those of the positions", site.product)
            return
        seen = f"{getattr(mask, number)} {'keys of their own' if word == 'token' else 'positions at the beginning'}"
        here = [see(source, f"all queries see {seen}")]
        scene.fact(key, word, here)
        scene.fact(count, numbers.pop(), here)
        return
    if any(mask.unread for _, _, mask in rows):
        odd = next((site for _, site, mask in rows if mask.unread and site.own), None)
        if odd is not None and key in scene.absences:
            del scene.absences[key]
            scene.unsure(key, "queries may see keys beside those of the positions", odd.product)
        return
    scene.absent(count, "queries see the sequence's positions alone", [see(rows[0][1].softmax, "the softmax")])


def _learned_part(graph: Operations, op: Op) -> Op | None:
    """The joining of keys with learned ones."""
    for _ in range(12):
        if op.kind == "cat":
            parts = [graph.source(item, VIEWS | {"expand", "repeat", "cast"}) for item in graph.inputs(op)]
            return op if any(part.kind == "parameter" for part in parts) else None
        if not op.inputs:
            return None
        op = graph[op.inputs[0]]
    return None


def _mask_facts(scene: Scene, tower: Tower, rows: list[tuple[int, Attention, Mask]]) -> None:
    key = tower.key
    odd = next((mask for _, _, mask in rows if mask.causal is None and not mask.prefix), None)
    if odd is not None:
        scene.unsure(
            key("attention.causal"), odd.unread or "what a position sees follows no simple rule", odd.unread_at
        )
        scene.waits(key("attention.prefix"), key("attention.causal"))
    elif any(mask.prefix for _, _, mask in rows):
        shown = next(mask.shows["causal"] for _, _, mask in rows if mask.prefix)
        scene.fact(key("attention.prefix"), True, [see(shown[0], "early positions see later ones, late ones do not")])
        words = "a prefix sees itself both ways and the rest is causal, which is no one answer"
        scene.unsure(key("attention.causal"), words, shown[0])
    else:
        agreed(scene, key("attention.causal"), ((mask.causal, *mask.shows["causal"]) for _, _, mask in rows))
        shown = rows[0][2].shows["causal"]
        if scene.untold and tower.prefix not in ("vision", "audio"):
            why = f"without {' or '.join(scene.untold)} no token stands for a picture, which may be masked otherwise"
            scene.unsure(key("attention.prefix"), why, shown[0])
        else:
            scene.absent(key("attention.prefix"), "all positions are masked alike", [see(*shown)])
    _visible_tokens(scene, tower, rows)
    names = ("attention.window.size", "attention.window.layers", "attention.chunk.size")
    unread = next((mask for _, _, mask in rows if mask.unread), None)
    if unread is not None:
        for name in names:
            scene.unsure(key(name), unread.unread, unread.unread_at)
        return
    none = [see(rows[0][1].softmax, "the softmax over all scores that the mask leaves")]
    windows = _narrow(scene, [row for row in rows if row[2].window is not None])
    if windows:
        agreed(scene, key(names[0]), ((mask.window, *mask.shows["window"]) for _, _, mask in windows))
        layers = tuple(sorted({layer for layer, _, _ in windows}))
        scene.fact(key(names[1]), layers, [see(*windows[0][2].shows["window"])])
    else:
        scene.absent(key(names[0]), "no mask limits the distance", none)
        scene.absent(key(names[1]), "no mask limits the distance", none)
    chunks = [row for row in rows if row[2].chunk is not None]
    if chunks:
        agreed(scene, key(names[2]), ((mask.chunk, *mask.shows["chunk"]) for _, _, mask in chunks))
    else:
        scene.absent(key(names[2]), "no mask divides positions into chunks", none)
