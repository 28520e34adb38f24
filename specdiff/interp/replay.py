"""A module's `forward` runs once per distinct behaviour; for its like (the next layer, the next expert) the operations
are repeated under the other module's name.

A run is recorded with everything it read. It stands for another module only if both have the same class and the same
content wherever the recorded run looked, the arguments are alike (same objects, or tensors of the same kind in the same
places), nothing that was read has changed since, and the run changed nothing but what it made itself. What is repeated
is exactly what running again would have added to the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp import limits
from specdiff.interp.dims import MADE, Dim, renamed
from specdiff.interp.memo import LazyInstance, template_of
from specdiff.interp.objects import BoundMethod, BudgetExceeded, ClassVal, Function, Instance, ModuleVal, Value
from specdiff.interp.run import Run
from specdiff.interp.trace import Op, Trace
from specdiff.interp.tracked import Recording, Tracked
from specdiff.interp.values import Device, DType, Intrinsic, Tensor, Unknown

MIN_OPERATIONS = 4
"""Runs with fewer operations are not worth keeping."""

MAX_VARIANTS = 12
"""Recorded runs of one function on one kind of argument; layers alternate between a few kinds."""

MAX_FAILURES = 6
"""Runs of one function in a row that could not be kept or repeated before it is no longer tried."""

MAX_DEPTH = 8
"""How deeply arguments and results may nest."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, complex})
_BY_IDENTITY = (Instance, ClassVal, Function, ModuleVal, Intrinsic, Unknown, type)
_TABLES = frozenset({"_parameters", "_buffers", "_modules"})


class _Unfit(Exception):
    """Indicates a value that cannot be compared or carried over."""


class _Given:
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
        if kind in _PLAIN:
            return (kind, value)
        if kind is Tensor:
            return self._tensor(value)
        if kind is Dim or kind is DType or kind is Device:
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
        raise _Unfit

    def _tensor(self, value: Tensor) -> Any:
        if value.const is not None or value.tags is not None or value.recipe is not None:
            return ("id", id(value))
        place = self._places.get(id(value))
        if place is None:
            place = self._places[id(value)] = len(self.tensors)
            self.tensors.append(value)
        return (place, value.shape, value.dtype, value.kind, value.grad, value.device, value.node is None)


class _Past:
    """A recorded run."""

    __slots__ = ("end", "given", "keep", "module", "nodes", "path", "recording", "result", "sizes", "start")

    def __init__(self, module: Instance, path: str, given: _Given, start: int, recording: Recording) -> None:
        self.module = module
        self.path = path
        self.given = given
        self.nodes = [tensor.node for tensor in given.tensors]
        self.start = start
        self.recording = recording
        self.end = start
        self.sizes = (len(MADE), len(MADE))
        """Which sizes of which nothing is known it made."""
        self.result: Value = None
        """What it returned, in a copy that nobody changes."""
        self.keep: Any = None


def worth(trace: Trace, library: bool) -> bool:
    """Whether the module whose ``forward`` begins is one of several alike, going by its name (``layers.3``)."""
    path = trace.stack[-1][1]
    name = path.rpartition(".")[2]
    return name.isdigit() or (not library and name[-1:].isdigit())


def forward(
    run: Run, function: Function, args: tuple[Value, ...], kwargs: dict[str, Value], body: Callable[[], Value]
) -> Value:
    """The value of a module's ``forward``, which the trace has entered.

    Args:
        run: The run, with a trace.
        function: The ``forward``.
        args: Its arguments, the module first.
        kwargs: Its keyword arguments.
        body: Runs it.
    """
    trace: Trace = run.trace
    if run.journal is not trace.journal or trace.hopeless.get(id(function), 0) >= MAX_FAILURES:
        return body()
    module, path = trace.stack[-1]
    try:
        given = _Given(args[1:], kwargs)
        key = (id(function), id(module.cls), _site(run), given.key)
        known = trace.past.setdefault(key, [])
    except (_Unfit, TypeError):
        return body()
    for past in known:
        try:
            value = _Repetition(run, past, module, path, given).value()
        except _Unfit:
            continue
        trace.hopeless.pop(id(function), None)
        return value
    if known:
        _failed(trace, function)
    if len(known) >= MAX_VARIANTS:
        return body()
    return _recorded(
        run, function, _Past(module, path, given, len(trace.ops), Recording(run.serial + 1, run.recording)), known, body
    )


