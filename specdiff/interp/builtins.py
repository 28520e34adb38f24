"""Python's built-in functions and types, over the program's values."""

from __future__ import annotations

import builtins as host
import dataclasses
from collections.abc import Callable
from typing import Any

from specdiff.interp import assignment, attributes, calls, containers, formatting, lookups, ops, scalars
from specdiff.interp.dims import Dim, Ratio
from specdiff.interp.iterating import FUNCTIONS as ITERATING
from specdiff.interp.iterating import TYPES as ITERATED
from specdiff.interp.iterating import raw
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    ClassVal,
    Function,
    GenericAlias,
    HostMethod,
    Instance,
    ModuleVal,
    Partial,
    Property,
    Raised,
    Union,
    Value,
    Wrapped,
)
from specdiff.interp.run import Run
from specdiff.interp.scalars import number_of, some_number
from specdiff.interp.tracked import Tracked, plain
from specdiff.interp.turns import index_of
from specdiff.interp.values import Device, DType, Intrinsic, Tensor, Turns, Unknown


@raw
def _isinstance(ctx: Run, obj: Value, kinds: Value) -> Value:
    return is_instance(ctx, obj, kinds)


def is_instance(run: Run, obj: Value, kinds: Value) -> Value:
    """``isinstance``; an `Unknown` where it is not known."""
    undecided: Value = False
    for kind in _flat(kinds):
        answer = _is_one(run, obj, kind)
        if answer is True:
            return True
        if answer is not False:
            undecided = answer
    return undecided


def _flat(kinds: Value) -> list[Value]:
    if isinstance(kinds, tuple | list):
        return [kind for entry in kinds for kind in _flat(entry)]
    if isinstance(kinds, Union):
        return [entry for kind in kinds.args for entry in (_flat(kind) if kind is not None else [type(None)])]
    if isinstance(kinds, GenericAlias):
        return _flat(kinds.origin)
    return [kinds]


_TENSOR_CLASSES = frozenset(
    {"Tensor", "FloatTensor", "LongTensor", "BoolTensor", "IntTensor", "ByteTensor", "HalfTensor"}
)


def _number_is(dtype: str, kind: type) -> bool:
    """Whether a number read from a tensor is of one of Python's types."""
    python = bool if dtype == "bool" else float if dtype.startswith(("float", "bfloat")) else int
    return issubclass(python, kind)


def _is_one(run: Run, obj: Value, kind: Value) -> Value:
    if isinstance(obj, Unknown) and obj.source is not None and isinstance(kind, type):
        return _number_is(obj.source.dtype, kind)
    if isinstance(obj, Unknown):
        return obj
    if isinstance(obj, Tracked):
        obj = obj.value  # the type of a tracked value does not depend on which value it is
    if isinstance(kind, Unknown):
        return False if not isinstance(obj, Instance) or obj.cls.unknown_base is None else kind
    if isinstance(kind, ClassVal):
        if isinstance(obj, Instance):
            if kind in obj.cls.mro:
                return True
            return obj.cls.unknown_base if obj.cls.unknown_base is not None else False
        if isinstance(obj, ClassVal) and "metaclass" in kind.flags:
            return obj.meta is not None and kind in obj.meta.mro
        if isinstance(obj, Tensor):
            if kind.name in _TENSOR_CLASSES:
                return True
            if kind.name in ("Parameter", "UninitializedParameter"):
                return obj.kind == "parameter" or obj.kind == "uninitialized"
            if kind.name == "Buffer":
                return obj.kind == "buffer"
            return False
        if kind.name in ("Size",) and isinstance(obj, tuple):
            return True
        if kind.name == "device":
            return isinstance(obj, Device)
        if kind.name == "dtype":
            return isinstance(obj, DType)
        check = _ABSTRACT.get(kind.name) if "marker" in kind.flags else None
        return check(obj) if check is not None else False
    if isinstance(kind, Intrinsic):
        short = kind.name.rpartition(".")[2]
        if short == "partial":
            return isinstance(obj, Partial)
        if short in _TENSOR_CLASSES:
            return isinstance(obj, Tensor)
        if short == "dtype":
            return isinstance(obj, DType)
        if short == "device":
            return isinstance(obj, Device)
        return False
    if isinstance(kind, type):
        if kind is object:
            return True
        if kind is type:
            return isinstance(obj, ClassVal | type)
        if isinstance(obj, Instance):
            return obj.cls.native is not None and (issubclass(obj.cls.native, kind) or isinstance(obj.native, kind))
        if isinstance(obj, Dim):
            return kind is int
        if isinstance(obj, DType | Device | Tensor | Function | ClassVal):
            return False
        return isinstance(obj, kind)
    return False


