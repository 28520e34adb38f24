"""What is chosen at run time: the entry of a table that was followed, the others, and which of them leave the source.

A choice is a look-up in a mapping of functions or classes under a key that no setting declares (the attention backend of
a loaded model), or one of whose entries leads to kernels or packages that are not read here. Tables of settings alone
(activations, rotary scalings) are the configuration's matter and no finding.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

from specdiff.audit.reaching import KERNEL
from specdiff.audit.source import imported_names, is_read_here, reached
from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, nodes_in
from specdiff.errors import SourceError
from specdiff.facts import Evidence
from specdiff.interp.calls import node_of
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import (
    MISSING,
    BoundMethod,
    BudgetExceeded,
    ClassVal,
    Function,
    Instance,
    ModuleVal,
    Raised,
    Value,
    Wrapped,
)
from specdiff.interp.values import Intrinsic
from specdiff.ir import nodes as ir
from specdiff.project.modules import Program, absolute
from specdiff.results import Finding

MAX_FOLLOWED = 40
"""Functions that are read, from one entry on, for what they reach."""
MAX_IMPORTS = 6
"""Files that a name is followed through to where it is defined."""
_OUTSIDE = {KERNEL: "a kernel from the hub or a compiled one", "source.remote_code": "code from a repository"}
"""By kind of finding: what an entry uses, in a word."""


class Table(NamedTuple):
    """A mapping of functions or classes as the program has it."""

    name: str
    entries: dict[str, Value]


class Site(NamedTuple):
    """One look-up in the text."""

    line: int
    table: ir.Expr
    key: ir.Expr
    default: ir.Expr | None


def choices(subject: Subject) -> Iterator[Finding]:
    """All `source.choice` findings."""
    for function in subject.path:
        for site in _sites(body_of(function).body):
            table = _table(subject, function, site.table)
            if table is not None:
                default = _named(function.module, site.default)
                yield from _told(subject, function, site, table, default, function.file, site.line)
    for module, decorator in _decorators(subject):
        yield from _of_decorator(subject, module, decorator)


def _sites(body: Any) -> Iterator[Site]:
    """Look-ups under keys that are no literals."""
    for item in nodes_in(body):
        match item:
            case ir.Item(value=table, index=key) if not isinstance(key, ir.Const | ir.SliceExpr | ir.TupleExpr):
                yield Site(item.line, table, key, None)
            case ir.Call(func=ir.Attr(value=table), args=args) if 1 <= len(args) <= 2 and not any(a.star for a in args):
                if not isinstance(args[0].value, ir.Const):
                    yield Site(item.line, table, args[0].value, args[1].value if len(args) == 2 else None)


# --- Tables -----------------------------------------------------------------------------------------


def _table(subject: Subject, function: Function, node: ir.Expr) -> Table | None:
    match node:
        case ir.DictExpr(items=items):
            pairs = [(item.key, _named(function.module, item.value)) for item in items]
            made = {str(key.value): value for key, value in pairs if isinstance(key, ir.Const)}
            return _of_choices("a table in the text", made)
        case ir.Name(id=name):
            return _of_choices(name, _entries(_global(function.module, name)))
        case ir.Attr(value=ir.Name(id="self"), name=name):
            holder = _holder(subject, function)
            found = holder.attrs.get(name, MISSING) if holder is not None else MISSING
            if found is MISSING and isinstance(function.owner, ClassVal):
                found = lookup(function.owner, name)[0]
            return _of_choices(f"self.{name}", _entries(found))
        case ir.Attr(value=value, name=name):
            holder = _named(function.module, value)
            if isinstance(holder, ModuleVal | ClassVal):
                return _of_choices(dotted(node), _entries(_member(holder, name)))
    return None


def _of_choices(name: str, entries: dict[str, Value]) -> Table | None:
    """A table of at least two functions or classes and of nothing else."""
    if len(entries) < 2 or not all(map(_is_callable, entries.values())):
        return None
    return Table(name, entries)


def _entries(value: Value) -> dict[str, Value]:
    """The entries of a dict, or of the dicts that an object keeps and looks up in."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if isinstance(key, str)}
    if not isinstance(value, Instance) or value.cls.flags & {"module", "config"}:
        return {}
    found: dict[str, Value] = {}
    if isinstance(value.native, dict):
        found.update({key: item for key, item in value.native.items() if isinstance(key, str)})
    if lookup(value.cls, "__getitem__")[0] is MISSING and lookup(value.cls, "get")[0] is MISSING:
        return found
    owners = [cls.attrs for cls in reversed(value.cls.mro) if isinstance(cls, ClassVal)]
    for attrs in (*owners, value.attrs):
        for kept in list(attrs.values()):
            if isinstance(kept, dict) and kept and all(map(_is_callable, kept.values())):
                found.update({key: item for key, item in kept.items() if isinstance(key, str)})
    return found


