"""The state of one analysis run, and the entry points that the parts of the interpreter call one another by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from specdiff.interp import limits
from specdiff.interp.dims import fresh
from specdiff.interp.objects import BudgetExceeded, ClassVal, Frame, Function, Instance, ModuleVal, Value
from specdiff.interp.tracked import Recording, RunRecording
from specdiff.interp.values import Place, Tensor, Unknown, Walk
from specdiff.ir import nodes as ir

STUB_PREFIX = "<specdiff>/"
_FLOATING = ("float", "bfloat", "complex")
"""How the names of the formats begin in which gradients are."""
"""Names of our own library stubs begin with this, so that no report takes them for analysed files."""


REMADE = "<made by a decorator that is not known>"
"""Attribute of a function that may be another thing than a function: a kernel of another language."""

_FIXED = frozenset({"config", "enum"})
"""Kinds of objects whose changes are more than those of plain attributes; of a module that holds for its tables (`rebuilt`)."""


class Library(Protocol):
    """The modelled libraries, as the interpreter sees them (`intrinsics.table` builds one)."""

    tensor_methods: dict[str, Callable[..., Any]]
    tensor_attributes: dict[str, Callable[..., Any]]
    tensor_names: frozenset[str]
    """All attributes that tensors have; those that are not modelled are not known."""
    tensor_binary: dict[str, Callable[..., Any]]
    tensor_inplace: dict[str, Callable[..., Any]]
    """The same operators where the result goes back to the left operand."""
    tensor_unary: dict[str, Callable[..., Any]]
    getitem: Callable[..., Any]
    setitem: Callable[..., Any]
    decorators: frozenset[str]
    """Names of the model library's decorators that change nothing the analysis looks at."""
    kept_arguments: dict[str, frozenset[str]]
    """Keyword arguments that such a decorator does not pass on."""

    def has_module(self, name: str) -> bool:
        """Whether a module of that dotted name is modelled."""

    def is_standard(self, name: str) -> bool:
        """Whether a module is one of Python's own."""

    def missing_package(self, name: str) -> BaseException | None:
        """What importing a package raises that the analysed code does not find installed."""

    def replacement(self, module: str, name: str) -> Value:
        """What stands in for a function of an analysed library that is about the machine, or None."""

    def native(self, dotted: str) -> Value:
        """The modelled value of a dotted name, or `MISSING`."""

    def overlay(self, function: Function) -> Value:
        """What stands in for a function of an analysed library, or None."""

    def adjust_class(self, run: Run, cls: ClassVal) -> None:
        """Adjust a class of an analysed library once its body has run."""


class Loader(Protocol):
    """Finds modules (`project.modules`)."""

    def module(self, name: str) -> ModuleVal | Unknown:
        """The module of a dotted name; unknown where it is not analysed."""

    def name(self, level: int, module: str, name: str, importer: ModuleVal) -> Value:
        """The value of ``from module import name``."""

    def is_source(self, level: int, module: str, importer: ModuleVal) -> bool:
        """Whether ``from module import …`` names analysed source, so that binding can wait."""

    def defined_in_models(self, module: str) -> bool:
        """Whether a module holds model code, as opposed to library code around it."""


class Journal:
    """What objects were before a branch, so that the other branch starts from the same state."""

    __slots__ = ("parent", "saved")

    def __init__(self, parent: Journal | None) -> None:
        self.parent = parent
        self.saved: dict[int, tuple[Any, Any]] = {}

    def save(self, target: Any) -> None:
        """Keep a copy of a dict, list, set or instance before its first change."""
        key = id(target)
        if key not in self.saved:
            if isinstance(target, Instance):
                native = target.native
                copied = native.copy() if isinstance(native, dict | list | set) else native
                self.saved[key] = (target, (dict(target.attrs), copied))
            elif isinstance(target, Tensor):
                self.saved[key] = (target, tensor_state(target))
            else:
                self.saved[key] = (target, target.copy())


def tensor_state(tensor: Tensor) -> tuple[Any, ...]:
    """What operations in place can change of a tensor."""
    return tensor.node, tensor.const, tensor.shape, tensor.dtype, tensor.recipe


class Note:
    """Something undecided that the run met."""

    __slots__ = ("place", "reason")

    def __init__(self, reason: str, place: Place) -> None:
        self.reason = reason
        self.place = place


