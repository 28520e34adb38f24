"""Constant factors inside blocks, and modules beside the stack of layers."""

from __future__ import annotations

from specdiff.detect.feedforward import layers_of
from specdiff.detect.paths import is_projection, path_from
from specdiff.detect.recurrence import projections_of, recurrences
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.shape import head_of, token_table
from specdiff.graph.operations import PASSING, VIEWS, Operations
from specdiff.interp.trace import Op

_CARRY = VIEWS | {"dropout", "join", "identity"}
Factor = tuple[float | None, Op]
"""A number, None where it is computed, and the operation that multiplies with it."""


def multipliers(scene: Scene) -> None:
    """`multiplier.*`: numbers on what a sub-layer reads, on keys, on a gate and on what it returns."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        found: dict[str, set[float | None]] = {}
        shown: dict[str, Op] = {}

        def note(name: str, value: Factor | None, where: Op, found: dict[str, set[float | None]] = found,
                 shown: dict[str, Op] = shown) -> None:  # fmt: skip
            number = value[0] if value is not None else 1.0
            found.setdefault(name, set()).add(round(number, 12) if number is not None else None)
            if name not in shown or value is not None:
                shown[name] = value[1] if value is not None else where

        _attention(graph, tower, note)
        _networks(scene, graph, tower, note)
        table = recurrences(scene, tower)
        for block in tower.blocks:
            mixer = table.get(block.index)
            if mixer is not None and mixer.family == "ssm":
                first, last = projections_of(graph, block, mixer)
                if first is not None and last is not None:
                    note("ssm_in", _before(graph, first), first)
                    note("ssm_out", _after(graph, last), last)
        for name, values in found.items():
            key = tower.key(f"multiplier.{name}")
            value = next(iter(values))
            if len(values) > 1:
                scene.unsure(key, "layers differ in this factor", shown[name])
            elif value is None:
                scene.unsure(key, "the factor is not a constant", shown[name])
            elif value != 1.0:
                scene.fact(key, value, [see(shown[name], f"times {value:.9g}")])
            else:
                scene.absent(key, "nothing is multiplied here", [see(shown[name], "the projection")])


def _attention(graph: Operations, tower: Tower, note) -> None:  # type: ignore[no-untyped-def]
    for block in tower.blocks:
        for site in block.attentions:
            query, key = path_from(graph, site.query), path_from(graph, site.key)
            if query.projection is None or key.projection is None:
                continue
            note("attention_in", _before(graph, query.projection), query.projection)
            note("key", _after(graph, key.projection), key.projection)
            out = _leaving(graph, site.output)
            if out is not None:
                note("attention_out", _after(graph, out), out)


def _networks(scene: Scene, graph: Operations, tower: Tower, note) -> None:  # type: ignore[no-untyped-def]
    for layer in layers_of(scene, tower):
        for net in layer.dense:
            if net.gated:
                note("mlp_gate", _after(graph, net.up), net.up)
            note("mlp_down", _after(graph, net.down), net.down)


def _number(op: Op) -> float | None:
    other = op.attrs.get("other")
    if (
        op.kind not in ("mul", "div")
        or len(op.inputs) != 1
        or isinstance(other, bool)
        or not isinstance(other, int | float)
    ):
        return None
    if op.kind == "div":
        return None if op.attrs.get("reflected") or not other else 1 / float(other)
    return float(other)


def _before(graph: Operations, projection: Op) -> Factor | None:
    """The number that a projection's input is multiplied with."""
    op = graph[projection.inputs[0]]
    while op.kind in _CARRY and op.inputs:
        op = graph[op.inputs[0]]
    return _factor(graph, op)


def _after(graph: Operations, projection: Op) -> Factor | None:
    """The number that a projection's result is multiplied with; all of it: what others read as it is has no factor."""
    readers = {reader.id: reader for reader in graph.readers(projection, frozenset(_CARRY))}
    if len(readers) != 1:
        return None
    (reader,) = readers.values()
    return _factor(graph, reader)


