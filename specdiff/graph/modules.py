"""The built module tree: parameter names and shapes in torch's order, ties, totals, and identical siblings folded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

from specdiff.facts import Value
from specdiff.interp.dims import Dim
from specdiff.interp.memo import LazyInstance, origin_of, template_of
from specdiff.interp.objects import Instance
from specdiff.interp.values import Tensor, Unknown
from specdiff.results import ModuleNode, Param

_Entry: TypeAlias = tuple[str, Tensor, Any, int]
"""Name, tensor, what is equal for two names of one tensor, and when that was made: a copy of a module is made as a whole."""


@dataclass(frozen=True, slots=True)
class NamedParameter:
    """One entry of ``named_parameters(remove_duplicate=False)``."""

    name: str
    tensor: Tensor
    identity: Any
    """Equal for two names of one tensor."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes; a size that is not known is -1, and so is a shape of which nothing is known."""
        return sizes(self.tensor)

    @property
    def is_known(self) -> bool:
        """Whether every size is a number."""
        return self.tensor.shape is not None and all(isinstance(size, int) for size in self.tensor.shape)


def sizes(tensor: Tensor) -> tuple[int, ...]:
    """A tensor's sizes as numbers, -1 for one that is not known."""
    return (-1,) if tensor.shape is None else tuple(size if isinstance(size, int) else -1 for size in tensor.shape)


class Collector:
    """Lists a tree's parameters. Copies that nobody changed are listed from their template, once."""

    def __init__(self) -> None:
        self._templates: dict[int, list[_Entry]] = {}
        self._keep: list[Instance] = []
        self.unknown: dict[tuple[str, str], Unknown] = {}
        """What modules hold that is not known, by class and name: parameters may be missing there."""

    def parameters(self, root: Instance) -> list[NamedParameter]:
        """All parameters below a module, in torch's order."""
        return [NamedParameter(name, tensor, key) for name, tensor, key, _ in self._entries(root)]

    def buffers(self, root: Instance, prefix: str = "") -> Iterator[tuple[str, Tensor, bool]]:
        """(name, tensor, whether `state_dict` has it) of all buffers below a module."""
        template = template_of(root)
        attrs = (root if template is None else template).attrs
        hidden = attrs.get("_non_persistent_buffers_set") or ()
        for name, tensor in (attrs.get("_buffers") or {}).items():
            if isinstance(tensor, Tensor):
                yield prefix + name, tensor, name not in hidden
        for name, child in (attrs.get("_modules") or {}).items():
            if isinstance(child, Instance):
                yield from self.buffers(child, f"{prefix}{name}.")

    def _entries(self, module: Instance) -> Iterator[_Entry]:
        template = template_of(module)
        if template is not None:
            start = origin_of(module)
            for name, tensor, key, made in self._of_template(template):
                if made < start:
                    yield name, tensor, key, made  # made before the copies, which all share it
                else:
                    yield name, tensor, (id(module), key), module.serial
            return
        attrs = module.attrs
        for name, value in attrs.items():
            if type(value) is Unknown:
                self.unknown[module.cls.name, name] = value
        for name, tensor in (attrs.get("_parameters") or {}).items():
            if isinstance(tensor, Tensor):
                yield name, tensor, id(tensor), tensor.serial
            elif type(tensor) is Unknown:
                self.unknown[module.cls.name, name] = tensor
        for name, child in (attrs.get("_modules") or {}).items():
            if type(child) is Unknown:
                self.unknown[module.cls.name, name] = child
            elif isinstance(child, Instance):
                for inner, tensor, key, made in self._entries(child):
                    yield f"{name}.{inner}", tensor, key, made

    def _of_template(self, template: Instance) -> list[_Entry]:
        found = self._templates.get(id(template))
        if found is None:
            found = self._templates[id(template)] = list(self._entries(template))
            self._keep.append(template)
        return found


def tied_pairs(parameters: list[NamedParameter]) -> list[tuple[str, str]]:
    """(later name, first name) for each further name of a tensor."""
    first: dict[Any, str] = {}
    pairs = []
    for parameter in parameters:
        other = first.setdefault(parameter.identity, parameter.name)
        if other != parameter.name:
            pairs.append((parameter.name, other))
    return pairs


def total(parameters: list[NamedParameter]) -> int | None:
    """Number of elements, tied parameters once; None where a shape is not known."""
    seen: set[Any] = set()
    count = 0
    for parameter in parameters:
        if parameter.identity not in seen:
            seen.add(parameter.identity)
            if parameter.tensor.shape is None or any(isinstance(size, Dim) for size in parameter.tensor.shape):
                return None
            count += prod(parameter.shape)
    return count


_HIDDEN = frozenset({"training"})


class Folder:
    """Builds `ModuleNode` trees, identical siblings folded into one node with several names."""

    def __init__(self) -> None:
        self._templates: dict[int, ModuleNode] = {}

    def node(self, module: Instance, name: str = "") -> ModuleNode:
        """The tree below a module."""
        template = template_of(module)
        source = module if template is None else template
        if template is not None:
            found = self._templates.get(id(template))
            if found is not None:
                return _renamed(found, (name,))
        attrs = source.attrs
        children: list[ModuleNode] = []
        for child_name, child in (attrs.get("_modules") or {}).items():
            if isinstance(child, Instance):
                children.append(self.node(child, child_name))
        made = ModuleNode(
            (name,),
            source.cls.name,
            "" if source.cls.file.startswith("<") else source.cls.file,
            source.cls.line if not source.cls.file.startswith("<") else 0,
            tuple(_params(attrs.get("_parameters"))),
            tuple(_params(attrs.get("_buffers"))),
            tuple(_folded(children)),
            {
                key: value
                for key, value in attrs.items()
                if not key.startswith("_") and key not in _HIDDEN and isinstance(value, bool | int | float | str)
            },
        )
        if template is not None:
            self._templates[id(template)] = made
        return made


def _params(table: dict[str, Any] | None) -> Iterator[Param]:
    for name, tensor in (table or {}).items():
        if isinstance(tensor, Tensor):
            place = tensor.place
            yield Param(name, sizes(tensor), tensor.dtype, place.file if place else "", place.line if place else 0)


def _renamed(node: ModuleNode, names: tuple[str, ...]) -> ModuleNode:
    return ModuleNode(
        names, node.class_name, node.file, node.line, node.params, node.buffers, node.children, node.settings
    )


def _folded(children: list[ModuleNode]) -> Iterator[ModuleNode]:
    """Neighbours with numbers for names and equal structure become one node."""
    run: list[ModuleNode] = []
    for child in children:
        if run and not (child.names[0].isdigit() and run[0].names[0].isdigit() and same_structure(run[0], child)):
            yield _renamed(run[0], tuple(node.names[0] for node in run))
            run = []
        run.append(child)
    if run:
        yield _renamed(run[0], tuple(node.names[0] for node in run))


def same_structure(left: ModuleNode, right: ModuleNode) -> bool:
    """Whether two modules have the same class, parameters and children, whatever their plain settings."""
    return (
        left.class_name == right.class_name
        and left.file == right.file
        and [(p.name, p.shape, p.dtype) for p in left.params] == [(p.name, p.shape, p.dtype) for p in right.params]
        and len(left.children) == len(right.children)
        and (
            left.children is right.children
            or all(
                a.names == b.names and same_structure(a, b) for a, b in zip(left.children, right.children, strict=True)
            )
        )
    )


__all__ = ["Collector", "Folder", "LazyInstance", "NamedParameter", "Value", "tied_pairs", "total"]
