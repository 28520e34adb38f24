"""Rotary embeddings (which channels, which frequencies, on which layers), norms of queries and keys, other positions."""

from __future__ import annotations

import math
from typing import Any

from specdiff.detect.agree import agreed
from specdiff.detect.attention import self_attentions
from specdiff.detect.regions import Region, region
from specdiff.detect.rotation import Rotation, first_turn, rotation
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.sites import Attention
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

CLOSE = 1e-5
"""Relative error at which two frequencies are the same: torch computes them in float32."""


def rope(scene: Scene) -> None:
    """`position`, `rope.*` from the rotations of queries and keys."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        rows: list[tuple[int, Attention, Rotation | None, Region]] = []
        for layer, site in self_attentions(tower):
            end = _unscaled(graph, site)
            area = region(graph, end)
            rows.append((layer, site, rotation(graph, end, area), area))
        if not rows:
            continue
        if _not_followed(scene, tower, ("position", *_ROPE), rows[0][3]):
            continue
        turned = [row for row in rows if row[2] is not None]
        rotated = [row for row in turned if row[2] is not None and not row[2].unmoving]
        if turned and not rotated:
            _turned_alike(scene, tower, turned[0][2])
            continue
        if not rotated:
            if any(row[1].summed for row in rows):
                scene.unsure(
                    tower.key("position"), "the scores are a sum of two products of tokens", rows[0][1].product
                )
            elif all(row[3].projections for row in rows):
                for name in _ROPE:
                    scene.absent(
                        tower.key(name),
                        "nothing rotates queries between projection and product",
                        [see(rows[0][1].product, "the product")],
                    )
            continue
        odd = _unlike_keys(graph, rotated)
        if odd is not None:
            scene.unsure(tower.key("position"), "queries are rotated and keys are not rotated the same way", odd)
        _only_the_tables(graph, rotated)
        _rope_facts(scene, graph, tower, rows, rotated)


def _not_followed(scene: Scene, tower: Tower, names: tuple[str, ...], area: Region) -> bool:
    """Whether something outside of the analysed source changes what is between projection and product."""
    graph = scene.operations
    outside = (
        next((graph[index] for index in sorted(area.derived) if graph[index].kind == "outside"), None)
        if graph
        else None
    )
    if outside is None:
        return False
    for name in names:
        scene.unsure(tower.key(name), f"{outside.attrs['name']} changes it, outside of the analysed source", outside)
    return True


_ROPE = ("rope.theta", "rope.dims", "rope.layers", "rope.style", "rope.fraction", "rope.sections")


def _turned_alike(scene: Scene, tower: Tower, turn: Rotation | None) -> None:
    """Queries and keys that are turned by the same angles everywhere: their product is what it is without."""
    assert turn is not None
    for name in _ROPE:
        scene.absent(tower.key(name), "every position is turned by the same angles", [see(turn.at, "the rotation")])


def _unscaled(graph: Operations, site: Attention) -> Op:
    """The queries before the numbers that are part of the scores' scale: those are no factor on cosines and sines."""
    scales = {op.id for op in site.scales}
    found = op = site.query
    for _ in range(12):
        if op.id in scales and op.inputs and op.kind != "outside":
            found = op = graph[op.inputs[0]]
        elif op.kind in VIEWS and op.inputs:
            op = graph[op.inputs[0]]
        else:
            break
    return found


def _unlike_keys(graph: Operations, rotated: list[tuple[int, Attention, Rotation | None, Region]]) -> Op | None:
    """A layer whose keys are not rotated as its queries are; a few layers stand for all."""
    for _, site, turn, _ in rotated[:2] + rotated[-1:]:
        other = rotation(graph, site.key if site.fused else _untransposed(graph, site.key))
        if other is None:
            return site.product
        if turn is not None and not turn.why and not other.why and not turn.same(other):
            return other.at
    return None


def _only_the_tables(graph: Operations, rotated: list[tuple[int, Attention, Rotation | None, Region]]) -> None:
    """Take the scale of attention out of the tables' factor: what only the queries or only the keys are multiplied with."""
    _, site, turn, _ = rotated[0]
    other = rotation(graph, site.key if site.fused else _untransposed(graph, site.key))
    if turn is None or other is None or None in (turn.factor, other.factor) or turn.factor == other.factor:
        return
    common = 1.0 if 1.0 in (turn.factor, other.factor) else None
    for _, _, each, _ in rotated:
        if each is not None:
            each.factor = common