def _is_callable(value: Value) -> bool:
    return isinstance(value, Function | ClassVal | BoundMethod | Intrinsic | Wrapped)


def _global(module: ModuleVal, name: str) -> Value:
    try:
        return module.get(name)
    except (Raised, BudgetExceeded, SourceError):
        return MISSING


def _member(holder: Value, name: str) -> Value:
    return _global(holder, name) if isinstance(holder, ModuleVal) else lookup(holder, name)[0]


def _named(module: ModuleVal, node: ir.Expr | None) -> Value:
    """What a plain or dotted name of a file stands for."""
    match node:
        case ir.Name(id=name):
            return _global(module, name)
        case ir.Attr(value=value, name=name):
            holder = _named(module, value)
            return _member(holder, name) if isinstance(holder, ModuleVal | ClassVal) else MISSING
    return MISSING


def _holder(subject: Subject, function: Function) -> Instance | None:
    """A built module that has the method."""
    owner = function.owner
    for module in subject.modules if owner is not None else ():
        if owner in module.instance.cls.mro:
            return module.instance
    return None


# --- Keys -------------------------------------------------------------------------------------------


def _is_of_the_run(subject: Subject, key: ir.Expr) -> bool:
    """Whether a key is read from a configuration that does not declare it: it is chosen when the model is loaded."""
    config = subject.built.config
    if not isinstance(config, Instance):
        return False
    for item in nodes_in(key):
        if isinstance(item, ir.Attr) and dotted(item.value).rpartition(".")[2] == "config":
            if item.name not in config.attrs and lookup(config.cls, item.name)[0] is not MISSING:
                return True
    return False


def _value_of(subject: Subject, holder: Instance | None, key: ir.Expr) -> Value:
    """The key's value in the model that was built; `MISSING` where it is more than names and dots."""
    first, *rest = dotted(key).split(".")
    value: Value = holder if first == "self" else MISSING
    if first == "config" and rest:
        value = holder.attrs.get("config", subject.built.config) if holder is not None else subject.built.config
    if value is None or value is MISSING or not rest:
        return MISSING
    try:
        for name in rest:
            value = subject.program.run.getattr(value, name)
    except (Raised, BudgetExceeded):
        return MISSING
    return value


# --- What is said -----------------------------------------------------------------------------------


def _told(
    subject: Subject, function: Function | None, site: Site, table: Table, default: Value, file: str, line: int
) -> Iterator[Finding]:
    holder = _holder(subject, function) if function is not None else _any_with_config(subject)
    reaches = {key: outside(subject.program, value) for key, value in table.entries.items()}
    if not any(reaches.values()) and not _is_of_the_run(subject, site.key):
        return
    key = _value_of(subject, holder, site.key)
    taken = _taken(subject, table, key, default)
    others = {name: value for name, value in table.entries.items() if name not in (key, taken)}
    if key in table.entries and _is_callable(default):
        name = f"any other key ({_name_of(default)})"
        others[name], reaches[name] = default, outside(subject.program, default)
    groups: dict[str, list[str]] = {}
    for name in others:
        groups.setdefault(_where(reaches[name]), []).append(name)
    listed = "; ".join(
        ", ".join(sorted(names)) + (f" ({where})" if where else "") for where, names in sorted(groups.items())
    )
    followed = taken if key == taken or not isinstance(key, str) else f"{key} ({taken})" if taken else key
    message = (
        f"{written(site.key)} chooses from {table.name}: followed is {followed or 'no entry that is known'}; "
        f"the others are {listed or 'none'}"
    )
    related = tuple(
        Evidence(
            at[0],
            at[1],
            at[1],
            f"{name}: {_name_of(value)}{', which ' + _where(reaches[name]) if reaches[name] else ''}",
        )
        for name, value in sorted(others.items())
        if (at := _place(value)) is not None
    )
    yield finding("source.choice", file, line, message, related=related)


