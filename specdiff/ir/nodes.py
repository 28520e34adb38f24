"""Statement and expression nodes, free of any parser's types.

Nodes are named tuples: immutable, compared by structure, and cheap to decode
from the cache. ``line`` is 1-based and counts in the file the code stands in.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Literal: TypeAlias = None | bool | int | float | complex | str | bytes


# --- Expressions -----------------------------------------------------------------------------


class Const(NamedTuple):
    """A literal: None, a bool, a number, a (concatenated) string or bytes."""

    line: int
    value: Literal


class Ellipsis_(NamedTuple):
    """The literal ``...``."""

    line: int


class Name(NamedTuple):
    """A name that is read (or, as a target, bound)."""

    line: int
    id: str


class Attr(NamedTuple):
    """``value.name``."""

    line: int
    value: Expr
    name: str


class Item(NamedTuple):
    """``value[index]``; several indices make ``index`` a `TupleExpr`."""

    line: int
    value: Expr
    index: Expr  # type: ignore[assignment]  # the syntax's word; nobody looks for a value's place in a node


class SliceExpr(NamedTuple):
    """``lower:upper:step`` inside a subscript."""

    line: int
    lower: Expr | None
    upper: Expr | None
    step: Expr | None


class Arg(NamedTuple):
    """One argument of a call or base of a class."""

    star: int
    """0 plain, 1 ``*value``, 2 ``**value``."""
    name: str | None
    value: Expr


class Call(NamedTuple):
    """``func(args)``."""

    line: int
    end_line: int
    func: Expr
    args: tuple[Arg, ...]


class Binary(NamedTuple):
    """``left op right``; ``op`` is one of ``+ - * / // % ** @ & | ^ << >>``."""

    line: int
    op: str
    left: Expr
    right: Expr


class Unary(NamedTuple):
    """``op operand``; ``op`` is one of ``- + ~ not``."""

    line: int
    op: str
    operand: Expr


class BoolOp(NamedTuple):
    """``a and b and c`` (``op`` is ``and`` or ``or``), flattened per operator."""

    line: int
    op: str
    values: tuple[Expr, ...]


class Compare(NamedTuple):
    """A chain; ``ops`` are among ``== != < <= > >= is`` and ``is not``, ``in``, ``not in``."""

    line: int
    left: Expr
    ops: tuple[str, ...]
    comparators: tuple[Expr, ...]


class IfExp(NamedTuple):
    """``body if test else orelse``."""

    line: int
    test: Expr
    body: Expr
    orelse: Expr


class TupleExpr(NamedTuple):
    """``(a, b)``; items may be `Starred`."""

    line: int
    items: tuple[Expr, ...]


class ListExpr(NamedTuple):
    """``[a, b]``; items may be `Starred`."""

    line: int
    items: tuple[Expr, ...]


class SetExpr(NamedTuple):
    """``{a, b}``; items may be `Starred`."""

    line: int
    items: tuple[Expr, ...]


class DictItem(NamedTuple):
    """``key: value``; a ``None`` key is ``**value``."""

    key: Expr | None
    value: Expr


class DictExpr(NamedTuple):
    """``{key: value, **rest}``."""

    line: int
    items: tuple[DictItem, ...]


class Starred(NamedTuple):
    """``*value`` in a display or a target."""

    line: int
    value: Expr


class Clause(NamedTuple):
    """``for target in iter if … if …``."""

    target: Expr
    iter: Expr
    ifs: tuple[Expr, ...]
    is_async: bool


class Comp(NamedTuple):
    """A comprehension; ``kind`` is ``list``, ``set``, ``dict`` or ``gen``; ``value`` only for a dict."""

    line: int
    kind: str
    element: Expr
    value: Expr | None
    clauses: tuple[Clause, ...]


class Formatted(NamedTuple):
    """``{value!conversion:spec}`` in an f-string; the text that ``{value=}`` shows too is a `Const` before it."""

    line: int
    value: Expr
    conversion: str | None
    spec: FString | None