def _site(run: Run) -> Any:
    """Where the call was made, as operations and the call graph see it."""
    file, line, caller = run.sites[-1]
    model = next(((f, n) for f, n, c in reversed(run.sites) if c is not None and f == c.file), None)
    return (file, line, id(caller), model, id(run.caller))


def _recorded(run: Run, function: Function, past: _Past, known: list[_Past], body: Callable[[], Value]) -> Value:
    trace: Trace = run.trace
    recording = past.recording
    recording.names = set()
    for container in past.given.containers:
        recording.outside[id(container)] = container
    opened = len(run.open_lists)
    run.recording = recording
    try:
        result = body()
    finally:
        run.recording = recording.parent
        _lift(recording, recording.parent, None)
    recording.end = run.clock
    past.end = len(trace.ops)
    if past.end - past.start < MIN_OPERATIONS:
        return result
    past.sizes = (past.sizes[0], len(MADE))
    sound = not recording.impure and run.journal is trace.journal and opened == len(run.open_lists)
    try:
        if not sound or not _repeatable(trace, past):
            raise _Unfit
        past.result = _Carrier(recording.start, lambda tensor: tensor.node, {}, {}, run, {}).carry(result)
    except _Unfit:
        _failed(trace, function)
        return result
    past.keep = (function, result)
    known.append(past)
    return result


def _failed(trace: Trace, function: Function) -> None:
    trace.hopeless[id(function)] = trace.hopeless.get(id(function), 0) + 1


def _repeatable(trace: Trace, past: _Past) -> bool:
    """Whether every operation of a run can be copied: no attribute names a tensor, no source is of unknown age."""
    given = {id(tensor) for tensor in past.given.tensors}
    for op in trace.ops[past.start : past.end]:
        tensor = trace.sourced.get(op.id)
        if tensor is not None:
            if tensor.serial == 0 and id(tensor) not in given:
                return False
        elif any(_names_tensor(value) for value in op.attrs.values()):
            return False
    return True


def _names_tensor(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_names_tensor(item) for item in value)
    if isinstance(value, dict):
        return any(_names_tensor(item) for item in value.values())
    return isinstance(value, Tensor)


def _lift(recording: Recording, parent: Recording | None, match: _Match | None) -> None:
    """Tell the enclosing recording what a run read; of a repetition, what it would have read."""
    if parent is None:
        return
    objects = match.objects if match is not None else {}
    for obj in recording.reads.values():
        read = objects.get(id(obj), obj)
        if read.serial < parent.start:
            parent.reads[id(read)] = read
    if match is not None:
        for container in recording.outside.values():
            reached = match.containers.get(id(container), container)
            parent.outside[id(reached)] = reached
    if parent.names is None:
        parent.impure = True
    elif match is None:
        parent.names |= recording.names or set()
    else:
        parent.names.update((id(objects[key]) if key in objects else key, name) for key, name in recording.names or ())


