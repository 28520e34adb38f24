"""Attribute access: instances, classes, torch modules, configurations, tensors and Python's own objects."""

from __future__ import annotations

from typing import Any

from specdiff.interp.assignment import plain_delete, plain_set, set_
from specdiff.interp.containers import SHARED
from specdiff.interp.dims import Dim
from specdiff.interp.guarding import HOST_ERRORS, raised
from specdiff.interp.lookups import MODULE_TABLES, lookup, method_of, missing_text
from specdiff.interp.objects import (
    MISSING,
    BoundIntrinsic,
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
    Super,
    Value,
    Wrapped,
)
from specdiff.interp.run import STUB_PREFIX, Run
from specdiff.interp.tracked import RunRecording, Tracked, plain
from specdiff.interp.values import Intrinsic, Tensor, Unknown, Walk


def get(run: Run, obj: Value, name: str, default: Value = MISSING) -> Value:
    """``obj.name``; raises the analysed program's AttributeError unless there is a default."""
    value = _get(run, obj, name)
    if value is MISSING:
        if default is not MISSING:
            return default
        if type(obj) is ModuleVal and (obj.unit is None or obj.file.startswith(STUB_PREFIX)):
            return run.unknown(f"{obj.name}.{name} is not modelled")
        raise raised(run, AttributeError(missing_text(obj, name)))
    return value


def _get(run: Run, obj: Value, name: str) -> Value:
    if isinstance(obj, Instance):
        return _instance(run, obj, name)
    kind = type(obj)
    if kind is Unknown:
        return _of_unknown(run, obj, name)
    if kind is ModuleVal:
        return obj.get(name)
    if kind is Tensor:
        return _tensor(run, obj, name)
    if kind is ClassVal:
        return class_attribute(run, obj, name)
    if kind is Super:
        return _super(run, obj, name)
    if kind is Tracked:
        return _get(run, obj.observe(), name)
    if kind is Function:
        return _function(run, obj, name)
    if kind is BoundMethod:
        if name == "__self__":
            return obj.receiver
        if name == "__func__":
            return obj.func
        return _get(run, obj.func, name)
    if kind is Partial:
        return {"func": obj.func, "args": obj.args, "keywords": obj.keywords}.get(name, MISSING)
    if kind is GenericAlias:
        if name == "__origin__":
            return obj.origin
        if name == "__args__":
            return obj.args if isinstance(obj.args, tuple) else (obj.args,)
        return _get(run, obj.origin, name)
    if kind is Property:
        return _property_part(obj, name)
    if kind is Wrapped:
        return obj.func if name == "__func__" else _get(run, obj.func, name)
    if kind is Intrinsic or kind is BoundIntrinsic:
        short = obj.name.rpartition(".")[2]
        return {
            "__name__": short,
            "__qualname__": short,
            "__module__": obj.name.rpartition(".")[0],
            "__doc__": None,
        }.get(name, MISSING)
    if kind is Dim:
        return run.unknown(f"attribute {name} of a symbolic size")
    if kind is Walk and name not in ("__iter__", "__next__", "__class__"):
        return MISSING
    return _host(run, obj, name)


def _of_unknown(run: Run, obj: Unknown, name: str) -> Unknown:
    if obj.name:
        return Unknown(obj.reason, obj.place, obj.cause, name=f"{obj.name}.{name}")
    found: list[Value] = []
    for option in obj.options:
        value = _get(run, option, name)
        found.extend(value.options if type(value) is Unknown else (value,) if value is not MISSING else ())
    return Unknown(obj.reason, obj.place, obj.cause, options=tuple(found)) if found else obj


