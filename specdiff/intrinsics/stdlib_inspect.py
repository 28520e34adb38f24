"""``inspect``: what a function's parameters are; the classes that say so are plain Python (`stubs/inspect.py`)."""

from __future__ import annotations

import dataclasses

from specdiff.interp import lookups
from specdiff.interp.builtins import raw
from specdiff.interp.calls import annotations_of, node_of
from specdiff.interp.objects import BoundMethod, ClassVal, Function, HostMethod, Value, Wrapped
from specdiff.interp.run import Run
from specdiff.interp.values import Intrinsic


def _signature(ctx: Run, function: Value) -> Value:
    target = function
    bound = isinstance(function, BoundMethod)
    if isinstance(target, ClassVal):
        target, bound = lookups.lookup(target, "__init__")[0], True
    # As Python does: under what binds it, and under decorators that say what they wrap.
    while True:
        if isinstance(target, BoundMethod | Wrapped):
            target = target.func
        elif isinstance(target, Function) and target.attrs and "__wrapped__" in target.attrs:
            target = target.attrs["__wrapped__"]
        else:
            break
    made = getattr(target.function, "dataclass", None) if isinstance(target, Intrinsic) else None
    if isinstance(made, ClassVal):
        fields = [field for field in (made.fields or {}).values() if field.init]
        fields.sort(key=lambda field: field.kw_only)
        given = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
        rows = [
            (field.name, _KINDS["kwonly" if field.kw_only else "plain"], field.name in given, given.get(field.name))
            for field in fields
        ]
        return _made_signature(ctx, rows if bound else [("self", _KINDS["plain"], False, None), *rows], None)
    if isinstance(target, HostMethod) and target.name == "__init__":
        # object's own, which None and plain classes have too: it takes anything.
        rows = [(name, _KINDS[kind], False, None) for name, kind in (("args", "vararg"), ("kwargs", "kwarg"))]
        return _made_signature(ctx, rows, None)
    if not isinstance(target, Function):
        return ctx.unknown("the signature of a function that is not analysed")
    rows = _parameters_of(ctx, target)
    return _made_signature(ctx, rows[1:] if bound and rows and rows[0][1] <= _KINDS["plain"] else rows, target)


_KINDS = {"posonly": 0, "plain": 1, "vararg": 2, "kwonly": 3, "kwarg": 4}
"""Kinds of parameters in the order of ``inspect.Parameter``'s."""


def _parameters_of(ctx: Run, function: Function) -> list[tuple[str, int, bool, Value]]:
    """Of each parameter: name, kind, whether it has a default, the default."""
    ctx.plan_of(function)  # evaluates the defaults
    given = function.defaults or {}
    return [(p.name, _KINDS[p.kind], p.name in given, given.get(p.name)) for p in node_of(function).params]


def _made_signature(ctx: Run, rows: list[tuple[str, int, bool, Value]], owner: Value) -> Value:
    return ctx.call(ctx.getattr(ctx.loader.module("inspect"), "made"), (rows, owner), {})


def _getmembers(ctx: Run, obj: Value, predicate: Value = None) -> Value:
    return []


def _isclass(ctx: Run, obj: Value) -> bool:
    return isinstance(obj, ClassVal | type)


def _isfunction(ctx: Run, obj: Value) -> bool:
    return isinstance(obj, Function)


def _annotations(ctx: Run, obj: Value, **kwargs: Value) -> Value:
    if isinstance(obj, Function):
        return annotations_of(ctx, obj)
    found = obj.attrs.get("__annotations__", {}) if isinstance(obj, ClassVal) else {}
    return {name: annotation.evaluate(ctx) for name, annotation in found.items()}


@raw
def _nothing(ctx: Run, *args: Value, **kwargs: Value) -> None:
    return None


TABLE: dict[str, Value] = {
    **{
        f"inspect.{name}": Intrinsic(f"inspect.{name}", function)
        for name, function in (
            ("signature", _signature),
            ("getmembers", _getmembers),
            ("isclass", _isclass),
            ("isfunction", _isfunction),
            ("get_annotations", _annotations),
            ("getdoc", _nothing),
        )
    },
    "specdiff_native.annotations_of": Intrinsic("specdiff_native.annotations_of", raw(annotations_of)),
    "specdiff_native.parameters_of": Intrinsic("specdiff_native.parameters_of", raw(_parameters_of)),
}
