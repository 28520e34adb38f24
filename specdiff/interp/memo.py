"""Module constructors run once per distinct behaviour; repetitions are copies.

A copy shares the recorded object's structure until someone looks inside, so that 256 experts cost
one run of the constructor and 255 small objects.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from specdiff.interp import limits
from specdiff.interp.objects import (
    BoundMethod,
    ClassVal,
    Frame,
    Function,
    GenericAlias,
    HostMethod,
    Instance,
    ModuleVal,
    Partial,
    Value,
)
from specdiff.interp.run import Run
from specdiff.interp.tracked import Env, Recording, Tracked
from specdiff.interp.values import Device, DType, Intrinsic, OwnDType, Tensor

OBSERVED = frozenset({Tracked, list, tuple, dict})
"""Types of arguments that may hold tracked values."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, complex})
_BY_IDENTITY = (Instance, ClassVal, Function, Intrinsic, ModuleVal, type)
Maker = Callable[[Run, ClassVal, tuple[Value, ...], dict[str, Value]], Value]


class _Entry:
    """A recorded constructor call."""

    __slots__ = ("keep", "pristine", "recording", "result")

    def __init__(self, recording: Recording, result: Instance, keep: Any) -> None:
        self.recording = recording
        self.result = result
        self.pristine: Instance | None = None
        """A hidden copy that nobody changes; copies are made from it."""
        self.keep = keep
        """The arguments, so that the identities in the key stay taken."""


class _Unfit(Exception):
    """Indicates an argument that cannot be part of a key."""


class LazyInstance(Instance):
    """A copy of a pristine instance whose attributes are filled in when they are first read."""

    __slots__ = ()

    @property
    def attrs(self) -> dict[str, Value]:  # type: ignore[override]  # a slot of the class above, filled when it is read
        """The attributes, copied now; the object becomes an ordinary instance."""
        template, copier = _SLOT.__get__(self)
        self.__class__ = Instance  # type: ignore[assignment]
        _SLOT.__set__(self, None)
        attrs = {name: copier.copy(value) for name, value in template.attrs.items()}
        _SLOT.__set__(self, attrs)
        return attrs

    @property
    def template(self) -> Instance:
        """The pristine instance this is a copy of."""
        return _SLOT.__get__(self)[0]  # type: ignore[no-any-return]


_SLOT: Any = vars(Instance)["attrs"]
"""The slot itself, beneath the property that hides it."""


def template_of(instance: Instance) -> Instance | None:
    """The pristine instance of a copy nobody has looked into yet."""
    return instance.template if type(instance) is LazyInstance else None


def origin_of(instance: Instance) -> int:
    """For a copy nobody has looked into: the serial number from which on its template's objects are its own."""
    return int(_SLOT.__get__(instance)[1].recording.start)


