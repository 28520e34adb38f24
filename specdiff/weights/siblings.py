"""Quantized weights beside those like them in other layers: one that lacks a scale, or has it of another shape, is damaged."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from specdiff.results import Severity
from specdiff.weights.model import Issue, Stored
from specdiff.weights.packing import Parts, Shape

LEAST = 3
"""Weights that must be alike before one is told from them."""
_ACTIVATIONS = re.compile(r"input|output|act")
"""A layer that calibration never reached has no scale of its input (an expert that no token chose)."""
_BLOB = "quant_state"
"""A text as bytes, whose length says nothing (bitsandbytes, QuantState.as_dict)."""


class Quantized(NamedTuple):
    """A weight as it is stored."""

    target: str
    """The parameter."""
    main: str
    """Suffix of the tensor with the values."""
    parts: Parts


def unlike(quantized: Iterable[Quantized], plain: Mapping[str, Stored]) -> Iterator[Issue]:
    """Weights that lack what those like them have, or have it of another shape.

    Args:
        quantized: Weights of any layout.
        plain: Tensors that belong to none; one of a quantized weight's name and number format has lost what goes with it.
    """
    groups: dict[tuple[str, str, Shape | None], list[Quantized]] = defaultdict(list)
    for each in quantized:
        stored = each.parts[each.main]
        if stored.dtype:
            groups[_template(each.target), stored.dtype, stored.shape].append(each)
    stems = {(name, dtype) for name, dtype, _ in groups}
    for name, stored in plain.items():
        if stored.dtype and (_template(name), stored.dtype) in stems:
            groups[_template(name), stored.dtype, stored.shape].append(Quantized(name, "", {"": stored}))
    for group in groups.values():
        if len(group) >= LEAST:
            yield from _lacking(group)
            yield from _misshapen(group)


def _lacking(group: list[Quantized]) -> Iterator[Issue]:
    having = Counter(suffix for each in group for suffix in each.parts if suffix != each.main)
    for suffix, count in having.items():
        if len(group) / 2 < count < len(group):
            severity = Severity.WARNING if _ACTIVATIONS.search(suffix) else Severity.ERROR
            for each in group:
                if suffix not in each.parts:
                    detail = f"it has no {suffix}, which {count:,} like it have"
                    yield Issue("scale", severity, each.target, detail, each.parts[each.main].file)


def _misshapen(group: list[Quantized]) -> Iterator[Issue]:
    shapes: dict[str, Counter[Shape | None]] = defaultdict(Counter)
    for each in group:
        for suffix, stored in each.parts.items():
            if suffix != each.main and _BLOB not in suffix:
                shapes[suffix][stored.shape] += 1
    for suffix, counts in shapes.items():
        ((usual, count),) = counts.most_common(1)
        total = sum(counts.values())
        if usual is None or not total / 2 < count < total:
            continue
        for each in group:
            found = each.parts.get(suffix)
            if found is not None and found.shape is not None and found.shape != usual:
                detail = f"{suffix} of {_size(found.shape)}, {count:,} like it have {_size(usual)}"
                yield Issue("scale", Severity.ERROR, each.target, detail, found.file)


def _template(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _size(shape: Shape) -> str:
    return "×".join(str(size) for size in shape) or "a number"
