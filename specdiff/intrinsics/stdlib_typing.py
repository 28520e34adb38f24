"""typing, typing_extensions, collections.abc and abc at run time: markers, generics and identities."""

from __future__ import annotations

from typing import Any

from specdiff.interp.builtins import raw
from specdiff.interp.objects import MISSING, ClassVal, GenericAlias, ModuleVal, Value
from specdiff.interp.values import Intrinsic

_MODULE = ModuleVal("typing", "typing", lambda name: MISSING)


def _marker(name: str, *flags: str) -> ClassVal:
    cls = ClassVal(name, name, _MODULE, ())
    cls.flags = {"marker", *flags}
    return cls


@raw
def _identity(ctx: Any, value: Value = None, *rest: Value, **kwargs: Value) -> Value:
    return value


@raw
def _cast(ctx: Any, kind: Value, value: Value) -> Value:
    return value


@raw
def _type_var(ctx: Any, name: Value, *args: Value, **kwargs: Value) -> Value:
    return _marker(str(name))


@raw
def _new_type(ctx: Any, name: Value, kind: Value) -> Value:
    return kind


@raw
def _hints(ctx: Any, obj: Value, *args: Value, **kwargs: Value) -> Value:
    found: dict[str, Value] = {}
    if isinstance(obj, ClassVal):
        for owner in reversed(obj.mro):
            if isinstance(owner, ClassVal):
                for name, annotation in owner.attrs.get("__annotations__", {}).items():
                    found[name] = annotation
    return {name: annotation.evaluate(ctx) for name, annotation in found.items()}


@raw
def _args(ctx: Any, alias: Value) -> Value:
    if isinstance(alias, GenericAlias):
        return alias.args if isinstance(alias.args, tuple) else (alias.args,)
    return ()


@raw
def _origin(ctx: Any, alias: Value) -> Value:
    return alias.origin if isinstance(alias, GenericAlias) else None


_MARKERS = [
    "Any",
    "Union",
    "Optional",
    "Callable",
    "Iterable",
    "Iterator",
    "Sequence",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "Generator",
    "Collection",
    "Sized",
    "Container",
    "Hashable",
    "Generic",
    "Protocol",
    "Literal",
    "ClassVar",
    "Final",
    "Annotated",
    "TypeAlias",
    "Self",
    "Concatenate",
    "ParamSpec",
    "Unpack",
    "Required",
    "NotRequired",
    "Never",
    "NoReturn",
    "AnyStr",
    "SupportsInt",
    "SupportsFloat",
    "SupportsIndex",
    "TypeGuard",
    "Awaitable",
    "Coroutine",
    "AsyncIterator",
    "AsyncGenerator",
    "ContextManager",
    "Reversible",
    "ByteString",
    "LiteralString",
    "ReadOnly",
    "InitVar",
    "KW_ONLY",
    "Buffer",
    "TypeVarTuple",
]
_HOST = {
    "List": list,
    "Dict": dict,
    "Tuple": tuple,
    "Set": set,
    "FrozenSet": frozenset,
    "Type": type,
    "OrderedDict": dict,
    "DefaultDict": dict,
    "Text": str,
}
_ABC = [
    "Callable",
    "Iterable",
    "Iterator",
    "Sequence",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "Generator",
    "Collection",
    "Sized",
    "Container",
    "Hashable",
    "Set",
    "MutableSet",
    "KeysView",
    "ValuesView",
    "ItemsView",
    "Awaitable",
    "Coroutine",
    "Buffer",
]


def _typing(prefix: str) -> dict[str, Value]:
    table: dict[str, Value] = {f"{prefix}.{name}": _marker(name) for name in _MARKERS}
    table.update({f"{prefix}.{name}": kind for name, kind in _HOST.items()})
    named = _marker("NamedTuple", "namedtuple", "namedtuple_base")
    named.flags.discard("marker")
    table[f"{prefix}.NamedTuple"] = named
    table[f"{prefix}.TypedDict"] = dict
    table[f"{prefix}.TYPE_CHECKING"] = False
    table[f"{prefix}.cast"] = Intrinsic("typing.cast", _cast)
    table[f"{prefix}.TypeVar"] = Intrinsic("typing.TypeVar", _type_var)
    table[f"{prefix}.NewType"] = Intrinsic("typing.NewType", _new_type)
    table[f"{prefix}.get_type_hints"] = Intrinsic("typing.get_type_hints", _hints)
    table[f"{prefix}.get_args"] = Intrinsic("typing.get_args", _args)
    table[f"{prefix}.get_origin"] = Intrinsic("typing.get_origin", _origin)
    for name in (
        "overload",
        "final",
        "override",
        "runtime_checkable",
        "no_type_check",
        "deprecated",
        "dataclass_transform",
    ):
        table[f"{prefix}.{name}"] = Intrinsic(f"typing.{name}", _decorator)
    return table


@raw
def _decorator(ctx: Any, *args: Value, **kwargs: Value) -> Value:
    if len(args) == 1 and not kwargs and not isinstance(args[0], str):
        return args[0]
    return Intrinsic("typing.decorator", raw(lambda inner, value: value))


TABLE: dict[str, Value] = {
    **_typing("typing"),
    **_typing("typing_extensions"),
    **{f"collections.abc.{name}": _marker(name) for name in _ABC},
    "dataclasses.InitVar": _marker("InitVar"),
    "dataclasses.KW_ONLY": _marker("KW_ONLY"),
    "abc.ABC": _marker("ABC"),
    "abc.ABCMeta": _marker("ABCMeta"),
    "abc.abstractmethod": Intrinsic("abc.abstractmethod", _identity),
    "abc.abstractproperty": Intrinsic("abc.abstractproperty", _identity),
    "numbers.Number": _marker("Number"),
    "numbers.Integral": _marker("Integral"),
    "numbers.Real": _marker("Real"),
    "types.FunctionType": _marker("FunctionType"),
    "types.LambdaType": _marker("FunctionType"),
    "types.ModuleType": _marker("ModuleType"),
    "types.UnionType": _marker("UnionType"),
    "types.GenericAlias": _marker("GenericAlias"),
    "os.PathLike": _marker("PathLike"),
}
