"""Modules that the library builds otherwise for a quantized checkpoint, as its quantizers' own table says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specdiff.interp.containers import NotIterable
from specdiff.interp.memo import template_of
from specdiff.interp.objects import BudgetExceeded, ClassVal, Instance, Raised
from specdiff.interp.values import Unknown
from specdiff.project.build import Built
from specdiff.project.modules import Program

_TABLE = ("transformers.quantizers.base", "MODULES_TO_PATCH_FOR_QUANTIZATION")
_STOPS = (Raised, NotIterable, BudgetExceeded, RecursionError)


def replace_modules(program: Program, built: Built, config: Mapping[str, object] | None) -> list[str]:
    """Put in place of a built model's modules those that the library has for the checkpoint's quantization; what could not be.

    The library does so before it loads (transformers, quantizers/base.py, `_convert_model_for_quantization`).
    """
    quantization = (config or {}).get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    if not isinstance(method, str) or built.instance is None:
        return []
    module = program.module(_TABLE[0])
    table = module.get(_TABLE[1]) if not isinstance(module, Unknown) else None
    if not isinstance(table, dict):
        return []
    wanted: dict[str, ClassVal] = {}
    for name, entry in table.items():
        methods = entry.get("quantization_methods") if isinstance(entry, dict) else None
        other = entry.get("module_name") if isinstance(entry, dict) else None
        if isinstance(name, str) and isinstance(other, ClassVal) and method in [_text(each) for each in methods or ()]:
            wanted[name] = other
    notes: list[str] = []
    if wanted:
        _walk(program, built, built.instance, wanted, set(), notes)
    return notes


def _walk(
    program: Program, built: Built, module: Instance, wanted: Mapping[str, ClassVal], seen: set[int], notes: list[str]
) -> None:
    module = template_of(module) or module
    if id(module) in seen:
        return
    seen.add(id(module))
    children = module.attrs.get("_modules") or {}
    for name, child in list(children.items()):
        if not isinstance(child, Instance):
            continue
        other = wanted.get(child.cls.name)
        if other is None:
            _walk(program, built, child, wanted, seen, notes)
            continue
        run = program.run
        try:
            text = run.call(run.getattr(built.config, "get_text_config"))
            made = run.call(other, (text,))
        except _STOPS:
            made = None
        if isinstance(made, Instance):
            children[name] = made
        else:
            notes.append(f"the library builds {other.name} in place of {child.cls.name}, which could not be followed")


def _text(value: Any) -> Any:
    """A member of an enumeration as its value."""
    attrs = getattr(value, "attrs", None)
    found = (
        attrs.get("value", attrs.get("_value_", value)) if isinstance(attrs, dict) else getattr(value, "value", value)
    )
    return found
