"""Text of values: ``str``, ``repr`` and format specifications."""

from __future__ import annotations

from typing import Any

from specdiff.interp.guarding import HOST_ERRORS, raised
from specdiff.interp.lookups import method_of, payload
from specdiff.interp.objects import MISSING, ClassVal, Function, Instance, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import plain
from specdiff.interp.values import Tensor


def to_text(run: Run, value: Value, debug: bool = False) -> str:
    """``str(value)``, or ``repr(value)``."""
    value = plain(value)
    if isinstance(value, Instance):
        for name in ("__repr__",) if debug else ("__str__", "__repr__"):
            method = method_of(value, name)
            if method is not MISSING:
                return str(run.call(method, (), {}))
        if value.cls.enum_members is not None:
            return f"{value.cls.name}.{value.attrs.get('_name_')}"
        value = payload(value)
        if isinstance(value, Instance):
            return f"<{value.cls.name} object>"
    if isinstance(value, ClassVal):
        return f"<class '{value.module.name}.{value.qualname}'>"
    if isinstance(value, Function):
        return f"<function {value.qualname}>"
    if isinstance(value, Tensor):
        return "tensor(...)"
    if isinstance(value, list | tuple | dict | set):
        return repr(_shown(run, value, 0))
    return repr(value) if debug else str(value)


class _Text:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _shown(run: Run, value: Value, depth: int) -> Any:
    if depth > 4:
        return _Text("...")
    if isinstance(value, list):
        return [_shown(run, item, depth + 1) for item in value]
    if type(value) is tuple:
        return tuple(_shown(run, item, depth + 1) for item in value)
    if isinstance(value, dict):
        return {key: _shown(run, item, depth + 1) for key, item in value.items()}
    if isinstance(value, Instance | ClassVal | Function | Tensor):
        return _Text(to_text(run, value, debug=True))
    return value


def printable(run: Run, value: Value) -> Value:
    """The value as Python's own formatting can take it."""
    value = payload(plain(value))
    if isinstance(value, Instance | ClassVal | Function | Tensor | list | dict | tuple):
        return to_text(run, value)
    return value


def format_value(run: Run, value: Value, conversion: str | None, spec: str) -> str:
    """``f"{value!conversion:spec}"``."""
    if conversion == "r" or conversion == "a":
        value = to_text(run, value, debug=True)
    elif conversion == "s":
        value = to_text(run, value)
    else:
        value = printable(run, value)
    try:
        return format(value, spec)
    except HOST_ERRORS as error:
        raise raised(run, error) from None
