"""What the source does not show: work, code and data that come from elsewhere, by the lines that reach out.

Nothing here needs the model to be built: of a class that cannot be, the functions that its own text leads to are read.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from specdiff.audit.reaching import HINT, KERNEL_DECORATOR, METHODS, PATHS, READS, Row, row_of
from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, nodes_in, without_words
from specdiff.errors import SourceError
from specdiff.interp.objects import ClassVal, ModuleVal
from specdiff.ir import nodes as ir
from specdiff.project.modules import Program
from specdiff.results import Finding

_KNOWN = frozenset(
    {"torch", "transformers", "numpy", "typing_extensions", "packaging", "huggingface_hub", "safetensors", "__future__"}
)
"""Packages whose part in a model is modelled here or is about files and types only."""
_WORD = re.compile(r"[A-Za-z_]\w*")
_IMPORT = re.compile(r"^\s+(?:from\s+\S+\s+)?import\s", re.MULTILINE)
"""An import on the way, in the body of a function."""


_IMPLICIT = frozenset(
    f"__{name}__"
    for name in "getattr getattribute del reduce reduce_ex setstate getstate init_subclass set_name class_getitem enter exit new".split()
)
"""Methods that run without a line that calls them."""


def source(subject: Subject) -> Iterator[Finding]:
    """All `source.*` findings: import time of the files of the built classes, constructors, and what ``forward`` calls."""
    modules = {id(cls.module): cls.module for cls in (*subject.classes, subject.built.cls)}
    for function in subject.path:
        modules.setdefault(id(function.module), function.module)
    for module in [*modules.values(), *_imported(subject.program, modules.values())]:
        if module.unit is not None and subject.program.defined_in_models(module.name):
            yield from _import_time(module)
            for owner, stub in _functions(module):
                if owner and stub.name in _IMPLICIT:
                    yield from _of_stub(
                        module, f"{owner}.{stub.name}", stub, _text(module.unit, stub.line, stub.end_line)
                    )
    for function in dict.fromkeys((*subject.configuring, *subject.path)):
        node = body_of(function)
        if function.unit is None or not _is_suspicious(function.module, function.line, node.end_line):
            continue
        yield from reached(function.module, function.qualname, node)
        for decorator in node.decorators:
            yield from _kernel(function.file, function.qualname, decorator)
    for module, name, stub in _named_further(subject):
        yield from _of_stub(module, name, stub, _text(module.unit, stub.line, stub.end_line))
    for cls in subject.classes:
        for decorator in cls.node.decorators if cls.node is not None else ():
            yield from _kernel(cls.file, cls.qualname, decorator)


def _named_further(subject: Subject) -> Iterator[tuple[ModuleVal, str, ir.FunctionStub]]:
    """Functions that the functions on the path call where the run did not come: with a cache, on another device."""
    known = {(function.module.name, function.qualname) for function in subject.path}
    stubs: dict[str, dict[str, ir.FunctionStub]] = {}
    waiting: list[tuple[ModuleVal, str, Any]] = [
        (function.module, function.qualname.rpartition(".")[0], body_of(function).body) for function in subject.path
    ]
    while waiting:
        module, owner, body = waiting.pop()
        if module.unit is None:
            continue
        own = stubs.get(module.name)
        if own is None:
            own = stubs[module.name] = {
                f"{cls}.{stub.name}" if cls else stub.name: stub for cls, stub in _functions(module)
            }
        for item in nodes_in(body):
            path = dotted(item) if isinstance(item, ir.Attr | ir.Name) else ""
            name = f"{owner}.{path[5:]}" if path.startswith("self.") else path
            if name in own and (module.name, name) not in known:
                known.add((module.name, name))
                yield module, name, own[name]
                node = _loaded(module.unit, own[name])
                if node is not None:
                    waiting.append((module, owner if path.startswith("self.") else "", node.body))


def source_of_unbuilt(program: Program, cls: ClassVal | None, module: ModuleVal) -> tuple[Finding, ...]:
    """The same for a class that could not be built, or a file that could not be read to its end: by what the text mentions."""
    found: list[Finding] = []
    modules = [module, *(owner.module for owner in (cls.mro if cls is not None else ()) if isinstance(owner, ClassVal))]
    own = {id(each): each for each in modules if each.unit is not None and program.defined_in_models(each.name)}
    own.update((id(each), each) for each in _imported(program, own.values()))
    texts: list[str] = []
    waiting: list[tuple[ModuleVal, str, str, ir.FunctionStub, str]] = []
    for each in own.values():
        found.extend(_import_time(each))
        for owner, stub in _functions(each):
            text = _text(each.unit, stub.line, stub.end_line)
            entry = (owner == "" or cls is None or owner == cls.name) and stub.name in (
                "__init__",
                "forward",
                "__new__",
                "__call__",
            )
            name = f"{owner}.{stub.name}" if owner else stub.name
            if entry or (owner and stub.name.startswith("__")):
                texts.append(text)
                found.extend(_of_stub(each, name, stub, text))
            else:
                waiting.append((each, owner, name, stub, text))
    words = {word for text in texts for word in _WORD.findall(text)}
    while ready := [row for row in waiting if row[3].name in words or row[1] in words]:
        waiting = [row for row in waiting if row not in ready]
        for each, _, name, stub, text in ready:
            words.update(_WORD.findall(text))
            found.extend(_of_stub(each, name, stub, text))
    for each in own.values():
        for node in (node for position in range(len(each.unit.chunks)) for node in each.unit.readable(position)):
            if isinstance(node, ir.ClassDef) and (node.name in words or cls is None or node.name == cls.name):
                for decorator in node.decorators:
                    found.extend(_kernel(each.file, node.name, decorator))
    return tuple({(item.id, item.primary.file, item.primary.line, item.message): item for item in found}.values())


def _of_stub(module: ModuleVal, name: str, stub: ir.FunctionStub, text: str) -> Iterator[Finding]:
    for decorator in stub.decorators:
        yield from _kernel(module.file, name, decorator)
    if _hints(module, text):
        node = _loaded(module.unit, stub)
        if node is not None:
            yield from reached(module, name, node)


def _loaded(unit: Any, stub: ir.FunctionStub) -> ir.FunctionDef | None:
    """A function's body; None where it is not valid Python."""
    try:
        found: ir.FunctionDef = unit.function(stub)
    except SourceError:
        return None
    return found


