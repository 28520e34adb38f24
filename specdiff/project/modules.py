"""Modules of the analysed program, whose names bind only when they are read.

A module's top level is not run from top to bottom: reading a name runs the statements that bind or
change that name, in order, and what those read in turn. A model file thus costs what it uses.
"""

from __future__ import annotations

import builtins
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specdiff.cache import Cache
from specdiff.errors import SourceError
from specdiff.frontend.unit import SourceUnit
from specdiff.interp.calls import unreadable
from specdiff.interp.containers import NotIterable
from specdiff.interp.objects import (
    MISSING,
    BudgetExceeded,
    Frame,
    Function,
    Instance,
    LazyName,
    Loaded,
    ModuleVal,
    Raised,
    Value,
)
from specdiff.interp.run import STUB_PREFIX, Run
from specdiff.interp.values import Intrinsic, Unknown
from specdiff.ir import nodes as ir
from specdiff.project.ledger import Ledger, file_digest
from specdiff.project.locate import STUBS, Roots, standing_for

if TYPE_CHECKING:
    from specdiff.interp.run import Library


class Program:
    """All modules of one run, by dotted name. Implements `interp.run.Loader`."""

    def __init__(
        self, roots: Roots, library: Library, model_prefixes: tuple[str, ...] = (), cache: Cache | None = None
    ) -> None:
        self.cache = cache
        self.roots = roots
        self.library = library
        self.model_prefixes = model_prefixes
        """Dotted prefixes of modules that count as model code (`transformers.models`)."""
        self.modules: dict[str, ModuleVal] = {}
        self.sources: dict[str, _SourceModule] = {}
        self.completed: set[str] = set()
        """Modules that `complete` has been through."""
        self.units: dict[Path, SourceUnit] = {}
        self.ledger = Ledger()
        self.attention = "eager"
        """The attention backend that is followed where one is chosen at run time."""
        self.detailed = False
        """Whether operations keep all plain arguments of the calls that made them."""
        self.constructed: set[Function] = set()
        """Functions of model code that constructors have called; a repeated construction is a copy and calls none."""
        self.words: dict[tuple[str, int], frozenset[str]] = {}
        """By file and line of a function: what its code names (`unreached`)."""
        self.target: Path | None = None
        """The file that is analysed."""
        self.whole = False
        """Whether modules of the target's folder run from top to bottom when they are imported (`programs`)."""
        self.run: Run

    # --- Loader --------------------------------------------------------------------------------

    def defined_in_models(self, module: str) -> bool:
        """See `Loader.defined_in_models`."""
        if not self.model_prefixes:
            if module.startswith("transformers.") and not module.startswith("transformers.models."):
                return False
            found = self.modules.get(module)
            return found is not None and found.unit is not None and not found.file.startswith(STUB_PREFIX)
        return any(module == prefix or module.startswith(prefix + ".") for prefix in self.model_prefixes)

    def module(self, name: str) -> ModuleVal | Unknown:
        """See `Loader.module`."""
        found = self.modules.get(name := standing_for(name))
        if found is not None:
            return found
        place = self.find(name)
        if place is not None:
            try:
                return self._source_module(name, *place)
            except SourceError as error:
                if self.essential(place[0]):
                    raise
                self.ledger.consult({place[0]: file_digest(str(place[0]), self.roots.tree)}, {})
                return unreadable(error)
        if self.library.has_module(name):
            made = ModuleVal(name, name, lambda attribute: self._native(name, attribute))
            self.modules[name] = made
            return made
        own = self._own_package(name)
        if own is not None and self.run.catching:
            raise Raised(ModuleNotFoundError(f"No module named '{name}'"), [self.run.place])
        if own is not None:
            return Unknown(f"there is no module {name.rpartition('.')[2]} in {own}", self.run.place, name=name)
        missing = self.library.missing_package(name)
        if missing is not None and not self.whole:
            if self._must_be_there():
                return Unknown(f"package {name.partition('.')[0]} is not analysed", self.run.place, name=name)
            raise Raised(missing, [self.run.place])
        return Unknown(f"module {name} is not analysed", self.run.place, name=name)

    def essential(self, path: Path) -> bool:
        """Whether text that is not Python ends the analysis: in the target's own file, and where a program runs."""
        return self.whole or path == self.target

    def find(self, name: str) -> tuple[Path, bool] | None:
        """`Roots.find`, but Python's own modules are not those of a neighbouring file: torch has long imported them."""
        place = self.roots.find(name)
        if place is None or self.whole or not self.library.is_standard(name):
            return place
        own = any(place[0].is_relative_to(folder) for folders in self.roots.packages.values() for folder in folders)
        return place if own or place[0].is_relative_to(STUBS) else None

    def _own_package(self, name: str) -> str | None:
        """The folder where a module of the analysed package should be, as reports show it."""
        top = name.partition(".")[0]
        if self.run.importing.partition(".")[0] != top or top not in self.roots.packages or top == "transformers":
            return None
        parent = "/".join(name.split(".")[1:-1])
        return parent or "the folder of the target"

    def _must_be_there(self) -> bool:
        """Whether code that is not a library's imports something without a way out: then it is there where it runs."""
        run = self.run
        return not run.catching and run.importing.partition(".")[0] != "transformers"

    def is_source(self, level: int, module: str, importer: ModuleVal) -> bool:
        """See `Loader.is_source`."""
        return not self.whole and self.find(absolute(level, module, importer.package)) is not None

    def name(self, level: int, module: str, name: str, importer: ModuleVal) -> Value:
        """See `Loader.name`."""
        self.run.importing = importer.name
        target = absolute(level, module, importer.package)
        neutral = self.library.replacement(target, name)
        if neutral is not None:
            return neutral
        found = self.module(target)
        if isinstance(found, Unknown):
            return Unknown(found.reason, found.place, name=f"{target}.{name}")
        value = found.get(name)
        if value is not MISSING:
            return value
        if self.find(f"{target}.{name}") is not None or self.library.has_module(f"{target}.{name}"):
            return self.module(f"{target}.{name}")
        if found.unit is None or found.file.startswith(STUB_PREFIX):
            return self.run.unknown(f"{target}.{name} is not modelled")
        if target.partition(".")[0] == "transformers" and self._must_be_there():
            return self.run.unknown(f"{target} has no {name} in the installed version")
        raise Raised(ImportError(f"cannot import name '{name}' from '{target}' ({found.file})"), [self.run.place])

    def facts(self) -> dict[str, str]:
        """What the results since the last call rest on, besides `ledger.shared`: files read and names looked for."""
        asked = [name for name in self.roots.asked if self.defined_in_models(name)]
        return self.ledger.settle(self.roots, self._files(), asked)

    def _files(self) -> list[tuple[Path, str]]:
        return [(path, unit.digest) for path, unit in self.units.items() if not path.is_relative_to(STUBS)]

    def forget_models(self) -> None:
        """Let go of model code and of everything built from it; the library around it stays."""
        run = self.run
        run.memo.clear()
        run.stamps.clear()
        run.edges.clear()
        self.constructed.clear()
        self.words.clear()
        run.notes.clear()
        if not self.model_prefixes:
            self.ledger.keep(self._files())
            return
        for name in [name for name in self.modules if self.defined_in_models(name) and ".auto" not in name]:
            module = self.modules.pop(name)
            if module.unit is not None:
                unit = self.units.pop(module.unit.path, None)
                if unit is not None:
                    self.ledger.leave(module, unit.path, unit.digest)
        for module in self.modules.values():
            for key, value in list(module.env.items()):
                if self._is_gone(value):
                    del module.env[key]
                elif isinstance(value, Instance):
                    self._forget_in(value)
        self.ledger.keep(self._files())

    def _is_gone(self, value: Value) -> bool:
        return isinstance(value, ModuleVal) and value.unit is not None and self.modules.get(value.name) is not value

    def _forget_in(self, holder: Instance) -> None:
        """A library object (a lazy mapping) may keep modules that it has imported."""
        for kept in holder.attrs.values():
            if type(kept) is dict:
                for key in [key for key, value in kept.items() if self._is_gone(value)]:
                    del kept[key]

    # --- Modules with source -------------------------------------------------------------------

    def unit(self, path: Path) -> SourceUnit:
        """The source unit of a file; each file is read once.

        Raises:
            SourceError: it cannot be read or is not Python.
        """
        found = self.units.get(path)
        if found is None:
            found = SourceUnit(path, self.shown(path), self.cache, self.roots.tree.read, self._is_support(path))
            found.essential = self.essential(path)
            self.units[path] = found
        return found

    def _is_support(self, path: Path) -> bool:
        """Whether a file surrounds model code: the library's base classes and utilities, its tables of models, our stubs."""
        if path.is_relative_to(STUBS):
            return True
        for folder in self.roots.packages.get("transformers", ()):
            if path.is_relative_to(folder):
                first, *rest = path.relative_to(folder).parts
                return first != "models" or rest[:1] == ["auto"]
        return False

    def shown(self, path: Path) -> str:
        """The path as reports show it: relative to the analysed package or folder."""
        if path.is_relative_to(STUBS):
            return STUB_PREFIX + path.relative_to(STUBS).as_posix()
        for folders in self.roots.packages.values():
            for folder in folders:
                if path.is_relative_to(folder):
                    return path.relative_to(folder).as_posix()
        if self.roots.folder is not None and path.is_relative_to(self.roots.folder):
            return path.relative_to(self.roots.folder).as_posix()
        return path.name

    def _source_module(self, name: str, path: Path, is_package: bool) -> ModuleVal:
        package = name if is_package else name.rpartition(".")[0]
        if self.roots.tree.is_dir(path):
            made = ModuleVal(name, package, lambda attribute: self._submodule(name, attribute))
            self.modules[name] = made
            return made
        source = _SourceModule(self, name, package, self.unit(path))
        self.modules[name] = source.value
        self.sources[name] = source
        if self.whole and self.roots.folder is not None and path.is_relative_to(self.roots.folder):
            source.run_all()
        return source.value

    def complete(self) -> bool:
        """Run what the modules of the analysed folder have left aside, imports first; whether there was anything.

        Names bind only when they are read, so a class that registers itself somewhere may not have been made.
        """
        ran = False
        for name in list(self.sources):
            if self._is_own(name):
                ran |= self._complete(name)
        return ran

    def _is_own(self, name: str) -> bool:
        place = self.find(name)
        return place is not None and name.partition(".")[0] != "transformers" and not place[0].is_relative_to(STUBS)

    def _complete(self, name: str) -> bool:
        if name in self.completed or len(self.completed) > MAX_COMPLETED:
            return False
        self.completed.add(name)
        ran = False
        if name not in self.sources and isinstance(self.module(name), Unknown):
            return False
        source = self.sources.get(name)
        if source is None:
            return False
        for other in source.imported():
            if self._is_own(other):
                ran |= self._complete(other)
        return source.run_rest() or ran

    def _submodule(self, name: str, attribute: str) -> Value:
        found = self.roots.find(f"{name}.{attribute}")
        return self.module(f"{name}.{attribute}") if found is not None else MISSING

    def _native(self, module: str, attribute: str) -> Value:
        dotted = f"{module}.{attribute}"
        value = Loaded(self.modules) if dotted == "sys.modules" else self.library.native(dotted)
        if value is not MISSING:
            self.modules[module].env[attribute] = value
            return value
        if self.library.has_module(dotted):
            return self.module(dotted)
        if attribute.startswith("__"):
            return MISSING
        name = dotted if dotted.startswith("torch.ops.") else ""  # compiled code that somebody registered
        return Unknown(f"{dotted} is not modelled", self.run.place, name=name)


