"""The configuration against the code: settings nothing reads, settings nothing defines, values that are replaced."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from specdiff.audit.readers import Readers, file_words, made_names, moved_prefixes
from specdiff.audit.subject import Subject, body_of, finding, words
from specdiff.audit.walk import blocks_in, dotted, nodes_in, without_words
from specdiff.facts import Evidence
from specdiff.interp.calls import node_of
from specdiff.interp.classes import Annotation
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Function, Instance, Value
from specdiff.ir import nodes as ir
from specdiff.results import Finding, Severity

_ATTRIBUTE = re.compile(r"\.\s*([A-Za-z_]\w*)")


_HOLLOW_LEAST = 8
"""Fewer dead settings than this may be left over from another model; more, and half of all, are a front."""


def configs(subject: Subject) -> list[Instance]:
    """The configuration and its parts."""
    found: dict[int, Instance] = {}

    def visit(value: Value, depth: int) -> None:
        if isinstance(value, Instance) and "config" in value.cls.flags and depth < 5 and id(value) not in found:
            found[id(value)] = value
            for item in value.attrs.values():
                visit(item, depth + 1)

    visit(subject.built.config, 0)
    if not found and isinstance(subject.built.config, Instance):
        found[0] = subject.built.config
    return list(found.values())


def _kept(subject: Subject) -> list[Instance]:
    """Configurations that parts were built with and keep, wherever they come from: a constant of the file, say."""
    kept = {
        id(held): held
        for module in subject.modules
        for held in (module.instance.attrs.get("config"),)
        if isinstance(held, Instance) and "config" in held.cls.flags
    }
    return list(kept.values())


def unread(subject: Subject) -> Iterator[Finding]:
    """`config.unread`."""
    told: set[tuple[str, str]] = set()
    around = configs(subject)
    for config in around:
        declared = list(_declared(subject, config.cls))
        if not declared:
            continue
        readers = _read_around(subject, config.cls)
        renames = lookup(config.cls, "attribute_map")[0]
        aliases = _aliases(renames)
        dead: dict[int, list[str]] = {}
        for owner, name, line in declared:
            if (owner.qualname, name) in told or any(item in readers for item in (name, *aliases.get(name, ()))):
                continue
            if readers.put_together(name):
                continue
            if any(
                name in own
                for own in (_own_reads(owner), *[_own_reads(c) for c in config.cls.mro if isinstance(c, ClassVal)])
            ) or any(name in _reads_of_parts(other.cls) for other in around if other is not config):
                continue
            if any(name in _reads_of_parts(other) for other in _beside(owner)):
                continue
            told.add((owner.qualname, name))
            dead.setdefault(id(owner), []).append(name)
            yield finding("config.unread", owner.file, line, f"nothing reads the setting {name} of {owner.name}")
        for owner in {id(owner): owner for owner, _, _ in declared}.values():
            count, names = sum(each is owner for each, _, _ in declared), dead.get(id(owner), [])
            if len(names) >= _HOLLOW_LEAST and 2 * len(names) >= count:
                said = f"{len(names)} of the {count} settings of {owner.name}: {', '.join(names[:6])}"
                yield finding("config.hollow", owner.file, owner.line, f"nothing reads {said}{' …' * (len(names) > 6)}")
        subject.program.ledger.consult(*readers.looked_at())


def _aliases(renames: Value) -> dict[str, frozenset[str]]:
    """By setting: the other names that the configuration's ``attribute_map`` gives it, in either direction."""
    found: dict[str, set[str]] = {}
    for name, other in renames.items() if isinstance(renames, dict) else ():
        found.setdefault(name, set()).add(other)
        found.setdefault(other, set()).add(name)
    return {name: frozenset(others) for name, others in found.items()}


def _declared(subject: Subject, cls: ClassVal) -> Iterator[tuple[ClassVal, str, int]]:
    """(class, name, line) of the settings that model code declares."""
    for owner in cls.mro:
        if not isinstance(owner, ClassVal) or not subject.is_model_code(owner):
            continue
        annotations = owner.attrs.get("__annotations__")
        if isinstance(annotations, dict):
            for name, annotation in annotations.items():
                if isinstance(annotation, Annotation) and annotation.head != "ClassVar" and not name.startswith("_"):
                    yield owner, name, annotation.line
        init = owner.attrs.get("__init__")
        if isinstance(init, Function) and isinstance(node_of(init), ir.FunctionDef):
            node = body_of(init)
            for param in node.params[1:]:
                if param.kind in ("plain", "kwonly") and param.default is not None and not param.name.startswith("_"):
                    yield owner, param.name, getattr(param.default, "line", node.def_line)