def _imported(program: Program, modules: Iterable[ModuleVal]) -> list[ModuleVal]:
    """Files of the analysed folder that these import, and those that they import in turn."""
    if program.model_prefixes:
        return []  # in the library every model file is looked at by itself
    known, folder = {id(module) for module in modules}, program.roots.folder
    return [
        module
        for module in list(program.modules.values())
        if module.unit is not None
        and id(module) not in known
        and folder is not None
        and folder in module.unit.path.parents
    ]


def _functions(module: ModuleVal) -> Iterator[tuple[str, ir.FunctionStub]]:
    """The functions and methods of a file, each with the name of its class."""
    for position, chunk in enumerate(module.unit.chunks):
        if chunk.kind not in ("def", "class"):
            continue
        for node in module.unit.readable(position):
            if isinstance(node, ir.FunctionStub):
                yield "", node
            elif isinstance(node, ir.ClassDef):
                for item in node.body:
                    if isinstance(item, ir.FunctionStub):
                        yield node.name, item


def _text(unit: Any, first: int, last: int) -> str:
    return without_words("\n".join(unit.text.split("\n")[first - 1 : last]))


def _is_suspicious(module: ModuleVal, first: int, last: int) -> bool:
    return _hints(module, _text(module.unit, first, last))


def _hints(module: ModuleVal, text: str) -> bool:
    """Whether a text has a name that may reach outside, or one that the file gives such a name."""
    return (
        HINT.search(text) is not None
        or _IMPORT.search(text) is not None
        or not _aliases(module).isdisjoint(_WORD.findall(text))
    )


_ALIASES: weakref.WeakKeyDictionary[Any, frozenset[str]] = weakref.WeakKeyDictionary()


