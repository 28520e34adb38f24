"""Constant factors inside blocks, and modules beside the stack of layers."""

from __future__ import annotations

from specdiff.detect.feedforward import layers_of
from specdiff.detect.paths import is_projection, path_from
from specdiff.detect.recurrence import projections_of, recurrences
from specdiff.detect.scene import Scene, Tower, see
from specdiff.detect.shape import head_of, token_table
from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.trace import Op

_CARRY = VIEWS | {"dropout", "join", "identity"}


def multipliers(scene: Scene) -> None:
    """`multiplier.*`: numbers on what a sub-layer reads, on keys, on a gate and on what it returns."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        found: dict[str, set[float | None]] = {}
        shown: dict[str, Op] = {}

        def note(name: str, value: tuple[float, Op] | None, where: Op, found: dict[str, set[float | None]] = found,
                 shown: dict[str, Op] = shown) -> None:  # fmt: skip
            found.setdefault(name, set()).add(round(value[0], 12) if value is not None else 1.0)
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
            elif value != 1.0 and value is not None:
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


def _before(graph: Operations, projection: Op) -> tuple[float, Op] | None:
    """The number that a projection's input is multiplied with."""
    op = graph[projection.inputs[0]]
    while op.kind in _CARRY and op.inputs:
        op = graph[op.inputs[0]]
    value = _number(op)
    return (value, op) if value is not None else None


def _after(graph: Operations, projection: Op) -> tuple[float, Op] | None:
    """The number that a projection's result is multiplied with; all of it: what others read as it is has no factor."""
    readers = {reader.id: reader for reader in graph.readers(projection, frozenset(_CARRY))}
    if len(readers) != 1:
        return None
    (reader,) = readers.values()
    value = _number(reader)
    return (value, reader) if value is not None else None


def _leaving(graph: Operations, output: Op) -> Op | None:
    """The projection that reads the weighted values."""
    for reader in graph.readers(output, frozenset(_CARRY)):
        if is_projection(graph, reader):
            return reader
    return None


def further_predictions(scene: Scene) -> None:
    """`mtp.layers`: absent where everything beside the stack of layers is an embedding, a norm or the output head."""
    graph = scene.operations
    table = token_table(scene)
    if graph is None or table is None or len(scene.towers) != 1:
        return
    known = {graph.parameter(graph[table.inputs[1]])}
    head = head_of(scene)
    if head is not None:
        known.add(head.weight)
    prefix = scene.towers[0].path + "."
    ran = {block.path + "." for block in scene.towers[0].blocks}
    rest = [
        name
        for name, shape in scene.parameters.items()
        if len(shape) >= 2 and name not in known and not any(name.startswith(path) for path in ran)
    ] if len(ran) < 200 else []  # fmt: skip
    beside = [name for name in rest if name.startswith(prefix)]
    if beside:
        scene.unsure("mtp.layers", f"{beside[0]} stands in the stack of layers and does not run")
    elif not rest:
        scene.absent(
            "mtp.layers",
            "nothing beside the stack of layers predicts further tokens",
            [see(table, "the input's table")],
        )