def _methods(cls: ClassVal) -> Iterator[ir.FunctionDef]:
    """The functions that a class itself defines, properties' and wrapped ones among them."""
    for value in cls.attrs.values():
        function = getattr(value, "getter", None) or getattr(value, "func", None) or value
        if isinstance(function, Function) and isinstance(node_of(function), ir.FunctionDef):
            yield body_of(function)


_OWN: weakref.WeakKeyDictionary[Any, frozenset[str]] = weakref.WeakKeyDictionary()


def _own_reads(cls: ClassVal) -> frozenset[str]:
    """Settings that a configuration class's own methods use for more than keeping them."""
    found = _OWN.get(cls)
    if found is None:
        reads: set[str] = set()
        for method in _methods(cls):
            reads |= _used_in(method)
        found = _OWN[cls] = frozenset(reads)
    return found


def _beside(cls: ClassVal) -> Iterator[ClassVal]:
    """The other configuration classes of a file: one may take this one as a part, whichever class is looked at."""
    unit = cls.module.unit
    for chunk in unit.chunks if unit is not None and "config" in cls.flags else ():
        other = cls.module.get(chunk.name) if chunk.kind == "class" else None
        if isinstance(other, ClassVal) and other is not cls and "config" in other.flags:
            yield other


_PARTS: weakref.WeakKeyDictionary[Any, frozenset[str]] = weakref.WeakKeyDictionary()


def _reads_of_parts(cls: ClassVal) -> frozenset[str]:
    """Settings that a configuration class's own methods read of a part of the configuration: ``self.part.x``."""
    found = _PARTS.get(cls)
    if found is None:
        reads: set[str] = set()
        for method in _methods(cls):
            body = method.body
            written = {id(target) for item in nodes_in(body) if isinstance(item, ir.Assign) for target in item.targets}
            for item in nodes_in(body):
                if isinstance(item, ir.Attr) and id(item) not in written and dotted(item.value) != "self":
                    reads.add(item.name)
                elif isinstance(item, ir.Call) and dotted(item.func) in ("getattr", "hasattr") and len(item.args) > 1:
                    part, name = (each.value for each in item.args[:2])
                    if dotted(part) != "self" and isinstance(name, ir.Const) and isinstance(name.value, str):
                        reads.add(name.value)
        found = _PARTS[cls] = frozenset(reads)
    return found


def _used_in(node: ir.FunctionDef) -> set[str]:
    """Attributes of ``self`` and arguments that a configuration's method reads, ``self.x = x`` and defaults left out."""
    reads: set[str] = set()
    for block in blocks_in(node.body):
        for item in block:
            own = ""
            parts: list[Any] = [item]
            match item:
                case ir.Assign(targets=(ir.Attr(value=ir.Name(id="self"), name=own),), value=value):
                    parts = [value]
                case ir.If():
                    parts = [item.test]
                    # `if self.x is None: self.x = …` only fills a default in.
                    if _only_defaults(item):
                        own = _compared(item.test)
                case ir.For() | ir.While() | ir.With() | ir.Try():
                    parts = [getattr(item, "iter", None), getattr(item, "test", None), getattr(item, "items", None)]
                case _:
                    pass
            for part in parts:
                for each in nodes_in(part):
                    if isinstance(each, ir.Attr) and isinstance(each.value, ir.Name) and each.value.id == "self":
                        if each.name != own:
                            reads.add(each.name)
                    elif isinstance(each, ir.Name) and each.id != own:
                        reads.add(each.id)
                    elif isinstance(each, ir.Const) and isinstance(each.value, str) and each.value.isidentifier():
                        reads.add(each.value)
    return reads


def _only_defaults(node: ir.If) -> bool:
    return not node.orelse and all(isinstance(item, ir.Assign) for item in node.body)


def _compared(test: ir.Expr) -> str:
    match test:
        case ir.Compare(left=ir.Attr(value=ir.Name(id="self"), name=name), ops=("is",)):
            return name
        case ir.Compare(left=ir.Name(id=name), ops=("is",)):
            return name
        case _:
            return ""


