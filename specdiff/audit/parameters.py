"""Parameters and submodules that are built and not used, built twice, or kept where torch does not see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from specdiff.audit.outputs import has_forward
from specdiff.audit.subject import Module, Subject, body_of, finding, words
from specdiff.audit.walk import blocks_in, dotted, nodes_in, without_words
from specdiff.facts import Evidence
from specdiff.interp.memo import template_of
from specdiff.interp.objects import ClassVal, Function, Instance
from specdiff.interp.values import Place, Tensor
from specdiff.ir import nodes as ir
from specdiff.results import Finding


def unread(subject: Subject) -> Iterator[Finding]:
    """`parameter.unread`: the attribute on the way to a parameter is read by no line."""
    told: set[tuple[str, str]] = set()
    shapes = {item.name: item for item in subject.parameters}
    for name, (holder, attribute) in unread_parameters(subject).items():
        key = (holder.instance.cls.name, attribute)
        if key in told:
            continue
        told.add(key)
        place = _built_at(holder.instance, attribute) or shapes[name].tensor.place or holder.instance.place
        file, line = (place.file, place.line) if place is not None else (subject.built.cls.file, subject.built.cls.line)
        what = "parameter" if attribute == name.rpartition(".")[2] else "submodule"
        yield finding(
            "parameter.unread", file, line,
            f"the {what} {attribute} of {holder.instance.cls.name} is built and no line reads it ({name})",
        )  # fmt: skip


def empty(subject: Subject) -> Iterator[Finding]:
    """`state.unread`: a buffer full of zeros that no line reads or writes; a table of positions left over is none."""
    told: set[tuple[str, str]] = set()
    units = {id(owner.module.unit): owner.module.unit for owner in subject.classes if owner.module.unit is not None}
    text = "\n".join(without_words(unit.text) for unit in units.values())
    for module in subject.modules:
        cls = module.instance.cls
        for name, tensor in (module.instance.attrs.get("_buffers") or {}).items():
            if (cls.name, name) in told or not subject.is_model_code(cls) or start_of(tensor) != 0 or not tensor.shape:
                continue
            told.add((cls.name, name))
            if len(re.findall(rf"\.\s*{name}\b|[\"']{name}[\"']", text)) > 1 or re.search(r"\b_?buffers\b", text):
                continue
            place = tensor.place or module.instance.place
            file, line = (place.file, place.line) if place is not None else (cls.file, cls.line)
            yield finding(
                "state.unread", file, line, f"the empty buffer {name} of {cls.name} is neither read nor written"
            )


def start_of(tensor: Any) -> float | None:
    """The one number that a tensor is made full of."""
    if not isinstance(tensor, Tensor):
        return None
    kind, inputs, attrs = tensor.recipe or ("", (), {})
    fill = attrs.get("fill") if kind == "constant" and not inputs else None
    const: Any = tensor.const() if callable(tensor.const) else tensor.const
    if fill is None and const is not None and const.size and (const == const.ravel()[0]).all():
        fill = const.ravel()[0].item()
    return float(fill) if isinstance(fill, bool | int | float) else None


def unread_parameters(subject: Subject) -> dict[str, tuple[Module, str]]:
    """The unused parameters that no line reads, each with the module and the attribute of it that is not read."""
    alive = subject.liveness
    if alive is not None and (not alive.unused or not alive.live):
        return {}
    if alive is None and not has_forward(subject):
        return {}
    found: dict[str, tuple[Module, str]] = {}
    for item in subject.parameters:
        # Where no run came to its end the text alone has to tell.
        if alive is None or item.name in alive.unused:
            holder, attribute = _unread_above(subject, item.name)
            if holder is not None:
                found[item.name] = (holder, attribute)
    return found


def _unread_above(subject: Subject, name: str) -> tuple[Module | None, str]:
    """The innermost module above a parameter whose attribute on the way to it nobody reads, with the attribute."""
    instance: Any = subject.built.instance
    prefix: list[str] = []
    for part in name.split("."):
        if not isinstance(instance, Instance):
            break
        template = template_of(instance)
        source = instance if template is None else template
        owner = source.cls
        if isinstance(owner, ClassVal) and subject.is_model_code(owner) and not _is_read(subject, owner, part):
            return Module(".".join(prefix), source), part
        prefix.append(part)
        instance = (source.attrs.get("_modules") or {}).get(part)
    return None, ""


def _is_read(subject: Subject, cls: ClassVal, name: str) -> bool:
    """Whether any code that may see an object of this class reads an attribute of that name."""
    if "." in name or name.isdigit():
        return True
    units = {id(owner.module.unit): owner.module.unit for owner in subject.classes if owner.module.unit is not None}
    for unit in units.values():
        seen = words(unit)
        if name in seen.others or name in seen.quoted:
            return True
    known = [item for item in cls.mro if isinstance(item, ClassVal)]
    family = {item.name for item in known} | {item.name for item in subject.classes if cls in item.mro}
    for owner in (*known, *subject.classes):
        if owner.name in family and owner.module.unit is not None:
            reads = words(owner.module.unit).of_self.get(owner.qualname.partition(".")[0])
            if reads is None or name in reads:
                return True
    return any(not subject.is_model_code(owner) and _library_reads(owner, name) for owner in known)


def _library_reads(owner: ClassVal, name: str) -> bool:
    """Whether a library class that model code extends reads the attribute from ``self``."""
    unit = owner.module.unit
    if unit is None:
        return True
    if owner.name in ("Module", "PreTrainedModel"):
        return False  # what they read by name (`lm_head`, `embed_tokens`) they do not compute with
    reads = words(unit).of_self.get(owner.qualname.partition(".")[0])
    return reads is None or name in reads


def _built_at(instance: Instance, attribute: str) -> Place | None:
    child = (instance.attrs.get("_modules") or {}).get(attribute)
    if isinstance(child, Instance):
        return child.place if child.place is not None and not child.place.file.startswith("<") else None
    tensor = (instance.attrs.get("_parameters") or {}).get(attribute)
    return tensor.place if isinstance(tensor, Tensor) else None


def overwritten(subject: Subject) -> Iterator[Finding]:
    """`module.overwritten`: two constructions into one attribute in one block, nothing between them reading it."""
    for function in subject.constructors:
        for block in blocks_in(body_of(function).body):
            built: dict[str, ir.Assign] = {}
            for statement in block:
                target = _own_target(statement)
                value = statement.value if isinstance(statement, ir.Assign) else None
                for name in [name for name in built if _mentions(value if target else statement, name)]:
                    del built[name]
                if not target or not isinstance(statement, ir.Assign):
                    continue
                if _is_construction(value) and target in built:
                    first = built[target]
                    yield finding(
                        "module.overwritten", function.file, statement.line,
                        f"self.{target} of {function.qualname.rpartition('.')[0]} is built again over the one of line {first.line}",
                        related=(Evidence(function.file, first.line, first.end_line, "built first here"),),
                    )  # fmt: skip
                if _is_construction(value):
                    built[target] = statement
                else:
                    built.pop(target, None)


def _own_target(statement: ir.Stmt) -> str:
    if isinstance(statement, ir.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ir.Attr) and isinstance(target.value, ir.Name) and target.value.id == "self":
            return target.name
    return ""


def _is_construction(node: Any) -> bool:
    if not isinstance(node, ir.Call):
        return False
    last = dotted(node.func).rpartition(".")[2]
    return bool(last) and (last[0].isupper() or last.startswith("_from_config"))


def _mentions(node: Any, name: str) -> bool:
    return any(
        (isinstance(item, ir.Attr) and item.name == name) or (isinstance(item, ir.Const) and item.value == name)
        for item in nodes_in(node)
    )


def unregistered(subject: Subject) -> Iterator[Finding]:
    """`module.unregistered` and `state.unregistered`."""
    known = {id(module.instance) for module in subject.modules}
    parameters = {id(item.tensor) for item in subject.parameters}
    told: set[tuple[str, str]] = set()
    for module in subject.modules:
        instance = module.instance
        if not subject.is_model_code(instance.cls):
            continue
        for name, value in instance.attrs.items():
            if name.startswith("_") or (instance.cls.name, name) in told:
                continue
            lost = [item for item in _modules_in(value, 0) if id(item) not in known and _template_id(item) not in known]
            if lost and any(_has_parameters(item, 0) for item in lost):
                told.add((instance.cls.name, name))
                place = lost[0].place or instance.place
                if place is not None:
                    yield finding(
                        "module.unregistered", place.file, place.line,
                        f"{len(lost)} modules in the plain {type(value).__name__} {name} of {instance.cls.name} are not registered",
                    )  # fmt: skip
            if isinstance(value, Tensor) and value.kind == "tensor" and id(value) not in parameters:
                line = _random_line(instance.cls, name)
                if line is not None:
                    told.add((instance.cls.name, name))
                    yield finding(
                        "state.unregistered", line[0], line[1],
                        f"the random tensor {name} of {instance.cls.name} is neither parameter nor buffer",
                    )  # fmt: skip


_RANDOM = frozenset(
    f"torch.{name}"
    for name in (
        "rand",
        "randn",
        "randint",
        "randperm",
        "rand_like",
        "randn_like",
        "normal",
        "bernoulli",
        "multinomial",
    )
)


def _random_line(cls: ClassVal, name: str) -> tuple[str, int] | None:
    """Where the constructor gives the attribute a tensor of random numbers, and nothing else afterwards."""
    for owner in cls.mro:
        init = owner.attrs.get("__init__") if isinstance(owner, ClassVal) else None
        if not isinstance(init, Function):
            continue
        given = [
            item
            for item in nodes_in(body_of(init).body)
            if isinstance(item, ir.Assign) and any(dotted(target) == f"self.{name}" for target in item.targets)
        ]
        if given:
            calls = {dotted(item.func) for item in nodes_in(given[-1].value) if isinstance(item, ir.Call)}
            return (init.file, given[-1].line) if calls & _RANDOM else None
    return None


def _template_id(instance: Instance) -> int:
    template = template_of(instance)
    return id(instance if template is None else template)


def _modules_in(value: Any, depth: int) -> Iterator[Instance]:
    if depth > 3:
        return
    if isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, Instance) and "module" in item.cls.flags:
                yield item
            else:
                yield from _modules_in(item, depth + 1)
    elif isinstance(value, dict):
        yield from _modules_in(list(value.values()), depth + 1)


def _has_parameters(instance: Instance, depth: int) -> bool:
    template = template_of(instance)
    attrs = (instance if template is None else template).attrs
    if any(isinstance(item, Tensor) for item in (attrs.get("_parameters") or {}).values()):
        return True
    children = (attrs.get("_modules") or {}).values()
    return depth < 8 and any(_has_parameters(item, depth + 1) for item in children if isinstance(item, Instance))
