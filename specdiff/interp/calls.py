"""Calls: binding arguments, running analysed functions, making instances, and Python's own methods."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from specdiff.errors import SourceError
from specdiff.interp import limits, memo, replay
from specdiff.interp.attributes import TYPE_METHODS, get, payload_for
from specdiff.interp.branches import ROUTED
from specdiff.interp.dims import Dim
from specdiff.interp.guarding import HOST_ERRORS, raised
from specdiff.interp.host_calls import MUTABLE, MUTATORS, REST, host_init, host_method, host_type, modelled
from specdiff.interp.lookups import lookup, method_of, payload, type_name
from specdiff.interp.objects import (
    MISSING,
    BoundIntrinsic,
    BoundMethod,
    BudgetExceeded,
    ClassVal,
    Frame,
    Function,
    GenericAlias,
    HostMethod,
    Instance,
    Partial,
    Raised,
    Union,
    Value,
    Wrapped,
)
from specdiff.interp.run import Run
from specdiff.interp.scalars import as_tensor
from specdiff.interp.tracked import Tracked, plain
from specdiff.interp.values import Intrinsic, Place, Tensor, Unknown
from specdiff.ir import nodes as ir

_MARKS = frozenset({"builtins.staticmethod", "builtins.classmethod", "builtins.property"})
_RAW = frozenset(
    {
        "append",
        "add",
        "extend",
        "insert",
        "setdefault",
        "get",
        "pop",
        "index",
        "count",
        "remove",
        "discard",
        "update",
        "__setitem__",
        "__contains__",
        "__getitem__",
        "move_to_end",
        "appendleft",
        "fromkeys",
    }
)


def call(run: Run, callee: Value, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """Call any value of the analysed program."""
    kind = type(callee)
    if run.outward is not None:
        run.leave(outward_name(callee))
    if kind is Function:
        return call_function(run, callee, args, kwargs)
    if kind is BoundMethod:
        func = callee.func
        if type(func) is Function:
            return call_function(run, func, (callee.receiver, *args), kwargs)
        return call(run, func, (callee.receiver, *args), kwargs)
    if kind is ClassVal:
        return construct(run, callee, args, kwargs)
    if kind is Intrinsic:
        if callee.name.startswith("torch."):
            args = tuple([as_tensor(value) for value in args])
            kwargs = {key: as_tensor(value) for key, value in kwargs.items()}
        return _native_call(run, callee.function, args, kwargs)
    if kind is BoundIntrinsic:
        return _native_call(run, callee.function, (callee.receiver, *args), kwargs)
    if kind is HostMethod:
        return host_method(run, callee, args, kwargs)
    if kind is Partial:
        return call(run, callee.func, (*callee.args, *args), {**callee.keywords, **kwargs})
    if kind is Unknown:
        if callee.options:
            ways = [functools.partial(call, run, item, args, kwargs) for item in callee.options]
            return one_of(run, ways, Unknown(ROUTED, callee.place) if _alike(callee.options) else callee)
        run.leave(callee.name)
        if run.read is not None:
            _hand_over(run, [*args, *kwargs.values()], run.read)
        return callee
    if kind is Wrapped:
        if callee.kind == "context":
            return _generator_context(run, callee, args, kwargs)
        return call(run, callee.func, args, kwargs)
    if kind is GenericAlias:
        return call(run, callee.origin, args, kwargs)
    if kind is Union:
        raise raised(run, TypeError("'types.UnionType' object is not callable"))
    if isinstance(callee, Instance):
        method = method_of(callee, "__call__")
        if method is not MISSING:
            return call(run, method, args, kwargs)
        if callee.cls.unknown_base is not None:
            return run.unknown("a call of an object whose class is not fully known", callee.cls.unknown_base)
        raise raised(run, TypeError(f"'{callee.cls.name}' object is not callable"))
    if kind is ContextValue and len(args) == 1:
        return args[0]  # a context manager used as a decorator: the function itself
    if isinstance(callee, type):
        return host_type(run, callee, args, kwargs)
    raise raised(run, TypeError(f"'{type_name(callee)}' object is not callable"))


def _native_call(run: Run, function: Callable[..., Any], args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """Call a modelled function; where a trace is to tell them, its operations keep the plain arguments."""
    trace = run.trace
    if trace is None or not trace.detailed:
        return modelled(run, function, args, kwargs)
    start = trace.mark()
    result = modelled(run, function, args, kwargs)
    if trace.mark() > start:
        trace.detail(start, _plain_arguments(function, args, kwargs))
    return result


def _plain_arguments(
    function: Callable[..., Any], args: tuple[Value, ...], kwargs: dict[str, Value]
) -> dict[str, Value]:
    """The arguments of a modelled function that are numbers, truths, words or rows of them, defaults left out."""
    written = getattr(function, "__code__", None)
    if written is None:
        return {}
    names = written.co_varnames[1 : written.co_argcount]
    known = dict(zip(reversed(names), reversed(getattr(function, "__defaults__", None) or ()), strict=False))
    known.update(getattr(function, "__kwdefaults__", None) or {})
    found: dict[str, Value] = {}
    for name, value in (*zip(names, args, strict=False), *kwargs.items()):
        value = plain(value)
        if not _is_plain(value) or (name in known and type(known[name]) is type(value) and known[name] == value):
            continue
        found[name] = value
    return found


def _is_plain(value: Value) -> bool:
    if isinstance(value, tuple | list):
        return len(value) < 16 and all(isinstance(item, bool | int | float | str) for item in value)
    return isinstance(value, bool | int | float | str)


def _alike(options: tuple[Value, ...]) -> bool:
    """Whether all of several objects are modules of one class, so that a choice among them is a choice of weights."""
    # By identity: a method of a list is an option, too, and has no hash.
    return len({id(option.cls if isinstance(option, Instance) else option) for option in options}) == 1


def _hand_over(run: Run, values: list[Value], read: dict[int, Tensor]) -> None:
    """Modules given to code that nobody can see: it may use all of their parameters."""
    for value in values:
        if isinstance(value, BoundMethod):
            value = value.receiver
        if isinstance(value, Instance) and "module" in value.cls.flags:
            read.update(
                (id(item), item) for item in (value.attrs.get("_parameters") or {}).values() if item is not None
            )
            _hand_over(run, list((value.attrs.get("_modules") or {}).values()), read)


def one_of(run: Run, ways: Sequence[Callable[[], Value]], why: Unknown) -> Value:
    """The joined value of several alternatives, all of which run."""
    if len(ways) == 1:
        return ways[0]()
    return run.either(ways[0], lambda: one_of(run, ways[1:], why), why)


def outward_name(callee: Value) -> str:
    """The dotted name of a function or class outside of the analysed source; empty for all else.

    What only marks a function (``staticmethod``) or sets items of a container (``d.update``) is no call in this sense.
    """
    if isinstance(callee, Intrinsic | BoundIntrinsic):
        return "" if callee.name.startswith("object.") or callee.name in _MARKS else callee.name
    if isinstance(callee, type):
        return "" if callee in (staticmethod, classmethod, property) else f"builtins.{callee.__name__}"
    if isinstance(callee, HostMethod):
        kind = callee.receiver if isinstance(callee.receiver, type) else type(payload(callee.receiver))
        if issubclass(kind, MUTABLE) and callee.name in MUTATORS:
            return ""
        return f"builtins.{kind.__name__}.{callee.name}"
    return ""


# --- Analysed functions ------------------------------------------------------------------------


class Plan:
    """How the arguments of one function bind, worked out once."""

    __slots__ = ("body", "defaults", "generator", "kwarg", "kwonly", "names", "posonly", "required", "vararg")

    def __init__(self, params: tuple[ir.Param, ...]) -> None:
        self.names = [p.name for p in params if p.kind in ("posonly", "plain")]
        self.posonly = {p.name for p in params if p.kind == "posonly"}
        self.kwonly = [p.name for p in params if p.kind == "kwonly"]
        self.vararg = next((p.name for p in params if p.kind == "vararg"), None)
        self.kwarg = next((p.name for p in params if p.kind == "kwarg"), None)
        self.defaults = {p.name: p.default for p in params if p.default is not None}


def node_of(function: Function) -> ir.FunctionDef | ir.Lambda:
    """The lowered function, loaded when it is first needed."""
    node = function.node
    if node is None:
        stub = function.stub
        node = _loaded(function, stub) if isinstance(stub, ir.FunctionStub) else stub
        function.node = node
    assert node is not None
    return node


def _loaded(function: Function, stub: ir.FunctionStub) -> ir.FunctionDef:
    """A function's body from its file; of an imported file that is not Python there, one whose result is not known."""
    try:
        return function.unit.function(stub)  # type: ignore[no-any-return]
    except SourceError as error:
        if function.unit.essential:
            raise
        lost: Any = ir.Const(stub.def_line, unreadable(error))  # type: ignore[arg-type]
        params = tuple(ir.Param(name, kind, None, None) for name, kind in (("args", "vararg"), ("kwargs", "kwarg")))
        body = (ir.Return(stub.def_line, stub.end_line, lost),)
        return ir.FunctionDef(
            stub.line, stub.end_line, stub.def_line, stub.name, params, stub.decorators, None, body, False, False, None
        )