def _instance(run: Run, obj: Instance, name: str) -> Value:
    cls = obj.cls
    recording = run.recording
    if recording is not None and obj.serial < recording.start:
        recording.reads[id(obj)] = obj
        if type(recording) is RunRecording:
            if (id(cls), name) in recording.varying:
                value = plain_attribute(run, obj, name)
                if type(value) is int or type(value) is float:
                    return recording.attribute(obj, name, value)
            recording.names.add((id(obj), name))
    if "getattribute" in cls.flags:
        if "config" in cls.flags:
            if name != "attribute_map":
                renames = lookup(cls, "attribute_map")[0]
                if type(renames) is dict and name in renames:
                    name = renames[name]
        elif not name.startswith("__"):
            method = lookup(cls, "__getattribute__")[0]
            return run.call(method, (obj, name), {})
    return plain_attribute(run, obj, name)


def plain_attribute(run: Run, obj: Instance, name: str) -> Value:
    """``object.__getattribute__`` followed by ``__getattr__``."""
    cls = obj.cls
    found = cls.cache.get(name)
    if found is None:
        found = lookup(cls, name)
    value, owner = found
    kind = type(value)
    if kind is Property:
        own = obj.attrs.get(name, MISSING)
        if value.cached and own is not MISSING:
            return own
        try:
            result = run.call(value.getter, (obj,), {})
        except Raised as error:
            if isinstance(error.value, AttributeError) and method_of(obj, "__getattr__") is not MISSING:
                return run.call(method_of(obj, "__getattr__"), (name,), {})
            raise
        if value.cached:
            run.touch(obj)
            obj.attrs[name] = result
        return result
    attrs = obj.attrs
    own = attrs.get(name, MISSING)
    if own is not MISSING:
        if type(own) in SHARED and run.recording is not None:
            run.reached(own, obj)
        return own
    if "module" in cls.flags:
        for table in MODULE_TABLES:
            entries = attrs.get(table)
            if entries is not None and name in entries:
                entry = entries[name]
                if run.read is not None and type(entry) is Tensor:
                    run.read[id(entry)] = entry
                return entry
    if value is not MISSING:
        if kind is Function:
            return BoundMethod(value, obj)
        if kind is Intrinsic and owner is not None and "bind" in owner.flags:
            return BoundMethod(value, obj)
        if kind in SHARED and run.recording is not None:
            run.looked_up(value)
        return bind(run, value, obj, cls)
    special = _special(run, obj, name)
    if special is not MISSING:
        return special
    if obj.native is not None:
        native = _host(run, obj.native, name)
        if native is not MISSING:
            return HostMethod(obj, name) if isinstance(native, HostMethod) else native
    method = method_of(obj, "__getattr__")
    if method is not MISSING:
        return run.call(method, (name,), {})
    if cls.unknown_base is not None:
        if cls.unknown_base.name:
            return _of_unknown(run, cls.unknown_base, name)
        return run.unknown(f"attribute {name} may come from a base class that is not known", cls.unknown_base)
    return MISSING


def bind(run: Run, value: Value, obj: Value, cls: ClassVal) -> Value:
    """A class attribute as seen through an instance (``obj``) or the class itself (``obj`` is None)."""
    kind = type(value)
    if kind is Function:
        return value if obj is None else BoundMethod(value, obj)
    if kind is Wrapped:
        if value.kind == "static":
            return value.func
        if value.kind == "class":
            return BoundMethod(value.func, cls)
        return value if obj is None else BoundMethod(value, obj)
    if kind is Partial or kind is BoundMethod:
        return value
    if isinstance(value, Instance):
        method = method_of(value, "__get__")
        if method is not MISSING:
            return run.call(method, (obj, cls), {})
    return value