def _derives(cls: ClassVal, name: str) -> bool:
    return any(
        isinstance(base, ClassVal) and base.name == name and base.module.name == "overlays.abstract" for base in cls.mro
    )


def _is_mapping(obj: Value) -> bool:
    return isinstance(lookups.payload(obj), dict)


_ABSTRACT: dict[str, Callable[[Value], bool]] = {
    "Mapping": _is_mapping,
    "MutableMapping": _is_mapping,
    "Iterable": lambda obj: (
        isinstance(lookups.payload(obj), list | tuple | dict | set | str | range)
        or lookups.method_of(obj, "__iter__") is not MISSING
    ),
    "Sequence": lambda obj: isinstance(lookups.payload(obj), list | tuple | str | range),
    "MutableSequence": lambda obj: isinstance(lookups.payload(obj), list),
    "Sized": lambda obj: hasattr(lookups.payload(obj), "__len__"),
    "Collection": lambda obj: isinstance(lookups.payload(obj), list | tuple | dict | set | str | range),
    "Set": lambda obj: isinstance(lookups.payload(obj), set | frozenset),
    "Callable": calls.is_callable,
    "FunctionType": lambda obj: isinstance(obj, Function),
    "ModuleType": lambda obj: isinstance(obj, ModuleVal),
    "Hashable": lambda obj: not isinstance(obj, list | dict | set),
    "Number": lambda obj: isinstance(obj, int | float | complex),
    "Integral": lambda obj: isinstance(obj, int),
    "Real": lambda obj: isinstance(obj, int | float),
    "Iterator": lambda obj: hasattr(obj, "__next__"),
    "Generator": lambda obj: hasattr(obj, "__next__"),
}


def _issubclass(ctx: Run, cls: Value, kinds: Value) -> Value:
    if isinstance(cls, GenericAlias):
        cls = cls.origin
    for kind in _flat(kinds):
        if isinstance(cls, ClassVal):
            if kind in cls.mro or kind is object:
                return True
            if isinstance(kind, type) and cls.native is not None and issubclass(cls.native, kind):
                return True
        elif isinstance(cls, type) and isinstance(kind, type) and issubclass(cls, kind):
            return True
    if not isinstance(cls, ClassVal | type):
        raise TypeError("issubclass() arg 1 must be a class")
    return cls.unknown_base if isinstance(cls, ClassVal) and cls.unknown_base is not None else False


@raw
def _getattr(ctx: Run, obj: Value, name: Value, *default: Value) -> Value:
    name = lookups.payload(plain(name))
    if isinstance(name, Unknown):
        return name
    if not default:
        return attributes.get(ctx, obj, name)
    try:
        return attributes.get(ctx, obj, name, default[0])
    except Raised as error:
        if isinstance(error.value, AttributeError):
            return default[0]
        raise


@raw
def _hasattr(ctx: Run, obj: Value, name: Value) -> Value:
    name = lookups.payload(plain(name))
    if isinstance(obj, Unknown):
        return obj
    try:
        value = attributes.get(ctx, obj, name, MISSING if False else _NOTHING)
    except Raised as error:
        if isinstance(error.value, AttributeError):
            return False
        raise
    if isinstance(value, Unknown) and isinstance(obj, Instance | ClassVal):
        cls = obj.cls if isinstance(obj, Instance) else obj
        return value if cls.unknown_base is not None and value is cls.unknown_base else True
    return value is not _NOTHING


_NOTHING = object()


@raw
def _setattr(ctx: Run, obj: Value, name: Value, value: Value) -> None:
    name = lookups.payload(plain(name))
    if not isinstance(name, Unknown):
        assignment.set_(ctx, obj, name, value)


