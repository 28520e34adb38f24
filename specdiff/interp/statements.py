"""Executing statements: one function per node kind, in a table.

A statement gives None when it ends normally, else how it left: `BREAK`, `CONTINUE` or a `Returned`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from specdiff.interp import assignment, attributes, branches, cells, classes, containers, limits, ops
from specdiff.interp.afterwards import changed_outside, numbers_apart
from specdiff.interp.calls import ContextValue
from specdiff.interp.containers import NotIterable
from specdiff.interp.expressions import evaluate
from specdiff.interp.guarding import raised
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import (
    MISSING,
    BudgetExceeded,
    ClassVal,
    Frame,
    Function,
    Instance,
    LazyName,
    Raised,
    Value,
)
from specdiff.interp.patterns import matches
from specdiff.interp.run import Run
from specdiff.interp.signals import BREAK, CONTINUE, Returned
from specdiff.interp.tracked import Tracked, plain
from specdiff.interp.values import Place, Unknown
from specdiff.ir import nodes as ir

Signal = Any


def execute(run: Run, body: tuple[ir.Stmt, ...], frame: Frame) -> Signal:
    """Run a block."""
    for node in body:
        run.steps += 1
        run.line = node.line
        if run.steps > limits.MAX_STEPS:
            raise BudgetExceeded("MAX_STEPS", run.place)
        signal = TABLE[type(node)](run, node, frame)
        if signal is not None:
            return signal
    return None


def execute_body(run: Run, node: ir.FunctionDef, frame: Frame) -> Value:
    """Run a function's body; what it returns."""
    if node.is_generator:
        frame.yields = []
        execute(run, node.body, frame)
        return run.walk(iter(frame.yields))
    signal = execute(run, node.body, frame)
    value = signal.value if type(signal) is Returned else None
    if frame.pending:
        for other in frame.pending:
            value = branches.join(run, value, other, "a return that depends on an undecided condition")
    return value


def _expr(run: Run, node: ir.ExprStmt, frame: Frame) -> Signal:
    if type(node.value) is not ir.Const:
        value = evaluate(run, node.value, frame)
        if type(value) is Unknown and value.name and run.trace is not None and type(node.value) is ir.Call:
            changed_outside(run, value, node.value, frame)
    return None


def _assign(run: Run, node: ir.Assign, frame: Frame) -> Signal:
    value = evaluate(run, node.value, frame)
    for target in node.targets:
        if type(target) is ir.Name and frame.globals_ is None and frame.nonlocals is None:
            frame.locals[target.id] = value
        else:
            run.line = node.line
            assign(run, target, value, frame)
    return None


def assign(run: Run, target: ir.Expr, value: Value, frame: Frame) -> None:
    """Bind a target."""
    kind = type(target)
    if kind is ir.Name:
        store(run, target.id, value, frame)  # type: ignore[union-attr]
    elif kind is ir.Attr:
        assignment.set_(run, evaluate(run, target.value, frame), target.name, value)  # type: ignore[union-attr,arg-type]
    elif kind is ir.Item:
        container, alone = _table(run, target.value, frame)  # type: ignore[union-attr,arg-type]
        index = evaluate(run, target.index, frame)  # type: ignore[arg-type]
        run.line = target.line
        if alone and type(index) is Tracked and cells.write(run, container, index, value):
            return
        containers.setitem(run, container, index, value)
    elif kind is ir.TupleExpr or kind is ir.ListExpr:
        _unpack(run, target.items, value, frame)  # type: ignore[union-attr,arg-type]
    elif kind is ir.Starred:
        assign(run, target.value, value, frame)  # type: ignore[union-attr,arg-type]


def _table(run: Run, node: ir.Expr, frame: Frame) -> tuple[Value, bool]:
    if type(node) is ir.Attr:
        return cells.table(run, node, frame)
    return evaluate(run, node, frame), False


def store(run: Run, name: str, value: Value, frame: Frame) -> None:
    """Bind a name, honouring ``global`` and ``nonlocal``."""
    if frame.globals_ is not None and name in frame.globals_:
        run.touch(frame.module.env)
        frame.module.env[name] = value
        recording = run.recording
        while recording is not None:
            recording.impure = True
            recording = recording.parent
        return
    if frame.nonlocals is not None and name in frame.nonlocals:
        scope = frame.parent
        while scope is not None:
            if name in scope.locals:
                run.touch(scope.locals)
                scope.locals[name] = value
                return
            scope = scope.parent
    frame.locals[name] = value