_BUILTINS = frozenset(vars(builtins))

_SCANNED = "define_import_structure("
"""How a package says that its names are those that its files export, whatever its type-checking branch says."""

MAX_COMPLETED = 300
"""Modules that are run to their end where a class that could not be built may miss what they register."""


def absolute(level: int, module: str, package: str) -> str:
    """The dotted name a relative import means."""
    if level == 0:
        return module
    base = package.split(".")[: package.count(".") + 2 - level]
    return ".".join([*base, module] if module else base)


class _SourceModule:
    """Binds the names of one module on demand."""

    def __init__(self, program: Program, name: str, package: str, unit: SourceUnit) -> None:
        self.program = program
        self.unit = unit
        self.value = ModuleVal(name, package, self.load)
        self.value.unit = unit
        self.value.file = unit.name
        self.value.names = self.names
        self.value.env.update(
            {"__name__": name, "__file__": unit.name, "__package__": package, "__doc__": None, "__spec__": None}
        )
        self.frame = Frame(self.value)
        self.frame.locals = self.value.env
        self.done: set[int] = set()
        self.running: set[str] = set()
        self.missing: set[str] = set()
        self.index: dict[str, list[int]] = {}
        self.lazy = "_LazyModule(" in unit.text
        """A package that binds its names on demand, by the type-checking branch's imports."""
        self.stars: list[tuple[int, str]] | None = None
        for position, chunk in enumerate(unit.chunks):
            for bound in chunk.binds:
                self.index.setdefault(bound, []).append(position)
            for mentioned in chunk.mentions:
                positions = self.index.setdefault(mentioned, [])
                if not positions or positions[-1] != position:
                    positions.append(position)

    def names(self) -> list[str]:
        """Names that the module's statements bind."""
        found = {name for chunk in self.unit.chunks for name in chunk.binds}
        return sorted(found)

    def load(self, name: str) -> Value:
        """Run the statements that bind or change a name; its value, or `MISSING`."""
        if name in self.running or name in self.missing:
            value = self.value.env.get(name, MISSING)
            if type(value) is LazyName:
                del self.value.env[name]  # `from . import name` comes back here for a submodule
                value = self.value.env[name] = self.program.name(value.level, value.module, value.name, self.value)
            return value
        run = self.program.run
        self.running.add(name)
        recording, journal, run.recording, run.journal = run.recording, run.journal, None, None
        caller, run.caller = run.caller, None
        trace, run.trace = run.trace, None
        catching, run.catching = run.catching, 0
        try:
            with run.at(self.unit.name, run.line):
                for position in self.index.get(name, ()):
                    if position not in self.done and self._relevant(position, name):
                        self._execute(position, name)
                value = self.value.env.get(name, MISSING)
                if type(value) is LazyName:
                    value = self.program.name(value.level, value.module, value.name, self.value)
                if value is MISSING:
                    value = self._from_star(name)
                if value is MISSING:
                    value = self._fallback(name)
        finally:
            self.running.discard(name)
            run.recording, run.journal, run.caller, run.trace = recording, journal, caller, trace
            run.catching = catching
        if value is MISSING:
            self.missing.add(name)
        else:
            self.value.env[name] = value
        return value

    def run_all(self) -> None:
        """Run the module from top to bottom, its code counting as a function of its own (``<module>``)."""
        run = self.program.run
        name = "<module>"
        node = ir.FunctionDef(1, 1, 1, name, (), (), None, (), False, False, None)
        body = Function(name, name, self.value, None, node, self.unit, self.unit.name)
        caller, run.caller = run.caller, body
        run.sites.append((run.file, run.line, caller))
        body.in_models = True
        try:
            with run.at(self.unit.name, 1):
                for position in range(len(self.unit.chunks)):
                    if position not in self.done:
                        self.done.add(position)
                        self._run(position, "", self.unit.statements(position))
        finally:
            run.sites.pop()
            run.caller = caller

    def imported(self) -> list[str]:
        """Dotted names of modules that the module's import statements may mean."""
        found: list[str] = []
        for position, chunk in enumerate(self.unit.chunks):
            if chunk.kind == "simple" and "import" in self.unit.chunk_text(position):
                for node in self.unit.readable(position):
                    if isinstance(node, ir.Import):
                        found.extend(alias.name for alias in node.names)
                    elif isinstance(node, ir.ImportFrom):
                        target = absolute(node.level, node.module, self.value.package)
                        found.extend([target, *(f"{target}.{alias.name}" for alias in node.names)])
        return found

    def run_rest(self) -> bool:
        """Run the statements that nobody has asked for and that may leave traces elsewhere; what fails is passed over."""
        ran = False
        for position, chunk in enumerate(self.unit.chunks):
            if position in self.done or (chunk.kind == "def" and not chunk.decorators):
                continue
            if chunk.kind == "simple" and "import" in self.unit.chunk_text(position):
                continue
            ran = True
            with (
                contextlib.suppress(Raised, BudgetExceeded, NotIterable, SourceError, RecursionError),
                self.program.run.at(self.unit.name, chunk.line),
            ):
                self._execute(position, chunk.name)
        return ran

    def _relevant(self, position: int, name: str) -> bool:
        chunk = self.unit.chunks[position]
        if self.lazy and chunk.kind == "compound" and self._type_checking(position):
            return False  # its imports are followed one name at a time (`_lazy_package`)
        return name in chunk.binds or name in chunk.mentions

    def _type_checking(self, position: int) -> bool:
        return "TYPE_CHECKING" in self.unit.chunk_text(position).partition("\n")[0]

    def _execute(self, position: int, name: str) -> None:
        chunk = self.unit.chunks[position]
        replacement = self.program.library.replacement(self.value.name, name)
        if replacement is not None and chunk.kind in ("def", "class"):
            self.value.env[name] = replacement
            return
        try:
            statements = self.unit.statements(position)
        except SourceError as error:
            if self.unit.essential:
                raise
            self.done.add(position)
            self.value.env.update(dict.fromkeys(chunk.binds - {"*"}, unreadable(error)))
            return
        self.done.add(position)
        try:
            self._run(position, name, statements)
        except (Raised, BudgetExceeded):
            self.done.discard(position)  # the next reader gets the same error
            raise

    def _run(self, position: int, name: str, statements: tuple[ir.Stmt, ...]) -> None:
        run = self.program.run
        for node in statements:
            run.execute_block((node,), self.frame)

    def _star_imports(self) -> list[tuple[int, str]]:
        if self.stars is None:
            self.stars = []
            for position, chunk in enumerate(self.unit.chunks):
                if "*" in chunk.binds:
                    for node in self.unit.readable(position):
                        self.stars.extend(_stars(node))
        return self.stars

    def _from_star(self, name: str) -> Value:
        if name.startswith("__"):
            return MISSING
        for level, module in reversed(self._star_imports()):
            target = absolute(level, module, self.value.package)
            found = self.program.module(target)
            if isinstance(found, ModuleVal):
                if found.unit is not None and not found.unit.may_define(name):
                    continue
                if (
                    found.unit is None
                    and name in _BUILTINS
                    and self.program.library.native(f"{target}.{name}") is MISSING
                ):
                    continue  # a module that is not read as a whole hides none of Python's own names
                value = found.get(name)
                if value is not MISSING:
                    return value
        return MISSING

    def _fallback(self, name: str) -> Value:
        """A submodule of a package, or a name that only the type-checking branch imports (lazy packages do that)."""
        module = self.value.name
        native = self.program.library.native(f"{module}.{name}")
        if native is not MISSING:
            return native
        if self.value.package == module:
            if self.program.roots.find(f"{module}.{name}") is not None:
                return self.program.module(f"{module}.{name}")
            if self.program.library.has_module(f"{module}.{name}"):
                return self.program.module(f"{module}.{name}")
            if self.lazy:
                value = self._lazy_package(name)
                if value is not MISSING:
                    return value
        if name == "__getattr__":
            return MISSING
        hook = self.value.get("__getattr__") if "__getattr__" in self.index else MISSING
        if hook is not MISSING:
            try:
                return self.program.run.call(hook, (name,), {})
            except Raised:
                return MISSING
        return MISSING

    def _lazy_package(self, name: str) -> Value:
        for position, _ in enumerate(self.unit.chunks):
            if self.unit.chunks[position].kind != "compound" or not self._type_checking(position):
                continue
            for node in self.unit.readable(position):
                if isinstance(node, ir.If):
                    value = self._imported_in(node.body, name)
                    if value is not MISSING:
                        return value
        return self._exported(name) if _SCANNED in self.unit.text else MISSING

    def _exported(self, name: str) -> Value:
        """A name out of the ``__all__`` of a file beside this package's, which is what the library really goes by."""
        for path in self.program.roots.tree.sources(self.unit.path.parent):
            if path == self.unit.path or path.stem.startswith("modular_"):
                continue
            unit = self.program.unit(path)
            if "__all__" in unit.text and unit.may_define(name) and re.search(rf"[\"']{name}[\"']", unit.text):
                found = self.program.module(f"{self.value.name}.{path.stem}")
                value = found.get(name) if isinstance(found, ModuleVal) else MISSING
                if value is not MISSING:
                    return value
        return MISSING

    def _imported_in(self, body: tuple[ir.Stmt, ...], name: str) -> Value:
        stars = []
        for node in body:
            if isinstance(node, ir.ImportFrom):
                for alias in node.names:
                    if alias.name == "*":
                        stars.append((node.level, node.module))
                    elif (alias.asname or alias.name) == name:
                        return self.program.name(node.level, node.module, alias.name, self.value)
            elif isinstance(node, ir.Try):
                value = self._imported_in((*node.body, *node.orelse), name)
                if value is not MISSING:
                    return value
            elif isinstance(node, ir.If):
                value = self._imported_in((*node.body, *node.orelse), name)
                if value is not MISSING:
                    return value
        for level, module in stars:
            target = absolute(level, module, self.value.package)
            place = self.program.roots.find(target)
            if place is None or place[0].is_dir():
                continue
            unit = self.program.unit(place[0])
            if place[1] or unit.may_define(name):
                found = self.program.module(target)
                value = found.get(name) if isinstance(found, ModuleVal) else MISSING
                if value is not MISSING:
                    return value
        return MISSING


def _stars(node: ir.Stmt) -> list[tuple[int, str]]:
    """Star imports anywhere in a statement that can run (not below ``if TYPE_CHECKING``)."""
    if isinstance(node, ir.ImportFrom):
        return [(node.level, node.module)] if any(alias.name == "*" for alias in node.names) else []
    if isinstance(node, ir.If):
        test = node.test
        name = test.id if isinstance(test, ir.Name) else test.name if isinstance(test, ir.Attr) else ""
        body = node.orelse if name == "TYPE_CHECKING" else (*node.body, *node.orelse)
        return [star for inner in body for star in _stars(inner)]
    if isinstance(node, ir.Try):
        return [star for inner in (*node.body, *node.orelse) for star in _stars(inner)]
    return []


__all__ = ["Any", "Intrinsic", "Program", "SourceError", "absolute"]
