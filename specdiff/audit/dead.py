"""Code on the path that never runs, values that go nowhere, notes that something is not finished."""

from __future__ import annotations

import builtins
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from specdiff.audit.subject import Subject, body_of, finding, methods
from specdiff.audit.walk import UNFINISHED, blocks_in, dotted, names_read, nodes_in, real_body
from specdiff.interp.objects import Frame, Function
from specdiff.ir import nodes as ir
from specdiff.results import Finding

_ANY_MODULE_NAME = frozenset(
    "__name__ __file__ __doc__ __package__ __spec__ __class__ __builtins__ __path__ __loader__ WindowsError reveal_type".split()
)


def unreachable(subject: Subject) -> Iterator[Finding]:
    """`code.unreachable` and `branch.never`."""
    for function in subject.path:
        node = body_of(function)
        for block in blocks_in(node.body):
            for index, statement in enumerate(block[:-1]):
                if isinstance(statement, ir.Return | ir.Raise | ir.Break | ir.Continue):
                    after = block[index + 1]
                    yield finding(
                        "code.unreachable", function.file, after.line,
                        f"{function.qualname}: nothing reaches this line, the one before it leaves", end_line=after.end_line,
                    )  # fmt: skip
                    break
        for block, value in never_run(function, node):
            yield finding(
                "branch.never", function.file, block[0].line,
                f"{function.qualname}: the condition is always {value}",
            )  # fmt: skip


def never_run(function: Function, node: ir.FunctionDef) -> Iterator[tuple[tuple[ir.Stmt, ...], bool]]:
    """Blocks behind conditions that are always the other way, with the condition's value."""
    for item in nodes_in(node.body):
        if not isinstance(item, ir.If | ir.While):
            continue
        negated = isinstance(item.test, ir.Unary) and item.test.op == "not"
        test = item.test.operand if negated and isinstance(item.test, ir.Unary) else item.test
        value = _fixed(function, test)
        if value is None:
            continue
        holds = value != negated
        dead = item.orelse if holds and isinstance(item, ir.If) else () if holds else item.body
        if dead:
            yield dead, holds


def _fixed(function: Function, test: ir.Expr) -> bool | None:
    """The truth of a condition that is a literal, or a name that the file gives a literal once and for all."""
    if isinstance(test, ir.Const):
        return bool(test.value)
    if not isinstance(test, ir.Name) or function.unit is None:
        return None
    if test.id in _bound(body_of(function)):
        return _given_once(body_of(function), test.id)
    given: list[Any] = []
    for position, chunk in enumerate(function.unit.chunks):
        if test.id in chunk.binds:
            for statement in function.unit.statements(position):
                plain = isinstance(statement, ir.Assign) and dotted(statement.targets[0]) == test.id
                given.append(statement.value if plain and isinstance(statement, ir.Assign) else None)
    if (
        len(given) != 1
        or not isinstance(given[0], ir.Const)
        or re.search(rf"\bglobal\b[^\n]*\b{test.id}\b", function.unit.text)
    ):
        return None
    return bool(given[0].value) if isinstance(given[0].value, bool) else None


def _given_once(node: ir.FunctionDef, name: str) -> bool | None:
    """The truth that a local name is given once, in a line of its own before anything else."""
    values: list[Any] = []
    for item in nodes_in(node.body):
        if isinstance(item, ir.Assign | ir.AugAssign | ir.AnnAssign | ir.For | ir.With | ir.Comp | ir.Try):
            if isinstance(item, ir.Assign) and [dotted(target) for target in item.targets] == [name]:
                values.append(item.value)
            elif not isinstance(item, ir.Assign) and any(
                isinstance(each, ir.Name) and each.id == name for each in _bindings(item)
            ):
                return None
            elif isinstance(item, ir.Assign) and any(name in _target_names(target) for target in item.targets):
                return None
    if any(param.name == name for param in node.params) or len(values) != 1:
        return None
    (value,) = values
    return value.value if isinstance(value, ir.Const) and isinstance(value.value, bool) else None


def _bindings(item: Any) -> Iterator[Any]:
    """Nodes of the targets that a statement other than an assignment binds."""
    match item:
        case ir.AugAssign() | ir.AnnAssign() | ir.For():
            yield from nodes_in(item.target)
        case ir.With():
            for each in item.items:
                yield from nodes_in(each.target)
        case ir.Comp():
            for clause in item.clauses:
                yield from nodes_in(clause.target)