def _unpack(run: Run, targets: tuple[ir.Expr, ...], value: Value, frame: Frame) -> None:
    if isinstance(value, Unknown):
        for target in targets:
            assign(run, target, value, frame)
        return
    try:
        items = containers.listed(run, value)
    except NotIterable as stop:
        for target in targets:
            assign(run, target, stop.value, frame)
        return
    star = next((index for index, target in enumerate(targets) if type(target) is ir.Starred), None)
    if star is None:
        if len(items) < len(targets):
            raise raised(run, ValueError(f"not enough values to unpack (expected {len(targets)}, got {len(items)})"))
        if len(items) > len(targets):
            raise raised(run, ValueError(f"too many values to unpack (expected {len(targets)})"))
        for target, item in zip(targets, items, strict=True):
            assign(run, target, item, frame)
        return
    after = len(targets) - star - 1
    if len(items) < len(targets) - 1:
        raise raised(
            run, ValueError(f"not enough values to unpack (expected at least {len(targets) - 1}, got {len(items)})")
        )
    for target, item in zip(targets[:star], items[:star], strict=True):
        assign(run, target, item, frame)
    assign(run, targets[star], items[star : len(items) - after], frame)
    for target, item in zip(targets[star + 1 :], items[len(items) - after :], strict=True):
        assign(run, target, item, frame)


def _annassign(run: Run, node: ir.AnnAssign, frame: Frame) -> Signal:
    if frame.is_class and type(node.target) is ir.Name:
        annotations = frame.locals.setdefault("__annotations__", {})
        annotations[node.target.id] = classes.Annotation(node.annotation, frame, node.line)
    if node.value is not None:
        assign(run, node.target, evaluate(run, node.value, frame), frame)
    return None


def _augassign(run: Run, node: ir.AugAssign, frame: Frame) -> Signal:
    target = node.target
    if type(target) is ir.Name:
        left = evaluate(run, target, frame)
        value = ops.binary(run, node.op, left, evaluate(run, node.value, frame), inplace=True)
        store(run, target.id, value, frame)
    elif type(target) is ir.Attr:
        obj = evaluate(run, target.value, frame)
        left = attributes.get(run, obj, target.name)
        value = ops.binary(run, node.op, left, evaluate(run, node.value, frame), inplace=True)
        assignment.set_(run, obj, target.name, value)
    elif type(target) is ir.Item:
        container = evaluate(run, target.value, frame)
        index = evaluate(run, target.index, frame)
        left = containers.getitem(run, container, index)
        value = ops.binary(run, node.op, left, evaluate(run, node.value, frame), inplace=True)
        containers.setitem(run, container, index, value)
    return None


def _return(run: Run, node: ir.Return, frame: Frame) -> Signal:
    return Returned(evaluate(run, node.value, frame) if node.value is not None else None)


def _raise(run: Run, node: ir.Raise, frame: Frame) -> Signal:
    if node.exc is None:
        current = frame.locals.get("__exception__")
        raise current if isinstance(current, Raised) else raised(run, RuntimeError("No active exception to reraise"))
    value = evaluate(run, node.exc, frame)
    run.line = node.line
    if isinstance(value, type) and issubclass(value, BaseException):
        value = value()
    elif isinstance(value, ClassVal):
        value = run.call(value, (), {})
    raise Raised(value, [run.place], deliberate=True)


def _assert(run: Run, node: ir.Assert, frame: Frame) -> Signal:
    if ops.truth(run, evaluate(run, node.test, frame)) is False:
        message = (plain(evaluate(run, node.message, frame)),) if node.message is not None else ()
        apart = numbers_apart(run, node.test, frame)
        run.line = node.line
        raise Raised(AssertionError(*message), [run.place], deliberate=True, apart=apart)
    return None


