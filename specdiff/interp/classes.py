"""Making classes: bases and resolution order, enumerations, dataclasses, named tuples."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

from specdiff.interp import assignment, attributes, guarding, lookups, ops
from specdiff.interp.expressions import arguments, evaluate
from specdiff.interp.objects import (
    MISSING,
    ClassVal,
    Frame,
    Function,
    GenericAlias,
    Instance,
    Property,
    Raised,
    Value,
    Wrapped,
)
from specdiff.interp.run import Run
from specdiff.interp.tracked import plain
from specdiff.interp.values import Intrinsic, Unknown
from specdiff.ir import nodes as ir

_IGNORED_BASES = frozenset({object, type})
_ENUM_BASES = frozenset({"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"})


class Annotation:
    """An annotation, evaluated only when it is asked for."""

    __slots__ = ("expr", "frame", "line")

    def __init__(self, expr: ir.Expr, frame: Frame, line: int) -> None:
        self.expr = expr
        self.frame = frame
        self.line = line

    def evaluate(self, run: Run) -> Value:
        """The annotation's value; a string annotation stays text."""
        return evaluate(run, self.expr, self.frame)

    @property
    def head(self) -> str:
        """The outermost name (`ClassVal` → ``ClassVar``), for the markers dataclasses look at."""
        expr = self.expr
        if type(expr) is ir.Const and isinstance(expr.value, str):
            return expr.value.partition("[")[0].rpartition(".")[2]
        if type(expr) is ir.Item:
            expr = expr.value
        if type(expr) is ir.Attr:
            return expr.name
        return expr.id if type(expr) is ir.Name else ""


class Field:
    """A dataclass field, as ``dataclasses.fields`` shows it."""

    __slots__ = ("_run", "annotation", "default", "default_factory", "init", "kw_only", "metadata", "name")

    def __init__(
        self,
        run: Run,
        name: str,
        annotation: Annotation,
        default: Value,
        factory: Value,
        init: bool,
        kw_only: bool,
        metadata: Value,
    ) -> None:
        self._run = run
        self.name = name
        self.annotation = annotation
        self.default = default
        self.default_factory = factory
        self.init = init
        self.kw_only = kw_only
        self.metadata = metadata

    @property
    def type(self) -> Value:
        """What the field is annotated with; its name, where the file asks for annotations to stay text."""
        module = self.annotation.frame.module
        text = module.unit.text if module.unit is not None else ""
        if "from __future__ import annotations" in text:
            expression = self.annotation.expr
            if type(expression) is ir.Name:
                return expression.id
            return self._run.unknown("the text of an annotation")
        try:
            return self.annotation.evaluate(self._run)
        except Raised:
            return self._run.unknown("the annotation of a field")


class FieldSpec:
    """``dataclasses.field(...)`` in a class body."""

    __slots__ = ("default", "factory", "init", "kw_only", "metadata")

    def __init__(self, default: Value, factory: Value, init: bool, kw_only: bool, metadata: Value) -> None:
        self.default = default
        self.factory = factory
        self.init = init
        self.kw_only = kw_only
        self.metadata = metadata


def make_class(run: Run, node: ir.ClassDef, frame: Frame) -> Value:
    """The value a ``class`` statement binds, decorators applied."""
    if node.bases:
        args, kwargs = arguments(run, node.bases, frame)
    else:
        args, kwargs = (), {}
    run.line = node.line
    qualname = node.name
    if frame.is_class and frame.cls is not None:
        qualname = f"{frame.cls.qualname}.{node.name}"
    elif frame.function is not None:
        qualname = f"{frame.function.qualname}.<locals>.{node.name}"
    meta = kwargs.pop("metaclass", None)
    cls = new_class(run, node.name, qualname, args, frame)
    if isinstance(meta, ClassVal) and "metaclass" in meta.flags:
        cls.meta = meta
    cls.node, cls.unit = node, run.unit_of(frame.module)
    cls.file, cls.line = run.file, node.line
    body = Frame(
        frame.module, frame if frame.function is not None or frame.parent is not None else None, frame.function
    )
    if frame.is_class:
        body.parent = frame.parent
    body.is_class = True
    body.cls = cls
    body.locals = cls.attrs
    cls.attrs["__module__"] = frame.module.name
    cls.attrs["__qualname__"] = qualname
    run.execute_block(node.body, body)
    value: Value = cls
    if cls.meta is None:
        finish(run, cls, kwargs)
    else:
        value = _through_metaclass(run, cls, cls.meta, args, kwargs)
    for decorator in reversed(node.decorators):
        if run.is_neutral(decorator, frame):
            continue
        run.line = decorator.line
        value = run.decorate(evaluate(run, decorator, frame), value)
    return value


