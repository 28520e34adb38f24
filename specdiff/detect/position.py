"""Rotary embeddings (which channels, which frequencies, on which layers), norms of queries and keys, other positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from specdiff.detect.agree import agreed
from specdiff.detect.attention import self_attentions
from specdiff.detect.masks import is_positional
from specdiff.detect.paths import Path, path_from
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.sites import Attention
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

CLOSE = 1e-5
"""Relative error at which two frequencies are the same: torch computes them in float32."""


@dataclass(slots=True)
class Rotation:
    """One rotation of queries or keys."""

    at: Op
    """The first product with a cosine or sine."""
    dims: int | None
    style: str | None
    style_at: Op | None
    frequencies: Any
    """numpy array of the inverse frequencies, or None."""
    frequencies_at: Op | None
    factor: float | None
    """Factor on cosines and sines; None where it is not a number."""
    last: Op | None = None
    """The last operation of the rotation."""


def rotation(graph: Operations, path: Path, end: Op) -> Rotation | None:
    """The rotation between a projection and the product, if there is one."""
    if path.projection is None:
        return None
    derived = _derived(graph, path.projection, end)
    products: list[tuple[Op, Op, Op]] = []
    for index in sorted(derived):
        op = graph[index]
        if op.kind == "view_as_complex":
            continue
        if op.kind in ("mul", "addcmul", "complex_mul", "einsum", "matmul") and len(op.inputs) == 2:
            left, right = graph.inputs(op)
            for data, angle in ((left, right), (right, left)):
                if data.id in derived and angle.id not in derived and _trigonometric(graph, angle) is not None:
                    products.append((op, data, angle))
    if not products:
        return None
    first, data, angle = products[0]
    found = Rotation(first, None, None, None, None, None, 1.0, products[-1][0])
    base = _style(graph, found, products, derived)
    _frequencies(graph, found, angle)
    if base is not None and base.shape and is_number(base.shape[-1]):
        found.dims = int(base.shape[-1])
    if found.frequencies is not None:
        count = len(found.frequencies)
        found.dims = 2 * count
    return found


def _derived(graph: Operations, start: Op, end: Op) -> set[int]:
    """Everything between a projection and a use that carries the projection's data."""
    behind = graph.ancestors([end.id], lambda op: op.id > start.id)
    reached = {start.id}
    for index in sorted(behind):
        if index > start.id and any(source in reached for source in graph[index].inputs):
            reached.add(index)
    return reached


def _trigonometric(graph: Operations, op: Op, limit: int = 60) -> Op | None:
    """The cosine, sine or complex exponential that a factor comes from, with nothing learned on the way."""
    seen: set[int] = set()
    stack = [op.id]
    found: Op | None = None
    while stack and len(seen) < limit:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        item = graph[index]
        if item.kind in ("cos", "sin", "polar"):
            found = item
            continue
        if item.dtype.startswith("complex") and item.kind in ("constant", "buffer"):
            found = item
            continue
        if item.kind in ("linear", "conv", "softmax"):
            return None
        if (
            item.kind in ("buffer", "constant")
            and item.shape
            and len(item.shape) >= 2
            and graph.array(item) is not None
        ):
            table = graph.array(item)
            if _is_table(table):
                found = item
                continue
        if item.kind == "parameter":
            return None
        stack.extend(item.inputs)
    return found


def _is_table(table: Any) -> bool:
    """Whether an array holds cosines and sines of growing angles: bounded by 1, its first row 1 or 0."""
    import numpy  # noqa: PLC0415 - only where a table is looked at

    if table.ndim < 2 or numpy.iscomplexobj(table):
        return bool(numpy.iscomplexobj(table))
    flat = table.reshape(-1, table.shape[-1])
    return bool(
        flat.shape[0] > 2 and numpy.abs(flat).max() <= 1.0001 and numpy.isin(numpy.round(flat[0], 6), (0.0, 1.0)).all()
    )


