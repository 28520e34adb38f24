"""What a constructor is called with where no model library says: its configuration object and values given by name."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from specdiff.interp import lookups
from specdiff.interp.calls import node_of
from specdiff.interp.classes import Annotation
from specdiff.interp.objects import (
    MISSING,
    ClassVal,
    Frame,
    Function,
    GenericAlias,
    Instance,
    ModuleVal,
    Raised,
    Value,
)
from specdiff.interp.run import Run
from specdiff.interp.values import Device, DType
from specdiff.ir import nodes as ir

_SETTINGS = (
    "config",
    "args",
    "arg",
    "params",
    "param",
    "hparams",
    "options",
    "opts",
    "dims",
    "settings",
    "cfg",
    "hyper",
)
"""Endings, in lower case, of names of classes that hold settings; only where such a class is imported."""
OF_SETTINGS = "of_settings"
"""A method by which a modelled class of settings is made of a model's own configuration."""


def resolve_annotation(run: Run, value: Value, frame: Frame) -> Value:
    """An annotation's class: forward references looked up, ``Optional`` and generics opened."""
    if isinstance(value, str):
        return frame.module.get(value) if value.isidentifier() else None
    if isinstance(value, GenericAlias):
        args = value.args if isinstance(value.args, tuple) else (value.args,)
        for arg in args:
            found = resolve_annotation(run, arg, frame)
            if isinstance(found, ClassVal):
                return found
        return value.origin
    return value


def make_config(run: Run, cls: ClassVal, values: dict[str, Any]) -> Value:
    """A configuration from published values on top of the defaults; keys that its class does not have are left out."""
    if "config" in cls.flags:
        return run.call(cls, (), dict(values))
    if cls.fields is not None:
        given = {
            name: _field_value(run, cls.fields[name], value) for name, value in values.items() if name in cls.fields
        }
        for name, field in cls.fields.items():
            part = _part_of_its_own(run, field) if name not in given else None
            if part is not None:
                given[name] = make_config(run, part, {})
        return run.call(cls, (), given)
    names = getattr(cls.native, "_fields", None)
    if names is not None:
        return run.call(cls, (), {name: value for name, value in values.items() if name in names})
    init = lookups.lookup(cls, "__init__")[0]
    if isinstance(init, Function):
        plan = run.plan_of(init)
        if plan.kwarg is None:
            values = {name: value for name, value in values.items() if name in plan.names or name in plan.kwonly}
        return run.call(cls, (), dict(values))
    if not isinstance(init, ClassVal | Function) and cls.native is None:
        made = run.call(cls, (), {})
        for name, value in values.items():
            run.setattr(made, name, value)
        return made
    return run.call(cls, (), dict(values))


def _part_of_its_own(run: Run, field: Value) -> ClassVal | None:
    """The class of settings that a field without a default is annotated with: its own defaults stand for it."""
    if getattr(field, "default", None) is not dataclasses.MISSING:
        return None
    if getattr(field, "default_factory", None) is not dataclasses.MISSING:
        return None
    return _settings_class(run, field)


def _settings_class(run: Run, field: Value) -> ClassVal | None:
    annotation = getattr(field, "annotation", None)
    if not isinstance(annotation, Annotation):
        return None
    kind = resolve_annotation(run, annotation.evaluate(run), annotation.frame)
    return kind if isinstance(kind, ClassVal) and (kind.fields is not None or "config" in kind.flags) else None


def _field_value(run: Run, field: Value, value: Value) -> Value:
    """A nested mapping as the dataclass that the field is annotated with."""
    kind = _settings_class(run, field) if isinstance(value, dict) else None
    return make_config(run, kind, value) if kind is not None else value