def _delete(run: Run, node: ir.Delete, frame: Frame) -> Signal:
    for target in node.targets:
        for part in target.items if isinstance(target, ir.TupleExpr | ir.ListExpr) else (target,):
            if type(part) is ir.Name:
                frame.locals.pop(part.id, None)
            elif type(part) is ir.Attr:
                assignment.delete(run, evaluate(run, part.value, frame), part.name)
            elif type(part) is ir.Item:
                containers.delitem(run, evaluate(run, part.value, frame), evaluate(run, part.index, frame))
    return None


def _pass(run: Run, node: ir.Pass, frame: Frame) -> Signal:
    return None


def _break(run: Run, node: ir.Break, frame: Frame) -> Signal:
    return BREAK


def _continue(run: Run, node: ir.Continue, frame: Frame) -> Signal:
    return CONTINUE


def _global(run: Run, node: ir.Global, frame: Frame) -> Signal:
    frame.globals_ = (frame.globals_ or set()) | set(node.names)
    return None


def _nonlocal(run: Run, node: ir.Nonlocal, frame: Frame) -> Signal:
    frame.nonlocals = (frame.nonlocals or set()) | set(node.names)
    return None


def _import(run: Run, node: ir.Import, frame: Frame) -> Signal:
    for alias in node.names:
        if alias.asname is not None:
            store(run, alias.asname, run.analysed_module(alias.name, frame.module), frame)
        else:
            run.analysed_module(alias.name, frame.module)
            root = alias.name.partition(".")[0]
            store(run, root, run.analysed_module(root, frame.module), frame)
    return None


def _import_from(run: Run, node: ir.ImportFrom, frame: Frame) -> Signal:
    for alias in node.names:
        if alias.name == "*":
            continue  # star imports are resolved by the module's loader
        if (
            frame.function is None
            and frame.locals is frame.module.env
            and run.loader.is_source(node.level, node.module, frame.module)
        ):
            frame.locals[alias.asname or alias.name] = LazyName(node.level, node.module, alias.name)
            continue
        value = run.import_name(node.level, node.module, alias.name, frame.module)
        store(run, alias.asname or alias.name, value, frame)
    return None


def _if(run: Run, node: ir.If, frame: Frame) -> Signal:
    test = evaluate(run, node.test, frame)
    run.line = node.line
    answer = ops.truth(run, test)
    if answer is not None and run.ways is not None:
        run.went(node, 1 if answer else 2)
    if answer is True:
        return execute(run, node.body, frame)
    if answer is False:
        return execute(run, node.orelse, frame) if node.orelse else None

    def side(way: int) -> Signal:
        run.went(node, way)
        return execute(run, node.body if way == 1 else node.orelse, frame)

    return branches.fork(run, frame, lambda: side(1), lambda: side(2), test)


def _bounded(run: Run, items: Iterable[Value]) -> Iterator[Value]:
    turns = 0
    for item in items:
        turns += 1
        if turns > limits.MAX_ITEMS:
            raise BudgetExceeded("MAX_ITEMS", run.place)
        yield item


def _for(run: Run, node: ir.For, frame: Frame) -> Signal:
    iterable = evaluate(run, node.iter, frame)
    run.line = node.line
    simple = (
        node.target.id if type(node.target) is ir.Name and frame.globals_ is None and frame.nonlocals is None else None
    )
    try:
        items = containers.iterate(run, iterable)
    except NotIterable as stop:
        return _open_loop(run, node, frame, stop.value, stop.element, stop.length)
    body = node.body
    for item in _bounded(run, items):
        if run.ways is not None:
            run.went(node, 1)
        if simple is not None:
            frame.locals[simple] = item
        else:
            assign(run, node.target, item, frame)
        signal = execute(run, body, frame)
        if signal is not None:
            if signal is BREAK:
                return None
            if signal is not CONTINUE:
                return signal
    return execute(run, node.orelse, frame) if node.orelse else None


def _open_loop(
    run: Run, node: ir.For | ir.While, frame: Frame, why: Unknown, element: Value = None, length: Any = None
) -> Signal:
    """A loop whose number of turns is not known: its body runs once, for all turns (`branches.loop`)."""

    def turn() -> Signal:
        run.went(node, 1)
        if type(node) is ir.For:
            assign(run, node.target, element, frame)
        signal = execute(run, node.body, frame)
        return None if signal is BREAK or signal is CONTINUE else signal

    return branches.loop(run, frame, turn, why, length)


