"""What a condition on data asks, where that makes both of its sides the same or a router's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from specdiff.interp.values import Tensor, Unknown

if TYPE_CHECKING:
    from specdiff.interp.objects import Value
    from specdiff.interp.run import Run
    from specdiff.interp.trace import Op

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


class Asked(NamedTuple):
    """What a condition asks of a tensor's elements: whether there are any that a mask takes."""

    mask: int | None
    """The operation that made the mask; None where the condition says it by the greatest or the least element."""
    of: int | None = None
    """The operation whose elements are compared."""
    compared: tuple[Any, Any] = ("", None)
    """How, and with what."""
    infinite: bool = False
    """Whether it asks for numbers that overflowed."""
    empty: bool = False
    """Whether it asks that all elements be zero."""


def mask_asked(run: Run, test: Value) -> Asked | None:
    """The mask of which a condition asks whether it takes anything at all (``mask.any()``, ``mask.sum() > 0``,
    ``x.max() > limit``, ``not isfinite(x).all()``)."""
    node = _node(test)
    if run.trace is None or node is None:
        return None
    ops, negated = run.trace.ops, False
    for _ in range(5):
        op = ops[node]
        if op.kind == "reduce" and op.inputs:
            return _reduced(ops, op, negated)
        if op.kind == "compare" and not negated and (op.attrs.get("op"), op.attrs.get("other")) == ("==", 0):
            return _all_zero(ops[op.inputs[0]])
        if op.kind not in ("item", "cast", "compare", "logical_not") or not op.inputs:
            return None
        negated ^= op.kind == "logical_not"
        compared = (op.attrs.get("op"), op.attrs.get("other"))
        node = op.inputs[0]
        if op.kind == "compare" and compared not in ((">", 0), ("!=", 0), (">=", 1)):
            return _extreme(ops[node], compared) if len(op.inputs) == 1 and not op.attrs.get("reflected") else None
    return None


def _reduced(ops: list[Op], op: Op, negated: bool) -> Asked | None:
    mask, which = ops[op.inputs[0]], op.attrs.get("which")
    if mask.dtype != "bool" or op.shape != ():
        return None
    if which == "all":
        return Asked(None, mask.inputs[0], infinite=True) if negated and mask.kind == "isfinite" else None
    if which not in ("any", "sum") or negated:
        return None
    overflow = mask.kind in ("isinf", "isnan")
    return Asked(mask.id, mask.inputs[0] if overflow else None, infinite=overflow)


def _all_zero(op: Op) -> Asked | None:
    total = op.kind == "reduce" and op.shape == () and op.attrs.get("which") == "sum"
    return Asked(None, op.inputs[0], empty=True) if total else None


def _extreme(op: Op, compared: tuple[Any, Any]) -> Asked | None:
    wanted = {"max": (">", ">="), "min": ("<", "<=")}.get(str(op.attrs.get("which")), ())
    if op.kind != "reduce" or op.shape != () or compared[0] not in wanted:
        return None
    return Asked(None, op.inputs[0], compared)


def only_fills(run: Run, asked: Asked | None, changed: int | None, before: int | None) -> bool:
    """Whether a tensor is another one but for what a mask takes: the same one where the mask takes nothing.

    What overflowed may be clamped instead: the limits of its format leave every other number alone. And a tensor that is
    all zeros may be filled by itself: no sound input has it.
    """
    if run.trace is None or asked is None or changed is None or before is None or changed == before:
        return False
    ops = run.trace.ops
    op = ops[changed]
    if not op.inputs or op.inputs[0] != before:
        return False
    if op.kind == "clamp":
        return asked.infinite and asked.of == before
    if asked.empty and asked.of == before:
        return op.kind in _FILLING
    return op.kind in _FILLING and any(_is_mask(ops[each], asked) for each in op.inputs[1:])


def _is_mask(op: Op, asked: Asked) -> bool:
    if op.id == asked.mask:
        return True
    same = (op.attrs.get("op"), op.attrs.get("other")) == asked.compared
    return asked.mask is None and op.kind == "compare" and same and op.inputs == (asked.of,)