def _special(run: Run, obj: Instance, name: str) -> Value:
    cls = obj.cls
    if name == "__class__":
        return cls
    if name == "__dict__":
        run.reached(obj.attrs, obj)
        return obj.attrs
    if name == "__doc__":
        return None
    if name == "__module__":
        return cls.module.name
    if name in (
        "__setattr__",
        "__getattribute__",
        "__delattr__",
        "__init__",
        "__eq__",
        "__hash__",
        "__repr__",
        "__str__",
        "__format__",
        "__reduce__",
        "__init_subclass__",
    ):
        if obj.native is not None and name in ("__init__", "__eq__", "__repr__", "__str__"):
            return HostMethod(obj, name)
        return BoundMethod(Intrinsic("object." + name, OBJECT_METHODS[name]), obj)
    if name == "__getattr__" and "module" in obj.cls.flags:
        return BoundMethod(Intrinsic("Module.__getattr__", _module_getattr), obj)
    return MISSING


def class_attribute(run: Run, cls: ClassVal, name: str) -> Value:
    """``cls.name``."""
    value, _ = lookup(cls, name)
    if value is not MISSING:
        if type(value) is Function:
            return value
        if cls.enum_members is not None and name in cls.enum_members:
            return cls.enum_members[name]
        if type(value) is Property:
            return value
        return bind(run, value, None, cls)
    if cls.meta is not None:
        value = _of_metaclass(run, cls, name)
        if value is not MISSING:
            return value
    if name == "__name__":
        return cls.name
    if name == "__qualname__":
        return cls.qualname
    if name == "__module__":
        return cls.module.name
    if name == "__mro__":
        return (*tuple(cls.mro), object)
    if name == "__bases__":
        return cls.bases or (object,)
    if name == "__dict__":
        return cls.attrs
    if name == "__doc__":
        return cls.node.doc if cls.node is not None else None
    if name == "__annotations__":
        return {}
    if name == "__class__":
        return type if cls.meta is None else cls.meta
    if name == "__members__" and cls.enum_members is not None:
        return dict(cls.enum_members)
    if name == "__subclasses__":
        return Intrinsic("type.__subclasses__", lambda ctx: [])
    if name == "mro":
        return Intrinsic("type.mro", lambda ctx: list(cls.mro))
    if cls.native is not None and hasattr(cls.native, name):
        return HostMethod(cls.native, name)
    if name in OBJECT_METHODS:
        return Intrinsic("object." + name, OBJECT_METHODS[name])
    if cls.unknown_base is not None:
        return run.unknown(f"attribute {name} may come from a base class that is not known", cls.unknown_base)
    return MISSING


def _of_metaclass(run: Run, cls: ClassVal, name: str) -> Value:
    """An attribute that a class has from its metaclass."""
    assert cls.meta is not None
    value, _ = lookup(cls.meta, name)
    if type(value) is Property:
        return run.call(value.getter, (cls,), {})
    if value is not MISSING:
        return bind(run, value, cls, cls.meta)
    method = lookup(cls.meta, "__getattr__")[0]
    if type(method) is Function and not name.startswith("__"):
        return run.call(method, (cls, name), {})
    return MISSING


def _super_of_metaclass(run: Run, obj: Super, receiver: ClassVal, meta: ClassVal, name: str) -> Value:
    """``super()`` in a metaclass: the next metaclass, at last ``type``."""
    made = name in ("__new__", "__prepare__")
    for owner in meta.mro[meta.mro.index(obj.cls) + 1 :]:
        if isinstance(owner, ClassVal) and name in owner.attrs:
            value = owner.attrs[name]
            if made:
                return value.func if type(value) is Wrapped else value
            return bind(run, value, receiver, meta)
    model = TYPE_METHODS.get(name)
    if model is None:
        return class_attribute(run, receiver, name)
    return Intrinsic("type." + name, model) if made else BoundMethod(Intrinsic("type." + name, model), receiver)


TYPE_METHODS: dict[str, Any] = {}
"""What ``type`` does for a metaclass; filled where classes are made and called."""


