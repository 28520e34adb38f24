"""Objects of the analysed program that have identity: classes, instances, functions, modules, frames."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from specdiff.interp.values import Place

if TYPE_CHECKING:
    from specdiff.ir import nodes as ir

Value: TypeAlias = Any
"""Any value of the analysed program: Python's own where it is concrete, else one of ours. `Any`, because
the host's own containers hold the program's values and no narrower static type is true of them."""


class Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<missing>"


MISSING = Missing()
"""Marks "no such attribute" where None is a possible value."""


class Frame:
    """One activation: local names, and where free names are looked up."""

    __slots__ = (
        "cls",
        "function",
        "globals_",
        "is_class",
        "locals",
        "module",
        "nonlocals",
        "parent",
        "pending",
        "self_",
        "serial",
        "yields",
    )

    def __init__(self, module: ModuleVal, parent: Frame | None = None, function: Function | None = None) -> None:
        self.locals: dict[str, Value] = {}
        self.module = module
        self.parent = parent
        """The frame of the enclosing function, for free names."""
        self.function = function
        self.cls: ClassVal | None = function.owner if function is not None else None
        """``__class__``, for ``super()`` without arguments."""
        self.self_: Value = MISSING
        """The first positional argument, for ``super()`` without arguments."""
        self.is_class = False
        self.globals_: set[str] | None = None
        self.nonlocals: set[str] | None = None
        self.yields: list[Value] | None = None
        """What a generator has yielded so far (generators run to their end when they are called)."""
        self.serial = 0
        """Its age among the objects of the run; 0 where that is not asked for."""
        self.pending: list[Value] | None = None
        """Values returned on paths whose condition was not decided."""

    def again(self, parent: Frame | None) -> Frame:
        """A frame of the same code in another enclosing frame, its names still empty."""
        made = Frame(self.module, parent, self.function)
        made.cls, made.is_class = self.cls, self.is_class
        made.globals_, made.nonlocals = self.globals_, self.nonlocals
        return made


class LazyName:
    """A name that a module's import statement binds; what it stands for is found when the name is read."""

    __slots__ = ("level", "module", "name")

    def __init__(self, level: int, module: str, name: str) -> None:
        self.level = level
        self.module = module
        self.name = name


class Globals(dict[str, Any]):
    """What ``globals()`` gives."""

    module: ModuleVal

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or (isinstance(name, str) and self.module.get(name) is not MISSING)

    def get(self, name: str, default: Value = None) -> Value:
        """The value of a name, bound when it is asked for."""
        return self[name] if name in self else default  # noqa: SIM401 - `get` is what this is

    def __missing__(self, name: str) -> Value:
        value = self.module.get(name)
        if value is MISSING:
            raise KeyError(name)
        return value


class Loaded(dict[str, Any]):
    """What ``sys.modules`` gives: the modules read so far, and what the code itself put there, which no import sees."""

    def __init__(self, modules: Mapping[str, ModuleVal]) -> None:
        super().__init__()
        self.modules = modules

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or name in self.modules

    def get(self, name: str, default: Value = None) -> Value:
        """The module of a name, where it was read."""
        return self[name] if name in self else default  # noqa: SIM401 - `get` is what this is

    def __missing__(self, name: str) -> Value:
        return self.modules[name]


class ModuleVal:
    """A module; names bind when they are first read (`project.modules` does the binding)."""

    __slots__ = ("__weakref__", "env", "file", "loader", "name", "names", "package", "unit")

    def __init__(self, name: str, package: str, loader: Callable[[str], Value]) -> None:
        self.name = name
        """Dotted name."""
        self.package = package
        """Dotted name of the package that relative imports start from."""
        self.env: dict[str, Value] = {}
        """Names bound so far."""
        self.loader = loader
        """Binds one more name and returns its value, or `MISSING`."""
        self.unit: Any = None
        """The source unit; None for a library without source."""
        self.file = ""
        self.names: Callable[[], list[str]] = list
        """All names the module can bind."""

    def __repr__(self) -> str:
        return f"<module {self.name}>"

    def globals(self) -> dict[str, Value]:
        """``globals()``: names that are not bound yet bind when they are read."""
        view = Globals(self.env)
        view.module = self
        return view

    def get(self, name: str) -> Value:
        """The value of a global name, or `MISSING`."""
        value = self.env.get(name, MISSING)
        return self.loader(name) if value is MISSING or type(value) is LazyName else value


