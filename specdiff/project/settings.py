"""A configuration as plain values, and the line of source or of ``config.json`` that each of them stands on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from specdiff.interp.calls import node_of
from specdiff.interp.classes import Annotation
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Function, Instance, Value
from specdiff.interp.tracked import Tracked
from specdiff.interp.values import DType
from specdiff.ir import nodes as ir
from specdiff.project.tree import DISK, SourceTree

DEPTH = 6
"""Nested configurations and mappings deeper than this are left out."""

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|[{}\[\],:]|\n')


def plain_settings(config: Value) -> dict[str, Any]:
    """The public attributes of a configuration; parts as nested mappings, names that stand for others included."""
    found = _plain(config, 0)
    return found if isinstance(found, dict) else {}


OF_WEIGHTS = ("quantization_config", "dtype", "torch_dtype")
"""What a ``config.json`` says about the published weights: true of them, whatever the configuration's class takes."""


def about_weights(published: Mapping[str, Any]) -> dict[str, Any]:
    """The published values that are about the weights and not about the code, as plain settings."""
    return {name: _plain(published[name], 0) for name in OF_WEIGHTS if name in published}


def asks_in_vain(kind: str, message: str, config: Value) -> bool:
    """Whether an error says that code asks its configuration for a setting that is not in it, or calculates with one that is None."""
    if kind == "TypeError":
        return message.startswith("unsupported operand type(s)") and "'NoneType'" in message
    asked = re.fullmatch(r"'(\w+)' object has no attribute '(\w+)'", message)
    return kind == "AttributeError" and asked is not None and asked[1] in _configurations(config)


def _configurations(config: Value) -> frozenset[str]:
    """The names of a configuration's class and of its parts' classes."""
    if isinstance(config, Tracked):
        config = config.observe()
    if not isinstance(config, Instance):
        return frozenset()
    return frozenset([config.cls.name]).union(
        *(_configurations(item) for name, item in config.attrs.items() if str(name).endswith("_config"))
    )


def _plain(value: Value, depth: int) -> Any:
    if isinstance(value, Tracked):
        value = value.observe()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > DEPTH:
        return None
    if isinstance(value, DType):
        return value.name
    if isinstance(value, list | tuple):
        return tuple(_plain(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Instance) and not value.cls.flags & {"module", "library_object"}:
        found = {
            name: _plain(item, depth + 1)
            for name, item in value.attrs.items()
            if not name.startswith("_") and isinstance(name, str)
        }
        renames = lookup(value.cls, "attribute_map")[0]
        if isinstance(renames, dict):
            for name, other in renames.items():
                if isinstance(name, str) and found.get(name) is None and other in found:
                    found[name] = found[other]
        return found
    return None


def setting_places(
    config: Value, path: Path | None, tree: SourceTree = DISK
) -> Callable[[str], tuple[str, int] | None]:
    """A function from a setting's dotted name to its file and line: the ``config.json`` first, then the class."""
    lines = json_lines(path, tree) if path is not None else {}

    def place(name: str) -> tuple[str, int] | None:
        line = (
            lines.get(name)
            or lines.get(name.replace("rope_parameters", "rope_scaling", 1))
            or lines.get("rope_theta" if name.startswith("rope_parameters") else "")
        )
        if line is not None and path is not None:
            return str(path), line
        holder: Value = config
        *parents, last = name.split(".")
        for parent in parents:
            inner = holder.attrs.get(parent) if isinstance(holder, Instance) else None
            if not isinstance(inner, Instance):
                last = parent
                break
            holder = inner
        return class_place(holder.cls, last) if isinstance(holder, Instance) else None

    return place


def class_place(cls: ClassVal, name: str) -> tuple[str, int] | None:
    """The line of a configuration class that gives a setting its default, else the class's own line."""
    renames = lookup(cls, "attribute_map")[0]
    names = {name, renames.get(name, name)} if isinstance(renames, dict) else {name}
    for owner in cls.mro:
        if not isinstance(owner, ClassVal) or owner.file.startswith("<"):
            continue
        annotations = owner.attrs.get("__annotations__", {})
        for each in names:
            annotation = annotations.get(each)
            if isinstance(annotation, Annotation):
                return owner.file, annotation.line
        init = owner.attrs.get("__init__")
        if isinstance(init, Function):
            node = node_of(init)
            for param in node.params:
                if param.name in names and param.default is not None and hasattr(param.default, "line"):
                    return owner.file, param.default.line
        for statement in owner.node.body if owner.node is not None else ():
            if isinstance(statement, ir.Assign) and any(
                isinstance(target, ir.Name) and target.id in names for target in statement.targets
            ):
                return owner.file, statement.line
    return (cls.file, cls.line) if not cls.file.startswith("<") else None


def json_lines(path: Path, tree: SourceTree = DISK) -> dict[str, int]:
    """Line of each key of a JSON file, by dotted name."""
    try:
        text = tree.read(path).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, int] = {}
    line = 1
    stack: list[str] = []
    keys: list[str] = []
    last = ""
    for token in _TOKEN.finditer(text):
        mark = token.group(0)
        if mark == "\n":
            line += 1
        elif mark in "{[":
            stack.append(mark)
            keys.append("")
        elif mark in "}]":
            if stack:
                stack.pop()
                keys.pop()
        elif mark == ":":
            if stack and stack[-1] == "{":
                keys[-1] = last
                found.setdefault(".".join(key for key in keys if key), line)
        elif mark != ",":
            last = token.group(1)
    return found