def _style(graph: Operations, found: Rotation, products: list[tuple[Op, Op, Op]], derived: set[int]) -> Op | None:
    """Which channels are paired, from how the rotated tensor is taken apart; its base before that."""
    base: Op | None = None
    for op in sorted((graph[index] for index in derived if index <= found.last.id), key=lambda op: op.id):  # type: ignore[union-attr]
        if op.id > products[-1][0].id:
            break
        before = graph[op.inputs[0]] if op.inputs else None
        if before is None or before.id not in derived:
            continue
        spec = op.attrs.get("spec")
        last = spec[-1] if isinstance(spec, tuple) and spec else None
        if op.kind == "slice" and isinstance(last, tuple) and last[2] == 2:
            found.style, found.style_at, base = "interleaved", op, before
            break
        if op.kind == "view_as_complex":
            found.style, found.style_at, base = "interleaved", op, before
            break
        if op.kind == "slice" and isinstance(last, int) and before.shape and before.shape[-1] == 2:
            found.style, found.style_at, base = "interleaved", op, before
            break
        if op.kind == "split" and before.shape:
            dim = op.attrs.get("dim")
            if dim == -1 and before.shape[-1] == 2 and op.attrs.get("length") == 1:
                found.style, found.style_at, base = "interleaved", op, before
                break
            if dim == -2 and len(before.shape) > 1 and before.shape[-2] == 2 and op.attrs.get("length") == 1:
                found.style, found.style_at, base = "half", op, before
                break
            if dim == -1 and is_number(before.shape[-1]) and op.attrs.get("length") == before.shape[-1] // 2:
                if _meets_own_half(graph, op, products):
                    found.style, found.style_at, base = "half", op, before
                    break
        if op.kind == "slice" and isinstance(last, tuple) and before.shape and is_number(before.shape[-1]):
            half = before.shape[-1] // 2
            if last in ((None, half, None), (half, None, None), (0, half, None)) and _meets_own_half(
                graph, op, products
            ):
                found.style, found.style_at, base = "half", op, before
                break
        if op.kind == "roll":
            found.style, found.style_at, base = "half", op, before
            break
    return base


def _meets_own_half(graph: Operations, op: Op, products: list[tuple[Op, Op, Op]]) -> bool:
    """Whether a half is really rotated with the other half (not the rotary part cut off from the rest)."""
    tainted = {op.id}
    last = max(product[0].id for product in products)
    for index in range(op.id + 1, last + 1):
        if any(source in tainted for source in graph[index].inputs):
            tainted.add(index)
    signs = 0
    for product, data, _ in products:
        if data.id in tainted or product.id in tainted:
            signs += 1
    flipped = any(graph[index].kind in ("neg", "sub", "flip") for index in tainted)
    other = any(
        graph[index].kind in ("neg", "sub") for index in range(op.id - 6 if op.id > 6 else 0, min(last + 4, len(graph)))
    )
    return signs > 0 and (flipped or other)


def _frequencies(graph: Operations, found: Rotation, angle: Op) -> None:
    """The inverse frequencies and the factor behind a cosine or sine."""
    op = angle
    for _ in range(40):
        if op.kind in ("cos", "sin", "polar"):
            break
        if op.kind == "mul" and len(op.inputs) == 1:
            other = op.attrs.get("other")
            found.factor = (
                found.factor * float(other) if found.factor is not None and isinstance(other, int | float) else None
            )
        elif op.kind == "mul" and len(op.inputs) == 2 and found.factor is not None:
            found.factor = None
        if not op.inputs:
            return
        op = max(graph.inputs(op), key=lambda item: (_trigonometric(graph, item) is not None, -item.id))
    if op.kind not in ("cos", "sin", "polar"):
        return
    inner = graph[op.inputs[-1] if op.kind == "polar" else op.inputs[0]]
    best: tuple[int, Any, Op] | None = None
    seen: set[int] = set()
    stack = [inner.id]
    while stack and len(seen) < 80:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        item = graph[index]
        array = graph.array(item)
        if array is not None and getattr(array, "size", 0) >= 2:
            vector = _vector(array)
            if vector is not None and (best is None or index < best[0]):
                best = (index, vector, item)
                if item.kind in ("buffer", "constant"):
                    continue
        stack.extend(item.inputs)
    if best is not None:
        found.frequencies, found.frequencies_at = best[1], best[2]


def _vector(array: Any) -> Any:
    """A falling sequence of positive numbers, where an array is one (perhaps with dimensions of 1); else None."""
    import numpy  # noqa: PLC0415 - only where frequencies are looked at

    values = (
        numpy.asarray(array, dtype=float).reshape(-1) if array.ndim == 1 or max(array.shape) == array.size else None
    )
    if values is None or len(values) < 2 or not numpy.all(numpy.isfinite(values)):
        return None
    if len(values) % 2 == 0:
        half = len(values) // 2
        if numpy.allclose(values[:half], values[half:], rtol=1e-6) and half > 1:
            values = values[:half]
    if values[0] <= 0 or numpy.any(values < 0) or numpy.any(numpy.diff(values) > 1e-12):
        return None
    return values