def _aliases(module: ModuleVal) -> frozenset[str]:
    """The file's own names for what reaches outside."""
    found = _ALIASES.get(module.unit)
    if found is None:
        names = imported_names(module)
        found = _ALIASES[module.unit] = frozenset(
            name
            for name, full in names.items()
            if row_of(full) is not None or full in READS or (full in _HOLDERS and full not in ("torch", name))
        )
    return found


def _kernel(file: str, name: str, decorator: ir.Expr) -> Iterator[Finding]:
    call = decorator.func if isinstance(decorator, ir.Call) else decorator
    if KERNEL_DECORATOR.fullmatch(dotted(call).rpartition(".")[2]):
        given = decorator.args if isinstance(decorator, ir.Call) else ()
        words = [str(item.value.value) for item in given if isinstance(item.value, ir.Const) and item.value.value]
        which = f" ({' of '.join(words[:2])})" if words else ""
        yield finding("source.kernel", file, decorator.line, f"a kernel from the hub may replace {name}{which}")


def _import_time(module: ModuleVal) -> Iterator[Finding]:
    """What the import of a file runs: its statements, the bodies of its classes, decorators, defaults, and the functions
    of the file that these call."""
    unit, where = module.unit, "the import of this file"
    names = imported_names(module)
    called: set[str] = set()
    functions = {stub.name: stub for owner, stub in _functions(module) if not owner}
    for position, chunk in enumerate(unit.chunks):
        statements = unit.readable(position)
        if chunk.kind not in ("def", "class"):
            for node in statements:
                yield from _imports(module, node)
        called.update(dotted(item.func if isinstance(item, ir.Call) else item) for item in _decorators(statements))
        if _hints(module, unit.chunk_text(position)) or chunk.kind not in ("def", "class"):
            parts = tuple(_at_import(unit, node) for node in statements)
            called.update(dotted(item.func) for item in nodes_in(parts) if isinstance(item, ir.Call))
            yield from _calls(unit.name, where, parts, names)
    done: set[str] = set()
    while further := [name for name in called if name in functions and name not in done]:
        for name in further:
            done.add(name)
            node = _loaded(unit, functions[name])
            if node is None:
                continue
            called |= {dotted(item.func) for item in nodes_in(node.body) if isinstance(item, ir.Call)}
            yield from reached(module, f"{where} ({name})", node)


def _decorators(node: Any) -> Iterator[ir.Expr]:
    for item in nodes_in(node):
        if isinstance(item, ir.FunctionStub | ir.ClassDef):
            yield from item.decorators


def _at_import(unit: Any, node: Any) -> Any:
    """The parts of a statement that run when it is met, not when a function in it is called."""
    match node:
        case ir.FunctionStub():
            loaded = _loaded(unit, node)
            defaults = loaded.params if loaded is not None else ()
            return (node.decorators, tuple(param.default for param in defaults if param.default is not None))
        case ir.ClassDef():
            return (node.decorators, node.bases, tuple(_at_import(unit, item) for item in node.body))
        case _:
            return (node,)


def _imports(module: ModuleVal, node: Any) -> Iterator[Finding]:
    for item in nodes_in(node):
        tops: list[str] = []
        if isinstance(item, ir.Import):
            tops = [alias.name.partition(".")[0] for alias in item.names]
        elif isinstance(item, ir.ImportFrom) and item.level == 0:
            tops = [item.module.partition(".")[0]]
        if isinstance(item, ir.ImportFrom):
            for name in _without_source(module, item):
                words = f"uses {name}, of which there is no source here"
                yield finding("source.package", module.file, item.line, words)
        for top in tops:
            if not is_read_here(module, top):
                yield finding(
                    "source.package", module.file, item.line, f"uses the package {top}, which is not read here"
                )


