"""Positions that are not rotations: tables added to the input, biases added to the scores, convolutions, or none."""

from __future__ import annotations

import math
from typing import Any

from specdiff.detect.attention import self_attentions
from specdiff.detect.disentangled import disentangled
from specdiff.detect.entering import DATA, Leaf, added_to_input
from specdiff.detect.masks import lengths, ordinary
from specdiff.detect.networks import carried
from specdiff.detect.paths import path_from
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.sites import Attention
from specdiff.facts import Evidence
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

FAR = 4_096
"""Length at which buckets of distances are looked at."""
SHORT = 24
"""Length at which what is added to the scores is looked at key by key."""
HIDDEN = -1e4
"""A key whose score is lowered by as much has no weight after a softmax in any precision; codes write -1e4 to -inf."""


def other_positions(scene: Scene) -> None:
    """`position` where nothing rotates: learned tables, relative biases, slopes, sinusoids, convolutions, or none."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        sites = [site for _, site in self_attentions(tower)]
        if not sites:
            continue
        key = tower.key("position")
        biased = _biases(scene, graph, tower, sites)
        added = added_to_input(graph, tower)
        _lacks(scene, tower, added)
        if biased and key not in scene.facts and key not in scene.undecided:
            scene.fact(key, biased[0], biased[1])
        if key in scene.facts or key in scene.undecided:
            _beside(scene, graph, tower, added)
            continue
        if disentangled(scene, graph, tower, sites):
            _beside(scene, graph, tower, added)
            continue
        odd = _computed_bias(graph, sites)
        if odd is not None and not any(leaf.kind in ("learned", "sinusoidal", "conv") for leaf in added):
            scene.unsure(key, "what is added to the scores is computed, and may speak of positions", odd)
            continue
        if odd is not None:
            for name in ("buckets", "max_distance", "per_layer"):
                words = "what is added to the scores is computed, and may speak of distances"
                scene.unsure(tower.key(f"relative_bias.{name}"), words, odd)
        _from_input(scene, graph, tower, added)


def without_attention(scene: Scene) -> None:
    """`position` of stacks in which no layer multiplies queries with keys."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        key = tower.key("position")
        if tower.key("attention.kind") in scene.absences and key not in scene.facts and key not in scene.undecided:
            added = added_to_input(graph, tower)
            _lacks(scene, tower, added)
            _from_input(scene, graph, tower, added)


def _lacks(scene: Scene, tower: Tower, added: list[Leaf]) -> None:
    """Tables and convolutions by position that are not among the values that the first layer's input is the sum of."""
    if not added or any(leaf.kind == "unknown" for leaf in added):
        return
    kinds = {leaf.kind for leaf in added}
    here = [see(leaf.op, "enters the first layer") for leaf in added[:2]]
    for part, names in (
        ({"learned", "sinusoidal", "fixed"}, ("table_size", "offset")),
        ({"conv"}, ("conv_kernel", "conv_groups")),
    ):
        if not kinds & part:
            for name in names:
                scene.absent(tower.key(f"position.{name}"), "nothing of the kind enters the first layer", here)


def _computed_bias(graph: Operations, sites: list[Attention]) -> Op | None:
    """Something learned or computed that is added to the scores and was not recognised."""
    for bound in sites[0].bounds:
        if bound.how in ("add", "sub"):
            for index in graph.ancestors([bound.op.id]):
                if graph[index].kind in (*DATA, "embedding", "parameter"):
                    return bound.op
    return None


def _entering(added: list[Leaf]) -> Leaf | None:
    """A table by position among the values that the first layer's input is the sum of."""
    return next((leaf for leaf in added if leaf.kind in ("learned", "sinusoidal", "fixed")), None)


def _rows(scene: Scene, tower: Tower, table: Leaf) -> None:
    """`position.table_size` and `.offset`."""
    if table.rows is not None:
        scene.fact(tower.key("position.table_size"), table.rows, [see(table.op, f"{table.name} has {table.rows} rows")])
    if table.offset is not None:
        words = f"position 0 reads row {table.offset}"
        scene.fact(tower.key("position.offset"), table.offset, [see(table.op, words)])


