"""Operators, truth, items and iteration over the program's values."""

from __future__ import annotations

import opcode
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from specdiff.interp import limits
from specdiff.interp.dims import Dim, decide
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    BudgetExceeded,
    ClassVal,
    Function,
    GenericAlias,
    Instance,
    Raised,
    Union,
    Value,
)
from specdiff.interp.possible import decided
from specdiff.interp.run import Run
from specdiff.interp.scalars import are_operands, as_tensor, given_back
from specdiff.interp.tracked import Tracked, plain
from specdiff.interp.turns import item_of, item_of_open, opened
from specdiff.interp.values import Intrinsic, Tensor, Turns, Unknown

HOST_ERRORS = (
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    ZeroDivisionError,
    OverflowError,
    StopIteration,
    RuntimeError,
    NotImplementedError,
    AssertionError,
    OSError,
    UnicodeError,
)
"""What an operation on concrete values can raise; the analysed program sees it."""

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
_SHARED = frozenset({list, dict, set})


def raised(run: Run, error: BaseException) -> Raised:
    """A host exception as one of the analysed program, at the line being executed."""
    return Raised(error, [run.place])


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
        return None if known is None else bool(known)
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
    if kind in _SHARED:
        run.reached(value, value)
    try:
        return bool(value)
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def constant(tensor: Tensor) -> Any:
    """The numpy array a small constant tensor holds, computed at most once; else None."""
    const = tensor.const
    if callable(const):
        const = tensor.const = const()
    return const


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
        function = run.library.tensor_binary.get(op)
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
    if inplace and kind in _SHARED:
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
    return type(value).__name__


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


def unary(run: Run, op: str, value: Value) -> Value:
    """``-value``, ``+value``, ``~value`` or ``not value``."""
    if op == "not":
        answer = truth(run, value)
        if answer is None:
            return value if isinstance(value, Unknown) else run.unknown("the truth of a tensor is not known")
        return not answer
    if isinstance(value, Unknown):
        return value
    if type(value) is Tracked:
        return value.map({"-": operator.neg, "+": operator.pos, "~": operator.invert}[op])
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
        return {"-": operator.neg, "+": operator.pos, "~": operator.invert}[op](payload(value))
    except HOST_ERRORS as error:
        raise raised(run, error) from None


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
        function = run.library.tensor_binary.get(op)
        if function is None:
            return run.unknown(f"tensor comparison {op} is not modelled")
        return guarded(run, function, (run, left, right), {})
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
    try:
        result = COMPARE[op](left, right)
    except HOST_ERRORS as error:
        if isinstance(error, TypeError) and "not supported between" in str(error):
            error = TypeError(f"'{op}' not supported between instances of '{type_name(left)}' and '{type_name(right)}'")
        raise raised(run, error) from None
    if isinstance(result, Unknown):
        return run.unknown(result.reason)
    return result


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
    if type(container) in _SHARED:
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