def _through_metaclass(
    run: Run, cls: ClassVal, meta: ClassVal, bases: tuple[Value, ...], kwargs: dict[str, Value]
) -> Value:
    """What calling the metaclass gives: its own ``__new__`` and ``__init__`` around the class that was just read."""
    namespace = dict(cls.attrs)
    new = lookups.lookup(meta, "__new__")[0]
    value: Value = cls
    if isinstance(new, Function | Wrapped):
        cls.attrs["__classcell__"] = None  # until ``type.__new__`` takes the class up
        run.pending.append((cls, namespace))
        try:
            value = run.call(new.func if isinstance(new, Wrapped) else new, (meta, cls.name, bases, namespace), kwargs)
        finally:
            run.pending.pop()
    if cls.attrs.pop("__classcell__", 0) is None or not isinstance(new, Function | Wrapped):
        finish(run, cls, kwargs)
    init = lookups.lookup(meta, "__init__")[0]
    if value is cls and isinstance(init, Function):
        run.call(init, (cls, cls.name, bases, namespace), kwargs)
    return value


def _type_new(ctx: Run, meta: Value, name: Value, bases: Value, namespace: Value, **kwargs: Value) -> Value:
    """``type.__new__``: the class that a metaclass is being called for, with what the metaclass made of its names."""
    if not ctx.pending or not isinstance(namespace, dict):
        return ctx.unknown("a class that a metaclass makes from nothing")
    cls, given = ctx.pending[-1]
    assert isinstance(cls, ClassVal)
    cls.attrs.pop("__classcell__", None)
    if namespace is not given or namespace != cls.attrs:
        cls.attrs.clear()
        cls.attrs.update(namespace)
    finish(ctx, cls, kwargs)
    return cls


_type_new.raw = True  # type: ignore[attr-defined]
attributes.TYPE_METHODS["__new__"] = _type_new


_DERIVING = frozenset({"Mapping", "MutableMapping", "Sequence", "MutableSequence"})
"""Abstract bases that give their subclasses methods (`intrinsics/stubs/overlays/abstract.py`)."""


def new_class(run: Run, name: str, qualname: str, args: tuple[Value, ...], frame: Frame) -> ClassVal:
    """A class with its bases resolved and no body yet."""
    bases: list[Value] = []
    unknown: Value = None
    meta = False
    for base in args:
        if isinstance(base, GenericAlias):
            base = base.origin
        if isinstance(base, Unknown):
            unknown = unknown or base
        elif isinstance(base, ClassVal):
            if "marker" not in base.flags:
                bases.append(base)
            elif base.name == "ABCMeta":
                meta = True
            elif base.name in _DERIVING:
                bases.append(run.getattr(run.loader.module("overlays.abstract"), base.name))
        elif isinstance(base, type):
            meta = meta or base is type
            if base not in _IGNORED_BASES:
                bases.append(base)
    cls = ClassVal(name, qualname, frame.module, tuple(bases))
    run.serial += 1
    cls.serial = run.serial
    cls.unknown_base = unknown
    cls.mro = _linearise(run, cls, bases)
    if meta:
        cls.flags.add("metaclass")
    cls.meta = next((base.meta for base in bases if isinstance(base, ClassVal) and base.meta is not None), None)
    for base in cls.mro[1:]:
        if isinstance(base, ClassVal):
            cls.flags |= base.flags - {"getattribute", "setattr", "delattr", "library", "namedtuple_base"}
            if base.unknown_base is not None and cls.unknown_base is None:
                cls.unknown_base = base.unknown_base
            if cls.native is None and base.native is not None:
                cls.native = base.native
        elif cls.native is None:
            cls.native = base
    for base in bases:
        if isinstance(base, ClassVal):
            base.subclasses.add(cls)
    return cls


def _linearise(run: Run, cls: ClassVal, bases: list[Value]) -> tuple[Value, ...]:
    """C3, as in "The Python 2.3 Method Resolution Order" (M. Simionato)."""
    sequences = [list(base.mro) if isinstance(base, ClassVal) else [base] for base in bases]
    sequences.append(list(bases))
    order: list[Value] = [cls]
    while True:
        sequences = [sequence for sequence in sequences if sequence]
        if not sequences:
            return tuple(order)
        for sequence in sequences:
            head = sequence[0]
            if not any(head in other[1:] for other in sequences):
                break
        else:
            raise guarding.raised(run, TypeError("Cannot create a consistent method resolution order (MRO)"))
        order.append(head)
        for sequence in sequences:
            if sequence[0] is head:
                del sequence[0]