class _Copier:
    """Copies the part of the object graph that one constructor call made; what is older is shared."""

    __slots__ = ("env", "lazy", "made", "recording", "root", "run", "serial")

    def __init__(self, run: Run, recording: Recording, env: Env | None, lazy: bool) -> None:
        self.run = run
        self.recording = recording
        self.env = env
        """Values for the tracked arguments; None keeps them tracked (a pristine copy)."""
        self.lazy = lazy
        self.made: dict[int, Any] = {}
        self.root: Instance | None = None
        run.serial += 1
        self.serial = run.serial
        """Everything copied counts as made now, however late someone looks inside."""

    def start(self, root: Instance) -> Instance:
        """Copy the object that the recorded call made."""
        self.root = root
        return self._instance(root)

    def copy(self, value: Value) -> Value:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is Instance or kind is LazyInstance:
            return self._instance(value)
        if kind is Tensor:
            return self._tensor(value)
        if kind is Tracked:
            if self.env is None or value.recording is not self.recording:
                return value
            if any(type(item) is Tracked for item in self.env):
                owner = next(item for item in self.env if type(item) is Tracked).recording
                bare = value.function(tuple(_bare(item) for item in self.env))
                return Tracked(bare, _lifted(value.function, self.env, owner), owner)
            return value.function(self.env)
        if kind is dict or kind is list or kind is set:
            found = self.made.get(id(value))
            if found is None:
                if not self.lazy and self.run.stamps.get(id(value), (None, 0))[1] > self.recording.end:
                    raise _Unfit
                if kind is dict:
                    found = {key: self.copy(item) for key, item in value.items()}
                elif kind is list:
                    found = [self.copy(item) for item in value]
                else:
                    found = set(value)
                self.made[id(value)] = found
            return found
        if kind is tuple:
            return tuple(self.copy(item) for item in value)
        if kind is BoundMethod:
            return BoundMethod(self.copy(value.func), self.copy(value.receiver))
        if kind is Partial:
            return Partial(self.copy(value.func), self.copy(value.args), self.copy(value.keywords))
        if kind is Function:
            return self._function(value)
        return value

    def _function(self, value: Function) -> Function:
        """A function, which closes over the copies of what the recorded call had at hand when it made it."""
        closure = self._frame(value.closure)
        if closure is value.closure:
            return value
        found = self.made.get(id(value))
        if found is None:
            found = self.made[id(value)] = value.closing_over(closure)
            found.defaults = self.copy(value.defaults)
            found.attrs = self.copy(value.attrs)
        return found

    def _frame(self, value: Frame | None) -> Frame | None:
        if value is None:
            return None
        found = self.made.get(id(value))
        if found is not None:
            return found  # type: ignore[no-any-return]
        parent = self._frame(value.parent)
        if parent is value.parent and value.serial < self.recording.start:
            return value
        made = value.again(parent)
        self.made[id(value)] = made
        made.serial = self.serial if self.lazy else value.serial
        made.self_ = self.copy(value.self_)
        made.locals = {name: self.copy(item) for name, item in value.locals.items()}
        return made

    def _instance(self, value: Instance) -> Instance:
        if value.serial < self.recording.start or value.cls.enum_members is not None:
            return value  # a member of an enumeration is there once, whenever its class was first looked at
        found = self.made.get(id(value))
        if found is not None:
            return found  # type: ignore[no-any-return]
        if type(value) is LazyInstance:
            template, other = _SLOT.__get__(value)
            if other.root is template and not any(type(item) is Tracked for item in other.env or ()):
                again = _Copier(self.run, other.recording, other.env, lazy=True)
                copied = again.start(template)
                self.made[id(value)] = copied
                return copied
        if self.lazy:
            made: Instance = LazyInstance.__new__(LazyInstance)
            made.cls, made.serial, made.mtime, made.place = value.cls, self.serial, 0, value.place
            made.native = self.copy(value.native)
            _SLOT.__set__(made, (value, self))
            self.made[id(value)] = made
            return made
        if value.mtime > self.recording.end:
            raise _Unfit
        made = Instance(value.cls, value.serial, value.place)
        self.made[id(value)] = made
        made.native = self.copy(value.native)
        _SLOT.__set__(made, {name: self.copy(item) for name, item in value.attrs.items()})
        return made

    def _tensor(self, value: Tensor) -> Tensor:
        if value.serial < self.recording.start:
            return value
        found = self.made.get(id(value))
        if found is None:
            found = Tensor(
                value.shape,
                value.dtype,
                node=value.node,
                const=value.const,
                base=value.base,
                device=value.device,
                place=value.place,
            )
            found.kind, found.grad, found.tags, found.serial = (
                value.kind,
                value.grad,
                value.tags,
                self.serial if self.lazy else value.serial,
            )
            found.recipe = value.recipe
            self.made[id(value)] = found
        return found


def construct(run: Run, cls: ClassVal, args: tuple[Value, ...], kwargs: dict[str, Value], make: Maker) -> Value:
    """Make a module, from memory where a recorded call with the same arguments still holds."""
    ints: list[tuple[int | str, int]] = []
    try:
        exact = _key(cls, args, kwargs, None)
        if "library" not in cls.flags:
            loose = _key(cls, args, kwargs, ints)
        else:
            loose = None
    except _Unfit:
        return _opaque(run, cls, args, kwargs, make)
    entry = run.memo.get(exact)
    if entry is not None:
        copied = _reuse(run, entry, ())
        if copied is not None:
            return copied
    if loose is None or not ints:
        return _record(run, cls, args, kwargs, make, exact, ())
    family = run.memo.get(loose)
    if family is None:
        run.memo[loose] = _Family([value for _, value in ints])
        return _record(run, cls, args, kwargs, make, exact, ())
    return _tracked_call(run, cls, args, kwargs, make, exact, family, ints)


class _Family:
    """Calls of one class that differ in integer arguments only."""

    __slots__ = ("entries", "first", "varying")

    def __init__(self, first: list[Any]) -> None:
        self.first = first
        self.varying: frozenset[int] = frozenset()
        self.entries: list[tuple[frozenset[int], tuple[Any, ...], _Entry]] = []