def _factor(graph: Operations, op: Op) -> Factor | None:
    value = _number(op)
    if value is None and op.kind in ("mul", "div") and len(op.inputs) > 1:
        for item in graph.inputs(op):
            if graph.source(item).kind == "input" or not item.shape or all(size == 1 for size in item.shape):
                return None, op
        return None
    return (value, op) if value is not None else None


def _leaving(graph: Operations, output: Op) -> Op | None:
    """The projection that reads the weighted values."""
    for reader in graph.readers(output, frozenset(_CARRY)):
        if is_projection(graph, reader):
            return reader
    return None


def further_predictions(scene: Scene) -> None:
    """`mtp.layers`: further scores over the vocabulary with weights of their own.

    Absent where everything beside the stack of layers is an embedding, a norm or the output head.
    """
    graph = scene.operations
    table = token_table(scene)
    if graph is None or table is None or not scene.towers:
        return
    head = head_of(scene)
    further = _further_heads(scene, graph, table, head.projection) if head is not None else []
    if further:
        scene.fact("mtp.layers", len(further), [see(op, "further scores over the vocabulary") for op in further])
        return
    if len(scene.towers) != 1:
        return
    known = {graph.parameter(graph[op.inputs[1]]) for op in graph.kind("embedding") if len(op.inputs) > 1}
    if head is not None:
        known.add(head.weight)
        # A head whose rows are normalised reads its table through operations (Baichuan 2, arXiv:2309.10305, section 2.4).
        known |= _weights_behind(graph, graph[head.projection.inputs[1]]) if len(head.projection.inputs) > 1 else set()
    tower = scene.towers[0]
    ran = {block.path + "." for block in tower.blocks}
    again = {later for later, _ in scene.tied}  # another name of a parameter that counts under its first
    rest = [
        name
        for name, shape in scene.parameters.items()
        if len(shape) >= 2 and name not in known and name not in again and not any(name.startswith(path) for path in ran)
    ] if len(ran) < 200 else []  # fmt: skip
    beside = [name for name in rest if name.startswith(tower.path + ".")]
    if beside:
        scene.unsure("mtp.layers", f"{beside[0]} stands in the stack of layers and does not run", table)
    elif rest:
        at = next((op for op in graph.kind("parameter") if op.attrs.get("name") == rest[0]), table)
        scene.unsure("mtp.layers", f"what {rest[0]} beside the stack of layers is for is not recognised", at)
    else:
        scene.absent(
            "mtp.layers",
            "nothing beside the stack of layers predicts further tokens",
            [see(table, "the input's table")],
        )


def _further_heads(scene: Scene, graph: Operations, table: Op, main: Op) -> list[Op]:
    """Projections that make other outputs over the vocabulary than the main one, each with weights that it has not."""
    rows = (scene.parameters.get(graph.parameter(graph[table.inputs[1]])) or (0,))[0]
    tables = {graph.parameter(graph[op.inputs[1]]) for op in graph.kind("embedding") if len(op.inputs) > 1}
    alike = [name for name in tables if (scene.parameters.get(name) or (0,))[0] == rows]
    if rows < 2 or len(alike) != 1:  # noqa: PLR2004 - several tables are several codes of one step, each with its head
        return []
    known = _weights_behind(graph, main)
    found: dict[int, Op] = {}
    for index in graph.outputs:
        op = graph.source(graph[index], PASSING)
        while op.kind in ("mul", "div", "tanh", "add") and len(op.inputs) == 1:
            op = graph.source(graph[op.inputs[0]], PASSING)
        if is_projection(graph, op) and op.id != main.id and op.shape and op.shape[-1] == rows:
            if _weights_behind(graph, op) - known:
                found[op.id] = op
    return list(found.values())


def _weights_behind(graph: Operations, op: Op) -> set[str]:
    ancestors = (graph[index] for index in graph.ancestors([op.id]))
    return {str(each.attrs.get("name", "")) for each in ancestors if each.kind == "parameter"}
