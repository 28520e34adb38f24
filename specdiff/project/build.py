"""Builds model classes: finds the configuration class, makes the configuration, runs the constructor."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from specdiff.errors import Problem, TargetError
from specdiff.interp import lookups
from specdiff.interp.calls import node_of
from specdiff.interp.classes import Annotation
from specdiff.interp.containers import NotIterable
from specdiff.interp.formatting import to_text
from specdiff.interp.objects import (
    MISSING,
    BudgetExceeded,
    ClassVal,
    Frame,
    Function,
    Instance,
    ModuleVal,
    Raised,
    Union,
    Value,
)
from specdiff.interp.run import Run
from specdiff.interp.values import Place, Unknown
from specdiff.intrinsics.torch_core import ShapeError
from specdiff.project.arguments import keyword_arguments, make_config, plain_defaults, resolve_annotation
from specdiff.project.builders import function_of, ready_builders
from specdiff.project.modules import Program
from specdiff.project.parts import built_inside
from specdiff.project.targets import Target
from specdiff.project.tree import DISK, SourceTree


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a class could not be built: what Python or torch would raise, and where."""

    kind: str
    """Name of the exception (`TypeError`), or `Undecided`, or `Limit`."""
    message: str
    places: tuple[Place, ...]
    """Innermost line first."""
    shape: str = ""
    """For operands whose shapes torch refuses, the kind of operation."""
    deliberate: bool = False
    """Whether the code itself refused, by ``raise`` or ``assert``."""
    apart: tuple[int, int] | None = None
    """Two whole numbers that an assertion wants to be equal."""

    @property
    def words(self) -> str:
        """The message; where an exception has none, what is known of it."""
        if self.message:
            return self.message
        return "{}: {} == {} does not hold".format(self.kind, *self.apart) if self.apart else self.kind


@dataclass(frozen=True, slots=True)
class Built:
    """A model class and what running its constructor gave."""

    cls: ClassVal
    config: Value
    instance: Instance | None
    failure: Failure | None
    notes: tuple[tuple[str, Place], ...]
    edges: dict[tuple[Function | None, Function], None] = field(default_factory=dict)
    """Calls between functions of model code that the constructor made."""
    ways: dict[int, int] = field(default_factory=dict)
    """Which sides of its conditions the constructor took, and ``forward`` where it ran (`Run.ways`)."""
    arguments: dict[str, Value] = field(default_factory=dict)
    """What the constructor was called with by name, and the defaults that are plain values."""
    builder: Function | None = None
    """The function that made the model, where the target names one."""

    @property
    def name(self) -> str:
        """What the target calls it: the class's name, or the function's."""
        return self.cls.name if self.builder is None else self.builder.name

    @property
    def settings(self) -> Value:
        """Where sizes stand: the configuration, or without one the constructor's arguments."""
        return self.arguments if self.config is None else self.config


Entry: TypeAlias = ClassVal | Function | tuple[str, Failure]
"""A class to analyse, a function that makes one, or the name of a class that cannot be had and why."""


def model_classes(program: Program, module: ModuleVal, wanted: tuple[str, ...]) -> list[Entry]:
    """The classes to analyse, in source order: those asked for, else every model class of the file.

    Functions that make a model are among them where they are asked for, or where the file has nothing else.
    """
    found: list[Entry] = []
    others: list[ClassVal] = []
    for chunk in module.unit.chunks:
        if chunk.kind != "class" or (wanted and chunk.name not in wanted):
            continue
        try:
            cls = module.get(chunk.name)
        except (Raised, BudgetExceeded) as error:
            found.append((chunk.name, failure_of(program.run, error)))
            continue
        if not isinstance(cls, ClassVal):
            if wanted:
                place = cls.place if isinstance(cls, Unknown) and cls.place else Place(module.file, chunk.line)
                found.append((chunk.name, Failure("Undecided", getattr(cls, "reason", "not a class"), (place,))))
            continue
        if wanted or is_pretrained(cls):
            found.append(cls)
        elif "module" in cls.flags:
            others.append(cls)
    if not wanted and not found:
        built = built_inside(module, [cls.name for cls in others])
        found.extend(cls for cls in others if cls.name not in built)
        if not found:
            found.extend(ready_builders(program.run, module))
    missing = []
    for name in wanted:
        if not any(entry_name(entry) == name for entry in found):
            function = function_of(module, name)
            if function is None:
                missing.append(name)
            else:
                found.append(function)
    if missing:
        raise TargetError(
            *[Problem(module.file, 0, 0, f"no class {name} in this file{_near(module, name)}") for name in missing]
        )
    return found


