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
from specdiff.interp.cells import entry
from specdiff.interp.dims import MADE
from specdiff.interp.likened import PLAIN, Carrier, Match, Unfit, with_names
from specdiff.interp.memo import template_of
from specdiff.interp.objects import BudgetExceeded, Function, Instance, Value
from specdiff.interp.recorded import Given, Past
from specdiff.interp.run import Run
from specdiff.interp.trace import Op, Trace
from specdiff.interp.tracked import Cell, Env, Recording, RunRecording, plain
from specdiff.interp.values import Tensor

MIN_OPERATIONS = 4
"""Runs with fewer operations are not worth keeping."""

MAX_VARIANTS = 12
"""Recorded runs of one function on one kind of argument; layers alternate between a few kinds."""

MAX_FAILURES = 6
"""Runs of one function in a row that could not be kept or repeated before it is no longer tried."""

MAX_WHOLE = 2
"""Such runs, or runs that had each a kind of argument of its own, before the modules within are tried, too, each by itself."""


class _Differs(Unfit):
    """Indicates two modules that are alike save for some numbers."""

    def __init__(self, numbers: set[tuple[int, str]]) -> None:
        super().__init__()
        self.numbers = frozenset(numbers)


def worth(run: Run, library: bool) -> bool:
    """Whether the module whose ``forward`` begins is one of several alike, going by its name (``layers.3``), or is a
    part of one that is not repeated as a whole."""
    stack = run.trace.stack
    name = stack[-1][1].rpartition(".")[2]
    if name.isdigit():
        return True
    if library:
        return False
    whole = run.recording
    return name[-1:].isdigit() or id(stack[-2][0].cls) in run.trace.in_parts or (whole is not None and whole.impure)


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
    module, path = trace.stack[-1]
    failures = trace.hopeless.get(id(function), 0)
    if failures >= MAX_WHOLE or trace.alone.get(id(function), 0) >= MAX_WHOLE:
        trace.in_parts.add(id(module.cls))
    if failures >= MAX_FAILURES:
        return body()
    try:
        given = Given(args[1:], kwargs)
        key = (id(function), id(module.cls), _site(run), run.frozen, given.key)
        known = trace.past.setdefault(key, [])
    except (Unfit, TypeError):
        return body()
    aside = run.journal is not trace.journal  # on one side of an undecided condition
    for past in known:
        if aside and (past.effects or past.recording.cells_set):
            continue
        try:
            value = _Repetition(run, past, module, path, given).value()
        except _Differs as other:
            trace.varying[id(function)] = trace.varying.get(id(function), frozenset()) | other.numbers
            continue
        except Unfit:
            continue
        trace.hopeless.pop(id(function), None)
        trace.alone.pop(id(function), None)
        return value
    if known:
        _failed(trace, function)
    else:
        trace.alone[id(function)] = trace.alone.get(id(function), 0) + 1
    if len(known) >= MAX_VARIANTS:
        return body()
    # The frame of the run, which was made last, is its own.
    recording = RunRecording(run.serial, run.recording, trace.varying.get(id(function), frozenset()))
    return _recorded(run, function, Past(module, path, given, len(trace.ops), recording), known, body)


def _site(run: Run) -> Any:
    """Where the call was made, as operations and the call graph see it."""
    file, line, caller = run.sites[-1]
    model = next(((f, n) for f, n, c in reversed(run.sites) if c is not None and f == c.file), None)
    return (file, line, id(caller), model, id(run.caller))


def _recorded(run: Run, function: Function, past: Past, known: list[Past], body: Callable[[], Value]) -> Value:
    trace: Trace = run.trace
    recording = past.recording
    for container in past.given.containers:
        recording.outside[id(container)] = container
    opened = set(run.open_lists)
    journal, losses = run.journal, len(trace.losses)
    run.recording = recording
    try:
        result = plain(body())
    finally:
        run.recording = recording.parent
        _lift(recording, recording.parent, None)
    recording.end = run.clock
    past.end = len(trace.ops)
    past.losses = [lost for lost in trace.losses[losses:] if lost < past.start]
    if past.end - past.start < MIN_OPERATIONS:
        return result
    past.sizes = (past.sizes[0], len(MADE))
    try:
        if recording.impure or run.journal is not journal or not _repeatable(trace, past):
            raise Unfit
        carrier = Carrier(recording.start, lambda tensor: tensor.node, {}, {}, run, {})
        past.result = carrier.carry(result)
        past.effects = [(target, name, carrier.carry(value)) for target, name, value in _changes(recording)]
        if any(key in carrier.made for key in run.open_lists if key not in opened):
            raise Unfit  # a copy would have the number of its items
    except Unfit:
        _failed(trace, function)
        trace.in_parts.add(id(past.module.cls))
        return result
    past.keep = (function, result)
    known.insert(0, past)
    return result


