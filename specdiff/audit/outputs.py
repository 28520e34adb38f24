"""Outputs that do not come from the inputs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from specdiff.audit.subject import Subject, body_of, finding
from specdiff.audit.walk import dotted, nodes_in
from specdiff.graph.operations import PASSING, VIEWS, Operations
from specdiff.interp.calls import node_of
from specdiff.interp.dims import Dim
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Function, Value
from specdiff.interp.trace import Op
from specdiff.ir import nodes as ir
from specdiff.project.build import Failure
from specdiff.project.forward import outputs_in
from specdiff.results import Finding, Severity


def outputs(subject: Subject) -> Iterator[Finding]:
    """`output.independent`, `output.random`, `output.uninitialized`, `forward.raises`."""
    failure, cls = subject.failure, subject.built.cls
    if not has_forward(subject):
        if subject.parameters and not _other_entries(subject):
            yield finding("forward.missing", cls.file, cls.line, f"{cls.name} builds parameters and has no forward")
        elif not subject.parameters and is_empty(cls) and not is_base(subject):
            yield finding("forward.missing", cls.file, cls.line, f"{cls.name} has a name and nothing else")
        return
    if is_abstract(lookup(cls, "forward")[0]):
        return
    if failure is not None and _is_defect(subject, failure):
        place = next(place for place in failure.places if not place.file.startswith("<"))
        message = f"calling {cls.name} raises {failure.kind}: {failure.message}"
        yield finding("forward.raises", place.file, place.line, message)
    operations = subject.operations
    if operations is None:
        return
    given = operations.kind("input")
    if not operations.outputs:
        if subject.outputs is None:
            yield finding("output.independent", cls.file, cls.line, f"calling {cls.name} returns nothing")
        return
    reached = operations.ancestors(operations.outputs)
    last = operations[operations.outputs[0]]
    if given and not any(op.id in reached for op in given):
        # What a loop writes piece by piece is not there where the run did not go through the loop.
        yield finding(
            "output.independent", last.file, last.line, f"no output of {cls.name} depends on what it is called with",
            severity=Severity.NOTE if any(_fills_in_a_loop(subject, each) for each in subject.called) else None,
        )  # fmt: skip
    elif given and _first_is_made_up(subject, operations):
        yield finding(
            "output.independent", last.file, last.line,
            f"the first output of {cls.name} does not depend on what it is called with",
        )  # fmt: skip
    for op in operations.kind("random"):
        if op.id in reached:
            yield finding("output.random", op.file, op.line, f"an output of {cls.name} depends on random numbers")
    written = {op.inputs[0] for op in operations.kind("overwrite") if op.inputs}
    for op in operations.kind("empty"):
        readers = operations.consumers[op.id]
        if op.id in reached and op.id not in written and readers:
            if not any(operations[index].kind in ("overwrite", "fill", "copy", "setitem") for index in readers):
                yield finding("output.uninitialized", op.file, op.line, "memory that nothing wrote reaches an output")


def is_empty(cls: ClassVal) -> bool:
    """Whether the body of a class has no statement."""
    return cls.node is not None and all(
        isinstance(item, ir.Pass) or (isinstance(item, ir.ExprStmt) and isinstance(item.value, ir.Const | ir.Ellipsis_))
        for item in cls.node.body
    )


def is_base(subject: Subject) -> bool:
    """Whether another class of the model's folder derives from the class."""
    unit = subject.built.cls.module.unit
    if unit is None:
        return False
    derived = re.compile(rf"^\s*class\s+\w+\s*\([^)]*\b{re.escape(subject.built.cls.name)}\b", re.MULTILINE)
    if derived.search(unit.text):
        return True
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in sorted(unit.path.parent.glob("*.py")))
    return any(derived.search(text) for text in texts)


def is_abstract(function: Value) -> bool:
    """Whether a function is left to those that derive from its class."""
    if not isinstance(function, Function) or not isinstance(node_of(function), ir.FunctionDef):
        return False
    return any(dotted(item).endswith("abstractmethod") for item in body_of(function).decorators)


def _first_is_made_up(subject: Subject, operations: Operations) -> bool:
    """Whether the first thing that is returned is a tensor that no input leads to."""
    tensors, unknown = outputs_in(subject.outputs)
    first = next(iter(tensors.values()), None)
    if (
        unknown
        or first is None
        or first.node != operations.outputs[0]
        or any(_fills_in_a_loop(subject, each) for each in subject.called)
    ):
        return False
    reached = operations.ancestors(operations.outputs[:1])
    return not any(op.id in reached for op in operations.kind("input"))


def _fills_in_a_loop(subject: Subject, function: Function) -> bool:
    """Whether a function assigns to items of something inside a loop that the run did not go through."""
    if function.name == "<lambda>":
        return False
    return any(
        isinstance(target, ir.Item)
        for loop in nodes_in(body_of(function).body)
        if isinstance(loop, ir.For | ir.While) and not subject.built.ways.get(id(loop))
        for item in nodes_in(loop.body)
        if isinstance(item, ir.Assign | ir.AugAssign)
        for target in (item.targets if isinstance(item, ir.Assign) else (item.target,))
    )