def _while(run: Run, node: ir.While, frame: Frame) -> Signal:
    for _ in range(limits.MAX_LOOP):
        test = evaluate(run, node.test, frame)
        answer = ops.truth(run, test)
        if answer is None:
            return _open_loop(
                run,
                node,
                frame,
                test if isinstance(test, Unknown) else run.unknown("a loop condition that depends on data"),
            )
        if answer is False:
            return execute(run, node.orelse, frame) if node.orelse else None
        run.went(node, 1)
        signal = execute(run, node.body, frame)
        if signal is not None:
            if signal is BREAK:
                return None
            if signal is not CONTINUE:
                return signal
        run.line = node.line
    raise BudgetExceeded("MAX_LOOP", run.place)


def _with(run: Run, node: ir.With, frame: Frame) -> Signal:
    return _within(run, node, frame, 0)


def _within(run: Run, node: ir.With, frame: Frame, index: int) -> Signal:
    """The body of a ``with`` in the contexts from one on: each is left, however those inside it are."""
    if index == len(node.items):
        return execute(run, node.body, frame)
    item = node.items[index]
    context = evaluate(run, item.context, frame)
    run.line = node.line
    value: Value = context
    if isinstance(context, ContextValue):
        value = context.value
    elif isinstance(context, Instance):
        value = run.call(attributes.get(run, context, "__enter__"), (), {})
    if item.target is not None:
        assign(run, item.target, value, frame)
    if isinstance(context, ContextValue) and context.suppressed:
        return _suppressing(run, node, frame, index, context.suppressed)
    if not isinstance(context, Instance):
        return _within(run, node, frame, index + 1)
    frozen = run.frozen
    run.frozen = _stops_gradients(context, frozen)
    try:
        try:
            signal = _within(run, node, frame, index + 1)
        finally:
            run.frozen = frozen
    except Raised as error:
        leave = attributes.get(run, context, "__exit__", None)
        kind = error.value.cls if isinstance(error.value, Instance) else type(error.value)
        if leave is not None and ops.truth(run, run.call(leave, (kind, error.value, None), {})) is True:
            return None
        raise
    leave = attributes.get(run, context, "__exit__", None)
    if leave is not None:
        run.call(leave, (None, None, None), {})
    return signal


def _stops_gradients(context: Instance, before: bool) -> bool:
    """Whether no gradients go through what runs in a context, one of torch's switches or any other."""
    stops = context.attrs.get("__stops_gradients__", lookup(context.cls, "__stops_gradients__")[0])
    return before if stops is MISSING else stops is True


def _suppressing(run: Run, node: ir.With, frame: Frame, index: int, kinds: tuple[Value, ...]) -> Signal:
    catches = any(getattr(kind, "__name__", "") in _IMPORT_ERRORS for kind in kinds)
    run.catching += catches
    try:
        return _within(run, node, frame, index + 1)
    except Raised as error:
        if any(exception_is(error.value, kind) for kind in kinds):
            return None
        raise
    finally:
        run.catching -= catches


def _try(run: Run, node: ir.Try, frame: Frame) -> Signal:
    signal: Signal = None
    catches = _catches_imports(node)
    run.catching += catches
    try:
        try:
            try:
                signal = execute(run, node.body, frame)
            finally:
                run.catching -= catches
        except NotIterable as stop:
            if not node.handlers:
                raise
            run.note(stop.value.reason, stop.value.place)
        except Raised as error:
            handler = _handler(run, node, frame, error)
            if handler is None:
                raise
            run.went(handler, 1)
            if handler.name is not None:
                frame.locals[handler.name] = error.value
            before = frame.locals.get("__exception__", MISSING)
            frame.locals["__exception__"] = error
            try:
                signal = execute(run, handler.body, frame)
            finally:
                if before is MISSING:
                    frame.locals.pop("__exception__", None)
                else:
                    frame.locals["__exception__"] = before
        else:
            if signal is None and node.orelse:
                signal = execute(run, node.orelse, frame)
    finally:
        if node.final:
            last = execute(run, node.final, frame)
            if last is not None:
                signal = last
    return signal


