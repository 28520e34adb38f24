"""Branches on the path that settings of the configuration decide, each with its condition as plain data.

Whether a branch runs is worked out later, for any configuration (`specdiff.review.gates`). A condition is read where it
is made of settings, literals, comparisons and logic; what else it has is unknown there, and an unknown never rules a
branch out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from specdiff.audit.settings import configs
from specdiff.audit.subject import Subject, body_of, methods
from specdiff.audit.walk import Block, dotted, nodes_in
from specdiff.interp.calls import node_of
from specdiff.interp.classes import Annotation
from specdiff.interp.objects import ClassVal, Function, Instance
from specdiff.ir import nodes as ir
from specdiff.results import Branch

Test = Any
"""A condition: a tuple with an operator first (`setting`, `const`, `not`, `and`, `or`, a comparison), or `UNKNOWN`."""
UNKNOWN: Test = ("unknown",)
_DEPTH = 6
"""Names that stand for names, at most."""
_PLAIN = (type(None), bool, int, float, str, list, tuple, dict)
_REPORTING = re.compile(r"(?:^|\.)(?:warn\w*|log\w*|print|info|debug)(?:\.|$)")
_NOTHING = re.compile(r"(?:^|\.)Identity$")


def branches(subject: Subject) -> tuple[Branch, ...]:
    """The branches of the functions on the path, constructors among them."""
    if not isinstance(subject.built.config, Instance):
        return ()
    parts = dict(_parts(subject.built.config, ""))
    own = _declared(subject, list(parts.values())) - _of_calls(subject)
    if not own:
        return ()
    found: list[Branch] = []
    known: dict[int, list[_Line]] = {}
    holders = _holders(subject, {id(part): path for path, part in parts.items()})
    for function in subject.path:
        owner = function.owner if isinstance(function.owner, ClassVal) else None
        paths = sorted(holders.get(id(owner), ())) if owner is not None else []
        kin = [cls for cls in subject.classes if owner in cls.mro or cls in owner.mro] if owner is not None else []
        made = _assigned(kin, known)
        readers = [_Reader(function, path, parts, own, made) for path in paths or _likely(parts)]
        found += _Walk(function, readers).branches()
    return tuple(found)


def _parts(config: Instance, path: str, depth: int = 0) -> Iterator[tuple[str, Instance]]:
    """A configuration and its parts by dotted path."""
    yield path, config
    for name, value in config.attrs.items():
        if isinstance(value, Instance) and "config" in value.cls.flags and depth < _DEPTH and not name.startswith("_"):
            yield from _parts(value, f"{path}{name}.", depth + 1)


def _likely(parts: dict[str, Instance]) -> list[str]:
    """Where a ``config`` is nobody's attribute, it is the only one there is."""
    return list(parts) if len(parts) == 1 else []


def _holders(subject: Subject, paths: dict[int, str]) -> dict[int, set[str]]:
    """By class: the parts of the configuration that its built modules keep."""
    found: dict[int, set[str]] = defaultdict(set)
    for module in subject.modules:
        part = paths.get(id(module.instance.attrs.get("config")))
        for cls in module.instance.cls.mro:
            if part is not None and isinstance(cls, ClassVal):
                found[id(cls)].add(part)
    return found


def _declared(subject: Subject, parts: list[Instance]) -> set[str]:
    """Settings that the model's own configuration classes define, those of every model left out."""
    names: set[str] = set()
    for config in configs(subject) or parts:
        for owner in config.cls.mro:
            if not isinstance(owner, ClassVal) or not subject.is_model_code(owner):
                continue
            annotations = owner.attrs.get("__annotations__")
            if isinstance(annotations, dict):
                names |= {name for name, each in annotations.items() if isinstance(each, Annotation)}
            made = owner.attrs.get("__init__")
            if isinstance(made, Function) and isinstance(node_of(made), ir.FunctionDef):
                names |= {param.name for param in body_of(made).params[1:] if param.kind in ("plain", "kwonly")}
    return names


def _of_calls(subject: Subject) -> set[str]:
    """Settings that a call may override, as arguments of ``forward``: what they choose is the caller's matter."""
    names: set[str] = set()
    for module in subject.modules:
        forward = next((f for name, f in methods(module.instance.cls) if name == "forward"), None)
        if forward is not None and isinstance(node_of(forward), ir.FunctionDef):
            names |= {param.name for param in body_of(forward).params}
    return names