class FString(NamedTuple):
    """An f-string: constant and formatted parts in order, never two constants side by side."""

    line: int
    parts: tuple[Const | Formatted, ...]


class NamedExpr(NamedTuple):
    """``target := value``."""

    line: int
    target: str
    value: Expr


class Lambda(NamedTuple):
    """``lambda params: body``."""

    line: int
    end_line: int
    params: tuple[Param, ...]
    body: Expr


class Yield(NamedTuple):
    """``yield value``."""

    line: int
    value: Expr | None


class YieldFrom(NamedTuple):
    """``yield from value``."""

    line: int
    value: Expr


class Await(NamedTuple):
    """``await value``."""

    line: int
    value: Expr


class Param(NamedTuple):
    """A parameter; ``kind`` is ``posonly``, ``plain``, ``vararg``, ``kwonly`` or ``kwarg``."""

    name: str
    kind: str
    default: Expr | None
    annotation: Expr | None


# --- Statements ------------------------------------------------------------------------------


class ExprStmt(NamedTuple):
    """An expression evaluated for its effect."""

    line: int
    end_line: int
    value: Expr


class Assign(NamedTuple):
    """``t1 = t2 = value``."""

    line: int
    end_line: int
    targets: tuple[Expr, ...]
    value: Expr


class AnnAssign(NamedTuple):
    """``target: annotation = value``; a string annotation stays a `Const`."""

    line: int
    end_line: int
    target: Expr
    annotation: Expr
    value: Expr | None


class AugAssign(NamedTuple):
    """``target op= value``; ``op`` as in `Binary`."""

    line: int
    end_line: int
    target: Expr
    op: str
    value: Expr


class Return(NamedTuple):
    """``return value``."""

    line: int
    end_line: int
    value: Expr | None


class Raise(NamedTuple):
    """``raise exc from cause``."""

    line: int
    end_line: int
    exc: Expr | None
    cause: Expr | None


class Assert(NamedTuple):
    """``assert test, message``."""

    line: int
    end_line: int
    test: Expr
    message: Expr | None


class Delete(NamedTuple):
    """``del targets``."""

    line: int
    end_line: int
    targets: tuple[Expr, ...]


class Pass(NamedTuple):
    """``pass``."""

    line: int
    end_line: int


class Break(NamedTuple):
    """``break``."""

    line: int
    end_line: int


class Continue(NamedTuple):
    """``continue``."""

    line: int
    end_line: int


class Global(NamedTuple):
    """``global names``."""

    line: int
    end_line: int
    names: tuple[str, ...]


class Nonlocal(NamedTuple):
    """``nonlocal names``."""

    line: int
    end_line: int
    names: tuple[str, ...]


class Alias(NamedTuple):
    """``name as asname`` of an import; ``name`` may be dotted for ``import``, ``*`` for ``from``."""

    name: str
    asname: str | None


class Import(NamedTuple):
    """``import a.b as c``."""

    line: int
    end_line: int
    names: tuple[Alias, ...]


class ImportFrom(NamedTuple):
    """``from ..module import names``; ``level`` counts the leading dots."""

    line: int
    end_line: int
    level: int
    module: str
    names: tuple[Alias, ...]


class If(NamedTuple):
    """``if test: body else: orelse``; ``elif`` nests in ``orelse``."""

    line: int
    end_line: int
    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


class For(NamedTuple):
    """``for target in iter: body else: orelse``."""

    line: int
    end_line: int
    target: Expr
    iter: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]
    is_async: bool


class While(NamedTuple):
    """``while test: body else: orelse``."""

    line: int
    end_line: int
    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


class WithItem(NamedTuple):
    """``context as target``."""

    context: Expr
    target: Expr | None


class With(NamedTuple):
    """``with items: body``."""

    line: int
    end_line: int
    items: tuple[WithItem, ...]
    body: tuple[Stmt, ...]
    is_async: bool


