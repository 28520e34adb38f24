"""Attributes set and deleted: of instances, of torch modules with their tables, of classes and of tensors."""

from __future__ import annotations

from specdiff.interp.dims import Dim
from specdiff.interp.guarding import HOST_ERRORS, raised
from specdiff.interp.lookups import MODULE_TABLES, lookup, method_of, missing_text, type_name
from specdiff.interp.objects import (
    MISSING,
    BoundIntrinsic,
    BoundMethod,
    ClassVal,
    Function,
    GenericAlias,
    Instance,
    ModuleVal,
    Partial,
    Property,
    Super,
    Value,
    Wrapped,
)
from specdiff.interp.run import Run
from specdiff.interp.tracked import RunRecording, Tracked, plain
from specdiff.interp.values import Device, DType, Intrinsic, OwnDType, Tensor, Unknown

_SCALARS = frozenset({bool, int, float, str, type(None)})
_PLAIN = frozenset({*_SCALARS, DType, OwnDType, Device, Dim, tuple, Tensor})
"""Kinds of values that a module holds as plain attributes, but for parameters and buffers."""


def set_(run: Run, obj: Value, name: str, value: Value) -> None:
    """``obj.name = value``."""
    if isinstance(obj, Instance):
        cls = obj.cls
        if "setattr" in cls.flags:
            if "config" in cls.flags:
                renames = lookup(cls, "attribute_map")[0]
                if type(renames) is dict and name in renames:
                    name = renames[name]
            else:
                run.call(lookup(cls, "__setattr__")[0], (obj, name, value), {})
                return
        plain_set(run, obj, name, value)
    elif isinstance(obj, ClassVal):
        run.touch(obj.attrs)
        obj.attrs[name] = value
        obj.cache.clear()
        _forget(obj)
    elif isinstance(obj, ModuleVal):
        obj.env[name] = value
    elif isinstance(obj, Function):
        obj.attrs[name] = value
    elif isinstance(obj, BoundMethod):
        set_(run, obj.func, name, value)
    elif isinstance(obj, Tensor):
        _set_tensor(run, obj, name, value)
    elif isinstance(obj, Super):
        plain_set(run, obj.receiver, name, value)
    elif isinstance(obj, Unknown | Wrapped | Partial | Intrinsic | BoundIntrinsic | GenericAlias | dict):
        return  # nothing that the analysis looks at (an OrderedDict takes attributes, and is a dict here)
    elif isinstance(obj, BaseException):
        try:
            setattr(obj, name, plain(value))
        except HOST_ERRORS as error:
            raise raised(run, error) from None
    else:
        raise raised(run, AttributeError(f"'{type_name(obj)}' object has no attribute '{name}'"))


def _forget(cls: ClassVal) -> None:
    for sub in cls.subclasses:
        sub.cache.clear()
        _forget(sub)


def plain_set(run: Run, obj: Instance, name: str, value: Value) -> None:
    """``object.__setattr__``, and torch's ``Module.__setattr__`` for modules."""
    found = obj.cls.cache.get(name)
    if found is None:
        found = lookup(obj.cls, name)
    if type(found[0]) is Property and not found[0].cached:
        if found[0].setter is None:
            raise raised(run, AttributeError(f"property '{name}' of '{obj.cls.name}' object has no setter"))
        run.call(found[0].setter, (obj, value), {})
        return
    if isinstance(found[0], Instance) and method_of(found[0], "__set__") is not MISSING:
        run.call(method_of(found[0], "__set__"), (obj, value), {})
        return
    if type(value) is Tracked and type(value.recording) is RunRecording:
        value = value.observe()  # the object outlives the run whose numbers are tracked
    old = obj.attrs.get(name, MISSING)
    if old is value or (old is not MISSING and type(old) in _SCALARS and type(old) is type(value) and old == value):
        return  # no change, so what was built from the old value still holds
    run.touch(obj)
    if "module" in obj.cls.flags:
        _module_set(run, obj, name, value)
    elif name == "__class__" and isinstance(value, ClassVal):
        obj.cls = value
    else:
        obj.attrs[name] = value


