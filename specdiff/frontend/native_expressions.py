"""Lowers expressions of Python's own parser, node by node as `expressions` does those of libcst, with the same lines."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from specdiff.frontend.cursor import last_start
from specdiff.ir import nodes as ir

_BINARY: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_UNARY: dict[type, str] = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Not: "not"}
_COMPARE: dict[type, str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
_CONVERSIONS = {115: "s", 114: "r", 97: "a"}


class Reader:
    """Where the lowering is in a text: the line of the leaf reached last, and where that leaf ends."""

    __slots__ = ("_source", "column", "end", "line", "offset", "yields")

    def __init__(self, text: str, offset: int) -> None:
        self._source = text
        self.yields = "yield" in text
        """Whether there can be a generator in the text."""
        self.offset = offset
        """Added to the parser's lines."""
        self.line = offset + 1
        self.end = 0
        self.column = 0

    def leaf(self, node: Any) -> int:
        """Move to a leaf that stands on one line, and return that line."""
        line: int = node.lineno + self.offset
        self.line = line
        self.end = node.end_lineno
        self.column = node.end_col_offset
        return line

    def string(self, node: Any) -> int:
        """Move to a string of one or more pieces, and return the line of the first."""
        line = self.leaf(node)
        if node.end_lineno != node.lineno:
            lines = self._source.split("\n")[node.lineno - 1 : node.end_lineno]
            first = lines[0].encode("utf-8", "surrogatepass")[node.col_offset :].decode("utf-8", "surrogatepass")
            self.line = line + last_start("\n".join([first, *lines[1:]]), node.end_lineno - node.lineno)
        return line

    def close(self, node: Any) -> int:
        """The line on which a statement ends: that of its last leaf, or of the brackets that follow it."""
        if node.end_lineno != self.end or node.end_col_offset != self.column:
            self.line = node.end_lineno + self.offset
        return self.line


def lower_expression(node: Any, reader: Reader) -> ir.Expr:
    """Lower one expression.

    Raises:
        KeyError: the parser knows a node that this does not.
    """
    return _TABLE[type(node)](node, reader)


def optional(node: Any, reader: Reader) -> ir.Expr | None:
    """Lower an expression that may be absent."""
    return None if node is None else lower_expression(node, reader)


def _name(node: ast.Name, reader: Reader) -> ir.Expr:
    return ir.Name(reader.leaf(node), node.id)


def _constant(node: ast.Constant, reader: Reader) -> ir.Expr:
    value = node.value
    if value is Ellipsis:
        return ir.Ellipsis_(reader.leaf(node))
    if type(value) is str or type(value) is bytes:
        return ir.Const(reader.string(node), value)
    return ir.Const(reader.leaf(node), value)


def _attribute(node: ast.Attribute, reader: Reader) -> ir.Expr:
    value = lower_expression(node.value, reader)
    reader.leaf(node)
    reader.line = line = node.end_lineno + reader.offset  # type: ignore[operator]
    return ir.Attr(line, value, node.attr)


def _formatted(node: ast.JoinedStr, reader: Reader) -> ir.Expr:
    line = reader.string(node)
    after = reader.line
    parts = _parts(node.values, reader, line)
    reader.string(node)
    reader.line = after
    return ir.FString(line, parts)


def _parts(values: Sequence[Any], reader: Reader, line: int) -> tuple[ir.Const | ir.Formatted, ...]:
    parts: list[ir.Const | ir.Formatted] = []
    for value in values:
        if isinstance(value, ast.Constant):
            parts.append(ir.Const(line, value.value))  # type: ignore[arg-type]
            continue
        inner = lower_expression(value.value, reader)
        at = inner.line
        spec = ir.FString(at, _parts(value.format_spec.values, reader, at)) if value.format_spec else None
        parts.append(ir.Formatted(at, inner, _CONVERSIONS.get(value.conversion), spec))
    return tuple(parts)


def _subscript(node: ast.Subscript, reader: Reader) -> ir.Expr:
    value = lower_expression(node.value, reader)
    line = reader.line
    return ir.Item(line, value, lower_expression(node.slice, reader))


def _slice(node: ast.Slice, reader: Reader) -> ir.Expr:
    lower = optional(node.lower, reader)
    upper = optional(node.upper, reader)
    step = optional(node.step, reader)
    return ir.SliceExpr(reader.line, lower, upper, step)


def lower_args(args: Sequence[Any], keywords: Sequence[ast.keyword], reader: Reader) -> tuple[ir.Arg, ...]:
    """Lower the arguments of a call or the bases of a class, in the order of the text."""
    both: list[Any] = [*args, *keywords]
    if args and keywords and _at(args[-1]) > _at(keywords[0]):
        both.sort(key=_at)
    lowered = []
    for item in both:
        if type(item) is ast.keyword:
            if item.arg is not None:
                reader.line = item.lineno + reader.offset
            lowered.append(ir.Arg(2 if item.arg is None else 0, item.arg, lower_expression(item.value, reader)))
        elif type(item) is ast.Starred:
            lowered.append(ir.Arg(1, None, lower_expression(item.value, reader)))
        else:
            lowered.append(ir.Arg(0, None, lower_expression(item, reader)))
    return tuple(lowered)


def _at(node: Any) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _call(node: ast.Call, reader: Reader) -> ir.Expr:
    func = lower_expression(node.func, reader)
    line = reader.line
    args = lower_args(node.args, node.keywords, reader)
    return ir.Call(line, reader.line, func, args)


def _binary(node: ast.BinOp, reader: Reader) -> ir.Expr:
    left = lower_expression(node.left, reader)
    right = lower_expression(node.right, reader)
    return ir.Binary(left.line, _BINARY[type(node.op)], left, right)


