"""Holds what a checkpoint stores against the parameters that the code builds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import prod

from specdiff.results import Severity
from specdiff.weights.layouts import CACHE, logical
from specdiff.weights.model import Checkpoint, Issue, Logical, WeightsResult
from specdiff.weights.packing import bits_of
from specdiff.weights.rules import Rules

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64"}


def compare(
    checkpoint: Checkpoint,
    rules: Rules,
    parameters: Mapping[str, tuple[int, ...]],
    buffers: Mapping[str, tuple[tuple[int, ...], bool]],
    tied: Iterable[tuple[str, str]],
    dtype: str | None,
    target: str,
    class_name: str,
) -> WeightsResult:
    """Every way in which the checkpoint does not fit.

    Args:
        checkpoint: What the headers say.
        rules: The library's renaming and conversion rules for the class.
        parameters: Shapes by name, tied ones under each name; -1 for a size that is not known.
        buffers: (shape, whether it is saved) by name.
        tied: (later name, first name).
        dtype: The configuration's number format; None where it has none.
        target: What was analysed.
        class_name: The class.
    """
    values, issues = logical(checkpoint.tensors, bits_of(checkpoint.config))
    placed, converted = _place(values, rules)
    filled: dict[str, list[Logical]] = {}
    for name, items, problem in _resolve(placed, rules, parameters, buffers):
        if problem:
            issues.append(Issue("conversion", Severity.WARNING, name, problem, _file(checkpoint, items)))
        filled.setdefault(name, []).extend(items)
    tied = tuple(tied)
    first_of = dict(tied)
    for name, items in filled.items():
        shape = parameters.get(name) or (buffers[name][0] if name in buffers else None)
        if name not in parameters and name not in buffers:
            for item in items:
                if item.layout == CACHE:
                    continue
                issues += _unexpected(item, rules, _file(checkpoint, [item]))
            continue
        first = items[0]
        if len(items) > 1 and len({item.name for item in items}) > 1 and first.layout != "converted":
            detail = f"stored as {', '.join(item.name for item in items)}"
            # Older code saved in each layer what the code computes once; which of the copies is read makes no difference.
            severity = Severity.ERROR if name in parameters else Severity.NOTE
            issues.append(Issue("duplicate", severity, name, detail, _file(checkpoint, items)))
        if shape is not None and -1 not in shape and first.holds(shape) is False:
            stored = " or ".join(_size(each) for each in first.shapes) or f"{first.elements:,} values"
            detail = f"stored {stored}, the code builds {_size(shape)}"
            issues.append(Issue("shape", Severity.ERROR, name, detail, _file(checkpoint, items)))
        if name in first_of and first_of[name] in filled:
            detail = f"the code ties it with {first_of[name]}; both are stored"
            issues.append(Issue("tied.twice", Severity.NOTE, name, detail, _file(checkpoint, items)))
    for name in parameters:
        if name not in filled and not any(other in filled for other in _tied_with(name, tied)):
            severity = Severity.NOTE if rules.ignored(name, "_keys_to_ignore_on_load_missing") else Severity.ERROR
            issues.append(Issue("missing", severity, name, f"the code builds {_size(parameters[name])}"))
    for name, (shape, saved) in buffers.items():
        if saved and name not in filled:
            issues.append(Issue("buffer.missing", Severity.WARNING, name, f"the code registers {_size(shape)}"))
    issues += _formats(values.values(), dtype)
    layouts = Counter(items[0].layout for name, items in filled.items() if name in parameters)
    everything = sorted(chain(checkpoint.issues, issues), key=lambda issue: (_ORDER[issue.severity], issue.kind))
    return WeightsResult(
        target,
        class_name,
        checkpoint,
        tuple(everything),
        sum(name in parameters for name in filled),
        len(parameters),
        dict(sorted(layouts.items())),
        converted,
        tuple(dict.fromkeys(rules.notes)),
    )


def _place(
    values: Mapping[str, Logical], rules: Rules
) -> tuple[dict[tuple[str, int | None], dict[str, list[Logical]]], int]:
    """Stored values by (name in the model, converter), within it by source pattern, experts in order."""
    placed: dict[tuple[str, int | None], dict[str, list[Logical]]] = {}
    converted = 0
    for name in sorted(values, key=_natural):
        where = rules.rename(name)
        converted += where.target != name or where.converter is not None
        group = placed.setdefault((where.target, where.converter), {})
        group.setdefault(where.pattern or "", []).append(values[name])
    return placed, converted


def _resolve(
    placed: Mapping[tuple[str, int | None], dict[str, list[Logical]]],
    rules: Rules,
    parameters: Mapping[str, tuple[int, ...]],
    buffers: Mapping[str, object],
) -> Iterator[tuple[str, list[Logical], str]]:
    """(parameter name, what fills it, what went wrong)."""
    known: dict[object, dict[str, tuple[int, ...]] | str] = {}
    for (target, converter), groups in placed.items():
        items = [item for group in groups.values() for item in group]
        if converter is None:
            yield target, items, ""
            continue
        key = (
            converter,
            re.sub(r"\d+", "#", target),
            tuple((pattern, tuple(i.shapes for i in group)) for pattern, group in groups.items()),
        )
        shapes = known.get(key)
        if shapes is None:
            shapes = known[key] = rules.convert(converter, groups, target)
        else:
            shapes = _moved(shapes, target)
        if isinstance(shapes, str):
            packed = any(not item.shapes for item in items) and all(item.elements for item in items)
            if packed and target in parameters:
                # Packed without a shape (bitsandbytes): stacking and joining keep the number of values.
                count = sum(item.elements or 0 for item in items)
                if count == prod(parameters[target]):
                    yield target, [Logical(target, (), count, items[0].layout, _names(items), items[0].dtype)], ""
                    continue
            yield target, [Logical(target, (), None, "converted", _names(items), items[0].dtype)], shapes
            continue
        for name, shape in shapes.items():
            # The numbers were the first group's; the rest of the name is this one's.
            place = name if name in parameters or name in buffers else target
            quantized = {item.layout for item in items} - {"plain"}
            layout = min(quantized) if quantized else "converted"
            yield place, [Logical(place, (shape,), None, layout, _names(items), items[0].dtype)], ""


def _moved(shapes: dict[str, tuple[int, ...]] | str, target: str) -> dict[str, tuple[int, ...]] | str:
    """A converted group's names with the list positions of another group that has the same shapes."""
    if isinstance(shapes, str):
        return shapes
    numbers = re.findall(r"(?<=\.)\d+(?=\.)", target)

    def renumber(name: str) -> str:
        queue = iter(numbers)
        return re.sub(r"(?<=\.)\d+(?=\.)", lambda match: next(queue, match[0]), name)

    return {renumber(name): shape for name, shape in shapes.items()}


