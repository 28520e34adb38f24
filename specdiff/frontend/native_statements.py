"""Lowers statements of Python's own parser, node by node as `statements` does those of libcst, with the same lines."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from specdiff.frontend.native_expressions import (
    _BINARY,
    Reader,
    lower_args,
    lower_expression,
    lower_params,
    optional,
)
from specdiff.frontend.shape import doc_of, first_line, is_generator, start_of
from specdiff.ir import nodes as ir


def lower_block(body: Sequence[Any], reader: Reader) -> tuple[ir.Stmt, ...]:
    """Lower statements.

    Raises:
        KeyError: the parser knows a node that this does not.
    """
    return tuple([_TABLE[type(node)](node, reader) for node in body])


def _begin(node: Any, reader: Reader) -> int:
    reader.line = line = node.lineno + reader.offset
    return line  # type: ignore[no-any-return]


def _end(body: tuple[ir.Stmt, ...], orelse: tuple[ir.Stmt, ...], reader: Reader) -> int:
    last = (orelse or body)[-1:]
    return last[0].end_line if last else reader.line


def _expr(node: ast.Expr, reader: Reader) -> ir.Stmt:
    value = lower_expression(node.value, reader)
    return ir.ExprStmt(value.line, reader.close(node), value)


def _assign(node: ast.Assign, reader: Reader) -> ir.Stmt:
    targets = tuple([lower_expression(target, reader) for target in node.targets])
    value = lower_expression(node.value, reader)
    return ir.Assign(start_of(targets[0]), reader.close(node), targets, value)


def _annassign(node: ast.AnnAssign, reader: Reader) -> ir.Stmt:
    target = lower_expression(node.target, reader)
    annotation = lower_expression(node.annotation, reader)
    value = optional(node.value, reader)
    return ir.AnnAssign(start_of(target), reader.close(node), target, annotation, value)


def _augassign(node: ast.AugAssign, reader: Reader) -> ir.Stmt:
    target = lower_expression(node.target, reader)
    value = lower_expression(node.value, reader)
    return ir.AugAssign(start_of(target), reader.close(node), target, _BINARY[type(node.op)], value)


def _return(node: ast.Return, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    value = optional(node.value, reader)
    return ir.Return(line, reader.close(node), value)


def _raise(node: ast.Raise, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    exc = optional(node.exc, reader)
    cause = optional(node.cause, reader)
    return ir.Raise(line, reader.close(node), exc, cause)


def _assert(node: ast.Assert, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    test = lower_expression(node.test, reader)
    message = optional(node.msg, reader)
    return ir.Assert(line, reader.close(node), test, message)


def _delete(node: ast.Delete, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    targets = tuple([lower_expression(target, reader) for target in node.targets])
    return ir.Delete(line, line, targets if len(targets) == 1 else (ir.TupleExpr(targets[0].line, targets),))


def _keyword(kind: type) -> Callable[[Any, Reader], ir.Stmt]:
    def lower(node: Any, reader: Reader) -> ir.Stmt:
        line = _begin(node, reader)
        return kind(line, line)  # type: ignore[no-any-return]

    return lower


def _scope(kind: type) -> Callable[[Any, Reader], ir.Stmt]:
    def lower(node: Any, reader: Reader) -> ir.Stmt:
        line = _begin(node, reader)
        return kind(line, line, tuple(node.names))  # type: ignore[no-any-return]

    return lower


def _import(node: ast.Import, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    return ir.Import(line, line, tuple([ir.Alias(name.name, name.asname) for name in node.names]))


def _import_from(node: ast.ImportFrom, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    names = tuple([ir.Alias(name.name, name.asname) for name in node.names])
    reader.line = node.names[-1].end_lineno + reader.offset  # type: ignore[operator]
    return ir.ImportFrom(line, reader.line, node.level, node.module or "", names)


def _if(node: ast.If, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    test = lower_expression(node.test, reader)
    body = lower_block(node.body, reader)
    orelse = lower_block(node.orelse, reader)
    return ir.If(line, _end(body, orelse, reader), test, body, orelse)


def _for(node: Any, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    target = lower_expression(node.target, reader)
    iterable = lower_expression(node.iter, reader)
    body = lower_block(node.body, reader)
    orelse = lower_block(node.orelse, reader)
    return ir.For(line, _end(body, orelse, reader), target, iterable, body, orelse, isinstance(node, ast.AsyncFor))


def _while(node: ast.While, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    test = lower_expression(node.test, reader)
    body = lower_block(node.body, reader)
    orelse = lower_block(node.orelse, reader)
    return ir.While(line, _end(body, orelse, reader), test, body, orelse)


def _with(node: Any, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    items = []
    for item in node.items:
        context = lower_expression(item.context_expr, reader)
        items.append(ir.WithItem(context, optional(item.optional_vars, reader)))
    body = lower_block(node.body, reader)
    return ir.With(line, _end(body, (), reader), tuple(items), body, isinstance(node, ast.AsyncWith))


def _try(node: Any, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    body = lower_block(node.body, reader)
    handlers = []
    for handler in node.handlers:
        at = _begin(handler, reader)
        kind = optional(handler.type, reader)
        handlers.append(ir.Handler(at, kind, handler.name, lower_block(handler.body, reader)))
    orelse = lower_block(node.orelse, reader)
    final = lower_block(node.finalbody, reader)
    last = final or orelse or (handlers[-1].body if handlers else body)
    return ir.Try(line, _end(last, (), reader), body, tuple(handlers), orelse, final)


def _function(node: Any, reader: Reader) -> ir.Stmt:
    decorators = tuple([lower_expression(item, reader) for item in node.decorator_list])
    def_line = _begin(node, reader)
    params = lower_params(node.args, reader)
    returns = optional(node.returns, reader)
    body = lower_block(node.body, reader)
    return ir.FunctionDef(
        first_line(decorators, def_line), _end(body, (), reader), def_line, node.name, params, decorators, returns,
        body, isinstance(node, ast.AsyncFunctionDef), reader.yields and is_generator(body), doc_of(body),
    )  # fmt: skip


def _class(node: ast.ClassDef, reader: Reader) -> ir.Stmt:
    decorators = tuple([lower_expression(item, reader) for item in node.decorator_list])
    def_line = _begin(node, reader)
    bases = (*lower_args(node.bases, (), reader), *lower_args((), node.keywords, reader))
    body = lower_block(node.body, reader)
    return ir.ClassDef(
        first_line(decorators, def_line), _end(body, (), reader), def_line, node.name, bases, decorators, body,
        doc_of(body),
    )  # fmt: skip


def _match(node: ast.Match, reader: Reader) -> ir.Stmt:
    line = _begin(node, reader)
    subject = lower_expression(node.subject, reader)
    cases = []
    for case in node.cases:
        at = _begin(case.pattern, reader)
        pattern = _pattern(case.pattern, reader)
        guard = optional(case.guard, reader)
        cases.append(ir.Case(at, pattern, guard, lower_block(case.body, reader)))
    return ir.Match(line, _end(cases[-1].body, (), reader), subject, tuple(cases))


def _pattern(node: Any, reader: Reader) -> ir.Pattern:
    if isinstance(node, ast.MatchValue):
        return ir.PatValue(lower_expression(node.value, reader))
    if isinstance(node, ast.MatchSingleton):
        return ir.PatValue(ir.Const(_begin(node, reader), node.value))
    if isinstance(node, ast.MatchAs):
        if node.pattern is None:
            return ir.PatCapture(node.name)
        return ir.PatAs(_pattern(node.pattern, reader), node.name or "_")
    if isinstance(node, ast.MatchStar):
        return ir.PatStar(node.name)
    if isinstance(node, ast.MatchMapping):
        keys, patterns = [], []
        for key, pattern in zip(node.keys, node.patterns, strict=True):
            keys.append(lower_expression(key, reader))
            patterns.append(_pattern(pattern, reader))
        return ir.PatMapping(tuple(keys), tuple(patterns), node.rest)
    if isinstance(node, ast.MatchClass):
        cls = lower_expression(node.cls, reader)
        return ir.PatClass(
            cls,
            tuple([_pattern(item, reader) for item in node.patterns]),
            tuple(node.kwd_attrs),
            tuple([_pattern(item, reader) for item in node.kwd_patterns]),
        )
    kind = ir.PatOr if isinstance(node, ast.MatchOr) else ir.PatSequence
    return kind(tuple([_pattern(item, reader) for item in node.patterns]))


_TABLE: dict[type, Callable[[Any, Reader], ir.Stmt]] = {
    ast.Expr: _expr,
    ast.Assign: _assign,
    ast.AnnAssign: _annassign,
    ast.AugAssign: _augassign,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Delete: _delete,
    ast.Pass: _keyword(ir.Pass),
    ast.Break: _keyword(ir.Break),
    ast.Continue: _keyword(ir.Continue),
    ast.Global: _scope(ir.Global),
    ast.Nonlocal: _scope(ir.Nonlocal),
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Match: _match,
}