def _unary(node: ast.UnaryOp, reader: Reader) -> ir.Expr:
    operand = lower_expression(node.operand, reader)
    op = _UNARY[type(node.op)]
    if op == "-" and isinstance(operand, ir.Const) and type(operand.value) in (int, float):
        return ir.Const(operand.line, -operand.value)  # type: ignore[operator]
    return ir.Unary(operand.line, op, operand)


def _boolean(node: ast.BoolOp, reader: Reader) -> ir.Expr:
    values = tuple([lower_expression(value, reader) for value in node.values])
    return ir.BoolOp(values[0].line, "and" if isinstance(node.op, ast.And) else "or", values)


def _comparison(node: ast.Compare, reader: Reader) -> ir.Expr:
    left = lower_expression(node.left, reader)
    ops = tuple([_COMPARE[type(op)] for op in node.ops])
    return ir.Compare(left.line, left, ops, tuple([lower_expression(item, reader) for item in node.comparators]))


def _ifexp(node: ast.IfExp, reader: Reader) -> ir.Expr:
    body = lower_expression(node.body, reader)
    test = lower_expression(node.test, reader)
    return ir.IfExp(body.line, test, body, lower_expression(node.orelse, reader))


def _starred(node: ast.Starred, reader: Reader) -> ir.Expr:
    value = lower_expression(node.value, reader)
    return ir.Starred(value.line, value)


def _display(kind: type) -> Callable[[Any, Reader], ir.Expr]:
    def lower(node: Any, reader: Reader) -> ir.Expr:
        items = tuple([lower_expression(item, reader) for item in node.elts])
        return kind(items[0].line if items else reader.line, items)  # type: ignore[no-any-return]

    return lower


def _dict(node: ast.Dict, reader: Reader) -> ir.Expr:
    items = []
    line = reader.line
    for key, value in zip(node.keys, node.values, strict=True):
        lowered = optional(key, reader)
        items.append(ir.DictItem(lowered, lower_expression(value, reader)))
        if len(items) == 1:
            line = reader.line
    return ir.DictExpr(line, tuple(items))


def _clauses(generators: Sequence[ast.comprehension], reader: Reader) -> tuple[ir.Clause, ...]:
    clauses = []
    for clause in generators:
        target = lower_expression(clause.target, reader)
        iterable = lower_expression(clause.iter, reader)
        tests = tuple([lower_expression(test, reader) for test in clause.ifs])
        clauses.append(ir.Clause(target, iterable, tests, bool(clause.is_async)))
    return tuple(clauses)


def _comprehension(kind: str) -> Callable[[Any, Reader], ir.Expr]:
    def lower(node: Any, reader: Reader) -> ir.Expr:
        element = lower_expression(node.elt, reader)
        return ir.Comp(element.line, kind, element, None, _clauses(node.generators, reader))

    return lower


def _dict_comp(node: ast.DictComp, reader: Reader) -> ir.Expr:
    key = lower_expression(node.key, reader)
    value = lower_expression(node.value, reader)
    return ir.Comp(key.line, "dict", key, value, _clauses(node.generators, reader))


def _lambda(node: ast.Lambda, reader: Reader) -> ir.Expr:
    reader.line = line = node.lineno + reader.offset
    params = lower_params(node.args, reader)
    body = lower_expression(node.body, reader)
    return ir.Lambda(line, reader.line, params, body)


def lower_params(node: ast.arguments, reader: Reader) -> tuple[ir.Param, ...]:
    """Lower a parameter list."""
    params: list[ir.Param] = []

    def add(param: ast.arg, kind: str, default: Any = None) -> None:
        reader.line = param.lineno + reader.offset
        annotation = optional(param.annotation, reader)
        params.append(ir.Param(param.arg, kind, optional(default, reader), annotation))

    plain = [*node.posonlyargs, *node.args]
    defaults = [*[None] * (len(plain) - len(node.defaults)), *node.defaults]
    for index, (param, default) in enumerate(zip(plain, defaults, strict=True)):
        add(param, "posonly" if index < len(node.posonlyargs) else "plain", default)
    if node.vararg is not None:
        add(node.vararg, "vararg")
    for param, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
        add(param, "kwonly", default)
    if node.kwarg is not None:
        add(node.kwarg, "kwarg")
    return tuple(params)


def _named(node: ast.NamedExpr, reader: Reader) -> ir.Expr:
    line = reader.leaf(node.target)
    return ir.NamedExpr(line, node.target.id, lower_expression(node.value, reader))


def _yield(node: ast.Yield, reader: Reader) -> ir.Expr:
    reader.line = line = node.lineno + reader.offset
    return ir.Yield(line, optional(node.value, reader))


def _yield_from(node: ast.YieldFrom, reader: Reader) -> ir.Expr:
    reader.line = line = node.lineno + reader.offset
    return ir.YieldFrom(line, lower_expression(node.value, reader))


def _await(node: ast.Await, reader: Reader) -> ir.Expr:
    reader.line = line = node.lineno + reader.offset
    return ir.Await(line, lower_expression(node.value, reader))


_TABLE: dict[type, Callable[[Any, Reader], ir.Expr]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.Attribute: _attribute,
    ast.JoinedStr: _formatted,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Call: _call,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _comparison,
    ast.IfExp: _ifexp,
    ast.Starred: _starred,
    ast.Tuple: _display(ir.TupleExpr),
    ast.List: _display(ir.ListExpr),
    ast.Set: _display(ir.SetExpr),
    ast.Dict: _dict,
    ast.ListComp: _comprehension("list"),
    ast.SetComp: _comprehension("set"),
    ast.GeneratorExp: _comprehension("gen"),
    ast.DictComp: _dict_comp,
    ast.Lambda: _lambda,
    ast.NamedExpr: _named,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.Await: _await,
}