class Function:
    """A function or lambda of the analysed program."""

    __slots__ = (
        "attrs",
        "closure",
        "defaults",
        "file",
        "in_models",
        "module",
        "name",
        "node",
        "owner",
        "plan",
        "qualname",
        "renamed",
        "scope",
        "stub",
        "takes_away",
        "unit",
    )

    def __init__(
        self,
        name: str,
        qualname: str,
        module: ModuleVal,
        closure: Frame | None,
        stub: ir.FunctionStub | ir.FunctionDef | ir.Lambda,
        unit: Any,
        file: str,
    ) -> None:
        self.name = name
        self.qualname = qualname
        self.module = module
        self.closure = closure
        self.stub = stub
        self.node: ir.FunctionDef | ir.Lambda | None = None
        """The lowered function; `calls.node_of` loads it when it is first called."""
        self.unit = unit
        self.file = file
        self.defaults: dict[str, Value] | None = None
        """Defaults by parameter name, evaluated when the function was made; None until then for a stub."""
        self.plan: Any = None
        """How arguments bind, worked out at the first call."""
        self.scope: Frame | None = closure
        """The frame that ran the ``def``, where defaults are evaluated (a class body's, for methods)."""
        self.owner: ClassVal | None = None
        """The class whose body defines it."""
        self.attrs: dict[str, Value] = {}
        self.takes_away: frozenset[str] = frozenset()
        """Keyword arguments that its decorators keep to themselves."""
        self.renamed: tuple[tuple[str, str], ...] = ()
        """Former names of keyword arguments that its decorators pass on under their present one."""
        self.in_models: bool | None = None
        """Whether it is model code; worked out at the first call."""

    @property
    def line(self) -> int:
        """Line of the first decorator or of ``def``."""
        return self.stub.line

    def closing_over(self, closure: Frame | None) -> Function:
        """The same function with other values for its free names."""
        made = Function(self.name, self.qualname, self.module, closure, self.stub, self.unit, self.file)
        made.node, made.defaults, made.plan = self.node, self.defaults, self.plan
        made.scope = closure if self.scope is self.closure else self.scope
        made.owner, made.attrs = self.owner, self.attrs
        made.takes_away, made.renamed, made.in_models = self.takes_away, self.renamed, self.in_models
        return made

    def __repr__(self) -> str:
        return f"<function {self.qualname}>"


class BoundMethod:
    """A function with its receiver."""

    __slots__ = ("func", "receiver")

    def __init__(self, func: Value, receiver: Value) -> None:
        self.func = func
        self.receiver = receiver

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundMethod) and other.func is self.func and other.receiver is self.receiver

    def __hash__(self) -> int:
        return hash((id(self.func), id(self.receiver)))

    def __repr__(self) -> str:
        return f"<bound {self.func!r}>"


class Wrapped:
    """``staticmethod``, ``classmethod`` or ``contextmanager`` around a function; ``kind`` says which."""

    __slots__ = ("func", "kind")

    def __init__(self, kind: str, func: Value) -> None:
        self.kind = kind
        self.func = func


class Property:
    """``property`` (and ``functools.cached_property``, which then keeps its value)."""

    __slots__ = ("cached", "deleter", "getter", "name", "setter")

    def __init__(self, getter: Value, setter: Value = None, deleter: Value = None, cached: bool = False) -> None:
        self.getter = getter
        self.setter = setter
        self.deleter = deleter
        self.cached = cached
        self.name = ""


class Partial:
    """``functools.partial``."""

    __slots__ = ("args", "func", "keywords")

    def __init__(self, func: Value, args: tuple[Value, ...], keywords: dict[str, Value]) -> None:
        self.func = func
        self.args = args
        self.keywords = keywords


class Super:
    """``super()``: looks up behind ``cls`` in the method resolution order of ``receiver``."""

    __slots__ = ("cls", "receiver")

    def __init__(self, cls: ClassVal, receiver: Value) -> None:
        self.cls = cls
        self.receiver = receiver