class _Match:
    """Compares two modules wherever a recorded run looked, and pairs what corresponds."""

    def __init__(self, names: set[tuple[int, str]]) -> None:
        self.names = names
        self.objects: dict[int, Instance] = {}
        self.containers: dict[int, Any] = {}
        self.tensors: dict[int, Tensor] = {}
        self.shared: list[Instance] = []
        """Modules that both have."""

    def same(self, left: Value, right: Value) -> bool:
        """Whether two values are alike."""
        kind = type(left)
        if kind is Tracked:
            return self.same(left.value, right)
        if type(right) is Tracked:
            return self.same(left, right.value)
        if isinstance(left, Instance):
            return isinstance(right, Instance) and self._instances(left, right)
        if kind is not type(right):
            return False
        if left is right and kind is not list and kind is not dict and kind is not tuple:
            return True
        if kind in _PLAIN or kind is Dim or kind is DType or kind is Device:
            return bool(left == right)
        if kind is Tensor:
            return self._tensors(left, right)
        if kind is list or kind is tuple:
            self.containers[id(left)] = right
            return len(left) == len(right) and all(map(self.same, left, right))
        if kind is dict:
            self.containers[id(left)] = right
            return list(left) == list(right) and all(map(self.same, left.values(), right.values()))
        if kind is set or kind is frozenset:
            self.containers[id(left)] = right
            return all(type(item) in _PLAIN for item in left) and bool(left == right)
        if kind is BoundMethod:
            return self.same(left.func, right.func) and self.same(left.receiver, right.receiver)
        return False

    def _instances(self, left: Instance, right: Instance) -> bool:
        known = self.objects.get(id(left))
        if known is not None:
            return known is right
        if left is right:
            if "module" in left.cls.flags:
                self.shared.append(left)
            return True
        if left.cls is not right.cls:
            return False
        self.objects[id(left)] = right
        if template_of(left) is not None:
            return True  # nobody has looked into it, so the run cannot depend on it
        if not self.same(left.native, right.native):
            return False
        mine, other = left.attrs, right.attrs
        if list(mine) != list(other):
            return False
        for name, value in mine.items():
            if name in _TABLES and type(value) is dict and type(other[name]) is dict:
                if not self._tables(left, name, value, other[name]):
                    return False
            elif not self.same(value, other[name]) and self._read(left, name):
                return False
        return True

    def _tables(self, owner: Instance, table: str, left: dict[str, Any], right: dict[str, Any]) -> bool:
        self.containers[id(left)] = right
        if list(left) != list(right):
            return False
        whole = self._read(owner, table)
        return all(
            self.same(value, right[name]) or not (whole or self._read(owner, name)) for name, value in left.items()
        )

    def _read(self, owner: Instance, name: str) -> bool:
        key = id(owner)
        return (key, name) in self.names or (key, "__dict__") in self.names

    def _tensors(self, left: Tensor, right: Tensor) -> bool:
        known = self.tensors.get(id(left))
        if known is not None:
            return known is right
        alike = (
            (left.shape, left.dtype, left.kind, left.grad, left.device)
            == (right.shape, right.dtype, right.kind, right.grad, right.device)
            and self._maybe(left.base, right.base)
            and self.same(left.tags, right.tags)
            and self._recipes(left.recipe, right.recipe)
            and _same_content(left.const, right.const)
        )
        if alike:
            self.tensors[id(left)] = right
        return alike

    def _maybe(self, left: Tensor | None, right: Tensor | None) -> bool:
        return left is right or (left is not None and right is not None and self._tensors(left, right))

    def _recipes(self, left: Any, right: Any) -> bool:
        if left is None or right is None:
            return left is right
        return (
            left[0] == right[0]
            and len(left[1]) == len(right[1])
            and all(map(self._maybe, left[1], right[1]))
            and self.same(left[2], right[2])
        )