def _tracked_call(
    run: Run,
    cls: ClassVal,
    args: tuple[Value, ...],
    kwargs: dict[str, Value],
    make: Maker,
    exact: Any,
    family: _Family,
    ints: list[tuple[int | str, Any]],
) -> Value:
    values = [value for _, value in ints]
    bare = [value.value if type(value) is Tracked else value for value in values]
    family.varying |= {
        index
        for index, value in enumerate(bare)
        if value != _bare(family.first[index]) or type(values[index]) is Tracked
    }
    varying = family.varying
    if not varying:
        return _record(run, cls, args, kwargs, make, exact, ())
    env = tuple(values[index] for index in sorted(varying))
    plain_env = tuple(bare[index] for index in sorted(varying))
    fixed = tuple(value for index, value in enumerate(bare) if index not in varying)
    for positions, other_fixed, entry in family.entries:
        if positions == varying and other_fixed == fixed and entry.recording.holds(plain_env):
            copied = _reuse(run, entry, env)
            if copied is not None:
                return copied
    if len(family.entries) >= limits.MAX_TRACKED_VARIANTS:
        return _record(run, cls, args, kwargs, make, exact, ())
    entry_or_value = _record(run, cls, args, kwargs, make, None, tuple(ints[index][0] for index in sorted(varying)))
    made, entry = entry_or_value
    if entry is not None:
        family.entries.append((varying, fixed, entry))
    return made


def _bare(value: Any) -> Any:
    return value.value if type(value) is Tracked else value


def _opaque(run: Run, cls: ClassVal, args: tuple[Value, ...], kwargs: dict[str, Value], make: Maker) -> Value:
    """Run without remembering; an enclosing recording then holds only for the very same arguments."""
    return make(run, cls, args, kwargs)


def _record(
    run: Run,
    cls: ClassVal,
    args: tuple[Value, ...],
    kwargs: dict[str, Value],
    make: Maker,
    exact: Any,
    track: tuple[int | str, ...],
) -> Any:
    parent = run.recording
    recording = Recording(run.serial + 1, parent)
    keep = (args, dict(kwargs))
    if track:
        outer: list[Any] = []
        positional = list(args)
        kwargs = dict(kwargs)
        for slot, where in enumerate(track):
            value = positional[where] if isinstance(where, int) else kwargs[where]
            outer.append(value)
            tracked = Tracked(_bare(value), operator.itemgetter(slot), recording)
            if isinstance(where, int):
                positional[where] = tracked
            else:
                kwargs[where] = tracked
        args = tuple(positional)
        recording.args = tuple(outer)
    for value in (*args, *kwargs.values()):
        _mark_outside(recording, value)
    steps_before = len(run.notes)
    run.recording = recording
    try:
        made = make(run, cls, args, kwargs)
    finally:
        run.recording = parent
        _lift(recording, recording.args)
    recording.end = run.clock
    entry = None
    if not recording.impure and isinstance(made, Instance) and len(run.notes) == steps_before and run.journal is None:
        entry = _Entry(recording, made, keep)
        if exact is not None:
            run.memo[exact] = entry
    if not track:
        return made
    if entry is not None:
        try:
            entry.pristine = _Copier(run, recording, None, lazy=False).start(made)
        except _Unfit:
            entry = None
    _Rebase(recording).value(made)
    return made, entry


class _Rebase:
    """Puts the tracked values that a recorded object keeps into the terms of the enclosing recording.

    The object itself stays in use after its call has ended; a value that still spoke of that call's arguments would be
    taken for a constant when the enclosing call is copied.
    """

    __slots__ = ("owner", "recording", "seen")

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.owner = next((item.recording for item in recording.args if type(item) is Tracked), None)
        self.seen: set[int] = set()

    def value(self, value: Value) -> Value:
        """The value itself, or what stands in its place."""
        kind = type(value)
        if kind is Tracked:
            if value.recording is not self.recording:
                return value
            if self.owner is None:
                return value.value
            return Tracked(value.value, _lifted(value.function, self.recording.args, self.owner), self.owner)
        if kind is tuple:
            changed = tuple(self.value(item) for item in value)
            return changed if any(a is not b for a, b in zip(changed, value, strict=True)) else value
        if kind in _PLAIN or id(value) in self.seen:
            return value
        self.seen.add(id(value))
        if kind is Instance:
            if value.serial >= self.recording.start:
                self._entries(value.attrs)
        elif kind is dict:
            self._entries(value)
        elif kind is list:
            for index, item in enumerate(value):
                changed = self.value(item)
                if changed is not item:
                    value[index] = changed
        elif kind is Partial:
            value.args, value.keywords = self.value(value.args), self.value(value.keywords)
        elif kind is Function:
            frame = value.closure
            while frame is not None and (frame.serial == 0 or frame.serial >= self.recording.start):
                if id(frame) not in self.seen and frame.function is not None:
                    self.seen.add(id(frame))
                    self._entries(frame.locals)
                frame = frame.parent
        return value

    def _entries(self, table: dict[Any, Value]) -> None:
        for key, item in table.items():
            changed = self.value(item)
            if changed is not item:
                table[key] = changed