def _module_set(run: Run, obj: Instance, name: str, value: Value) -> None:
    """torch.nn.Module.__setattr__ (torch 2.x, `nn/modules/module.py`)."""
    attrs = obj.attrs
    params, buffers, modules = attrs.get("_parameters"), attrs.get("_buffers"), attrs.get("_modules")
    if (
        type(value) not in _PLAIN
        or (type(value) is Tensor and value.kind != "tensor")
        or any(table is not None and name in table for table in (params, buffers, modules))
    ):
        run.rebuilt(obj)
    if name == "__class__" and isinstance(value, ClassVal):
        obj.cls = value
        return
    if isinstance(value, Tensor) and value.kind in ("parameter", "uninitialized"):
        if params is None:
            raise raised(run, AttributeError("cannot assign parameters before Module.__init__() call"))
        _register(run, params, name, value, (attrs, buffers, modules))
        return
    if params is not None and name in params:
        _replace(run, params, name, value, "parameter", "torch.nn.Parameter or None")
        return
    if isinstance(value, Instance) and "module" in value.cls.flags:
        if modules is None:
            raise raised(run, AttributeError("cannot assign module before Module.__init__() call"))
        _register(run, modules, name, value, (attrs, params, buffers))
        return
    if modules is not None and name in modules:
        _replace(run, modules, name, value, "child module", "torch.nn.Module or None")
        return
    if isinstance(value, Tensor) and value.kind == "buffer" and buffers is not None:
        _register(run, buffers, name, value, (attrs, params, modules))
        keep = attrs.get("_non_persistent_buffers_set")
        if keep is not None and value.tags is not None and value.tags.get("persistent") is False:
            keep.add(name)
        return
    if buffers is not None and name in buffers:
        _replace(run, buffers, name, value, "buffer", "torch.nn.Buffer, torch.Tensor or None", Tensor)
        if isinstance(value, Tensor) and value.kind == "tensor" and value.node is None:
            value.kind = "registered"
        return
    attrs[name] = value


def _register(
    run: Run, table: dict[str, Value], name: str, value: Value, others: tuple[dict[str, Value] | None, ...]
) -> None:
    """A name stands in one of a module's tables only."""
    for other in others:
        if other is not None:
            other.pop(name, None)
    run.touch(table)
    table[name] = value


def _replace(
    run: Run, table: dict[str, Value], name: str, value: Value, what: str, expected: str, *kinds: type
) -> None:
    """A registered name takes None or a value of its table's kind; torch refuses anything else."""
    if value is not None and not isinstance(value, (Unknown, *kinds)):
        message = f"cannot assign '{_torch_type(value)}' as {what} '{name}' ({expected} expected)"
        raise raised(run, TypeError(message))
    run.touch(table)
    table[name] = value


def _torch_type(value: Value) -> str:
    if isinstance(value, Tensor):
        return "torch.FloatTensor" if value.dtype == "float32" else "torch.Tensor"
    if isinstance(value, Instance):
        return f"{value.cls.module.name}.{value.cls.name}"
    return type_name(value)


def _set_tensor(run: Run, obj: Tensor, name: str, value: Value) -> None:
    if name == "data" and isinstance(value, Tensor):
        run.reform(obj, value)
    elif name == "requires_grad":
        obj.grad = value is True
    elif name != "grad":
        if obj.tags is None:
            obj.tags = {}
        obj.tags[name] = value


def delete(run: Run, obj: Value, name: str) -> None:
    """``del obj.name``."""
    if isinstance(obj, Instance):
        if "delattr" in obj.cls.flags:
            run.call(lookup(obj.cls, "__delattr__")[0], (obj, name), {})
            return
        plain_delete(run, obj, name)
    elif isinstance(obj, ClassVal) and name in obj.attrs:
        del obj.attrs[name]
        obj.cache.clear()
        _forget(obj)
    elif isinstance(obj, Function):
        obj.attrs.pop(name, None)
    elif not isinstance(obj, Unknown | Tensor):
        raise raised(run, AttributeError(missing_text(obj, name)))


def plain_delete(run: Run, obj: Instance, name: str) -> None:
    """``object.__delattr__``."""
    run.touch(obj)
    if "module" in obj.cls.flags:
        run.rebuilt(obj)
    for table in (obj.attrs, *(obj.attrs.get(table) for table in MODULE_TABLES)):
        if table is not None and name in table:
            if table is not obj.attrs:
                run.touch(table)
            del table[name]
            return
    raise raised(run, AttributeError(missing_text(obj, name)))
