"""Code as text that does not change where only the writing does: local names are numbered, words for people left out.

The text is for digests and for a few words in a report; it is not meant to be parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from specdiff.audit.walk import dotted, nodes_in
from specdiff.ir import nodes as ir

_INVERSE = {"==": "!=", "!=": "==", "is": "is not", "is not": "is", "in": "not in", "not in": "in"}
_TURNED = {"<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TALK = ("logger.", "logging.", "warnings.")
"""Calls that only tell people something."""

Names = Mapping[str, str]
"""What stands for each local name."""


def bound_names(node: ir.FunctionDef) -> list[str]:
    """The names that a function binds, parameters first, in the order of the source; nested ones included."""
    found = dict.fromkeys(param.name for param in node.params)
    for item in nodes_in(node.body):
        match item:
            case ir.Assign(targets=targets):
                found.update(dict.fromkeys(_targets(targets)))
            case ir.AnnAssign(target=target) | ir.AugAssign(target=target) | ir.For(target=target):
                found.update(dict.fromkeys(_targets((target,))))
            case ir.Clause(target=target):
                found.update(dict.fromkeys(_targets((target,))))
            case ir.WithItem(target=target) if target is not None:
                found.update(dict.fromkeys(_targets((target,))))
            case ir.NamedExpr(target=name):
                found[name] = None
            case ir.Handler(name=str(name)) | ir.Param(name=name):
                found[name] = None
            case ir.FunctionDef(name=name):
                found[name] = None
            case _:
                pass
    return list(found)


def _targets(targets: Iterable[Any]) -> Iterator[str]:
    for target in targets:
        match target:
            case ir.Name(id=name):
                yield name
            case ir.TupleExpr(items=items) | ir.ListExpr(items=items):
                yield from _targets(items)
            case ir.Starred(value=value):
                yield from _targets((value,))
            case _:
                pass


def negated(test: Any) -> Any:
    """The condition that holds where another does not."""
    match test:
        case ir.Unary(op="not", operand=operand):
            return operand
        case ir.Compare(line=line, left=left, ops=(op,), comparators=(right,)) if op in _INVERSE:
            return ir.Compare(line, left, (_INVERSE[op],), (right,))
        case _:
            return ir.Unary(getattr(test, "line", 0), "not", test)


def is_written_negated(test: Any) -> bool:
    """Whether a condition is put as the opposite of another: of two such, the other one is the common form."""
    match test:
        case ir.Unary(op="not"):
            return True
        case ir.Compare(ops=(op,)):
            return op in ("!=", "is not", "not in")
        case _:
            return False


def block(body: Iterable[Any], names: Names) -> str:
    """Statements; empty where they do nothing that counts."""
    return "\n".join(text for node in body if (text := statement(node, names)))


def statement(node: Any, names: Names) -> str:  # noqa: C901 - one case per node
    """One statement; empty where it does nothing that counts."""

    def say(part: Any) -> str:
        return expression(part, names)

    def inner(body: Any) -> str:
        return "{" + block(body, names) + "}"

    match node:
        case ir.ExprStmt(value=ir.Const()) | ir.Pass():
            return ""
        case ir.ExprStmt(value=ir.Call(func=func)) if f"{dotted(func)}".startswith(_TALK) or dotted(func) == "print":
            return ""
        case ir.ExprStmt(value=value):
            return say(value)
        case ir.Assign(targets=targets, value=value):
            return " = ".join([*map(say, targets), say(value)])
        case ir.AnnAssign(target=target, value=value):
            return f"{say(target)} = {say(value)}" if value is not None else ""
        case ir.AugAssign(target=target, op=op, value=value):
            return f"{say(target)} {op}= {say(value)}"
        case ir.Return(value=value):
            return f"return {say(value)}"
        case ir.Raise(exc=exc):
            return f"raise {say(exc.func if isinstance(exc, ir.Call) else exc)}"
        case ir.Assert(test=test):
            return f"assert {say(test)}"
        case ir.If(test=test, body=body, orelse=orelse):
            if is_written_negated(test) and orelse:
                test, body, orelse = negated(test), orelse, body
            said, other = block(body, names), block(orelse, names)
            return f"if {say(test)} {{{said}}} else {{{other}}}" if said or other else ""
        case ir.For(target=target, iter=source, body=body, orelse=orelse):
            return f"for {say(target)} in {say(source)} {inner(body)} {inner(orelse)}"
        case ir.While(test=test, body=body, orelse=orelse):
            return f"while {say(test)} {inner(body)} {inner(orelse)}"
        case ir.With(items=items, body=body):
            held = ", ".join(f"{say(item.context)} {say(item.target)}" for item in items)
            return f"with {held} {inner(body)}"
        case ir.Try(body=body, handlers=handlers, orelse=orelse, final=final):
            caught = " ".join(f"except {say(each.type)} {inner(each.body)}" for each in handlers)
            return f"try {inner(body)} {caught} {inner(orelse)} {inner(final)}"
        case ir.FunctionDef(name=name, params=params, body=body):
            return f"def {names.get(name, name)} {parameters(params, names)} {inner(body)}"
        case _:
            return _any(node, names)


def parameters(params: Iterable[ir.Param], names: Names) -> str:
    """A function's parameters, without what they are annotated with."""
    return ", ".join(
        f"{param.kind} {names.get(param.name, param.name)} {expression(param.default, names)}" for param in params
    )


