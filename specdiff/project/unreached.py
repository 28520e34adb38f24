"""Functions that a model brings along and that nothing calls: code that is written and never runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress

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
from specdiff.project.build import Built
from specdiff.project.modules import Program

_WORD = re.compile(r"\w+")


def unreached(program: Program, built: Built, reached: Collection[Function]) -> tuple[Function, ...]:
    """Methods of the classes that a model is built from, and functions that these name, which no call reaches.

    What overrides a function of the library is left out, because the library calls that (``_init_weights``,
    ``prepare_inputs_for_generation``), and so are Python's own special methods.

    Args:
        program: The program the model was built in.
        built: The model.
        reached: What its constructor and its ``forward`` call.
    """
    seen = {id(function.stub) for function in reached}
    found: dict[int, Function] = {}
    classes = list(dict.fromkeys(_classes(program, built.instance, set())))
    for cls in classes:
        outside = [base for base in cls.mro if isinstance(base, ClassVal) and not _is_model_code(program, base)]
        for name, value in cls.attrs.items():
            if (name.startswith("__") and name.endswith("__")) or any(name in base.attrs for base in outside):
                continue
            for function in _functions(value):
                found[id(function.stub)] = function
    for function in _named_functions(classes, program):
        found[id(function.stub)] = function
    return tuple(function for key, function in found.items() if key not in seen)


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


def _functions(value: Value) -> Iterator[Function]:
    """The functions behind a class attribute."""
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
                    yield from _functions(module.get(chunk.name))