def _near(module: ModuleVal, name: str) -> str:
    import difflib  # noqa: PLC0415 - only on the way to an error

    kinds = ("class", "def")
    near = difflib.get_close_matches(name, [chunk.name for chunk in module.unit.chunks if chunk.kind in kinds], 1, 0.6)
    names = [chunk.name for chunk in module.unit.chunks if chunk.kind == "class"]
    return (
        f"; did you mean {near[0]}?" if near else f"; it has {', '.join(names[:8])}" if names else "; it has no classes"
    )


def entry_name(entry: Entry) -> str:
    """What a target calls an entry."""
    return entry[0] if isinstance(entry, tuple) else entry.name


def is_pretrained(cls: ClassVal) -> bool:
    """Whether a class extends transformers' base model."""
    return any(isinstance(base, ClassVal) and base.name == "PreTrainedModel" and base is not cls for base in cls.mro)


def config_class(run: Run, cls: ClassVal) -> Value:
    """The configuration class of a model class by transformers' rule (`PreTrainedModel.__init_subclass__`), then for
    such a class the annotation of the constructor's first parameter; None for any other class."""
    if not is_pretrained(cls):
        return None
    for owner in cls.mro:
        if not isinstance(owner, ClassVal):
            continue
        own = owner.attrs.get("config_class")
        if own is not None:
            return own if isinstance(own, Union | ClassVal) else resolve_annotation(run, own, Frame(owner.module))
        annotation = owner.attrs.get("__annotations__", {}).get("config")
        if isinstance(annotation, Annotation):
            value = annotation.evaluate(run)
            return value if isinstance(value, Union) else resolve_annotation(run, value, annotation.frame)
    init = lookups.lookup(cls, "__init__")[0]
    if isinstance(init, Function):
        for param in node_of(init).params[1:]:
            if param.annotation is not None:
                with run.at(init.file, init.line):
                    value = run.evaluate(param.annotation, Frame(init.module))
                value = resolve_annotation(run, value, Frame(init.module))
                if isinstance(value, ClassVal):
                    return value
    base = next(owner for owner in cls.mro if isinstance(owner, ClassVal) and owner.name == "PreTrainedModel")
    for name in ("PreTrainedConfig", "PretrainedConfig"):
        found = base.module.get(name)
        if isinstance(found, ClassVal):
            return found
    return None


def build(program: Program, target: Target, cls: ClassVal | Function, values: dict[str, Any]) -> Built:
    """Run a model class's constructor, or a function that makes a model, on a configuration.

    Where it fails outside of transformers, it runs once more after all of the program's modules have run to their end.
    """
    built = _build(program, cls, values)
    if built.failure is None or built.failure.kind == "Limit" or program.model_prefixes or not program.complete():
        return built
    program.run.memo.clear()
    return _build(program, cls, values)


def _build(program: Program, cls: ClassVal | Function, values: dict[str, Any]) -> Built:
    run = program.run
    run.notes.clear()
    run.open_lists.clear()
    run.steps = 0
    run.depth = 0
    run.file, run.line = cls.file, cls.line
    run.journal = run.recording = run.caller = None
    run.edges = {}
    ways: dict[int, int] = {}
    run.ways = ways
    config: Value = None
    instance: Value = None
    failure: Failure | None = None
    kwargs: dict[str, Value] = {}
    asking = False
    try:
        config_cls = config_class(run, cls) if isinstance(cls, ClassVal) else None
        if isinstance(config_cls, Unknown):
            failure = undecided(config_cls)
        else:
            args: tuple[Value, ...] = ()
            if config_cls is not None:
                config = _shared_config(program, config_cls, values)
                args = (config,)
            elif isinstance(cls, Function) or not is_pretrained(cls):
                asking = True
                kwargs, config = keyword_arguments(run, cls, values)
                asking = False
            if not isinstance(config, Unknown):
                instance = run.call(cls, args, kwargs)
                if isinstance(instance, Unknown):
                    failure = undecided(instance)
            else:
                failure = undecided(config)
    except STOPS as error:
        failure = failure_of(run, error)
        if asking and failure.kind == "TypeError" and "__init__() missing " in failure.message:
            # Settings without defaults: whoever builds the model gives them, and nobody did here.
            failure = replace(failure, deliberate=True)
    finally:
        run.ways = None
    notes = tuple((note.reason, note.place) for note in run.notes)
    if failure is None and isinstance(instance, Instance):
        failure = _of_unknown_kind(instance.cls)
    made = instance if isinstance(instance, Instance) and failure is None else None
    arguments = {**plain_defaults(cls), **kwargs}
    if isinstance(cls, ClassVal):
        return Built(cls, config, made, failure, notes, dict(run.edges), ways, arguments)
    if made is not None and ("module" not in made.cls.flags or made.cls.file.startswith("<")):
        made = None
    if made is None and failure is None:
        failure = Failure(
            "Undecided", f"what {cls.name} gives back is no model of this code", (Place(cls.file, cls.line),)
        )
    kind = made.cls if made is not None else _no_class(cls)
    return Built(kind, config, made, failure, notes, dict(run.edges), ways, arguments, cls)


