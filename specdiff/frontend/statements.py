"""Lowers libcst statements: one function per node class, in a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from specdiff.frontend.cursor import Cursor
from specdiff.frontend.expressions import lower_args, lower_expression, lower_params, optional
from specdiff.frontend.shape import doc_of, first_line, is_generator, start_of
from specdiff.ir import nodes as ir

_AUGMENTED: dict[type, str] = {
    cst.AddAssign: "+", cst.SubtractAssign: "-", cst.MultiplyAssign: "*", cst.DivideAssign: "/",
    cst.FloorDivideAssign: "//", cst.ModuloAssign: "%", cst.PowerAssign: "**", cst.MatrixMultiplyAssign: "@",
    cst.BitAndAssign: "&", cst.BitOrAssign: "|", cst.BitXorAssign: "^", cst.LeftShiftAssign: "<<", cst.RightShiftAssign: ">>",
}  # fmt: skip


def lower_block(body: Sequence[Any], cursor: Cursor) -> tuple[ir.Stmt, ...]:
    """Lower statements; a line with several gives several."""
    lowered: list[ir.Stmt] = []
    for node in body:
        if isinstance(node, cst.SimpleStatementLine | cst.SimpleStatementSuite):
            for small in node.body:
                lowered.append(_SMALL[type(small)](small, cursor))
        else:
            lowered.append(_COMPOUND[type(node)](node, cursor))
    return tuple(lowered)


def _suite(node: Any, cursor: Cursor) -> tuple[ir.Stmt, ...]:
    return lower_block(node.body if isinstance(node, cst.IndentedBlock) else [node], cursor)


def _expr(node: cst.Expr, cursor: Cursor) -> ir.Stmt:
    value = lower_expression(node.value, cursor)
    return ir.ExprStmt(value.line, cursor.close(), value)


def _assign(node: cst.Assign, cursor: Cursor) -> ir.Stmt:
    targets = tuple(lower_expression(target.target, cursor) for target in node.targets)
    value = lower_expression(node.value, cursor)
    return ir.Assign(start_of(targets[0]), cursor.close(), targets, value)


def _annassign(node: cst.AnnAssign, cursor: Cursor) -> ir.Stmt:
    target = lower_expression(node.target, cursor)
    annotation = lower_expression(node.annotation.annotation, cursor)
    value = optional(node.value, cursor)
    return ir.AnnAssign(start_of(target), cursor.close(), target, annotation, value)


def _augassign(node: cst.AugAssign, cursor: Cursor) -> ir.Stmt:
    target = lower_expression(node.target, cursor)
    value = lower_expression(node.value, cursor)
    return ir.AugAssign(start_of(target), cursor.close(), target, _AUGMENTED[type(node.operator)], value)


def _return(node: cst.Return, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("return")
    value = optional(node.value, cursor)
    return ir.Return(line, cursor.close(), value)


def _raise(node: cst.Raise, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("raise")
    exc = optional(node.exc, cursor)
    cause = lower_expression(node.cause.item, cursor) if node.cause is not None else None
    return ir.Raise(line, cursor.close(), exc, cause)


def _assert(node: cst.Assert, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("assert")
    test = lower_expression(node.test, cursor)
    message = optional(node.msg, cursor)
    return ir.Assert(line, cursor.close(), test, message)


def _delete(node: cst.Del, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("del")
    return ir.Delete(line, cursor.line, (lower_expression(node.target, cursor),))


def _keyword(kind: type, word: str) -> Callable[[Any, Cursor], ir.Stmt]:
    def lower(node: Any, cursor: Cursor) -> ir.Stmt:
        line = cursor.find(word)
        return kind(line, line)  # type: ignore[no-any-return]

    return lower


def _scope(kind: type, word: str) -> Callable[[Any, Cursor], ir.Stmt]:
    def lower(node: Any, cursor: Cursor) -> ir.Stmt:
        line = cursor.find(word)
        return kind(line, line, tuple(item.name.value for item in node.names))  # type: ignore[no-any-return]

    return lower


def _dotted(node: Any) -> str:
    return f"{_dotted(node.value)}.{node.attr.value}" if isinstance(node, cst.Attribute) else str(node.value)


def _alias(node: cst.ImportAlias) -> ir.Alias:
    asname = node.asname.name.value if node.asname is not None and isinstance(node.asname.name, cst.Name) else None
    return ir.Alias(_dotted(node.name), asname)


def _import(node: cst.Import, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("import")
    return ir.Import(line, line, tuple(_alias(name) for name in node.names))


def _import_from(node: cst.ImportFrom, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("from")
    cursor.find("import")
    module = _dotted(node.module) if node.module is not None else ""
    if isinstance(node.names, cst.ImportStar):
        names: tuple[ir.Alias, ...] = (ir.Alias("*", None),)
    else:
        names = tuple(_alias(name) for name in node.names)
        for name in names:
            cursor.find(name.asname or name.name)
    return ir.ImportFrom(line, cursor.line, len(node.relative), module, names)


def _type_alias(node: Any, cursor: Cursor) -> ir.Stmt:
    line = cursor.find(node.name.value)
    value = lower_expression(node.value, cursor)
    return ir.Assign(line, cursor.line, (ir.Name(line, node.name.value),), value)


def _if(node: cst.If, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("if")  # `elif` is its own token, and keeps the line of its test below
    test = lower_expression(node.test, cursor)
    body = _suite(node.body, cursor)
    orelse: tuple[ir.Stmt, ...] = ()
    if isinstance(node.orelse, cst.If):
        orelse = (_elif(node.orelse, cursor),)
    elif node.orelse is not None:
        cursor.find("else")
        orelse = _suite(node.orelse.body, cursor)
    return ir.If(line, _end(body, orelse, cursor), test, body, orelse)


def _elif(node: cst.If, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("elif")
    test = lower_expression(node.test, cursor)
    body = _suite(node.body, cursor)
    orelse: tuple[ir.Stmt, ...] = ()
    if isinstance(node.orelse, cst.If):
        orelse = (_elif(node.orelse, cursor),)
    elif node.orelse is not None:
        cursor.find("else")
        orelse = _suite(node.orelse.body, cursor)
    return ir.If(line, _end(body, orelse, cursor), test, body, orelse)


def _end(body: tuple[ir.Stmt, ...], orelse: tuple[ir.Stmt, ...], cursor: Cursor) -> int:
    last = (orelse or body)[-1:]
    return last[0].end_line if last else cursor.line


def _orelse(node: cst.Else | None, cursor: Cursor) -> tuple[ir.Stmt, ...]:
    if node is None:
        return ()
    cursor.find("else")
    return _suite(node.body, cursor)


def _for(node: cst.For, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("for")
    target = lower_expression(node.target, cursor)
    iterable = lower_expression(node.iter, cursor)
    body = _suite(node.body, cursor)
    orelse = _orelse(node.orelse, cursor)
    return ir.For(line, _end(body, orelse, cursor), target, iterable, body, orelse, node.asynchronous is not None)


def _while(node: cst.While, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("while")
    test = lower_expression(node.test, cursor)
    body = _suite(node.body, cursor)
    orelse = _orelse(node.orelse, cursor)
    return ir.While(line, _end(body, orelse, cursor), test, body, orelse)


def _with(node: cst.With, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("with")
    items = []
    for item in node.items:
        context = lower_expression(item.item, cursor)
        target = lower_expression(item.asname.name, cursor) if item.asname is not None else None
        items.append(ir.WithItem(context, target))
    body = _suite(node.body, cursor)
    return ir.With(line, _end(body, (), cursor), tuple(items), body, node.asynchronous is not None)


def _try(node: Any, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("try")
    body = _suite(node.body, cursor)
    handlers = []
    for handler in node.handlers:
        at = cursor.find("except")
        kind = optional(handler.type, cursor)
        name = handler.name.name.value if handler.name is not None else None
        if name is not None:
            cursor.find(name)
        handlers.append(ir.Handler(at, kind, name, _suite(handler.body, cursor)))
    orelse = _orelse(node.orelse, cursor)
    final: tuple[ir.Stmt, ...] = ()
    if node.finalbody is not None:
        cursor.find("finally")
        final = _suite(node.finalbody.body, cursor)
    last = final or orelse or (handlers[-1].body if handlers else body)
    return ir.Try(line, _end(last, (), cursor), body, tuple(handlers), orelse, final)


def _function(node: cst.FunctionDef, cursor: Cursor) -> ir.Stmt:
    decorators = tuple(lower_expression(item.decorator, cursor) for item in node.decorators)
    def_line = cursor.find("def")
    cursor.find(node.name.value)
    params = lower_params(node.params, cursor)
    returns = lower_expression(node.returns.annotation, cursor) if node.returns is not None else None
    body = _suite(node.body, cursor)
    first = first_line(decorators, def_line)
    asynchronous = node.asynchronous is not None
    return ir.FunctionDef(
        first, _end(body, (), cursor), def_line, node.name.value, params, decorators, returns, body, asynchronous,
        cursor.yields and is_generator(body), doc_of(body),
    )  # fmt: skip


def _class(node: cst.ClassDef, cursor: Cursor) -> ir.Stmt:
    decorators = tuple(lower_expression(item.decorator, cursor) for item in node.decorators)
    def_line = cursor.find("class")
    cursor.find(node.name.value)
    bases = (*lower_args(node.bases, cursor), *lower_args(node.keywords, cursor))
    body = _suite(node.body, cursor)
    return ir.ClassDef(
        first_line(decorators, def_line),
        _end(body, (), cursor),
        def_line,
        node.name.value,
        bases,
        decorators,
        body,
        doc_of(body),
    )


def _match(node: cst.Match, cursor: Cursor) -> ir.Stmt:
    line = cursor.find("match")
    subject = lower_expression(node.subject, cursor)
    cases = []
    for case in node.cases:
        at = cursor.find("case")
        pattern = lower_pattern(case.pattern, cursor)
        guard = optional(case.guard, cursor)
        cases.append(ir.Case(at, pattern, guard, _suite(case.body, cursor)))
    return ir.Match(line, _end(cases[-1].body, (), cursor), subject, tuple(cases))


def lower_pattern(node: Any, cursor: Cursor) -> ir.Pattern:
    """Lower a pattern of a ``match`` statement."""
    if isinstance(node, cst.MatchValue | cst.MatchSingleton):
        return ir.PatValue(lower_expression(node.value, cursor))
    if isinstance(node, cst.MatchAs):
        name = node.name.value if node.name is not None else None
        if node.pattern is None:
            return ir.PatCapture(name)
        return ir.PatAs(lower_pattern(node.pattern, cursor), name or "_")
    if isinstance(node, cst.MatchOr):
        return ir.PatOr(tuple(lower_pattern(item.pattern, cursor) for item in node.patterns))
    if isinstance(node, cst.MatchStar):
        return ir.PatStar(node.name.value if node.name is not None else None)
    if isinstance(node, cst.MatchList | cst.MatchTuple):
        return ir.PatSequence(tuple(_element(item, cursor) for item in node.patterns))
    if isinstance(node, cst.MatchMapping):
        keys = []
        patterns = []
        for element in node.elements:
            keys.append(lower_expression(element.key, cursor))
            patterns.append(lower_pattern(element.pattern, cursor))
        return ir.PatMapping(tuple(keys), tuple(patterns), node.rest.value if node.rest is not None else None)
    assert isinstance(node, cst.MatchClass)
    cls = lower_expression(node.cls, cursor)
    return ir.PatClass(
        cls,
        tuple(_element(item, cursor) for item in node.patterns),
        tuple(item.key.value for item in node.kwds),
        tuple(lower_pattern(item.pattern, cursor) for item in node.kwds),
    )


def _element(item: Any, cursor: Cursor) -> ir.Pattern:
    return lower_pattern(item if isinstance(item, cst.MatchStar) else item.value, cursor)


_SMALL: dict[type, Callable[[Any, Any], ir.Stmt]] = {
    cst.Expr: _expr,
    cst.Assign: _assign,
    cst.AnnAssign: _annassign,
    cst.AugAssign: _augassign,
    cst.Return: _return,
    cst.Raise: _raise,
    cst.Assert: _assert,
    cst.Del: _delete,
    cst.Pass: _keyword(ir.Pass, "pass"),
    cst.Break: _keyword(ir.Break, "break"),
    cst.Continue: _keyword(ir.Continue, "continue"),
    cst.Global: _scope(ir.Global, "global"),
    cst.Nonlocal: _scope(ir.Nonlocal, "nonlocal"),
    cst.Import: _import,
    cst.ImportFrom: _import_from,
    cst.TypeAlias: _type_alias,
}
_COMPOUND: dict[type, Callable[[Any, Any], ir.Stmt]] = {
    cst.If: _if,
    cst.For: _for,
    cst.While: _while,
    cst.With: _with,
    cst.Try: _try,
    cst.TryStar: _try,
    cst.FunctionDef: _function,
    cst.ClassDef: _class,
    cst.Match: _match,
}
