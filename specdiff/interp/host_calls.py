"""Calls of what runs natively: models of library functions, Python's own types, and the methods of its objects."""

from __future__ import annotations

from typing import Any

from specdiff.interp import memo
from specdiff.interp.attributes import OBJECT_METHODS, get
from specdiff.interp.guarding import HOST_ERRORS, guarded, raised
from specdiff.interp.lookups import payload
from specdiff.interp.objects import (
    HostMethod,
    Instance,
    Value,
)
from specdiff.interp.run import Run
from specdiff.interp.scalars import as_tensor
from specdiff.interp.tracked import plain
from specdiff.interp.turns import extended
from specdiff.interp.values import Tensor, Unknown

MUTATORS = frozenset(
    [
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "clear",
        "sort",
        "reverse",
        "update",
        "popitem",
        "setdefault",
        "add",
        "discard",
        "move_to_end",
        "intersection_update",
        "difference_update",
        "symmetric_difference_update",
        "appendleft",
        "popleft",
        "__setitem__",
        "__delitem__",
        "__init__",
        "subtract",
        "rotate",
        "extendleft",
    ]
)

REST = "**"
"""Key of keyword arguments that may be given besides the named ones, in a run that asks what can be read."""


_OF_NUMPY = {"axis": "dim", "keepdims": "keepdim"}


