"""Which arguments go nowhere: never read, or only passed on to where they are never read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from specdiff.audit.dead import unused_values
from specdiff.audit.subject import Subject, body_of
from specdiff.audit.walk import Recalled, dotted, names_read, nodes_in
from specdiff.interp.lookups import lookup
from specdiff.interp.memo import template_of
from specdiff.interp.objects import ClassVal, Function, Instance
from specdiff.ir import nodes as ir

_ROUNDS = 8
"""How many calls deep an argument is followed; each round settles at least one of a chain."""


_ABOUT = frozenset({"shape", "device", "dtype", "ndim"})
"""Attributes of a tensor that tell nothing of its numbers."""


class Passing:
    """Dead arguments of the functions on the path; made once for a class."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.functions = [function for function in subject.called if function.name != "<lambda>"]
        self._parts = _parts(subject)
        self._free = {each.name: each for each in self.functions if each.owner is None}
        self.dead: set[tuple[int, str]] = set()
        """Arguments by function and name."""
        waiting = [
            (function, param.name, _reads(function, param.name))
            for function in self.functions
            for index, param in enumerate(body_of(function).params)
            if not (index == 0 and function.owner is not None)
        ]
        for _ in range(_ROUNDS):
            settled = [row for row in waiting if all(self._is_dead(row[0], *read) for read in row[2])]
            self.dead.update((id(function), name) for function, name, _ in settled)
            waiting = [row for row in waiting if (id(row[0]), row[1]) not in self.dead]
            if not settled:
                break

    def goes_nowhere(self, function: Function, names: set[str], allowed: frozenset[int]) -> bool:
        """Whether every read of local names is in a value nobody reads, in an allowed call, or a dead argument."""
        for name in names:
            for call, arg in _reads(function, name):
                if call is None or not (id(call) in allowed or self._is_dead(function, call, arg)):
                    return False
        return True

    def takers(self, function: Function, name: str) -> Iterator[Function]:
        """The functions that a function calls without an argument of a name, although they have it and read it."""
        for call in nodes_in(body_of(function).body):
            if not isinstance(call, ir.Call) or any(arg.name is None and arg.star for arg in call.args):
                continue
            for callee in self._callees(function, call):
                params = [param.name for param in body_of(callee).params[1 if callee.owner is not None else 0 :]]
                given = {arg.name for arg in call.args} | set(params[: sum(arg.name is None for arg in call.args)])
                if name in params and name not in given and (id(callee), name) not in self.dead:
                    if _is_used(callee, name):
                        yield callee

    def calls_of(self, function: Function, part: str) -> Iterator[ir.Call]:
        """The calls of ``self.part`` or of its elements in a function."""
        for item in nodes_in(body_of(function).body):
            if isinstance(item, ir.Call) and _attribute(item.func) == part:
                yield item
            elif isinstance(item, ir.For) and any(dotted(each) == f"self.{part}" for each in nodes_in(item.iter)):
                turns = names_read(item.target)
                for call in nodes_in(item.body):
                    if isinstance(call, ir.Call) and dotted(call.func) in turns:
                        yield call

    def _is_dead(self, function: Function, call: ir.Call | None, arg: ir.Arg | None) -> bool:
        if call is None or arg is None:
            return False
        callees = self._callees(function, call)
        return bool(callees) and all(self._takes_dead(callee, call, arg) for callee in callees)

    def _takes_dead(self, callee: Function, call: ir.Call, arg: ir.Arg) -> bool:
        params = body_of(callee).params[1 if callee.owner is not None else 0 :]
        named = {param.name: param for param in params if param.kind in ("plain", "kwonly", "posonly")}
        if any(each.star for each in call.args if each.name is None and each.star == 1):
            return False
        if arg.name is not None:
            name = arg.name if arg.name in named else next((p.name for p in params if p.kind == "kwarg"), "")
        else:
            index = next(position for position, each in enumerate(call.args) if each is arg)
            plain = [param for param in params if param.kind in ("plain", "posonly")]
            name = plain[index].name if index < len(plain) else ""
        return bool(name) and (id(callee), name) in self.dead

    def _callees(self, function: Function, call: ir.Call) -> list[Function]:
        """The functions on the path that a call may lead to; none where that is not known."""
        path = dotted(call.func)
        if path in self._free:
            return [self._free[path]]
        attribute = _attribute(call.func)
        if attribute and isinstance(function.owner, ClassVal):
            own = lookup(function.owner, attribute)[0]
            if isinstance(own, Function):
                return [own] if own in self.functions else []
            return self._forwards(function.owner, attribute)
        for item in nodes_in(body_of(function).body):
            if not isinstance(item, ir.For) or path not in names_read(item.target):
                continue
            if isinstance(function.owner, ClassVal) and any(each is call for each in nodes_in(item.body)):
                for each in nodes_in(item.iter):
                    if dotted(each).startswith("self.") and dotted(each).count(".") == 1:
                        return self._forwards(function.owner, dotted(each)[5:])
        return []

    def _forwards(self, owner: ClassVal, attribute: str) -> list[Function]:
        found = self._parts.get((id(owner), attribute), [])
        return found if all(each in self.functions for each in found) else []