def _untransposed(graph: Operations, key: Op) -> Op:
    """The keys before they were turned for the product, channels last."""
    op = key
    for _ in range(4):
        if op.kind in ("transpose", "permute") and op.inputs and op.shape:
            before = graph[op.inputs[0]]
            if before.shape and before.shape[-1] != op.shape[-1]:
                return before
        if op.kind not in VIEWS or not op.inputs:
            break
        op = graph[op.inputs[0]]
    return key


def _chosen(graph: Operations, query: Op) -> Op | None:
    """A choice between two values of queries that the input makes."""
    op = query
    for _ in range(12):
        if op.kind == "where" and len(op.inputs) > 2 and graph.from_inputs[op.inputs[0]]:  # noqa: PLR2004 - a condition and two values
            one, other = op.inputs[1:3]
            return op if all(len(graph[each].shape or ()) > 2 for each in (one, other)) else None  # noqa: PLR2004 - not a number
        if op.kind not in VIEWS | {"mul", "div"} or not op.inputs:
            return None
        op = graph[op.inputs[0]]
    return None


def _rope_facts(scene: Scene, graph: Operations, tower: Tower, rows: list[Any], rotated: list[Any]) -> None:
    key = tower.key
    first: Rotation = rotated[0][2]
    if all(row[2].proven for row in rotated):
        scene.fact(key("position"), "rope", [see(first.at, "queries times cosines and sines of positions")])
    else:
        scene.unsure(
            key("position"),
            "queries are multiplied with a table by position whose content is not in the code",
            first.at,
        )
    layers = tuple(sorted({layer for layer, _, _, _ in rotated}))
    chosen = next((op for _, site, _, _ in rotated if (op := _chosen(graph, site.query)) is not None), None)
    if chosen is not None:
        scene.unsure(key("rope.layers"), "whether queries are rotated here depends on what comes in", chosen)
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
    if all(r.sections for _, _, r, _ in rotated):
        agreed(
            scene,
            key("rope.sections"),
            ((r.sections, r.at, f"pairs that turn with each axis: {r.sections}") for _, _, r, _ in rotated),
        )
    elif not any(r.sections for _, _, r, _ in rotated):
        # Without the way back to the frequencies, nothing tells that they were not put together from several axes.
        if all(r.dims for _, _, r, _ in rotated):
            scene.absent(key("rope.sections"), "all pairs turn with one position", [see(first.at, "the rotation")])
        else:
            scene.unsure(key("rope.sections"), "the rotation was not followed back to its frequencies", first.at)
    if scene.facts.get(key("attention.kind")) and scene.facts[key("attention.kind")].value == "mla":
        turned = ((r.dims, r.at, f"{r.dims} rotated channels") for _, _, r, _ in rotated)
        agreed(scene, key("attention.mla.rope_dim"), turned)
        still = (
            (
                s.head_dim - r.dims if r.dims and s.head_dim else None,
                s.product,
                f"{s.head_dim} channels, {r.dims} of them rotated",
            )
            for _, s, r, _ in rotated
        )
        agreed(scene, key("attention.mla.nope_dim"), still)
    groups: dict[tuple[float, ...], list[Any]] = {}
    for row in rotated:
        frequencies = row[2].frequencies
        if frequencies is None:
            for name in ("rope.theta", "rope.scaling.type"):
                scene.unsure(key(name), f"the rotary frequencies are not known as numbers: {row[2].why}", row[2].at)
            return
        groups.setdefault((*(float(x) for x in frequencies[:3]), float(frequencies[-1])), []).append(row)
    from specdiff.detect.scaling import scaling_facts, theta_of  # noqa: PLC0415 - it reads rotations

    if len(groups) == 1:
        scaling_facts(scene, tower, first, "")
        return
    told = scene.facts.get(key("attention.window.layers"))
    windows = set(told.value) if told is not None and isinstance(told.value, tuple | list) else set()
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