class ClassVal:
    """A class of the analysed program. Base classes may be Python's own types (``dict``, ``ValueError``)."""

    __slots__ = (
        "__weakref__",
        "attrs",
        "bases",
        "cache",
        "closure",
        "enum_members",
        "fields",
        "file",
        "flags",
        "line",
        "meta",
        "module",
        "mro",
        "mtime",
        "name",
        "native",
        "node",
        "qualname",
        "serial",
        "subclasses",
        "unit",
        "unknown_base",
    )

    def __init__(self, name: str, qualname: str, module: ModuleVal, bases: tuple[Value, ...]) -> None:
        self.name = name
        self.qualname = qualname
        self.module = module
        self.bases = bases
        self.mro: tuple[Value, ...] = (self,)
        self.attrs: dict[str, Value] = {}
        self.cache: dict[str, tuple[Value, Value]] = {}
        """Looked-up names: (value, owner)."""
        self.native: type | None = None
        """Python's own type that instances carry a payload of, if any."""
        self.unknown_base: Value = None
        """An `Unknown` among the bases: attributes that are not found are then unknown, not missing."""
        self.flags: set[str] = set()
        """What a class is by inheritance: `module` (torch's Module), `enum`, `config` …"""
        self.meta: ClassVal | None = None
        """The metaclass, where it is analysed code."""
        self.fields: dict[str, Value] | None = None
        """Dataclass fields in order, where the class is a dataclass."""
        self.enum_members: dict[str, Value] | None = None
        self.node: ir.ClassDef | None = None
        self.unit: Any = None
        self.closure: Frame | None = None
        self.file = ""
        self.line = 0
        self.mtime = 0
        self.serial = 0
        self.subclasses: weakref.WeakSet[ClassVal] = weakref.WeakSet()
        """Direct subclasses, whose look-up caches a changed attribute must clear; weak, so that a model's classes can go."""

    def __repr__(self) -> str:
        return f"<class '{self.module.name}.{self.qualname}'>"


class Instance:
    """An object of an analysed class."""

    __slots__ = ("__weakref__", "attrs", "cls", "mtime", "native", "place", "serial")

    def __init__(self, cls: ClassVal, serial: int, place: Place | None = None) -> None:
        self.cls = cls
        self.attrs: dict[str, Value] = {}
        self.native: Value = None
        """Payload where the class extends one of Python's own types (a dict's items, an exception's args)."""
        self.serial = serial
        """Order of creation."""
        self.mtime = 0
        """The run's clock at the last change."""
        self.place = place

    def __repr__(self) -> str:
        return f"<{self.cls.name} object>"


class HostMethod:
    """A method of one of Python's own objects, called on concrete arguments (``"a".join``, ``list.append``)."""

    __slots__ = ("name", "receiver")

    def __init__(self, receiver: Value, name: str) -> None:
        self.receiver = receiver
        self.name = name


class GenericAlias:
    """``X[int]`` of a class: behaves as ``X``."""

    __slots__ = ("args", "origin")

    def __init__(self, origin: Value, args: Value) -> None:
        self.origin = origin
        self.args = args


class Union(GenericAlias):
    """``A | B`` at run time."""

    __slots__ = ()

    def __init__(self, members: tuple[Value, ...]) -> None:
        super().__init__(None, members)


class Raised(Exception):
    """An exception that the analysed code raised (or that an operation in it raises)."""

    def __init__(
        self,
        value: Value,
        places: list[Place] | None = None,
        *,
        deliberate: bool = False,
        apart: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(str(value))
        self.apart = apart
        """Two whole numbers that an assertion wants to be equal."""
        self.deliberate = deliberate
        """Whether a ``raise`` or ``assert`` of the analysed code raised it."""
        self.value = value
        """A Python exception, or an `Instance` of an analysed exception class."""
        self.places: list[Place] = places or []
        """Innermost line first."""


class BudgetExceeded(Exception):
    """Indicates that a documented limit was hit; carries the limit's name and the place."""

    def __init__(self, limit: str, place: Place | None) -> None:
        super().__init__(limit)
        self.limit = limit
        self.place = place


class BoundIntrinsic:
    """A native library method with its receiver (``tensor.view``)."""

    __slots__ = ("function", "name", "receiver")

    def __init__(self, name: str, function: Any, receiver: Value) -> None:
        self.name = name
        self.function = function
        self.receiver = receiver

    def __repr__(self) -> str:
        return f"<method {self.name}>"
