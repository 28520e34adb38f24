"""A value as a linear combination of elements of other values: what a rotation does to the channels it is given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from specdiff.detect.places import Index, NotKnown
from specdiff.detect.points import Points
from specdiff.interp.trace import Op

Inside = Callable[[Op], bool]

FEW = 4
"""Elements of a sum that are looked at one by one: a rotation's matrix has two rows."""


@dataclass(slots=True)
class Term:
    """Part of a linear combination: a coefficient times an element of another value, for each asked element."""

    leaf: int
    index: Index
    factor: Any


def linear(points: Points, op: Op, index: Index, inside: Inside) -> list[Term]:
    """The elements at an index as combinations of elements of other values.

    Args:
        op: The value.
        index: Which elements.
        inside: Whether to look into an operation; what is outside is left as it is.
    """
    inputs = points.graph.inputs(op)
    kind = op.kind
    if not inside(op) or not inputs:
        return [Term(op.id, index, numpy.ones(_length(index)))]
    if kind in ("add", "sub") and len(inputs) == 2:
        terms = linear(points, inputs[0], points.within(inputs[0], index), inside)
        more = linear(points, inputs[1], points.within(inputs[1], index), inside)
        return terms + ([Term(t.leaf, t.index, -t.factor) for t in more] if kind == "sub" else more)
    if kind in ("neg", "negative"):
        return [Term(t.leaf, t.index, -t.factor) for t in linear(points, inputs[0], index, inside)]
    if kind in ("mul", "div"):
        return _scaled(points, op, index, inside)
    if kind in ("cat", "stack"):
        return _joined(points, op, index, inside)
    if kind == "view_as_complex":
        real = linear(points, inputs[0], (*index, numpy.zeros(_length(index), dtype=int)), inside)
        imaginary = linear(points, inputs[0], (*index, numpy.ones(_length(index), dtype=int)), inside)
        return real + [Term(t.leaf, t.index, 1j * t.factor) for t in imaginary]
    if kind == "complex":
        real, imaginary = (linear(points, item, points.within(item, index), inside) for item in inputs)
        return real + [Term(t.leaf, t.index, 1j * t.factor) for t in imaginary]
    if kind == "view_as_real":
        first = numpy.asarray(index[-1]) == 0
        terms = linear(points, inputs[0], index[:-1], inside)
        return [Term(t.leaf, t.index, numpy.where(first, numpy.real(t.factor), numpy.imag(t.factor))) for t in terms]
    if kind in ("real", "imag"):
        part = numpy.real if kind == "real" else numpy.imag
        return [Term(t.leaf, t.index, part(t.factor)) for t in linear(points, inputs[0], index, inside)]
    if kind == "reduce" and op.attrs.get("which") == "sum":
        return _summed(points, op, index, inside)
    if kind == "setitem":
        return _assigned(points, op, index, inside)
    moved = points.moved(op, index)
    if moved is not None:
        return linear(points, inputs[0], moved, inside)
    return [Term(op.id, index, numpy.ones(_length(index)))]


def _scaled(points: Points, op: Op, index: Index, inside: Inside) -> list[Term]:
    inputs = points.graph.inputs(op)
    if len(inputs) == 1:
        other = op.attrs.get("other")
        if not isinstance(other, int | float | complex) or (op.kind == "div" and op.attrs.get("reflected")):
            return [Term(op.id, index, numpy.ones(_length(index)))]
        factor: Any = other if op.kind == "mul" else 1 / other
        data = inputs[0]
    else:
        ways = ((inputs[0], inputs[1]),) if op.kind == "div" else ((inputs[0], inputs[1]), (inputs[1], inputs[0]))
        known = next(_known_factors(points, ways, index), None)
        if known is None:
            return [Term(op.id, index, numpy.ones(_length(index)))]
        data, factor = known
        factor = factor if op.kind == "mul" else 1 / numpy.asarray(factor, dtype=float)
    terms = linear(points, data, points.within(data, index), inside)
    return [Term(t.leaf, t.index, t.factor * factor) for t in terms]


def _known_factors(points: Points, ways: Iterable[tuple[Op, Op]], index: Index) -> Iterator[tuple[Op, Any]]:
    """Each split of a product into data and a factor whose value is known."""
    for data, other in ways:
        try:
            yield data, points.value(other, points.within(other, index))
        except NotKnown:
            continue


def _summed(points: Points, op: Op, index: Index, inside: Inside) -> list[Term]:
    """A sum over a few elements: a pair of channels times a row of a rotation's matrix."""
    source = points.graph[op.inputs[0]]
    shape = points.shape(source)
    dims = op.attrs.get("dims")
    dims = tuple(range(len(shape))) if dims is None else dims if isinstance(dims, tuple) else (dims,)
    axes = sorted(d % len(shape) for d in dims)
    if math.prod(shape[d] for d in axes) > FEW:
        return [Term(op.id, index, numpy.ones(_length(index)))]
    terms: list[Term] = []
    for places in itertools.product(*(range(shape[d]) for d in axes)):
        own = [item for d, item in enumerate(index) if d not in axes] if op.attrs.get("keepdim") else list(index)
        for d, place in zip(axes, places, strict=True):
            own.insert(d, numpy.full(_length(index), place))
        terms += linear(points, source, tuple(own), inside)
    return terms


def _joined(points: Points, op: Op, index: Index, inside: Inside) -> list[Term]:
    return [
        Term(term.leaf, term.index, term.factor * here)
        for item, here, below in points.pieces(op, index)
        for term in linear(points, item, below, inside)
    ]


def _assigned(points: Points, op: Op, index: Index, inside: Inside) -> list[Term]:
    spec, inputs = op.attrs.get("spec"), points.graph.inputs(op)
    if spec is None or len(inputs) != 2 or any(item == "tensor" or item is None for item in spec):
        return [Term(op.id, index, numpy.ones(_length(index)))]
    here, places = points.part(op, spec, points.shape(op), index)
    limits = points.shape(inputs[1])
    picked = places[len(places) - len(limits) :]
    below = tuple(numpy.minimum(item, size - 1) for item, size in zip(picked, limits, strict=True))
    new = linear(points, inputs[1], below, inside)
    old = linear(points, inputs[0], index, inside)
    return [Term(t.leaf, t.index, t.factor * here) for t in new] + [
        Term(t.leaf, t.index, t.factor * ~numpy.asarray(here)) for t in old
    ]


def _length(index: Index) -> int:
    return max((numpy.size(item) for item in index), default=1)


__all__ = ["Term", "linear"]
