"""Functions that a model brings along and that nothing calls: code that is written and never runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress

from specdiff.interp.calls import node_of
from specdiff.interp.memo import template_of
from specdiff.interp.objects import (
    BudgetExceeded,
    ClassVal,
    Function,
    Instance,
    ModuleVal,
    Property,
    Raised,
    Value,
    Wrapped,
)
from specdiff.ir import nodes as ir
from specdiff.project.build import Built
from specdiff.project.modules import Program

_WORD = re.compile(r"\w+")


def unreached(program: Program, built: Built, reached: Collection[Function]) -> tuple[Function, ...]:
    """Methods of the classes that a model is built from, and functions that these name, which nothing reaches.

    What overrides a function of the library is reached, because the library calls that (``_init_weights``,
    ``prepare_inputs_for_generation``), and so are Python's own special methods. What such code names, or code that a
    call reached, may be called with other arguments, and handed on to be called later: it is reached too.

    Args:
        program: The program the model was built in.
        built: The model.
        reached: What its constructor and its ``forward`` call.
    """
    found: dict[int, Function] = {}
    known = [function for function in reached if _is_model_function(program, function)]
    classes = list(dict.fromkeys(_classes(program, built.instance, set())))
    for cls in classes:
        outside = [base for base in cls.mro if isinstance(base, ClassVal) and not _is_model_code(program, base)]
        for name, value in cls.attrs.items():
            called = (name.startswith("__") and name.endswith("__")) or any(name in base.attrs for base in outside)
            for function in functions_behind(value):
                if called and _is_model_function(program, function):
                    known.append(function)
                else:
                    found[id(function.stub)] = function
    for function in _named_functions(classes, program):
        found[id(function.stub)] = function
    named = _named_from(program, known, found)
    return tuple(function for key, function in found.items() if key not in named)


def _named_from(program: Program, known: list[Function], candidates: dict[int, Function]) -> set[int]:
    """Ids of the functions that known ones name, and those that these name in turn."""
    by_name: dict[str, list[Function]] = {}
    for function in candidates.values():
        by_name.setdefault(function.name, []).append(function)
    tables: dict[str, dict[str, set[str]]] = {}
    seen: set[int] = set()
    left = list(known)
    while left:
        function = left.pop()
        if id(function.stub) in seen:
            continue
        seen.add(id(function.stub))
        words = _words_of(program, function)
        table = tables.get(function.module.name)
        if table is None:
            table = tables[function.module.name] = _tables_of(function.module)
        words = words.union(*(table[word] for word in words if word in table))
        left.extend(other for word in words for other in by_name.get(word, ()) if id(other.stub) not in seen)
    return seen


def _words_of(program: Program, function: Function) -> set[str]:
    """Names, attributes and strings in a function's code."""
    key = (function.file, function.line)
    if key not in program.words:
        found: set[str] = set()
        stack: list[object] = [node_of(function)]
        while stack:
            item = stack.pop()
            if type(item) is ir.Name:
                found.add(item.id)
            elif type(item) is ir.Attr:
                found.add(item.name)
            elif type(item) is ir.Const and isinstance(item.value, str) and item.value.isidentifier():
                found.add(item.value)
            if isinstance(item, tuple):
                stack.extend(each for each in item if isinstance(each, tuple))
        program.words[key] = frozenset(found)
    return set(program.words[key])


def _tables_of(module: ModuleVal) -> dict[str, set[str]]:
    """By name of a module's variables: the names in the statements that make them."""
    found: dict[str, set[str]] = {}
    for chunk in module.unit.chunks:
        if chunk.kind not in ("class", "def"):
            for name in chunk.binds:
                found.setdefault(name, set()).update(chunk.mentions)
    return found


def _is_model_function(program: Program, function: Function) -> bool:
    return program.defined_in_models(function.module.name) and function.name != "<lambda>"


def _is_model_code(program: Program, cls: ClassVal) -> bool:
    return program.defined_in_models(cls.module.name)


def _classes(program: Program, instance: Value, seen: set[int]) -> Iterator[ClassVal]:
    """Model-code classes of a module tree, with their bases; copies nobody has looked into have those of the first."""
    if not isinstance(instance, Instance) or id(instance) in seen:
        return
    seen.add(id(instance))
    instance = template_of(instance) or instance
    yield from (cls for cls in instance.cls.mro if isinstance(cls, ClassVal) and _is_model_code(program, cls))
    for child in (instance.attrs.get("_modules") or {}).values():
        yield from _classes(program, child, seen)


def functions_behind(value: Value) -> Iterator[Function]:
    """The functions behind a name or a class attribute: a property's, a method's, what a decorator wrapped."""
    if isinstance(value, Function):
        inner = value.attrs.get("__wrapped__")
        yield inner if isinstance(inner, Function) else value
    elif isinstance(value, Property):
        yield from (part for part in (value.getter, value.setter) if isinstance(part, Function))
    elif isinstance(value, Wrapped) and isinstance(value.func, Function):
        yield value.func


def _named_functions(classes: list[ClassVal], program: Program) -> Iterator[Function]:
    """Functions of the classes' files that the classes' code names."""
    for module_name in dict.fromkeys(cls.module.name for cls in classes):
        module = program.module(module_name)
        if not isinstance(module, ModuleVal) or module.unit is None:
            continue
        own = {cls.name for cls in classes if cls.module is module}
        words: set[str] = set()
        for position, chunk in enumerate(module.unit.chunks):
            if chunk.kind == "class" and chunk.name in own:
                words.update(_WORD.findall(module.unit.chunk_text(position)))
        for chunk in module.unit.chunks:
            if chunk.kind == "def" and chunk.name in words:
                with suppress(Raised, BudgetExceeded):
                    yield from functions_behind(module.get(chunk.name))