def _without_source(module: ModuleVal, item: ir.ImportFrom) -> Iterator[str]:
    """What an import takes from the file's own package and no file of it has: a compiled part (``from . import _C``)."""
    top = module.name.partition(".")[0]
    folders = [module.unit.path.parent, *module.unit.path.parent.parents]
    first, *parts = item.module.split(".") if item.module else [""]
    if item.level:
        base: Path | None = folders[min(item.level, len(folders)) - 1]
        parts = [first, *parts] if first else []
    else:
        base = next((folder for folder in folders if folder.name == top), None) if first == top else None
    if base is None or top == "transformers":
        return
    place = base.joinpath(*parts)
    if not place.is_dir():
        if parts and not place.with_suffix(".py").is_file():
            yield item.module
        return
    init = place / "__init__.py"
    text = init.read_text(encoding="utf-8", errors="replace") if init.is_file() else ""
    if "__getattr__" in text or "import *" in text or item.names[0].name == "*":
        return
    bound = set(_WORD.findall(text))
    for alias in item.names:
        name = alias.name
        if name not in bound and not (place / f"{name}.py").is_file() and not (place / name).is_dir():
            yield f"{item.module}.{name}" if item.module else name


def is_read_here(module: ModuleVal, top: str) -> bool:
    """Whether a top-level package is modelled or about files and types only, Python's own, or what the file belongs to."""
    if top in _KNOWN or top in sys.stdlib_module_names or top == module.name.partition(".")[0]:
        return True
    return module.loader is not None and _is_own(module, top)


def _is_own(module: ModuleVal, top: str) -> bool:
    """Whether a name is a file beside this one."""
    folder: Path = module.unit.path.parent
    return (folder / f"{top}.py").is_file() or (folder / top).is_dir()


def imported_names(module: ModuleVal) -> dict[str, str]:
    """Local name to dotted name of what the file imports at its top, and of what it gives another name there."""
    found: dict[str, str] = {}
    unit = module.unit
    for position, chunk in enumerate(unit.chunks if unit is not None else ()):
        if chunk.kind in ("def", "class") or not chunk.binds:
            continue
        text = unit.chunk_text(position)
        if "import" not in text and not HINT.search(text) and found.keys().isdisjoint(_WORD.findall(text)):
            continue
        for node in unit.readable(position):
            _learn(node, found)
    return found


def _learn(node: Any, found: dict[str, str]) -> None:
    """Add what imports and plain assignments below a node name."""
    for item in nodes_in(node):
        if isinstance(item, ir.Import):
            for alias in item.names:
                if alias.asname:
                    found[alias.asname] = alias.name
        elif isinstance(item, ir.ImportFrom) and item.level == 0:
            for alias in item.names:
                found[alias.asname or alias.name] = f"{item.module}.{alias.name}"
        elif isinstance(item, ir.Assign) and len(item.targets) == 1 and isinstance(item.targets[0], ir.Name):
            name = resolved(item.value, found)
            if name and (row_of(name) is not None or name in READS or name.partition(".")[0] in _HOLDERS):
                found[item.targets[0].id] = name


_HOLDERS = frozenset(
    {"os", "sys", "builtins", "subprocess", "importlib", "pickle", "socket", "ctypes", "shutil", "requests", "torch"}
)
"""Modules of which a part under another name is followed."""


def resolved(node: Any, names: dict[str, str]) -> str:
    """The dotted name that an expression leads to, also by ``getattr``, ``__import__`` and the modules' own tables."""
    match node:
        case ir.Name(id=name):
            return names.get(name, "builtins" if name == "__builtins__" else name)
        case ir.Attr(value=value, name=name):
            head = resolved(value, names)
            return f"{head}.{name}" if head else ""
        case ir.Item(value=value, index=index):
            key, head = _text_of(index), resolved(value, names)
            if head == "sys.modules":
                return key
            if head in ("builtins", "globals()") or head.endswith((".__dict__", "()")):
                return f"{head.removesuffix('.__dict__').removesuffix('()')}.{key}" if key else ""
            return ""
        case ir.Call(func=func, args=args):
            return _resolved_call(resolved(func, names), args, names)
        case _:
            return ""


def _resolved_call(func: str, args: tuple[ir.Arg, ...], names: dict[str, str]) -> str:
    first = args[0].value if args else None
    match func.removeprefix("builtins."):
        case "getattr" if len(args) > 1:
            head, name = resolved(first, names), _text_of(args[1].value)
            return f"{head}.{name}" if head and name else ""
        case "__import__" | "importlib.import_module" | "importlib.__import__":
            return _text_of(first)
        case "vars" if args:
            return f"{resolved(first, names)}.__dict__"
        case "globals":
            return "globals()"
        case "functools.partial" if args:
            return resolved(first, names)
        case "pathlib.Path" | "pathlib.PosixPath":
            return "pathlib.Path()"
        case _:
            return ""


