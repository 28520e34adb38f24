"""Positions that are not rotations: tables added to the input, biases added to the scores, convolutions, or none."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from specdiff.detect.attention import self_attentions
from specdiff.detect.masks import lengths, ordinary
from specdiff.detect.networks import carried
from specdiff.detect.paths import path_from
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.sites import Attention
from specdiff.facts import Evidence
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

SHORT = 12
"""Positions at which a table's index is looked at."""

FAR = 4_096
"""Length at which buckets of distances are looked at."""

_DATA = frozenset({"linear", "conv", "matmul", "softmax", "bmm", "einsum"})
_THROUGH = VIEWS | {
    "dropout",
    "identity",
    "index",
    "gather",
    "masked_fill",
    "where",
    "contiguous",
    "flip",
    "roll",
    "pad",
}
MOST_LEAVES = 60


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
        added = _added(graph, tower)
        _lacks(scene, tower, added)
        if key in scene.facts or key in scene.undecided:
            continue
        if biased:
            scene.fact(key, biased[0], biased[1])
            _rows(scene, tower, _entering(added))
            continue
        odd = _computed_bias(graph, sites)
        if odd is not None and not any(leaf.kind in ("learned", "sinusoidal", "conv") for leaf in added):
            scene.unsure(key, "what is added to the scores is computed, and may speak of positions", odd)
            continue
        _from_input(scene, graph, tower, added)


def without_attention(scene: Scene) -> None:
    """`position` of stacks in which no layer multiplies queries with keys."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        key = tower.key("position")
        if tower.key("attention.kind") in scene.absences and key not in scene.facts and key not in scene.undecided:
            added = _added(graph, tower)
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
                if graph[index].kind in (*_DATA, "embedding", "parameter"):
                    return bound.op
    return None


def _entering(added: list[Leaf]) -> Leaf | None:
    """A table by position among the values that the first layer's input is the sum of."""
    return next((leaf for leaf in added if leaf.kind in ("learned", "sinusoidal", "fixed")), None)


def _rows(scene: Scene, tower: Tower, table: Leaf | None) -> None:
    """`position.table_size` and `.offset`, also of a table that stands beside a bias by distance."""
    if table is None:
        return
    if table.rows is not None:
        scene.fact(tower.key("position.table_size"), table.rows, [see(table.op, f"{table.name} has {table.rows} rows")])
    if table.offset is not None:
        words = f"position 0 reads row {table.offset}"
        scene.fact(tower.key("position.offset"), table.offset, [see(table.op, words)])


def _from_input(scene: Scene, graph: Operations, tower: Tower, added: list[Leaf]) -> None:
    key = tower.key("position")
    table = _entering(added)
    if table is not None:
        if table.kind == "fixed":
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
        weight = graph[conv.op.inputs[1]].shape or ()
        scene.fact(key, "conv", [see(conv.op, f"a convolution of {conv.name} is added to its own input")])
        if weight and is_number(weight[-1]):
            scene.fact(tower.key("position.conv_kernel"), int(weight[-1]), [see(conv.op, f"kernel of {weight[-1]}")])
        groups = conv.op.attrs.get("groups")
        if is_number(groups):
            scene.fact(tower.key("position.conv_groups"), groups, [see(conv.op, f"{groups} groups")])
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
    elif added:
        scene.fact(
            key,
            "none",
            [see(leaf.op, "enters the first layer, and says nothing of its position") for leaf in added[:3]],
        )


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


# --- What is added to the input ----------------------------------------------------------------

_PUT_TOGETHER = frozenset({"cat", "join", "stack", "setitem", "overwrite", "scatter"})
"""What a table of sines and cosines is put together with."""
MOST_OFFSET = 4
"""Rows that a table of sines may keep in front of the first position's."""


@dataclass(slots=True)
class Leaf:
    """One of the values that the first layer's input is the sum of."""

    op: Op
    kind: str
    """`learned`, `sinusoidal`, `fixed` (a table that is not trained), `conv`, `data`, or `unknown`."""
    name: str = ""
    rows: int | None = None
    offset: int | None = None


