"""Which parameters reach an output of ``forward``, and how."""

from __future__ import annotations

from dataclasses import dataclass

from specdiff.graph.operations import Operations
from specdiff.interp.trace import Op

_FLOATING = ("float", "bfloat", "complex")


@dataclass(frozen=True, slots=True)
class Liveness:
    """Parameters by what becomes of them."""

    live: frozenset[str]
    """Data that passes through them reaches an output."""
    selects: frozenset[str]
    """They only decide which data are taken (the bias of a top-k choice, a threshold)."""
    unused: frozenset[str]
    """No output depends on them."""


def liveness(operations: Operations, parameters: list[str], tied: list[tuple[str, str]]) -> Liveness:
    """Liveness of all parameters after a run that went to its end.

    Args:
        operations: What ``forward`` did.
        parameters: Names of all parameters.
        tied: (later name, first name) of each further name of a parameter.
    """
    flowing = operations.ancestors(operations.outputs, _carries)
    touched = operations.ancestors(operations.outputs)
    live = {op.attrs["name"] for op in operations.kind("parameter") if op.id in flowing}
    reached = {op.attrs["name"] for op in operations.kind("parameter") if op.id in touched}
    groups: dict[str, set[str]] = {}
    for other, first in tied:
        groups.setdefault(first, {first}).add(other)
    for group in groups.values():
        if live & group:
            live |= group
        if reached & group:
            reached |= group
    names = set(parameters)
    return Liveness(frozenset(live & names), frozenset((reached - live) & names), frozenset(names - reached - live))


def _carries(op: Op) -> bool:
    """Whether an output's value varies smoothly with the operation's inputs (a gradient passes)."""
    return op.kind != "detach" and op.dtype.startswith(_FLOATING)
