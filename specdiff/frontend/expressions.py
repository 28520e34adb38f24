"""Lowers libcst expressions: one function per node class, in a table. Leaves are visited in source order."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import libcst as cst

from specdiff.frontend.cursor import Cursor
from specdiff.ir import nodes as ir

_BINARY: dict[type, str] = {
    cst.Add: "+", cst.Subtract: "-", cst.Multiply: "*", cst.Divide: "/", cst.FloorDivide: "//", cst.Modulo: "%",
    cst.Power: "**", cst.MatrixMultiply: "@", cst.BitAnd: "&", cst.BitOr: "|", cst.BitXor: "^", cst.LeftShift: "<<",
    cst.RightShift: ">>",
}  # fmt: skip
_UNARY: dict[type, str] = {cst.Minus: "-", cst.Plus: "+", cst.BitInvert: "~", cst.Not: "not"}
_COMPARE: dict[type, str] = {
    cst.Equal: "==", cst.NotEqual: "!=", cst.LessThan: "<", cst.LessThanEqual: "<=", cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=", cst.Is: "is", cst.IsNot: "is not", cst.In: "in", cst.NotIn: "not in",
}  # fmt: skip


def lower_expression(node: cst.BaseExpression, cursor: Cursor) -> ir.Expr:
    """Lower one expression."""
    return _TABLE[type(node)](node, cursor)  # type: ignore[no-any-return]


def optional(node: cst.BaseExpression | None, cursor: Cursor) -> ir.Expr | None:
    """Lower an expression that may be absent."""
    return None if node is None else lower_expression(node, cursor)


def _name(node: cst.Name, cursor: Cursor) -> ir.Expr:
    line = cursor.find(node.value)
    if node.value in _CONSTANTS:
        return ir.Const(line, _CONSTANTS[node.value])
    return ir.Name(line, node.value)


_CONSTANTS: dict[str, Any] = {"None": None, "True": True, "False": False}


def _attribute(node: cst.Attribute, cursor: Cursor) -> ir.Expr:
    value = lower_expression(node.value, cursor)
    return ir.Attr(cursor.find(node.attr.value), value, node.attr.value)


def _number(node: Any, cursor: Cursor) -> ir.Expr:
    return ir.Const(cursor.find(node.value), ast.literal_eval(node.value))


def _ellipsis(node: cst.Ellipsis, cursor: Cursor) -> ir.Expr:
    return ir.Ellipsis_(cursor.find("..."))


def _string(node: cst.SimpleString, cursor: Cursor) -> ir.Expr:
    line = cursor.find(node.value)
    return ir.Const(line, ast.literal_eval(node.value))


def _concatenated(node: cst.ConcatenatedString, cursor: Cursor) -> ir.Expr:
    left = lower_expression(node.left, cursor)
    right = lower_expression(node.right, cursor)
    if isinstance(left, ir.Const) and isinstance(right, ir.Const):
        return ir.Const(left.line, left.value + right.value)  # type: ignore[operator]
    parts: list[ir.Const | ir.Formatted] = []
    for piece in (left, right):
        parts.extend(piece.parts if isinstance(piece, ir.FString) else (piece,))  # type: ignore[arg-type]
    return ir.FString(left.line, _joined(parts, left.line))


def _joined(parts: Sequence[ir.Const | ir.Formatted], line: int) -> tuple[ir.Const | ir.Formatted, ...]:
    """Parts of an f-string without two constants side by side; constants stand on the line of the whole."""
    joined: list[ir.Const | ir.Formatted] = []
    for part in parts:
        before = joined[-1] if joined else None
        if isinstance(part, ir.Formatted):
            joined.append(part)
        elif isinstance(before, ir.Const):
            joined[-1] = ir.Const(line, str(before.value) + str(part.value))
        else:
            joined.append(ir.Const(line, part.value))
    return tuple(joined)


def _formatted(node: cst.FormattedString, cursor: Cursor) -> ir.Expr:
    line = cursor.string(node.start)
    raw = "r" in node.start.lower()
    quotes = node.start.lstrip("rRfFbBuU")
    return ir.FString(line, _parts(node.parts, cursor, line, raw, quotes))


def _parts(
    parts: Sequence[Any], cursor: Cursor, line: int, raw: bool, quotes: str
) -> tuple[ir.Const | ir.Formatted, ...]:
    lowered: list[ir.Const | ir.Formatted] = []
    for part in parts:
        if isinstance(part, cst.FormattedStringText):
            text = part.value.replace("{{", "{").replace("}}", "}")
            if not raw and "\\" in text:
                text = ast.literal_eval(quotes + text + quotes)
            lowered.append(ir.Const(line, text))
        else:
            inside = Still(line)
            value = lower_expression(part.expression, inside)  # type: ignore[arg-type]
            spec = None
            if part.format_spec is not None:
                spec = ir.FString(line, _parts(part.format_spec, cursor, line, raw, quotes))
            conversion = part.conversion
            if part.equal is not None:
                shown = cst.Module([]).code_for_node(part.expression) + cst.Module([]).code_for_node(part.equal)
                lowered.append(ir.Const(line, shown))
                conversion = conversion or ("r" if spec is None else None)
            lowered.append(ir.Formatted(line, value, conversion, spec))
    return _joined(lowered, line)


class Still:
    """A cursor that stays on one line (inside f-strings, which are one token)."""

    __slots__ = ("line",)

    def __init__(self, line: int) -> None:
        self.line = line

    def find(self, leaf: str) -> int:
        """The line."""
        return self.line

    string = find

    def close(self) -> int:
        """The line."""
        return self.line


def _subscript(node: cst.Subscript, cursor: Cursor) -> ir.Expr:
    value = lower_expression(node.value, cursor)
    line = cursor.line
    items = [_index(element, cursor) for element in node.slice]
    tuple_like = len(items) > 1 or (len(node.slice) == 1 and isinstance(node.slice[0].comma, cst.Comma))
    index = ir.TupleExpr(items[0].line if items else line, tuple(items)) if tuple_like else items[0]
    return ir.Item(line, value, index)


def _index(element: cst.SubscriptElement, cursor: Cursor) -> ir.Expr:
    inner = element.slice
    if isinstance(inner, cst.Index):
        value = lower_expression(inner.value, cursor)
        return ir.Starred(value.line, value) if getattr(inner, "star", None) else value
    assert isinstance(inner, cst.Slice)
    lower = optional(inner.lower, cursor)
    upper = optional(inner.upper, cursor)
    step = optional(inner.step, cursor)
    return ir.SliceExpr(cursor.line, lower, upper, step)


def lower_args(args: Sequence[cst.Arg], cursor: Cursor) -> tuple[ir.Arg, ...]:
    """Lower the arguments of a call or the bases of a class."""
    lowered = []
    for arg in args:
        name = None
        if arg.keyword is not None:
            cursor.find(arg.keyword.value)
            name = arg.keyword.value
        lowered.append(ir.Arg(len(arg.star), name, lower_expression(arg.value, cursor)))
    return tuple(lowered)


def _call(node: cst.Call, cursor: Cursor) -> ir.Expr:
    func = lower_expression(node.func, cursor)
    line = cursor.line
    args = lower_args(node.args, cursor)
    return ir.Call(line, cursor.line, func, args)


def _binary(node: cst.BinaryOperation, cursor: Cursor) -> ir.Expr:
    left = lower_expression(node.left, cursor)
    right = lower_expression(node.right, cursor)
    return ir.Binary(left.line, _BINARY[type(node.operator)], left, right)


def _unary(node: cst.UnaryOperation, cursor: Cursor) -> ir.Expr:
    operand = lower_expression(node.expression, cursor)
    op = _UNARY[type(node.operator)]
    if op == "-" and isinstance(operand, ir.Const) and type(operand.value) in (int, float):
        return ir.Const(operand.line, -operand.value)  # type: ignore[operator]
    return ir.Unary(operand.line, op, operand)


def _boolean(node: cst.BooleanOperation, cursor: Cursor) -> ir.Expr:
    op = "and" if isinstance(node.operator, cst.And) else "or"
    left = lower_expression(node.left, cursor)
    right = lower_expression(node.right, cursor)
    values: tuple[ir.Expr, ...] = (left, right)
    if isinstance(left, ir.BoolOp) and left.op == op and not node.left.lpar:
        values = (*left.values, right)
    return ir.BoolOp(left.line, op, values)


def _comparison(node: cst.Comparison, cursor: Cursor) -> ir.Expr:
    left = lower_expression(node.left, cursor)
    ops = []
    comparators = []
    for target in node.comparisons:
        ops.append(_COMPARE[type(target.operator)])
        comparators.append(lower_expression(target.comparator, cursor))
    return ir.Compare(left.line, left, tuple(ops), tuple(comparators))


def _ifexp(node: cst.IfExp, cursor: Cursor) -> ir.Expr:
    body = lower_expression(node.body, cursor)
    test = lower_expression(node.test, cursor)
    orelse = lower_expression(node.orelse, cursor)
    return ir.IfExp(body.line, test, body, orelse)


def _elements(elements: Sequence[Any], cursor: Cursor) -> tuple[ir.Expr, ...]:
    lowered: list[ir.Expr] = []
    for element in elements:
        value = lower_expression(element.value, cursor)
        lowered.append(ir.Starred(value.line, value) if isinstance(element, cst.StarredElement) else value)
    return tuple(lowered)


def _display(kind: type) -> Callable[[Any, Cursor], ir.Expr]:
    def lower(node: Any, cursor: Cursor) -> ir.Expr:
        items = _elements(node.elements, cursor)
        return kind(items[0].line if items else cursor.line, items)  # type: ignore[no-any-return]

    return lower


def _dict(node: cst.Dict, cursor: Cursor) -> ir.Expr:
    items = []
    line = cursor.line
    for element in node.elements:
        if isinstance(element, cst.DictElement):
            key = lower_expression(element.key, cursor)
            items.append(ir.DictItem(key, lower_expression(element.value, cursor)))
        else:
            items.append(ir.DictItem(None, lower_expression(element.value, cursor)))
        if len(items) == 1:
            line = cursor.line
    return ir.DictExpr(line, tuple(items))


def _clauses(node: cst.CompFor | None, cursor: Cursor) -> tuple[ir.Clause, ...]:
    clauses = []
    while node is not None:
        target = lower_expression(node.target, cursor)
        iterable = lower_expression(node.iter, cursor)
        tests = tuple(lower_expression(test.test, cursor) for test in node.ifs)
        clauses.append(ir.Clause(target, iterable, tests, node.asynchronous is not None))
        node = node.inner_for_in
    return tuple(clauses)


def _comprehension(kind: str) -> Callable[[Any, Cursor], ir.Expr]:
    def lower(node: Any, cursor: Cursor) -> ir.Expr:
        element = lower_expression(node.elt, cursor)
        return ir.Comp(element.line, kind, element, None, _clauses(node.for_in, cursor))

    return lower


def _dict_comp(node: cst.DictComp, cursor: Cursor) -> ir.Expr:
    key = lower_expression(node.key, cursor)
    value = lower_expression(node.value, cursor)
    return ir.Comp(key.line, "dict", key, value, _clauses(node.for_in, cursor))


def _lambda(node: cst.Lambda, cursor: Cursor) -> ir.Expr:
    line = cursor.find("lambda")
    params = lower_params(node.params, cursor)
    body = lower_expression(node.body, cursor)
    return ir.Lambda(line, cursor.line, params, body)


def lower_params(node: cst.Parameters, cursor: Cursor) -> tuple[ir.Param, ...]:
    """Lower a parameter list."""
    params: list[ir.Param] = []

    def add(param: cst.Param, kind: str) -> None:
        cursor.find(param.name.value)
        annotation = lower_expression(param.annotation.annotation, cursor) if param.annotation is not None else None
        params.append(ir.Param(param.name.value, kind, optional(param.default, cursor), annotation))

    for param in node.posonly_params:
        add(param, "posonly")
    for param in node.params:
        add(param, "plain")
    if isinstance(node.star_arg, cst.Param):
        add(node.star_arg, "vararg")
    for param in node.kwonly_params:
        add(param, "kwonly")
    if node.star_kwarg is not None:
        add(node.star_kwarg, "kwarg")
    return tuple(params)


def _named(node: cst.NamedExpr, cursor: Cursor) -> ir.Expr:
    assert isinstance(node.target, cst.Name)
    line = cursor.find(node.target.value)
    return ir.NamedExpr(line, node.target.value, lower_expression(node.value, cursor))


def _yield(node: cst.Yield, cursor: Cursor) -> ir.Expr:
    line = cursor.find("yield")
    if isinstance(node.value, cst.From):
        return ir.YieldFrom(line, lower_expression(node.value.item, cursor))
    return ir.Yield(line, optional(node.value, cursor))


def _await(node: cst.Await, cursor: Cursor) -> ir.Expr:
    line = cursor.find("await")
    return ir.Await(line, lower_expression(node.expression, cursor))


_TABLE: dict[type, Callable[[Any, Any], Any]] = {
    cst.Name: _name,
    cst.Attribute: _attribute,
    cst.Integer: _number,
    cst.Float: _number,
    cst.Imaginary: _number,
    cst.Ellipsis: _ellipsis,
    cst.SimpleString: _string,
    cst.ConcatenatedString: _concatenated,
    cst.FormattedString: _formatted,
    cst.Subscript: _subscript,
    cst.Call: _call,
    cst.BinaryOperation: _binary,
    cst.UnaryOperation: _unary,
    cst.BooleanOperation: _boolean,
    cst.Comparison: _comparison,
    cst.IfExp: _ifexp,
    cst.Tuple: _display(ir.TupleExpr),
    cst.List: _display(ir.ListExpr),
    cst.Set: _display(ir.SetExpr),
    cst.Dict: _dict,
    cst.ListComp: _comprehension("list"),
    cst.SetComp: _comprehension("set"),
    cst.GeneratorExp: _comprehension("gen"),
    cst.DictComp: _dict_comp,
    cst.Lambda: _lambda,
    cst.NamedExpr: _named,
    cst.Yield: _yield,
    cst.Await: _await,
}
