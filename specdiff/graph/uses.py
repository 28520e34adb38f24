"""Where each parameter first meets data, and the operations of one layer of each kind: what comparisons and drawings read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from specdiff.graph.operations import VIEWS, Operations
from specdiff.interp.trace import Op
from specdiff.results import Step, Use

MAX_STEPS = 4_000
"""Operations kept for drawings; a layer of the largest models has some hundreds."""

_LAYER = re.compile(r"^(.*?\.?)(\d+)(?=\.|$)(.*)$")
_OWN = re.compile(r"(?<=[a-z])_\d+\b")
_SOURCES = frozenset({"parameter", "buffer", "constant", "input"})


def uses(operations: Operations) -> tuple[Use, ...]:
    """The first operation that computes with each parameter, in the order in which they run."""
    found: dict[str, Use] = {}
    for op in operations.ops:
        if op.kind in VIEWS or op.kind in _SOURCES:
            continue
        for index in op.inputs:
            origin = operations.source(operations[index])
            name = origin.attrs.get("name", "") if origin.kind == "parameter" else ""
            if name and name not in found:
                data = next((operations.source(operations[i]).id for i in op.inputs if i != index), -1)
                turned = any(each.kind in ("transpose", "permute") for each in operations.chain(operations[index]))
                found[name] = Use(name, op.kind, data, turned, op.file, op.line)
    return tuple(found.values())


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
        signature = tuple((op.kind, _size(op), op.module[len(prefix) :]) for op in layers[prefix])
        drawn = seen.setdefault(container, {}).setdefault(signature, prefix)
        if drawn == prefix:
            kept.extend(layers[prefix])
        else:
            # What reads a layer that is not drawn reads the drawn one in its place.
            alias |= {op.id: twin.id for op, twin in zip(layers[prefix], layers[drawn], strict=True)}
    return tuple(_renumbered(operations, sorted(kept[:MAX_STEPS], key=lambda op: op.id), alias))


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
        yield Step(numbers[op.id], op.kind, tuple(inputs), _size(op), tuple(names), op.module, op.file, op.line)


def _size(op: Op) -> str:
    """A result's shape in words; sizes that data decide have a name of their own in each layer, and none here."""
    return _OWN.sub("", "×".join(str(size) for size in op.shape)) if op.shape else ""
