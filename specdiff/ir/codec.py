"""The IR as compact lists for the cache. Lines are kept relative to the chunk, so equal code in two files is equal."""

from __future__ import annotations

from typing import Any

from specdiff.ir import nodes as ir

_CLASSES: tuple[type, ...] = (
    ir.Const, ir.Ellipsis_, ir.Name, ir.Attr, ir.Item, ir.SliceExpr, ir.Arg, ir.Call, ir.Binary, ir.Unary, ir.BoolOp,
    ir.Compare, ir.IfExp, ir.TupleExpr, ir.ListExpr, ir.SetExpr, ir.DictItem, ir.DictExpr, ir.Starred, ir.Clause, ir.Comp,
    ir.Formatted, ir.FString, ir.NamedExpr, ir.Lambda, ir.Yield, ir.YieldFrom, ir.Await, ir.Param, ir.ExprStmt, ir.Assign,
    ir.AnnAssign, ir.AugAssign, ir.Return, ir.Raise, ir.Assert, ir.Delete, ir.Pass, ir.Break, ir.Continue, ir.Global,
    ir.Nonlocal, ir.Alias, ir.Import, ir.ImportFrom, ir.If, ir.For, ir.While, ir.WithItem, ir.With, ir.Handler, ir.Try,
    ir.Case, ir.Match, ir.FunctionDef, ir.FunctionStub, ir.ClassDef, ir.PatValue, ir.PatCapture, ir.PatAs, ir.PatOr,
    ir.PatStar, ir.PatSequence, ir.PatMapping, ir.PatClass,
)  # fmt: skip
_TUPLE = -1
_LITERAL = -2
_TAGS = {cls: tag for tag, cls in enumerate(_CLASSES)}
_LINE_FIELDS = frozenset({"line", "end_line", "def_line"})
_LINES = tuple(len(_LINE_FIELDS.intersection(cls._fields)) for cls in _CLASSES)  # type: ignore[attr-defined]
_PLAIN = frozenset({str, int, bool, type(None)})


def encode(value: Any, base: int) -> Any:
    """A node, or a tuple of nodes, as nested lists; ``base`` is subtracted from every line."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    tag = _TAGS.get(kind)
    if tag is not None:
        if kind is ir.Const and type(value.value) not in _PLAIN:
            return [tag, value.line - base, [_LITERAL, type(value.value).__name__, _literal(value.value)]]
        count = _LINES[tag]
        return [tag, *[line - base for line in value[:count]], *[encode(item, base) for item in value[count:]]]
    return [_TUPLE, *[encode(item, base) for item in value]]


def _literal(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return repr(value)


def decode(data: Any, base: int) -> Any:
    """The inverse of `encode`."""
    if type(data) is not list:
        return data
    tag = data[0]
    if tag == _TUPLE:
        return tuple([decode(item, base) if type(item) is list else item for item in data[1:]])
    if tag == _LITERAL:
        kind, text = data[1], data[2]
        return bytes.fromhex(text) if kind == "bytes" else float(text) if kind == "float" else complex(text)
    count = _LINES[tag]
    fields = [decode(item, base) if type(item) is list else item for item in data[1:]]
    for index in range(count):
        fields[index] += base
    return tuple.__new__(_CLASSES[tag], fields)