_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def _catches_imports(node: ir.Try) -> bool:
    for handler in node.handlers:
        kinds = handler.type.items if type(handler.type) is ir.TupleExpr else (handler.type,)
        if any(kind is None or (type(kind) is ir.Name and kind.id in _IMPORT_ERRORS) for kind in kinds):
            return True
    return False


def _handler(run: Run, node: ir.Try, frame: Frame, error: Raised) -> ir.Handler | None:
    for handler in node.handlers:
        if handler.type is None:
            return handler
        kinds = evaluate(run, handler.type, frame)
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            if exception_is(error.value, kind):
                return handler
    return None


def exception_is(value: Value, kind: Value) -> bool:
    """Whether an exception is of a class (analysed or Python's own)."""
    if isinstance(value, Instance):
        if isinstance(kind, ClassVal):
            return kind in value.cls.mro
        return isinstance(kind, type) and value.cls.native is not None and issubclass(value.cls.native, kind)
    if isinstance(kind, type):
        return isinstance(value, kind)
    if isinstance(kind, ClassVal):
        return kind.name == type(value).__name__ and not kind.module.name.startswith("transformers.models")
    return False


def _match(run: Run, node: ir.Match, frame: Frame) -> Signal:
    subject = evaluate(run, node.subject, frame)
    for case in node.cases:
        run.line = case.line
        answer = matches(run, case.pattern, subject, frame)
        if answer is None:
            run.note("a match on a value that is not known", Place(run.file, case.line))
            continue
        if answer and (case.guard is None or ops.truth(run, evaluate(run, case.guard, frame)) is True):
            run.went(case, 1)
            return execute(run, case.body, frame)
    return None


def _function(run: Run, node: ir.FunctionDef | ir.FunctionStub, frame: Frame) -> Signal:
    store(run, node.name, make_function(run, node, frame), frame)
    return None


def make_function(run: Run, node: ir.FunctionDef | ir.FunctionStub, frame: Frame) -> Value:
    """The value a ``def`` binds, decorators applied."""
    if frame.is_class and frame.cls is not None:
        qualname = f"{frame.cls.qualname}.{node.name}"
    elif frame.function is not None:
        qualname = f"{frame.function.qualname}.<locals>.{node.name}"
    else:
        qualname = node.name
    closure = (
        frame.parent if frame.is_class else (frame if frame.function is not None or frame.parent is not None else None)
    )
    function = Function(node.name, qualname, frame.module, closure, node, run.unit_of(frame.module), run.file)
    function.scope = frame if frame.is_class or closure is not None else None
    function.owner = frame.cls
    if type(node) is ir.FunctionDef:
        function.node = node
        run.plan_of(function)
    value: Value = function
    for decorator in reversed(node.decorators):
        if run.is_neutral(decorator, frame):
            function.takes_away |= run.kept_by(decorator)
            function.renamed += run.renamed_by(decorator)
            continue
        run.line = decorator.line
        applied = evaluate(run, decorator, frame)
        value = run.decorate(applied, value)
    return value


def _class(run: Run, node: ir.ClassDef, frame: Frame) -> Signal:
    store(run, node.name, classes.make_class(run, node, frame), frame)
    return None


TABLE: dict[type, Callable[..., Signal]] = {
    ir.ExprStmt: _expr,
    ir.Assign: _assign,
    ir.AnnAssign: _annassign,
    ir.AugAssign: _augassign,
    ir.Return: _return,
    ir.Raise: _raise,
    ir.Assert: _assert,
    ir.Delete: _delete,
    ir.Pass: _pass,
    ir.Break: _break,
    ir.Continue: _continue,
    ir.Global: _global,
    ir.Nonlocal: _nonlocal,
    ir.Import: _import,
    ir.ImportFrom: _import_from,
    ir.If: _if,
    ir.For: _for,
    ir.While: _while,
    ir.With: _with,
    ir.Try: _try,
    ir.Match: _match,
    ir.FunctionDef: _function,
    ir.FunctionStub: _function,
    ir.ClassDef: _class,
}
"""Every statement node has an entry (a test holds the table against the IR's union)."""