def _read_around(subject: Subject, cls: ClassVal) -> Readers:
    """Names that the code around a configuration reads: the model's folders, every file of model code that was read
    for this class, and the library."""
    program = subject.program
    names: set[str] = set()
    folders: set[Path] = set()
    seen_files: set[Path] = set()
    for module in list(program.modules.values()):
        unit = module.unit
        if unit is None or not program.defined_in_models(module.name) or unit.path.stem == "__init__":
            continue  # that a package was imported does not make its files readers
        if not _is_configuration(unit.path):
            seen = words(unit)
            seen_files.add(unit.path)
            names |= seen.any | seen.quoted
            names.update(made_names(unit.text))
            folders.add(unit.path.parent)
    if cls.module.unit is not None:
        folders.add(cls.module.unit.path.parent)
    # Only what was just read: a program knows files of earlier targets whose modules it has let go of.
    files = [path for folder in sorted(folders) for path in _others(folder, frozenset(seen_files))]
    packages = [folder for found in program.roots.packages.values() for folder in found]
    library = "config" in cls.flags  # a configuration of another kind never comes into its hands
    libraries = [folder for folder in packages if library and (folder / "modeling_utils.py").is_file()]
    return Readers(names, files, libraries, _called(cls))


def _called(cls: ClassVal) -> frozenset[str]:
    """How other models' files name a configuration class that they take as a part: by class or by model type."""
    kind = lookup(cls, "model_type")[0]
    marks = {f"{cls.name}{end}" for end in (",", ")", "\n", "(", " ")}
    return frozenset(marks | {f'"{kind}"'}) if isinstance(kind, str) and kind else frozenset(marks)


def _others(folder: Path, loaded: frozenset[Path]) -> Iterator[Path]:
    """A model folder's other files (processing, tokenization, generation), configurations left out."""
    for path in folder.glob("*.py"):
        if (
            path not in loaded
            and not _is_configuration(path)
            and not path.stem.startswith(("modular_", "convert_", "__init__"))
        ):
            yield path


def _is_configuration(path: Path) -> bool:
    """Whether a file keeps settings: a setting that it has is declared there, not read."""
    return path.stem.startswith("configuration") or any(part in ("config", "configs") for part in path.stem.split("_"))


def undefined(subject: Subject) -> Iterator[Finding]:
    """`config.undefined`: ``config.x`` on the path where no configuration around has an ``x``."""
    holders = [*configs(subject), *_kept(subject)]
    if not holders or any("config" not in config.cls.flags for config in holders):
        return
    known: set[str] = set()
    for config in holders:
        known |= set(config.attrs)
        for owner in config.cls.mro:
            if isinstance(owner, ClassVal):
                known |= set(owner.attrs)
                annotations = owner.attrs.get("__annotations__")
                known |= set(annotations) if isinstance(annotations, dict) else set()
                if owner.module.unit is not None:
                    known |= words(owner.module.unit).any | words(owner.module.unit).quoted
                    known |= _assigned(owner.module.unit)
                    # A part of the configuration that a property makes has a class of its own in the same file.
                    chunks = owner.module.unit.chunks
                    known |= {member.name for chunk in chunks if chunk.kind == "class" for member in chunk.members}
        renames = lookup(config.cls, "attribute_map")[0]
        known |= set(renames) if isinstance(renames, dict) else set()
    for folders_of in subject.program.roots.packages.values():
        for folder in folders_of:
            if (folder / "configuration_utils.py").is_file():
                known |= _config_words(folder)
    units = {id(function.unit): function.unit for function in subject.path if function.unit is not None}
    for prefix in {prefix for unit in units.values() for prefix in moved_prefixes(unit.text)}:
        known |= {name.removeprefix(prefix) for name in known if name.startswith(prefix)}
    told: set[str] = set()
    for function in subject.path:
        node = body_of(function)
        guarded = {
            item.value for item in nodes_in(node.body) if isinstance(item, ir.Const) and isinstance(item.value, str)
        }
        chosen = _chosen(node)
        for item in nodes_in(node.body):
            if not isinstance(item, ir.Attr) or dotted(item.value) not in ("config", "self.config"):
                continue
            if item.name in known or item.name in guarded or item.name in told or item.name.startswith("_"):
                continue
            told.add(item.name)
            yield finding(
                "config.undefined", function.file, item.line,
                f"{function.qualname} reads the setting {item.name}, which no configuration of this model defines",
                severity=Severity.NOTE if id(item) in chosen else None,
            )  # fmt: skip


