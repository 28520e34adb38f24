"""Functions that make a model, which a target may name in place of a class: ``llama3_1_8b()`` of a library of builders."""

from __future__ import annotations

from collections.abc import Iterator

from specdiff.interp.calls import node_of
from specdiff.interp.objects import ClassVal, Frame, Function, ModuleVal, Raised
from specdiff.interp.run import Run
from specdiff.project.arguments import resolve_annotation, signature


def function_of(module: ModuleVal, name: str) -> Function | None:
    """The function of a file that a target names; None where the name is no function's."""
    if not any(chunk.kind == "def" and chunk.name == name for chunk in module.unit.chunks):
        return None
    try:
        found = module.get(name)
    except Raised:
        return None
    return found if isinstance(found, Function) else None


def ready_builders(run: Run, module: ModuleVal) -> Iterator[Function]:
    """Functions of a file that can be called as they are and say that they return a module."""
    for chunk in module.unit.chunks:
        function = function_of(module, chunk.name) if chunk.kind == "def" and not chunk.name.startswith("_") else None
        if function is None or any(
            param.default is None and param.kind not in ("vararg", "kwarg") for param in signature(function)[1]
        ):
            continue
        returns = getattr(node_of(function), "returns", None)
        if returns is None:
            continue
        try:
            with run.at(function.file, function.line):
                value = resolve_annotation(run, run.evaluate(returns, Frame(function.module)), Frame(function.module))
        except Raised:
            continue
        if isinstance(value, ClassVal) and "module" in value.flags:
            yield function