def unreadable(error: SourceError) -> Unknown:
    """What stands for a piece of source that is not Python."""
    problem = error.problems[0]
    return Unknown(problem.message, Place(problem.file, problem.line))


def plan_of(run: Run, function: Function) -> Plan:
    """The binding plan; evaluates the defaults the first time."""
    if function.plan is None:
        node = node_of(function)
        plan = function.plan = Plan(node.params)
        function.defaults = {}
        scope = function.scope or Frame(function.module)
        with run.at(function.file, function.stub.line):
            for name, expr in plan.defaults.items():
                function.defaults[name] = run.evaluate(expr, scope)
    return function.plan  # type: ignore[no-any-return]


def annotations_of(run: Run, function: Function) -> dict[str, Value]:
    """What the parameters of a function are annotated with; of what cannot be evaluated the value is not known."""
    node = node_of(function)
    written = {param.name: param.annotation for param in node.params if param.annotation is not None}
    if isinstance(node, ir.FunctionDef) and node.returns is not None:
        written["return"] = node.returns
    scope = function.scope or Frame(function.module)
    found: dict[str, Value] = {}
    for name, expression in written.items():
        try:
            found[name] = run.evaluate(expression, scope)
        except Raised:
            found[name] = run.unknown(f"the annotation of {name}")
    return found


