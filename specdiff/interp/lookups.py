"""Class attributes along the method resolution order, and what instances of Python's own types carry."""

from __future__ import annotations

from specdiff.interp.dims import Dim
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    ClassVal,
    Function,
    Instance,
    ModuleVal,
    Super,
    Value,
)
from specdiff.interp.tracked import Tracked
from specdiff.interp.values import Intrinsic, Walk

MODULE_TABLES = ("_parameters", "_buffers", "_modules")
"""Where a torch module keeps what is no plain attribute."""


def payload(value: Value) -> Value:
    """The host value that an instance of a class extending ``dict``, ``str`` … carries; else the value."""
    if isinstance(value, Instance) and value.native is not None:
        return value.native
    return value


def method_of(value: Value, name: str) -> Value:
    """A special method that the class of an instance defines in analysed code, or `MISSING`."""
    if isinstance(value, Instance):
        found = value.cls.cache.get(name)
        if found is None:
            found = lookup(value.cls, name)
        if isinstance(found[0], Function | Intrinsic):
            return BoundMethod(found[0], value)
        return MISSING if found[0] is MISSING else found[0]
    return MISSING


def lookup(cls: ClassVal, name: str) -> tuple[Value, Value]:
    """A class attribute along the method resolution order: (value, owner), or (MISSING, None)."""
    found = cls.cache.get(name)
    if found is None:
        found = (MISSING, None)
        for owner in cls.mro:
            if isinstance(owner, ClassVal):
                value = owner.attrs.get(name, MISSING)
                if value is not MISSING:
                    found = (value, owner)
                    break
        cls.cache[name] = found
    return found


def type_name(value: Value) -> str:
    """The name Python would print for the type of a value."""
    if isinstance(value, Instance):
        return value.cls.name
    if isinstance(value, Function):
        return "function"
    if isinstance(value, BoundMethod):
        return "method"
    if isinstance(value, ClassVal):
        return "type"
    if isinstance(value, Dim):
        return "int"
    if isinstance(value, Tracked):
        return type(value.value).__name__
    return "generator" if type(value) is Walk else type(value).__name__


def missing_text(obj: Value, name: str) -> str:
    """Python's (and torch's) words for an attribute that is not there."""
    if isinstance(obj, ClassVal):
        return f"type object '{obj.name}' has no attribute '{name}'"
    if isinstance(obj, ModuleVal):
        return f"module '{obj.name}' has no attribute '{name}'"
    if isinstance(obj, Super):
        return f"'super' object has no attribute '{name}'"
    return f"'{type_name(obj)}' object has no attribute '{name}'"