def _any_with_config(subject: Subject) -> Instance | None:
    root = subject.built.instance
    return root if isinstance(root, Instance) and "config" in root.attrs else None


def _taken(subject: Subject, table: Table, key: Value, default: Value) -> str:
    """The entry that was followed: by the key's value, else the one whose code was built or called."""
    if isinstance(key, str) and key in table.entries:
        return key
    if _is_callable(default):
        return _name_of(default)
    built = {id(cls) for cls in subject.classes} | {id(function) for function in subject.called}
    used = [name for name, value in table.entries.items() if id(_code(value)) in built]
    return used[0] if len(used) == 1 else ""


def _code(value: Value) -> Value:
    while isinstance(value, BoundMethod | Wrapped):
        value = value.func
    return value


def _name_of(value: Value) -> str:
    code = _code(value)
    return code.qualname if isinstance(code, Function | ClassVal) else str(getattr(code, "name", code))


def _place(value: Value) -> tuple[str, int] | None:
    code = _code(value)
    return (code.file, code.line) if isinstance(code, Function | ClassVal) else None


def _where(reaches: dict[str, None]) -> str:
    return "uses " + ", ".join(sorted(reaches)) if reaches else ""


def written(node: ir.Expr | None) -> str:
    """A key as the text has it, in names, dots and strings."""
    match node:
        case ir.Name(id=name):
            return name
        case ir.Attr(value=value, name=name):
            return f"{written(value)}.{name}"
        case ir.Const(value=value):
            return repr(value)
        case ir.Item(value=value, index=index):
            return f"{written(value)}[{written(index)}]"
        case ir.Binary(op=op, left=left, right=right):
            return f"{written(left)} {op} {written(right)}"
        case ir.FString(parts=parts):
            return "".join(
                str(part.value) if isinstance(part, ir.Const) else f"{{{written(part.value)}}}" for part in parts
            )
        case ir.Call(func=func, args=args):
            return f"{written(func)}({', '.join(written(arg.value) for arg in args)})"
    return "…"


# --- What leaves the source -------------------------------------------------------------------------

_KNOWN: weakref.WeakKeyDictionary[Any, dict[tuple[str, int], dict[str, None]]] = weakref.WeakKeyDictionary()
"""By program, then by file and line: what a function or class reaches."""


def outside(program: Program, value: Value) -> dict[str, None]:
    """Packages that are not read here and kernels that a function or class, and what it calls, leads to.

    Returns:
        Their names as a set in order: "the package flash_attn", "a kernel from the hub".
    """
    place = _place(value)
    if place is None:
        return {}
    known = _KNOWN.setdefault(program.run, {})
    if place not in known:
        known[place] = _walked(program, _code(value))
    return known[place]


def _walked(program: Program, start: Value) -> dict[str, None]:
    found: dict[str, None] = {}
    seen: set[tuple[str, int]] = set()
    waiting = list(_functions_of(start))
    while waiting and len(seen) < MAX_FOLLOWED:
        function = waiting.pop(0)
        if (function.file, function.line) in seen or function.unit is None:
            continue
        seen.add((function.file, function.line))
        try:
            node = node_of(function)
        except SourceError:
            continue
        if not isinstance(node, ir.FunctionDef):
            continue
        found.update(_reached_by(function, node))
        waiting += _calls_of(program, function, node)
    if any((function.file, function.line) not in seen for function in waiting):
        found["what is called further on"] = None
    return found


def _functions_of(value: Value) -> Iterator[Function]:
    if isinstance(value, Function):
        yield value
    elif isinstance(value, ClassVal):
        for owner in value.mro:
            if isinstance(owner, ClassVal) and owner.module.unit is not None and owner.module is value.module:
                for each in owner.attrs.values():
                    code = _code(each)
                    if isinstance(code, Function):
                        yield code


