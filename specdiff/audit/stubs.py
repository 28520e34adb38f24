"""Functions on the path whose bodies do not do what they are called for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import UNFINISHED, dotted, names_read, nodes_in, real_body
from specdiff.interp.objects import ClassVal, Function
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
    told: set[tuple[str, int]] = set()
    for function in subject.called:
        if function.name == "<lambda>":
            continue
        node = body_of(function)
        if _SAYS_SO.search(function.qualname) or _abstract(node):
            continue
        found = _judged(function, node) or _blank(function, node)
        if found is not None:
            told.update((function.file, line) for line in range(node.line, node.end_line + 1))
            yield found
    for function in subject.constructors:
        yield from _lambdas(function)
    failed = _raised(subject)
    if failed is not None and (failed.primary.file, failed.primary.line) not in told:
        yield failed


def _lambdas(function: Function) -> Iterator[Finding]:
    """Attributes that a constructor gives a lambda which returns its first argument and never reads the others."""
    for item in nodes_in(body_of(function).body):
        match item:
            case ir.Assign(targets=(ir.Attr(name=name),), value=ir.Lambda(params=params, body=ir.Name(id=returned))):
                given = [each.name for each in params if each.kind in ("posonly", "plain", "kwonly")]
                if len(given) > 1 and returned == given[0]:
                    owner = function.qualname.rpartition(".")[0]
                    yield finding(
                        "stub.identity", function.file, item.line,
                        f"{name} of {owner} returns {returned} unchanged; {', '.join(given[1:])} never read",
                    )  # fmt: skip
            case _:
                pass


def _raised(subject: Subject) -> Finding | None:
    """A call that ends in NotImplementedError whatever the settings are: at the top of a body, or of a module without
    ``forward``."""
    failure = subject.failure
    if failure is None or failure.kind != "NotImplementedError":
        return None
    place = next((place for place in failure.places if not place.file.startswith("<")), None)
    if place is None:
        return None
    missing = _NO_FORWARD.search(failure.message)
    if missing is not None and failure.places[0].file.startswith("<"):
        if missing[1] == subject.built.cls.name:
            return None  # a base class, whose own verdict says so
        return finding("forward.missing", place.file, place.line, f"{missing[1]} is called here and has no forward")
    for function in subject.path:
        node = body_of(function)
        if function.file == place.file and any(
            isinstance(item, ir.Raise) and item.line <= place.line <= item.end_line for item in node.body
        ):
            return finding("stub.raises", place.file, place.line, f"{function.qualname} ends in NotImplementedError")
    return None


_NO_FORWARD = re.compile(r"Module \[(\w+)\] is missing the required")


def _blank(function: Function, node: ir.FunctionDef) -> Finding | None:
    """A ``forward`` that takes something and returns only tensors that it fills with a constant or with noise."""
    given = _parameters(node)[1:]
    if function.name != "forward" or not given:
        return None
    made: dict[str, bool] = {}
    returned: list[bool] = []
    for item in nodes_in(node.body):
        match item:
            case ir.Assign(targets=targets, value=value):
                blank = _is_blank(value, made)
                for target in targets:
                    for name in names_read(target):
                        made[name] = blank and made.get(name, True) and isinstance(target, ir.Name)
            case ir.AugAssign(target=target) | ir.For(target=target):
                made.update(dict.fromkeys(names_read(target), False))
            case ir.Return(value=value):
                returned.append(_is_blank(value, made))
            case ir.ExprStmt(value=ir.Call(func=ir.Attr(value=ir.Name(id=name)))):
                made[name] = False  # it may be filled in place
            case ir.Yield() | ir.FunctionDef():
                return None
            case _:
                pass
    if not returned or not all(returned):
        return None
    return finding(
        "stub.constant", function.file, node.def_line,
        f"{function.qualname} returns tensors that it makes without what it is given", end_line=node.end_line,
    )  # fmt: skip


_MAKERS = frozenset(
    "zeros ones empty full rand randn randint zeros_like ones_like empty_like full_like rand_like randn_like".split()
)
_MAKERS_OF = frozenset({"new_zeros", "new_ones", "new_empty", "new_full"})


def _is_blank(value: ir.Expr | None, made: dict[str, bool]) -> bool:
    """Whether a value holds only tensors that were made without data, of whatever shape."""
    match value:
        case ir.Call(func=ir.Attr(value=ir.Name(id="torch"), name=name)):
            return name in _MAKERS
        case ir.Call(func=ir.Attr(value=inner, name=name)):
            return name in _MAKERS_OF or (name in _KEEPING and _is_blank(inner, made))
        case ir.Name(id=name):
            return made.get(name, False)
        case ir.TupleExpr(items=items):
            return any(_is_blank(item, made) for item in items) and all(
                _is_none(item) or _is_blank(item, made) for item in items
            )
        case ir.Binary(left=left, right=right):
            sides = [item for item in (left, right) if not isinstance(item, ir.Const)]
            return bool(sides) and all(_is_blank(item, made) for item in sides)
        case _:
            return False


_KEEPING = frozenset(
    "to float half view reshape transpose permute expand unsqueeze squeeze contiguous clone detach type_as softmax requires_grad_".split()
)


def placeholders(subject: Subject) -> Iterator[Finding]:
    """`stub.placeholder`: an ``nn.Identity`` that a comment calls unfinished, a base class that is a name and no more."""
    for function in subject.constructors:
        unit = function.unit
        for item in body_of(function).body:
            if unit is None or not isinstance(item, ir.Assign) or not isinstance(item.value, ir.Call):
                continue
            if dotted(item.value.func).rpartition(".")[2] != "Identity":
                continue
            if any(
                item.line - 1 <= comment.line <= item.end_line and UNFINISHED.search(comment.text)
                for comment in unit.comments
            ):
                name = ", ".join(dotted(target) for target in item.targets)
                owner = function.qualname.rpartition(".")[0]
                yield finding(
                    "stub.placeholder",
                    function.file,
                    item.line,
                    f"{name} of {owner} is an identity that stands for a module to come",
                )
    for cls in subject.classes:
        if cls.node is not None and _is_empty(cls):
            yield finding("stub.placeholder", cls.file, cls.line, f"the class {cls.qualname} has a name and no body")


def _is_empty(cls: ClassVal) -> bool:
    """Whether a class that derives from nothing has no member."""
    assert cls.node is not None
    if cls.node.bases or cls.node.decorators or getattr(cls.node, "keywords", ()):
        return False
    return all(
        isinstance(item, ir.Pass) or (isinstance(item, ir.ExprStmt) and isinstance(item.value, ir.Const | ir.Ellipsis_))
        for item in cls.node.body
    )


def repeated(subject: Subject) -> Iterator[Finding]:
    """`module.shared`: ``ModuleList([Layer(…)] * n)`` builds one layer and names it n times."""
    for function in subject.constructors:
        for call in nodes_in(body_of(function).body):
            if not isinstance(call, ir.Call) or dotted(call.func).rpartition(".")[2] not in (
                "ModuleList",
                "Sequential",
            ):
                continue
            for item in nodes_in(call.args):
                if (
                    isinstance(item, ir.Binary)
                    and item.op == "*"
                    and _builds(item.left if isinstance(item.left, ir.ListExpr) else item.right)
                ):
                    owner = function.qualname.rpartition(".")[0]
                    yield finding(
                        "module.shared",
                        function.file,
                        item.line,
                        f"{owner} builds one module and lists it several times, with the same weights",
                    )


def _builds(node: ir.Expr) -> bool:
    return isinstance(node, ir.ListExpr) and any(
        isinstance(item, ir.Call) and dotted(item.func).rpartition(".")[2][:1].isupper() for item in node.items
    )


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
