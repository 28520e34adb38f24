"""What a condition on data asks, where that makes both of its sides the same or a router's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specdiff.interp.values import Tensor, Unknown

if TYPE_CHECKING:
    from specdiff.interp.objects import Value
    from specdiff.interp.run import Run

_PASSED = frozenset(
    "item slice index select view reshape squeeze cast compare and or not logical_not split add sub".split()
)
_COUNTED = frozenset("cast compare permute transpose view reshape slice index reduce add greater".split())
_FILLING = frozenset("setitem masked_fill masked_scatter overwrite".split())
_DEEPEST = 24


def _node(test: Value) -> int | None:
    tensor = test.source if type(test) is Unknown else test
    return tensor.node if isinstance(tensor, Tensor) else None


def is_of_router(run: Run, test: Value) -> bool:
    """Whether a condition compares the number of an expert that tokens were sent to: an index among those with tokens,
    which stand in a one-hot table of a router's choices."""
    node = _node(test)
    if run.trace is None or node is None:
        return False
    ops, left, seen = run.trace.ops, [node], set()
    for _ in range(_DEEPEST):
        if not left:
            return False
        op = ops[left.pop()]
        if op.id in seen:
            continue
        seen.add(op.id)
        if op.kind == "nonzero" and op.inputs:
            return _counts_choices(run, op.inputs[0])
        if op.kind in _PASSED:
            left.extend(op.inputs)
    return False


def _counts_choices(run: Run, index: int) -> bool:
    assert run.trace is not None
    for _ in range(_DEEPEST):
        op = run.trace.ops[index]
        if op.kind == "one_hot":
            return True
        if op.kind not in _COUNTED or not op.inputs:
            return False
        index = op.inputs[0]
    return False


def mask_asked(run: Run, test: Value) -> int | None:
    """The mask of which a condition asks whether it takes anything at all (``mask.any()``, ``mask.sum() > 0``)."""
    node = _node(test)
    if run.trace is None or node is None:
        return None
    for _ in range(4):
        op = run.trace.ops[node]
        if op.kind == "reduce" and op.inputs and op.attrs.get("which") in ("any", "sum"):
            mask = run.trace.ops[op.inputs[0]]
            return mask.id if mask.dtype == "bool" and op.shape == () else None
        if op.kind not in ("item", "cast", "compare") or not op.inputs:
            return None
        if op.kind == "compare" and (op.attrs.get("op"), op.attrs.get("other")) not in ((">", 0), ("!=", 0), (">=", 1)):
            return None
        node = op.inputs[0]
    return None


def only_fills(run: Run, mask: int | None, changed: int | None, before: int | None) -> bool:
    """Whether a tensor is another one but for what a mask takes: the same one where the mask takes nothing."""
    if run.trace is None or mask is None or changed is None or before is None or changed == before:
        return False
    op = run.trace.ops[changed]
    return op.kind in _FILLING and bool(op.inputs) and op.inputs[0] == before and mask in op.inputs[1:]