def unfinished(subject: Subject) -> Iterator[Finding]:
    """`comment.todo`."""
    for function in subject.path:
        unit = function.unit
        if unit is None:
            continue
        end = body_of(function).end_line
        for comment in unit.comments:
            if function.line <= comment.line <= end and UNFINISHED.search(comment.text):
                yield finding("comment.todo", function.file, comment.line, comment.text.lstrip("# ")[:160])


def dropped(subject: Subject) -> Iterator[Finding]:
    """`argument.dropped` and `value.unused`."""
    for function in subject.path:
        node = body_of(function)
        body = real_body(node)
        if not body or (len(body) == 1 and isinstance(body[0], ir.Raise | ir.Pass | ir.ExprStmt)):
            continue
        read = _loads(node.body)
        if "locals" in read:
            continue
        for index, param in enumerate(node.params):
            if param.kind in ("vararg", "kwarg") or param.name in read or param.name.startswith("_"):
                continue
            if index == 0 and function.owner is not None:
                continue
            yield finding(
                "argument.dropped", function.file, node.def_line, f"{function.qualname} never reads its argument {param.name}"
            )  # fmt: skip
        for name, item in unused_values(node):
            yield finding(
                "value.unused", function.file, item.line,
                f"{function.qualname} computes {name} and nothing reads it", end_line=item.end_line,
            )  # fmt: skip
        yield from _idle_loops(function, node)


def _loads(body: Any) -> set[str]:
    """Names that are read, as opposed to only assigned."""
    found: set[str] = set()
    stack: list[Any] = [body]
    while stack:
        item = stack.pop()
        match item:
            case ir.Assign():
                stack.append(item.value)
                stack.extend(target for target in item.targets if not isinstance(target, ir.Name))
                for target in item.targets:
                    if isinstance(target, ir.TupleExpr | ir.ListExpr):
                        stack.extend(inner for inner in target.items if not isinstance(inner, ir.Name | ir.Starred))
                        stack.remove(target)
            case ir.AnnAssign():
                if item.value is not None:
                    stack.append(item.value)
                if not isinstance(item.target, ir.Name):
                    stack.append(item.target)
            case ir.AugAssign():
                stack.append(item.value)
                if isinstance(item.target, ir.Name):
                    continue
                stack.append(item.target)
            case ir.Name():
                found.add(item.id)
            case ir.Nonlocal() | ir.Global():
                found.update(item.names)
            case tuple():
                stack.extend(item)
            case _:
                pass
    return found


def unused_values(node: ir.FunctionDef, *, plain: bool = False) -> Iterator[tuple[str, ir.Assign | ir.AugAssign]]:
    """Local names, with the statement, that are given a computed value (or any, if `plain`) which no line reads."""
    read, told = _reads_but_own(node), set[str]()
    for block in blocks_in(node.body):
        for item in block:
            match item:
                case ir.Assign(targets=(ir.Name() | ir.TupleExpr() | ir.ListExpr() as target,), value=value):
                    names = _plain_names(target)
                case ir.AugAssign(target=ir.Name(id=name), value=value):
                    names = [name]
                case _:
                    continue
            if not names or any(name in read or name in told for name in names) or not (plain or _computes(value)):
                continue
            if all(name.startswith("_") for name in names):
                continue
            told.update(names)
            yield ", ".join(names), item
        yield from _overwritten_values(block)


def _plain_names(target: Any) -> list[str]:
    """The names that a target binds; empty where it binds anything but names, or a part of what is unpacked only."""
    if isinstance(target, ir.Name):
        return [target.id]
    names = [item.id for item in target.items if isinstance(item, ir.Name)]
    return names if len(names) == len(target.items) and "_" not in names else []