def rope(scene: Scene) -> None:
    """`position`, `rope.*` from the rotations of queries."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        rows: list[tuple[int, Attention, Rotation | None, Path]] = []
        for layer, site in self_attentions(tower):
            path = path_from(graph, site.query)
            rows.append((layer, site, rotation(graph, path, site.query), path))
        if not rows:
            continue
        rotated = [row for row in rows if row[2] is not None]
        if not rotated:
            if all(row[3].projection is not None for row in rows):
                for name in ("rope.theta", "rope.dims", "rope.layers", "rope.style", "rope.fraction"):
                    scene.absent(
                        tower.key(name),
                        "nothing rotates queries between projection and product",
                        [see(rows[0][1].product, "the product")],
                    )
            continue
        _rope_facts(scene, graph, tower, rows, rotated)


def _rope_facts(scene: Scene, graph: Operations, tower: Tower, rows: list[Any], rotated: list[Any]) -> None:
    key = tower.key
    first: Rotation = rotated[0][2]
    scene.fact(key("position"), "rope", [see(first.at, "queries times cosines and sines of positions")])
    layers = tuple(sorted({layer for layer, _, _, _ in rotated}))
    scene.fact(key("rope.layers"), layers, [see(first.at, f"rotated in {len(layers)} of {len(rows)} layers")])
    agreed(
        scene,
        key("rope.style"),
        ((r.style, r.style_at or r.at, f"channels taken apart: {r.style}") for _, _, r, _ in rotated),
    )
    agreed(
        scene,
        key("rope.dims"),
        ((r.dims, r.frequencies_at or r.at, f"{r.dims} rotated channels") for _, _, r, _ in rotated),
    )
    fractions = [
        (r.dims / s.head_dim if r.dims and s.head_dim else None, r.at, "rotated channels over head size")
        for _, s, r, _ in rotated
    ]
    agreed(scene, key("rope.fraction"), fractions)
    if scene.facts.get(key("attention.kind")) and scene.facts[key("attention.kind")].value == "mla":
        for _, site, r, _ in rotated[:1]:
            if r.dims and site.head_dim:
                scene.fact(key("attention.mla.rope_dim"), r.dims, [see(r.at, f"{r.dims} rotated channels")])
                scene.fact(
                    key("attention.mla.nope_dim"),
                    site.head_dim - r.dims,
                    [see(site.product, f"{site.head_dim} channels, {r.dims} of them rotated")],
                )
    groups: dict[tuple[float, ...], list[Any]] = {}
    for row in rotated:
        frequencies = row[2].frequencies
        if frequencies is None:
            scene.unsure(key("rope.theta"), "the rotary frequencies are not known as numbers", row[2].at)
            return
        groups.setdefault((*(float(x) for x in frequencies[:3]), float(frequencies[-1])), []).append(row)
    from specdiff.detect.scaling import scaling_facts, theta_of  # noqa: PLC0415 - it reads rotations

    if len(groups) == 1:
        scaling_facts(scene, tower, first, "")
        return
    windows = (
        set(scene.facts[key("attention.window.layers")].value or ())
        if key("attention.window.layers") in scene.facts
        else set()
    )  # type: ignore[arg-type]
    local = [group for group in groups.values() if {row[0] for row in group} <= windows]
    rest = [group for group in groups.values() if not {row[0] for row in group} <= windows]
    if len(local) == 1 and len(rest) == 1:
        scaling_facts(scene, tower, rest[0][0][2], "full_attention")
        theta = theta_of(local[0][0][2])
        if theta is not None:
            scene.fact(
                key("rope.local_theta"),
                theta,
                [see(local[0][0][2].frequencies_at, f"base {theta:g} in layers with a window")],
            )
        return
    scene.unsure(key("rope.theta"), "layers use different frequencies", first.at)


def qk_norm(scene: Scene) -> None:
    """`attention.qk_norm.*`: norms between the query projection and the product."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        rows: list[tuple[int, Attention, Any, Path]] = []
        for layer, site in self_attentions(tower):
            path = path_from(graph, site.query)
            if path.projection is None:
                rows = []
                break
            steps = {step.id for step in path.steps} | _derived(graph, path.projection, site.query)
            inside = [norm for norm in scene.norms if norm.output in steps and norm.input in steps]
            rows.append((layer, site, inside[0] if inside else None, path))
        if not rows:
            continue
        key = tower.key
        normed = [row for row in rows if row[2] is not None]
        if not normed:
            place = [see(rows[0][3].projection, "the query projection"), see(rows[0][1].product, "the product")]  # type: ignore[arg-type]
            scene.absent(key("attention.qk_norm"), "no norm between query projection and product", place)
            scene.absent(key("attention.qk_norm.layers"), "no norm between query projection and product", place)
            continue
        agreed(
            scene,
            key("attention.qk_norm"),
            ((_kind(n), n.start, f"{n.kind} norm of queries {n.weight}") for _, _, n, _ in normed),
        )
        agreed(
            scene,
            key("attention.qk_norm.scope"),
            ((_scope(graph, n, s), n.start, f"over {n.width} channels") for _, s, n, _ in normed),
        )
        scene.fact(
            key("attention.qk_norm.layers"),
            tuple(sorted({row[0] for row in normed})),
            [see(normed[0][2].start, "queries normalised")],
        )
        orders = []
        for _, site, norm, path in normed:
            turn = rotation(graph, path, site.query)
            if turn is not None:
                orders.append(
                    (
                        "before_rotary" if norm.start.id < turn.at.id else "after_rotary",
                        norm.start,
                        "norm and rotation in this order",
                    )
                )
        agreed(scene, key("attention.qk_norm.order"), orders)