def _delattr(ctx: Run, obj: Value, name: str) -> None:
    assignment.delete(ctx, obj, name)


def _len(ctx: Run, obj: Value) -> Value:
    if isinstance(obj, Instance):
        method = lookups.method_of(obj, "__len__")
        if method is not MISSING:
            return ctx.call(method, (), {})
        if obj.native is None and obj.cls.unknown_base is not None:
            return ctx.unknown("the length of an object whose class is not fully known", obj.cls.unknown_base)
        obj = lookups.payload(obj)
    if isinstance(obj, Tensor):
        if obj.shape is None:
            return ctx.unknown("the length of a tensor of unknown shape")
        if not obj.shape:
            raise TypeError("len() of a 0-d tensor")
        return obj.shape[0]
    if isinstance(obj, ClassVal) and obj.enum_members is not None:
        return len(obj.enum_members)
    if isinstance(obj, Turns):
        return obj.length if obj.length is not None else ctx.unknown(obj.why)
    if isinstance(obj, list | dict | set):
        ctx.reached(obj, obj)
        if id(obj) in ctx.open_lists:
            return ctx.open_lists[id(obj)][1]
    try:
        return len(obj)
    except TypeError:
        raise TypeError(f"object of type '{lookups.type_name(obj)}' has no len()") from None


@raw
def _print(ctx: Run, *args: Value, **kwargs: Value) -> None:
    return None


def _type(ctx: Run, obj: Value, *rest: Value) -> Value:
    if rest:
        bases, namespace = rest[0], rest[1]
        frame_module = ModuleVal("<dynamic>", "", lambda name: MISSING)
        cls = ClassVal(str(obj), str(obj), frame_module, tuple(bases))
        order: list[Value] = [cls]
        for base in bases:
            for entry in base.mro if isinstance(base, ClassVal) else (base,):
                if entry not in order and entry is not object:
                    order.append(entry)
            if isinstance(base, ClassVal):
                cls.flags |= base.flags - {"library"}
                cls.native = cls.native or base.native
                cls.unknown_base = cls.unknown_base or base.unknown_base
        cls.mro = tuple(order)
        cls.attrs.update(namespace)
        return cls
    if isinstance(obj, Instance):
        return obj.cls
    if isinstance(obj, Tensor):
        found = ctx.loader.module("torch")
        return ctx.getattr(found, "Tensor") if isinstance(found, ModuleVal) else ctx.unknown("the type of a tensor")
    if isinstance(obj, ClassVal):
        return type if obj.meta is None else obj.meta
    if isinstance(obj, Dim):
        return int
    return type(obj)


@raw
def _callable(ctx: Run, obj: Value) -> Value:
    return obj if isinstance(obj, Unknown) else calls.is_callable(obj)


def _iter(ctx: Run, obj: Value, *sentinel: Value) -> Value:
    return obj if hasattr(type(obj), "__next__") else ctx.walk(iter(containers.iterate(ctx, obj)))


@raw
def _next(ctx: Run, iterator: Value, *default: Value) -> Value:
    if isinstance(iterator, Unknown):
        return iterator
    if isinstance(iterator, Instance):
        method = lookups.method_of(iterator, "__next__")
        if method is not MISSING:
            try:
                return ctx.call(method, (), {})
            except Raised as error:
                if isinstance(error.value, StopIteration) and default:
                    return default[0]
                raise
    ctx.advance(iterator)
    try:
        return next(iterator, *default)
    except StopIteration:
        raise
    except containers.NotIterable as stop:
        return stop.value
    except TypeError:
        raise TypeError(f"'{lookups.type_name(iterator)}' object is not an iterator") from None


@raw
def _dict(ctx: Run, *args: Value, **kwargs: Value) -> Value:
    result: dict[Value, Value] = {}
    if args:
        source = lookups.payload(plain(args[0]))
        if isinstance(source, Unknown):
            return source
        if isinstance(source, dict):
            ctx.reached(source, source)
            result.update(source)
        elif isinstance(source, Instance) and attributes.get(ctx, source, "keys", None) is not None:
            for key in containers.listed(ctx, ctx.call(attributes.get(ctx, source, "keys"), (), {})):
                result[key] = containers.getitem(ctx, source, key)
        else:
            try:
                for pair in containers.listed(ctx, source):
                    key, value = containers.listed(ctx, pair)
                    result[lookups.payload(plain(key))] = plain(value)
            except containers.NotIterable as stop:
                return stop.value
    result.update({key: plain(value) for key, value in kwargs.items()})
    return result