def _reads_but_own(node: ir.FunctionDef) -> set[str]:
    """Names that a function reads, reads inside of ``x = f(x)`` left out where there is no other."""
    counts: Counter[str] = Counter()
    own: Counter[str] = Counter()
    shadowed: set[str] = set()
    for item in nodes_in(node.body):
        match item:
            case ir.Name(id=name):
                counts[name] += 1
            case ir.Assign(targets=(ir.Name(id=name),), value=value):
                own[name] += 1 + _mentions_of(value, name)
            case ir.For() | ir.While():
                shadowed.update(each.id for each in nodes_in(item.body) if isinstance(each, ir.Name))
            case ir.Nonlocal() | ir.Global():
                shadowed.update(item.names)
            case _:
                pass
    plain = _loads(node.body)
    return {name for name in plain if name in shadowed or counts[name] != own[name]}


def _mentions_of(node: Any, name: str) -> int:
    return sum(isinstance(item, ir.Name) and item.id == name for item in nodes_in(node))


def _overwritten_values(block: tuple[ir.Stmt, ...]) -> Iterator[tuple[str, ir.Assign]]:
    """Values of calls that the same block replaces before anything reads them."""
    held: dict[str, ir.Assign] = {}
    for item in block:
        target = item.targets[0] if isinstance(item, ir.Assign) and len(item.targets) == 1 else None
        name = target.id if isinstance(target, ir.Name) else ""
        read = names_read(item.value if name and isinstance(item, ir.Assign) else item)
        held = {each: first for each, first in held.items() if each not in read}
        if name and isinstance(item, ir.Assign):
            if name in held:
                yield name, held[name]
            held.pop(name, None)
            if any(isinstance(each, ir.Call) and each.args for each in nodes_in(item.value)):
                held[name] = item  # an empty container that a later line replaces is a start, not work


def kept_from_last_turn(node: ir.FunctionDef) -> Iterator[tuple[str, ir.Assign]]:
    """Names that every turn of a loop over modules gives the result of its module, so that only the last one's is left."""
    for block in blocks_in(node.body):
        for index, loop in enumerate(block):
            if not isinstance(loop, ir.For) or loop.orelse:
                continue
            inside, turn = _loads(loop.body), _target_names(loop.target)
            if any(isinstance(item, ir.Break | ir.Return | ir.Continue | ir.Yield) for item in nodes_in(loop.body)):
                continue
            after = _loads(block[index + 1 :])
            for item in loop.body:
                match item:
                    case ir.Assign(targets=(ir.Name(id=name),), value=value):
                        called = {
                            each.func.id
                            for each in nodes_in(value)
                            if isinstance(each, ir.Call) and isinstance(each.func, ir.Name)
                        }
                        if name in after and name not in inside and called & turn:
                            yield name, item
                    case _:
                        pass


def _idle_loops(function: Function, node: ir.FunctionDef) -> Iterator[Finding]:
    """Loops over a part of the module whose bodies do nothing with the elements."""
    for item in nodes_in(node.body):
        if not isinstance(item, ir.For) or not dotted(item.iter).startswith("self."):
            continue
        turn = _target_names(item.target)
        if turn and not turn & names_read(item.body):
            yield finding(
                "loop.idle", function.file, item.line,
                f"{function.qualname} goes through {dotted(item.iter)} and does nothing with its elements",
            )  # fmt: skip


def _computes(value: ir.Expr) -> bool:
    """Whether an expression calls something or calculates (a plain copy or a literal is no work that is lost)."""
    if isinstance(value, ir.Call) and isinstance(value.func, ir.Attr) and value.func.name == "size":
        return False
    return any(isinstance(item, ir.Call | ir.Binary | ir.Item) for item in nodes_in(value))


def unresolved(subject: Subject) -> Iterator[Finding]:
    """`name.unresolved`: free names of the path's functions and of the built classes' methods."""
    functions: dict[tuple[str, int], Function] = {(each.file, each.line): each for each in subject.path}
    for cls in subject.classes:
        for _, function in methods(cls):
            functions.setdefault((function.file, function.line), function)
    told: set[tuple[str, str]] = set()
    for function in functions.values():
        for name, line in _free(body_of(function), _enclosing(function)):
            if (function.file, name) in told or name in _ANY_MODULE_NAME or hasattr(builtins, name):
                continue
            if not _defined(function, name):
                told.add((function.file, name))
                yield finding(
                    "name.unresolved", function.file, line, f"{function.qualname} uses {name}, which nothing defines"
                )