class _Reader:
    """Reads the conditions of one function for one part of the configuration; owned by one `branches` call."""

    def __init__(
        self, function: Function, path: str, parts: dict[str, Instance], own: set[str], made: dict[str, _Value]
    ) -> None:
        self.path, self.parts, self.own, self.made = path, parts, own, made
        node = body_of(function)
        self.locals = _locals(node)
        self.configs = {"self.config": path}
        bound = {target.id for item in nodes_in(node.body) if isinstance(target := _single(item), ir.Name)}
        if any(param.name == "config" for param in node.params) and "config" not in bound:
            kept = [value for name, (value, _) in made.items() if name == "config"]
            if "config" not in made or dotted(kept[0]) == "config":
                self.configs["config"] = path

    def test(self, node: Any, depth: int = 0) -> Test:
        """A condition, or a value in one, as data."""
        if depth > _DEPTH:
            return UNKNOWN
        match node:
            case ir.Const(value=None | bool() | int() | float() | str() as value):
                return ("const", value)
            case ir.Unary(op="not", operand=operand):
                return ("not", self.test(operand, depth))
            case ir.BoolOp(op=op, values=values):
                return (op, *(self.test(value, depth) for value in values))
            case ir.Compare(left=left, ops=(op,), comparators=(right,)):
                return (op, self.test(left, depth), self.test(right, depth))
            case ir.TupleExpr(items=items) | ir.ListExpr(items=items) | ir.SetExpr(items=items):
                literals = [item.value for item in items if isinstance(item, ir.Const)]
                return ("const", tuple(literals)) if len(literals) == len(items) else UNKNOWN
            case ir.Call(func=ir.Name(id="getattr"), args=(holder, ir.Arg(value=ir.Const(value=str() as name)), *rest)):
                default = self.test(rest[0].value, depth) if rest else UNKNOWN
                return self._setting(dotted(holder.value), name, default)
            case ir.Attr(value=value, name=name):
                found = self._setting(dotted(value), name, UNKNOWN)
                if found is UNKNOWN and dotted(value) == "self" and name in self.made:
                    return _Made(self, self.made[name][1]).test(self.made[name][0], depth + 1)
                return found
            case ir.Name(id=name) if name in self.locals:
                return self.test(self.locals[name], depth + 1)
        return UNKNOWN

    def _setting(self, holder: str, name: str, default: Test) -> Test:
        for config, path in self.configs.items():
            if holder == config or holder.startswith(f"{config}."):
                inner = f"{path}{holder[len(config) + 1 :]}." if holder != config else path
                part = self.parts.get(inner)
                if part is None or name not in self.own:
                    return UNKNOWN
                if name not in part.attrs:
                    return default
                return ("setting", f"{inner}{name}") if isinstance(part.attrs[name], _PLAIN) else UNKNOWN
        return UNKNOWN


class _Made(_Reader):
    """Reads what a constructor gives an attribute: the constructor's own names count."""

    def __init__(self, reader: _Reader, constructor: Function) -> None:
        super().__init__(constructor, reader.path, reader.parts, reader.own, reader.made)


_Value = tuple[Any, Function]
"""An expression and the constructor it stands in."""


def _assigned(classes: list[ClassVal], known: dict[int, list[_Line]]) -> dict[str, _Value]:
    """Attributes that one line of all the classes' own code gives, outside of branches of a constructor, with its value.

    Args:
        classes: Classes of model code.
        known: Lines of classes that were read, by the class's identity; grows.
    """
    found: dict[str, _Value] = {}
    often: set[str] = set()
    for cls in classes:
        if id(cls) not in known:
            known[id(cls)] = list(_lines(cls))
        for line in known[id(cls)]:
            if line.name in found or not line.certain:
                often.add(line.name)
            found[line.name] = (line.value, line.function)
    return {name: value for name, value in found.items() if name not in often}


class _Line(NamedTuple):
    """``self.name = value``."""

    name: str
    value: Any
    function: Function
    certain: bool
    """Whether every construction comes to it, and nothing else does."""


def _lines(cls: ClassVal) -> Iterator[_Line]:
    for name, function in methods(cls):
        if isinstance(node_of(function), ir.FunctionDef):
            body = body_of(function).body
            top = {id(each) for each in body}
            for item in nodes_in(body):
                target = _single(item)
                if isinstance(target, ir.Attr) and dotted(target.value) == "self":
                    yield _Line(target.name, item.value, function, name == "__init__" and id(item) in top)