def _added(graph: Operations, tower: Tower) -> list[Leaf]:
    """The values that are summed up to the first layer's input."""
    block = tower.blocks[0]
    first = block.ops[0].id
    start = next(
        (
            graph[source]
            for op in block.ops
            for source in op.inputs
            if source < first and _wide(graph[source]) and graph[source].kind not in ("parameter", "buffer")
        ),
        None,
    )
    if start is None:
        return []
    found: list[Leaf] = []
    seen: set[int] = set()
    stack = [start]
    while stack and len(seen) < 400 and len(found) < MOST_LEAVES:
        op = stack.pop()
        if op.id in seen:
            continue
        seen.add(op.id)
        inputs = graph.inputs(op)
        if op.kind in ("add", "sub") and len(inputs) == 2:
            loop = _convolved(graph, inputs)
            if loop is not None:
                found.append(loop)
                stack.append(next(item for item in inputs if item.id != _behind_conv(graph, item)))
                continue
            stack.extend(inputs)
        elif (
            op.kind in _PUT_TOGETHER and not graph.from_inputs[op.id] and (sines := _sinusoidal(graph, op)) is not None
        ):
            found.append(sines)
        elif op.kind in ("cat", "join", "stack"):
            stack.extend(inputs)
        elif op.kind in ("slice", "expand", "index", "view", "reshape", "unsqueeze") and graph.source(
            op, _THROUGH
        ).kind in ("parameter", "buffer", "constant"):
            found.append(_table(graph, op, graph.source(op, _THROUGH)))
        elif (
            op.kind in ("layer_norm", "rms_norm", "batch_norm", "group_norm")
            or op.kind in _THROUGH
            or op.kind in ("tanh", "gelu", "relu", "silu")
        ):
            if op.kind == "where" and len(inputs) > 1:
                stack.extend(item for item in inputs[1:] if _wide(item))
            elif inputs:
                stack.append(inputs[0])
        elif op.kind in ("mul", "div") and inputs:
            data = [item for item in inputs if graph.source(item).kind != "parameter"] or inputs
            stack.append(max(data, key=lambda item: (len(item.shape or ()), -item.id)))
        elif op.kind in ("setitem", "scatter", "overwrite") and inputs:
            stack.extend(item for item in inputs[:2] if _wide(item))
        else:
            found.append(_leaf(graph, op))
    return found


def _wide(op: Op) -> bool:
    return bool(op.shape) and len(op.shape or ()) >= 2 and op.dtype.startswith(("float", "bfloat"))


def _behind_conv(graph: Operations, op: Op) -> int:
    """The id of the operation itself where a convolution lies close behind it, else -1."""
    current = op
    for _ in range(10):
        if current.kind == "conv":
            return op.id
        if not current.inputs or current.kind not in (*_THROUGH, "gelu", "relu", "silu", "layer_norm", "split"):
            return -1
        current = graph[current.inputs[0]]
    return -1


def _convolved(graph: Operations, inputs: list[Op]) -> Leaf | None:
    """``x + f(conv(x))``."""
    for own, other in ((inputs[0], inputs[1]), (inputs[1], inputs[0])):
        if _behind_conv(graph, other) != other.id:
            continue
        op = other
        while op.kind != "conv":
            op = graph[op.inputs[0]]
        if graph.reaches(own.id, op.inputs[0]) and op.attrs.get("n") == 1:
            return Leaf(op, "conv", graph.parameter(graph[op.inputs[1]]) or "the input")
    return None


def _leaf(graph: Operations, op: Op) -> Leaf:
    if op.kind == "embedding" and len(op.inputs) > 1:
        table = graph[op.inputs[1]]
        name = graph.parameter(table)
        index = graph[op.inputs[0]]
        at = at_positions(graph, index)
        rows = int(table.shape[0]) if table.shape and is_number(table.shape[0]) else None
        if at is not None and counts_up(at):
            return Leaf(op, "learned" if _trained(graph, table) else "fixed", name, rows, int(at[0]))
        if at is None and _by_position(graph, index):
            return Leaf(op, "learned" if _trained(graph, table) else "fixed", name, rows, None)
        return Leaf(op, "data", name)
    if op.kind in _DATA or op.kind in ("input", "pool", "recurrent"):
        return Leaf(op, "data")
    if op.kind in ("parameter", "buffer", "constant"):
        return _table(graph, op, op)
    sines = _sinusoidal(graph, op)
    return sines if sines is not None else Leaf(op, "unknown")