def _number(kind: type) -> Callable[..., Any]:
    def model(ctx: Run, *args: Value) -> Value:
        if not args:
            return kind()
        value = lookups.payload(args[0])
        if isinstance(value, Tensor):
            const = scalars.constant(value)
            if const is None or const.size != 1:
                return number_of(ctx, value, f"{kind.__name__}() of a tensor's data")
            return kind(const.reshape(-1)[0])
        if isinstance(value, Dim):
            return value if kind is int else value * 1.0
        if isinstance(value, Ratio):
            return value.floor if kind is int else value
        if isinstance(value, Instance):
            method = lookups.method_of(value, f"__{kind.__name__}__")
            if method is not MISSING:
                return ctx.call(method, (), {})
        if isinstance(value, Instance | list | dict | Function | ClassVal):
            raise TypeError(
                f"{kind.__name__}() argument must be a string, a bytes-like object or a real number, not '{lookups.type_name(value)}'"
                if kind is int
                else f"float() argument must be a string or a real number, not '{lookups.type_name(value)}'"
            )
        return kind(value, *[plain(arg) for arg in args[1:]])

    model.__name__ = kind.__name__
    return model


@raw
def _bool(ctx: Run, *args: Value) -> Value:
    if not args:
        return False
    answer = ops.truth(ctx, args[0])
    if answer is None:
        return args[0] if isinstance(args[0], Unknown) else ctx.unknown("a condition that depends on data")
    return answer


@raw
def _str(ctx: Run, *args: Value) -> Value:
    if not args:
        return ""
    value = args[0]
    if isinstance(value, Unknown):
        return value
    if type(value) is Tracked and isinstance(value.value, int):
        return value.map(str)
    if isinstance(value, bytes):
        return str(*args)
    return formatting.to_text(ctx, value)


def _repr(ctx: Run, value: Value) -> str:
    return formatting.to_text(ctx, value, debug=True)


def _range(ctx: Run, *args: Value) -> Value:
    if any(isinstance(arg, Dim) for arg in args):
        if any(not isinstance(arg, int | Dim) for arg in args):
            return Turns(
                some_number(ctx, "a turn of a loop that depends on data"), None, "a range that depends on data"
            )
        first, last, step = (0, args[0], 1) if len(args) == 1 else (args[0], args[1], args[2] if len(args) > 2 else 1)
        length = last - first if step == 1 else (last - first + step - 1) // step
        return Turns(index_of(ctx) + first, length, "a range over a symbolic size")
    bounds = [arg if not isinstance(arg, Tensor) else _number(int)(ctx, arg) for arg in args]
    if any(isinstance(bound, Unknown) for bound in bounds):
        return Turns(some_number(ctx, "a turn of a loop that depends on data"), None, "a range that depends on data")
    for bound in bounds:
        if not isinstance(bound, int):
            raise TypeError(f"'{lookups.type_name(bound)}' object cannot be interpreted as an integer")
    return range(*bounds)


def _abs(ctx: Run, value: Value) -> Value:
    if isinstance(value, Tensor):
        return ctx.call(attributes.get(ctx, value, "abs"), (), {})
    return abs(value)


def _round(ctx: Run, value: Value, *digits: Value) -> Value:
    if isinstance(value, Tensor):
        return ctx.call(attributes.get(ctx, value, "round"), (), {})
    if isinstance(value, Dim):
        return value
    if isinstance(value, Ratio):
        return ctx.unknown("a rounded symbolic size") if digits else (value + 0.5).floor
    return round(value, *digits)


def _pow(ctx: Run, base: Value, exponent: Value, *modulus: Value) -> Value:
    return pow(base, exponent, *modulus) if modulus else ops.binary(ctx, "**", base, exponent)


def _divmod(ctx: Run, left: Value, right: Value) -> Value:
    return ops.binary(ctx, "//", left, right), ops.binary(ctx, "%", left, right)