def _is_used(function: Function, name: str) -> bool:
    """Whether a function does more with an argument than ask whether it is there."""
    body = body_of(function).body
    asked = {
        id(item.left)
        for item in nodes_in(body)
        if isinstance(item, ir.Compare) and item.ops[0] in ("is", "is not") and isinstance(item.left, ir.Name)
    }
    return any(isinstance(item, ir.Name) and item.id == name and id(item) not in asked for item in nodes_in(body))


_Read = tuple[ir.Call | None, ir.Arg | None]
_READS: Recalled[dict[str, list[_Read]]] = Recalled(2048)


def _reads(function: Function, name: str) -> list[_Read]:
    """Each read of a name with the call that it is a plain argument of, None where it is anything else."""
    node = body_of(function)
    return _READS.of(node, lambda: _all_reads(node)).get(name, [])


def _all_reads(node: ir.FunctionDef) -> dict[str, list[_Read]]:
    body, without = node.body, {id(item) for _, item in unused_values(node, plain=True)}
    plain: dict[int, tuple[ir.Call, ir.Arg]] = {}
    skipped: set[int] = set()
    for item in nodes_in(body):
        if id(item) in without:
            skipped.update(id(each) for each in nodes_in(item))  # no line reads its value
        if isinstance(item, ir.Call):
            plain.update({id(arg.value): (item, arg) for arg in item.args if isinstance(arg.value, ir.Name)})
        elif isinstance(item, ir.Assign):
            for target in item.targets:
                skipped.update(id(each) for each in nodes_in(target) if isinstance(each, ir.Name))
        elif isinstance(item, ir.Attr) and item.name in _ABOUT:
            skipped.add(id(item.value))  # not what it holds
    found: dict[str, list[_Read]] = defaultdict(list)
    for item in nodes_in(body):
        if isinstance(item, ir.Name) and id(item) not in skipped:
            found[item.id].append(plain.get(id(item), (None, None)))
    return found


def _attribute(node: Any) -> str:
    """``x`` of ``self.x`` and of ``self.x[…]``."""
    if isinstance(node, ir.Item):
        node = node.value
    path = dotted(node)
    return path[5:] if path.startswith("self.") and path.count(".") == 1 else ""


def _parts(subject: Subject) -> dict[tuple[int, str], list[Function]]:
    """By class and attribute: the ``forward`` of the modules that are built there, elements of containers included."""
    found: dict[tuple[int, str], list[Function]] = {}
    for module in subject.modules:
        for name, child in (module.instance.attrs.get("_modules") or {}).items():
            if not isinstance(child, Instance):
                continue
            elements = [child]
            if child.cls.name in ("ModuleList", "ModuleDict", "Sequential") and not subject.is_model_code(child.cls):
                template = template_of(child)
                held = (child if template is None else template).attrs.get("_modules") or {}
                elements = [each for each in held.values() if isinstance(each, Instance)]
            for element in elements:
                forward = lookup(element.cls, "forward")[0]
                for cls in module.instance.cls.mro:
                    if isinstance(cls, ClassVal) and isinstance(forward, Function):
                        row = found.setdefault((id(cls), name), [])
                        if forward not in row:
                            row.append(forward)
    return found
