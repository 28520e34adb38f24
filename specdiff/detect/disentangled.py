"""Products of content with relative positions that are gathered by distance and added to the scores (He et al. 2020, DeBERTa)."""

from __future__ import annotations

from collections.abc import Iterator

from specdiff.detect.agree import agreed
from specdiff.detect.paths import path_from
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.sites import Attention
from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.trace import Op

_PRODUCTS = ("matmul", "bmm", "einsum")
_TERMS = {("query", "place"): "c2p", ("key", "place"): "p2c", ("place", "place"): "p2p"}


def disentangled(scene: Scene, graph: Operations, tower: Tower, sites: list[Attention]) -> bool:
    """`position` and `disentangled.terms` where every product's scores have such terms; whether that is so."""
    rows = [list(_terms(graph, site)) for site in sites]
    if not all(any(term for term, _ in found) for found in rows):
        return False
    first = next(at for term, at in rows[0] if term)
    scene.fact(tower.key("position"), "disentangled", [see(first, "products with a table by distance join the scores")])
    readings = []
    for found in rows:
        odd = next((at for term, at in found if not term), None)
        names = tuple(sorted({term for term, _ in found}))
        words = "what else is added to the scores" if odd is not None else ", ".join(names)
        readings.append((None if odd is not None else names, odd or found[0][1], words))
    agreed(scene, tower.key("disentangled.terms"), readings)
    why = "a table of distances has rows for both directions, and what of it counts as buckets is not shown"
    scene.unsure(tower.key("relative_bias.buckets"), why, first)
    scene.waits(tower.key("relative_bias.max_distance"), tower.key("relative_bias.buckets"))
    return True


def _terms(graph: Operations, site: Attention) -> Iterator[tuple[str, Op]]:
    """What is added to a product's scores, by term and with its operation; without a name where it is none of the terms."""
    own = {name: path_from(graph, op).projection for name, op in (("query", site.query), ("key", site.key))}
    ids = {op.id: name for name, op in own.items() if op is not None}
    for bound in site.bounds:
        for part in _parts(graph, bound.op) if bound.how == "add" else ():
            if graph.array(part) is None or part.kind in ("gather", "index"):
                yield _term(graph, part, ids), part


def _term(graph: Operations, part: Op, ids: dict[int, str]) -> str:
    if part.kind not in ("gather", "index") or not part.inputs:
        return ""
    product = _unscaled(graph, graph[part.inputs[0]])
    if product.kind not in _PRODUCTS or len(product.inputs) != 2:
        return ""
    left, right = (_side(graph, item, ids) for item in graph.inputs(product))
    return _TERMS.get((left, right)) or _TERMS.get((right, left)) or ""


def _side(graph: Operations, op: Op, ids: dict[int, str]) -> str:
    projection = path_from(graph, op).projection
    if projection is not None and projection.id in ids:
        return ids[projection.id]
    learned = projection is not None or graph.source(op).kind in ("parameter", "embedding")
    return "place" if learned and not graph.from_inputs[op.id] else ""


def _parts(graph: Operations, op: Op) -> Iterator[Op]:
    """A sum's parts, seen through views and factors."""
    op = _unscaled(graph, op)
    if op.kind == "add":
        for item in graph.inputs(op):
            yield from _parts(graph, item)
    else:
        yield op


def _unscaled(graph: Operations, op: Op) -> Op:
    """A value without the numbers that it is multiplied with."""
    for _ in range(20):
        op = graph.source(op, VIEWS | {"cast", "dropout"})
        numbers = [item for item in graph.inputs(op)[1:] if item.shape not in ((), (1,))]
        if op.kind not in ("mul", "div") or not op.inputs or numbers:
            break
        op = graph[op.inputs[0]]
    return op
