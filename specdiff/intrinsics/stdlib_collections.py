"""functools, itertools, collections, dataclasses, enum and types."""

from __future__ import annotations

import collections as host_collections
import dataclasses as host_dataclasses
import itertools as host_itertools
from collections.abc import Callable
from typing import Any

from specdiff.interp import containers, limits, lookups, ops
from specdiff.interp.builtins import raw
from specdiff.interp.classes import AUTO, Field, FieldSpec, make_dataclass
from specdiff.interp.objects import ClassVal, Function, GenericAlias, Instance, Partial, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import plain
from specdiff.interp.values import Intrinsic, Unknown


@raw
def _partial(ctx: Run, func: Value, *args: Value, **kwargs: Value) -> Value:
    if isinstance(func, Partial):  # Python flattens them, which shows in ``func``
        return Partial(func.func, (*func.args, *args), {**func.keywords, **kwargs})
    return Partial(func, args, kwargs)


@raw
def _wraps(ctx: Run, wrapped: Value, *args: Value, **kwargs: Value) -> Value:
    def apply(inner: Run, function: Value) -> Value:
        if isinstance(function, Function):
            function.attrs["__wrapped__"] = wrapped
            if isinstance(wrapped, Function):
                function.attrs.setdefault("__name__", wrapped.name)
        return function

    return Intrinsic("functools.wraps", raw(apply))


@raw
def _cache(ctx: Run, function: Value = None, **kwargs: Value) -> Value:
    if function is None or isinstance(function, int):
        return Intrinsic("functools.lru_cache", raw(lambda inner, decorated: decorated))
    return function


@raw
def _reduce(ctx: Run, function: Value, iterable: Value, *initial: Value) -> Value:
    items = containers.listed(ctx, iterable)
    if initial:
        items.insert(0, initial[0])
    if not items:
        raise TypeError("reduce() of empty iterable with no initial value")
    total = items[0]
    for item in items[1:]:
        total = ctx.call(function, (total, item), {})
    return total


def _written(module: str, name: str) -> Callable[..., Any]:
    """A function that is written in Python, under `stubs`."""

    @raw
    def model(ctx: Run, *args: Value, **kwargs: Value) -> Value:
        return ctx.call(ctx.getattr(ctx.loader.module(module), name), args, kwargs)

    return model


