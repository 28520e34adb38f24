"""Back through operations that a factor passes: a number that scales what goes in scales what comes out."""

from __future__ import annotations

from specdiff.detect.paths import is_projection
from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.trace import Op

MOST_OPERATIONS = 80
"""Operations behind a query or key that are looked through; a rotation has about twenty."""

_ALONE = VIEWS | frozenset(
    "dropout identity neg negative repeat repeat_interleave roll flip unflatten view_as_complex view_as_real real imag "
    "diagonal".split()
)
"""Operations of one operand that a factor passes."""
_TOGETHER = frozenset({"add", "sub", "cat", "stack", "complex"})
"""Operations that a factor passes where all that they put together has it."""
_BY_OTHERS = frozenset({"mul", "div", "complex_mul", "matmul", "bmm", "einsum"})
"""Operations that a factor passes where only one operand has it."""


def narrow_before(graph: Operations, end: Op) -> Op | None:
    """The last value before ``end`` that everything in it is made of, where any factor of that value is a factor of ``end``.

    A rotation reads the queries in several places and adds up what it makes of them; before it stands one value again.
    None where there is no such value between a projection and ``end``, or where something stands between that a factor
    does not pass: a norm, a bias, a softmax.
    """
    behind = _behind(graph, end)
    if behind is None or end.id not in behind:
        return None
    for candidate in sorted(behind - {end.id}, reverse=True):
        between = _between(graph, end, candidate, behind)
        if between is None:
            continue
        passes = all(_passes(graph, graph[index], behind) for index in between)
        return graph[candidate] if passes else None
    return None


def _behind(graph: Operations, end: Op) -> set[int] | None:
    """The operations that carry what projections made to ``end``, the projections included."""
    seen = graph.ancestors([end.id], lambda op: not is_projection(graph, op))
    carrying: set[int] = set()
    for index in sorted(seen):
        if is_projection(graph, graph[index]) or any(source in carrying for source in graph[index].inputs):
            carrying.add(index)
            if len(carrying) > MOST_OPERATIONS:
                return None
    return carrying


def _between(graph: Operations, end: Op, candidate: int, behind: set[int]) -> set[int] | None:
    """The operations between; None where a way from a projection to ``end`` does not lead over the candidate."""
    found: set[int] = set()
    stack = [end.id]
    while stack:
        index = stack.pop()
        if index == candidate or index in found:
            continue
        if is_projection(graph, graph[index]):
            return None
        found.add(index)
        stack.extend(source for source in graph[index].inputs if source in behind)
    return found


def _passes(graph: Operations, op: Op, behind: set[int]) -> bool:
    """Whether an operation multiplied by a number is the operation of operands multiplied by it."""
    carried = [source in behind for source in op.inputs]
    if op.kind in _ALONE:
        return carried[0]
    if op.kind in _TOGETHER:
        return all(has or graph[source].shape == (0,) for has, source in zip(carried, op.inputs, strict=True)) and (
            len(op.inputs) > 1 or op.kind not in ("add", "sub")
        )
    if op.kind == "reduce":
        return op.attrs.get("which") == "sum"
    if op.kind == "div" and op.attrs.get("reflected"):
        return False
    return op.kind in _BY_OTHERS and sum(carried) == 1 and (op.kind != "div" or carried[0])


__all__ = ["narrow_before"]
