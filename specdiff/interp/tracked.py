"""Integers whose uses are recorded, so that a constructor run once can stand for every layer index.

A constructor run with ``layer_idx`` tracked notes each observation it makes of it ("``layer_types[layer_idx]``
was ``sliding``") as a guard. For another index the recorded object is reused when every guard holds again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

Env: TypeAlias = tuple[Any, ...]
"""The tracked arguments of one call."""


class Recording:
    """What one constructor call observed and touched."""

    __slots__ = ("args", "end", "guards", "impure", "names", "outside", "parent", "reads", "start")

    def __init__(self, start: int, parent: Recording | None) -> None:
        self.start = start
        """Serial number of the first object made in the call."""
        self.end = 0
        """The clock when the call ended."""
        self.parent = parent
        self.guards: list[tuple[Callable[[Env], Any], Any]] = []
        self.names: set[tuple[int, str]] | None = None
        """Attributes read, by the object's identity; only where a run of ``forward`` is recorded."""
        self.impure = False
        """The call changed something that existed before it, so it cannot be replaced by a copy."""
        self.reads: dict[int, Any] = {}
        """Older instances that were read; a later change to one invalidates the recording."""
        self.outside: dict[int, Any] = {}
        """Older lists, dicts and sets that were reached."""
        self.args: tuple[Any, ...] = ()
        """The outer values of the tracked arguments."""

    def holds(self, env: Env) -> bool:
        """Whether every guard holds for other arguments."""
        for function, expected in self.guards:
            try:
                actual = function(env)
            except Exception:  # noqa: BLE001 - an index out of range means: not the same
                return False
            if actual is not expected and (type(actual) is not type(expected) or actual != expected):
                return False
        return True


class Cell(NamedTuple):
    """One entry of an older dict or list, under a key that depends on tracked numbers (`cells`)."""

    container: Any
    place: Callable[[Env], Any]
    """The key, for other numbers."""
    key: Any
    """The key in the recorded run."""
    value: Any


class RunRecording(Recording):
    """What one run of a module's ``forward`` observed and touched; its attributes may be tracked, too."""

    __slots__ = ("cells", "cells_set", "filled", "inputs", "openly", "pairs", "varying", "written")

    names: set[tuple[int, str]]

    def __init__(self, start: int, parent: Recording | None, varying: frozenset[tuple[int, str]]) -> None:
        super().__init__(start, parent)
        self.names = set()
        self.varying = varying
        """Numbers in which modules alike differ, by their class's identity and the attribute's name."""
        self.inputs: dict[tuple[int, str], tuple[Any, str, Tracked]] = {}
        """Those that were read, in the order of their places in `Env`."""
        self.pairs: list[tuple[Callable[[Env], Any], Any]] = []
        """Objects found by a tracked number."""
        self.openly: set[int] = set()
        """Objects found by a plain number, by identity."""
        self.written: dict[int, tuple[Any, dict[str, Any]]] = {}
        """Older objects that the run changed, with their attributes before."""
        self.filled: dict[int, tuple[dict[Any, Any], dict[Any, Any]]] = {}
        """Older dicts that the run changed, with their content before."""
        self.cells: dict[tuple[int, Any], Cell] = {}
        """Entries of older tables that the run depends on, with what they were, by the table's identity and the key."""
        self.cells_set: dict[tuple[int, Any], Cell] = {}
        """Entries of those tables that the run set, with what they are in the end."""

    def read_cell(self, cell: Cell) -> None:
        """Note what an entry of a table was, if the run has not come to it before."""
        self.cells.setdefault((id(cell.container), cell.key), cell)

    def attribute(self, owner: Any, name: str, value: Any) -> Tracked:
        """A number that a module holds, tracked."""
        known = self.inputs.get((id(owner), name))
        if known is None:
            slot = len(self.inputs)
            known = self.inputs[id(owner), name] = (owner, name, Tracked(value, lambda env: env[slot], self))
        return known[2]


class Tracked:
    """A value that depends on the tracked arguments of a recording.

    Arithmetic keeps it tracked; whatever else looks at it is an observation and adds a guard. The host's own
    protocols (``==``, ``hash``, ``index`` …) observe too, so a tracked value cannot leak unnoticed.
    """

    __slots__ = ("function", "recording", "value")

    def __init__(self, value: Any, function: Callable[[Env], Any], recording: Recording) -> None:
        self.value = value
        self.function = function
        self.recording = recording

    def observe(self) -> Any:
        """The plain value, guarded."""
        self.recording.guards.append((self.function, self.value))
        return self.value

    def observe_as(self, view: Callable[[Any], Any]) -> Any:
        """``view(value)``, guarded on that only."""
        result = view(self.value)
        function = self.function
        self.recording.guards.append((lambda env: view(function(env)), result))
        return result

    def map(self, function: Callable[[Any], Any]) -> Tracked:
        """A tracked value computed from this one."""
        inner = self.function
        return Tracked(function(self.value), lambda env: function(inner(env)), self.recording)

    def __eq__(self, other: object) -> bool:
        return bool(self.observe() == other)

    def __hash__(self) -> int:
        return hash(self.observe())

    def __index__(self) -> int:
        return int(self.observe())

    def __bool__(self) -> bool:
        return bool(self.observe())

    def __str__(self) -> str:
        return str(self.observe())

    def __repr__(self) -> str:
        return f"Tracked({self.value!r})"


def plain(value: Any) -> Any:
    """The value without tracking, all through lists, tuples and dicts."""
    kind = type(value)
    if kind is Tracked:
        return value.observe()
    if kind is list or kind is tuple:
        if any(type(item) in _DEEP for item in value):
            items = [plain(item) for item in value]
            if kind is tuple:
                return tuple(items)
            value[:] = items
    elif kind is dict:
        for key, item in value.items():
            if type(item) in _DEEP:
                value[key] = plain(item)
    return value


_DEEP = frozenset({Tracked, list, tuple, dict})