def _kind(norm: Any) -> str:
    return "l2" if not norm.weight else str(norm.kind)


def _scope(graph: Operations, norm: Any, site: Attention) -> str | None:
    if norm.width == site.head_dim:
        return "per_head"
    if is_number(norm.width) and site.head_dim and norm.width > site.head_dim:
        return "whole"
    return None


def other_positions(scene: Scene) -> None:
    """`position` where nothing rotates: learned tables, relative biases, slopes, sinusoids, or none."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        key = tower.key("position")
        if key in scene.facts:
            continue
        sites = [site for _, site in self_attentions(tower)]
        if not sites:
            continue
        bias = _score_bias(graph, sites[0])
        if bias is not None:
            kind, op = bias
            scene.fact(key, kind, [see(op, "added to the scores")])
            continue
        added = _added_positions(graph, tower)
        if added is not None:
            kind, op, name, rows = added
            scene.fact(key, kind, [see(op, f"{name or 'a table of sines'} by position")])
            if rows is not None:
                scene.fact(tower.key("position.table_size"), rows, [see(op, f"{name} has {rows} rows")])


def _score_bias(graph: Operations, site: Attention) -> tuple[str, Op] | None:
    for bias in site.biases:
        behind = [graph[index] for index in graph.ancestors([bias.id], lambda op: op.kind not in ("linear", "conv"))]
        table = next(
            (
                op
                for op in behind
                if op.kind == "embedding" or (op.kind == "index" and graph.parameter(graph[op.inputs[0]]))
            ),
            None,
        )
        if table is not None and is_positional(graph, graph[table.inputs[0]]):
            return "relative_bias", table
        if table is not None and table.kind == "index":
            return "relative_bias", table
        if (
            is_positional(graph, bias)
            and site.heads is not None
            and bias.shape
            and any(size == site.heads for size in bias.shape)
        ):
            slope = next((op for op in behind if op.kind in ("mul", "outer")), None)
            if slope is not None:
                return "alibi", slope
    return None


def _added_positions(graph: Operations, tower: Tower) -> tuple[str, Op, str, int | None] | None:
    """A table by position that is added before the first layer."""
    first = tower.blocks[0].ops[0].id
    entry = {index for op in tower.blocks[0].ops[:60] for index in op.inputs if index < first}
    behind = graph.ancestors(entry)
    for index in sorted(behind, reverse=True):
        op = graph[index]
        if op.kind != "add" or len(op.inputs) != 2:
            continue
        for item in graph.inputs(op):
            source = graph.source(item, VIEWS)
            if (
                source.kind == "embedding"
                and is_positional(graph, graph[source.inputs[0]])
                and not _reads_input(graph, source)
            ):
                name = graph.parameter(graph[source.inputs[1]])
                shape = graph[source.inputs[1]].shape
                if name:
                    return "learned", source, name, int(shape[0]) if shape and is_number(shape[0]) else None
            if source.kind in ("index", "slice", "parameter") or item.kind in ("slice", "index", "parameter"):
                name = graph.parameter(item) or (graph.parameter(graph[source.inputs[0]]) if source.inputs else "")
                if name and source.shape and len(source.shape) >= 2:
                    base = graph.source(item, VIEWS | {"index"}).shape
                    rows = next((int(size) for size in (base or ()) if is_number(size) and size > 1), None)
                    return "learned", source, name, rows
            if source.kind in ("cat", "stack", "index", "buffer", "sin", "constant", "setitem", "overwrite"):
                if is_positional(graph, source) and any(
                    graph[i].kind in ("sin", "buffer", "cos") for i in graph.ancestors([source.id])
                ):
                    return "sinusoidal", source, "", None
    return None


def _reads_input(graph: Operations, op: Op) -> bool:
    """Whether an index is the tokens themselves."""
    source = graph.source(graph[op.inputs[0]], VIEWS)
    return source.kind == "input"


def near(a: float, b: float) -> bool:
    """Whether two frequencies are the same."""
    return math.isclose(a, b, rel_tol=CLOSE)
