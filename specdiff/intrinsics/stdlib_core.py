"""math, copy, operator, os, sys, re, warnings, logging, json, random and other small modules of Python."""

from __future__ import annotations

import ast as host_ast
import copy as host_copy
import json as host_json
import math as host_math
import operator as host_operator
import posixpath as host_path
import re as host_re
import string as host_string
from collections.abc import Callable
from typing import Any, NamedTuple

from specdiff.interp import attributes, containers, lookups, ops, scalars
from specdiff.interp.builtins import raw
from specdiff.interp.calls import ContextValue
from specdiff.interp.dims import Dim, Ratio
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    Function,
    Instance,
    ModuleVal,
    Property,
    Raised,
    Value,
    Wrapped,
)
from specdiff.interp.run import Run
from specdiff.interp.tracked import plain
from specdiff.interp.values import Intrinsic, Tensor, Unknown


def _number(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numbers; symbolic sizes and data-dependent tensors give an unknown."""

    def model(ctx: Run, *args: Value, **kwargs: Value) -> Value:
        values = []
        for arg in args:
            arg = lookups.payload(arg)
            if isinstance(arg, Tensor):
                const = scalars.constant(arg)
                if const is None or const.size != 1:
                    return ctx.unknown(f"{function.__name__}() of a tensor's data")
                arg = const.reshape(-1)[0].item()
            if isinstance(arg, Dim | Ratio):
                return ctx.unknown(f"{function.__name__}() of a symbolic size")
            if isinstance(arg, list | tuple) and any(isinstance(item, Unknown | Dim) for item in arg):
                return ctx.unknown(f"{function.__name__}() of values that are not known")
            values.append(arg)
        return function(*values, **kwargs)

    model.__name__ = function.__name__
    return model


def _prod(ctx: Run, iterable: Value, *, start: Value = 1) -> Value:
    total = start
    for item in containers.iterate(ctx, iterable):
        total = ops.binary(ctx, "*", total, item)
    return total


def _ceil_floor(name: str) -> Callable[..., Any]:
    host = getattr(host_math, name)

    def model(ctx: Run, value: Value) -> Value:
        if isinstance(value, Dim):
            return value
        if isinstance(value, Ratio):
            return value.ceil if name == "ceil" else value.floor
        return _number(host)(ctx, value)

    return model


# --- copy --------------------------------------------------------------------------------------


@raw
def _deepcopy(ctx: Run, value: Value, memo: Value = None) -> Value:
    return deep_copy(ctx, value, {})


def deep_copy(run: Run, value: Value, made: dict[int, Value]) -> Value:
    """``copy.deepcopy``: new instances, tensors and containers; classes and functions are shared."""
    kind = type(value)
    if kind in (int, float, str, bool, type(None), bytes):
        return value
    found = made.get(id(value))
    if found is not None:
        return found
    if isinstance(value, Instance):
        if value.cls.enum_members is not None:
            return value
        method = lookups.method_of(value, "__deepcopy__")
        if method is not MISSING:
            return run.call(method, ({},), {})
        copied = run.new_instance(value.cls)
        copied.place = value.place
        made[id(value)] = copied
        copied.native = deep_copy(run, value.native, made)
        copied.attrs.update({name: deep_copy(run, item, made) for name, item in value.attrs.items()})
        return copied
    if isinstance(value, Tensor):
        tensor = Tensor(
            value.shape, value.dtype, node=value.node, const=value.const, device=value.device, place=value.place
        )
        run.serial += 1
        tensor.kind, tensor.grad, tensor.tags, tensor.serial = value.kind, value.grad, value.tags, run.serial
        tensor.recipe = value.recipe
        made[id(value)] = tensor
        return tensor
    if kind is list:
        items: list[Value] = []
        made[id(value)] = items
        items.extend(deep_copy(run, item, made) for item in value)
        return items
    if kind is dict:
        mapping: dict[Value, Value] = {}
        made[id(value)] = mapping
        mapping.update({key: deep_copy(run, item, made) for key, item in value.items()})
        return mapping
    if kind is tuple:
        return tuple(deep_copy(run, item, made) for item in value)
    if kind is set:
        return set(value)
    if isinstance(value, dict | list | set):
        return host_copy.copy(value)
    if kind is BoundMethod:
        return BoundMethod(value.func, deep_copy(run, value.receiver, made))
    return value


@raw
def _copy(ctx: Run, value: Value) -> Value:
    if isinstance(value, Instance):
        method = lookups.method_of(value, "__copy__")
        if method is not MISSING:
            return ctx.call(method, (), {})
        copied = ctx.new_instance(value.cls)
        copied.attrs.update(value.attrs)
        copied.native = value.native.copy() if isinstance(value.native, dict | list | set) else value.native
        return copied
    if isinstance(value, list | dict | set):
        return value.copy()
    return value


# --- logging and warnings: silent ----------------------------------------------------------------


class _Silent:
    """An object of which every method does nothing."""


@raw
def _nothing(ctx: Run, *args: Value, **kwargs: Value) -> None:
    return None


@raw
def _logger(ctx: Run, *args: Value, **kwargs: Value) -> Value:
    module = ctx.loader.module("overlays.logging")
    return ctx.call(ctx.getattr(module, "Logger"), (), {})


@raw
def _context(ctx: Run, *args: Value, **kwargs: Value) -> Value:
    return ContextValue(None)


# --- re ------------------------------------------------------------------------------------------


def _pattern(name: str) -> Callable[..., Any]:
    function = getattr(host_re, name)

    def model(ctx: Run, pattern: Value, *args: Value, **kwargs: Value) -> Value:
        values = [lookups.payload(arg) for arg in args]
        if name in ("sub", "subn") and values and isinstance(values[0], Function | BoundMethod):
            values[0] = ctx.host_callable(values[0])
        if any(isinstance(value, Unknown) for value in values):
            return ctx.unknown("a search in text that is not known")
        return function(pattern, *values, **kwargs)

    model.__name__ = name
    return model


def _identity(ctx: Run, value: Value = None, *rest: Value, **kwargs: Value) -> Value:
    return value


class Environment(dict):  # type: ignore[type-arg]
    """``os.environ``: empty, and what is read without a default is not known."""

    __slots__ = ()

    def __missing__(self, name: str) -> Value:
        return Unknown(f"the environment variable {name}")


def _on_disk(what: str) -> Any:
    def model(ctx: Run, path: Value = None, *args: Value) -> Value:
        if ctx.caller is None or ctx.caller.file != ctx.file or ctx.caller.module.name.startswith("transformers."):
            return False  # a library looks for its own caches
        return ctx.unknown(f"whether {what} is there where the code runs")

    return model


def _environ_get(ctx: Run, name: str, default: Value = None) -> Value:
    return default  # an analysis must not depend on the user's environment


def _analysed_module(ctx: Run, name: str, package: Value = None) -> Value:
    level = len(name) - len(name.lstrip("."))
    if level:
        parts = str(package).split(".")
        name = ".".join([*parts[: len(parts) - (level - 1)], name[level:]])
    return ctx.loader.module(name)


def _find_spec(ctx: Run, name: str, package: Value = None) -> Value:
    """The module itself where it is analysed or modelled: code only asks whether there is one."""
    try:
        found = ctx.loader.module(name)
    except Raised:
        return None
    return found if isinstance(found, ModuleVal) else None


def _attrgetter(ctx: Run, *names: str) -> Value:
    def read(inner: Run, obj: Value) -> Value:
        values = []
        for name in names:
            value = obj
            for part in name.split("."):
                value = attributes.get(inner, value, part)
            values.append(value)
        return values[0] if len(values) == 1 else tuple(values)

    return Intrinsic("operator.attrgetter", raw(read))


def _itemgetter(ctx: Run, *keys: Value) -> Value:
    def read(inner: Run, obj: Value) -> Value:
        values = [containers.getitem(inner, obj, key) for key in keys]
        return values[0] if len(values) == 1 else tuple(values)

    return Intrinsic("operator.itemgetter", raw(read))


def _random(ctx: Run, *args: Value, **kwargs: Value) -> Value:
    return ctx.unknown("a random number")


def _literal(ctx: Run, text: str) -> Value:
    return host_ast.literal_eval(text)


def _loads(ctx: Run, text: str, **kwargs: Value) -> Value:
    return host_json.loads(text)


def _dumps(ctx: Run, value: Value, **kwargs: Value) -> Value:
    return ctx.unknown("serialised text is not analysed")


@raw
def _contextmanager(ctx: Run, function: Value) -> Value:
    return Wrapped("context", function)


@raw
def _cached_property(ctx: Run, function: Value) -> Value:
    return Property(function, cached=True)


def _part_of_path(name: str) -> Callable[..., Any]:
    function = getattr(host_path, name)
    return lambda ctx, path: function(path)


def _version(ctx: Run, text: Value) -> Value:
    module = ctx.loader.module("overlays.versions")
    return ctx.call(ctx.getattr(module, "Version"), (text,), {})


def _path(ctx: Run, *parts: Value) -> Value:
    texts = [
        str(part.attrs["_text"]) if isinstance(part, Instance) and "_text" in part.attrs else part for part in parts
    ]
    if not all(isinstance(text, str) for text in texts):
        return ctx.unknown("a path of parts that are not known")
    return host_path.join(*texts)


_OPERATORS = {
    name: Intrinsic(f"operator.{name}", _number(getattr(host_operator, name)))
    for name in (
        "add",
        "sub",
        "mul",
        "floordiv",
        "truediv",
        "mod",
        "neg",
        "pow",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "and_",
        "or_",
        "xor",
    )
}

_MATH: dict[str, Value] = {}
for _name in dir(host_math):
    if not _name.startswith("_"):
        _value = getattr(host_math, _name)
        _MATH[f"math.{_name}"] = Intrinsic(f"math.{_name}", _number(_value)) if callable(_value) else _value
_MATH["math.prod"] = Intrinsic("math.prod", _prod)
_MATH["math.ceil"] = Intrinsic("math.ceil", _ceil_floor("ceil"))
_MATH["math.floor"] = Intrinsic("math.floor", _ceil_floor("floor"))


class _VersionInfo(NamedTuple):
    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int


TABLE: dict[str, Value] = {
    **_MATH,
    **{f"operator.{name}": value for name, value in _OPERATORS.items()},
    "operator.attrgetter": Intrinsic("operator.attrgetter", _attrgetter),
    "operator.itemgetter": Intrinsic("operator.itemgetter", _itemgetter),
    "copy.deepcopy": Intrinsic("copy.deepcopy", _deepcopy),
    "copy.copy": Intrinsic("copy.copy", _copy),
    **{
        f"re.{name}": Intrinsic(f"re.{name}", _pattern(name))
        for name in ("match", "search", "fullmatch", "findall", "finditer", "split", "sub", "subn", "compile", "escape")
    },
    **{
        f"regex.{name}": Intrinsic(f"regex.{name}", _pattern(name))
        for name in ("match", "search", "fullmatch", "findall", "split", "sub", "compile")
    },
    **{
        f"re.{flag}": getattr(host_re, flag)
        for flag in ("I", "IGNORECASE", "M", "MULTILINE", "S", "DOTALL", "VERBOSE", "X")
    },
    "warnings.warn": Intrinsic("warnings.warn", _nothing),
    "warnings.filterwarnings": Intrinsic("warnings.filterwarnings", _nothing),
    "warnings.simplefilter": Intrinsic("warnings.simplefilter", _nothing),
    "warnings.catch_warnings": Intrinsic("warnings.catch_warnings", _context),
    "logging.getLogger": Intrinsic("logging.getLogger", _logger),
    "logging.get_logger": Intrinsic("logging.get_logger", _logger),
    **{
        f"logging.{name}": Intrinsic(f"logging.{name}", _nothing)
        for name in ("basicConfig", "info", "warning", "error", "debug", "log", "critical")
    },
    **{
        f"logging.{name}": value
        for name, value in (("DEBUG", 10), ("INFO", 20), ("WARNING", 30), ("ERROR", 40), ("CRITICAL", 50))
    },
    "os.getenv": Intrinsic("os.getenv", _environ_get),
    "os.environ": Environment(),
    "os.path.join": Intrinsic("os.path.join", raw(_path)),
    "posixpath.join": Intrinsic("posixpath.join", raw(_path)),
    **{
        f"posixpath.{name}": Intrinsic(f"posixpath.{name}", _part_of_path(name))
        for name in ("basename", "dirname", "splitext", "normpath")
    },
    "specdiff_native.on_disk": Intrinsic("specdiff_native.on_disk", _on_disk("a path")),
    **{
        f"os.path.{name}": Intrinsic(f"os.path.{name}", _part_of_path(name))
        for name in ("basename", "dirname", "splitext", "split", "normpath", "isabs")
    },
    "os.path.exists": Intrinsic("os.path.exists", _on_disk("a path")),
    "os.path.isfile": Intrinsic("os.path.isfile", _on_disk("a file")),
    "os.path.isdir": Intrinsic("os.path.isdir", _on_disk("a folder")),
    "sys.version_info": _VersionInfo(3, 11, 0, "final", 0),
    "sys.platform": "linux",
    "sys.maxsize": 2**63 - 1,
    "sys.modules": {},
    "ast.literal_eval": Intrinsic("ast.literal_eval", _literal),
    "json.loads": Intrinsic("json.loads", _loads),
    "json.dumps": Intrinsic("json.dumps", _dumps),
    "importlib.import_module": Intrinsic("importlib.import_module", _analysed_module),
    "importlib.util.find_spec": Intrinsic("importlib.util.find_spec", _find_spec),
    "contextlib.contextmanager": Intrinsic("contextlib.contextmanager", _contextmanager),
    "contextlib.nullcontext": Intrinsic("contextlib.nullcontext", raw(lambda ctx, value=None: ContextValue(value))),
    "contextlib.suppress": Intrinsic("contextlib.suppress", raw(lambda ctx, *kinds: ContextValue(None, kinds))),
    "contextlib.ExitStack": Intrinsic("contextlib.ExitStack", _logger),
    "functools.cached_property": Intrinsic("functools.cached_property", _cached_property),
    **{
        f"random.{name}": Intrinsic(f"random.{name}", _random)
        for name in ("random", "randint", "uniform", "choice", "randrange", "gauss", "sample")
    },
    "random.seed": Intrinsic("random.seed", _nothing),
    "random.shuffle": Intrinsic("random.shuffle", _nothing),
    "time.time": Intrinsic("time.time", lambda ctx: ctx.unknown("the time")),
    "packaging.version.parse": Intrinsic("packaging.version.parse", _version),
    "packaging.version.Version": Intrinsic("packaging.version.Version", _version),
    "importlib.metadata.version": Intrinsic(
        "importlib.metadata.version", lambda ctx, name: ctx.unknown("the version of an installed package")
    ),
    **{
        f"string.{name}": getattr(host_string, name)
        for name in ("ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits", "punctuation")
    },
}

__all__ = ["TABLE", "deep_copy", "plain"]
