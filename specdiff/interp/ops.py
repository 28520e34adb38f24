"""Operators, comparison and truth over the program's values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from specdiff.interp.containers import SHARED, iterate
from specdiff.interp.dims import Dim, decide
from specdiff.interp.guarding import HOST_ERRORS, guarded, raised
from specdiff.interp.lookups import method_of, payload, type_name
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    ClassVal,
    GenericAlias,
    Instance,
    Union,
    Value,
)
from specdiff.interp.possible import decided
from specdiff.interp.run import Run
from specdiff.interp.scalars import are_operands, as_tensor, constant, given_back
from specdiff.interp.tracked import Tracked, plain
from specdiff.interp.turns import extended, joined, opened
from specdiff.interp.values import Tensor, Unknown

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
INPLACE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.iadd,
    "|": operator.ior,
    "&": operator.iand,
    "-": operator.isub,
    "*": operator.imul,
    "^": operator.ixor,
}
DUNDER = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "truediv",
    "//": "floordiv",
    "%": "mod",
    "**": "pow",
    "@": "matmul",
    "&": "and",
    "|": "or",
    "^": "xor",
    "<<": "lshift",
    ">>": "rshift",
    "==": "eq",
    "!=": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_REFLECTED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NUMBERS = frozenset({int, float, bool})


def truth(run: Run, value: Value) -> bool | None:
    """Whether a value is true; None where that is not known."""
    kind = type(value)
    if kind is bool:
        return bool(value)
    if kind is Tracked:
        return bool(value.observe_as(bool))
    if kind is Unknown:
        return None
    if kind is Tensor:
        const = constant(value)
        if const is not None and const.size == 1:
            return bool(const.reshape(-1)[0])
        known = decided(run, value) if const is None else None
        return None if known is None else truth(run, known)
    if kind is Dim:
        answer = value > 0
        return answer if isinstance(answer, bool) else None
    if isinstance(value, Instance):
        for name in ("__bool__", "__len__"):
            method = method_of(value, name)
            if method is not MISSING:
                return truth(run, run.call(method, (), {}))
        if value.native is not None:
            return bool(value.native)
        return True
    if kind in SHARED:
        run.reached(value, value)
    try:
        return bool(value)
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def binary(run: Run, op: str, left: Value, right: Value, inplace: bool = False) -> Value:
    """``left op right``."""
    kind, other = type(left), type(right)
    if kind in _NUMBERS and other in _NUMBERS:
        try:
            return BINARY[op](left, right)
        except HOST_ERRORS as error:
            raise raised(run, error) from None
    if kind is Tracked or other is Tracked:
        return _tracked_binary(run, op, left, right)
    if kind is Unknown or other is Unknown:
        if are_operands(left, right):
            result = binary(run, op, as_tensor(left), as_tensor(right), inplace and kind is Tensor)
            return given_back(run, result, left, right)
        if run.trace is not None:
            run.trace.lose(left, right)
        return left if kind is Unknown else right
    if kind is Tensor or other is Tensor:
        if isinstance(left, Instance) or isinstance(right, Instance):
            result = _dunder(run, op, left, right)
            if result is not MISSING:
                return result
        table = run.library.tensor_inplace if inplace and kind is Tensor else run.library.tensor_binary
        function = table.get(op)
        if function is None:
            return run.unknown(f"tensor operator {op} is not modelled")
        result = guarded(run, function, (run, left, right), {})
        if inplace and kind is Tensor and isinstance(result, Tensor):
            if result.shape == left.shape:
                result.dtype = left.dtype
            return run.write(left, result)
        return result
    if isinstance(left, Instance) or isinstance(right, Instance):
        result = _dunder(run, op, left, right)
        if result is not MISSING:
            return result
        left, right = payload(left), payload(right)
    if (
        op == "|"
        and isinstance(left, ClassVal | GenericAlias | type)
        and (right is None or isinstance(right, ClassVal | GenericAlias | type))
    ):
        return Union((*_members(left), *_members(right)))
    if op == "|" and left is None and isinstance(right, ClassVal | GenericAlias | type):
        return Union((None, *_members(right)))
    if op == "+" and kind is list and other is list and run.open_lists:
        if not inplace:
            both = joined(run, left, right)
            if both is not None:
                return both
        elif id(right) in run.open_lists:
            run.touch(left)
            extended(run, left, right)
            return left
    if inplace and kind in SHARED:
        run.touch(left)
        try:
            return INPLACE.get(op, BINARY[op])(left, right)
        except HOST_ERRORS as error:
            raise raised(run, error) from None
    if op == "*" and (other is Dim if kind is list else kind is Dim and other is list):
        items = left if kind is list else right
        if len(items) == 1:
            return opened(run, items[0], right if kind is list else left)
    if op == "%" and kind is str and isinstance(right, tuple | list | dict):
        right = plain(right)
    if op == "*" and isinstance(left, list | tuple | str) and isinstance(right, int) and len(left) * right > 50_000_000:
        return run.unknown("a sequence too long to build")
    try:
        return BINARY[op](left, right)
    except HOST_ERRORS as error:
        raise raised(run, _named(error, op, left, right)) from None


def _members(kind: Value) -> tuple[Value, ...]:
    return kind.args if isinstance(kind, Union) else (kind,)


def _named(error: BaseException, op: str, left: Value, right: Value) -> BaseException:
    """Give an operator's TypeError the analysed classes' names instead of ours."""
    if isinstance(error, TypeError) and "unsupported operand" in str(error):
        symbol = "** or pow()" if op == "**" else op
        return TypeError(f"unsupported operand type(s) for {symbol}: '{type_name(left)}' and '{type_name(right)}'")
    return error


def _tracked_binary(run: Run, op: str, left: Value, right: Value) -> Value:
    function = BINARY[op]
    if type(left) is Tracked and type(right) in _NUMBERS:
        try:
            return left.map(lambda value: function(value, right))
        except HOST_ERRORS as error:
            raise raised(run, error) from None
    if type(right) is Tracked and type(left) in _NUMBERS:
        try:
            return right.map(lambda value: function(left, value))
        except HOST_ERRORS as error:
            raise raised(run, error) from None
    return binary(run, op, plain(left), plain(right))


def _dunder(run: Run, op: str, left: Value, right: Value) -> Value:
    name = DUNDER[op]
    method = method_of(left, f"__{name}__")
    if method is not MISSING:
        result = run.call(method, (right,), {})
        if result is not NotImplemented:
            return result
    reflected = DUNDER[_REFLECTED[op]] if op in _REFLECTED else "r" + name
    method = method_of(right, f"__{reflected}__")
    if method is not MISSING:
        result = run.call(method, (left,), {})
        if result is not NotImplemented:
            return result
    return MISSING


_UNARY: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "+": operator.pos, "~": operator.invert}


def unary(run: Run, op: str, value: Value) -> Value:
    """``-value``, ``+value``, ``~value`` or ``not value``."""
    if op == "not":
        answer = truth(run, value)
        if answer is None:
            return value if isinstance(value, Unknown) else _negated(run, value)
        return not answer
    if isinstance(value, Unknown):
        return value
    if type(value) is Tracked:
        return value.map(_UNARY[op])
    if isinstance(value, Tensor):
        function = run.library.tensor_unary.get(op)
        if function is None:
            return run.unknown(f"tensor operator {op} is not modelled")
        return guarded(run, function, (run, value), {})
    name = {"-": "__neg__", "+": "__pos__", "~": "__invert__"}[op]
    method = method_of(value, name)
    if method is not MISSING:
        return run.call(method, (), {})
    try:
        return _UNARY[op](payload(value))
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def _negated(run: Run, value: Value) -> Unknown:
    source = run.emit("logical_not", (value,), (), "bool") if isinstance(value, Tensor) else None
    return Unknown("the truth of a tensor is not known", run.place, source=source)


def compare(run: Run, op: str, left: Value, right: Value) -> Value:
    """One comparison; a bool where it is decided."""
    if op == "is" or op == "is not":
        same = _identical(left, right)
        if same is None:
            return left if isinstance(left, Unknown) else right
        return same if op == "is" else not same
    kind, other = type(left), type(right)
    if op == "in" or op == "not in":
        answer = contains(run, right, left)
        if isinstance(answer, bool):
            return answer if op == "in" else not answer
        return answer
    if kind is Tracked or other is Tracked:
        function = COMPARE[op]
        if kind is Tracked and other in _NUMBERS:
            return left.observe_as(lambda value: function(value, right))
        if other is Tracked and kind in _NUMBERS:
            return right.observe_as(lambda value: function(left, value))
        return compare(run, op, plain(left), plain(right))
    if kind is Unknown or other is Unknown:
        if (kind is Tensor or other is Tensor) and are_operands(left, right):
            return compare(run, op, as_tensor(left), as_tensor(right))
        return left if kind is Unknown else right
    if kind is Dim or other is Dim:
        if isinstance(left, int | Dim) and isinstance(right, int | Dim):
            answer = decide(op, left, right)
            return run.unknown(f"{left} {op} {right} depends on the input") if answer is None else answer
        if left is None or right is None:
            return op == "!="
    if kind is Tensor or other is Tensor:
        if left is None or right is None or kind is str or other is str:
            return op == "!="
        compared = run.library.tensor_binary.get(op)
        if compared is None:
            return run.unknown(f"tensor comparison {op} is not modelled")
        return guarded(run, compared, (run, left, right), {})
    if isinstance(left, Instance) or isinstance(right, Instance):
        result = _dunder(run, op, left, right)
        if result is not MISSING:
            return result
        left, right = payload(left), payload(right)
        if isinstance(left, Instance) or isinstance(right, Instance):
            if op == "==":
                return left is right
            if op == "!=":
                return left is not right
    if ((kind is list or kind is tuple or kind is dict) and _has_unknown(left)) or _has_unknown(right):
        return run.unknown("a comparison with a value that is not known")
    if op in ("==", "!=") and kind is other and (kind is tuple or kind is list) and len(left) == len(right):
        answer = _same_sizes(left, right)
        if answer is None:
            return run.unknown(f"{left} {op} {right} depends on the input")
        if answer is False:
            return op == "!="
    try:
        result = COMPARE[op](left, right)
    except HOST_ERRORS as error:
        if isinstance(error, TypeError) and "not supported between" in str(error):
            error = TypeError(f"'{op}' not supported between instances of '{type_name(left)}' and '{type_name(right)}'")
        raise raised(run, error) from None
    if isinstance(result, Unknown):
        return run.unknown(result.reason)
    return result


def _same_sizes(left: Value, right: Value) -> bool | None:
    """Whether the symbolic sizes in two sequences are those of the other; None where that depends on the input."""
    answer: bool | None = True
    for a, b in zip(left, right, strict=True):
        if (type(a) is Dim or type(b) is Dim) and isinstance(a, int | Dim) and isinstance(b, int | Dim):
            same = decide("==", a, b)
            if same is False:
                return False
            answer = answer if same else None
        elif type(a) in _NUMBERS and type(b) in _NUMBERS and a != b:
            return False
    return answer


def _has_unknown(value: Value) -> bool:
    if isinstance(value, list | tuple):
        return any(isinstance(item, Unknown | Tensor) or _has_unknown(item) for item in value)
    return False


def _identical(left: Value, right: Value) -> bool | None:
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return None
    if isinstance(left, Tracked) or isinstance(right, Tracked):
        return False if left is None or right is None else plain(left) is plain(right)
    if isinstance(left, BoundMethod) or type(left) in _NUMBERS or type(left) is str:
        return bool(type(left) is type(right) and left == right)
    if isinstance(left, tuple) and hasattr(left, "_fields"):
        return bool(type(left) is type(right) and left == right)
    return left is right


def contains(run: Run, container: Value, item: Value) -> Value:
    """``item in container``."""
    if isinstance(container, Unknown):
        return container
    if isinstance(item, Unknown):
        return item
    if isinstance(container, Instance):
        method = method_of(container, "__contains__")
        if method is not MISSING:
            result = run.call(method, (item,), {})
            answer = truth(run, result)
            return result if answer is None else answer
        if container.native is None and container.cls.unknown_base is not None:
            return run.unknown("an object whose class is not fully known", container.cls.unknown_base)
        if container.native is None:
            return any(compare(run, "==", entry, item) is True for entry in iterate(run, container))
        container = container.native
    if type(container) in SHARED:
        run.reached(container, container)
    if isinstance(item, Tracked) and isinstance(container, list | tuple | range | set | frozenset | dict):
        return item.observe_as(lambda value: value in container)
    if isinstance(container, ClassVal):
        return any(entry is item for entry in iterate(run, container))
    if isinstance(container, Tensor):
        return run.unknown("membership in a tensor")
    plain(container)
    item = payload(plain(item))
    if isinstance(container, list | tuple):
        for entry in container:
            if entry is item:
                return True
            if isinstance(entry, Instance) and isinstance(item, str | int):
                entry = payload(entry)
            if not isinstance(entry, Instance | Tensor) and not isinstance(item, Tensor) and entry == item:
                return True
        unknowns = [entry for entry in container if isinstance(entry, Unknown)]
        return unknowns[0] if unknowns else False
    try:
        return item in container
    except HOST_ERRORS as error:
        raise raised(run, error) from None