def expression(node: Any, names: Names) -> str:  # noqa: C901 - one case per node
    """One expression; empty for None."""

    def say(part: Any) -> str:
        return expression(part, names)

    match node:
        case None:
            return ""
        case ir.Const(value=value):
            return repr(value)
        case ir.Name(id=name):
            return names.get(name, name)
        case ir.Attr(value=value, name=name):
            return f"{say(value)}.{name}"
        case ir.Item(value=value, index=index):
            return f"{say(value)}[{say(index)}]"
        case ir.SliceExpr(lower=lower, upper=upper, step=step):
            return f"{say(lower)}:{say(upper)}:{say(step)}"
        case ir.Call(func=func, args=args):
            plain = [f"{'*' * arg.star}{say(arg.value)}" for arg in args if arg.name is None]
            named = sorted(f"{arg.name}={say(arg.value)}" for arg in args if arg.name is not None)
            return f"{say(func)}({', '.join([*plain, *named])})"
        case ir.Binary(op=op, left=left, right=right):
            return f"({say(left)} {op} {say(right)})"
        case ir.Unary(op="not", operand=operand) if not isinstance(negated(operand), ir.Unary):
            return say(negated(operand))
        case ir.Unary(op=op, operand=operand):
            return f"({op} {say(operand)})"
        case ir.BoolOp(op=op, values=values):
            return f"({f' {op} '.join(map(say, values))})"
        case ir.Compare(left=left, ops=ops, comparators=comparators):
            rest = " ".join(f"{op} {say(right)}" for op, right in zip(ops, comparators, strict=True))
            return f"{say(left)} {rest}"
        case ir.IfExp(test=test, body=body, orelse=orelse):
            if is_written_negated(test):
                test, body, orelse = negated(test), orelse, body
            return f"({say(body)} if {say(test)} else {say(orelse)})"
        case ir.TupleExpr(items=items):
            return f"({', '.join(map(say, items))})"
        case ir.ListExpr(items=items):
            return f"[{', '.join(map(say, items))}]"
        case ir.Lambda(params=params, body=body):
            return f"lambda {parameters(params, names)}: {say(body)}"
        case _:
            return _any(node, names)


def _any(node: Any, names: Names) -> str:
    """Any other node: its kind and its parts, without lines."""
    if isinstance(node, ir.NamedExpr):
        return f"({names.get(node.target, node.target)} := {expression(node.value, names)})"
    if not isinstance(node, tuple):
        return repr(node)
    fields = getattr(node, "_fields", None)
    if fields is None:
        return f"<{' '.join(_part(each, names) for each in node)}>"
    parts = [
        getattr(node, name) for name in fields if name not in ("line", "end_line", "def_line", "annotation", "doc")
    ]
    return f"{type(node).__name__}<{' '.join(_part(each, names) for each in parts)}>"


def _part(node: Any, names: Names) -> str:
    if isinstance(node, _STATEMENTS):
        return statement(node, names)
    return expression(node, names)


_STATEMENTS = (
    ir.ExprStmt,
    ir.Assign,
    ir.AnnAssign,
    ir.AugAssign,
    ir.Return,
    ir.Raise,
    ir.Assert,
    ir.If,
    ir.For,
    ir.While,
    ir.With,
    ir.Try,
    ir.FunctionDef,
)
