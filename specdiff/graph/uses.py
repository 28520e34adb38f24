"""Where each parameter first meets data, and the operations of one layer of each kind: what comparisons and drawings read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from heapq import heappop, heappush

from specdiff.graph.fused import Rows, joined, rows_of
from specdiff.graph.operations import PASSING, VIEWS, Operations
from specdiff.interp.trace import Op
from specdiff.results import Step, Use

MAX_STEPS = 4_000
"""Operations kept for drawings; a layer of the largest models has some hundreds."""

MOST_FOLLOWED = 120
"""Operations after a projection among which its part is looked for."""
PRODUCTS = frozenset({"linear", "matmul", "einsum"})
_GATES = frozenset({"silu", "gelu", "relu", "sigmoid", "tanh", "mish", "elu", "quick_gelu", "softplus", "hardswish"})
_LIGHT = PASSING | {"clamp", "masked_fill", "repeat", "repeat_interleave", "div", "index"}

_LAYER = re.compile(r"^(.*?\.?)(\d+)(?=\.|$)(.*)$")
_OWN = re.compile(r"(?<=[a-z])_\d+\b")
_CUTS = frozenset({"split", "slice"})
_SOURCES = frozenset({"parameter", "buffer", "constant", "input"})


def uses(operations: Operations) -> tuple[Use, ...]:
    """The first operation that brings each parameter or buffer together with data, in the order in which they run.

    What is made of a parameter alone (a norm's weight and one, a decay's exponential, a weight that is rescaled) stands for
    it; one that meets no data has the first operation that reads it.
    """
    found: dict[str, Use] = {}
    alone: dict[str, Use] = {}
    made: dict[int, Op] = {}
    """By operation that reads one parameter and nothing else: that parameter."""
    for op in operations.ops:
        if op.kind in VIEWS or op.kind in _SOURCES:
            continue
        for index in op.inputs:
            start = operations.source(operations[index])
            origin = made.get(start.id, start)
            if origin.kind not in ("parameter", "buffer"):
                continue
            name = origin.attrs.get("name", "")
            single = len(op.inputs) == 1
            if single:
                made[op.id] = origin
            if not name or name in (alone if single else found):
                if not single and name and op.kind in PRODUCTS:
                    found[name] = _also(operations, found[name], op, index)
                continue
            reader, at = _computing(operations, op, index)
            role, rows = _role(operations, reader, at) if reader.kind in PRODUCTS else ("", ())
            data = next((operations.source(operations[i]).id for i in reader.inputs if i != at), -1)
            turned = any(each.kind in ("transpose", "permute") for each in operations.chain(operations[index]))
            (alone if single and reader is op else found)[name] = Use(
                name,
                op.kind,
                data,
                turned,
                op.file,
                op.line,
                _contracted(operations, reader, at, start),
                role,
                origin.kind == "buffer",
                _plain_shape(origin) if origin.kind == "buffer" else (),
                op.inputs.index(index),
                rows,
            )
    return tuple({**found, **{name: use for name, use in alone.items() if name not in found}}.values())


def _also(operations: Operations, use: Use, op: Op, index: int) -> Use:
    """A use with the part that another piece of the same stored weight plays: one that is cut before it is multiplied with."""
    if (
        op.kind != use.kind
        or not use.role
        or not any(each.kind in _CUTS for each in operations.chain(operations[index]))
    ):
        return use
    role, rows = _role(operations, op, index)
    words = {*use.role.split("+"), *role.split("+")} - {""}
    return replace(use, role="+".join(sorted(words)), rows=joined(use.rows, rows))


def _plain_shape(op: Op) -> tuple[int, ...]:
    return tuple(size for size in op.shape or () if isinstance(size, int))


def _computing(operations: Operations, op: Op, index: int) -> tuple[Op, int]:
    """The operation that computes with a weight some of whose rows (experts) are picked first, and its input there."""
    for _ in range(4):
        if op.kind != "index" or not op.inputs or op.inputs[0] != index:
            break
        reader = next((each for each in operations.readers(op) if each.kind in PRODUCTS or each.kind == "index"), None)
        reached = (
            next((i for i in reader.inputs if operations.source(operations[i]).id == op.id), None) if reader else None
        )
        if reader is None or reached is None:
            break
        op, index = reader, reached
    return op, index


def _contracted(operations: Operations, op: Op, index: int, origin: Op) -> int:
    """The axis of a stored weight along which it is summed with the data: -1, -2, or 0 where that is not one of them."""
    place = op.inputs.index(index)
    if op.kind == "linear" and place == 1:
        axis = -1
    elif op.kind == "matmul":
        axis = -2 if place == 1 else -1
    elif op.kind == "einsum":
        letters, _, result = str(op.attrs.get("equation", "")).replace(" ", "").replace("...", "").partition("->")
        parts = letters.split(",")
        if place >= len(parts) or not result:
            return 0
        summed = [i - len(parts[place]) for i, letter in enumerate(parts[place]) if letter not in result]
        if len(summed) != 1 or summed[0] not in (-1, -2):
            return 0
        axis = summed[0]
    else:
        return 0
    for view in operations.chain(operations[index], VIEWS | {"index"})[:-1]:
        if view.kind in ("view", "reshape", "split", "slice", "flatten", "squeeze", "unsqueeze", "expand"):
            before = operations[view.inputs[0]].shape
            if before is None or view.shape is None:
                return 0
            if view.kind in _CUTS and len(before) == len(view.shape):
                if before[axis] != view.shape[axis]:
                    return 0  # what is summed over is cut itself
            elif before[-2:] != view.shape[-2:]:
                return 0
        if view.kind in ("transpose", "permute"):
            turned = _turns(view)
            if turned is None:
                return 0
            axis = -3 - axis if turned else axis
    return axis if origin.shape is not None and len(origin.shape) >= 2 else 0


def _turns(view: Op) -> bool | None:
    """Whether a view swaps the last two axes; None where it does something else with them."""
    rank = len(view.shape) if view.shape is not None else 0
    if view.kind == "transpose":
        axes = {axis for axis in (view.attrs.get("dim0"), view.attrs.get("dim1")) if isinstance(axis, int)}
        if len(axes) != 2:
            return None
        last = {axis % rank for axis in axes} & {rank - 1, rank - 2} if rank else set()
        return {2: True, 0: False}.get(len(last))
    order = view.attrs.get("dims")
    if not isinstance(order, list | tuple) or not all(isinstance(axis, int) for axis in order):
        return None
    tail = [axis % rank for axis in order[-2:]]
    return {(rank - 1, rank - 2): True, (rank - 2, rank - 1): False}.get(tuple(tail))


def _role(operations: Operations, op: Op, weight: int) -> tuple[str, Rows]:
    """What becomes of a projection's result: the sides of the attention product and of a gated product that it reaches.

    The rows that do are given where there are several such sides, or where only a piece of the stored weight is read.

    The value is followed while nothing else is added to it or multiplied with it but what comes from itself (rotation,
    norms), from parameters or from tables.
    """
    queue = [op.id]
    cone = {op.id}
    gates: set[int] = set()
    found: dict[str, list[int]] = {}
    for _ in range(MOST_FOLLOWED):
        if not queue:
            break
        current = operations[heappop(queue)]
        for number in operations.consumers[current.id]:
            reader = operations[number]
            if number in gates:
                continue
            word = _arrives(operations, reader, current.id, cone)
            if word:
                found.setdefault(word, []).append(current.id)
            if word == "gate":
                gates.add(number)
            if word is None and number not in cone:
                cone.add(number)
                heappush(queue, number)
    alternating = set(found) == {"gate", "up"} and any(_every_second(operations[number]) for number in cone)
    piece = any(each.kind in _CUTS for each in operations.chain(operations[weight]))
    rows = rows_of(operations, op, weight, found, cone) if len(found) > 1 or piece else ()
    return "+".join(sorted(found)) + ("/2" if alternating else ""), rows


def _every_second(op: Op) -> bool:
    spec = op.attrs.get("spec") if op.kind == "slice" else None
    return isinstance(spec, tuple) and bool(spec) and isinstance(spec[-1], tuple) and spec[-1][2] == 2


def _arrives(operations: Operations, reader: Op, current: int, cone: set[int]) -> str | None:
    """The role that a reader gives a value; empty where the way ends without one, None where it goes on."""
    kind = reader.kind
    if kind == "sdpa":
        return ("query", "key", "value")[reader.inputs.index(current)] if reader.inputs.index(current) < 3 else ""
    if kind in PRODUCTS:
        return _side_of_product(operations, reader, current)
    if kind in _GATES:
        return "gate"
    if kind in ("softmax", "topk", "sort", "conv", "embedding", "pool"):
        return ""
    if kind in ("mul", "add", "sub", "div"):
        for index in reader.inputs:
            if index == current:
                continue
            through = operations.source(operations[index], _LIGHT)
            if _is_gate(through) and _same_value(operations, through.inputs[0], current):
                continue
            if _is_gate(through) or (through.kind == "mul" and any(map(_is_gate, _near(operations, through)))):
                return "up" if kind == "mul" else ""
            if index not in cone and not _outside(operations, operations[index]):
                return None if kind == "mul" and _is_table(operations, index) else ""
    return None


def _same_value(operations: Operations, one: int, other: int) -> bool:
    """Whether two results are one value, scaled perhaps: what a value gates itself with."""

    def origin(index: int) -> int:
        op = operations[index]
        while len(op.inputs) == 1 and op.kind in ("cast", "clamp", "contiguous", "mul", "view", "reshape"):
            op = operations[op.inputs[0]]
        return op.id

    return origin(one) == origin(other)


def _is_gate(op: Op) -> bool:
    return op.kind in _GATES


def _near(operations: Operations, op: Op) -> list[Op]:
    return [operations.source(each, _LIGHT) for each in operations.inputs(op)]


def _outside(operations: Operations, op: Op) -> bool:
    """Whether a value comes from parameters, tables or numbers alone."""
    return operations.source(op, _LIGHT).kind in ("parameter", "buffer", "constant")


def _is_table(operations: Operations, index: int) -> bool:
    """Whether a factor is made without any projection: sines and cosines of positions."""
    ancestry = operations.ancestors([index], lambda op: op.kind not in PRODUCTS | {"embedding"})
    return len(ancestry) < MOST_FOLLOWED and not any(operations[each].kind == "linear" for each in ancestry)


def _side_of_product(operations: Operations, reader: Op, current: int) -> str:
    place = reader.inputs.index(current)
    others = [operations.source(operations[index], _LIGHT) for index in reader.inputs if index != current]
    if any(other.kind in ("parameter", "buffer") for other in others) or not others:
        return ""
    if any(other.kind in ("softmax", "cat", "join") and _is_weights(operations, other) for other in others):
        return "value"
    return ("query", "key")[place] if place < 2 and _reaches_softmax(operations, reader) else ""


def _is_weights(operations: Operations, op: Op) -> bool:
    """Whether a value is attention weights: a softmax over products of data with data, perhaps without its sink."""
    soft = (
        op if op.kind == "softmax" else next((each for each in _near(operations, op) if each.kind == "softmax"), None)
    )
    queue = [*soft.inputs] if soft is not None else []
    for _ in range(40):
        if not queue:
            break
        each = operations[queue.pop(0)]
        if each.kind in PRODUCTS:
            if each.kind != "linear" and not any(_outside(operations, item) for item in operations.inputs(each)):
                return True
        else:
            queue += each.inputs
    return False


def _reaches_softmax(operations: Operations, op: Op) -> bool:
    queue, seen = [op.id], {op.id}
    for _ in range(40):
        if not queue:
            return False
        for number in operations.consumers[queue.pop(0)]:
            kind = operations[number].kind
            if kind == "softmax":
                return True
            if number not in seen and kind not in PRODUCTS:
                seen.add(number)
                queue.append(number)
    return False


def steps(operations: Operations) -> tuple[Step, ...]:
    """The operations of one layer of each kind, and those outside of layers, renumbered; views folded into their readers."""
    kept: list[Op] = []
    seen: dict[str, dict[tuple[object, ...], str]] = {}
    layers: dict[str, list[Op]] = {}
    order: list[tuple[str, Op | None]] = []
    alias: dict[int, int] = {}
    for op in operations.ops:
        match = _LAYER.match(op.module)
        if match is None:
            order.append(("", op))
            continue
        prefix = f"{match[1]}{match[2]}"
        if prefix not in layers:
            layers[prefix] = []
            order.append((prefix, None))
        layers[prefix].append(op)
    for prefix, single in order:
        if single is not None:
            kept.append(single)
            continue
        container = prefix.rpartition(".")[0]
        # A first layer that begins with zeros is another one: what later layers are given is not to be seen in it.
        signature = tuple(
            (op.kind, _size(op), op.module[len(prefix) :], sum(_given(operations, i) for i in op.inputs))
            for op in layers[prefix]
        )
        drawn = seen.setdefault(container, {}).setdefault(signature, prefix)
        if drawn == prefix:
            kept.extend(layers[prefix])
        else:
            # What reads a layer that is not drawn reads the drawn one in its place.
            alias |= {op.id: twin.id for op, twin in zip(layers[prefix], layers[drawn], strict=True)}
    return tuple(_renumbered(operations, sorted(kept[:MAX_STEPS], key=lambda op: op.id), alias))


def _given(operations: Operations, index: int) -> bool:
    return operations.source(operations[index]).kind != "constant"


def _renumbered(operations: Operations, kept: list[Op], alias: dict[int, int]) -> Iterator[Step]:
    shown = [op for op in kept if op.kind not in VIEWS and op.kind not in ("parameter", "buffer", "constant")]
    numbers = {op.id: number for number, op in enumerate(shown)}
    for op in shown:
        inputs: list[int] = []
        names: list[str] = []
        for index in op.inputs:
            origin = operations.source(operations[index])
            if origin.kind == "parameter" and origin.attrs.get("name"):
                names.append(origin.attrs["name"])
            else:
                number = numbers.get(alias.get(origin.id, origin.id))
                if number is not None and number not in inputs:
                    inputs.append(number)
        size, read = _size(op), tuple(names)
        function = str(op.attrs.get("name", "")) if op.kind == "input" else op.function
        yield Step(numbers[op.id], op.kind, tuple(inputs), size, read, op.module, op.file, op.line, function)


def _size(op: Op) -> str:
    """A result's shape in words; sizes that data decide have a name of their own in each layer, and none here."""
    return _OWN.sub("", "×".join(str(size) for size in op.shape)) if op.shape else ""
