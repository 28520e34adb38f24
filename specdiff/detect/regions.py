"""What lies between projections and a use, and when two such regions are the same."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from specdiff.detect.paths import is_projection
from specdiff.graph.operations import Operations
from specdiff.interp.trace import Op


@dataclass(slots=True)
class Region:
    """What happens to data between the projections it comes from and a use."""

    projections: list[Op]
    derived: set[int]
    """Operations that carry data of a projection, the projections included."""
    end: Op


def region(graph: Operations, end: Op) -> Region:
    """Walk back from a use to the projections, and keep what lies between."""
    behind = sorted(graph.ancestors([end.id], lambda op: not is_projection(graph, op)))
    projections = [graph[index] for index in behind if is_projection(graph, graph[index])]
    derived = {op.id for op in projections}
    for index in behind:
        if index not in derived and any(source in derived for source in graph[index].inputs):
            derived.add(index)
    return Region(projections, derived, end)


def likeness(graph: Operations, area: Region) -> tuple[Hashable, list[int]]:
    """(what two regions have in common that do the same, the operations that then stand for each other's by their order).

    Two regions do the same where they do it with their projections and with values from before either. Layers that were
    repeated from one share their operations' attributes, which are compared by identity: regions that are the same for another
    reason may be told apart, never the other way round.
    """
    first = min(area.derived, default=len(graph))
    members = set(area.derived)
    stops = {op.id for op in area.projections}
    waiting = [source for index in area.derived - stops for source in graph[index].inputs]
    while waiting:
        index = waiting.pop()
        if index > first and index not in members:
            members.add(index)
            waiting.extend(graph[index].inputs)
    order = sorted(members)
    places = {index: place for place, index in enumerate(order)}
    rows: list[Hashable] = [places.get(area.end.id, ("before", area.end.id))]
    for index in order:
        op = graph[index]
        rows.append((op.kind, op.shape, op.dtype, op.line, index in area.derived))
        if index in graph.constants:
            rows.append(("content", id(graph.constants[index])))
        if op.kind == "parameter":
            rows.append(op.attrs.get("trained"))
        elif index not in stops:
            rows.append((id(op.attrs), tuple(places.get(source, ("before", source)) for source in op.inputs)))
        if index not in area.derived and op.dtype.startswith("int"):
            rows.append(index)  # who else reads positions counts too, which is not looked at here
    return tuple(rows), order