def _super(run: Run, obj: Super, name: str) -> Value:
    receiver = obj.receiver
    start = receiver.cls if isinstance(receiver, Instance) else receiver
    if not isinstance(start, ClassVal):
        return run.unknown("super() of a receiver that is not known")
    if isinstance(receiver, ClassVal) and "metaclass" in obj.cls.flags:
        meta = receiver if obj.cls in receiver.mro else receiver.meta
        if meta is not None and obj.cls in meta.mro:
            return _super_of_metaclass(run, obj, receiver, meta, name)
    mro = start.mro
    index = mro.index(obj.cls) + 1 if obj.cls in mro else 1
    for owner in mro[index:]:
        if isinstance(owner, ClassVal):
            value = owner.attrs.get(name, MISSING)
            if value is not MISSING:
                if type(value) is Property:
                    return run.call(value.getter, (receiver,), {})
                if name in ("__new__", "__init_subclass__", "__class_getitem__"):
                    return (
                        value.func
                        if type(value) is Wrapped and name == "__new__"
                        else (
                            value
                            if name == "__new__"
                            else BoundMethod(value.func if type(value) is Wrapped else value, start)
                        )
                    )
                if isinstance(receiver, Instance):
                    return bind(run, value, receiver, start)
                return bind(run, value, None, start)
    if isinstance(receiver, Instance) and "module" in start.flags and name == "__getattr__":
        return BoundMethod(Intrinsic("Module.__getattr__", _module_getattr), receiver)
    native = start.native
    own = name in ("__setattr__", "__getattribute__", "__delattr__")  # the object's attributes, not its payload's
    if (
        native is not None
        and not own
        and isinstance(receiver, Instance)
        and receiver.native is not None
        and hasattr(native, name)
    ):
        return HostMethod(receiver.native, name) if name != "__init__" else HostMethod(receiver, name)
    if name in OBJECT_METHODS:
        if name == "__new__":
            return Intrinsic("object.__new__", OBJECT_METHODS[name])
        return BoundMethod(Intrinsic("object." + name, OBJECT_METHODS[name]), receiver)
    if start.unknown_base is not None:
        return run.unknown(f"attribute {name} may come from a base class that is not known", start.unknown_base)
    return MISSING


def _tensor(run: Run, obj: Tensor, name: str) -> Value:
    getter = run.library.tensor_attributes.get(name)
    if obj.tags is not None and name in obj.tags:
        return obj.tags[name]
    if getter is not None:
        return getter(run, obj)
    method = run.library.tensor_methods.get(name)
    if method is not None:
        return BoundIntrinsic("torch.Tensor." + name, method, obj)
    if name in run.library.tensor_names:
        return run.unknown(f"torch.Tensor.{name} is not modelled")
    return MISSING


def _function(run: Run, obj: Function, name: str) -> Value:
    if name in obj.attrs:
        return obj.attrs[name]
    if name == "__name__":
        return obj.name
    if name == "__qualname__":
        return obj.qualname
    if name == "__module__":
        return obj.module.name
    if name == "__doc__":
        run.plan_of(obj)  # reads the function, if nobody has
        return getattr(obj.node, "doc", None)
    if name == "__dict__":
        return obj.attrs
    if name == "__get__":
        return Intrinsic("function.__get__", lambda ctx, receiver, owner=None: BoundMethod(obj, receiver))
    if name in ("__defaults__", "__kwdefaults__", "__annotations__", "__code__"):
        return run.call(run.getattr(run.loader.module("inspect"), f"_{name.strip('_')}"), (obj,), {})
    if name in ("__globals__", "__closure__"):
        return None
    return MISSING


def _property_part(obj: Property, name: str) -> Value:
    if name == "setter":
        return Intrinsic("property.setter", lambda ctx, f: Property(obj.getter, f, obj.deleter, obj.cached))
    if name == "getter":
        return Intrinsic("property.getter", lambda ctx, f: Property(f, obj.setter, obj.deleter, obj.cached))
    if name == "deleter":
        return Intrinsic("property.deleter", lambda ctx, f: Property(obj.getter, obj.setter, f, obj.cached))
    if name == "__set__":
        return Intrinsic("property.__set__", lambda ctx, receiver, value: ctx.call(obj.setter, (receiver, value), {}))
    if name == "__get__":
        return Intrinsic("property.__get__", lambda ctx, receiver, owner=None: ctx.call(obj.getter, (receiver,), {}))
    return {"fget": obj.getter, "fset": obj.setter, "fdel": obj.deleter, "__doc__": None}.get(name, MISSING)


