"""Going on after an error, for a run that only wants to know what can be called.

A run of ``forward`` that cannot be followed to its end is repeated in this mode: what fails becomes unknown, a guard
that raises is passed, and the code behind it runs too. Which functions are called depends mostly on the built modules,
which are known, and seldom on the tensors that are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from specdiff.interp import expressions, statements
from specdiff.interp.containers import NotIterable
from specdiff.interp.objects import Frame, Instance, Raised, Value
from specdiff.interp.run import Run
from specdiff.interp.values import Unknown
from specdiff.ir import nodes as ir

_PROTOCOLS = (StopIteration, GeneratorExit, AttributeError, KeyError, IndexError, ImportError)
"""What code raises to answer a question of its caller (no more items, no such attribute), not to complain."""

_EXPRESSIONS: tuple[type, ...] = (
    ir.Name,
    ir.Attr,
    ir.Item,
    ir.Call,
    ir.Binary,
    ir.Unary,
    ir.Compare,
    ir.Comp,
    ir.IfExp,
    ir.BoolOp,
)
_TRY: tuple[type, ...] = (ir.Try,)
_GUARDS: tuple[type, ...] = (ir.Raise, ir.Assert)


@contextmanager
def recovering(run: Run) -> Iterator[None]:
    """Go on after errors in model code for as long as the context lasts.

    The evaluators' tables are exchanged, so that an ordinary run pays nothing for this mode.
    """
    before = dict(expressions.TABLE), dict(statements.TABLE)
    for kind in _EXPRESSIONS:
        expressions.TABLE[kind] = _expression(expressions.TABLE[kind])
    for name, function in before[1].items():
        statements.TABLE[name] = _try(function) if name in _TRY else _statement(function, name in _GUARDS)
    run.tries = 0
    run.active = {}
    try:
        yield
    finally:
        expressions.TABLE.update(before[0])
        statements.TABLE.update(before[1])
        run.tries = 0
        run.active = None


def _may_go_on(run: Run) -> bool:
    """Whether an error at the line being executed is to be passed over: it is model code's, and no handler's."""
    return not run.tries and run.caller is not None and run.caller.file == run.file


def _lost(run: Run, error: Raised | NotIterable) -> Unknown:
    """What a piece of code that failed is worth; raises the error again where it is to be seen."""
    if not _may_go_on(run) or (isinstance(error, Raised) and isinstance(error.value, StopIteration)):
        raise error
    if isinstance(error, NotIterable):
        return error.value
    return Unknown(f"this fails: {error}", error.places[0] if error.places else run.place)


def _is_guard(exception: Value) -> bool:
    """Whether raising an exception is a complaint about the input."""
    if isinstance(exception, Instance):
        native = exception.cls.native
        return native is None or not issubclass(native, _PROTOCOLS)
    return not isinstance(exception, _PROTOCOLS)


def _expression(function: Callable[..., Value]) -> Callable[..., Value]:
    def evaluate(run: Run, node: Any, frame: Frame) -> Value:
        try:
            return function(run, node, frame)
        except (Raised, NotIterable) as error:
            return _lost(run, error)

    return evaluate


def _statement(function: Callable[..., Any], guard: bool) -> Callable[..., Any]:
    def execute(run: Run, node: Any, frame: Frame) -> Any:
        try:
            return function(run, node, frame)
        except Raised as error:
            if guard:
                if not (_may_go_on(run) and _is_guard(error.value)):
                    raise
                return None
            _bind_lost(run, node, _lost(run, error), frame)
        except NotIterable as stop:
            _bind_lost(run, node, _lost(run, stop), frame)
        return None

    return execute


def _try(function: Callable[..., Any]) -> Callable[..., Any]:
    """A ``try`` statement: errors in its body are its handlers' business."""
    execute_plain = _statement(function, False)

    def execute(run: Run, node: ir.Try, frame: Frame) -> Any:
        if not node.handlers:
            return execute_plain(run, node, frame)
        run.tries += 1
        failed: Raised | NotIterable | None = None
        try:
            return function(run, node, frame)
        except (Raised, NotIterable) as error:
            failed = error
        finally:
            run.tries -= 1
        _lost(run, failed)
        return None

    return execute


def _bind_lost(run: Run, node: ir.Stmt, value: Unknown, frame: Frame) -> None:
    """Bind the names that a failed assignment would have bound."""
    for target in node.targets if type(node) is ir.Assign else ():
        for part in target.items if isinstance(target, ir.TupleExpr | ir.ListExpr) else (target,):
            if type(part) is ir.Name:
                run.assign(part, value, frame)