def _text_of(node: Any) -> str:
    """A string that stands in the text, perhaps in pieces."""
    match node:
        case ir.Const(value=str(text)):
            return text
        case ir.Binary(op="+", left=left, right=right):
            before, after = _text_of(left), _text_of(right)
            return before + after if before and after else ""
        case _:
            return ""


def reached(module: ModuleVal, where: str, node: ir.FunctionDef) -> Iterator[Finding]:
    """What the body of a function reaches; names that it binds itself are its own."""
    names = {**imported_names(module)}
    for param in node.params:
        names[param.name] = ""
    _learn(node.body, names)
    yield from _imports(module, node.body)
    yield from _calls(module.file, where, node.body, names)


def _calls(file: str, where: str, node: Any, names: dict[str, str]) -> Iterator[Finding]:
    heads: set[int] = set()
    told: set[tuple[str, int]] = set()
    for item in nodes_in(node):
        if isinstance(item, ir.Call):
            heads.add(id(item.func))
            found = _called(item, names)
            if found is not None:
                row, written = found
                told.add((row[0], item.line))
                yield finding(row[0], file, item.line, f"{where}: {written} {row[1]}")
            elif id(item) not in heads and (full := resolved(item, names)) and (handed := row_of(full)):
                yield finding(handed[0], file, item.line, f"{where}: {full} is handed on; it {handed[1]}")
            for arg in item.args:
                if arg.name == "trust_remote_code" and not _is_false(arg.value):
                    yield finding(
                        "source.remote_code", file, item.line, f"{where}: trust_remote_code lets published code run"
                    )
        elif isinstance(item, ir.Assign):
            heads.update(id(target) for target in item.targets if isinstance(target, ir.Name))
        elif isinstance(item, ir.Attr | ir.Name) and id(item) not in heads:
            yield from _mentioned(file, where, item, names, heads, told)


def _called(item: ir.Call, names: dict[str, str]) -> tuple[Row, str] | None:
    """What a call reaches, with the name to show."""
    full = resolved(item.func, names)
    last = item.func.name if isinstance(item.func, ir.Attr) else ""
    written = dotted(item.func) or full or last
    row = row_of(full) if full else None
    if row is None and full:
        row = row_of(full.rpartition(".")[2]) if full.rpartition(".")[0].split(".")[0] in _LENDERS else None
    if row is None and last in PATHS and full.startswith("pathlib.Path()"):
        row = PATHS[last]
    if row is None and last:
        row = METHODS.get(last)
    return None if row is None else (row, written if full in (written, "") else f"{written} ({full})")


_LENDERS = frozenset({"transformers", "kernels", "safetensors", "huggingface_hub"})
"""Packages that lend their functions under several paths."""


def _mentioned(
    file: str, where: str, item: ir.Attr | ir.Name, names: dict[str, str], heads: set[int], told: set[tuple[str, int]]
) -> Iterator[Finding]:
    """What reaches outside without being called here: handed on, used as a decorator, read as a table."""
    full = resolved(item, names)
    if isinstance(item, ir.Attr):
        heads.add(id(item.value))
        if full.startswith("torch.ops.") and full.count(".") == 3:
            if not full.startswith(("torch.ops.aten", "torch.ops.prims", "torch.ops.load_library")):
                yield finding("source.kernel", file, item.line, f"{where}: {full} is a compiled operation")
            return
    row = READS.get(full)
    if row is None and (isinstance(item, ir.Attr) or item.id in names or full in ("exec", "eval", "__import__")):
        handed = row_of(full)
        row = None if handed is None else (handed[0], f"is handed on; it {handed[1]}")
    if row is not None and (row[0], item.line) not in told:
        told.add((row[0], item.line))
        yield finding(row[0], file, item.line, f"{where}: {dotted(item) or full} {row[1]}")


def _is_false(node: ir.Expr) -> bool:
    return isinstance(node, ir.Const) and not node.value