def keyword_arguments(run: Run, made: ClassVal | Function, values: dict[str, Any]) -> tuple[dict[str, Value], Value]:
    """Keyword arguments for a class's constructor or a function, and the configuration object among them (or None).

    A parameter takes the given value of its name; one that must be given and is annotated with a class that holds
    settings (or reads like one that the file has) takes an object of that class, made from the values, and so does one
    that has such an object as its default, where the values are settings of that class. What is left out is what Python
    itself then says is missing.
    """
    init, params = signature(made)
    if init is None:
        return {}, None
    node = node_of(init)
    kwargs: dict[str, Value] = {}
    config: Value = None
    for param in params:
        if param.kind in ("vararg", "kwarg"):
            continue
        kind = _class_of(run, init, param, node)
        if isinstance(kind, ClassVal):
            own = values.get(param.name)
            given = own if isinstance(own, dict) else values
            if param.default is not None and not isinstance(own, dict):
                if not _settings_of(run, kind, given, param.default):
                    continue
                given = {**_of_default(run, init, kind, param.default), **given}
            if OF_SETTINGS in kind.attrs:
                value = _own_config(run, init.module, given)
                kwargs[param.name] = run.call(run.getattr(kind, OF_SETTINGS), (value,), {})
            else:
                kwargs[param.name] = value = make_config(run, kind, given)
            config = value if config is None else config
        elif param.name in values:
            kwargs[param.name] = values[param.name]
        elif param.default is None and _annotated(param) in _FREE:
            kwargs[param.name] = _FREE[_annotated(param)]
        elif param.default is None and values and items_read(param.name, node):
            kwargs[param.name] = dict(values)
        elif param.default is None and values and attributes_read(param.name, node):
            config = kwargs[param.name] = _namespace(run, values)
        elif param.default is None and values and param.name.lower().endswith(_SETTINGS):
            config = kwargs[param.name] = _namespace(run, values)  # handed on to the parts, which read it
    named = {param.name for param in params}
    if config is None and len(named & set(values)) == len(kwargs) and any(p.kind == "kwarg" for p in params):
        kwargs.update({name: value for name, value in values.items() if name not in named})
    return kwargs, config


_FREE: dict[str, Value] = {"dtype": DType("float32"), "device": Device("cpu")}
"""What whoever builds a model chooses, and what no published value says: torch's own defaults."""


def _annotated(param: Any) -> str:
    """The last name of a parameter's annotation (``torch.dtype`` → ``dtype``), its own where it has none."""
    match param.annotation:
        case None:
            return str(param.name)
        case ir.Attr(name=name) | ir.Name(id=name):
            return str(name)
        case ir.Const(value=str(text)):
            return text.rpartition(".")[2]
    return ""


def _own_config(run: Run, module: ModuleVal, values: dict[str, Any]) -> Value:
    """The configuration of the model library's own class that a file imports; the values as they are without one."""
    found: list[ClassVal] = []
    for chunk in module.unit.chunks:
        for name in chunk.binds if chunk.kind == "simple" else ():
            with contextlib.suppress(Raised):
                kind = module.get(name) if name.endswith("Config") else None
                if isinstance(kind, ClassVal) and "config" in kind.flags:
                    found.append(kind)
    named = [kind for kind in found if lookups.lookup(kind, "model_type")[0] == values.get("model_type", MISSING)]
    return make_config(run, (named or found)[0], values) if found else _namespace(run, values)


def signature(made: ClassVal | Function) -> tuple[Function | None, tuple[ir.Param, ...]]:
    """The function that runs when a class or a function is called, and the parameters that a caller gives."""
    if isinstance(made, Function):
        return made, tuple(node_of(made).params)
    init = lookups.lookup(made, "__init__")[0]
    return (init, tuple(node_of(init).params[1:])) if isinstance(init, Function) else (None, ())


def _settings_of(run: Run, kind: ClassVal, values: dict[str, Any], default: ir.Expr) -> bool:
    """Whether values are meant for a parameter that need not be given: one that is left out otherwise takes most of them."""
    taken = sum(_has(run, kind, key) for key in values)
    absent = isinstance(default, ir.Const)
    return 2 * taken > len(values) if absent else taken > 0


def _has(run: Run, kind: ClassVal, key: str) -> bool:
    fields = kind.fields if kind.fields is not None else getattr(kind.native, "_fields", None)
    return key in fields if fields is not None else takes(run, kind, key)


def _of_default(run: Run, init: Function, kind: ClassVal, default: ir.Expr) -> dict[str, Value]:
    """What a default that is an object of settings says beside the defaults of its class: ``Args(dim=64)`` gives ``dim``."""
    frame = Frame(init.module)
    with run.at(init.file, init.line):
        if isinstance(default, ir.Call) and all(arg.name for arg in default.args):
            # What the class works out of its fields is left to it, so that it is worked out of the new values too.
            return {str(arg.name): run.evaluate(arg.value, frame) for arg in default.args}
        made = run.evaluate(default, frame)
    fields = kind.fields or ()
    return {name: made.attrs[name] for name in fields if name in made.attrs} if isinstance(made, Instance) else {}