def _no_class(builder: Function) -> ClassVal:
    """Stands for the class of a model that could not be made."""
    cls = ClassVal(builder.name, builder.name, builder.module, ())
    cls.file, cls.line = builder.file, builder.line
    return cls


def _of_unknown_kind(cls: ClassVal) -> Failure | None:
    """Why nothing is known of a model's parameters where what it inherits from is not analysed."""
    base = cls.unknown_base
    if "module" in cls.flags or not isinstance(base, Unknown):
        return None
    words = f"{cls.name} inherits from {base.name}: {base.reason}" if base.name else base.reason
    return Failure("Undecided", words, (Place(cls.file, cls.line),))


def _shared_config(program: Program, cls: Value, values: dict[str, Any]) -> Value:
    """One configuration for all classes of a file, as long as building them leaves it unchanged."""
    run = program.run
    key = ("config", id(cls), json.dumps(values, sort_keys=True, default=str))
    entry = run.memo.get(key)
    if entry is not None:
        config, clock = entry
        if not _changed(run, config, clock):
            return config
    config = make_config(run, cls, values) if isinstance(cls, ClassVal) else run.call(cls, (), {})
    _settle(run, config, program.attention)
    run.memo[key] = (config, run.clock)
    return config


def _settle(run: Run, config: Value, attention: str, depth: int = 0) -> None:
    """Choose the backends before any model is built, so that building leaves the configuration unchanged."""
    if not isinstance(config, Instance) or "config" not in config.cls.flags or depth > 4:
        return
    for name, choice in (("_attn_implementation_internal", attention), ("_experts_implementation_internal", "eager")):
        if config.attrs.get(name, MISSING) is None:
            config.attrs[name] = choice
    for value in config.attrs.values():
        _settle(run, value, attention, depth + 1)


def _changed(run: Run, value: Value, clock: int, depth: int = 0) -> bool:
    if depth > 6:
        return False
    if isinstance(value, Instance):
        if value.mtime > clock:
            return True
        return any(_changed(run, item, clock, depth + 1) for item in value.attrs.values())
    if isinstance(value, list | dict):
        stamp = run.stamps.get(id(value))
        if stamp is not None and stamp[1] > clock:
            return True
        items: Iterable[Value] = value.values() if isinstance(value, dict) else value
        return any(_changed(run, item, clock, depth + 1) for item in items)
    return False


STOPS = (Raised, NotIterable, BudgetExceeded, RecursionError)
"""What ends a run before its end: the analysed code's own exception, or one of the analyser's."""


def failure_of(run: Run, error: Exception) -> Failure:
    """What ended a run (one of `STOPS`) as data."""
    if isinstance(error, NotIterable):
        return undecided(error.value)
    if isinstance(error, BudgetExceeded):
        return Failure("Limit", f"the limit {error.limit} was reached", (error.place,) if error.place else ())
    return _raised(run, error) if isinstance(error, Raised) else _too_deep(run)


def undecided(value: Unknown) -> Failure:
    """A value that had to be known and is not."""
    return Failure("Undecided", value.reason, (value.place,) if value.place else ())


def _too_deep(run: Run) -> Failure:
    return Failure("Limit", "the limit MAX_CALL_DEPTH was reached", (run.place,))


def _raised(run: Run, error: Raised) -> Failure:
    value = error.value
    if isinstance(value, Instance):
        kind = value.cls.name
        args = value.attrs.get("args")
        if args is None and isinstance(value.native, BaseException):
            args = value.native.args
        message = " ".join(to_text(run, arg) for arg in args) if isinstance(args, tuple) else kind
    else:
        kind = type(value).__name__
        if isinstance(value, ShapeError):
            return Failure("RuntimeError", str(value), tuple(error.places), value.what)
        message = (
            str(value)
            if not isinstance(value, KeyError)
            else ", ".join(to_text(run, arg, debug=True) for arg in value.args)
        )
    return Failure(kind, message, tuple(error.places), deliberate=error.deliberate, apart=error.apart)


def read_config(path: Path, tree: SourceTree = DISK) -> dict[str, Any]:
    """A `config.json`.

    Raises:
        TargetError: the file is missing or does not hold a JSON object.
    """
    try:
        loaded = json.loads(tree.read(path).decode("utf-8"))
    except OSError as error:
        raise TargetError(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")) from None
    except json.JSONDecodeError as error:
        raise TargetError(Problem(str(path), error.lineno, error.colno, f"not JSON: {error.msg}")) from None
    except UnicodeDecodeError:
        raise TargetError(Problem(str(path), 0, 0, "not UTF-8 text")) from None
    if not isinstance(loaded, dict):
        raise TargetError(Problem(str(path), 1, 1, "a configuration must be a JSON object"))
    return loaded
