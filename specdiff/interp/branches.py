"""Undecided conditions: both sides run from the same state, then the states are joined."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from specdiff.interp.dims import Dim, fresh
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    ClassVal,
    Frame,
    Function,
    Instance,
    Partial,
    Raised,
    Value,
)
from specdiff.interp.run import Journal, Run, tensor_state
from specdiff.interp.signals import Returned
from specdiff.interp.tested import Asked, is_of_router, mask_asked, only_fills
from specdiff.interp.values import Tensor, Unknown

Outcome = tuple[str, Any]
ROUTED = "a choice among modules alike, which data decide"
"""The condition of a join that is no undecided branch: a router sends each token through one of several modules."""


def join(run: Run, left: Value, right: Value, reason: str) -> Value:
    """The value after two paths: the common one, or unknown. Commutative; unknown absorbs."""
    if left is right:
        return left
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        if run.trace is not None:
            run.trace.lose(left, right)
        options = _callables(left, right)
        known = left if isinstance(left, Unknown) else right
        return Unknown(known.reason, known.place, known.cause, name=known.name, options=options) if options else known
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return run.emit("join", (left, right), _common(left, right), left.dtype, condition=reason)
    if isinstance(left, Tensor) and right is None:
        return left
    if isinstance(right, Tensor) and left is None:
        return right
    if type(left) is type(right):
        if isinstance(left, tuple) and len(left) == len(right):
            return (
                type(left)(join(run, a, b, reason) for a, b in zip(left, right, strict=True))
                if type(left) is tuple
                else left
            )
        if isinstance(left, list) and len(left) == len(right):
            return [join(run, a, b, reason) for a, b in zip(left, right, strict=True)]
        if isinstance(left, dict) and left.keys() == right.keys():
            return {key: join(run, left[key], right[key], reason) for key in left}
        if not isinstance(left, Instance):
            try:
                if left == right:
                    return left
            except Exception:  # noqa: BLE001 - comparing foreign objects may do anything; then they differ
                return run.unknown(reason)
    if run.trace is not None:
        run.trace.lose(left, right)
    return Unknown(reason, run.place, options=_callables(left, right))


def _common(left: Tensor, right: Tensor) -> tuple[Any, ...] | None:
    """The shape of either of two tensors: sizes that differ are not known; None where not even the rank is."""
    if left.shape is None or right.shape is None or len(left.shape) != len(right.shape):
        return None
    return tuple([a if a == b else fresh("either") for a, b in zip(left.shape, right.shape, strict=True)])


def _callables(*values: Value) -> tuple[Value, ...]:
    """The functions, classes and objects that some values may be, each once, for a later call."""
    found: dict[Any, Value] = {}
    for value in values:
        for option in value.options if isinstance(value, Unknown) else (value,):
            if isinstance(option, BoundMethod):
                found[option] = option
            elif isinstance(option, Function | ClassVal | Instance | Partial):
                found[id(option)] = option
    return tuple(found.values())


def _attempt(run: Run, body: Callable[[], Any]) -> Outcome:
    start = run.trace.mark() if run.trace is not None else 0
    ways = run.ways
    within: dict[int, int] | None = None if ways is None else {}
    run.ways = within
    try:
        signal = body()
    except Raised as error:
        if run.trace is not None:
            # Had it not raised, what it computed could have gone on.
            run.trace.lost.update(range(start, run.trace.mark()))
        return "raised", error
    finally:
        run.ways = ways
    for node, way in (within or {}).items():
        # A side that raises is left out, with all that it came to.
        assert ways is not None
        ways[node] = ways.get(node, 0) | way
    return "signal", signal


def fork(run: Run, frame: Frame, first: Callable[[], Any], second: Callable[[], Any], test: Value) -> Any:
    """Run two bodies as alternatives of one condition; the signal of what follows.

    A side that raises is taken to be a guard that a sound input does not trip: the other side goes on.
    """
    reason = test.reason if isinstance(test, Unknown) else "a condition that depends on data"
    if is_of_router(run, test):
        reason = ROUTED
    mask = mask_asked(run, test)
    before = dict(frame.locals)
    outcome_a, changes_a, locals_a = _side(run, frame, first)
    frame.locals.clear()
    frame.locals.update(before)
    outcome_b, changes_b, locals_b = _side(run, frame, second)
    if outcome_a[0] == "raised" and outcome_b[0] == "raised":
        raise outcome_a[1]
    if outcome_a[0] == "raised":
        _redo(run, changes_b)
        return outcome_b[1]
    if outcome_b[0] == "raised":
        frame.locals.clear()
        frame.locals.update(locals_a)
        _redo(run, changes_a)
        return outcome_a[1]
    _merge(run, changes_a, changes_b, reason, mask)
    signal_a, signal_b = outcome_a[1], outcome_b[1]
    left_a, left_b = type(signal_a) is Returned, type(signal_b) is Returned
    if left_a and left_b:
        return Returned(join(run, signal_a.value, signal_b.value, reason))
    if left_a:
        frame.pending = [*(frame.pending or []), signal_a.value]
        return signal_b
    if left_b:
        frame.pending = [*(frame.pending or []), signal_b.value]
        frame.locals.clear()
        frame.locals.update(locals_a)
        return signal_a
    frame.locals.clear()
    for name in {**locals_a, **locals_b}:
        a, b = locals_a.get(name, MISSING), locals_b.get(name, MISSING)
        if a is MISSING or b is MISSING:
            frame.locals[name] = b if a is MISSING else a
        elif isinstance(a, Tensor) and isinstance(b, Tensor) and only_fills(run, mask, a.node, b.node):
            frame.locals[name] = a
        else:
            frame.locals[name] = join(run, a, b, reason)
    return signal_a if signal_a is signal_b else None


def loop(run: Run, frame: Frame, turn: Callable[[], Any], why: Unknown, length: Any) -> Any:
    """Run a loop's body once, as an example of its turns; the signal of what follows.

    Sizes and counters that one turn moves by a fixed step have moved by that step times the number of turns;
    lists that it filled have as many items (`Run.open_lists`). A body that raises is taken not to run.
    """
    before = dict(frame.locals)
    with nullcontext() if run.trace is None else run.trace.example():
        outcome, changes, after = _side(run, frame, turn)
    frame.locals.clear()
    if outcome[0] == "raised":
        frame.locals.update(before)
        run.note(f"the body of a loop raises: {outcome[1]}", outcome[1].places[0] if outcome[1].places else None)
        return None
    turns = length if isinstance(length, int | Dim) else Dim.symbol(f"turns_{run.line}")
    frame.locals.update({name: _moved(run, before.get(name, MISSING), value, turns) for name, value in after.items()})
    for target, old, new in changes.values():
        _touch(run, target)
        if isinstance(target, Tensor):
            _restore(target, new)
        elif isinstance(target, Instance):
            attrs = {name: _moved(run, old[0].get(name, MISSING), value, turns) for name, value in new[0].items()}
            _restore(target, (attrs, new[1]))
        elif isinstance(target, dict):
            _restore(target, {key: _moved(run, old.get(key, MISSING), value, turns) for key, value in new.items()})
        else:
            _restore(target, new)
            if isinstance(target, list) and len(new) > len(old):
                run.open_lists[id(target)] = (target, len(old) + (len(new) - len(old)) * turns)
    signal = outcome[1]
    if type(signal) is Returned:
        frame.pending = [*(frame.pending or []), signal.value]
        return None
    return signal


def _moved(run: Run, old: Value, new: Value, turns: Any) -> Value:
    """What a value is after all turns, from what one turn made of it."""
    if old is MISSING or old is new:
        return new
    if isinstance(old, int | Dim) and isinstance(new, int | Dim) and not isinstance(old, bool) and old != new:
        return old + (new - old) * turns
    if isinstance(old, Tensor) and isinstance(new, Tensor) and old.shape != new.shape:
        if old.shape is not None and new.shape is not None and len(old.shape) == len(new.shape):
            shape = tuple(a if a == b else a + (b - a) * turns for a, b in zip(old.shape, new.shape, strict=True))
            return run.emit("join", (new,), shape, new.dtype)
        return run.emit("join", (new,), new.shape, new.dtype)  # a first turn gives it its form
    return new


def either(run: Run, first: Callable[[], Value], second: Callable[[], Value], test: Unknown) -> Value:
    """The joined value of two expressions of which one is evaluated."""
    (how, left), (other, right) = _attempt(run, first), _attempt(run, second)
    if how == "raised" and other == "raised":
        raise right
    if how == "raised" or other == "raised":
        return right if how == "raised" else left
    return join(run, left, right, test.reason)


Changes = dict[int, tuple[Any, Any, Any]]
"""By id: (object, state before, state after)."""


def _state(target: Any) -> Any:
    if isinstance(target, Instance):
        native = target.native
        return dict(target.attrs), native.copy() if isinstance(native, dict | list | set) else native
    if isinstance(target, Tensor):
        return tensor_state(target)
    return target.copy()


def _restore(target: Any, state: Any) -> None:
    if isinstance(target, Instance):
        attrs, native = state
        target.attrs.clear()
        target.attrs.update(attrs)
        if isinstance(target.native, dict | list | set) and isinstance(native, dict | list | set):
            _refill(target.native, native)
        else:
            target.native = native
    elif isinstance(target, Tensor):
        target.node, target.const, target.shape, target.dtype, target.recipe = state
    else:
        _refill(target, state)


def _refill(target: Any, state: Any) -> None:
    if isinstance(target, list):
        target[:] = state
    else:
        target.clear()
        target.update(state)


def _side(run: Run, frame: Frame, body: Callable[[], Any]) -> tuple[Outcome, Changes, dict[str, Value]]:
    parent, start = run.journal, run.serial
    journal = run.journal = Journal(parent)
    try:
        outcome = _attempt(run, body)
    finally:
        run.journal = parent
    changes: Changes = {}
    for key, (target, old) in journal.saved.items():
        if isinstance(target, Tensor | Instance) and target.serial > start:
            continue  # made on this side, so that the other one knows nothing of it
        changes[key] = (target, old, _state(target))
        _restore(target, old)
        run.renewed(target)
    return outcome, changes, dict(frame.locals)


def undo(journal: Journal) -> None:
    """Give everything that was changed under a journal its state from before."""
    for target, old in journal.saved.values():
        _restore(target, old)


def _touch(run: Run, target: Any) -> None:
    if isinstance(target, Tensor):
        if run.journal is not None:
            run.journal.save(target)
    else:
        run.touch(target)


def _redo(run: Run, changes: Changes) -> None:
    for target, _, after in changes.values():
        _touch(run, target)
        _restore(target, after)


def _merge(run: Run, first: Changes, second: Changes, reason: str, mask: Asked | None) -> None:
    for key in {**first, **second}:
        target, old, _ = first.get(key) or second[key]
        a = first[key][2] if key in first else old
        b = second[key][2] if key in second else old
        _touch(run, target)
        if isinstance(target, Tensor):
            if a[2:4] == b[2:4] and only_fills(run, mask, a[0], b[0]):
                _restore(target, a)
            elif a[0] != b[0] or a[1] is not b[1] or a[2] != b[2]:
                left, right = Tensor(a[2], a[3], node=a[0]), Tensor(b[2], b[3], node=b[0])
                shape = _common(left, right)
                joined = run.emit("join", (left, right), shape, left.dtype, condition=reason)
                _restore(target, (joined.node, None, shape, left.dtype, None))
        elif isinstance(target, Instance):
            _restore(target, (_joined(run, a[0], b[0], reason), a[1]))
        elif isinstance(target, dict):
            _restore(target, _joined(run, a, b, reason))
        elif isinstance(target, set):
            _restore(target, a | b)
        else:
            longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
            both = [join(run, x, y, reason) for x, y in zip(longer, shorter, strict=False)]
            _restore(target, [*both, *longer[len(shorter) :]])


def _joined(run: Run, a: dict[Any, Value], b: dict[Any, Value], reason: str) -> dict[Any, Value]:
    """Both sides' entries; one that only one side has is kept, so that no built part gets lost."""
    result: dict[Any, Value] = {}
    for key in {**a, **b}:
        if key in a and key in b:
            result[key] = join(run, a[key], b[key], reason)
        else:
            result[key] = a[key] if key in a else b[key]
    return result