def _changes(recording: RunRecording) -> list[tuple[Any, Any, Value]]:
    """The attributes of older objects and items of older dicts that a run has set; raises `Unfit` where it did more."""
    if any(id(found) in recording.openly for _, found in recording.pairs):
        raise Unfit  # by which number the run means the object is not known
    if any(key in recording.outside for key, _ in recording.cells):
        raise Unfit  # the run looks at more of the table than the entries that are its own
    changed: list[tuple[Any, Any, Value]] = []
    states: list[tuple[Any, dict[Any, Value], dict[Any, Value]]] = [
        *[(target, target.attrs, before) for target, before in recording.written.values()],
        *[(filled, filled, before) for filled, before in recording.filled.values()],
    ]
    for target, now, before in states:
        if any(name not in now for name in before):
            raise Unfit
        for name, value in now.items():
            if name not in before or before[name] is not value:
                if isinstance(value, Tensor) and value.kind != "tensor":
                    raise Unfit  # a module's own table
                if isinstance(value, Instance) and "module" in value.cls.flags:
                    raise Unfit
                changed.append((target, name, value))
    return changed


def _failed(trace: Trace, function: Function) -> None:
    trace.hopeless[id(function)] = trace.hopeless.get(id(function), 0) + 1


def _repeatable(trace: Trace, past: Past) -> bool:
    """Whether every operation of a run can be copied: no attribute names a tensor, no source is of unknown age."""
    given = {id(tensor) for tensor in past.given.tensors}
    sourced = trace.sourced
    for op in trace.ops[past.start : past.end]:
        if op.id in sourced:
            tensor = sourced[op.id]
            if tensor.serial == 0 and id(tensor) not in given:
                return False
        else:
            for value in op.attrs.values():
                if type(value) not in PLAIN and _names_tensor(value):
                    return False
    return True