def _reached_by(function: Function, node: ir.FunctionDef) -> Iterator[tuple[str, None]]:
    module = function.module
    for item in reached(module, function.qualname, node):
        if item.id in _OUTSIDE:
            yield _OUTSIDE[item.id], None
    names = imported_names(module)
    for item in nodes_in(node.body):
        tops: list[str] = []
        if isinstance(item, ir.Import):
            tops = [alias.name for alias in item.names]
        elif isinstance(item, ir.ImportFrom) and item.level == 0:
            tops = [item.module]
        elif isinstance(item, ir.Name) and item.id in names:
            tops = [names[item.id]]
        for top in tops:
            if top and not is_read_here(module, top.partition(".")[0]):
                yield f"the package {top.partition('.')[0]}", None


def _calls_of(program: Program, function: Function, node: ir.FunctionDef) -> Iterator[Function]:
    """Functions that a body names: of its file, of its class, and what it imports itself."""
    for item in nodes_in(node.body):
        if isinstance(item, ir.ImportFrom):
            yield from _brought_in(program, function.module, item)
        elif isinstance(item, ir.Name):
            found = _code(_global(function.module, item.id)) if function.module.unit.may_define(item.id) else MISSING
            if isinstance(found, Function):
                yield found
        elif isinstance(item, ir.Attr) and isinstance(item.value, ir.Name) and item.value.id == "self":
            found = _code(lookup(function.owner, item.name)[0]) if isinstance(function.owner, ClassVal) else MISSING
            if isinstance(found, Function) and found.module is function.module:
                yield found


def _brought_in(program: Program, module: ModuleVal, node: ir.ImportFrom) -> Iterator[Function]:
    if node.level == 0 and node.module.partition(".")[0] != module.name.partition(".")[0]:
        return
    home = _imported(program, module, node)
    if not isinstance(home, ModuleVal):
        return
    for alias in node.names:
        found = _code(_global(home, alias.name))
        if isinstance(found, Function):
            yield found


def _imported(program: Program, module: ModuleVal, node: ir.ImportFrom) -> Value:
    """The module that a line imports from; `MISSING` where it is not there."""
    try:
        return program.module(absolute(node.level, node.module, module.package))
    except (Raised, BudgetExceeded, SourceError):
        return MISSING


# --- Decorators -------------------------------------------------------------------------------------


def _decorators(subject: Subject) -> Iterator[tuple[ModuleVal, ir.Expr]]:
    for cls in subject.classes:
        for decorator in cls.node.decorators if cls.node is not None else ():
            yield cls.module, decorator


def _of_decorator(subject: Subject, module: ModuleVal, decorator: ir.Expr) -> Iterator[Finding]:
    """Choices that a decorator of the library puts around a class: read in its source, told where it stands."""
    call = decorator.func if isinstance(decorator, ir.Call) else decorator
    name = dotted(call)
    found = defined_at(subject.program, module, name) if name and "." not in name else None
    if found is None or subject.program.defined_in_models(found[0].name):
        return
    home, node = found
    for site in _sites(node.body):
        table_name = dotted(site.table)
        default = next((param.default for param in node.params if param.name == table_name), None)
        looked_up = _named(home, default if default is not None else site.table)
        table = _of_choices(dotted(default) if default is not None else table_name, _entries(looked_up))
        if table is not None:
            yield from _told(subject, None, site, table, MISSING, module.file, decorator.line)


def defined_at(program: Program, module: ModuleVal, name: str) -> tuple[ModuleVal, ir.FunctionDef] | None:
    """The file and body of a function by a name that a file imports, whatever stands in for it when it runs."""
    for _ in range(MAX_IMPORTS):
        unit = module.unit
        if unit is None:
            return None
        following: ModuleVal | None = None
        for position, chunk in enumerate(unit.chunks):
            if chunk.kind == "def" and chunk.name == name:
                (stub,) = unit.readable(position) or (None,)
                return (module, unit.function(stub)) if isinstance(stub, ir.FunctionStub) else None
            if following is None and "import" in (text := unit.chunk_text(position)) and name in text:
                for item in nodes_in(unit.readable(position)):
                    if isinstance(item, ir.ImportFrom):
                        alias = next((a for a in item.names if (a.asname or a.name) == name), None)
                        target = _imported(program, module, item) if alias else None
                        if alias is not None and isinstance(target, ModuleVal):
                            following, name = target, alias.name
                            break
        if following is None:
            return None
        module = following
    return None