def bind_arguments(run: Run, function: Function, args: tuple[Value, ...], kwargs: dict[str, Value]) -> dict[str, Value]:
    """Local names of a call; raises Python's TypeErrors."""
    plan = plan_of(run, function)
    names = plan.names
    bound: dict[str, Value] = dict(zip(names, args, strict=False))
    name = function.qualname
    if len(args) > len(names):
        if plan.vararg is None:
            takes = (
                f"{len(names)}"
                if not plan.defaults
                else f"from {len(names) - len([n for n in names if n in plan.defaults])} to {len(names)}"
            )
            plural = "s" if len(names) != 1 else ""
            raise raised(
                run, TypeError(f"{name}() takes {takes} positional argument{plural} but {len(args)} were given")
            )
        bound[plan.vararg] = tuple(args[len(names) :])
    elif plan.vararg is not None:
        bound[plan.vararg] = ()
    extra: dict[str, Value] = {}
    if run.read is not None and REST in kwargs:
        rest = kwargs[REST]
        kwargs = {key: value for key, value in kwargs.items() if key != REST}
        given = {*bound, *kwargs}
        kwargs.update({key: rest for key in plan.defaults if key not in given and key not in plan.posonly})
        if plan.kwarg is not None:
            extra[REST] = rest
    if kwargs:
        allowed = names if not plan.posonly else [n for n in names if n not in plan.posonly]
        for key, value in kwargs.items():
            if key in plan.kwonly or key in allowed:
                if key in bound:
                    raise raised(run, TypeError(f"{name}() got multiple values for argument '{key}'"))
                bound[key] = value
            elif plan.kwarg is not None:
                extra[key] = value
            else:
                raise raised(run, TypeError(f"{name}() got an unexpected keyword argument '{key}'"))
    if plan.kwarg is not None:
        bound[plan.kwarg] = extra
    defaults = function.defaults or {}
    missing = []
    for key in (*names, *plan.kwonly):
        if key not in bound:
            if key in defaults:
                bound[key] = defaults[key]
            else:
                missing.append(key)
    if run.outward is not None:
        _as_any_caller(run, bound, missing, defaults)
    elif missing:
        kind = "positional" if missing[0] in names else "keyword-only"
        quoted = [f"'{key}'" for key in missing]
        text = (
            quoted[0]
            if len(quoted) == 1
            else ", ".join(quoted[:-1]) + (" and " if len(quoted) == 2 else ", and ") + quoted[-1]
        )
        plural = "s" if len(missing) > 1 else ""
        raise raised(run, TypeError(f"{name}() missing {len(missing)} required {kind} argument{plural}: {text}"))
    return bound


