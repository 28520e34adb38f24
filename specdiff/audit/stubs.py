"""Functions on the path whose bodies do not do what they are called for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, names_read, nodes_in, real_body
from specdiff.interp.objects import Function
from specdiff.ir import nodes as ir
from specdiff.results import Finding

_SAYS_SO = re.compile(r"identity|noop|no_op|dummy|passthrough|placeholder", re.IGNORECASE)
"""A name that promises no work."""

_HOOKS = re.compile(
    r"^_?(?:validate|check|warn|log|deprecat|assert|ensure|verify|register|unregister|set|reset|on|post_init|maybe)(?:_|$)"
)
"""A function called for its effect on the program, not for a value."""


def stubs(subject: Subject) -> Iterator[Finding]:
    """`stub.empty`, `stub.raises`, `stub.identity`, `stub.constant`."""
    for function in subject.called:
        node = body_of(function) if function.name != "<lambda>" else None
        if node is None or _SAYS_SO.search(function.qualname) or _abstract(node):
            continue
        found = _judged(function, node)
        if found is not None:
            yield found


def _abstract(node: ir.FunctionDef) -> bool:
    return any(dotted(item).endswith("abstractmethod") for item in node.decorators)


def _judged(function: Function, node: ir.FunctionDef) -> Finding | None:
    body = [item for item in real_body(node) if not _only_checks(item)]
    line, name = node.def_line, function.qualname
    if not body:
        if _HOOKS.match(function.name) or (real_body(node) and not _placeholder(node)):
            return None
        return finding("stub.empty", function.file, line, f"{name} is called and does nothing", end_line=node.end_line)
    if len(body) == 1 and isinstance(body[0], ir.Raise) and _not_implemented(body[0]):
        return finding("stub.raises", function.file, line, f"{name} only raises NotImplementedError")
    if len(body) == 1 and isinstance(body[0], ir.Return):
        return _returned(function, node, body[0].value)
    return None


def _placeholder(node: ir.FunctionDef) -> bool:
    """Whether a body consists of ``pass`` and ``...`` alone."""
    return all(
        isinstance(item, ir.Pass) or (isinstance(item, ir.ExprStmt) and isinstance(item.value, ir.Ellipsis_))
        for item in real_body(node)
    )


def _only_checks(node: ir.Stmt) -> bool:
    """Whether a statement can change nothing that is returned."""
    match node:
        case ir.Pass() | ir.Assert() | ir.Delete():
            return True
        case ir.ExprStmt():
            return isinstance(node.value, ir.Ellipsis_ | ir.Const)
        case ir.If():
            return not node.orelse and all(isinstance(item, ir.Raise) for item in node.body)
        case _:
            return False


def _not_implemented(node: ir.Raise) -> bool:
    exc = node.exc.func if isinstance(node.exc, ir.Call) else node.exc
    return dotted(exc) in ("NotImplementedError", "NotImplemented")


def _parameters(node: ir.FunctionDef) -> list[str]:
    return [item.name for item in node.params if item.kind in ("posonly", "plain", "kwonly")]


def _returned(function: Function, node: ir.FunctionDef, value: ir.Expr | None) -> Finding | None:
    own = _parameters(node)
    given = own[1:] if own and own[0] in ("self", "cls") else own
    if not given:
        return None
    items = list(value.items) if isinstance(value, ir.TupleExpr) else [value]
    plain = [item.id for item in items if isinstance(item, ir.Name)]
    used = names_read(node.body)
    is_forward = function.name == "forward"
    if plain and len(plain) == len([item for item in items if not _is_none(item)]) and set(plain) <= set(given):
        idle = [name for name in given if name not in used]
        if is_forward or idle:
            told = f"; {', '.join(idle)} {'is' if len(idle) == 1 else 'are'} never read" if idle else ""
            return finding(
                "stub.identity", function.file, node.def_line,
                f"{function.qualname} returns {', '.join(plain)} unchanged{told}", end_line=node.end_line,
            )  # fmt: skip
        return None
    if is_forward and not any(isinstance(item, ir.Name) for item in nodes_in(value)):
        return finding(
            "stub.constant", function.file, node.def_line,
            f"{function.qualname} returns a constant whatever it is given", end_line=node.end_line,
        )  # fmt: skip
    return None


def _is_none(node: ir.Expr | None) -> bool:
    return node is None or (isinstance(node, ir.Const) and node.value is None)
