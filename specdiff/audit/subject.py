"""What an audit reads: one analysed class with the code on its path."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from specdiff.audit.rules import RULES
from specdiff.audit.walk import without_words
from specdiff.facts import Evidence
from specdiff.graph.liveness import Liveness
from specdiff.graph.modules import NamedParameter
from specdiff.graph.operations import Operations
from specdiff.interp.calls import node_of
from specdiff.interp.memo import template_of
from specdiff.interp.objects import ClassVal, Function, Instance, Property, Wrapped
from specdiff.ir import nodes as ir
from specdiff.project.build import Built, Failure
from specdiff.project.modules import Program
from specdiff.results import Confidence, Finding, ModuleNode, Severity


@dataclass(frozen=True, slots=True)
class Module:
    """One built module with its path."""

    path: str
    instance: Instance


@dataclass(slots=True)
class Subject:
    """One class with its run of ``forward``; owned by one analysis."""

    program: Program
    built: Built
    parameters: list[NamedParameter]
    ties: list[tuple[str, str]]
    tree: ModuleNode | None
    settings: dict[str, Any]
    operations: Operations | None = None
    """None where ``forward`` could not be followed to its end."""
    liveness: Liveness | None = None
    failure: Failure | None = None
    """Why ``forward`` could not be followed."""
    called: tuple[Function, ...] = ()
    """Functions of model code that ``forward`` calls, in order."""
    outputs: Any = None
    """What ``forward`` returned."""
    certain: bool = False
    """Whether the inputs leave no choice, so that what failed here fails anywhere."""
    _modules: list[Module] | None = field(default=None)
    _classes: list[ClassVal] | None = field(default=None)

    @property
    def modules(self) -> list[Module]:
        """Every kind of built module once (copies made from one template are one), parents first."""
        if self._modules is None:
            self._modules = list(_modules(self.built.instance)) if self.built.instance is not None else []
        return self._modules

    @property
    def classes(self) -> list[ClassVal]:
        """Classes of model code that built modules are of, with their bases in model code."""
        if self._classes is None:
            built = {id(module.instance.cls): module.instance.cls for module in self.modules}
            found = {id(cls): cls for each in built.values() for cls in each.mro if isinstance(cls, ClassVal)}
            self._classes = [cls for cls in found.values() if self.is_model_code(cls)]
        return self._classes

    def is_model_code(self, owner: ClassVal | Function) -> bool:
        """Whether a class or function is the model's own, as opposed to the library's."""
        return self.program.defined_in_models(owner.module.name)

    @property
    def constructors(self) -> list[Function]:
        """Constructors that ran."""
        return [made for cls in self.classes if isinstance(made := cls.attrs.get("__init__"), Function)]

    @property
    def configuring(self) -> list[Function]:
        """Constructors of the configuration that are the model's own."""
        config = self.built.config
        owners = config.cls.mro if isinstance(config, Instance) else ()
        return [
            made
            for cls in owners
            if isinstance(cls, ClassVal) and self.is_model_code(cls)
            if isinstance(made := cls.attrs.get("__init__"), Function) and isinstance(node_of(made), ir.FunctionDef)
        ]

    @property
    def path(self) -> list[Function]:
        """Constructors and what ``forward`` calls, each once, nested functions left out."""
        found = {
            (function.file, function.line): function
            for function in (*self.constructors, *self.called)
            if isinstance(node_of(function), ir.FunctionDef)
        }
        return list(found.values())


def _modules(root: Instance) -> Iterator[Module]:
    seen: set[int] = set()
    stack = [Module("", root)]
    while stack:
        module = stack.pop()
        template = template_of(module.instance)
        instance = module.instance if template is None else template
        if id(instance) in seen:
            continue
        seen.add(id(instance))
        yield Module(module.path, instance)
        children = [
            Module(f"{module.path}.{name}" if module.path else str(name), child)
            for name, child in (instance.attrs.get("_modules") or {}).items()
            if isinstance(child, Instance)
        ]
        stack.extend(reversed(children))


def body_of(function: Function) -> ir.FunctionDef:
    """A function's lowered body."""
    node = node_of(function)
    assert isinstance(node, ir.FunctionDef)
    return node


def methods(cls: ClassVal) -> Iterator[tuple[str, Function]]:
    """The functions that a class's own body defines, properties and wrapped ones included."""
    for name, value in cls.attrs.items():
        found = value
        if isinstance(found, Property):
            found = found.getter
        if isinstance(found, Wrapped):
            found = found.func
        if isinstance(found, Function) and found.owner is cls:
            yield name, found


def finding(
    rule: str,
    file: str,
    line: int,
    message: str,
    *,
    end_line: int = 0,
    related: tuple[Evidence, ...] = (),
    severity: Severity | None = None,
    confidence: Confidence | None = None,
) -> Finding:
    """A finding of a rule of the table."""
    row = RULES[rule]
    primary = Evidence(file, line, max(line, end_line), message)
    return Finding(rule, severity or row.severity, confidence or row.confidence, message, primary, related)


class Words:
    """Attribute reads of a file by text: of ``self`` per class, of anything else for the whole file."""

    def __init__(self, unit: Any) -> None:
        text = _code(unit.text)
        self.others = frozenset(name for owner, name in _READ.findall(text) if not owner)
        """Read from anything but ``self``, which may be any object."""
        self.any = frozenset(name for _, name in _READ.findall(text))
        self.quoted = frozenset(_QUOTED.findall(text))
        self.of_self: dict[str, frozenset[str]] = {}
        """By class: read from ``self`` outside of the weight initialiser."""
        for position, chunk in enumerate(unit.chunks):
            if chunk.kind == "class":
                own = _READ.findall(_code(_without_initialiser(unit, position)))
                self.of_self[chunk.name] = frozenset(name for owner, name in own if owner)


def _code(text: str) -> str:
    return _ANNOTATED.sub("", without_words(text))


def _without_initialiser(unit: Any, position: int) -> str:
    chunk = unit.chunks[position]
    text = str(unit.text)
    pieces, at = [], chunk.start
    for member in chunk.members:
        if member.name == "_init_weights":
            pieces.append(text[at : member.start])
            at = member.end
    return "".join([*pieces, text[at : chunk.end]])


_READ = re.compile(r"(\bself\s*)?\.\s*([A-Za-z_]\w*)\b(?!\s*=(?!=))")
_ANNOTATED = re.compile(r"^\s*self\.\w+\s*:\s*[^=\n]+=(?!=)", re.MULTILINE)
_QUOTED = re.compile(r"[\"'](\w+)[\"']")
_WORDS: weakref.WeakKeyDictionary[Any, Words] = weakref.WeakKeyDictionary()


def words(unit: Any) -> Words:
    """The attribute reads of a file, worked out once."""
    found = _WORDS.get(unit)
    if found is None:
        found = _WORDS[unit] = Words(unit)
    return found