def finish(run: Run, cls: ClassVal, kwargs: dict[str, Value]) -> None:
    """What happens after a class body: flags, enumeration members, descriptors, ``__init_subclass__``."""
    module = cls.module.name
    if module == "torch.nn.modules.module" and cls.name == "Module":
        cls.flags.add("module")
    if module == "enum" and cls.name in _ENUM_BASES:
        cls.flags.add("enum")
    if run.is_library(cls.file):
        cls.flags.add("library")
    for name, flag in (("__getattribute__", "getattribute"), ("__setattr__", "setattr"), ("__delattr__", "delattr")):
        found, owner = lookups.lookup(cls, name)
        if isinstance(found, Function) and not run.is_library_module_class(owner):
            cls.flags.add(flag)
    if cls.name in ("PreTrainedConfig", "PretrainedConfig") and "configuration_utils" in module:
        cls.flags.add("config")
    cls.cache.clear()
    for name, value in list(cls.attrs.items()):
        if type(value) is Property:
            value.name = name
        elif isinstance(value, Instance):
            method = lookups.method_of(value, "__set_name__")
            if method is not MISSING:
                run.call(method, (cls, name), {})
    if "enum" in cls.flags and module != "enum":
        _enumerate(run, cls)
    if "namedtuple" in cls.flags and "namedtuple_base" not in cls.flags:
        _named_tuple(run, cls)
    run.overlay_class(cls)
    for base in cls.mro[1:]:
        if isinstance(base, ClassVal) and "__init_subclass__" in base.attrs:
            hook = base.attrs["__init_subclass__"]
            run.call(hook.func if isinstance(hook, Wrapped) else hook, (cls,), kwargs)
            break
    cls.cache.clear()


def _enumerate(run: Run, cls: ClassVal) -> None:
    members: dict[str, Value] = {}
    last = 0
    for name, value in list(cls.attrs.items()):
        if name.startswith("_") or isinstance(value, Function | Property | Wrapped | ClassVal | Intrinsic):
            continue
        if isinstance(value, Unknown):
            continue
        if value is AUTO:
            last += 1
            value = (
                name.lower()
                if cls.native is str or any(getattr(base, "name", "") == "StrEnum" for base in cls.mro)
                else last
            )
        elif isinstance(value, int):
            last = value
        alias = next((member for member in members.values() if member.attrs["_value_"] == value), None)
        if alias is not None:
            cls.attrs[name] = members[name] = alias
            continue
        member = run.new_instance(cls)
        member.serial = (
            0  # older than whatever constructor was the first to look at the class: one member, never a copy
        )
        bare = value[0] if isinstance(value, tuple) and cls.native is not None and value else value
        member.attrs.update({"name": name, "_name_": name, "value": value, "_value_": value})
        if cls.native is not None:
            member.native = bare
        members[name] = member
        cls.attrs[name] = member
        init = lookups.lookup(cls, "__init__")[0]
        if isinstance(init, Function):
            run.call(init, (member, *(value if isinstance(value, tuple) else (value,))), {})
    cls.enum_members = members


AUTO = ("<enum.auto>",)
"""What ``enum.auto()`` gives inside a class body."""


def _named_tuple(run: Run, cls: ClassVal) -> None:
    annotations = cls.attrs.get("__annotations__", {})
    names = list(annotations)
    defaults = [cls.attrs.pop(name) for name in names if name in cls.attrs]
    cls.attrs["__match_args__"] = tuple(names)
    made = collections.namedtuple(cls.name, names, defaults=[plain(value) for value in defaults])  # type: ignore[misc]  # noqa: PYI024
    cls.native = made


def dataclass_fields(run: Run, cls: ClassVal) -> dict[str, Field]:
    """All fields of a dataclass, inherited ones first."""
    return cls.fields if cls.fields is not None else {}


