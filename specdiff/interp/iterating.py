"""Python's own functions over iterables, also those of which one item is known for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from specdiff.interp import containers, lookups, ops
from specdiff.interp.containers import NotIterable
from specdiff.interp.dims import Dim
from specdiff.interp.objects import MISSING, Value
from specdiff.interp.run import Run
from specdiff.interp.scalars import some_number
from specdiff.interp.tracked import Tracked, plain
from specdiff.interp.turns import index_of, opened
from specdiff.interp.values import Tensor, Turns, Unknown

Items = TypeVar("Items")


def raw(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a model that wants its arguments untouched (tracked and unknown values included)."""
    function.raw = True  # type: ignore[attr-defined]
    return function


def turns_of(stop: NotIterable) -> Turns | None:
    """One item for all of an iterable that could not be gone through; None where not even that is known."""
    if stop.element is stop.value and stop.length is None:
        return None
    return Turns(stop.element, stop.length, stop.value.reason)


def items_or_turns(run: Run, value: Value) -> list[Value] | Turns:
    """All items of an iterable, or one for all of them."""
    return _read_or_turns(run, value, containers.listed)


def _read_or_turns(run: Run, value: Value, read: Callable[[Run, Value], Items]) -> Items | Turns:
    """What reads an iterable gives, or one item for all; `zip` and `enumerate` read no further than they are asked."""
    try:
        return read(run, value)
    except NotIterable as stop:
        turns = turns_of(stop)
        if turns is None:
            raise
        return turns


def _pairs(function: Callable[..., Any]) -> Callable[..., Any]:
    """A built-in over iterables whose items may be any values (`zip`, `enumerate` …)."""

    @raw
    def model(ctx: Run, *args: Value, **kwargs: Value) -> Value:
        for arg in args:
            if isinstance(arg, Unknown):
                return arg
        try:
            return function(ctx, *args, **{key: plain(value) for key, value in kwargs.items()})
        except containers.NotIterable as stop:
            return stop.value

    model.__name__ = function.__name__
    return model


@_pairs
def _zip(ctx: Run, *iterables: Value, strict: bool = False) -> Value:
    return _rows(ctx, [_read_or_turns(ctx, item, containers.iterate) for item in iterables], strict)


def _rows(ctx: Run, columns: list[Any], strict: bool) -> Value:
    """``zip(*columns)``; where the length of a column is known, open ones go as far."""
    opens = [column for column in columns if isinstance(column, Turns)]
    if not opens:
        return zip(*columns, strict=strict)
    if len(opens) < len(columns):
        known = iter(zip(*[column for column in columns if not isinstance(column, Turns)], strict=strict))
        return iter([_row(columns, list(items)) for items in ctx.bounded(known)])
    length = next((column.length for column in opens if column.length is not None), None)
    return Turns(tuple([column.element for column in opens]), length, opens[0].why)


def _row(columns: list[Any], items: list[Value]) -> tuple[Value, ...]:
    return tuple([column.element if isinstance(column, Turns) else items.pop(0) for column in columns])


@_pairs
def _enumerate(ctx: Run, iterable: Value, start: Value = 0) -> Value:
    items = _read_or_turns(ctx, iterable, containers.iterate)
    if isinstance(items, Turns):
        return Turns((index_of(ctx) + plain(start), items.element), items.length, items.why)
    return enumerate(items, plain(start))


@_pairs
def _reversed(ctx: Run, iterable: Value) -> Value:
    method = lookups.method_of(iterable, "__reversed__")
    if method is not MISSING:
        return ctx.call(method, (), {})
    items = items_or_turns(ctx, iterable)
    return items if isinstance(items, Turns) else iter(items[::-1])


@_pairs
def _map(ctx: Run, function: Value, *iterables: Value) -> Value:
    columns = [items_or_turns(ctx, item) for item in iterables]
    rows = _rows(ctx, columns, strict=False)
    if isinstance(rows, Turns):
        return Turns(ctx.call(function, rows.element, {}), rows.length, rows.why)
    return iter([ctx.call(function, items, {}) for items in rows])


@_pairs
def _filter(ctx: Run, function: Value, iterable: Value) -> Value:
    kept = []
    for item in containers.iterate(ctx, iterable):
        answer = ops.truth(ctx, item if function is None else ctx.call(function, (item,), {}))
        if answer is None:
            return ctx.unknown("a filter by something that is not known")
        if answer:
            kept.append(item)
    return iter(kept)


