"""Items of containers, read, set and deleted, and iteration over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from specdiff.interp import limits
from specdiff.interp.dims import Dim
from specdiff.interp.guarding import HOST_ERRORS, guarded, raised
from specdiff.interp.lookups import lookup, method_of, payload, type_name
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    BudgetExceeded,
    ClassVal,
    Function,
    GenericAlias,
    Instance,
    Raised,
    Value,
)
from specdiff.interp.run import REMADE, Run
from specdiff.interp.scalars import constant
from specdiff.interp.tracked import RunRecording, Tracked, plain
from specdiff.interp.turns import item_of, item_of_open
from specdiff.interp.values import Tensor, Turns, Unknown, Walk

SHARED = frozenset({list, dict, set})
"""Containers of Python's own that several names may hold, so that changes to them are recorded."""
_CALLABLE = (Instance, Function, BoundMethod, ClassVal)


def getitem(run: Run, container: Value, index: Value) -> Value:
    """``container[index]``."""
    kind = type(container)
    if kind is list or kind is dict or kind is tuple or kind is str:
        if type(index) is Tracked:
            if run.recording is not None:
                run.reached(container, container)
            try:
                found = container[index.value]
                if isinstance(found, Instance) and type(index.recording) is RunRecording:
                    place = index.function
                    index.recording.pairs.append((lambda env: container[place(env)], found))
                    return found
                return index.observe_as(lambda value: container[value])
            except HOST_ERRORS as error:
                raise raised(run, error) from None
        if isinstance(index, Unknown):
            return any_item(run, container, index)
        index = payload(index)
        if kind is list and run.open_lists and id(container) in run.open_lists:
            return item_of_open(run, container, index)
        if isinstance(index, slice):
            index = slice(plain(index.start), plain(index.stop), plain(index.step))
            if any(isinstance(part, Unknown | Dim) for part in (index.start, index.stop, index.step)):
                return run.unknown("a slice with a bound that is not known")
        elif isinstance(index, Tensor):
            const = constant(index)
            if const is None or const.size != 1:
                return any_item(run, container, run.unknown("an index that depends on data"))
            index = int(const.reshape(-1)[0])
        try:
            result = container[index]
        except HOST_ERRORS as error:
            raise raised(run, error) from None
        if run.recording is not None:
            if type(result) in SHARED:
                run.reached(result, container)
            elif isinstance(result, Instance) and type(run.recording) is RunRecording:
                run.recording.openly.add(id(result))
        return result
    if kind is Unknown:
        return container
    if kind is Turns:
        return item_of(container, payload(plain(index)))
    if kind is Tensor:
        return guarded(run, run.library.getitem, (run, container, plain(index)), {})
    if isinstance(container, Instance):
        method = method_of(container, "__getitem__")
        if method is not MISSING:
            return run.call(method, (index,), {})
        if container.native is not None:
            try:
                return getitem(run, container.native, index)
            except Raised as error:
                missing = method_of(container, "__missing__")
                if missing is not MISSING and isinstance(error.value, KeyError):
                    return run.call(missing, (index,), {})
                raise
        if container.cls.unknown_base is not None:
            return run.unknown("an item of an object whose class is not fully known", container.cls.unknown_base)
        raise raised(run, TypeError(f"'{container.cls.name}' object is not subscriptable"))
    if isinstance(container, ClassVal):
        if container.enum_members is not None:
            if index in container.enum_members:
                return container.enum_members[index]
            raise raised(run, KeyError(index))
        method = lookup(container, "__class_getitem__")[0]
        if method is not MISSING and isinstance(method, Function):
            return run.call(method, (container, index), {})
        return GenericAlias(container, index)
    if isinstance(container, (type, GenericAlias)):
        return GenericAlias(container, index)
    if isinstance(container, Function) and REMADE in container.attrs:
        # ``kernel[grid](…)`` writes into what it is given, so that nothing behind it is known.
        why = container.attrs[REMADE].reason
        raise NotIterable(run.unknown(f"{container.name} is launched as a kernel of another language: {why}"))
    if container is None or isinstance(container, int | float | Function | BoundMethod):
        raise raised(run, TypeError(f"'{type_name(container)}' object is not subscriptable"))
    if isinstance(index, Unknown):
        return index
    try:
        return container[payload(plain(index))]
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def any_item(run: Run, container: Value, why: Unknown) -> Unknown:
    """One of a container's items, it is not known which."""
    items = container.values() if isinstance(container, dict) else container if not isinstance(container, str) else ()
    options = tuple({id(item): item for item in items if isinstance(item, _CALLABLE)}.values())
    return Unknown(why.reason, why.place, why.cause, options=options) if options else why


