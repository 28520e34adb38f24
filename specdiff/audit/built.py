"""What the constructors built: in numbers that the configuration gives, and with values to start from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, nodes_in, without_words
from specdiff.graph.roles import is_stack
from specdiff.interp.objects import ClassVal, Function
from specdiff.interp.values import Tensor
from specdiff.ir import nodes as ir
from specdiff.results import Finding, ModuleNode


def counts(subject: Subject) -> Iterator[Finding]:
    """`count.differs`: stacks and experts in a number that no setting gives."""
    if subject.tree is None or not subject.settings:
        return
    numbers = set(_numbers(subject.settings))
    if not numbers:
        return
    places = {module.path: module for module in subject.modules}
    for node, path in _walk(subject.tree, ""):
        stack = is_stack(node)
        count = sum(child.count for child in node.children) if stack else 0
        what = "layers"
        if not stack or not all(name.isdigit() for child in node.children for name in child.names):
            continue  # parts with names of their own are not counted by a setting
        if count > 2 and count not in numbers and not _combined(count, numbers):
            module = places.get(path)
            place = module.instance.place if module is not None else None
            if place is None or place.file.startswith("<"):
                continue
            near = [number for number in numbers if abs(number - count) == 1]
            told = f"; a setting gives {near[0]}" if near else ""
            yield finding(
                "count.differs",
                place.file,
                place.line,
                f"{path} has {count} {what}, a number that no setting gives{told}",
            )


def _combined(count: int, numbers: set[int]) -> bool:
    """Whether a count is what settings give together: a sum, a product, a quotient of two."""
    return any(
        count in (a + b, a * b, a - b) or (b and a % b == 0 and a // b == count)
        for a in numbers
        for b in numbers
        if b > 1
    )


def _numbers(value: Any, depth: int = 0) -> Iterator[int]:
    if isinstance(value, bool) or depth > 6:
        return
    if isinstance(value, int):
        yield value
    elif isinstance(value, tuple | list):
        yield len(value)
        if value and all(isinstance(item, int) and not isinstance(item, bool) for item in value):
            yield sum(value)
        for item in value:
            yield from _numbers(item, depth + 1)
    elif isinstance(value, dict):
        yield len(value)
        for item in value.values():
            yield from _numbers(item, depth + 1)


def _walk(node: ModuleNode, path: str) -> Iterator[tuple[ModuleNode, str]]:
    yield node, path
    for child in node.children:
        yield from _walk(child, f"{path}.{child.names[0]}".lstrip("."))


def uninitialised(subject: Subject) -> Iterator[Finding]:
    """`init.missing`: a parameter of ``torch.empty`` that no initialiser mentions."""
    texts = _initialisers(subject)
    told: set[tuple[str, str]] = set()
    seen: set[tuple[int, str]] = set()
    for module in subject.modules:
        cls = module.instance.cls
        if not subject.is_model_code(cls):
            continue
        for name, tensor in (module.instance.attrs.get("_parameters") or {}).items():
            if not isinstance(tensor, Tensor) or (cls.name, name) in told or tensor.place is None:
                continue
            if (id(cls), name) in seen:
                continue  # what is made of it is the same for every module of the class
            seen.add((id(cls), name))
            if not _is_empty(subject, cls, name) or any(re.search(rf"\b{re.escape(name)}\b", text) for text in texts):
                continue
            if any(re.search(rf"\b{re.escape(cls.name)}\b", text) for text in texts) and _loops(texts):
                continue
            told.add((cls.name, name))
            yield finding(
                "init.missing", tensor.place.file, tensor.place.line,
                f"the parameter {name} of {cls.name} is uninitialised memory and no initialiser sets it",
            )  # fmt: skip


def _loops(texts: list[str]) -> bool:
    """Whether an initialiser goes over all parameters of a module."""
    return any("parameters(" in text for text in texts)


def _initialisers(subject: Subject) -> list[str]:
    texts: list[str] = []
    for cls in subject.classes:
        for name in (
            "_init_weights",
            "reset_parameters",
            "init_weights",
            "_reset_parameters",
            "initialize_weights",
            "_init_params",
        ):
            function = cls.attrs.get(name)
            if isinstance(function, Function) and function.unit is not None:
                texts.append(_text_of(function))
        for name, value in cls.attrs.items():
            if isinstance(value, Function) and ("init" in name or "reset" in name) and name != "__init__":
                texts.append(_text_of(value))
    for function in subject.constructors:
        node = body_of(function)
        for item in nodes_in(node.body):
            if isinstance(item, ir.Call) and ("init" in dotted(item.func) or dotted(item.func).endswith("_")):
                texts.append(" ".join(dotted(inner.value) for inner in item.args))
            elif isinstance(item, ir.Call) and isinstance(item.func, ir.Attr) and item.func.name.endswith("_"):
                texts.append(" ".join(dotted(inner) for inner in nodes_in(item.func) if isinstance(inner, ir.Attr)))
    return texts


def _text_of(function: Function) -> str:
    node = body_of(function)
    lines = function.unit.text.split("\n")[node.def_line - 1 : node.end_line]
    return without_words("\n".join(lines))


def _is_empty(subject: Subject, cls: ClassVal, name: str) -> bool:
    """Whether the class's constructor makes the parameter from memory that nobody wrote."""
    for owner in cls.mro:
        init = owner.attrs.get("__init__") if isinstance(owner, ClassVal) else None
        if not isinstance(init, Function):
            continue
        if not subject.is_model_code(init):
            return False  # a layer of torch sets what it makes
        for item in nodes_in(body_of(init).body):
            if isinstance(item, ir.Assign) and any(dotted(target) == f"self.{name}" for target in item.targets):
                functions = [inner.func for inner in nodes_in(item.value) if isinstance(inner, ir.Call)]
                # The last name alone, too: `torch.Tensor(n).uniform_()` calls a method of a call.
                if any(
                    dotted(each).endswith("_") or (isinstance(each, ir.Attr) and each.name.endswith("_"))
                    for each in functions
                ):
                    return False  # written in place on the same line
                calls = [dotted(each) for each in functions]
                return any(
                    each in ("torch.empty", "torch.Tensor", "torch.FloatTensor", "torch.empty_like") for each in calls
                )
        if any(isinstance(item, ir.Attr) and item.name == name for item in nodes_in(body_of(init).body)):
            return False
    return False