def make_dataclass(run: Run, cls: ClassVal, **options: Value) -> ClassVal:
    """``@dataclass``: collects the fields and gives the class its ``__init__``."""
    fields: dict[str, Field] = {}
    for base in reversed(cls.mro[1:]):
        if isinstance(base, ClassVal) and base.fields is not None:
            for name, field in base.fields.items():
                fields[name] = field
    own = cls.attrs.get("__annotations__", {})
    kw_only = options.get("kw_only") is True
    for name, annotation in own.items():
        if not isinstance(annotation, Annotation):
            continue
        if annotation.head == "ClassVar":
            continue
        if annotation.head == "KW_ONLY":
            kw_only = True
            continue
        value = cls.attrs.get(name, MISSING)
        if isinstance(value, Property | Function):
            value = MISSING
        if isinstance(value, FieldSpec):
            field = Field(
                run,
                name,
                annotation,
                value.default,
                value.factory,
                value.init,
                kw_only or value.kw_only,
                value.metadata,
            )
            if value.default is not dataclasses.MISSING:
                cls.attrs[name] = value.default
            else:
                del cls.attrs[name]
        else:
            field = Field(
                run,
                name,
                annotation,
                dataclasses.MISSING if value is MISSING else value,
                dataclasses.MISSING,
                True,
                kw_only,
                {},
            )
        fields[name] = field
    cls.attrs.setdefault(
        "__match_args__", tuple(name for name, field in fields.items() if field.init and not field.kw_only)
    )
    for name, value in list(cls.attrs.items()):
        # A plain value that overrides an inherited field's default without an annotation.
        if name in fields and name not in own and not isinstance(value, Function | Property | Wrapped):
            continue
    cls.fields = fields
    cls.attrs["__dataclass_fields__"] = fields
    if options.get("init") is not False and not (
        isinstance(cls.attrs.get("__init__"), Function) and not own_generated(cls)
    ):
        if "__init__" not in cls.attrs or own_generated(cls):
            init = Intrinsic(f"{cls.name}.__init__", _initialiser(cls))
            cls.attrs["__init__"] = init
    if options.get("eq") is not False and "__eq__" not in cls.attrs:
        cls.attrs["__eq__"] = Intrinsic(f"{cls.name}.__eq__", _equal)
    cls.cache.clear()
    return cls


def own_generated(cls: ClassVal) -> bool:
    """Whether the class's own ``__init__`` is one that `make_dataclass` gave it."""
    return isinstance(cls.attrs.get("__init__"), Intrinsic)


def _initialiser(cls: ClassVal) -> Any:
    def init(ctx: Run, obj: Instance, *args: Value, **kwargs: Value) -> None:
        fields = list((cls.fields or {}).values())
        positional = [field for field in fields if field.init and not field.kw_only]
        if len(args) > len(positional):
            raise TypeError(
                f"{cls.name}.__init__() takes from 1 to {len(positional) + 1} positional arguments but {len(args) + 1} were given"
            )
        given = {field.name: value for field, value in zip(positional, args, strict=False)}
        for key, value in kwargs.items():
            if key not in (cls.fields or {}):
                raise TypeError(f"{cls.name}.__init__() got an unexpected keyword argument '{key}'")
            given[key] = value
        extra: list[Value] = []
        missing = []
        for field in fields:
            if field.name in given:
                value = given[field.name]
            elif field.default is not dataclasses.MISSING:
                value = field.default
            elif field.default_factory is not dataclasses.MISSING:
                value = ctx.call(field.default_factory, (), {})
            elif field.init:
                missing.append(f"'{field.name}'")
                continue
            else:
                continue
            if field.annotation is not None and field.annotation.head == "InitVar":
                extra.append(value)
                continue
            assignment.set_(ctx, obj, field.name, value)
        if missing:
            plural = "s" if len(missing) > 1 else ""
            comma = "," if len(missing) > 2 else ""
            text = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])}{comma} and {missing[-1]}"
            raise TypeError(
                f"{cls.name}.__init__() missing {len(missing)} required positional argument{plural}: {text}"
            )
        post = lookups.method_of(obj, "__post_init__")
        if post is not MISSING:
            ctx.call(post, tuple(extra), {})

    init.raw = True  # type: ignore[attr-defined]
    init.__dict__["dataclass"] = cls  # whose fields ``inspect.signature`` names
    return init


def _equal(ctx: Run, obj: Instance, other: Value) -> Value:
    if not isinstance(other, Instance) or other.cls is not obj.cls:
        return obj is other
    for name in obj.cls.fields or {}:
        answer = ops.compare(ctx, "==", obj.attrs.get(name), other.attrs.get(name))
        if answer is not True:
            return answer
    return True


__all__ = ["AUTO", "Annotation", "Field", "FieldSpec", "Raised", "make_class", "make_dataclass"]