def _as_any_caller(run: Run, bound: dict[str, Value], missing: list[str], defaults: dict[str, Value]) -> None:
    """Bind parameters as some call or other does: one that this call gives may have its default as well."""
    for key in missing:
        bound[key] = run.unknown(f"the argument {key} is missing")
    for key, default in defaults.items():
        given = bound[key]
        if given is not default and is_callable(given) and is_callable(default):
            bound[key] = Unknown(f"the argument {key} or its default", run.place, options=(given, default))


def call_function(run: Run, function: Function, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """Run the body of an analysed function."""
    if function.renamed and kwargs:
        names = {old: new for old, new in function.renamed if new not in kwargs}
        kwargs = {names.get(name, name): value for name, value in kwargs.items()}
    replacement = run.overlay(function)
    if replacement is not None:
        if not isinstance(replacement, Function):
            return call(run, replacement, args, kwargs)
        function = replacement
    if run.read is not None and not run.is_library(function.file):
        if not run.loader.defined_in_models(function.module.name):
            # The library around the models is not followed through errors, so what it is given counts as used.
            _hand_over(run, [*(args if function.owner is None else args[1:]), *kwargs.values()], run.read)
    if function.takes_away and kwargs:
        kwargs = {name: value for name, value in kwargs.items() if name not in function.takes_away}
    bound = bind_arguments(run, function, args, kwargs)
    frame = Frame(function.module, function.closure, function)
    frame.locals = bound
    run.serial += 1
    frame.serial = run.serial
    if args:
        frame.self_ = args[0]
    node = node_of(function)
    again = (function, id(args[0]) if args and isinstance(args[0], Instance) else 0)
    if run.active is not None and run.active.get(again, 0) >= limits.MAX_RECURSION:
        return run.unknown("a function that calls itself over and over")
    if run.depth >= limits.MAX_CALL_DEPTH:
        raise BudgetExceeded("MAX_CALL_DEPTH", run.place)
    file, line, caller = run.file, run.line, run.caller
    run.enter(function)
    if run.active is not None:
        run.active[again] = run.active.get(again, 0) + 1
    run.depth += 1
    run.file = function.file
    run.sites.append((file, line, caller))
    entered = False
    if run.trace is not None:
        if function.name == "forward" and args and isinstance(args[0], Instance) and "module" in args[0].cls.flags:
            run.trace.enter(args[0], function)
            entered = True
    try:
        if isinstance(node, ir.Lambda):
            return run.evaluate(node.body, frame)
        if entered and replay.worth(run, "library" in args[0].cls.flags):
            return replay.forward(run, function, args, kwargs, lambda: run.execute_body(node, frame))
        return run.execute_body(node, frame)
    except Raised as error:
        if len(error.places) < 40:
            error.places.append(run.place)
        raise
    except RecursionError:
        raise BudgetExceeded("MAX_CALL_DEPTH", run.place) from None
    finally:
        if run.active is not None:
            run.active[again] -= 1
        run.depth -= 1
        run.sites.pop()
        run.file, run.line, run.caller = file, line, caller
        if entered:
            run.trace.leave()


def _generator_context(run: Run, callee: Wrapped, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """A ``@contextmanager`` function: it runs to its end on entry (see `Frame.yields`); usable as a decorator too."""
    yielded = call(run, callee.func, args, kwargs)
    try:
        value = next(iter(yielded)) if not isinstance(yielded, Unknown) else yielded
    except StopIteration:
        value = None
    return ContextValue(value)


class ContextValue:
    """A context manager whose entry gives ``value`` and whose exit does nothing."""

    __slots__ = ("suppressed", "value")

    def __init__(self, value: Value, suppressed: tuple[Value, ...] = ()) -> None:
        self.value = value
        self.suppressed = suppressed
        """Exception classes that the context swallows (``contextlib.suppress``)."""


# --- Instances ---------------------------------------------------------------------------------


def construct(run: Run, cls: ClassVal, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """``cls(*args, **kwargs)``; module constructors that were run before on the same arguments are copied."""
    if cls.meta is not None:
        own = lookup(cls.meta, "__call__")[0]
        if own is not MISSING:
            return call(run, own, (cls, *args), kwargs)
    return instantiate(run, cls, args, kwargs)


def instantiate(run: Run, cls: ClassVal, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """``type.__call__``."""
    if "module" in cls.flags:
        return memo.construct(run, cls, args, kwargs, _construct)
    return _construct(run, cls, args, kwargs)


def _type_call(ctx: Run, cls: Value, *args: Value, **kwargs: Value) -> Value:
    return instantiate(ctx, cls, args, kwargs)


def _type_init(ctx: Run, cls: Value, *args: Value, **kwargs: Value) -> None:
    return None


_type_call.raw = True  # type: ignore[attr-defined]
_type_init.raw = True  # type: ignore[attr-defined]
TYPE_METHODS.update({"__call__": _type_call, "__init__": _type_init})


def _construct(run: Run, cls: ClassVal, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    if cls.enum_members is not None and cls.enum_members and args:
        return enum_member(run, cls, args[0])
    new = lookup(cls, "__new__")[0]
    if new is not MISSING:
        maker = new.func if isinstance(new, Wrapped) else new
        made = call(run, maker, (cls, *args), kwargs)
        if not isinstance(made, Instance) or cls not in made.cls.mro:
            return made
    else:
        made = run.new_instance(cls)
        if cls.native is not None:
            made.native = _native(run, cls, args, kwargs)
    init = lookup(made.cls, "__init__")[0]
    if init is not MISSING:
        done = call(run, init, (made, *args), kwargs)
        if isinstance(done, Unknown):
            run.note(f"what {cls.name}.__init__ does is not known: {done.reason}", done.place)
    elif cls.native is not None:
        if issubclass(cls.native, dict | list | set):
            host_init(run, made, args, kwargs)
    elif isinstance(cls.unknown_base, Unknown):
        run.leave(cls.unknown_base.name and cls.unknown_base.name + ".__init__")
    elif args or kwargs:
        if new is MISSING:
            raise raised(run, TypeError(f"{cls.name}() takes no arguments"))
    return made


def _native(run: Run, cls: ClassVal, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    native = cls.native
    assert native is not None
    try:
        if hasattr(native, "_fields"):
            return native(*[plain(a) for a in args], **kwargs)
        return payload_for(native, args)
    except HOST_ERRORS as error:
        raise raised(run, error) from None


def enum_member(run: Run, cls: ClassVal, value: Value) -> Value:
    """``Kind(value)`` of an enumeration."""
    value = plain(value)
    assert cls.enum_members is not None
    for member in cls.enum_members.values():
        if member is value or member.attrs.get("_value_") == payload(value):
            return member
    missing = lookup(cls, "_missing_")[0]
    if missing is not MISSING:
        return call(run, get(run, cls, "_missing_"), (value,), {})
    raise raised(run, ValueError(f"{value!r} is not a valid {cls.name}"))


def is_callable(value: Value) -> bool:
    """``callable(value)``."""
    if isinstance(value, Instance):
        return method_of(value, "__call__") is not MISSING
    return isinstance(
        value, Function | BoundMethod | ClassVal | Intrinsic | BoundIntrinsic | HostMethod | Partial | Wrapped | type
    )


__all__ = ["Dim", "Tracked", "call", "construct"]