def _names_tensor(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in PLAIN and _names_tensor(item):
                return True
        return False
    return isinstance(value, Tensor)


def _lift(recording: RunRecording, parent: Recording | None, match: Match | None) -> None:
    """Tell the enclosing recording what a run read; of a repetition, what it would have read."""
    if parent is None:
        return
    objects = match.objects if match is not None else {}
    for obj in recording.reads.values():
        read = objects.get(id(obj), obj)
        if read.serial < parent.start:
            parent.reads[id(read)] = read
    if match is not None:
        for container in (*recording.outside.values(), *(cell.container for cell in recording.cells.values())):
            reached = match.containers.get(id(container), container)
            parent.outside[id(reached)] = reached
    if parent.names is None:
        parent.impure = True
        return
    for owner, name, _ in recording.inputs.values():
        read = objects.get(id(owner), owner)
        parent.names.add((id(read), name))
    if match is None:
        parent.names |= recording.names or set()
    else:
        parent.names.update((id(objects[key]) if key in objects else key, name) for key, name in recording.names or ())


class _Repetition:
    """One recorded run repeated for another module; raises `Unfit` before it changes anything."""

    def __init__(self, run: Run, past: Past, module: Instance, path: str, given: Given) -> None:
        self.run = run
        self.trace: Trace = run.trace
        self.past = past
        self.path = path
        self.given = given
        recording = past.recording
        if any(obj.mtime > recording.end for obj in recording.reads.values()):
            raise Unfit
        stamps = run.stamps
        if any(key in stamps and stamps[key][1] > recording.end for key in recording.outside):
            raise Unfit
        self.match = Match(recording, self.trace.sourced)
        if module is not past.module and not self.match.same(past.module, module):
            raise Unfit
        if self.match.differing:
            raise _Differs(self.match.differing)
        self.cells: list[tuple[Any, Any, Value]] = []
        """Entries of shared tables that the run sets."""
        if recording.inputs or recording.written or recording.filled:
            self._objects()
        self.tensors = self.match.tensors
        self.nodes: dict[int, int] = {}
        self._arguments()
        self.kept = [
            self.trace.paths[id(shared)]
            for shared in self.match.shared
            if id(shared) in self.trace.paths and self.trace.below(module, shared) is None
        ]
        """Names of modules that both reach without being made of them, which stay."""
        self.renames: dict[str, str] = {}
        self.ops: list[Op] = []
        self.settled: list[tuple[int, Tensor]] = []
        self.places: dict[int, int] = {}
        """The operations that stand for those, by identity."""
        self.parts: list[tuple[int, Tensor]] = []
        self.sizes: list[str] = []
        self.names: dict[Any, Any] = {}
        for name in MADE[slice(*past.sizes)]:
            self.sizes.append(f"{name.rpartition('_')[0]}_{len(MADE) + len(self.sizes) + 1}")
            self.names[name] = self.sizes[-1]

    def _objects(self) -> None:
        """Pair what the recorded run found by tracked numbers, and see that what it changed is as it was before."""
        recording, objects = self.past.recording, self.match.objects
        numbers = []
        for owner, name, tracked in recording.inputs.values():
            number = objects.get(id(owner), owner).attrs.get(name)
            if type(number) is not type(tracked.value):
                raise Unfit
            numbers.append(number)
        env: Env = tuple(numbers)
        if not recording.holds(env):
            raise Unfit
        for place, left in recording.pairs:
            try:
                right = place(env)
            except (LookupError, TypeError):
                raise Unfit from None
            if not self.match.same(left, right):
                raise Unfit
        if self.match.differing or not self.match.unchanged():
            raise Unfit
        self._cells(env)
        others = {id(right) for key, right in objects.items() if key != id(right)}
        if len({id(right) for right in objects.values()}) < len(objects) or any(
            key in recording.reads and key not in objects for key in others
        ):
            raise Unfit  # two of the recorded run's objects would be one

    def _cells(self, env: Env) -> None:
        """See that the entries of shared tables that are the module's own are what the recorded run's were."""
        keys: dict[tuple[int, Any], Any] = {}
        for cell in (*self.past.recording.cells.values(), *self.past.recording.cells_set.values()):
            keys[id(cell.container), cell.key] = _key_in(cell, env)
        if len({(table, key) for (table, _), key in keys.items()}) < len(keys):
            raise Unfit  # two of the recorded run's entries would be one
        for cell in self.past.recording.cells.values():
            now = entry(self._other_of(cell.container), keys[id(cell.container), cell.key])
            if type(now) is not type(cell.value) or now != cell.value:
                raise Unfit
        for cell in self.past.recording.cells_set.values():
            self.cells.append((self._other_of(cell.container), keys[id(cell.container), cell.key], cell.value))

    def _arguments(self) -> None:
        other = set()
        for left, node, right in zip(self.past.given.tensors, self.past.nodes, self.given.tensors, strict=True):
            if self.tensors.setdefault(id(left), right) is not right:
                raise Unfit
            if node is not None and right.node is not None and self.nodes.setdefault(node, right.node) != right.node:
                raise Unfit
            if left is not right:
                other.add(id(left))
        if other and self._held(frozenset(other)):
            raise Unfit  # the recorded run may have come to the tensor by another way than by its arguments

    def _held(self, wanted: frozenset[int]) -> bool:
        """Whether what the recorded run read, which has not changed since, holds one of some tensors."""
        found = self.past.held.get(wanted)
        if found is None:
            found = self.past.held[wanted] = self._holds_one(wanted)
        return found

    def _holds_one(self, wanted: frozenset[int]) -> bool:
        recording = self.past.recording
        for obj in recording.reads.values():
            if template_of(obj) is None and any(_holds(value, wanted) for value in obj.attrs.values()):
                return True
        for _, before in (*recording.written.values(), *recording.filled.values()):
            if _holds(before, wanted):
                return True
        given = {id(container) for container in self.past.given.containers}
        return any(_holds(value, wanted) for key, value in recording.outside.items() if key not in given)

    def value(self) -> Value:
        """Repeat the operations; the result."""
        trace = self.trace
        if len(trace.ops) + self.past.end - self.past.start > limits.MAX_OPERATIONS:
            raise BudgetExceeded("MAX_OPERATIONS", self.run.place)
        named = self.past.speaking(trace, self.names) if self.names else frozenset[int]()
        self._operations(named)
        carrier = Carrier(self.past.recording.start, self._node, self.tensors, self.match.objects, self.run, self.names)
        result = carrier.carry(self.past.result)
        effects = [(self._other_of(target), name, carrier.carry(value)) for target, name, value in self.past.effects]
        lost = [self._input(left) for left in self.past.losses]
        first = self.past.start
        trace.examples.extend([(self._place(start), self._place(end)) for start, end in self.past.examples(trace)])
        trace.ops.extend(self.ops)
        MADE.extend(self.sizes)
        for number, tensor in self.settled:
            tensor.node = number
            trace.keep.append(tensor)
            trace.sourced[number] = tensor
        trace.parts.update(self.parts)
        nodes, constants = self.nodes, trace.constants
        lost.extend([nodes[left] for left in trace.lost if first <= left < self.past.end and left in nodes])
        trace.lost.update(lost)
        trace.losses.extend(lost)
        for left in self.past.constants(trace):
            constants[nodes[left]] = constants[left]
        _lift(self.past.recording, self.run.recording, self.match)
        for target, name, value in (*effects, *self.cells):
            self.run.touch(target)
            (target.attrs if isinstance(target, Instance) else target)[name] = value
        return result

    def _operations(self, named: frozenset[int]) -> None:
        """Repeat all operations."""
        trace, made, nodes, past = self.trace, self.ops, self.nodes, self.past
        special = past.special(trace) | named
        other = before = len(trace.ops)
        last, path = "", self._renamed("")
        new, append = tuple.__new__, made.append
        for op in trace.ops[past.start : past.end]:
            number, kind, given, shape, dtype, attrs, file, line, module, function, _ = op
            if number in special:
                self._unlike(op, number in named)
                other = before + len(made)
                continue
            nodes[number] = other
            try:  # what nearly all are: `_add`, without a call for each
                if len(given) == 1:
                    inputs: tuple[int, ...] = (nodes[given[0]],)
                elif len(given) == 2:
                    inputs = (nodes[given[0]], nodes[given[1]])
                else:
                    inputs = tuple([nodes[item] for item in given])
            except KeyError:
                inputs = tuple([self._input(item) for item in given])
            if module != last:
                last, path = module, self._renamed(module)
            append(new(Op, (other, kind, inputs, shape, dtype, attrs, file, line, path, function, None)))
            other += 1

    def _place(self, number: int) -> int:
        """The place in the trace to be of a recorded operation, or of the first after it that is repeated."""
        before = len(self.trace.ops)
        for later in range(number, self.past.end):
            if self.nodes[later] >= before:
                return self.nodes[later]
        return before + len(self.ops)

    def _unlike(self, op: Op, named: bool) -> None:
        if op.id in self.trace.sourced or op.id in self.trace.parts:
            self._from_outside(op, named)
        else:
            self._add(op, self._sizes(op.attrs) if named else op.attrs, named)

    def _other_of(self, target: Any) -> Any:
        match = self.match
        return (match.objects if isinstance(target, Instance) else match.containers).get(id(target), target)

    def _node(self, tensor: Tensor) -> int | None:
        return None if tensor.node is None else self._input(tensor.node)

    def _from_outside(self, op: Op, named: bool) -> None:
        """Repeat an operation that stands for a parameter, a buffer or a constant, or makes one."""
        trace = self.trace
        number = len(trace.ops) + len(self.ops)
        source = trace.sourced.get(op.id)
        tensor = source if source is not None else trace.parts[op.id]
        other = self.tensors.get(id(tensor))
        if other is tensor or (other is None and tensor.serial < self.past.recording.start):
            self.nodes[op.id] = op.id  # both use it, and it has its operation
            return
        if other is not None:
            known = other.node
            if known is None:
                known = self.places.get(id(other))
            if known is not None:
                self.nodes[op.id] = known
                return
            if source is not None:
                self.settled.append((number, other))
                self.places.setdefault(id(other), number)
        if source is None:
            self.parts.append((number, tensor if other is None else other))
        attrs = op.attrs
        if source is not None and other is not None:
            attrs = dict(attrs)
            if "name" in attrs:
                attrs["name"] = self._renamed(attrs["name"])
            if "made" in attrs:
                attrs["made"] = other.place
            if "tensor" in attrs:
                attrs["tensor"] = other
        elif named:
            attrs = self._sizes(attrs)
        self._add(op, attrs, named)

    def _sizes(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: with_names(value, self.names) for name, value in attrs.items()}

    def _add(self, op: Op, attrs: dict[str, Any], named: bool) -> None:
        """Repeat an operation; ``named`` says that its shape may speak of sizes that the recorded run made."""
        number = len(self.trace.ops) + len(self.ops)
        nodes = self.nodes
        nodes[op.id] = number
        shape = with_names(op.shape, self.names) if named else op.shape
        view = None if op.view_of is None else self._input(op.view_of)
        inputs = tuple([nodes[item] if item in nodes else self._input(item) for item in op.inputs])
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
            raise Unfit
        tensor = self.trace.sourced.get(number)
        if tensor is not None:
            other = self.tensors.get(id(tensor))
            if other is not None and other is not tensor:
                if other.node is None:
                    raise Unfit
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


def _key_in(cell: Cell, env: Env) -> Any:
    try:
        return cell.place(env)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        raise Unfit from None


def _holds(value: Any, wanted: frozenset[int], depth: int = 0) -> bool:
    if id(value) in wanted:
        return True
    if depth < 2 and isinstance(value, list | tuple | dict):
        return any(_holds(item, wanted, depth + 1) for item in (value.values() if isinstance(value, dict) else value))
    return False