def _first(name: str, decisive: bool) -> Callable[..., Any]:
    """`any` or `all`: the first item of one truth decides; an undecided one counts only where none does."""

    def model(ctx: Run, iterable: Value) -> Value:
        undecided: Value = not decisive
        for item in containers.iterate(ctx, iterable):
            answer = ops.truth(ctx, item)
            if answer is decisive:
                return decisive
            if answer is None:
                undecided = item if isinstance(item, Unknown) else ctx.unknown("a condition that depends on data")
        return undecided

    model.__name__ = name
    return _pairs(model)


@_pairs
def _sum(ctx: Run, iterable: Value, start: Value = 0) -> Value:
    items = items_or_turns(ctx, iterable)
    if isinstance(items, Turns):
        return _open_sum(ctx, items, start)
    total = start
    for item in items:
        total = ops.binary(ctx, "+", total, item)
    return total


def _open_sum(ctx: Run, turns: Turns, start: Value) -> Value:
    element = turns.element
    if isinstance(element, int) and turns.length is not None:
        return ops.binary(ctx, "+", start, element * turns.length)
    if isinstance(element, Tensor) or (isinstance(element, Unknown) and element.source is not None):
        return ops.binary(ctx, "+", start, element)
    return some_number(ctx, turns.why)


def _extreme(name: str, better: str) -> Callable[..., Any]:
    @raw
    def model(ctx: Run, *args: Value, key: Value = None, default: Value = MISSING) -> Value:
        try:
            items = items_or_turns(ctx, args[0]) if len(args) == 1 else list(args)
        except containers.NotIterable as stop:
            return stop.value
        if isinstance(items, Turns):
            element = items.element
            return element if isinstance(element, int | Tensor | Unknown) else some_number(ctx, items.why)
        items = [plain(item) for item in items]
        if not items:
            if default is not MISSING:
                return default
            raise ValueError(f"{name}() iterable argument is empty")
        best, best_key = items[0], items[0] if key is None else ctx.call(key, (items[0],), {})
        for item in items[1:]:
            item_key = item if key is None else ctx.call(key, (item,), {})
            answer = ops.truth(ctx, ops.compare(ctx, better, item_key, best_key))
            if answer is None:
                if isinstance(item_key, Unknown | Tensor) or isinstance(best_key, Unknown | Tensor):
                    if any(isinstance(value, Unknown) and value.source is not None for value in items):
                        return some_number(ctx, f"{name}() of numbers that depend on data")
                    return ctx.unknown(f"{name}() of values that are not known")
                return Dim.maximum(best, item) if name == "max" else Dim.minimum(best, item)
            if answer:
                best, best_key = item, item_key
        return best

    model.__name__ = name
    return model


@_pairs
def _sorted(ctx: Run, iterable: Value, key: Value = None, reverse: Value = False) -> Value:
    items = [lookups.payload(plain(item)) for item in containers.listed(ctx, iterable)]
    if any(isinstance(item, Unknown) for item in items):
        return ctx.unknown("sorting values that are not known")
    return sorted(items, key=ctx.host_callable(key) if key is not None else None, reverse=bool(reverse))


def _collection(kind: type) -> Callable[..., Any]:
    @raw
    def model(ctx: Run, *args: Value) -> Value:
        if not args:
            return kind()
        if isinstance(args[0], Unknown):
            return args[0]
        try:
            items = items_or_turns(ctx, args[0])
        except containers.NotIterable as stop:
            return stop.value
        if isinstance(items, Turns):
            if kind is list:
                return opened(ctx, items.element, items.length)
            return items if kind is tuple else ctx.unknown(items.why)
        if kind in (set, frozenset):
            items = [lookups.payload(plain(item)) for item in items]
        elif kind is list:
            items = [plain(item) if type(item) is Tracked else item for item in items]
        return kind(items)

    model.__name__ = kind.__name__
    return model


TYPES: dict[type, Callable[..., Any]] = {
    list: _collection(list),
    tuple: _collection(tuple),
    set: _collection(set),
    frozenset: _collection(frozenset),
    zip: _zip,
    enumerate: _enumerate,
    map: _map,
    filter: _filter,
    reversed: _reversed,
}
"""Models of calling types that hold items."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "any": _first("any", True),
    "all": _first("all", False),
    "sum": _sum,
    "max": _extreme("max", ">"),
    "min": _extreme("min", "<"),
    "sorted": _sorted,
}
"""Models of functions of iterables."""