def modelled(run: Run, function: Any, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """A native model of a library function called; what it does not know loses its data for the trace."""
    result = _result(run, function, args, kwargs)
    if run.trace is not None and isinstance(result, Unknown):
        run.trace.lose(args, kwargs)
    return result


def _result(run: Run, function: Any, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    if run.read is not None and REST in kwargs:
        kwargs = {key: value for key, value in kwargs.items() if key != REST}
    if "axis" in kwargs and not str(getattr(function, "__name__", "numpy")).startswith("numpy"):
        # torch takes numpy's name for every ``dim``.
        kwargs = {_OF_NUMPY.get(key, key): value for key, value in kwargs.items()}
    if not getattr(function, "raw", False):
        if any(type(value) is Unknown and value.source is not None for value in (*args, *kwargs.values())):
            if any(type(value) is Tensor for value in (*args, *kwargs.values())):
                args = tuple(as_tensor(value) for value in args)
                kwargs = {key: as_tensor(value) for key, value in kwargs.items()}
        for value in args:
            if type(value) is Unknown:
                return value
            if type(value) in memo.OBSERVED:
                args = tuple(plain(item) for item in args)
                break
        for value in kwargs.values():
            if type(value) is Unknown:
                return value
            if type(value) in memo.OBSERVED:
                kwargs = {key: plain(item) for key, item in kwargs.items()}
                break
    return guarded(run, function, (run, *args), kwargs)


MUTABLE = (list, dict, set)


def host_type(run: Run, callee: type, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """One of Python\'s own types called."""
    model = run.host_types.get(callee)
    if model is not None:
        return modelled(run, model, args, kwargs)
    if issubclass(callee, BaseException):
        try:
            return callee(*[plain(arg) for arg in args])
        except HOST_ERRORS as error:
            raise raised(run, error) from None
    return run.unknown(f"a call of {callee.__name__} is not modelled")


def host_init(run: Run, made: Instance, args: tuple[Value, ...], kwargs: dict[str, Value]) -> None:
    """``__init__`` of one of Python\'s own types on an instance of a class that extends it."""
    native = made.native
    if isinstance(native, BaseException):
        native.args = tuple(args)
        return
    if not args and not kwargs:
        return
    source = payload(args[0]) if args else None
    if isinstance(native, dict):
        if source is not None:
            native.update(source if isinstance(source, dict) else dict(run.listed(source)))
        native.update(kwargs)
    elif isinstance(native, list):
        native.extend(run.listed(source))
    elif isinstance(native, set):
        native.update(run.listed(source))


def host_method(run: Run, method: HostMethod, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """A method of one of Python\'s own objects called."""
    receiver, name = method.receiver, method.name
    owner = receiver
    if isinstance(receiver, Instance):
        if name == "__init__":
            host_init(run, receiver, args, kwargs)
            return None
        receiver = receiver.native
    elif isinstance(receiver, type):
        return _unbound(run, receiver, name, args, kwargs)
    if name in MUTATORS and isinstance(receiver, MUTABLE):
        run.touch(owner if isinstance(owner, Instance) else receiver)
        if owner is not receiver:
            run.touch(receiver)
    elif run.recording is not None and isinstance(receiver, MUTABLE):
        run.reached(receiver, owner if isinstance(owner, Instance) else receiver)
    args = tuple(plain(arg) for arg in args)
    if name == "extend" and type(receiver) is list and args and extended(run, receiver, args[0]):
        return None
    if isinstance(receiver, str | bytes):
        return _string_method(run, receiver, name, args, kwargs)
    if name == "sort":
        key = kwargs.get("key")
        kwargs = {**kwargs, "key": run.host_callable(key)} if key is not None else kwargs
    if name in (
        "extend",
        "update",
        "union",
        "intersection",
        "difference",
        "issubset",
        "issuperset",
        "extendleft",
        "symmetric_difference",
        "isdisjoint",
        "difference_update",
        "intersection_update",
    ):
        args = tuple(_plain_items(run, arg, isinstance(receiver, dict)) for arg in args)
        if any(isinstance(arg, Unknown) for arg in args):
            return run.unknown("a collection that is not known")
    elif args and name in ("get", "pop", "setdefault", "__getitem__", "__contains__", "move_to_end"):
        args = (payload(args[0]), *args[1:])
        if isinstance(args[0], Unknown):
            return args[0]
    elif name in ("index", "count", "remove") and args and isinstance(receiver, list | tuple):
        args = (payload(args[0]), *args[1:])
        if isinstance(args[0], Unknown):
            return args[0]
        if isinstance(args[0], Tensor):
            return run.unknown("a search for a tensor")
    if kwargs and name not in ("sort", "update", "setdefault"):
        kwargs = {key: plain(value) for key, value in kwargs.items()}
    try:
        result = getattr(receiver, name)(*args, **kwargs)
    except HOST_ERRORS as error:
        raise raised(run, error) from None
    if name in ("values", "items", "keys", "get", "pop", "setdefault", "popitem", "copy") and run.recording is not None:
        _reached_items(run, receiver, result, name)
    return result


def _reached_items(run: Run, container: Value, result: Value, name: str) -> None:
    if name in ("values", "items", "copy") and isinstance(container, dict):
        for value in container.values():
            if isinstance(value, MUTABLE):
                run.reached(value, container)
    elif isinstance(result, MUTABLE):
        run.reached(result, container)


def _plain_items(run: Run, value: Value, mapping: bool) -> Value:
    if isinstance(value, Unknown):
        return value
    value = payload(value)
    if mapping:
        if isinstance(value, Instance):
            keys = run.listed(run.call(get(run, value, "keys"), (), {}))
            return {key: run.getitem(value, key) for key in keys}
        return value if isinstance(value, dict) else [tuple(run.listed(item)) for item in run.listed(value)]
    return run.listed(value)


def _string_method(run: Run, receiver: Value, name: str, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    if name == "join" and args:
        items = [payload(plain(item)) for item in run.listed(args[0])]
        for item in items:
            if isinstance(item, Unknown):
                return item
        args = (items,)
    elif name in ("format", "format_map"):
        values = [*args, *kwargs.values()]
        for value in values:
            if isinstance(value, Unknown):
                return value
        args = tuple(run.printable(value) for value in args)
        kwargs = {key: run.printable(value) for key, value in kwargs.items()}
    else:
        for value in args:
            if isinstance(value, Unknown):
                return value
        args = tuple(payload(value) for value in args)
    try:
        return getattr(receiver, name)(*args, **kwargs)
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def _unbound(run: Run, receiver: type, name: str, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """``dict.fromkeys(…)``, ``str.join(sep, …)``, ``object.__setattr__(…)``."""
    if receiver is object and name == "__setattr__" and len(args) == 3 and isinstance(args[0], Instance):
        module, attribute, value = args[0], plain(args[1]), args[2]
        if "module" in module.cls.flags and isinstance(attribute, str):
            run.touch(module)
            module.attrs[attribute] = value  # past torch's tables: it is no submodule
            return None
    if receiver is object or name in ("__setattr__", "__getattribute__", "__init_subclass__"):
        model = OBJECT_METHODS.get(name)
        if model is not None:
            return guarded(run, model, (run, *args), kwargs)
    if name in ("fromkeys", "maketrans", "fromhex", "from_bytes", "fromisoformat"):
        try:
            items = [run.listed(args[0]), *args[1:]] if name == "fromkeys" else [plain(arg) for arg in args]
            return getattr(receiver, name)(*items)
        except HOST_ERRORS as error:
            raise raised(run, error) from None
    if args:
        first = args[0]
        if isinstance(first, Instance) and first.native is None:
            return run.unknown(f"{receiver.__name__}.{name} of an object without such a payload")
        return host_method(run, HostMethod(first, name), args[1:], kwargs)
    return run.unknown(f"{receiver.__name__}.{name} is not modelled")