class Handler(NamedTuple):
    """``except type as name: body``."""

    line: int
    type: Expr | None
    name: str | None
    body: tuple[Stmt, ...]


class Try(NamedTuple):
    """``try: body except … else: orelse finally: final``."""

    line: int
    end_line: int
    body: tuple[Stmt, ...]
    handlers: tuple[Handler, ...]
    orelse: tuple[Stmt, ...]
    final: tuple[Stmt, ...]


class Case(NamedTuple):
    """``case pattern if guard: body``."""

    line: int
    pattern: Pattern
    guard: Expr | None
    body: tuple[Stmt, ...]


class Match(NamedTuple):
    """``match subject: cases``."""

    line: int
    end_line: int
    subject: Expr
    cases: tuple[Case, ...]


class FunctionDef(NamedTuple):
    """A function whose body is lowered."""

    line: int
    """Line of the first decorator, or of ``def`` where there is none (as in a code object)."""
    end_line: int
    def_line: int
    """Line of ``def``."""
    name: str
    params: tuple[Param, ...]
    decorators: tuple[Expr, ...]
    returns: Expr | None
    body: tuple[Stmt, ...]
    is_async: bool
    is_generator: bool
    doc: str | None


class FunctionStub(NamedTuple):
    """A function whose body is lowered only when it is needed; ``unit`` loads it."""

    line: int
    end_line: int
    def_line: int
    name: str
    decorators: tuple[Expr, ...]
    chunk: int
    """Index into the chunks of the source unit; `SourceUnit.function` turns it into a `FunctionDef`."""


class ClassDef(NamedTuple):
    """A class; methods in ``body`` are `FunctionStub`."""

    line: int
    """Line of the first decorator, or of ``class``."""
    end_line: int
    def_line: int
    name: str
    bases: tuple[Arg, ...]
    decorators: tuple[Expr, ...]
    body: tuple[Stmt, ...]
    doc: str | None


# --- Patterns of match -----------------------------------------------------------------------


class PatValue(NamedTuple):
    """A value compared with ``==`` (or ``is`` for None, True, False)."""

    value: Expr


class PatCapture(NamedTuple):
    """A name that binds; ``None`` is the wildcard."""

    name: str | None


class PatAs(NamedTuple):
    """``pattern as name``."""

    pattern: Pattern
    name: str


class PatOr(NamedTuple):
    """``a | b``."""

    patterns: tuple[Pattern, ...]


class PatStar(NamedTuple):
    """``*name`` in a sequence; ``None`` is ``*_``."""

    name: str | None


class PatSequence(NamedTuple):
    """``[a, *rest]``."""

    items: tuple[Pattern, ...]


class PatMapping(NamedTuple):
    """``{key: pattern, **rest}``."""

    keys: tuple[Expr, ...]
    patterns: tuple[Pattern, ...]
    rest: str | None


class PatClass(NamedTuple):
    """``Class(a, key=b)``."""

    cls: Expr
    patterns: tuple[Pattern, ...]
    keys: tuple[str, ...]
    key_patterns: tuple[Pattern, ...]


Expr: TypeAlias = (
    Const | Ellipsis_ | Name | Attr | Item | SliceExpr | Call | Binary | Unary | BoolOp | Compare | IfExp
    | TupleExpr | ListExpr | SetExpr | DictExpr | Starred | Comp | FString | NamedExpr | Lambda | Yield
    | YieldFrom | Await
)  # fmt: skip
Stmt: TypeAlias = (
    ExprStmt | Assign | AnnAssign | AugAssign | Return | Raise | Assert | Delete | Pass | Break | Continue
    | Global | Nonlocal | Import | ImportFrom | If | For | While | With | Try | Match | FunctionDef
    | FunctionStub | ClassDef
)  # fmt: skip
Pattern: TypeAlias = (
    PatValue | PatCapture | PatAs | PatOr | PatStar | PatSequence | PatMapping | PatClass
)  # fmt: skip