def _is_defect(subject: Subject, failure: Failure) -> bool:
    """Whether an exception is the code's own fault: raised in model code by an operation on values that are there.

    A guard that refuses the input, a value that is None because an input was not given, and a local name that only
    another input binds say nothing about the model.
    """
    if failure.shape or failure.kind == "RuntimeError" or not subject.certain:
        return False  # shapes that do not fit are findings of the run itself
    if failure.kind in (
        "Undecided",
        "Limit",
        "Defect",
        "NotImplementedError",
        "UnboundLocalError",
        "ImportError",
        "AssertionError",
    ):
        return False
    place = next((place for place in failure.places if not place.file.startswith("<")), None)
    if place is None or failure.deliberate or "NoneType" in failure.message or failure.kind == "NameError":
        return False
    return any(place.file == function.file for function in subject.path) or place.file == subject.built.cls.file


def has_forward(subject: Subject) -> bool:
    """Whether the class or a base of it in model code says what calling it does."""
    owner = lookup(subject.built.cls, "forward")[1]
    return isinstance(owner, ClassVal) and owner.name != "Module"


_ACCESSORS = ("get_", "set_", "_", "tie_", "resize_", "prune_", "post_init", "dummy", "init_", "reset_", "prepare_")


def _other_entries(subject: Subject) -> bool:
    """Whether the class is used through methods of its own other than ``forward`` (``generate``, ``decode``)."""
    return any(
        not name.startswith(_ACCESSORS) and isinstance(getattr(value, "func", value), Function)
        for cls in subject.built.cls.mro
        if isinstance(cls, ClassVal) and subject.is_model_code(cls)
        for name, value in cls.attrs.items()
    )


def rotations(subject: Subject) -> Iterator[Finding]:
    """`rotation.unused`: a rotary rotation (one part times a cosine and another times a sine) that nothing reads."""
    operations = subject.operations
    if operations is None:
        return
    reached = set(operations.outputs)
    told: set[tuple[str, int]] = set()
    for op, _ in _rotating(operations):
        if (op.file, op.line) not in told and _goes_nowhere(operations, op.id, reached):
            told.add((op.file, op.line))
            yield finding(
                "rotation.unused", op.file, op.line, f"{op.function} rotates a tensor and nothing reads the result"
            )


_LOOKUPS = frozenset({"index", "gather", "embedding"})


def _rotating(operations: Operations) -> Iterator[tuple[Op, list[Op]]]:
    """Sums of a part times a cosine and another times a sine, with those cosines and sines."""
    for op in operations.kind("add", "sub"):
        sides = [side for side in operations.inputs(op) if side.kind == "mul"]
        angles = [dict(_angle(operations, part) for part in operations.inputs(side)) for side in sides]
        if len(angles) == 2:
            for first, second in (("cos", "sin"), ("sin", "cos")):
                if first in angles[0] and second in angles[1]:
                    yield op, [angles[0][first], angles[1][second]]
                    break


def _angle(operations: Operations, factor: Op) -> tuple[str, Op]:
    """What a factor is (`cos`, `sin`) and where its positions are to be looked for: at a lookup, not at its table."""
    place = found = operations.source(factor, PASSING | {"mul"})
    if found.kind in _LOOKUPS and found.inputs:
        found = operations.source(operations[found.inputs[0]], PASSING | {"mul"})
    return found.kind, place


def unmoving(subject: Subject) -> Iterator[Finding]:
    """`rotation.unmoving`: a rotary rotation by angles in which every position has one number."""
    operations = subject.operations
    if operations is None:
        return
    told: set[int] = set()
    for _, angles in _rotating(operations):
        places = [_one_number(operations, angle) for angle in angles]
        for place in places:
            if place is not None and None not in places and place.id not in told:
                told.add(place.id)
                message = f"every position is {place.attrs['fill']:g} where the angles of a rotation are made"
                yield finding("rotation.unmoving", place.file, place.line, message)


_EVENLY = VIEWS | frozenset(
    "add sub mul div neg pow exp sqrt reciprocal cos sin matmul einsum stack repeat repeat_interleave".split()
)
"""Operations that give the same for all positions where they are given the same."""


def _one_number(operations: Operations, angle: Op) -> Op | None:
    """The constant of one number, as long as the sequence, that a cosine or sine is of; None where it is of anything more."""
    found: Op | None = None
    seen: set[int] = set()
    stack = [angle.id]
    while stack:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        op = operations[index]
        long = any(isinstance(size, Dim) for size in op.shape or ())
        if op.kind in ("constant", "buffer") and not op.inputs:
            if long and not isinstance(op.attrs.get("fill"), int | float):
                return None
            found = op if long else found
        elif op.kind in _LOOKUPS and len(op.inputs) > 1:
            stack.extend(op.inputs[1:])
        elif op.kind == "buffer" or op.kind in _EVENLY or _beside_each_other(op):
            if op.kind == "slice" and long and not _is_long(operations, op):
                return None  # as many rows of a table as there are positions
            stack.extend(op.inputs)
        else:
            return None
    return found


def _is_long(operations: Operations, op: Op) -> bool:
    return any(isinstance(size, Dim) for item in operations.inputs(op) for size in item.shape or ())


def _beside_each_other(op: Op) -> bool:
    """Whether channels are joined, not positions."""
    return op.kind == "cat" and op.attrs.get("dim") in (-1, len(op.shape or ()) - 1)


def _goes_nowhere(operations: Operations, start: int, outputs: set[int]) -> bool:
    """Whether a value is at most put together with others and passed on, and then read by nothing."""
    seen: set[int] = set()
    stack = [start]
    while stack:
        index = stack.pop()
        if index in outputs:
            return False
        if index in seen:
            continue
        seen.add(index)
        if index != start and operations[index].kind not in _JOINS:
            return False
        stack.extend(operations.consumers[index])
    return True


_JOINS = PASSING | {"cat", "stack"}