def temperature(scene: Scene) -> None:
    """`attention.temperature.*`: queries times 1 + s·ln(1 + floor((position + 1) / f))."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        found: list[tuple[Op, tuple[float, int] | None]] = []
        sites = self_attentions(tower)
        for _, site in sites:
            area = region(graph, site.query)
            for index in sorted(area.derived):
                op = graph[index]
                if op.kind == "mul" and len(op.inputs) == 2:
                    others = [item for item in graph.inputs(op) if item.id not in area.derived]
                    if others and _logarithm(graph, others[0]) is not None:
                        found.append((op, _growth(graph, others[0])))
                        break
        key = tower.key
        if found:
            values = {value for _, value in found}
            value = values.pop() if len(values) == 1 else None
            if value is None:
                scene.unsure(
                    key("attention.temperature.scale"), "queries grow with the position in an unknown way", found[0][0]
                )
                scene.unsure(
                    key("attention.temperature.floor"), "queries grow with the position in an unknown way", found[0][0]
                )
                continue
            at = [see(found[0][0], f"queries times 1 + {value[0]:g}·ln(1 + floor((position + 1) / {value[1]}))")]
            scene.fact(key("attention.temperature.scale"), value[0], at)
            scene.fact(key("attention.temperature.floor"), value[1], at)
        elif sites:
            at = [see(sites[0][1].product, "the product")]
            for name in ("scale", "floor"):
                scene.absent(key(f"attention.temperature.{name}"), "no factor on queries grows with the position", at)


def _logarithm(graph: Operations, op: Op) -> Op | None:
    """The logarithm of a position behind a factor, with nothing learned in it."""
    behind = graph.ancestors([op.id])
    if len(behind) > 60 or any(graph[index].kind in ("parameter", "linear", "embedding") for index in behind):
        return None
    return next((graph[index] for index in sorted(behind) if graph[index].kind in ("log", "log1p", "log2")), None)


def _growth(graph: Operations, factor: Op) -> tuple[float, int] | None:
    """(s, f) of a factor by position, read off where it begins to grow and by how much.

    Positions are counted from 1 (Llama 4) or from 0 (Ministral 3).
    """
    from specdiff.detect.masks import lengths, ordinary  # noqa: PLC0415
    from specdiff.detect.places import NotKnown  # noqa: PLC0415 - numpy only where a factor grows
    from specdiff.detect.points import Points  # noqa: PLC0415

    numbers = {
        int(other)
        for index in graph.ancestors([factor.id])
        if isinstance(other := graph[index].attrs.get("other"), int | float)
        and 1 < other < 10_000_000
        and other == int(other)
    }
    for floor in sorted(numbers, reverse=True):
        points = Points(graph, lengths(graph, 4 * floor), ordinary(graph))

        def at(position: int, points: Points = points) -> float:
            import numpy  # noqa: PLC0415

            shape = points.shape(factor)
            where = max(range(len(shape)), key=lambda d: shape[d])
            index = tuple(numpy.array([position if d == where else 0]) for d in range(len(shape)))
            return float(numpy.asarray(points.value(factor, index), dtype=float).reshape(-1)[0])

        try:
            for start in (floor - 1, floor):
                if not math.isclose(at(start - 1), 1.0, rel_tol=1e-9):
                    continue
                scale = (at(start) - 1) / math.log(2)
                if scale > 0 and math.isclose(at(start + floor), 1 + scale * math.log(3), rel_tol=1e-6):
                    return round(scale, 9), floor
        except NotKnown:
            return None
    return None


def qk_norm(scene: Scene) -> None:
    """`attention.qk_norm.*`: norms between the query projection and the product."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        rows: list[tuple[int, Attention, Any, Region]] = []
        for layer, site in self_attentions(tower):
            area = region(graph, site.query)
            if not area.projections:
                rows = []
                break
            inside = [norm for norm in scene.norms if _within(graph, norm, area)]
            keys = region(graph, site.key)
            others = [norm for norm in scene.norms if _within(graph, norm, keys)]
            if bool(inside) != bool(others):
                scene.unsure(tower.key("attention.qk_norm"), "only one of queries and keys is normalised", site.product)
            rows.append((layer, site, inside[0] if inside else None, area))
        if not rows or _not_followed(scene, tower, ("attention.qk_norm", "attention.qk_norm.layers"), rows[0][3]):
            continue
        key = tower.key
        normed = [row for row in rows if row[2] is not None]
        if not normed:
            place = [see(rows[0][3].projections[0], "the query projection"), see(rows[0][1].product, "the product")]
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
        for _, _, norm, area in normed:
            turn = first_turn(graph, area)
            if turn is not None:
                orders.append(
                    (
                        "before_rotary" if norm.start.id < turn.id else "after_rotary",
                        norm.start,
                        "norm and rotation in this order",
                    )
                )
        agreed(scene, key("attention.qk_norm.order"), orders)


def _within(graph: Operations, norm: Any, area: Region) -> bool:
    """Whether a norm works on what a projection made, on its way to the product."""
    return norm.output in area.derived and norm.start.id in area.derived


def _kind(norm: Any) -> str:
    return "l2" if not norm.weight and norm.kind == "rms" else str(norm.kind)


def _scope(graph: Operations, norm: Any, site: Attention) -> str | None:
    if norm.width == site.head_dim:
        return "per_head"
    if is_number(norm.width) and site.head_dim and norm.width > site.head_dim:
        return "whole"
    return None