def _chosen(node: ir.FunctionDef) -> set[int]:
    """Reads that a condition chooses, which may never happen."""
    found: set[int] = set()
    for item in nodes_in(node.body):
        match item:
            case ir.If():
                parts: tuple[Any, ...] = (item.body, item.orelse)
            case ir.IfExp():
                parts = (item.body, item.orelse)
            case ir.BoolOp():
                parts = tuple(item.values[1:])
            case _:
                continue
        found.update(id(inner) for inner in nodes_in(parts) if isinstance(inner, ir.Attr))
    return found


_ASSIGNED: weakref.WeakKeyDictionary[Any, frozenset[str]] = weakref.WeakKeyDictionary()


def _assigned(unit: Any) -> frozenset[str]:
    found = _ASSIGNED.get(unit)
    if found is None:
        found = _ASSIGNED[unit] = frozenset(_ATTRIBUTE.findall(without_words(unit.text)))
    return found


@lru_cache(maxsize=8)
def _config_words(folder: Path) -> frozenset[str]:
    found: set[str] = set()
    for name in ("configuration_utils.py", "generation/configuration_utils.py", "modeling_rope_utils.py"):
        found |= file_words(folder / name)
        try:
            found |= set(re.findall(r"^\s+(\w+)\s*:", (folder / name).read_text(encoding="utf-8"), re.MULTILINE))
        except OSError:
            pass
    return frozenset(found)


def overridden(subject: Subject) -> Iterator[Finding]:
    """`config.overridden`: a target that gets a setting and then, unread, a literal."""
    for function in subject.path:
        for block in blocks_in(body_of(function).body):
            held: dict[str, ir.Assign] = {}
            for item in block:
                if not isinstance(item, ir.Assign) or len(item.targets) != 1:
                    for name in [each for each in held if _reads(item, each)]:
                        del held[name]
                    continue
                target = dotted(item.targets[0])
                for name in [each for each in held if _reads(item.value, each)]:
                    del held[name]
                if target and _is_setting(item.value):
                    held[target] = item
                elif target in held and isinstance(item.value, ir.Const) and item.value.value is not None:
                    first = held.pop(target)
                    yield finding(
                        "config.overridden", function.file, item.line,
                        f"{function.qualname}: {target} is read from the configuration in line {first.line} and set to {item.value.value!r} here",
                        related=(Evidence(function.file, first.line, first.end_line, "read from the configuration here"),),
                    )  # fmt: skip
                else:
                    held.pop(target, None)


def _reads(node: Any, target: str) -> bool:
    return any(dotted(item) == target for item in nodes_in(node) if isinstance(item, ir.Attr | ir.Name))


def _is_setting(node: Any) -> bool:
    path = dotted(node)
    return path.startswith(("config.", "self.config."))


def literals(subject: Subject) -> Iterator[Finding]:
    """`config.literal`: a keyword gets a number where the same call in the same constructor gets a setting."""
    for function in subject.constructors:
        given: dict[tuple[str, str], list[tuple[int, ir.Expr]]] = {}
        for item in nodes_in(body_of(function).body):
            if isinstance(item, ir.Call) and dotted(item.func):
                for arg in item.args:
                    if arg.name is not None:
                        given.setdefault((dotted(item.func), arg.name), []).append((item.line, arg.value))
        for (callee, keyword), uses in given.items():
            setting = next(((line, dotted(value)) for line, value in uses if _is_setting(value)), None)
            if setting is None:
                continue
            for line, value in uses:
                if (
                    isinstance(value, ir.Const)
                    and isinstance(value.value, int | float)
                    and not isinstance(value.value, bool)
                ):
                    # Only a literal that is the setting's value is likely to stand for it; another may be the design.
                    same = value.value == subject.settings.get(setting[1].rpartition(".")[2])
                    yield finding(
                        "config.literal", function.file, line,
                        f"{function.qualname}: {callee} gets {keyword}={value.value!r} here and {keyword}={setting[1]} elsewhere",
                        related=(Evidence(function.file, setting[0], setting[0], f"{setting[1]} is read here"),),
                        severity=None if same else Severity.NOTE,
                    )  # fmt: skip
