"""A recorded run of a module's `forward`: what it was given, and which operations it has in the trace."""

from __future__ import annotations

from typing import Any

from specdiff.interp.dims import MADE, Dim
from specdiff.interp.likened import MAX_DEPTH, PLAIN, Unfit, mentions
from specdiff.interp.objects import BoundMethod, ClassVal, Function, Instance, ModuleVal, Value
from specdiff.interp.trace import Trace
from specdiff.interp.tracked import RunRecording
from specdiff.interp.values import Device, DType, Intrinsic, OwnDType, Tensor, Unknown

_BY_IDENTITY = (Instance, ClassVal, Function, ModuleVal, Intrinsic, Unknown, type)


class Given:
    """The arguments of a call: a key that equal calls share, and the tensors that may differ between them."""

    __slots__ = ("_places", "containers", "keep", "key", "tensors")

    def __init__(self, args: tuple[Value, ...], kwargs: dict[str, Value]) -> None:
        self.tensors: list[Tensor] = []
        self.containers: list[Any] = []
        self.keep = (args, dict(kwargs))
        """So that the identities in the key stay taken."""
        self._places: dict[int, int] = {}
        self.key = (self._sign(args, 0), tuple((name, self._sign(value, 0)) for name, value in kwargs.items()))

    def _sign(self, value: Value, depth: int) -> Any:
        kind = type(value)
        if kind in PLAIN:
            return (kind, value)
        if kind is Tensor:
            return self._tensor(value)
        if kind is Dim or kind is DType or kind is OwnDType or kind is Device:
            return value
        if kind is Unknown and value.source is not None:
            return (kind, value.reason, value.place, self._tensor(value.source))
        if depth < MAX_DEPTH:
            if kind is tuple or kind is list:
                self.containers.append(value)
                return (kind, tuple([self._sign(item, depth + 1) for item in value]))
            if kind is dict:
                self.containers.append(value)
                return (kind, tuple([(key, self._sign(item, depth + 1)) for key, item in value.items()]))
            if kind is BoundMethod:
                return (kind, self._sign(value.func, depth + 1), self._sign(value.receiver, depth + 1))
        if isinstance(value, _BY_IDENTITY):
            return ("id", id(value))
        raise Unfit

    def _tensor(self, value: Tensor) -> Any:
        if value.const is not None or value.tags is not None or value.recipe is not None:
            return ("id", id(value))
        place = self._places.get(id(value))
        if place is None:
            place = self._places[id(value)] = len(self.tensors)
            self.tensors.append(value)
        return (place, value.shape, value.dtype, value.kind, value.grad, value.device, value.node is None)


class Past:
    """A recorded run."""

    __slots__ = (
        "effects", "end", "given", "held", "inside", "keep", "losses", "module", "named", "nodes", "path", "recording", "result", "sizes",
        "start",
    )  # fmt: skip

    def __init__(self, module: Instance, path: str, given: Given, start: int, recording: RunRecording) -> None:
        self.module = module
        self.path = path
        self.given = given
        self.nodes = [tensor.node for tensor in given.tensors]
        self.start = start
        self.recording = recording
        self.end = start
        self.losses: list[int] = []
        """Older operations whose results went into something that gave an unknown value."""
        self.sizes = (len(MADE), len(MADE))
        """Which sizes of which nothing is known it made."""
        self.result: Value = None
        """What it returned, in a copy that nobody changes."""
        self.effects: list[tuple[Any, Any, Value]] = []
        """Attributes of older objects and items of older dicts that it set, with copies of the values."""
        self.keep: Any = None
        self.held: dict[frozenset[int], bool] = {}
        """Whether what it read holds one of some tensors, by their identities."""
        self.named: frozenset[int] | None = None
        """Operations whose sizes speak of those that it made."""
        self.inside: tuple[frozenset[int], list[int], list[tuple[int, int]]] | None = None

    def _inside(self, trace: Trace) -> tuple[frozenset[int], list[int], list[tuple[int, int]]]:
        if self.inside is None:
            sourced, parts, constants = trace.sourced, trace.parts, trace.constants
            ops = trace.ops[self.start : self.end]
            self.inside = (
                frozenset([op.id for op in ops if op.view_of is not None or op.id in sourced or op.id in parts]),
                [op.id for op in ops if op.id in constants],
                [(start, end) for start, end in trace.examples if self.start <= start and end <= self.end],
            )
        return self.inside

    def special(self, trace: Trace) -> frozenset[int]:
        """The operations that stand for what is from outside, or that are seen through a view."""
        return self._inside(trace)[0]

    def constants(self, trace: Trace) -> list[int]:
        """The operations whose results are known."""
        return self._inside(trace)[1]

    def examples(self, trace: Trace) -> list[tuple[int, int]]:
        """Where bodies of loops ran once for all their turns."""
        return self._inside(trace)[2]

    def speaking(self, trace: Trace, names: dict[Any, Any]) -> frozenset[int]:
        """The operations whose shape or attributes have one of some names of sizes, those that it made itself."""
        if self.named is None:
            names = dict(names)
            self.named = frozenset(
                op.id
                for op in trace.ops[self.start : self.end]
                if mentions(op.shape, names) or mentions(op.attrs, names)
            )
        return self.named