_HIDDEN = frozenset(
    {
        "__globals__",
        "__code__",
        "__subclasses__",
        "__builtins__",
        "__class_getitem__",
        "__reduce__",
        "__reduce_ex__",
        "gi_frame",
        "f_back",
        "__getattribute__",
        "__loader__",
        "__spec__",
    }
)


def _host(run: Run, obj: Value, name: str) -> Value:
    """An attribute of one of Python's own objects."""
    if name in _HIDDEN:
        return run.unknown(f"attribute {name} is not analysed")
    if name == "__class__":
        return type(obj)
    try:
        value = getattr(obj, name, MISSING)
    except HOST_ERRORS as error:
        raise raised(run, error) from None
    if value is MISSING:
        return MISSING
    if callable(value) and not isinstance(value, type):
        return HostMethod(obj, name)
    return value


# --- Methods of ``object`` ---------------------------------------------------------------------


def _object_init(ctx: Any, *args: Value, **kwargs: Value) -> None:
    return None


def _object_getattribute(ctx: Any, obj: Value, name: str) -> Value:
    value = plain_attribute(ctx, obj, name) if isinstance(obj, Instance) else _get(ctx, obj, name)
    if value is MISSING:
        raise AttributeError(missing_text(obj, name))
    return value


def _object_setattr(ctx: Any, obj: Value, name: Value, value: Value) -> None:
    name = plain(name)
    if isinstance(name, Unknown):
        return
    if isinstance(obj, Instance):
        plain_set(ctx, obj, name, value)
    else:
        set_(ctx, obj, name, value)


def _object_new(ctx: Any, cls: Value, *args: Value, **kwargs: Value) -> Value:
    if isinstance(cls, ClassVal):
        made = ctx.new_instance(cls)
        if cls.native is not None:
            made.native = payload_for(cls.native, args)
        return made
    return ctx.unknown("object.__new__ of a class that is not known")


for _model in (_object_setattr, _object_new):
    setattr(_model, "raw", True)  # noqa: B010  values that are not known are stored like any other


def payload_for(native: type, args: tuple[Value, ...]) -> Value:
    """The payload of a fresh instance of a class that extends one of Python's own types."""
    if issubclass(native, dict | list | set):
        return native()
    if issubclass(native, BaseException):
        return native(*args)
    return native(*[plain(arg) for arg in args[:1]])


def _module_getattr(ctx: Any, obj: Instance, name: str) -> Value:
    for table in MODULE_TABLES:
        entries = obj.attrs.get(table)
        if entries is not None and name in entries:
            return entries[name]
    raise AttributeError(missing_text(obj, name))


OBJECT_METHODS: dict[str, Any] = {
    "__init__": _object_init,
    "__init_subclass__": _object_init,
    "__getattribute__": _object_getattribute,
    "__setattr__": _object_setattr,
    "__delattr__": lambda ctx, obj, name: plain_delete(ctx, obj, name),
    "__new__": _object_new,
    "__eq__": lambda ctx, obj, other: obj is other,
    "__ne__": lambda ctx, obj, other: obj is not other,
    "__hash__": lambda ctx, obj: id(obj),
    "__repr__": lambda ctx, obj: repr(obj),
    "__str__": lambda ctx, obj: repr(obj),
    "__format__": lambda ctx, obj, spec: repr(obj),
    "__reduce__": lambda ctx, obj: ctx.unknown("pickling is not analysed"),
    "__dir__": lambda ctx, obj: sorted(obj.attrs),
}