def _same_content(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if left is None or right is None:
        return False
    import numpy  # noqa: PLC0415 - only where layers hold constants of their own

    left, right = (value() if callable(value) else value for value in (left, right))
    return (
        left is not None
        and right is not None
        and bool(numpy.array_equal(left, right, equal_nan=left.dtype.kind == "f"))
    )


class _Carrier:
    """Copies a result, with the tensors and objects of one run replaced by another's."""

    def __init__(
        self,
        start: int,
        node_of: Callable[[Tensor], int | None],
        tensors: dict[int, Tensor],
        objects: dict[int, Instance],
        run: Run,
        names: dict[Any, Any],
    ) -> None:
        self.names = names
        """Other names for sizes."""
        self.start = start
        """Serial number of the first object the recorded run made."""
        self.node_of = node_of
        self.tensors = tensors
        self.objects = objects
        self.run = run
        self.made: dict[int, Any] = {}

    def carry(self, value: Value, depth: int = 0) -> Value:
        """The copy of a value; what is older than the run stays itself."""
        kind = type(value)
        if kind in _PLAIN or kind is DType or kind is Device:
            return value
        if kind is Unknown:
            if value.source is None:
                return value
            source = self._tensor(value.source)
            return Unknown(value.reason, value.place, value.cause, source=source)
        if kind is Dim:
            return _with_names(value, self.names)
        if kind is Tensor:
            return self._tensor(value)
        if depth > MAX_DEPTH or isinstance(value, LazyInstance):
            raise _Unfit
        if kind is Instance:
            return self._instance(value, depth)
        if kind is tuple:
            return tuple([self.carry(item, depth + 1) for item in value])
        if kind is list or kind is dict:
            found: Any = self.made.get(id(value))
            if found is None:
                found = self.made[id(value)] = kind()
                if kind is list:
                    found.extend([self.carry(item, depth + 1) for item in value])
                else:
                    found.update({key: self.carry(item, depth + 1) for key, item in value.items()})
            return found
        if isinstance(value, ClassVal | Function | ModuleVal | Intrinsic):
            return value
        raise _Unfit

    def _tensor(self, value: Tensor) -> Tensor:
        other = self.tensors.get(id(value))
        if other is not None:
            return other
        if value.serial < self.start:
            if value.serial == 0 and value.node is not None:
                raise _Unfit  # of unknown age
            return value
        if value.tags is not None or value.recipe is not None:
            raise _Unfit
        found = self.made.get(id(value))
        if found is None:
            base = self._tensor(value.base) if value.base is not None else None
            found = Tensor(
                _with_names(value.shape, self.names), value.dtype, node=self.node_of(value), const=value.const, base=base, device=value.device,
                place=value.place,
            )  # fmt: skip
            self.run.serial += 1
            found.kind, found.grad, found.serial = value.kind, value.grad, self.run.serial
            self.made[id(value)] = found
        return found  # type: ignore[no-any-return]

    def _instance(self, value: Instance, depth: int) -> Instance:
        other = self.objects.get(id(value))
        if other is not None:
            return other
        if value.serial < self.start or value.cls.enum_members is not None:
            return value
        found = self.made.get(id(value))
        if found is None:
            found = self.made[id(value)] = self.run.new_instance(value.cls)
            found.place = value.place
            found.native = self.carry(value.native, depth + 1)
            found.attrs.update({name: self.carry(item, depth + 1) for name, item in value.attrs.items()})
        return found  # type: ignore[no-any-return]


class _Repetition:
    """One recorded run repeated for another module; raises `_Unfit` before it changes anything."""

    def __init__(self, run: Run, past: _Past, module: Instance, path: str, given: _Given) -> None:
        self.run = run
        self.trace: Trace = run.trace
        self.past = past
        self.path = path
        self.given = given
        recording = past.recording
        if any(obj.mtime > recording.end for obj in recording.reads.values()):
            raise _Unfit
        stamps = run.stamps
        if any(key in stamps and stamps[key][1] > recording.end for key in recording.outside):
            raise _Unfit
        self.match = _Match(recording.names or set())
        if module is not past.module and not self.match.same(past.module, module):
            raise _Unfit
        self.tensors = self.match.tensors
        self.nodes: dict[int, int] = {}
        self._arguments()
        self.kept = [self.trace.paths[id(shared)] for shared in self.match.shared if id(shared) in self.trace.paths]
        """Names of modules that both have, which stay."""
        self.renames: dict[str, str] = {}
        self.ops: list[Op] = []
        self.settled: list[tuple[int, Tensor]] = []
        self.parts: list[tuple[int, Tensor]] = []
        self.sizes: list[str] = []
        self.names: dict[Any, Any] = {}
        for name in MADE[slice(*past.sizes)]:
            self.sizes.append(f"{name.rpartition('_')[0]}_{len(MADE) + len(self.sizes) + 1}")
            self.names[name] = self.sizes[-1]

    def _arguments(self) -> None:
        other = set()
        for left, node, right in zip(self.past.given.tensors, self.past.nodes, self.given.tensors, strict=True):
            if self.tensors.setdefault(id(left), right) is not right:
                raise _Unfit
            if node is not None and right.node is not None and self.nodes.setdefault(node, right.node) != right.node:
                raise _Unfit
            if left is not right:
                other.add(id(left))
        if other and self._held(other):
            raise _Unfit  # the recorded run may have come to the tensor by another way than by its arguments

    def _held(self, wanted: set[int]) -> bool:
        recording = self.past.recording
        for obj in recording.reads.values():
            if template_of(obj) is None and any(_holds(value, wanted) for value in obj.attrs.values()):
                return True
        given = {id(container) for container in self.past.given.containers}
        return any(_holds(value, wanted) for key, value in recording.outside.items() if key not in given)

    def value(self) -> Value:
        """Repeat the operations; the result."""
        trace = self.trace
        if len(trace.ops) + self.past.end - self.past.start > limits.MAX_OPERATIONS:
            raise BudgetExceeded("MAX_OPERATIONS", self.run.place)
        for op in trace.ops[self.past.start : self.past.end]:
            self._operation(op)
        carrier = _Carrier(
            self.past.recording.start, self._node, self.tensors, self.match.objects, self.run, self.names
        )
        result = carrier.carry(self.past.result)
        if any(self.past.start <= start < self.past.end for start, _ in trace.examples):
            trace.examples.append((len(trace.ops), len(trace.ops) + len(self.ops)))
        trace.ops.extend(self.ops)
        MADE.extend(self.sizes)
        for number, tensor in self.settled:
            tensor.node = number
            trace.keep.append(tensor)
            trace.sourced[number] = tensor
        trace.parts.update(self.parts)
        trace.lost.update(
            [
                right
                for left, right in self.nodes.items()
                if self.past.start <= left < self.past.end and left in trace.lost
            ]
        )
        for left, right in self.nodes.items():
            if left != right and left in trace.constants:
                trace.constants[right] = trace.constants[left]
        _lift(self.past.recording, self.run.recording, self.match)
        return result

    def _node(self, tensor: Tensor) -> int | None:
        return None if tensor.node is None else self._input(tensor.node)

    def _operation(self, op: Op) -> None:
        trace = self.trace
        number = len(trace.ops) + len(self.ops)
        source = trace.sourced.get(op.id)
        tensor = source if source is not None else trace.parts.get(op.id)
        if tensor is not None:
            other = self.tensors.get(id(tensor))
            if other is tensor or (other is None and tensor.serial < self.past.recording.start):
                self.nodes[op.id] = op.id  # both use it, and it has its operation
                return
            if other is not None:
                known = other.node
                if known is None:
                    known = next((place for place, settled in self.settled if settled is other), None)
                if known is not None:
                    self.nodes[op.id] = known
                    return
                if source is not None:
                    self.settled.append((number, other))
            if source is None:
                self.parts.append((number, tensor if other is None else other))
        self.nodes[op.id] = number
        attrs = op.attrs
        if source is not None and other is not None:
            attrs = dict(attrs)
            if "name" in attrs:
                attrs["name"] = self._renamed(attrs["name"])
            if "made" in attrs:
                attrs["made"] = other.place
            if "tensor" in attrs:
                attrs["tensor"] = other
        elif self.names:
            attrs = {name: _with_names(value, self.names) for name, value in attrs.items()}
        nodes = self.nodes
        view = None if op.view_of is None else self._input(op.view_of)
        inputs = tuple([nodes[item] if item in nodes else self._input(item) for item in op.inputs])
        shape = _with_names(op.shape, self.names) if self.names else op.shape
        name = op.module
        module = self.renames[name] if name in self.renames else self._renamed(name)
        self.ops.append(
            Op(number, op.kind, inputs, shape, op.dtype, attrs, op.file, op.line, module, op.function, view)
        )

    def _input(self, number: int) -> int:
        found = self.nodes.get(number)
        if found is not None:
            return found
        if number >= self.past.start:
            raise _Unfit
        tensor = self.trace.sourced.get(number)
        if tensor is not None:
            other = self.tensors.get(id(tensor))
            if other is not None and other is not tensor:
                if other.node is None:
                    raise _Unfit
                return other.node
        return number

    def _renamed(self, name: str) -> str:
        found = self.renames.get(name)
        if found is None:
            found = self.renames[name] = self._other(name)
        return found

    def _other(self, name: str) -> str:
        old = self.past.path
        if name != old and not name.startswith(old + "."):
            return name
        if any(name == kept or name.startswith(kept + ".") for kept in self.kept):
            return name
        return self.path + name[len(old) :]


def _with_names(value: Any, names: dict[Any, Any]) -> Any:
    """A value with other names for sizes wherever it holds some; sizes that were renamed are kept in ``names`` too."""
    if not names:
        return value
    kind = type(value)
    if kind is Dim:
        found = names.get(value)
        if found is None:
            found = names[value] = renamed(value, names)
        return found
    if kind is tuple or kind is list:
        return kind([_with_names(item, names) for item in value])
    if kind is dict:
        return {key: _with_names(item, names) for key, item in value.items()}
    return value


def _holds(value: Any, wanted: set[int], depth: int = 0) -> bool:
    if id(value) in wanted:
        return True
    if depth < 2 and isinstance(value, list | tuple | dict):
        return any(_holds(item, wanted, depth + 1) for item in (value.values() if isinstance(value, dict) else value))
    return False