def _defined(function: Function, name: str) -> bool:
    module = function.module
    unit = module.unit
    if unit is None or name in module.env:
        return True
    for chunk in unit.chunks:
        if name in chunk.binds or "*" in chunk.binds:
            return True
    # A function may bind a global, and code may fill the module's namespace by hand.
    return f"global {name}" in unit.text or "globals()" in unit.text


def _enclosing(function: Function) -> frozenset[str]:
    names: set[str] = set()
    frame: Frame | None = function.closure
    while frame is not None:
        names.update(frame.locals)
        if frame.function is not None:
            names.update(_bound(body_of(frame.function)) if not isinstance(frame.function.stub, ir.Lambda) else ())
        frame = frame.parent
    return frozenset(names)


def _free(node: ir.FunctionDef, outer: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Names a function reads and does not bind anywhere inside; annotations left out."""
    bound = _bound(node) | outer
    stack: list[Any] = [node.body, *(param.default for param in node.params)]
    while stack:
        item = stack.pop()
        match item:
            case ir.Name(line=line, id=name):
                if name not in bound:
                    yield name, line
            case ir.AnnAssign():
                stack.extend([item.target, item.value])
            case ir.FunctionDef():
                stack.extend([item.body, item.decorators, *(param.default for param in item.params)])
            case ir.Lambda():
                stack.extend([item.body, *(param.default for param in item.params)])
            case ir.Try() if any(_catches_names(handler.type) for handler in item.handlers):
                stack.extend([*(handler.body for handler in item.handlers), item.orelse, item.final])
            case tuple():
                stack.extend(item)
            case _:
                pass


def _catches_names(node: ir.Expr | None) -> bool:
    return node is None or any(
        isinstance(item, ir.Name) and item.id in ("NameError", "Exception", "BaseException") for item in nodes_in(node)
    )


def _bound(node: ir.FunctionDef) -> set[str]:
    """All names bound anywhere inside a function, nested ones included (so that none is taken for free by mistake)."""
    found = {param.name for param in node.params}
    stack: list[Any] = [node.body]
    while stack:
        item = stack.pop()
        match item:
            case ir.Assign():
                stack.extend([*item.targets, item.value])
                for target in item.targets:
                    found.update(_target_names(target))
            case ir.AnnAssign() | ir.AugAssign():
                found.update(_target_names(item.target))
                stack.append(item.value)
            case ir.For():
                found.update(_target_names(item.target))
                stack.extend([item.iter, item.body, item.orelse])
            case ir.With():
                for each in item.items:
                    if each.target is not None:
                        found.update(_target_names(each.target))
                stack.extend([*(each.context for each in item.items), item.body])
            case ir.Comp():
                for clause in item.clauses:
                    found.update(_target_names(clause.target))
                stack.extend(item)
            case ir.NamedExpr():
                found.add(item.target)
                stack.append(item.value)
            case ir.FunctionDef() | ir.ClassDef() | ir.FunctionStub():
                found.add(item.name)
                if isinstance(item, ir.FunctionDef):
                    found.update(param.name for param in item.params)
                    stack.append(item.body)
                elif isinstance(item, ir.ClassDef):
                    stack.append(item.body)
            case ir.Lambda():
                found.update(param.name for param in item.params)
                stack.append(item.body)
            case ir.Import():
                found.update((alias.asname or alias.name.partition(".")[0]) for alias in item.names)
            case ir.ImportFrom():
                found.update((alias.asname or alias.name) for alias in item.names)
            case ir.Try():
                found.update(handler.name for handler in item.handlers if handler.name)
                stack.extend(item)
            case ir.Match():
                found.update(_captures(item))
                stack.extend(item)
            case ir.Nonlocal() | ir.Global():
                found.update(item.names)
            case tuple():
                stack.extend(item)
            case _:
                pass
    return found


def _captures(node: Any) -> set[str]:
    found = set()
    for item in nodes_in(node):
        match item:
            case ir.PatCapture(name=name) | ir.PatAs(name=name) | ir.PatStar(name=name) | ir.PatMapping(rest=name):
                if name:
                    found.add(name)
            case _:
                pass
    return found


def _target_names(node: Any) -> set[str]:
    match node:
        case ir.Name():
            return {node.id}
        case ir.TupleExpr() | ir.ListExpr():
            return {name for item in node.items for name in _target_names(item)}
        case ir.Starred():
            return _target_names(node.value)
        case _:
            return set()