def setitem(run: Run, container: Value, index: Value, value: Value) -> None:
    """``container[index] = value``."""
    if isinstance(container, Unknown):
        return
    if isinstance(container, Tensor):
        if run.trace is not None and (isinstance(value, Unknown) or isinstance(index, Unknown)):
            run.trace.lose(container, value)
        guarded(run, run.library.setitem, (run, container, plain(index), value), {})
        return
    if isinstance(container, Instance):
        method = method_of(container, "__setitem__")
        if method is not MISSING:
            run.call(method, (index, value), {})
            return
        if container.native is None and container.cls.unknown_base is not None:
            return
        if container.native is None:
            raise raised(run, TypeError(f"'{container.cls.name}' object does not support item assignment"))
        run.touch(container)
        container = container.native
    if isinstance(index, Unknown):
        run.note("an item is set under a key that is not known")
        return
    if type(container) in SHARED:
        run.touch(container)
    try:
        container[payload(plain(index))] = plain(value)
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def delitem(run: Run, container: Value, index: Value) -> None:
    """``del container[index]``."""
    if isinstance(container, Unknown | Tensor):
        return
    if isinstance(container, Instance):
        method = method_of(container, "__delitem__")
        if method is not MISSING:
            run.call(method, (index,), {})
            return
        run.touch(container)
        container = container.native
    elif type(container) in SHARED:
        run.touch(container)
    try:
        del container[payload(plain(index))]
    except HOST_ERRORS as error:
        raise raised(run, error) from None


class _Turns:
    """An iterator over the results of an analysed ``__next__``."""

    def __init__(self, run: Run, method: Value) -> None:
        self.run = run
        self.method = method

    def __iter__(self) -> Iterator[Value]:
        return self

    def __next__(self) -> Value:
        try:
            return self.run.call(self.method, (), {})
        except Raised as error:
            if isinstance(error.value, StopIteration):
                raise StopIteration from None
            raise


def iterate(run: Run, value: Value) -> Iterable[Value]:
    """The items of an iterable, or raises `NotIterable` where they are not known."""
    kind = type(value)
    if kind is list or kind is tuple or kind is range or kind is dict or kind is set or kind is str:
        if kind is list and run.open_lists and id(value) in run.open_lists:
            length = run.open_lists[id(value)][1]
            raise NotIterable(run.unknown("a list that a loop over a symbolic size filled"), value[-1], length)
        if kind in SHARED:
            if run.recording is not None:
                run.reached(value, value)
            return list(value)
        return value  # type: ignore[no-any-return]
    if isinstance(value, Unknown):
        raise NotIterable(value)
    if kind is Turns:
        raise NotIterable(run.unknown(value.why), value.element, value.length)
    if isinstance(value, Tensor):
        if value.shape is None or not value.shape:
            raise NotIterable(run.unknown("iteration over a tensor of unknown shape"))
        count = value.shape[0]
        if not isinstance(count, int) or count > limits.MAX_LOOP:
            element = guarded(run, run.library.getitem, (run, value, 0), {})
            if run.trace is not None and isinstance(element, Tensor) and element.node is not None:
                run.trace.ops[element.node].attrs["each"] = True  # not the first item but any
            raise NotIterable(run.unknown("iteration over a tensor whose length is not known"), element, count)
        return [guarded(run, run.library.getitem, (run, value, index), {}) for index in range(count)]
    if isinstance(value, Instance):
        method = method_of(value, "__iter__")
        if method is not MISSING:
            iterator = run.call(method, (), {})
            following = method_of(iterator, "__next__")
            return iterate(run, iterator) if following is MISSING else _Turns(run, following)
        method = method_of(value, "__next__")
        if method is not MISSING:
            return _Turns(run, method)
        if value.native is not None:
            return list(value.native) if isinstance(value.native, dict | list | set) else value.native
        method = method_of(value, "__getitem__")
        if method is not MISSING:
            return _by_index(run, method)
        if value.cls.unknown_base is not None:
            raise NotIterable(run.unknown("an object whose class is not fully known", value.cls.unknown_base))
        raise raised(run, TypeError(f"'{value.cls.name}' object is not iterable"))
    if isinstance(value, ClassVal):
        if value.enum_members is not None:
            return list(value.enum_members.values())
        raise raised(run, TypeError("'type' object is not iterable"))
    if isinstance(value, Dim):
        raise raised(run, TypeError("'int' object is not iterable"))
    if kind is Walk:
        run.advance(value)
        return value.items  # type: ignore[no-any-return]
    try:
        turns: Iterator[Any] = iter(value)
    except HOST_ERRORS as error:
        raise raised(run, error) from None
    return turns


def _by_index(run: Run, method: Value) -> Iterator[Value]:
    for index in range(limits.MAX_LOOP):
        try:
            yield run.call(method, (index,), {})
        except Raised as error:
            if isinstance(error.value, IndexError):
                return
            raise
    raise BudgetExceeded("MAX_LOOP", run.place)


class NotIterable(Exception):
    """Indicates that the items of a value are not known; carries the `Unknown` and, for a tensor, what an item is like."""

    def __init__(self, value: Unknown, element: Value = None, length: Any = None) -> None:
        super().__init__(value.reason)
        self.value = value
        self.element = value if element is None else element
        self.length = length
        """How many items there are, where that is a symbolic size."""


def listed(run: Run, value: Value) -> list[Value]:
    """All items of an iterable, within the loop budget."""
    items = []
    for item in iterate(run, value):
        items.append(item)
        if len(items) > limits.MAX_LOOP * 50:
            raise BudgetExceeded("MAX_LOOP", run.place)
    return items