def _kernel(scene: Scene, graph: Operations, tower: Tower, conv: Leaf) -> None:
    """`position.conv_kernel` and `.conv_groups`."""
    weight = graph[conv.op.inputs[1]].shape or ()
    if weight and is_number(weight[-1]):
        scene.fact(tower.key("position.conv_kernel"), int(weight[-1]), [see(conv.op, f"kernel of {weight[-1]}")])
    groups = conv.op.attrs.get("groups")
    if is_number(groups):
        scene.fact(tower.key("position.conv_groups"), groups, [see(conv.op, f"{groups} groups")])


def _beside(scene: Scene, graph: Operations, tower: Tower, added: list[Leaf]) -> None:
    """What enters with the input where rotations or a bias speak of positions too."""
    tables = [leaf for leaf in added if leaf.kind == "learned"]
    if len({table.rows for table in tables}) > 1:
        for name in ("table_size", "offset"):
            scene.unsure(
                tower.key(f"position.{name}"), "several tables by position enter the first layer", tables[0].op
            )
    elif tables:
        _rows(scene, tower, tables[0])
    conv = next((leaf for leaf in added if leaf.kind == "conv"), None)
    if conv is not None:
        _kernel(scene, graph, tower, conv)


def _from_input(scene: Scene, graph: Operations, tower: Tower, added: list[Leaf]) -> None:
    key = tower.key("position")
    table = _entering(added)
    if table is not None:
        sines = scene.text.sines(table.name) if scene.text is not None and table.name else None
        if sines is not None:
            answer, file, line = sines
            here = Evidence(file, line, line, f"the initialiser writes sines and cosines into {table.name}")
            if answer:
                scene.fact(key, "sinusoidal", [see(table.op, f"{table.name} by position, added to the input"), here])
            else:
                scene.unsure(key, f"whether the initialiser writes sines into {table.name} hangs on a condition", here)
        elif table.kind == "fixed":
            scene.unsure(
                key,
                f"{table.name} is added by position, and training leaves it as it is: its content is not in the code",
                table.op,
            )
        else:
            scene.fact(
                key, table.kind, [see(table.op, f"{table.name or 'sines and cosines'} by position, added to the input")]
            )
        _rows(scene, tower, table)
        return
    conv = next((leaf for leaf in added if leaf.kind == "conv"), None)
    if conv is not None:
        scene.fact(key, "conv", [see(conv.op, f"a convolution of {conv.name} is added to its own input")])
        _kernel(scene, graph, tower, conv)
        return
    odd = next((leaf for leaf in added if leaf.kind == "unknown"), None)
    if odd is not None:
        scene.unsure(key, f"what {odd.op.kind} adds to the input is not recognised", odd.op)
        return
    beside = _beside_values(graph, tower)
    if beside is not None:
        scene.unsure(
            key, "what is added to the input of queries and keys, not of values, may speak of positions", beside
        )
        return
    slanted = _slanted(graph, tower)
    if slanted is not None:
        scene.unsure(key, *slanted)
    elif added:
        scene.fact(
            key,
            "none",
            [see(leaf.op, "enters the first layer, and says nothing of its position") for leaf in added[:3]],
        )


def _slanted(graph: Operations, tower: Tower) -> tuple[str, Op] | None:
    """What is added to the scores, where it is not known or not the same for all keys that a query may see."""
    import numpy  # noqa: PLC0415

    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    for _, site in self_attentions(tower)[:1]:
        added = [bound.op for bound in site.bounds if bound.how in ("add", "sub")]
        if not added:
            continue
        points = Points(graph, lengths(graph, SHORT), ordinary(graph))
        for op in added:
            try:
                shape = points.shape(op)
                if not shape or shape[-1] == 1:
                    continue
                index = [numpy.full(shape[-1], size - 1) for size in shape[:-1]] + [numpy.arange(shape[-1])]
                row: Any = numpy.asarray(points.value(op, tuple(index))).astype("float64")
            except NotKnown as error:
                return (
                    f"what is added to the scores may speak of positions, and could not be followed: {error.reason}",
                    op,
                )
            seen = row[row > HIDDEN]
            if seen.size and float(seen.max() - seen.min()) > 1e-9:
                return "what is added to the scores changes from key to key, and may speak of positions", op
    return None


def _beside_values(graph: Operations, tower: Tower) -> Op | None:
    """An addition in front of the queries' or keys' projection that the values' does not read (Carion et al. 2020, DETR)."""
    for block in tower.blocks[:1]:
        for site in block.attentions:
            value = path_from(graph, site.value).projection
            plain = _read_by(graph, value)
            for use in (site.query, site.key):
                found = _read_by(graph, path_from(graph, use).projection)
                if plain is None or found is None or found.id == plain.id or found.kind != "add":
                    continue
                if any(carried(graph, item).id == plain.id for item in graph.inputs(found)):
                    return found
    return None