def _table(graph: Operations, op: Op, source: Op) -> Leaf:
    """A parameter or known table that is added as it is: one row per position where it has several rows."""
    shape = [size for size in source.shape or () if not (is_number(size) and size == 1)]
    name = str(source.attrs.get("name", ""))
    if source.kind == "parameter":
        if len(shape) < 2:
            return Leaf(op, "data", name)
        rows = int(shape[0]) if len(shape) == 2 and is_number(shape[0]) else None
        return Leaf(op, "learned" if _trained(graph, source) else "fixed", name, rows)
    sines = _sinusoidal(graph, op)
    if sines is not None:
        return sines
    fill = source.attrs.get("fill")
    return Leaf(op, "data" if isinstance(fill, int | float) else "unknown", name)


def _trained(graph: Operations, op: Op) -> bool:
    source = graph.source(op)
    return source.attrs.get("trained", True) is not False


def _sinusoidal(graph: Operations, op: Op) -> Leaf | None:
    """Whether a value holds sines and cosines of the position in its channels."""
    import numpy  # noqa: PLC0415 - only where a table is looked at

    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    points = Points(graph, lengths(graph, SHORT), ordinary(graph))
    try:
        shape = points.shape(op)
        if len(shape) < 2 or shape[-1] < 4 or shape[-2] < 4:
            return None
        rows = []
        for position in range(3):
            index = tuple(
                numpy.arange(shape[-1])
                if d == len(shape) - 1
                else numpy.full(shape[-1], position if d == len(shape) - 2 else 0)
                for d in range(len(shape))
            )
            rows.append(numpy.asarray(points.value(op, index), dtype=float))
    except NotKnown:
        return None
    table = numpy.stack(rows)
    if not numpy.all(numpy.abs(table) <= 1.0001) or numpy.ptp(table) == 0:
        return None
    for first in range(MOST_OFFSET):  # the first position's angle: some count from 1, some from behind a padding row
        angles = [(table[p], first + p) for p in range(3) if first + p]
        if all(
            numpy.isclose(row, math.sin(angle), atol=1e-4).any()
            and numpy.isclose(row, math.cos(angle), atol=1e-4).any()
            for row, angle in angles
        ):
            return Leaf(op, "sinusoidal")
    return None


def at_positions(graph: Operations, index: Op) -> Any:
    """What an index holds at the first positions of an ordinary sequence; None where that is not known."""
    import numpy  # noqa: PLC0415 - only where an index is looked at

    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    points = Points(graph, lengths(graph, SHORT), ordinary(graph))
    try:
        shape = points.shape(index)
        if not shape or shape[-1] < 4:
            return None
        count = min(shape[-1], SHORT)
        place = (*[numpy.zeros(count, dtype=int)] * (len(shape) - 1), numpy.arange(count))
        return numpy.broadcast_to(numpy.asarray(points.value(index, place), dtype=float), (count,))
    except NotKnown:
        return None


def counts_up(values: Any) -> bool:
    """Whether numbers grow by one."""
    return all(b - a == 1 for a, b in itertools.pairwise(values))


def _by_position(graph: Operations, index: Op) -> bool:
    """Whether an index that depends on the input still counts positions (a running sum)."""
    behind = [graph[i] for i in graph.ancestors([index.id])]
    return any(op.kind == "cumsum" for op in behind) or (
        any(
            op.attrs.get("range") is not None and any(isinstance(size, Dim) for size in op.shape or ()) for op in behind
        )
        and not any(op.kind in _DATA for op in behind)
    )


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
                return "alibi", [
                    see(
                        at,
                        f"falls by {numbers[0]:.6g} per position in the first head, by {numbers[-1]:.6g} in the last",
                    )
                ]
    return None


def _relative_table(graph: Operations, bias: Op) -> Op | None:
    """The look-up of a learned bias by distance."""
    behind = sorted(graph.ancestors([bias.id], lambda op: op.kind not in (*_DATA, "embedding")), reverse=True)
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


__all__ = ["at_positions", "counts_up", "other_positions"]
