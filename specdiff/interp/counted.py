"""The number in a tensor that the code counted itself: the greatest position of a sequence, and what is added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from specdiff.interp.dims import Dim, decide

if TYPE_CHECKING:
    from specdiff.interp.trace import Op, Trace

_DEPTH = 16
"""Operations that are followed back."""
_HOLD_ALL = frozenset(
    "view reshape transpose permute unsqueeze squeeze expand copy contiguous detach flatten repeat flip cast".split()
)
"""Operations whose result holds every value of their input, and no other."""
_KEEP_ORDER = frozenset({"cast", "contiguous", "copy", "detach"})
"""Those that leave the first value the first and the last the last."""


def counted_by(trace: Trace, op: Op) -> bool | int | Dim | None:
    """What a tensor of one element holds: ``positions.max() + 1``, or whether that is above 4,096.

    Returns:
        A size or the answer of a comparison; None where it is neither, or depends on how long a sequence is.
    """
    if op.kind != "compare":
        return _number(trace, op, 0)
    left, right = _number(trace, trace.ops[op.inputs[0]], 0), op.attrs.get("other")
    if len(op.inputs) != 1 or left is None or isinstance(right, bool) or not isinstance(right, int | Dim):
        return None
    return decide(op.attrs["op"], right, left) if op.attrs.get("reflected") else decide(op.attrs["op"], left, right)


def _number(trace: Trace, op: Op, depth: int) -> int | Dim | None:
    """The one number that an operation's result holds, in terms of the sizes of the inputs."""
    if depth > _DEPTH or not op.inputs or op.dtype not in ("int64", "int32"):
        return None
    source = trace.ops[op.inputs[0]]
    if op.kind == "reduce" and op.attrs.get("which") in ("max", "min", "amax", "amin") and op.shape is not None:
        if all(size == 1 for size in op.shape):
            return _end(trace, source, op.attrs["which"] in ("max", "amax"), depth + 1)
        return None
    if len(op.inputs) != 1:
        return None
    if op.kind == "slice" and op.attrs.get("spec") in ((0,), (-1,)):
        return _at(trace, source, op.attrs["spec"][0], depth + 1)
    if _holds_all(op) or op.kind == "item":
        return _number(trace, source, depth + 1)
    return _moved(op, _number(trace, source, depth + 1))


def _at(trace: Trace, op: Op, place: int, depth: int) -> int | Dim | None:
    """The first or the last of numbers that count on: ``positions[-1]``."""
    if depth > _DEPTH or op.dtype not in ("int64", "int32") or op.shape is None or len(op.shape) != 1:
        return None
    if op.kind == "constant":
        counted = op.attrs.get("range")
        if op.inputs or counted is None or not all(isinstance(part, int | Dim) for part in counted):
            return None
        return _end(trace, op, (place == -1) is not (counted[2] < 0), depth)
    if len(op.inputs) != 1:
        return None
    inner = _at(trace, trace.ops[op.inputs[0]], place, depth + 1)
    return inner if op.kind in _KEEP_ORDER else _moved(op, inner)


def _end(trace: Trace, op: Op, last: bool, depth: int) -> int | Dim | None:
    """The greatest or the least of numbers that count on."""
    if depth > _DEPTH or op.dtype not in ("int64", "int32"):
        return None
    if op.kind == "constant" and not op.inputs:
        counted = op.attrs.get("range")
        if counted is None or op.shape is None or not all(isinstance(part, int | Dim) for part in counted):
            return None
        begin, _, step = counted
        if isinstance(step, Dim) or decide(">=", op.shape[0], 1) is not True:
            return None
        reached: int | Dim = begin + (op.shape[0] - 1) * step if (step > 0) is last else begin
        return reached
    if len(op.inputs) != 1:
        return None
    inner = _end(trace, trace.ops[op.inputs[0]], last, depth + 1)
    return inner if _holds_all(op) else _moved(op, inner)


def _holds_all(op: Op) -> bool:
    """Whether a result holds every value of the input, and no other."""
    if op.kind == "slice":
        return all(item in (":", None) for item in op.attrs.get("spec") or ("not known",))
    return op.kind in _HOLD_ALL


def _moved(op: Op, number: Any) -> int | Dim | None:
    """A number after another has been added or taken off."""
    other = op.attrs.get("other")
    if number is None or op.attrs.get("reflected") or isinstance(other, bool) or not isinstance(other, int | Dim):
        return None
    found = number + other if op.kind == "add" else number - other if op.kind == "sub" else None
    return found if isinstance(found, int | Dim) else None