def plain_defaults(made: ClassVal | Function) -> dict[str, Value]:
    """The defaults of a constructor or function that are numbers, strings or tuples of these, by parameter name."""
    found: dict[str, Value] = {}
    for param in signature(made)[1]:
        match param.default:
            case ir.Const(value=value):
                found[param.name] = value
            case ir.TupleExpr(items=items) if all(isinstance(item, ir.Const) for item in items):
                found[param.name] = tuple(item.value for item in items if isinstance(item, ir.Const))
    return found


def takes(run: Run, made: ClassVal | Function, key: str) -> bool:
    """Whether a value given by name may reach a constructor or function: False only where it certainly cannot."""
    init, params = signature(made)
    if init is None or (isinstance(made, ClassVal) and "config" in made.flags):
        return True
    node = node_of(init)
    for param in params:
        if param.name == key or param.kind == "kwarg":
            return True
        kind = _class_of(run, init, param, node)
        if isinstance(kind, ClassVal):
            if kind.unknown_base is not None or OF_SETTINGS in kind.attrs or _has(run, kind, key):
                return True
        elif param.default is None and (
            items_read(param.name, node) or attributes_read(param.name, node) or param.name.lower().endswith(_SETTINGS)
        ):
            return True
    return False


def _class_of(run: Run, init: Function, param: ir.Param, node: Any) -> Value:
    """The class of settings that a parameter stands for, or None."""
    if param.annotation is not None:
        with run.at(init.file, init.line):
            try:
                value = run.evaluate(param.annotation, Frame(init.module))
            except Raised:
                return None
        found = resolve_annotation(run, value, Frame(init.module))
        return found if isinstance(found, ClassVal) and holds_settings(found) else None
    if param.default is not None:
        return None
    names = attributes_read(param.name, node)
    return _class_with(run, init.module, names) if names else None


def holds_settings(cls: ClassVal) -> bool:
    """Whether a class is plain data, as opposed to a module, an enumeration or one of Python's own types."""
    analysed = bool(cls.file) and not cls.file.startswith("<")
    plain = cls.native is None or hasattr(cls.native, "_fields")
    return OF_SETTINGS in cls.attrs or (
        analysed and plain and not cls.flags & {"module", "enum"} and cls.enum_members is None
    )


def attributes_read(name: str, node: Any) -> set[str]:
    """Attributes that a function reads from one of its parameters."""
    return set(_attributes(name, node.body))


def items_read(name: str, node: Any) -> set[str]:
    """Keys that a function reads from one of its parameters."""
    return set(_items(name, node.body))


def _items(name: str, node: Any) -> Iterator[str]:
    if type(node) is ir.Item and type(node.value) is ir.Name and node.value.id == name:
        if type(node.index) is ir.Const and isinstance(node.index.value, str):
            yield node.index.value
    elif isinstance(node, tuple):
        for part in node:
            yield from _items(name, part)


def _attributes(name: str, node: Any) -> Iterator[str]:
    if type(node) is ir.Attr and type(node.value) is ir.Name and node.value.id == name:
        yield node.name
    elif isinstance(node, tuple):
        for part in node:
            yield from _attributes(name, part)


def _class_with(run: Run, module: ModuleVal, names: set[str]) -> Value:
    """The one class of settings, defined in the file or imported into it, that has all these names."""
    found: list[ClassVal] = []
    for chunk in module.unit.chunks:
        for bound in chunk.binds:
            if chunk.kind != "class" and not bound.lower().rstrip("0123456789").endswith(_SETTINGS):
                continue
            try:
                value = module.get(bound)
            except Raised:
                continue
            if isinstance(value, ClassVal) and value not in found and holds_settings(value) and names <= _names(value):
                found.append(value)
    return found[0] if len(found) == 1 else None


def _names(cls: ClassVal) -> set[str]:
    names: set[str] = set()
    for owner in cls.mro:
        if isinstance(owner, ClassVal):
            names |= set(owner.attrs) | set(owner.fields or ()) | set(owner.attrs.get("__annotations__", ()))
            init = owner.attrs.get("__init__")
            if isinstance(init, Function):
                node = node_of(init)
                names |= set(_attributes(node.params[0].name, node.body)) if node.params else set()
    return names


def _namespace(run: Run, values: dict[str, Any]) -> Value:
    """An object with the values as attributes; nested mappings too."""
    cls = run.getattr(run.loader.module("overlays.inspecting"), "Namespace")
    made = run.call(cls, (), {})
    assert isinstance(made, Instance)
    for name, value in values.items():
        made.attrs[name] = _namespace(run, value) if isinstance(value, dict) else value
    return made


__all__ = ["MISSING", "keyword_arguments", "make_config", "plain_defaults", "resolve_annotation", "signature", "takes"]
