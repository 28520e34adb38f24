"""Which parameters reach an output of ``forward``, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    """No output depends on them, whatever else is given to ``forward``."""
    open: frozenset[str] = frozenset()
    """The run did not come to them, but ``forward`` has code that reads them for other arguments or in training."""


def liveness(
    operations: Operations,
    parameters: list[str],
    tied: list[tuple[str, str]],
    reads: Callable[[], tuple[frozenset[str], frozenset[str]]] = lambda: (frozenset(), frozenset()),
    lost: Iterable[int] = (),
    *,
    whole: bool = True,
) -> Liveness:
    """Liveness of all parameters after a run that went to its end.

    Args:
        operations: What ``forward`` did.
        parameters: Names of all parameters.
        tied: (later name, first name) of each further name of a parameter.
        reads: Names of the parameters that ``forward`` can come to with other arguments, and of those that can reach
            an output then. Asking costs another run, which is only made where it can say more than this one.
        lost: Operations whose results went into something unknown: they may have come out again.
        whole: Whether the run was given all inputs, so that what it dropped is dropped.
    """
    flowing = operations.ancestors(operations.outputs, _carries)
    touched = operations.ancestors(operations.outputs)
    live = _parameters(operations, flowing)
    reached = _parameters(operations, touched)
    groups: dict[str, set[str]] = {}
    for other, first in tied:
        groups.setdefault(first, {first}).add(other)
    live, reached = _with_ties(live, groups), _with_ties(reached, groups)
    names = set(parameters)
    seen = _with_ties({op.attrs["name"] for op in operations.kind("parameter")}, groups)
    idle = names - reached - live
    maybe = _with_ties(_parameters(operations, operations.ancestors(lost)), groups) & idle
    if idle - seen or (idle and not whole):
        read, reaching = reads()
        maybe |= _with_ties(set(read), groups) & (idle - seen)
        if not whole:
            maybe |= _with_ties(set(reaching), groups) & idle
    return Liveness(
        frozenset(live & names), frozenset((reached - live) & names), frozenset(idle - maybe), frozenset(maybe)
    )


def _parameters(operations: Operations, among: set[int]) -> set[str]:
    return {op.attrs["name"] for op in operations.kind("parameter") if op.id in among}


def _with_ties(names: set[str], groups: dict[str, set[str]]) -> set[str]:
    """Names with all other names of the same parameters."""
    return names.union(*(group for group in groups.values() if group & names))


def _carries(op: Op) -> bool:
    """Whether an output's value varies smoothly with the operation's inputs (a gradient passes)."""
    return op.kind != "detach" and op.dtype.startswith(_FLOATING)