def getitem(run: Run, container: Value, index: Value) -> Value:
    """``container[index]``."""
    kind = type(container)
    if kind is list or kind is dict or kind is tuple or kind is str:
        if type(index) is Tracked:
            if run.recording is not None:
                run.reached(container, container)
            try:
                return index.observe_as(lambda value: container[value])
            except HOST_ERRORS as error:
                raise raised(run, error) from None
        if isinstance(index, Unknown):
            return any_item(run, container, index)
        index = payload(index)
        if kind is list and run.open_lists and id(container) in run.open_lists:
            return item_of_open(run, container, index)
        if isinstance(index, slice):
            index = slice(plain(index.start), plain(index.stop), plain(index.step))
            if any(isinstance(part, Unknown | Dim) for part in (index.start, index.stop, index.step)):
                return run.unknown("a slice with a bound that is not known")
        elif isinstance(index, Tensor):
            const = constant(index)
            if const is None or const.size != 1:
                return any_item(run, container, run.unknown("an index that depends on data"))
            index = int(const.reshape(-1)[0])
        try:
            result = container[index]
        except HOST_ERRORS as error:
            raise raised(run, error) from None
        if type(result) in _SHARED and run.recording is not None:
            run.reached(result, container)
        return result
    if kind is Unknown:
        return container
    if kind is Turns:
        return item_of(container, payload(plain(index)))
    if kind is Tensor:
        return guarded(run, run.library.getitem, (run, container, plain(index)), {})
    if isinstance(container, Instance):
        method = method_of(container, "__getitem__")
        if method is not MISSING:
            return run.call(method, (index,), {})
        if container.native is not None:
            try:
                return getitem(run, container.native, index)
            except Raised as error:
                missing = method_of(container, "__missing__")
                if missing is not MISSING and isinstance(error.value, KeyError):
                    return run.call(missing, (index,), {})
                raise
        if container.cls.unknown_base is not None:
            return run.unknown("an item of an object whose class is not fully known", container.cls.unknown_base)
        raise raised(run, TypeError(f"'{container.cls.name}' object is not subscriptable"))
    if isinstance(container, ClassVal):
        if container.enum_members is not None:
            if index in container.enum_members:
                return container.enum_members[index]
            raise raised(run, KeyError(index))
        method = lookup(container, "__class_getitem__")[0]
        if method is not MISSING and isinstance(method, Function):
            return run.call(method, (container, index), {})
        return GenericAlias(container, index)
    if isinstance(container, (type, GenericAlias)):
        return GenericAlias(container, index)
    if container is None or isinstance(container, int | float | Function | BoundMethod):
        raise raised(run, TypeError(f"'{type_name(container)}' object is not subscriptable"))
    if isinstance(index, Unknown):
        return index
    try:
        return container[payload(plain(index))]
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def any_item(run: Run, container: Value, why: Unknown) -> Unknown:
    """One of a container's items, it is not known which."""
    items = container.values() if isinstance(container, dict) else container if not isinstance(container, str) else ()
    options = tuple({id(item): item for item in items if isinstance(item, _CALLABLE)}.values())
    return Unknown(why.reason, why.place, why.cause, options=options) if options else why


_CALLABLE = (Instance, Function, BoundMethod, ClassVal)


def setitem(run: Run, container: Value, index: Value, value: Value) -> None:
    """``container[index] = value``."""
    if isinstance(container, Unknown):
        return
    if isinstance(container, Tensor):
        if run.trace is not None and (isinstance(value, Unknown) or isinstance(index, Unknown)):
            run.trace.lose(container, value)
        guarded(run, run.library.setitem, (run, container, plain(index), value), {})
        return
    if isinstance(container, Instance):
        method = method_of(container, "__setitem__")
        if method is not MISSING:
            run.call(method, (index, value), {})
            return
        if container.native is None and container.cls.unknown_base is not None:
            return
        if container.native is None:
            raise raised(run, TypeError(f"'{container.cls.name}' object does not support item assignment"))
        run.touch(container)
        container = container.native
    if isinstance(index, Unknown):
        run.note("an item is set under a key that is not known")
        return
    if type(container) in _SHARED:
        run.touch(container)
    try:
        container[payload(plain(index))] = plain(value)
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def delitem(run: Run, container: Value, index: Value) -> None:
    """``del container[index]``."""
    if isinstance(container, Unknown | Tensor):
        return
    if isinstance(container, Instance):
        method = method_of(container, "__delitem__")
        if method is not MISSING:
            run.call(method, (index,), {})
            return
        run.touch(container)
        container = container.native
    elif type(container) in _SHARED:
        run.touch(container)
    try:
        del container[payload(plain(index))]
    except HOST_ERRORS as error:
        raise raised(run, error) from None


class _Turns:
    """An iterator over the results of an analysed ``__next__``."""

    def __init__(self, run: Run, method: Value) -> None:
        self.run = run
        self.method = method

    def __iter__(self) -> Iterator[Value]:
        return self

    def __next__(self) -> Value:
        try:
            return self.run.call(self.method, (), {})
        except Raised as error:
            if isinstance(error.value, StopIteration):
                raise StopIteration from None
            raise