def _with_open_sizes(shape: Any) -> tuple[Any, ...]:
    """A shape whose sizes that data decide are sizes of which nothing is known."""
    return tuple([fresh("size") if isinstance(size, Tensor | Unknown) else size for size in shape])


def _as_now(tensor: Tensor) -> Tensor:
    """A tensor as it is now, whatever is written to it later."""
    copied = Tensor(tensor.shape, tensor.dtype, const=tensor.const, place=tensor.place)
    copied.recipe = tensor.recipe
    return copied


class Run:
    """State of one run. Owned by the evaluator; not shared between threads."""

    def __init__(self, loader: Loader, library: Library) -> None:
        self.loader = loader
        self.library = library
        self.file = ""
        self.line = 0
        self.depth = 0
        self.pending: list[tuple[Value, dict[str, Value]]] = []
        """Classes whose metaclass is being called, with the names of their bodies."""
        self.steps = 0
        self.clock = 1
        self.serial = 1
        self.journal: Journal | None = None
        self.recording: Recording | None = None
        self.stamps: dict[int, tuple[Any, int]] = {}
        """Clock of the last change of a dict, list or set, by id (which is kept alive)."""
        self.notes: list[Note] = []
        self.open_lists: dict[int, tuple[list[Value], Any]] = {}
        """Lists that a loop of a symbolic number of turns filled, by id (kept alive), with their length."""
        self.memo: dict[Any, Any] = {}
        self.trace: Any = None
        """The operation trace while ``forward`` runs; None while models are built."""
        self.listeners: list[Callable[[str, Any], None]] = []
        self.caller: Function | None = None
        """The nearest function of model code that is running."""
        self.read: dict[int, Tensor] | None = None
        """Parameters and buffers that code has looked at, by id, where that is asked for (kept alive by this)."""
        self.outward: dict[tuple[Function | None, str], None] | None = None
        """Calls that leave the analysed source, by dotted name, for the call graph of a whole program (`programs`).
        There, lambdas count as functions, and an argument may always have its default's value too."""
        self.active: dict[tuple[Function, int], int] | None = None
        """How often each function is being called on each object (by id), while a run goes on after errors."""
        self.tries = 0
        """``try`` statements with handlers that are running (counted by `recovery` only)."""
        self.sites: list[tuple[str, int, Function | None]] = []
        """Where each running call was made, outermost first, with the model function it was made in."""
        self.detailed = False
        """Whether traces keep the plain arguments of calls (`Trace.detail`)."""
        self.ways: dict[int, int] | None = None
        """Which ways out of each branching node were taken, as bits by the node's id, where that is asked for: of a
        condition 1 the body and 2 the other side, of ``and`` and ``or`` one bit per operand, of a loop, a
        handler and a case 1, of a call with a tensor 1 the same tensor back and 2 anything else."""
        self.frozen = False
        """Whether what runs stands within ``torch.no_grad()``."""
        self.edges: dict[tuple[Function | None, Function], None] = {}
        """Calls between functions of model code, in order of first occurrence."""
        self.importing = ""
        """The module whose import statement is running."""
        self.catching = 0
        """How many of the running ``try`` statements catch a failed import."""
        self.builtins: dict[str, Value] = {}
        self.host_types: dict[type, Callable[..., Value]] = {}

    # --- The parts of the interpreter above this one, bound by `evaluator.new_run` ---------------

    def bind(self, **parts: Callable[..., Any]) -> None:
        """Make the upper parts of the interpreter callable from the lower ones."""
        self._parts = parts

    def evaluate(self, node: ir.Expr, frame: Frame) -> Value:
        """The value of an expression (`expressions.evaluate`)."""
        return self._parts["evaluate"](self, node, frame)

    def execute_body(self, node: ir.FunctionDef, frame: Frame) -> Value:
        """Run a function's body (`statements.execute_body`)."""
        return self._parts["execute_body"](self, node, frame)

    def execute_block(self, body: tuple[ir.Stmt, ...], frame: Frame) -> Any:
        """Run statements (`statements.execute`)."""
        return self._parts["execute"](self, body, frame)

    def assign(self, target: ir.Expr, value: Value, frame: Frame) -> None:
        """Bind a target (`statements.assign`)."""
        self._parts["assign"](self, target, value, frame)

    def call(self, callee: Value, args: tuple[Value, ...] = (), kwargs: dict[str, Value] | None = None) -> Value:
        """Call a value (`calls.call`)."""
        return self._parts["call"](self, callee, args, kwargs or {})

    def getattr(self, obj: Value, name: str, *default: Value) -> Value:
        """An attribute (`attributes.get`)."""
        return self._parts["getattr"](self, obj, name, *default)

    def setattr(self, obj: Value, name: str, value: Value) -> None:
        """Set an attribute (`attributes.set_`)."""
        self._parts["setattr"](self, obj, name, value)

    def getitem(self, container: Value, index: Value) -> Value:
        """An item (`containers.getitem`)."""
        return self._parts["getitem"](self, container, index)

    def listed(self, value: Value) -> list[Value]:
        """All items of an iterable (`containers.listed`)."""
        return self._parts["listed"](self, value)  # type: ignore[no-any-return]

    def either(self, first: Callable[[], Value], second: Callable[[], Value], test: Unknown) -> Value:
        """The joined value of two alternatives (`branches.either`)."""
        return self._parts["either"](self, first, second, test)

    def printable(self, value: Value) -> Value:
        """The value as Python's own formatting takes it (`formatting.printable`)."""
        return self._parts["printable"](self, value)

    def plan_of(self, function: Function) -> Any:
        """How a function's arguments bind (`calls.plan_of`)."""
        return self._parts["plan_of"](self, function)

    def host_callable(self, value: Value) -> Callable[..., Value]:
        """An analysed callable as one of Python's own, for ``key=`` and the like."""
        return lambda *args, **kwargs: self.call(value, args, kwargs)

    def decorate(self, decorator: Value, value: Value) -> Value:
        """Apply a decorator; one that is not known leaves the function as it is, noted."""
        if isinstance(decorator, Unknown):
            self.note(f"a decorator that is not known is taken to change nothing: {decorator.reason}")
            self._marked(value, decorator)
            return value
        result = self.call(decorator, (value,), {})
        if isinstance(result, Unknown):
            self.note(f"a decorator's result is not known, so it is taken to change nothing: {result.reason}")
            self._marked(value, result)
            return value
        return result

    @staticmethod
    def _marked(value: Value, decorator: Unknown) -> None:
        if isinstance(value, Function):
            value.attrs[REMADE] = decorator

    def is_neutral(self, decorator: ir.Expr, frame: Frame) -> bool:
        """Whether a decorator is one of the model library's that change nothing the analysis looks at."""
        node = decorator.func if type(decorator) is ir.Call else decorator
        name = node.id if type(node) is ir.Name else node.name if type(node) is ir.Attr else ""
        return name in self.library.decorators and name not in frame.locals

    def kept_by(self, decorator: ir.Expr) -> frozenset[str]:
        """Keyword arguments that a neutral decorator does not pass on."""
        node = decorator.func if type(decorator) is ir.Call else decorator
        name = node.id if type(node) is ir.Name else node.name if type(node) is ir.Attr else ""
        return self.library.kept_arguments.get(name, frozenset())

    def renamed_by(self, decorator: ir.Expr) -> tuple[tuple[str, str], ...]:
        """(former name, present one) of a keyword argument that a neutral decorator passes on: ``deprecate_kwarg("a", new_name="b")``."""
        if type(decorator) is not ir.Call:
            return ()
        words = [each.value.value for each in decorator.args if each.name is None and type(each.value) is ir.Const]
        named = {each.name: each.value.value for each in decorator.args if type(each.value) is ir.Const}
        old, new = named.get("old_name", words[0] if words else None), named.get("new_name")
        return ((old, new),) if isinstance(old, str) and isinstance(new, str) else ()

    def enter(self, function: Function) -> None:
        """Note a call; only named functions of model code appear in the call graph, a lambda belongs to its caller."""
        if function.in_models is None:
            function.in_models = self.loader.defined_in_models(function.module.name)
        if function.in_models and (function.name != "<lambda>" or self.outward is not None):
            self.edges.setdefault((self.caller, function))
            self.caller = function

    def native(self, dotted: str) -> Value:
        """The modelled value of a dotted name, or `MISSING`."""

    def went(self, node: object, way: int) -> None:
        """Note a way that was taken out of a branching node (`ways`)."""
        if self.ways is not None:
            self.ways[id(node)] = self.ways.get(id(node), 0) | way

    def leave(self, name: str) -> None:
        """Note a call out of the analysed source, made at the line being executed."""
        caller = self.caller
        if self.outward is not None and name and caller is not None and caller.file == self.file:
            self.outward.setdefault((caller, name))

    def overlay(self, function: Function) -> Value:
        """What stands in for a library function (`Library.overlays`), or None."""
        return None if function.in_models else self.library.overlay(function)

    def overlay_class(self, cls: ClassVal) -> None:
        """Let the library model adjust a class of the analysed library once its body has run."""
        self.library.adjust_class(self, cls)

    def is_library(self, file: str) -> bool:
        """Whether a file is one of our own library stubs."""
        return file.startswith(STUB_PREFIX)

    def is_library_module_class(self, cls: ClassVal) -> bool:
        """Whether a class is a stub, whose special methods the interpreter implements itself."""
        return cls.file.startswith(STUB_PREFIX)

    def unit_of(self, module: ModuleVal) -> Any:
        """The source unit of a module."""
        return module.unit

    def module_globals(self, module: ModuleVal) -> dict[str, Value]:
        """``globals()``."""
        return module.globals()

    def analysed_module(self, name: str, importer: ModuleVal) -> Value:
        """``import name``."""
        self.importing = importer.name
        return self.loader.module(name)

    def import_name(self, level: int, module: str, name: str, importer: ModuleVal) -> Value:
        """``from module import name``."""
        self.importing = importer.name
        return self.loader.name(level, module, name, importer)

    def bounded(self, items: Iterable[Value]) -> Iterator[Value]:
        """Items within the loop budget."""
        for turns, item in enumerate(items):
            if turns > limits.MAX_ITEMS:
                raise BudgetExceeded("MAX_ITEMS", self.place)
            yield item

    @property
    def place(self) -> Place:
        """The line being executed."""
        return Place(self.file, self.line)

    def note(self, reason: str, place: Place | None = None) -> None:
        """Record something undecided, once per reason and place."""
        note = Note(reason, place or self.place)
        if all(other.reason != reason or other.place != note.place for other in self.notes[-50:]):
            self.notes.append(note)

    def unknown(self, reason: str, cause: Unknown | None = None) -> Unknown:
        """A value that is not known, at the line being executed; the first cause is kept."""
        if cause is not None:
            return cause
        return Unknown(reason, self.place)

    def step(self) -> None:
        """Count one statement against the budget."""
        self.steps += 1
        if self.steps > limits.MAX_STEPS:
            raise BudgetExceeded("MAX_STEPS", self.place)

    def new_instance(self, cls: ClassVal) -> Instance:
        """A fresh object of a class, without running its constructor."""
        self.serial += 1
        return Instance(cls, self.serial, Place(self.file, self.line))

    def walk(self, items: Iterator[Value]) -> Walk:
        """An iterator for the analysed program."""
        self.serial += 1
        return Walk(items, self.serial)

    def advance(self, iterator: Any) -> None:
        """Must be called before an iterator is asked for an item: the position of an older one is state a copy would not move."""
        serial = iterator.serial if type(iterator) is Walk else 0
        recording = self.recording
        while recording is not None and serial < recording.start:
            recording.impure = True
            recording = recording.parent

    def touch(self, target: Any) -> None:
        """Must be called before any change to an instance, dict, list or set of the analysed program."""
        self.clock += 1
        if self.journal is not None:
            self.journal.save(target)
        recording = self.recording
        if isinstance(target, Instance | Tensor):
            if isinstance(target, Instance):
                target.mtime = self.clock
            else:
                self.stamps[id(target)] = (target, self.clock)
            while recording is not None and target.serial < recording.start:
                if type(recording) is RunRecording and isinstance(target, Instance) and self._repeats(target):
                    if id(target) not in recording.written:
                        recording.written[id(target)] = (target, dict(target.attrs))
                else:
                    recording.impure = True
                recording = recording.parent
        else:
            key = id(target)
            self.stamps[key] = (target, self.clock)
            while recording is not None:
                if key in recording.outside:
                    if type(recording) is RunRecording and type(target) is dict and self.on_every_way():
                        if key not in recording.filled:
                            recording.filled[key] = (target, dict(target))
                    else:
                        recording.impure = True
                recording = recording.parent

    def _repeats(self, target: Instance) -> bool:
        """Whether a change of an older object can be done again to its like: a plain object's, on no undecided way."""
        return target.native is None and not target.cls.flags & _FIXED and self.on_every_way()

    def renewed(self, target: Any) -> None:
        """Must be called after an object has its state from before a branch again: what was recorded since holds no more."""
        self.clock += 1
        if isinstance(target, Instance):
            target.mtime = self.clock
        elif not isinstance(target, Tensor):
            self.stamps[id(target)] = (target, self.clock)

    def rebuilt(self, module: Instance) -> None:
        """Must be called before a module's own tables change: a run that does so to an older one is no run to repeat."""
        recording = self.recording
        while recording is not None and module.serial < recording.start:
            recording.impure = True
            recording = recording.parent

    def on_every_way(self) -> bool:
        """Whether what runs does so on every way, not on one side of a condition that is undecided."""
        return self.trace is not None and self.journal is self.trace.journal

    def reached(self, container: Any, source: Any = None) -> None:
        """Note that a recording looked into a dict, list or set that may be older than it."""
        recording = self.recording
        if recording is None:
            return
        if isinstance(source, Instance):
            while recording is not None and source.serial < recording.start:
                recording.outside[id(container)] = container
                recording = recording.parent
        else:
            while recording is not None and id(source) in recording.outside:
                recording.outside[id(container)] = container
                recording = recording.parent

    def looked_up(self, container: Any, serial: int = 0) -> None:
        """Note that a recording came to a list, dict or set by a name that was bound before it began (``serial``: of its frame)."""
        recording = self.recording
        while recording is not None and serial < recording.start:
            recording.outside[id(container)] = container
            recording = recording.parent

    def model_place(self) -> tuple[str, int]:
        """The line being executed, or where library code that runs was called from in model code."""
        if not self.file.startswith(STUB_PREFIX) and (self.caller is None or self.caller.file == self.file):
            return self.file, self.line
        for file, line, caller in reversed(self.sites):
            if caller is not None and file == caller.file:
                return file, line
        return self.file, self.line

    @contextmanager
    def at(self, file: str, line: int) -> Iterator[None]:
        """Execute at another place for a while."""
        before = (self.file, self.line)
        self.file, self.line = file, line
        try:
            yield
        finally:
            self.file, self.line = before

    # --- CallContext: what intrinsics see ------------------------------------------------------

    def emit(
        self,
        kind: str,
        inputs: tuple[Tensor, ...],
        shape: tuple[Any, ...] | None,
        dtype: str,
        *,
        const: Any = None,
        view_of: Tensor | None = None,
        **attrs: Any,
    ) -> Tensor:
        """See `CallContext.emit`."""
        self.serial += 1
        for size in shape or ():
            if type(size) is Tensor or type(size) is Unknown:
                shape = _with_open_sizes(shape)
                break
        result = Tensor(shape, dtype, const=const, base=view_of, place=Place(self.file, self.line))
        result.serial = self.serial
        if inputs and dtype.startswith(_FLOATING) and any(getattr(item, "grad", False) for item in inputs):
            if self.frozen or kind == "detach":
                attrs["cut"] = True  # a gradient that would go on ends here
            else:
                result.grad = True
        if self.trace is not None:
            result.node = self.trace.record(self, kind, inputs, result, attrs)
        elif (
            const is None
            and (kind == "constant" or inputs)
            and all(item.const is not None or item.recipe for item in inputs)
        ):
            result.recipe = (kind, tuple(_as_now(item) for item in inputs), attrs)
        return result

    def reform(self, target: Tensor, result: Tensor) -> Tensor:
        """See `CallContext.reform`."""
        self._before_write(target)
        target.node, target.const, target.recipe = result.node, result.const, result.recipe
        target.shape, target.dtype = result.shape, result.dtype
        return target

    def write(self, target: Tensor, result: Tensor) -> Tensor:
        """See `CallContext.write`."""
        self._before_write(target)
        before = target.node
        target.node, target.const, target.recipe = result.node, result.const, result.recipe
        base, seen = target.base, 0
        way: tuple[Any, ...] | None = ()
        while base is not None and seen < 16:
            if self.trace is not None:
                now = base.node
                way = self.trace.way(before, now, way)
                base.node = self.trace.overwrite(self, base, target, way)
                before = now
            base.const = base.recipe = None
            base, seen = base.base, seen + 1
        return target

    def _before_write(self, target: Tensor) -> None:
        self.clock += 1
        if self.journal is not None:
            owner: Tensor | None = target
            while owner is not None:
                self.journal.save(owner)
                owner = owner.base
        recording, oldest, seen = self.recording, target, 0
        while oldest.base is not None and seen < 16:
            oldest, seen = oldest.base, seen + 1
        while recording is not None and min(target.serial, oldest.serial) < recording.start:
            recording.impure = True
            recording = recording.parent