def _read_by(graph: Operations, projection: Op | None) -> Op | None:
    return carried(graph, graph[projection.inputs[0]]) if projection is not None and projection.inputs else None


# --- What is added to the scores ---------------------------------------------------------------


def _biases(scene: Scene, graph: Operations, tower: Tower, sites: list[Attention]) -> tuple[str, list[Evidence]] | None:
    """Slopes by distance, or a learned table by distance, among what is added to the scores."""
    tables: list[str] = []
    relative: tuple[Op, Op] | None = None
    for site in sites:
        own = ""
        for bound in site.bounds:
            if bound.how not in ("add", "sub"):
                continue
            table = _relative_table(graph, bound.op)
            if table is not None:
                own = graph.parameter(graph[table.inputs[1 if table.kind == "embedding" else 0]])
                relative = relative or (table, bound.op)
        tables.append(own)
    if relative is not None and all(tables):
        table, bias = relative
        _relative_facts(scene, graph, tower, table, tables)
        return "relative_bias", [see(table, f"{tables[0]} by distance"), see(bias, "added to the scores")]
    for bound in sites[0].bounds:
        if bound.how in ("add", "sub"):
            slopes = _slopes(graph, sites[0], bound.op)
            if slopes is not None:
                at, numbers = slopes
                largest = _max_bias(numbers)
                if largest is not None:
                    scene.fact(
                        tower.key("alibi.max_bias"),
                        largest,
                        [see(at, f"{len(numbers)} slopes, the first {numbers[0]:.6g}")],
                    )
                else:
                    scene.unsure(tower.key("alibi.max_bias"), "the slopes of the heads follow no known rule", at)
                return "alibi", [
                    see(
                        at,
                        f"falls by {numbers[0]:.6g} per position in the first head, by {numbers[-1]:.6g} in the last",
                    )
                ]
    return None


def _relative_table(graph: Operations, bias: Op) -> Op | None:
    """The look-up of a learned bias by distance."""
    behind = sorted(graph.ancestors([bias.id], lambda op: op.kind not in (*DATA, "embedding")), reverse=True)
    for index in behind:
        op = graph[index]
        if op.kind == "embedding" and len(op.inputs) > 1 and not _reads_tokens(graph, op):
            return op
        if op.kind in ("index", "gather") and op.inputs and graph.source(graph[op.inputs[0]]).kind == "parameter":
            return op
    return None


def _reads_tokens(graph: Operations, op: Op) -> bool:
    return graph.from_inputs[op.inputs[0]]


def _relative_facts(scene: Scene, graph: Operations, tower: Tower, table: Op, tables: list[str]) -> None:
    weight = graph.source(graph[table.inputs[1 if table.kind == "embedding" else 0]])
    key = tower.key
    buckets = int(weight.shape[0]) if weight.shape and is_number(weight.shape[0]) else None
    if table.kind == "embedding" and buckets is not None:
        scene.fact(key("relative_bias.buckets"), buckets, [see(table, f"{tables[0]} has {buckets} rows")])
        farthest = _max_distance(graph, graph[table.inputs[0]], buckets)
        if farthest is not None:
            scene.fact(
                key("relative_bias.max_distance"),
                farthest,
                [see(table, f"distances from {farthest} on share a bucket")],
            )
        else:
            scene.unsure(
                key("relative_bias.max_distance"), "how distances fall into buckets follows no known formula", table
            )
    if len(set(tables)) == 1:
        scene.fact(key("relative_bias.per_layer"), len(tables) == 1, [see(table, f"all layers read {tables[0]}")])
    elif len(set(tables)) == len(tables):
        scene.fact(key("relative_bias.per_layer"), True, [see(table, f"{len(tables)} tables for as many layers")])