def _unexpected(item: Logical, rules: Rules, file: str) -> Iterator[Issue]:
    ignored = rules.ignored(item.name, "_keys_to_ignore_on_load_unexpected")
    shape = _size(item.shapes[0]) if item.shapes else "of a shape that is not told"
    detail = f"stored {shape}" + (", passed over as the class says" if ignored else "")
    yield Issue("unexpected", Severity.NOTE if ignored else Severity.ERROR, item.name, detail, file)


def _formats(values: Iterable[Logical], dtype: str | None) -> Iterator[Issue]:
    wanted = _DTYPES.get(dtype or "")
    if wanted is None:
        return
    plain = [item for item in values if item.layout == "plain" and item.dtype in _DTYPES.values()]
    other = Counter(item.dtype for item in plain if item.dtype != wanted)
    for found, count in sorted(other.items()):
        first = next(item.name for item in plain if item.dtype == found)
        detail = f"{count:,} of {len(plain):,} tensors are {found}, the configuration says {dtype}"
        # Keeping some tensors (norms, routers) in 32 bits is common practice; all of them is another format.
        severity = Severity.WARNING if count == len(plain) else Severity.NOTE
        yield Issue("dtype", severity, first, detail)


def _tied_with(name: str, tied: Iterable[tuple[str, str]]) -> set[str]:
    group = {name}
    for later, first in tied:
        if later in group or first in group:
            group |= {later, first}
    return group - {name}


def _natural(name: str) -> list[object]:
    return [(0, int(piece), "") if piece.isdigit() else (1, 0, piece) for piece in name.split(".")]


def _names(items: Sequence[Logical]) -> tuple[str, ...]:
    return tuple(part for item in items for part in item.parts)


def _file(checkpoint: Checkpoint, items: Sequence[Logical]) -> str:
    stored = checkpoint.tensors.get(items[0].parts[0]) if items and items[0].parts else None
    return stored.file if stored else ""


def _size(shape: Sequence[int]) -> str:
    return "×".join("?" if size < 0 else str(size) for size in shape) or "a number"