def _over(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of iterables whose items may be any values."""

    @raw
    def model(ctx: Run, *iterables: Value, **kwargs: Value) -> Value:
        lists = []
        for item in iterables:
            if isinstance(item, Unknown):
                return item
            lists.append(item if isinstance(item, int) or item is None else containers.iterate(ctx, item))
        return function(*lists, **{key: plain(value) for key, value in kwargs.items()})

    model.__name__ = function.__name__
    return model


def _count(ctx: Run, start: int = 0, step: int = 1) -> Value:
    return host_itertools.islice(host_itertools.count(start, step), limits.MAX_LOOP)


@raw
def _cycle(ctx: Run, iterable: Value) -> Value:
    return host_itertools.cycle(containers.listed(ctx, iterable))


@raw
def _repeat(ctx: Run, item: Value, times: Value = None) -> Value:
    return host_itertools.repeat(item, limits.MAX_LOOP if times is None else plain(times))


@raw
def _starmap(ctx: Run, function: Value, iterable: Value) -> Value:
    return iter(
        [ctx.call(function, tuple(containers.listed(ctx, args)), {}) for args in containers.iterate(ctx, iterable)]
    )


@raw
def _accumulate(ctx: Run, iterable: Value, func: Value = None, *, initial: Value = None) -> Value:
    found: list[Value] = [] if initial is None else [initial]
    for item in containers.iterate(ctx, iterable):
        if not found:
            found.append(item)
        elif func is None:
            found.append(ops.binary(ctx, "+", found[-1], item))
        else:
            found.append(ctx.call(func, (found[-1], item), {}))
    return iter(found)


@raw
def _takewhile(ctx: Run, predicate: Value, iterable: Value) -> Value:
    taken = []
    for item in containers.iterate(ctx, iterable):
        if ops.truth(ctx, ctx.call(predicate, (item,), {})) is not True:
            break
        taken.append(item)
    return iter(taken)


@raw
def _groupby(ctx: Run, iterable: Value, key: Value = None) -> Value:
    groups: list[tuple[Value, Value]] = []
    for item in containers.iterate(ctx, iterable):
        mark = item if key is None else ctx.call(key, (item,), {})
        if groups and ops.truth(ctx, ops.compare(ctx, "==", groups[-1][0], mark)) is True:
            groups[-1][1].append(item)
        else:
            groups.append((mark, [item]))
    return iter([(mark, iter(items)) for mark, items in groups])


@raw
def _chain_from(ctx: Run, iterables: Value) -> Value:
    return host_itertools.chain.from_iterable(
        [containers.iterate(ctx, item) for item in containers.iterate(ctx, iterables)]
    )


# --- collections -------------------------------------------------------------------------------


@raw
def _ordered_dict(ctx: Run, *args: Value, **kwargs: Value) -> Value:
    return ctx.host_types[dict](ctx, *args, **kwargs)


class DefaultDict(dict):  # type: ignore[type-arg]
    """``collections.defaultdict`` whose factory is an analysed callable."""

    run: Run
    factory: Value

    def __missing__(self, key: Value) -> Value:
        if self.factory is None:
            raise KeyError(key)
        self.run.touch(self)
        value = self[key] = self.run.call(self.factory, (), {})
        return value

    def copy(self) -> DefaultDict:
        """A shallow copy, as ``defaultdict.copy``."""
        made = DefaultDict(self)
        made.run, made.factory = self.run, self.factory
        return made


@raw
def _defaultdict(ctx: Run, factory: Value = None, *args: Value, **kwargs: Value) -> Value:
    made = DefaultDict(*[lookups.payload(arg) for arg in args], **kwargs)
    made.run, made.factory = ctx, factory
    return made


def _namedtuple(ctx: Run, name: str, fields: Value, **kwargs: Value) -> Value:
    names = fields if isinstance(fields, str) else [str(item) for item in containers.listed(ctx, fields)]
    made = host_collections.namedtuple(name, names, defaults=kwargs.get("defaults"))  # type: ignore[misc]  # noqa: PYI024

    @raw
    def build(inner: Run, *args: Value, **values: Value) -> Value:
        return made(*args, **values)

    return Intrinsic(f"collections.{name}", build)


@raw
def _deque(ctx: Run, iterable: Value = (), maxlen: Value = None) -> Value:
    return host_collections.deque(containers.listed(ctx, iterable), plain(maxlen))


@raw
def _counter(ctx: Run, iterable: Value = ()) -> Value:
    return host_collections.Counter(plain(item) for item in containers.listed(ctx, iterable))


# --- dataclasses -------------------------------------------------------------------------------


@raw
def _dataclass(ctx: Run, cls: Value = None, **options: Value) -> Value:
    if isinstance(cls, ClassVal):
        return make_dataclass(ctx, cls, **options)
    if cls is not None:
        return cls
    return Intrinsic("dataclasses.dataclass", raw(lambda inner, decorated: _dataclass(inner, decorated, **options)))


@raw
def _field(
    ctx: Run,
    *,
    default: Value = host_dataclasses.MISSING,
    default_factory: Value = host_dataclasses.MISSING,
    init: Value = True,
    kw_only: Value = False,
    metadata: Value = None,
    **other: Value,
) -> Value:
    return FieldSpec(default, default_factory, init is not False, kw_only is True, metadata or {})


def _fields_of(obj: Value) -> dict[str, Any] | None:
    """The fields of the nearest dataclass that an object's class is or derives from; None where there is none."""
    cls = obj.cls if isinstance(obj, Instance) else obj
    owners = cls.mro if isinstance(cls, ClassVal) else ()
    return next((each.fields for each in owners if isinstance(each, ClassVal) and each.fields is not None), None)


def _fields(ctx: Run, obj: Value) -> Value:
    found = _fields_of(obj)
    if found is None:
        raise TypeError("must be called with a dataclass type or instance")
    return tuple(field for field in found.values() if _is_kept(field))


def _is_dataclass(ctx: Run, obj: Value) -> bool:
    return _fields_of(obj) is not None


@raw
def _asdict(ctx: Run, obj: Value, **kwargs: Value) -> Value:
    if isinstance(obj, Instance) and (fields := _fields_of(obj)) is not None:
        pairs = [(name, _asdict(ctx, obj.attrs.get(name))) for name, field in fields.items() if _is_kept(field)]
        factory = kwargs.get("dict_factory")
        return dict(pairs) if factory is None else ctx.call(factory, (pairs,), {})
    if isinstance(obj, list | tuple):
        return type(obj)([_asdict(ctx, item, **kwargs) for item in obj]) if type(obj) in (list, tuple) else obj
    if isinstance(obj, dict):
        return {key: _asdict(ctx, value, **kwargs) for key, value in obj.items()}
    return obj


@raw
def _astuple(ctx: Run, obj: Value, **kwargs: Value) -> Value:
    fields = _fields_of(obj) if isinstance(obj, Instance) else None
    if fields is not None:
        return tuple([_astuple(ctx, obj.attrs.get(name)) for name, field in fields.items() if _is_kept(field)])
    return [_astuple(ctx, item) for item in obj] if isinstance(obj, list) else obj


def _is_kept(field: Field) -> bool:
    """Whether instances have the field; the constructor alone gets an ``InitVar``."""
    return field.annotation.head != "InitVar"


@raw
def _replace(ctx: Run, obj: Value, **changes: Value) -> Value:
    fields = _fields_of(obj) or {}
    given = {
        name: obj.attrs.get(name) if _is_kept(field) else field.default for name, field in fields.items() if field.init
    }
    given.update(changes)
    missing = next((name for name, value in given.items() if value is host_dataclasses.MISSING), None)
    if missing is not None:
        raise ValueError(f"InitVar {missing!r} must be specified with replace()")
    return ctx.call(obj.cls, (), given)


@raw
def _auto(ctx: Run) -> Value:
    return AUTO


@raw
def _namespace(ctx: Run, *args: Value, **kwargs: Value) -> Value:
    cls = ctx.getattr(ctx.loader.module("overlays.inspecting"), "Namespace")
    made = ctx.call(cls, (), {})
    made.attrs.update(kwargs)
    return made


@raw
def _method_type(ctx: Run, function: Value, receiver: Value) -> Value:
    from_method = ctx.getattr(function, "__get__", None)
    return (
        ctx.call(from_method, (receiver,), {})
        if from_method is not None
        else ctx.unknown("types.MethodType of a value that is not a function")
    )


def _entry(name: str, function: Callable[..., Any]) -> tuple[str, Value]:
    return name, Intrinsic(name, function)


_ITERTOOLS = (
    "product",
    "chain",
    "zip_longest",
    "islice",
    "combinations",
    "permutations",
    "pairwise",
    "batched",
)

TABLE: dict[str, Value] = dict(
    [
        _entry("functools.partial", _partial),
        _entry("functools.wraps", _wraps),
        _entry("functools.update_wrapper", raw(lambda ctx, wrapper, wrapped, *rest, **kwargs: wrapper)),
        _entry("functools.lru_cache", _cache),
        _entry("functools.cache", _cache),
        _entry("functools.reduce", _reduce),
        _entry("functools.singledispatch", _written("overlays.functions", "singledispatch")),
        _entry("functools.partialmethod", _written("overlays.functions", "partialmethod")),
        _entry("functools.total_ordering", _written("overlays.functions", "total_ordering")),
        *[
            _entry(f"itertools.{name}", _over(getattr(host_itertools, name)))
            for name in _ITERTOOLS
            if hasattr(host_itertools, name)
        ],
        _entry("itertools.chain.from_iterable", _chain_from),
        _entry("itertools.count", _count),
        _entry("itertools.cycle", _cycle),
        _entry("itertools.repeat", _repeat),
        _entry("itertools.starmap", _starmap),
        _entry("itertools.accumulate", _accumulate),
        _entry("itertools.takewhile", _takewhile),
        _entry("itertools.groupby", _groupby),
        ("collections.OrderedDict", dict),
        _entry("collections.defaultdict", _defaultdict),
        _entry("collections.namedtuple", _namedtuple),
        _entry("collections.deque", _deque),
        _entry("collections.Counter", _counter),
        ("collections.UserDict", dict),
        _entry("dataclasses.dataclass", _dataclass),
        _entry("dataclasses.field", _field),
        _entry("dataclasses.fields", _fields),
        _entry("dataclasses.is_dataclass", _is_dataclass),
        _entry("dataclasses.asdict", _asdict),
        _entry("dataclasses.astuple", _astuple),
        _entry("dataclasses.replace", _replace),
        ("dataclasses.MISSING", host_dataclasses.MISSING),
        _entry("enum.auto", _auto),
        _entry("enum.unique", raw(lambda ctx, cls: cls)),
        _entry("types.SimpleNamespace", _namespace),
        _entry("argparse.Namespace", _namespace),
        _entry("collections.ChainMap", _written("overlays.inspecting", "ChainMap")),
        _entry("types.MethodType", _method_type),
        _entry("types.MappingProxyType", raw(lambda ctx, mapping: mapping)),
        ("types.NoneType", type(None)),
    ]
)

__all__ = ["TABLE", "Field", "GenericAlias"]
