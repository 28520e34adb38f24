"""Iterables of which one item is known for all (`values.Turns`), and lists that a loop of unknown length filled."""

from __future__ import annotations

from typing import Any

from specdiff.interp.dims import Dim, fresh
from specdiff.interp.run import Run
from specdiff.interp.values import Turns

Value = Any


def opened(run: Run, element: Value, length: Any) -> list[Value]:
    """A list that holds ``length`` items like one."""
    items = [element]
    run.open_lists[id(items)] = (items, length)
    return items


def extended(run: Run, items: list[Value], more: Value) -> bool:
    """``items.extend(more)`` where it is not known how many items ``more`` holds; False where it is."""
    if isinstance(more, Turns):
        element, length = more.element, more.length
    elif type(more) is list and id(more) in run.open_lists:
        element, length = more[-1], run.open_lists[id(more)][1]
    else:
        return False
    before = run.open_lists[id(items)][1] if id(items) in run.open_lists else len(items)
    items.append(element)
    run.open_lists[id(items)] = (items, fresh("items") if length is None or before is None else before + length)
    return True


def joined(run: Run, left: list[Value], right: list[Value]) -> list[Value] | None:
    """``left + right`` where it is not known how many items one of them holds; None where it is."""
    if id(left) not in run.open_lists and id(right) not in run.open_lists:
        return None
    items = list(left)
    if id(left) in run.open_lists:
        run.open_lists[id(items)] = (items, run.open_lists[id(left)][1])
    if not extended(run, items, right) and right:
        before = run.open_lists[id(items)][1]
        items.extend(right)
        run.open_lists[id(items)] = (items, fresh("items") if before is None else before + len(right))
    return items


def index_of(run: Run) -> Dim:
    """The number of some turn of the loop at the line being executed."""
    return Dim.symbol(f"turn_of_{run.line}")


def item_of(turns: Turns, index: Value) -> Value:
    """``turns[index]``."""
    if not isinstance(index, slice):
        return turns.element
    return Turns(turns.element, sliced(turns.length, index), turns.why)


def item_of_open(run: Run, items: list[Value], index: Value) -> Value:
    """``items[index]`` of a list that a loop filled."""
    if not isinstance(index, slice):
        return items[-1]
    return opened(run, items[-1], sliced(run.open_lists[id(items)][1], index))


def sliced(length: Any, index: slice) -> Any:
    """How many items a slice takes of a sequence of symbolic length; None where that is not known."""
    start, stop, step = index.start, index.stop, index.step
    if length is None or not (step is None or step == -1 or (isinstance(step, int) and step > 0)):
        return None
    if step is not None and step > 1:
        taken = sliced(length, slice(start, stop))
        return None if taken is None else (taken + step - 1) // step
    if start is None and stop is None:
        return length
    if step == -1 or not all(part is None or isinstance(part, int | Dim) for part in (start, stop)):
        return None
    if isinstance(start, int) and start < 0 and stop is None:
        return Dim.minimum(length, -start)
    low = 0 if start is None else start
    high = (
        length if stop is None else length + stop if isinstance(stop, int) and stop < 0 else Dim.minimum(length, stop)
    )
    return None if isinstance(low, int) and low < 0 else high - low
