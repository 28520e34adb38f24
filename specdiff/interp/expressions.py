"""Evaluating expressions: one function per node kind, in a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.frontend.parse import REFUSED, native_expression
from specdiff.interp import attributes, calls, cells, containers, lookups, ops, rows, scalars
from specdiff.interp.containers import NotIterable
from specdiff.interp.dims import Dim
from specdiff.interp.formatting import format_value
from specdiff.interp.guarding import raised
from specdiff.interp.objects import MISSING, Frame, Function, LazyName, Raised, Super, Value
from specdiff.interp.run import Run
from specdiff.interp.tracked import RunRecording, Tracked, plain
from specdiff.interp.values import Intrinsic, Tensor, Turns, Unknown
from specdiff.ir import nodes as ir


def evaluate(run: Run, node: ir.Expr, frame: Frame) -> Value:
    """The value of an expression."""
    return TABLE[type(node)](run, node, frame)


def _const(run: Run, node: ir.Const, frame: Frame) -> Value:
    return node.value


def _ellipsis(run: Run, node: ir.Ellipsis_, frame: Frame) -> Value:
    return Ellipsis


def _name(run: Run, node: ir.Name, frame: Frame) -> Value:
    value = load(run, node.id, frame)
    if value is MISSING:
        run.line = node.line
        raise raised(run, NameError(f"name '{node.id}' is not defined"))
    return value


def load(run: Run, name: str, frame: Frame) -> Value:
    """The value of a name seen from a frame, or `MISSING`."""
    value = frame.locals.get(name, MISSING)
    if value is not MISSING:
        return frame.module.get(name) if type(value) is LazyName else value
    scope = frame.parent
    while scope is not None:
        value = scope.locals.get(name, MISSING)
        if value is not MISSING:
            if run.recording is not None and type(value) in containers.SHARED:
                if scope.serial:
                    run.looked_up(value, scope.serial)
                else:
                    run.reached(value, value)
            return value
        scope = scope.parent
    value = frame.module.get(name)
    if value is not MISSING:
        if run.recording is not None and type(value) in containers.SHARED:
            run.looked_up(value)
        return value
    return run.builtins.get(name, MISSING)


def _attr(run: Run, node: ir.Attr, frame: Frame) -> Value:
    value = node.value
    obj = TABLE[type(value)](run, value, frame)
    run.line = node.line
    return attributes.get(run, obj, node.name)


def _item(run: Run, node: ir.Item, frame: Frame) -> Value:
    value = node.value
    if type(run.recording) is RunRecording and type(value) is ir.Attr:
        container, alone = cells.table(run, value, frame)
        index = evaluate(run, node.index, frame)
        if alone and type(index) is Tracked:
            found = cells.read(run, container, index)
            if found is not MISSING:
                return found
    else:
        container = evaluate(run, value, frame)
        index = evaluate(run, node.index, frame)
    run.line = node.line
    return containers.getitem(run, container, index)


def _slice(run: Run, node: ir.SliceExpr, frame: Frame) -> Value:
    lower = evaluate(run, node.lower, frame) if node.lower is not None else None
    upper = evaluate(run, node.upper, frame) if node.upper is not None else None
    step = evaluate(run, node.step, frame) if node.step is not None else None
    return slice(lower, upper, step)


def arguments(run: Run, args: tuple[ir.Arg, ...], frame: Frame) -> tuple[tuple[Value, ...], dict[str, Value]]:
    """Evaluated arguments of a call."""
    positional: list[Value] = []
    named: dict[str, Value] = {}
    for arg in args:
        value = evaluate(run, arg.value, frame)
        if arg.star == 0:
            if arg.name is None:
                positional.append(value)
            else:
                named[arg.name] = value
        elif arg.star == 1:
            positional.extend(containers.listed(run, value))
        else:
            value = lookups.payload(plain(value))
            if isinstance(value, Unknown):
                run.note(f"keyword arguments that are not known: {value.reason}", value.place)
            elif isinstance(value, dict):
                for key, item in value.items():
                    if key in named:
                        raise raised(run, TypeError(f"got multiple values for keyword argument '{key}'"))
                    named[key] = item
            else:
                for key in containers.listed(run, run.call(attributes.get(run, value, "keys"), (), {})):
                    named[key] = containers.getitem(run, value, key)
    return tuple(positional), named


def _call(run: Run, node: ir.Call, frame: Frame) -> Value:
    func = node.func
    if type(func) is ir.Name:
        if func.id == "super" and "super" not in frame.locals:
            return _super(run, node, frame)
        special = _FRAME_CALLS.get(func.id)
        if special is not None and func.id not in frame.locals:
            return special(run, node, frame)
    if (
        type(func) is ir.Attr
        and func.name == "get"
        and type(run.recording) is RunRecording
        and type(func.value) is ir.Attr
    ):
        return _got(run, node, func, func.value, frame)
    callee = TABLE[type(func)](run, func, frame)
    return _called(run, node, callee, *arguments(run, node.args, frame))


def _got(run: Run, node: ir.Call, func: ir.Attr, table: ir.Attr, frame: Frame) -> Value:
    """``obj.table.get(index)``."""
    container, alone = cells.table(run, table, frame)
    run.line = func.line
    callee = attributes.get(run, container, func.name)
    args, kwargs = arguments(run, node.args, frame)
    if alone and not kwargs:
        found = cells.got(run, callee, args)
        if found is not MISSING:
            return found
    return _called(run, node, callee, args, kwargs)


def _called(run: Run, node: ir.Call, callee: Value, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    run.line = node.line
    result = calls.call(run, callee, args, kwargs)
    if run.ways is not None and args and type(args[0]) is Tensor:
        run.went(node, 1 if result is args[0] else 2)
    return result


def _super(run: Run, node: ir.Call, frame: Frame) -> Value:
    run.leave("builtins.super")
    if node.args:
        args, _ = arguments(run, node.args, frame)
        cls, receiver = args[0], args[1] if len(args) > 1 else None
        return Super(cls, receiver)
    scope: Frame | None = frame
    while scope is not None and (scope.cls is None or scope.self_ is MISSING):
        scope = scope.parent
    if scope is None or scope.cls is None:
        run.line = node.line
        raise raised(run, RuntimeError("super(): no arguments"))
    return Super(scope.cls, scope.self_)


def _locals(run: Run, node: ir.Call, frame: Frame) -> Value:
    return dict(frame.locals)


def _globals(run: Run, node: ir.Call, frame: Frame) -> Value:
    return run.module_globals(frame.module)


def _vars(run: Run, node: ir.Call, frame: Frame) -> Value:
    if not node.args:
        return dict(frame.locals)
    args, _ = arguments(run, node.args, frame)
    return attributes.get(run, args[0], "__dict__")


def _eval(run: Run, node: ir.Call, frame: Frame) -> Value:
    """``eval`` of text that is known: this interpreter reads it, as it reads every expression."""
    run.leave("builtins.eval")
    args, _ = arguments(run, node.args, frame)
    run.line = node.line
    text = plain(args[0]) if args else None
    spaces = [space for space in args[1:3] if space is not None]
    if not isinstance(text, str) or not all(isinstance(space, dict) for space in spaces):
        return run.unknown("eval() of text that is not known")
    try:
        expression = native_expression(text.strip(), node.line)
    except REFUSED as error:
        raise raised(run, SyntaxError(str(error))) from None
    if spaces:
        frame = Frame(frame.module)
        for space in spaces:
            frame.locals.update(space)
    return evaluate(run, expression, frame)


class _Enough(Exception):
    """Indicates that whoever reads a generator expression needs no further item."""


def _read_first(run: Run, node: ir.Call, frame: Frame) -> Value:
    """``next``, ``any`` or ``all`` of a generator expression, which goes no further than the item that decides."""
    callee = evaluate(run, node.func, frame)
    first = node.args[0] if node.args else None
    enough = _READERS.get(callee.name) if type(callee) is Intrinsic else None
    if enough is None or first is None or type(first.value) is not ir.Comp or first.value.kind != "gen":
        return _called(run, node, callee, *arguments(run, node.args, frame))
    items = _comp(run, first.value, frame, enough)
    rest, kwargs = arguments(run, node.args[1:], frame)
    return _called(run, node, callee, (items, *rest), kwargs)


_READERS: dict[str, Callable[[Value], bool]] = {
    "builtins.next": lambda value: True,
    "builtins.any": lambda value: value is True,
    "builtins.all": lambda value: value is False,
}


_FRAME_CALLS: dict[str, Callable[[Run, ir.Call, Frame], Value]] = {
    "eval": _eval,
    "locals": _locals,
    "globals": _globals,
    "vars": _vars,
    "next": _read_first,
    "any": _read_first,
    "all": _read_first,
}


def _binary(run: Run, node: ir.Binary, frame: Frame) -> Value:
    left, right = node.left, node.right
    a = TABLE[type(left)](run, left, frame)
    b = TABLE[type(right)](run, right, frame)
    run.line = node.line
    return ops.binary(run, node.op, a, b)


def _unary(run: Run, node: ir.Unary, frame: Frame) -> Value:
    value = evaluate(run, node.operand, frame)
    run.line = node.line
    return ops.unary(run, node.op, value)


def _bool(run: Run, node: ir.BoolOp, frame: Frame) -> Value:
    stop = node.op == "or"
    undecided: Value = None
    value: Value = None
    for index, operand in enumerate(node.values):
        if run.ways is not None:
            run.went(node, 1 << index)
        value = evaluate(run, operand, frame)
        answer = ops.truth(run, value)
        if answer is None:
            undecided = undecided if undecided is not None else _open(run, value)
        elif answer == stop:
            if undecided is not None and not isinstance(value, bool):
                return undecided
            return value  # decided whatever the open operands are, for a plain truth
    return undecided if undecided is not None else value


def _open(run: Run, value: Value) -> Unknown:
    return value if isinstance(value, Unknown) else run.unknown("a condition that depends on data")


def _compare(run: Run, node: ir.Compare, frame: Frame) -> Value:
    left = evaluate(run, node.left, frame)
    result: Value = True
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = evaluate(run, comparator, frame)
        run.line = node.line
        result = ops.compare(run, op, left, right)
        if len(node.ops) > 1 and ops.truth(run, result) is False:
            return result
        left = right
    return result


def _ifexp(run: Run, node: ir.IfExp, frame: Frame) -> Value:
    test = evaluate(run, node.test, frame)
    run.line = node.line
    answer = ops.truth(run, test)
    if answer is not None and run.ways is not None:
        run.went(node, 1 if answer else 2)
    if answer is True:
        return evaluate(run, node.body, frame)
    if answer is False:
        return evaluate(run, node.orelse, frame)

    def side(way: int) -> Value:
        run.went(node, way)
        return evaluate(run, node.body if way == 1 else node.orelse, frame)

    return run.either(lambda: side(1), lambda: side(2), _open(run, test))


def items_of(run: Run, items: tuple[ir.Expr, ...], frame: Frame) -> list[Value]:
    """The items of a display."""
    values: list[Value] = []
    for item in items:
        if type(item) is ir.Starred:
            values.extend(containers.listed(run, evaluate(run, item.value, frame)))
        else:
            values.append(evaluate(run, item, frame))
    return values


def _tuple(run: Run, node: ir.TupleExpr, frame: Frame) -> Value:
    return tuple(items_of(run, node.items, frame))


def _list(run: Run, node: ir.ListExpr, frame: Frame) -> Value:
    return [value.observe() if type(value) is Tracked else value for value in items_of(run, node.items, frame)]


def _hashable(run: Run, value: Value) -> Value:
    value = lookups.payload(plain(value))
    if isinstance(value, Unknown | Dim) or value.__hash__ is None:
        if isinstance(value, list | dict | set):
            raise raised(run, TypeError(f"unhashable type: '{type(value).__name__}'"))
    return value


def _set(run: Run, node: ir.SetExpr, frame: Frame) -> Value:
    return {_hashable(run, value) for value in items_of(run, node.items, frame)}


def _dict(run: Run, node: ir.DictExpr, frame: Frame) -> Value:
    result: dict[Value, Value] = {}
    for item in node.items:
        if item.key is None:
            value = lookups.payload(plain(evaluate(run, item.value, frame)))
            if isinstance(value, dict):
                result.update(value)
            elif isinstance(value, Unknown):
                run.note(f"a mapping that is not known: {value.reason}", value.place)
            else:
                for key in containers.listed(run, run.call(attributes.get(run, value, "keys"), (), {})):
                    result[key] = containers.getitem(run, value, key)
        else:
            key = _hashable(run, evaluate(run, item.key, frame))
            value = evaluate(run, item.value, frame)
            result[key] = value.observe() if type(value) is Tracked else value
    return result


def _starred(run: Run, node: ir.Starred, frame: Frame) -> Value:
    return evaluate(run, node.value, frame)


def _comp(run: Run, node: ir.Comp, frame: Frame, enough: Callable[[Value], bool] | None = None) -> Value:
    inner = Frame(frame.module, frame if not frame.is_class else frame.parent, frame.function)
    inner.cls, inner.self_ = frame.cls, frame.self_
    if frame.is_class:
        inner.locals.update(frame.locals)
    if node.kind == "dict":
        mapping: dict[Value, Value] = {}

        def add_pair() -> None:
            key = _hashable(run, evaluate(run, node.element, inner))
            assert node.value is not None
            mapping[key] = plain(evaluate(run, node.value, inner))

        _clauses(run, node.clauses, 0, inner, add_pair, [], frame)
        return mapping
    if node.kind == "list" and len(node.clauses) == 1:
        made = rows.row(run, node, inner)
        if made is not None:
            return made
    found: list[Value] = []
    doubtful: list[bool] = []

    def add() -> None:
        value = evaluate(run, node.element, inner)
        found.append(value.observe() if type(value) is Tracked else value)
        if enough is not None and not doubtful and enough(found[-1]):
            raise _Enough

    try:
        _clauses(run, node.clauses, 0, inner, add, doubtful, frame)
    except _Enough:
        pass
    except NotIterable as stop:
        if stop.length is None or len(node.clauses) > 1 or found or node.kind == "set":
            if not found and len(node.clauses) == 1:
                _assign_item(run, node.clauses[0].target, stop.element, inner)
                _maybe(add)
            return stop.value
        _assign_item(run, node.clauses[0].target, stop.element, inner)
        add()
        if node.kind == "list":
            run.open_lists[id(found)] = (found, stop.length)
            return found
        return Turns(found[0], stop.length, stop.value.reason)
    if node.kind == "list":
        return found
    if node.kind == "set":
        return {_hashable(run, value) for value in found}
    return run.walk(iter(found))


def _assign_item(run: Run, target: ir.Expr, item: Value, frame: Frame) -> None:
    if type(target) is ir.Name:
        frame.locals[target.id] = item
    else:
        run.assign(target, item, frame)


def _clauses(
    run: Run,
    clauses: tuple[ir.Clause, ...],
    index: int,
    inner: Frame,
    add: Callable[[], None],
    doubtful: list[bool],
    outer: Frame,
) -> None:
    clause = clauses[index]
    iterable = evaluate(run, clause.iter, outer if index == 0 else inner)
    last = index + 1 == len(clauses)
    target = clause.target
    simple = target.id if type(target) is ir.Name else None
    filtered = False
    for item in run.bounded(containers.iterate(run, iterable)):
        if simple is not None:
            inner.locals[simple] = item
        else:
            run.assign(target, item, inner)
        keep: bool | None = True
        for test in clause.ifs:
            answer = ops.truth(run, evaluate(run, test, inner))
            if not answer:
                keep = answer
                if answer is False:
                    break
        if keep is None:
            filtered = True
            doubtful.append(True)
            _maybe(add if last else lambda: _clauses(run, clauses, index + 1, inner, add, doubtful, outer))
        elif keep:
            if last:
                add()
            else:
                _clauses(run, clauses, index + 1, inner, add, doubtful, outer)
    if filtered:
        raise NotIterable(run.unknown("a comprehension filters by something that is not known"))


def _maybe(step: Callable[[], None]) -> None:
    """Evaluate an item that the program may or may not get to, for the calls in it."""
    try:
        step()
    except (Raised, NotIterable):
        return


def _fstring(run: Run, node: ir.FString, frame: Frame) -> Value:
    pieces: list[str] = []
    tracked: list[Any] = []
    for part in node.parts:
        if type(part) is ir.Const:
            pieces.append(str(part.value))
            continue
        assert type(part) is ir.Formatted
        value = evaluate(run, part.value, frame)
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Tensor) and scalars.constant(value) is None:
            return run.unknown("the text of a tensor's data")
        spec = _fstring(run, part.spec, frame) if part.spec is not None else ""
        if isinstance(spec, Unknown):
            return spec
        if type(value) is Tracked and not tracked and not spec and part.conversion is None:
            tracked.append((value, len(pieces)))
            pieces.append("")
            continue
        pieces.append(format_value(run, value, part.conversion, spec))
    if tracked:
        value, at = tracked[0]
        before, after = "".join(pieces[:at]), "".join(pieces[at + 1 :])
        return value.map(lambda number: f"{before}{number}{after}")
    return "".join(pieces)


def _named(run: Run, node: ir.NamedExpr, frame: Frame) -> Value:
    value = evaluate(run, node.value, frame)
    scope = frame
    while scope.function is frame.function and scope.parent is not None and scope.parent.function is frame.function:
        scope = scope.parent
    scope.locals[node.target] = value
    frame.locals[node.target] = value
    return value


def _lambda(run: Run, node: ir.Lambda, frame: Frame) -> Value:
    if frame.is_class and frame.cls is not None:
        qualname = f"{frame.cls.qualname}.<lambda>"
    else:
        qualname = f"{frame.function.qualname}.<locals>.<lambda>" if frame.function is not None else "<lambda>"
    function = Function(
        "<lambda>", qualname, frame.module, frame if not frame.is_class else frame.parent, node, None, run.file
    )
    function.scope = frame
    function.owner = frame.cls
    calls.plan_of(run, function)
    return function


def _yield(run: Run, node: ir.Yield, frame: Frame) -> Value:
    value = evaluate(run, node.value, frame) if node.value is not None else None
    _yields(frame).append(value)
    return None


def _yield_from(run: Run, node: ir.YieldFrom, frame: Frame) -> Value:
    _yields(frame).extend(containers.listed(run, evaluate(run, node.value, frame)))
    return None


def _yields(frame: Frame) -> list[Value]:
    if frame.yields is None:
        frame.yields = []
    return frame.yields


def _await(run: Run, node: ir.Await, frame: Frame) -> Value:
    return evaluate(run, node.value, frame)


TABLE: dict[type, Callable[..., Value]] = {
    ir.Const: _const,
    ir.Ellipsis_: _ellipsis,
    ir.Name: _name,
    ir.Attr: _attr,
    ir.Item: _item,
    ir.SliceExpr: _slice,
    ir.Call: _call,
    ir.Binary: _binary,
    ir.Unary: _unary,
    ir.BoolOp: _bool,
    ir.Compare: _compare,
    ir.IfExp: _ifexp,
    ir.TupleExpr: _tuple,
    ir.ListExpr: _list,
    ir.SetExpr: _set,
    ir.DictExpr: _dict,
    ir.Starred: _starred,
    ir.Comp: _comp,
    ir.FString: _fstring,
    ir.NamedExpr: _named,
    ir.Lambda: _lambda,
    ir.Yield: _yield,
    ir.YieldFrom: _yield_from,
    ir.Await: _await,
}
"""Every expression node has an entry (a test holds the table against the IR's union)."""

__all__ = ["TABLE", "Raised", "arguments", "evaluate", "load"]