def _mark_outside(recording: Recording, value: Value) -> None:
    if isinstance(value, list | dict | set):
        recording.outside[id(value)] = value
        for item in value.values() if isinstance(value, dict) else value:
            _mark_outside(recording, item)
    elif type(value) is tuple:
        for item in value:
            _mark_outside(recording, item)


def _lift(recording: Recording, outer: tuple[Any, ...]) -> None:
    """Hand what a call observed on to the enclosing recording, in that recording's terms."""
    parent = recording.parent
    tracked = [value for value in outer if type(value) is Tracked]
    if tracked:
        owner = tracked[0].recording
        for function, expected in recording.guards:
            owner.guards.append((_lifted(function, outer, owner), expected))
        for value in tracked[1:]:
            if value.recording is not owner:
                value.observe()
    if parent is None:
        return
    for key, obj in recording.reads.items():
        if obj.serial < parent.start:
            parent.reads[key] = obj
            if parent.names is not None:
                parent.names.add((key, "__dict__"))  # which attributes a constructor reads is not kept
    if parent.names is not None:
        parent.outside.update(recording.outside)


def _lifted(function: Callable[[Env], Any], inputs: tuple[Any, ...], owner: Recording) -> Callable[[Env], Any]:
    def guard(env: Env) -> Any:
        return function(
            tuple(
                item.function(env) if type(item) is Tracked and item.recording is owner else _bare(item)
                for item in inputs
            )
        )

    return guard


def _reuse(run: Run, entry: _Entry, env: Env) -> Instance | None:
    """A copy of a recorded object, or None where something it read has changed since."""
    recording = entry.recording
    for obj in recording.reads.values():
        if obj.mtime > recording.end:
            return None
    for key in recording.outside:
        stamp = run.stamps.get(key)
        if stamp is not None and stamp[1] > recording.end:
            return None
    if entry.pristine is None:
        try:
            entry.pristine = _Copier(run, recording, None, lazy=False).start(entry.result)
        except _Unfit:
            return None
    parent = run.recording
    if parent is not None:
        shadow = Recording(recording.start, parent)
        shadow.guards, shadow.reads, shadow.outside = recording.guards, recording.reads, recording.outside
        _lift(shadow, env)
    return _Copier(run, recording, env, lazy=True).start(entry.pristine)


def _key(
    cls: ClassVal, args: tuple[Value, ...], kwargs: dict[str, Value], ints: list[tuple[int | str, Any]] | None
) -> Any:
    parts: list[Any] = [id(cls), ints is None]
    for index, value in enumerate(args):
        parts.append(_part(value, index, ints))
    for name, value in kwargs.items():
        parts.append(name)
        parts.append(_part(value, name, ints))
    return tuple(parts)


def _part(value: Value, where: int | str, ints: list[tuple[int | str, Any]] | None) -> Any:
    kind = type(value)
    if kind is int or kind is Tracked:
        if ints is not None:
            ints.append((where, value))
            return "int"
        return ("tracked", id(value)) if kind is Tracked else (int, value)
    return freeze(value)


def freeze(value: Value, depth: int = 0) -> Any:
    """A hashable stand-in for an argument, or raises `_Unfit`."""
    kind = type(value)
    if kind in _PLAIN:
        return (kind, value)
    if isinstance(value, _BY_IDENTITY):
        return ("id", id(value))
    if kind is Tensor and value.kind != "tensor":
        return ("id", id(value))
    if kind is DType or kind is OwnDType or kind is Device:
        return value
    if kind is Tracked:
        return ("tracked", id(value))
    if depth < 6:
        if kind is list or kind is tuple:
            if len(value) > 512:
                raise _Unfit
            return (kind, tuple(freeze(item, depth + 1) for item in value))
        if kind is dict:
            if len(value) > 512:
                raise _Unfit
            return (dict, tuple((freeze(k, depth + 1), freeze(v, depth + 1)) for k, v in value.items()))
        if kind is set or kind is frozenset:
            return (kind, frozenset(freeze(item, depth + 1) for item in value))
        if kind is BoundMethod:
            return ("bound", id(value.func), id(value.receiver))
        if kind is GenericAlias:
            return freeze(value.origin, depth + 1)
        if kind is Partial:
            return (
                "partial",
                freeze(value.func, depth + 1),
                freeze(value.args, depth + 1),
                freeze(value.keywords, depth + 1),
            )
        if kind is HostMethod:
            return ("host", id(value.receiver), value.name)
    raise _Unfit