def _max_distance(graph: Operations, index: Op, buckets: int) -> int | None:
    """T5's buckets (arXiv:1910.10683; publisher's code, `_relative_position_bucket`): the distance that their formula ends at."""
    import numpy  # noqa: PLC0415

    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    points = Points(graph, lengths(graph, FAR))
    try:
        shape = points.shape(index)
        if len(shape) < 2:
            return None
        count = shape[-1]
        row = count - 1
        place = (
            *[numpy.zeros(count, dtype=int)] * (len(shape) - 2),
            numpy.full(count, min(row, shape[-2] - 1)),
            numpy.arange(count),
        )
        seen = numpy.asarray(points.value(index, place))[::-1]
        ahead = (
            *[numpy.zeros(count, dtype=int)] * (len(shape) - 2),
            numpy.zeros(count, dtype=int),
            numpy.arange(count),
        )
        two_sided = len(set(numpy.asarray(points.value(index, ahead)).tolist())) > 1
    except NotKnown:
        return None
    share = buckets // 2 if two_sided else buckets
    exact = share // 2
    numbers = {
        round(exact * math.exp(abs(float(other))))
        for i in graph.ancestors([index.id])
        if isinstance(other := graph[i].attrs.get("other"), float) and 0 < abs(other) < 20
    }
    distances = numpy.arange(count)
    for candidate in sorted(numbers):
        if candidate <= exact:
            continue
        large = exact + (
            numpy.log(numpy.maximum(distances, 1) / exact) / math.log(candidate / exact) * (share - exact)
        ).astype(int)
        expected = numpy.where(distances < exact, distances, numpy.minimum(large, share - 1))
        off = numpy.unique(seen - expected)
        if len(off) == 1 or numpy.mean(seen - expected == off[numpy.argmax(off == 0)]) > 0.999:
            return candidate
    return None


def _slopes(graph: Operations, site: Attention, bias: Op) -> tuple[Op, list[float]] | None:
    """How much each head's bias changes from one key to the next, where that is the same everywhere."""
    import numpy  # noqa: PLC0415

    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    heads = site.heads
    if heads is None:
        return None
    length = 40
    points = Points(graph, lengths(graph, length), ordinary(graph))
    for op in _summands(graph, bias):
        try:
            shape = points.shape(op)
            if len(shape) < 2 or heads not in shape[:-1]:
                continue
            where = shape.index(heads)
            row = shape[-2] - 1 if where != len(shape) - 2 else 0
            values = []
            for key in (shape[-1] - 1, shape[-1] - 2, shape[-1] // 2, shape[-1] // 2 + 1):
                index = [numpy.zeros(heads, dtype=int)] * len(shape)
                if where != len(shape) - 2:
                    index[-2] = numpy.full(heads, row)
                index[where] = numpy.arange(heads)
                index[-1] = numpy.full(heads, key)
                values.append(numpy.broadcast_to(numpy.asarray(points.value(op, tuple(index)), dtype=float), (heads,)))
        except NotKnown:
            continue
        near, far = values[0] - values[1], values[3] - values[2]
        if numpy.allclose(near, far, rtol=1e-4) and numpy.all(numpy.abs(near) > 0) and numpy.all(numpy.abs(near) < 4):
            slope = next(
                (
                    graph[i]
                    for i in sorted(graph.ancestors([op.id]))
                    if heads in (graph[i].shape or ()) and graph[i].kind in ("mul", "outer")
                ),
                op,
            )
            return slope, [abs(float(value)) for value in near]
    return None


def _summands(graph: Operations, op: Op) -> list[Op]:
    """A value and, where it is a sum, its parts."""
    found: list[Op] = []
    stack = [op]
    while stack and len(found) < 20:
        item = stack.pop()
        found.append(item)
        if item.kind in ("add", "sub", "where", "masked_fill") or item.kind in VIEWS:
            stack.extend(each for each in graph.inputs(item) if each.dtype != "bool")
    return found


def _max_bias(slopes: list[float]) -> float | None:
    """m where the slopes are 2^(-m·i/n), i from 1 and n heads.

    Where n is no power of two, n is the next lower one and the heads beyond it have slopes that lie between:
    2^(-m·(2i-1)/2n) (Press et al. 2021, arXiv:2108.12409, publisher's code, `get_slopes`).
    """
    count = 2 ** int(math.log2(len(slopes)))
    shares = [*(i / count for i in range(1, count + 1)), *((2 * i - 1) / 2 / count for i in range(1, count + 1))]
    for steps in (shares, [i / len(slopes) for i in range(1, len(slopes) + 1)]):
        largest = -math.log2(slopes[0]) / steps[0]
        if all(
            math.isclose(slope, 2 ** (-largest * step), rel_tol=1e-3)
            for slope, step in zip(slopes, steps, strict=False)
        ):
            rounded = round(largest, 3)
            return int(rounded) if float(rounded).is_integer() else rounded
    return None


__all__ = ["other_positions", "without_attention"]