def _hash(ctx: Run, value: Value) -> Value:
    return hash(value) if not isinstance(value, list | dict | set) else _unhashable(value)


def _unhashable(value: Value) -> Value:
    raise TypeError(f"unhashable type: '{type(value).__name__}'")


@raw
def _id(ctx: Run, value: Value) -> int:
    return id(value)


def _dir(ctx: Run, *args: Value) -> Value:
    obj = args[0] if args else None
    names: set[str] = set()
    cls = obj.cls if isinstance(obj, Instance) else obj
    if isinstance(obj, Instance):
        names |= set(obj.attrs)
    if isinstance(cls, ClassVal):
        for owner in cls.mro:
            if isinstance(owner, ClassVal):
                names |= set(owner.attrs)
    elif isinstance(obj, ModuleVal):
        names |= set(obj.names())
    return sorted(names)


def _vars_like(ctx: Run, obj: Value) -> Value:
    return attributes.get(ctx, obj, "__dict__")


@raw
def _property(ctx: Run, getter: Value = None, setter: Value = None, deleter: Value = None, doc: Value = None) -> Value:
    return Property(getter, setter, deleter)


@raw
def _static(ctx: Run, func: Value) -> Value:
    return Wrapped("static", func)


@raw
def _classmethod(ctx: Run, func: Value) -> Value:
    return Wrapped("class", func)


def _outside(name: str) -> Callable[..., Any]:
    @raw
    def model(ctx: Run, *args: Value, **kwargs: Value) -> Value:
        return ctx.unknown(f"{name}() is not analysed")

    return model


def _slice(ctx: Run, *args: Value) -> Value:
    return slice(*args)


def _host(function: Callable[..., Any]) -> Callable[..., Any]:
    def model(ctx: Run, *args: Value) -> Value:
        return function(*args)

    model.__name__ = function.__name__
    return model


_TYPES: dict[type, Callable[..., Any]] = {
    **ITERATED,
    int: _number(int),
    float: _number(float),
    complex: _number(complex),
    bool: _bool,
    str: _str,
    dict: _dict,
    range: _range,
    slice: _slice,
    type: _type,
    bytes: _host(bytes),
    property: _property,
    staticmethod: _static,
    classmethod: _classmethod,
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **ITERATING,
    "isinstance": _isinstance,
    "issubclass": _issubclass,
    "getattr": _getattr,
    "hasattr": _hasattr,
    "setattr": _setattr,
    "delattr": _delattr,
    "len": _len,
    "print": _print,
    "callable": _callable,
    "iter": _iter,
    "next": _next,
    "repr": _repr,
    "abs": _abs,
    "round": _round,
    "pow": _pow,
    "divmod": _divmod,
    "hash": _hash,
    "id": _id,
    "dir": _dir,
    "vars": _vars_like,
    **{function.__name__: _host(function) for function in (ord, chr, hex, bin, oct, ascii, bytearray, memoryview)},
    "format": raw(lambda ctx, value, spec="": formatting.format_value(ctx, value, None, spec)),
    **{
        name: _outside(name)
        for name in "open exec eval compile input __import__ exit quit breakpoint anext aiter".split()
    },
}


@raw
def _object(ctx: Run, *args: Value) -> Value:
    return ctx.new_instance(ClassVal("object", "object", ModuleVal("builtins", "", lambda name: MISSING), ()))


def host_types() -> dict[type, Callable[..., Any]]:
    """Models of calling Python's own types."""
    return {**_TYPES, object: _object}


def table(run: Run) -> dict[str, Value]:
    """The built-in names."""
    names: dict[str, Value] = {name: Intrinsic(f"builtins.{name}", function) for name, function in _FUNCTIONS.items()}
    for kind in _TYPES:
        names[kind.__name__] = kind
    names["object"] = object
    for name in dir(host):
        value = getattr(host, name)
        if isinstance(value, type) and issubclass(value, BaseException):
            names[name] = value
    names.update(
        {"NotImplemented": NotImplemented, "Ellipsis": Ellipsis, "__debug__": True, "__name__": "__analysed__"}
    )
    return names


__all__ = ["BoundMethod", "HostMethod", "Partial", "dataclasses", "host_types", "is_instance", "raw", "table"]