def _locals(node: ir.FunctionDef) -> dict[str, Any]:
    """Local names that one line binds, with its value."""
    found: dict[str, Any] = {}
    often = {param.name for param in node.params}
    for item in nodes_in(node.body):
        target = _single(item)
        if isinstance(target, ir.Name):
            if target.id in found:
                often.add(target.id)
            found[target.id] = item.value
        elif isinstance(item, ir.For | ir.AugAssign | ir.NamedExpr | ir.WithItem | ir.Assign):
            places = (getattr(item, "target", None), getattr(item, "targets", None))
            often |= {each.id for each in nodes_in(places) if isinstance(each, ir.Name)}
    # A line that only some runs come to does not tell what the name is.
    top = {target.id for item in node.body if isinstance(target := _single(item), ir.Name)}
    return {name: value for name, value in found.items() if name in top and name not in often}


def _single(item: Any) -> Any:
    match item:
        case ir.Assign(targets=(target,)):
            return target
        case ir.AnnAssign(target=target, value=value) if value is not None:
            return target
    return None


class _Walk:
    """Goes through one function's blocks with the conditions under which each runs."""

    def __init__(self, function: Function, readers: list[_Reader]) -> None:
        self.function, self.readers = function, readers
        self.found: list[Branch] = []

    def branches(self) -> list[Branch]:
        if self.readers:
            self._block(body_of(self.function).body, [("and",)] * len(self.readers))
        return self.found

    def _block(self, body: Block, given: list[Test]) -> None:
        for index, node in enumerate(body):
            match node:
                case ir.If(test=test, body=inner, orelse=orelse):
                    yes, no = self._both(test, given)
                    rest = body[index + 1 :] if not orelse and _leaves(inner) else ()
                    self._side(inner, yes, test, negated=False)
                    self._side(orelse or rest, no, test, negated=True)
                    if rest:
                        return
                case ir.For() | ir.While():
                    self._block(node.body, given)
                    self._block(node.orelse, given)
                case ir.With():
                    self._block(node.body, given)
                case ir.Try():
                    for part in (node.body, node.orelse, node.final):
                        self._block(part, given)
                case _:
                    self._chosen(node, given)

    def _chosen(self, node: Any, given: list[Test]) -> None:
        """``a(…) if setting else b(…)``, where the side that does not run makes something."""
        for item in nodes_in(node):
            if isinstance(item, ir.IfExp):
                yes, no = self._both(item.test, given)
                for side, tests, negated in ((item.body, yes, False), (item.orelse, no, True)):
                    if any(
                        isinstance(each, ir.Call) and not _NOTHING.search(dotted(each.func)) for each in nodes_in(side)
                    ):
                        self._note(item.line, item.line, item.test, tests, negated)

    def _both(self, test: Any, given: list[Test]) -> tuple[list[Test], list[Test]]:
        read = [reader.test(test) for reader in self.readers]
        return (
            [(*outer, each) for outer, each in zip(given, read, strict=True)],
            [(*outer, ("not", each)) for outer, each in zip(given, read, strict=True)],
        )

    def _side(self, body: Block, tests: list[Test], test: Any, *, negated: bool) -> None:
        if not body:
            return
        if not (len(body) == 1 and isinstance(body[0], ir.If) and negated) and not _reports(body):
            self._note(body[0].line, getattr(body[-1], "end_line", body[-1].line), test, tests, negated)
        self._block(body, tests)

    def _note(self, first: int, last: int, test: Any, tests: list[Test], negated: bool) -> None:
        whole = tests[0] if len(tests) == 1 else ("or", *tests)
        settings = tuple(dict.fromkeys(_settings(whole)))
        if settings:
            file = self.function.file
            self.found.append(
                Branch(file, first, last, test.line if hasattr(test, "line") else first, negated, settings, whole)
            )


def _settings(test: Test) -> Iterator[str]:
    if test and test[0] == "setting":
        yield test[1]
    elif test and test[0] not in ("const", "unknown"):
        for each in test[1:]:
            yield from _settings(each)


def _leaves(body: Block) -> bool:
    return bool(body) and isinstance(body[-1], ir.Return | ir.Raise)


def _reports(body: Block) -> bool:
    """Whether a branch only complains."""
    for node in body:
        match node:
            case ir.Raise() | ir.Pass():
                continue
            case ir.ExprStmt(value=ir.Call(func=func)) if _REPORTING.search(dotted(func)):
                continue
            case _:
                return False
    return True
