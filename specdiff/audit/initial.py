"""Tables whose content the weight initialiser writes: which of them are sines and cosines, as far as its text says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from specdiff.audit.subject import body_of
from specdiff.audit.walk import dotted, nodes_in
from specdiff.interp.calls import node_of
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Function
from specdiff.ir import nodes as ir
from specdiff.results import ModuleNode

_INITIALISERS = ("_init_weights", "init_weights", "reset_parameters")


class Written(NamedTuple):
    """One table that the initialiser copies something into."""

    function: Function
    line: int
    module: str
    """Name of the class of the module that it is looked for in; empty for any."""
    path: str
    """The table's name below that module."""
    value: Any
    """The expression that is copied."""
    conditions: tuple[str, ...]
    """Settings that must be true, ``?`` for conditions of another sort."""


def written_sines(
    cls: ClassVal, tree: ModuleNode, name: str, texts: Iterable[str], setting: Callable[[str], Any]
) -> tuple[bool | None, str, int] | None:
    """Whether the initialiser writes sines and cosines into a parameter, with file and line.

    Args:
        cls: The model class.
        tree: Its built modules.
        name: The parameter.
        texts: Source of the files of model code, in which functions are looked for.
        setting: A setting's value by name.

    Returns:
        None where nothing is written into it; an answer of None where a condition is not known.
    """
    for initialiser in _INITIALISERS:
        function = lookup(cls, initialiser)[0]
        if not isinstance(function, Function) or not isinstance(node_of(function), ir.FunctionDef):
            continue
        for item in _written(function):
            if not _means(item, tree, name) or not _sines(item, texts):
                continue
            known = [None if each == "?" else setting(each) for each in item.conditions]
            if any(each is False or each == 0 for each in known if each is not None):
                continue
            return (None if None in known else True), function.file, item.line
    return None


def _written(function: Function) -> Iterator[Written]:
    """Every ``copy_`` into a parameter of the module that the initialiser is given."""
    node = body_of(function)
    names = [param.name for param in node.params if param.name != "self"]
    given = names[0] if names else "self"
    assigned: dict[str, Any] = {}

    def visit(body: tuple[Any, ...], module: str, conditions: tuple[str, ...]) -> Iterator[Written]:
        for item in body:
            match item:
                case ir.If(test=test, body=inner, orelse=orelse):
                    kind = _kind_of(test, given)
                    more = conditions if kind else (*conditions, _setting_of(test))
                    yield from visit(inner, kind or module, more)
                    yield from visit(orelse, module, conditions if kind else (*conditions, "?"))
                case ir.With(body=inner):
                    yield from visit(inner, module, conditions)
                case ir.Assign(targets=(ir.Name(id=target),), value=value):
                    assigned[target] = value
                case ir.ExprStmt(value=ir.Call() as call):
                    found = _copied(call, given)
                    if found is not None:
                        path, value = found
                        value = assigned.get(value.id, value) if isinstance(value, ir.Name) else value
                        yield Written(function, call.line, module, path, value, conditions)

    yield from visit(node.body, "", ())


def _copied(call: ir.Call, given: str) -> tuple[str, Any] | None:
    """(path below the module, value) of ``copy_(module.x.weight, value)`` or ``module.x.weight.copy_(value)``."""
    func = dotted(call.func)
    if func.rpartition(".")[2] != "copy_" or not call.args:
        return None
    target = dotted(call.args[0].value) if len(call.args) > 1 else func.rpartition(".")[0].removesuffix(".data")
    if not target.startswith(f"{given}."):
        return None
    return target.removeprefix(f"{given}."), call.args[-1].value


def _kind_of(test: Any, given: str) -> str:
    """The class in ``isinstance(module, C)``."""
    if isinstance(test, ir.Call) and dotted(test.func) == "isinstance" and len(test.args) == 2:
        if dotted(test.args[0].value) == given:
            return dotted(test.args[1].value).rpartition(".")[2]
    return ""


def _setting_of(test: Any) -> str:
    path = dotted(test)
    return path.rpartition(".")[2] if path.startswith(("self.config.", "config.")) else "?"


def _means(item: Written, tree: ModuleNode, name: str) -> bool:
    """Whether a written table is a parameter of the tree."""
    owner = name.removesuffix(item.path).removesuffix(".")
    if owner == name or (owner and not name.startswith(f"{owner}.")):
        return False
    return not item.module or _class_at(tree, owner.split(".") if owner else []) == item.module


def _class_at(node: ModuleNode, path: list[str]) -> str:
    if not path:
        return node.class_name
    child = next((each for each in node.children if path[0] in each.names), None)
    return _class_at(child, path[1:]) if child is not None else ""


def _sines(item: Written, texts: Iterable[str]) -> bool:
    """Whether the functions that make a value take sines and cosines."""
    called = {dotted(each.func).rpartition(".")[2] for each in nodes_in(item.value) if isinstance(each, ir.Call)}
    for text in texts:
        for name in called:
            for match in re.finditer(rf"def {re.escape(name)}\b.*?(?=\n\s*def |\nclass |\Z)", text, re.DOTALL):
                if re.search(r"\bsin\(", match[0]) and re.search(r"\bcos\(", match[0]):
                    return True
    return False