def iterate(run: Run, value: Value) -> Iterable[Value]:
    """The items of an iterable, or raises `NotIterable` where they are not known."""
    kind = type(value)
    if kind is list or kind is tuple or kind is range or kind is dict or kind is set or kind is str:
        if kind is list and run.open_lists and id(value) in run.open_lists:
            length = run.open_lists[id(value)][1]
            raise NotIterable(run.unknown("a list that a loop over a symbolic size filled"), value[-1], length)
        if kind in _SHARED:
            if run.recording is not None:
                run.reached(value, value)
            return list(value)
        return value  # type: ignore[no-any-return]
    if isinstance(value, Unknown):
        raise NotIterable(value)
    if kind is Turns:
        raise NotIterable(run.unknown(value.why), value.element, value.length)
    if isinstance(value, Tensor):
        if value.shape is None or not value.shape:
            raise NotIterable(run.unknown("iteration over a tensor of unknown shape"))
        count = value.shape[0]
        if not isinstance(count, int) or count > limits.MAX_LOOP:
            element = guarded(run, run.library.getitem, (run, value, 0), {})
            raise NotIterable(run.unknown("iteration over a tensor whose length is not known"), element, count)
        return [guarded(run, run.library.getitem, (run, value, index), {}) for index in range(count)]
    if isinstance(value, Instance):
        method = method_of(value, "__iter__")
        if method is not MISSING:
            iterator = run.call(method, (), {})
            following = method_of(iterator, "__next__")
            return iterate(run, iterator) if following is MISSING else _Turns(run, following)
        method = method_of(value, "__next__")
        if method is not MISSING:
            return _Turns(run, method)
        if value.native is not None:
            return list(value.native) if isinstance(value.native, dict | list | set) else value.native  # type: ignore[no-any-return]
        method = method_of(value, "__getitem__")
        if method is not MISSING:
            return _by_index(run, method)
        if value.cls.unknown_base is not None:
            raise NotIterable(run.unknown("an object whose class is not fully known", value.cls.unknown_base))
        raise raised(run, TypeError(f"'{value.cls.name}' object is not iterable"))
    if isinstance(value, ClassVal):
        if value.enum_members is not None:
            return list(value.enum_members.values())
        raise raised(run, TypeError("'type' object is not iterable"))
    if isinstance(value, Dim):
        raise raised(run, TypeError("'int' object is not iterable"))
    try:
        return iter(value)
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def _by_index(run: Run, method: Value) -> Iterator[Value]:
    for index in range(limits.MAX_LOOP):
        try:
            yield run.call(method, (index,), {})
        except Raised as error:
            if isinstance(error.value, IndexError):
                return
            raise
    raise BudgetExceeded("MAX_LOOP", run.place)


class NotIterable(Exception):
    """Indicates that the items of a value are not known; carries the `Unknown` and, for a tensor, what an item is like."""

    def __init__(self, value: Unknown, element: Value = None, length: Any = None) -> None:
        super().__init__(value.reason)
        self.value = value
        self.element = value if element is None else element
        self.length = length
        """How many items there are, where that is a symbolic size."""


def listed(run: Run, value: Value) -> list[Value]:
    """All items of an iterable, within the loop budget."""
    items = []
    for item in iterate(run, value):
        items.append(item)
        if len(items) > limits.MAX_LOOP * 50:
            raise BudgetExceeded("MAX_LOOP", run.place)
    return items


def guarded(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
    """Call a native model of a library function. What it raises on purpose is the analysed program's error;
    an accident inside it makes the result unknown instead."""
    try:
        return function(*args, **kwargs)
    except Raised:
        raise
    except HOST_ERRORS as error:
        if _deliberate(error):
            raise raised(run, error) from None
        name = getattr(function, "__name__", "library function")
        if DEBUG:
            raise
        reason = f"the model of {name} failed here ({type(error).__name__}: {error})"
        inputs = [*args[1:], *kwargs.values()]
        tensors = tuple(item for item in inputs if isinstance(item, Tensor))
        if run.trace is not None and tensors:  # the data still flows on; only its shape is lost
            run.note(reason)
            return run.emit("opaque", tensors, None, tensors[0].dtype)
        return run.unknown(reason)


DEBUG = False
"""Let accidents inside library models propagate (tests and ``--debug``)."""

_RAISE_VARARGS = opcode.opmap["RAISE_VARARGS"]
"""The host's instruction for an explicit ``raise``."""


def _deliberate(error: BaseException) -> bool:
    """Whether an exception was raised by a ``raise`` statement or by binding the call's own arguments."""
    trace = error.__traceback__
    if trace is None or trace.tb_next is None:
        return True  # raised by the call itself: the arguments do not fit the signature
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE_VARARGS
