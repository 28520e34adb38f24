"""Single elements of a recorded value, computed from the operations that made it.

A mask, a table of angles or a relative bias may be written in any style; what it holds at a given index is the same. Sizes
that the input decides (`batch`, `sequence`) are given numbers, and only the asked elements are worked out, many at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy

from specdiff.detect.places import Index, NotKnown, Outside, Places
from specdiff.graph.operations import Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

LONG_SUM = 4_096
"""Terms of a sum or product over a dimension that are worked out one by one."""

MOST_ELEMENTS = 2_000_000
"""Elements asked for at once, sums included."""


_UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": lambda a: -a, "negative": lambda a: -a, "abs": numpy.abs, "absolute": numpy.abs, "cos": numpy.cos,
    "sin": numpy.sin, "exp": numpy.exp, "log": numpy.log, "sqrt": numpy.sqrt, "rsqrt": lambda a: 1 / numpy.sqrt(a),
    "square": numpy.square, "floor": numpy.floor, "ceil": numpy.ceil, "round": numpy.round, "sign": numpy.sign,
    "log2": numpy.log2, "log10": numpy.log10, "log1p": numpy.log1p, "reciprocal": lambda a: 1 / a, "tanh": numpy.tanh,
    "logical_not": lambda a: ~(numpy.asarray(a) != 0), "bitwise_not": lambda a: ~a if _is_bool(a) else -a - 1,
    "invert": lambda a: ~a if _is_bool(a) else -a - 1, "sigmoid": lambda a: 1 / (1 + numpy.exp(-a)),
    "relu": lambda a: numpy.maximum(a, 0), "trunc": numpy.trunc, "exp2": numpy.exp2, "expm1": numpy.expm1,
    "real": numpy.real, "imag": numpy.imag, "conj": numpy.conj, "positive": lambda a: a, "isinf": numpy.isinf,
    "isnan": numpy.isnan, "nan_to_num": numpy.nan_to_num,
}  # fmt: skip
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: numpy.asarray(a, dtype=complex if numpy.iscomplexobj(a) else float) / b,
    "floor_div": lambda a, b: a // b, "mod": lambda a, b: a % b,
    "pow": lambda a, b: numpy.asarray(a, dtype=complex if numpy.iscomplexobj(a) else float) ** b,
    "and": lambda a, b: _logic(numpy.logical_and, numpy.bitwise_and, a, b),
    "or": lambda a, b: _logic(numpy.logical_or, numpy.bitwise_or, a, b),
    "xor": lambda a, b: _logic(numpy.logical_xor, numpy.bitwise_xor, a, b),
    "maximum": numpy.maximum, "minimum": numpy.minimum,
}  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": numpy.less, "<=": numpy.less_equal, ">": numpy.greater, ">=": numpy.greater_equal, "==": numpy.equal,
    "!=": numpy.not_equal,
}  # fmt: skip
_SAME = frozenset({"cast", "copy", "detach", "dropout", "identity", "contiguous"})


def _is_bool(value: Any) -> bool:
    return numpy.asarray(value).dtype == bool


def _logic(logical: Any, bitwise: Any, a: Any, b: Any) -> Any:
    if _is_bool(a) or _is_bool(b):
        return logical(a, b)
    return bitwise(numpy.asarray(a).astype("int64"), numpy.asarray(b).astype("int64"))


class Points(Places):
    """Elements of the values of one run, at given sizes."""

    def __init__(
        self,
        graph: Operations,
        sizes: Mapping[str, int],
        given: Mapping[int, Callable[[Index], Any]] | None = None,
    ) -> None:
        super().__init__(graph, sizes)
        self.given = dict(given or {})
        """Values that are set from outside, by operation."""

    def value(self, op: Op, index: Index) -> Any:
        """The elements at an index.

        Raises:
            NotKnown: they depend on data, or on an operation that is not modelled.
        """
        given = self.given.get(op.id)
        if given is not None:
            return given(index)
        array = self.graph.array(op)
        if array is not None:
            return self._from_array(op, array, index)
        kind = op.kind
        inputs = self.graph.inputs(op)
        if kind in ("constant", "buffer"):
            return self._constant(op, index)
        if kind in _SAME:
            value = self.value(inputs[0], self.within(inputs[0], index))
            return _cast(value, op) if kind == "cast" else value
        if kind in _UNARY:
            with numpy.errstate(all="ignore"):
                return _UNARY[kind](self.value(inputs[0], self.within(inputs[0], index)))
        if kind in _BINARY or kind == "compare":
            function = _BINARY.get(kind) or _COMPARE.get(str(op.attrs.get("op")))
            if function is None:
                raise NotKnown(op, f"{op.attrs.get('op')} is not modelled")
            left, right = self._operands(op, index)
            with numpy.errstate(all="ignore"):
                return function(left, right)
        if kind == "clamp":
            value = self.value(inputs[0], self.within(inputs[0], index))
            if len(inputs) > 1:
                raise NotKnown(op, "the bounds of a clamp are computed")
            return numpy.clip(value, op.attrs.get("min"), op.attrs.get("max"))
        if kind == "where":
            return self._where(op, index)
        if kind == "masked_fill" and len(inputs) >= 2:
            fill = op.attrs.get("value")
            mask = self.value(inputs[1], self.within(inputs[1], index))
            if fill is None:
                if len(inputs) < 3:
                    raise NotKnown(op, "what a mask fills in is not known")
                fill = self.value(inputs[2], self.within(inputs[2], index))
            if numpy.all(mask):
                return numpy.broadcast_to(numpy.asarray(fill, dtype=float), numpy.shape(mask))
            return numpy.where(mask, fill, self.value(inputs[0], self.within(inputs[0], index)))
        if kind in ("tril", "triu"):
            return self._triangle(op, index)
        if kind in ("cat", "stack"):
            return self._joined(op, index)
        if kind == "join":
            return self._join(op, index)
        if kind == "polar":
            return self.value(inputs[0], self.within(inputs[0], index)) * numpy.exp(
                1j * self.value(inputs[1], self.within(inputs[1], index))
            )
        if kind == "complex":
            parts = [self.value(item, self.within(item, index)) for item in inputs]
            return parts[0] + 1j * parts[1]
        if kind == "view_as_complex":
            return self.value(inputs[0], (*index, 0)) + 1j * self.value(inputs[0], (*index, 1))
        if kind == "view_as_real":
            value = self.value(inputs[0], index[:-1])
            return numpy.where(numpy.asarray(index[-1]) == 0, numpy.real(value), numpy.imag(value))
        if kind == "outer":
            return self.value(inputs[0], index[:-1]) * self.value(inputs[1], index[-1:])
        if kind in ("matmul", "bmm", "einsum"):
            return self._product(op, index)
        if kind == "reduce":
            return self._reduced(op, index)
        if kind in ("cumsum", "cumprod"):
            return self._running(op, index)
        if kind == "index":
            return self.value(inputs[0], self._indexed(op, index))
        if kind == "gather":
            where = op.attrs.get("dim", 0) % len(index)
            chosen = _whole(self.value(inputs[1], index))
            return self.value(inputs[0], (*index[:where], chosen, *index[where + 1 :]))
        if kind == "setitem":
            return self._assigned(op, index)
        if kind == "pad":
            return self._padded(op, index)
        if kind == "overwrite":
            return self._overwritten(op, index)
        if kind == "meshgrid" and len(inputs) > 1 and is_number(op.attrs.get("output")):
            output = op.attrs["output"]
            where = {0: 1, 1: 0}.get(output, output) if op.attrs.get("indexing") == "xy" else output
            return self.value(inputs[output], (index[where],))
        moved = self.moved(op, index)
        if moved is not None:
            return self.value(inputs[0], moved)
        raise NotKnown(op, "it depends on the input" if kind == "input" else f"{kind} is not a function of positions")

    def _constant(self, op: Op, index: Index) -> Any:
        fill = op.attrs.get("fill")
        if isinstance(fill, int | float):
            shape = numpy.broadcast_shapes(*(numpy.shape(item) for item in index)) if index else ()
            return numpy.full(shape, fill, dtype=bool if op.dtype == "bool" else None)
        given = op.attrs.get("range")
        if given is not None and len(index) == 1:
            start, _, step = given
            start = self.size(start, op) if isinstance(start, Dim) else start
            step = self.size(step, op) if isinstance(step, Dim) else step
            return start + step * numpy.asarray(index[0])
        if op.inputs:
            return self.value(self.graph[op.inputs[0]], index)
        raise NotKnown(op, f"the content of {op.attrs.get('name') or 'a tensor'} is not known")

    def _from_array(self, op: Op, array: Any, index: Index) -> Any:
        if array.ndim != len(index):
            raise NotKnown(op, "a rank does not fit")
        if not index:
            return array[()]
        for size, item in zip(array.shape, index, strict=True):
            if numpy.max(item, initial=0) >= size:
                raise Outside(op, f"position {int(numpy.max(item))} lies outside a table of {size}", size)
        return array[tuple(numpy.asarray(item) for item in index)]

    def _operands(self, op: Op, index: Index) -> tuple[Any, Any]:
        inputs = self.graph.inputs(op)
        values = [self.value(item, self.within(item, index)) for item in inputs]
        if len(values) == 2:
            return values[0], values[1]
        other = op.attrs.get("other")
        if isinstance(other, Dim):
            other = self.size(other, op)
        if not isinstance(other, int | float | complex):
            raise NotKnown(op, "an operand is not a number")
        return (other, values[0]) if op.attrs.get("reflected") else (values[0], other)

    def _where(self, op: Op, index: Index) -> Any:
        inputs = self.graph.inputs(op)
        values = op.attrs.get("values", (None, None))
        condition = self.value(inputs[0], self.within(inputs[0], index))
        rest = list(inputs[1:])
        sides: list[Any] = []
        for number in values:
            source = None if number is not None or not rest else rest.pop(0)
            sides.append((number, source))
        if any(number is None and source is None for number, source in sides):
            raise NotKnown(op, "a side of a choice is not known")
        found = []
        for needed, (number, source) in ((numpy.any(condition), sides[0]), (not numpy.all(condition), sides[1])):
            if source is None:
                found.append(number)
            elif needed:
                found.append(self.value(source, self.within(source, index)))
            else:
                found.append(0)
        return numpy.where(condition, *found)

    def _triangle(self, op: Op, index: Index) -> Any:
        diagonal = op.attrs.get("diagonal", 0)
        if not is_number(diagonal) or len(index) < 2:
            raise NotKnown(op, "the diagonal is not a number")
        row, column = numpy.asarray(index[-2]), numpy.asarray(index[-1])
        kept = column - row <= diagonal if op.kind == "tril" else column - row >= diagonal
        if not numpy.any(kept):
            return numpy.zeros(numpy.shape(kept))
        value = self.value(self.graph[op.inputs[0]], index)
        return numpy.where(kept, value, False if _is_bool(value) else 0)

    def _joined(self, op: Op, index: Index) -> Any:
        result: Any = None
        for item, inside, below in self.pieces(op, index):
            value = self.value(item, below)
            result = value if result is None else numpy.where(inside, value, result)
        if result is None:
            raise NotKnown(op, "nothing is joined there")
        return result

    def _padded(self, op: Op, index: Index) -> Any:
        """The elements of a value with a constant around it."""
        (source,) = self.graph.inputs(op)
        amounts, fill = op.attrs.get("pad"), op.attrs.get("value") or 0
        if op.attrs.get("mode") != "constant" or amounts is None or not isinstance(fill, int | float):
            raise NotKnown(op, "a padding with other than a number")
        shape, own, inside = self.shape(source), list(index), numpy.asarray(True)
        for turn, before in enumerate(amounts[::2]):
            axis = len(shape) - 1 - turn
            at = numpy.asarray(index[axis]) - self.size(before, op)
            inside = inside & (at >= 0) & (at < shape[axis])
            own[axis] = numpy.clip(at, 0, max(shape[axis] - 1, 0))
        if not numpy.any(inside):
            return numpy.full(numpy.shape(inside), fill)
        return numpy.where(inside, self.value(source, tuple(own)), fill)

    def pieces(self, op: Op, index: Index) -> Iterator[tuple[Op, Any, Index]]:
        """What a concatenation or stack reads at ``index``: each piece, where it is the one read, its own index there."""
        inputs = [item for item in self.graph.inputs(op) if item.shape != (0,)]  # an empty cache joins nothing
        where = op.attrs.get("dim", 0)
        where = where % len(index) if where < 0 else where
        at = numpy.asarray(index[where])
        stacked = op.kind == "stack"
        start = 0
        for number, item in enumerate(inputs):
            length = 1 if stacked else self.shape(item)[where]
            inside = (at == number) if stacked else (at >= start) & (at < start + length)
            own = numpy.clip(at - start, 0, max(length - 1, 0))
            start += length
            if numpy.any(inside):
                yield item, inside, (*index[:where], *(() if stacked else (own,)), *index[where + 1 :])

    def _join(self, op: Op, index: Index) -> Any:
        found: list[Any] = []
        for item in self.graph.inputs(op):
            if item.shape is not None and len(item.shape) == len(index):
                found.append(self.value(item, self.within(item, index)))
            else:
                raise NotKnown(op, "two paths give different shapes")
        if any(not numpy.array_equal(found[0], other) for other in found[1:]):
            raise NotKnown(op, "two paths give different values")
        return found[0]

    def _product(self, op: Op, index: Index) -> Any:
        """A product over one dimension that has few elements."""
        left, right = self.graph.inputs(op)[:2]
        if op.kind == "einsum":
            equation = str(op.attrs.get("equation", ""))
            sides, _, result = equation.partition("->")
            letters = sides.split(",")
            if len(letters) != 2 or "." in equation or len(result) != len(index):
                raise NotKnown(op, "a sum of products is not a function of positions")
            known = dict(zip(result, index, strict=True))
            summed = sorted({letter for part in letters for letter in part if letter not in known})
        else:
            a, b = len(self.shape(left)), len(self.shape(right))
            rank = len(index)
            if rank < 2 or a < 2 or b < 2:
                raise NotKnown(op, "a product of vectors")
            names = "abcdefgh"[: rank - 2]
            letters = [names[rank - a :] + "yk" if a <= rank else "", names[rank - b :] + "kz" if b <= rank else ""]
            known = dict(zip(names + "yz", index, strict=True))
            summed = ["k"]
        if len(summed) > 1:
            raise NotKnown(op, "a sum of products is not a function of positions")
        sizes: dict[str, int] = {}
        for part, item in zip(letters, (left, right), strict=True):
            for letter, size in zip(part, self.shape(item), strict=True):
                sizes[letter] = max(sizes.get(letter, 1), size)
        total: Any = 0
        count = sizes[summed[0]] if summed else 1
        if count > 64:
            raise NotKnown(op, "a long sum of products")
        for turn in range(count):
            here = {**known, **({summed[0]: turn} if summed else {})}
            product: Any = 1
            for part, item in zip(letters, (left, right), strict=True):
                place = tuple(
                    here[letter] if size != 1 else numpy.zeros_like(here[letter])
                    for letter, size in zip(part, self.shape(item), strict=True)
                )
                product = product * self.value(item, place)
            total = total + product
        return total

    def _reduced(self, op: Op, index: Index) -> Any:
        source = self.graph[op.inputs[0]]
        shape = self.shape(source)
        dims = op.attrs.get("dims")
        dims = tuple(range(len(shape))) if dims is None else dims if isinstance(dims, tuple) else (dims,)
        dims = tuple(d % len(shape) for d in dims)
        count = math.prod(shape[d] for d in dims)
        width = max((numpy.size(item) for item in index), default=1)
        if count > LONG_SUM or count * width > MOST_ELEMENTS:
            raise NotKnown(op, "a reduction over many elements")
        functions: dict[str, Callable[..., Any]] = {"sum": numpy.sum, "max": numpy.max, "amax": numpy.max, "min": numpy.min, "amin": numpy.min,
                    "mean": numpy.mean, "any": numpy.any, "all": numpy.all}  # fmt: skip
        function = functions.get(str(op.attrs.get("which")))
        if function is None:
            raise NotKnown(op, f"{op.attrs.get('which')} is not modelled")
        own = list(index)
        if not op.attrs.get("keepdim"):
            for d in sorted(dims):
                own.insert(d, 0)
        if len(own) != len(shape):
            raise NotKnown(op, "a rank does not fit")
        grid = numpy.stack(
            [g.reshape(-1) for g in numpy.meshgrid(*(numpy.arange(shape[d]) for d in dims), indexing="ij")]
        )
        spread = [numpy.asarray(item).reshape(-1, 1) for item in own]
        for number, d in enumerate(dims):
            spread[d] = grid[number].reshape(1, -1)
        length = max((numpy.size(item) for item in index), default=1)
        full = [numpy.broadcast_to(item, (length, grid.shape[1])) for item in spread]
        value = self.value(source, tuple(item.reshape(-1) for item in full))
        return function(numpy.broadcast_to(value, (full[0].size,)).reshape(length, -1), axis=1)

    def _running(self, op: Op, index: Index) -> Any:
        where = op.attrs.get("dim", 0) % len(index)
        at = numpy.asarray(index[where]).reshape(-1)
        longest = int(at.max(initial=0)) + 1
        width = max(numpy.size(item) for item in index)
        if longest * width > MOST_ELEMENTS:
            raise NotKnown(op, "a running sum over many elements")
        spread = [
            numpy.broadcast_to(numpy.asarray(item).reshape(-1, 1), (width, longest)).reshape(-1) for item in index
        ]
        spread[where] = numpy.tile(numpy.arange(longest), width)
        value = numpy.broadcast_to(self.value(self.graph[op.inputs[0]], tuple(spread)), (width * longest,))
        running: Callable[..., Any] = numpy.cumsum if op.kind == "cumsum" else numpy.cumprod
        summed = running(numpy.asarray(value, dtype=float).reshape(width, longest), axis=1)
        return summed[numpy.arange(width), numpy.broadcast_to(at, (width,))]

    def _indexed(self, op: Op, index: Index) -> Index:
        """Where an element of an indexed tensor comes from."""
        inputs = self.graph.inputs(op)
        spec = op.attrs.get("spec")
        if spec is None and len(inputs) == 2 and op.attrs.get("dim") is not None:
            where = op.attrs["dim"] % len(index)
            return (*index[:where], _whole(self.value(inputs[1], (index[where],))), *index[where + 1 :])
        if spec is None:
            raise NotKnown(op, "an index that is not recorded")
        arrays = list(inputs[1:])
        if any(item.dtype == "bool" for item in arrays):
            raise NotKnown(op, "a choice by a mask")
        ranks = [len(self.shape(item)) for item in arrays]
        width = max(ranks, default=0)
        places = [position for position, item in enumerate(spec) if item == "tensor"]
        together = all(b - a == 1 for a, b in itertools.pairwise(places))
        before = sum(1 for item in spec[: places[0]] if not is_number(item)) if places and together else 0
        own = index[before : before + width]
        rest = list(index[:before]) + list(index[before + width :])
        source = self.graph[op.inputs[0]]
        shape = self.shape(source)
        found: list[Any] = []
        number = 0
        for item in spec:
            if item == "tensor":
                array = arrays[number]
                number += 1
                found.append(_whole(self.value(array, own[width - len(self.shape(array)) :])))
            else:
                self.basic(item, rest, shape, found, op)
        return tuple(found)

    def part(self, op: Op, spec: tuple[Any, ...], shape: tuple[int, ...], index: Index) -> tuple[Any, list[Any]]:
        """Whether elements lie in a part that numbers and slices pick, and where they stand in it."""
        inside: Any = True
        places: list[Any] = []
        for position, item in enumerate(spec):
            if item is None:
                raise NotKnown(op, "a part with a further dimension")
            at = numpy.asarray(index[position])
            if isinstance(item, int | Dim):
                inside = inside & (at == self.size(item, op) % shape[position])
                continue
            low, high, stride = self.bounds(item, shape[position], op)
            inside = inside & (at >= low) & (at < high) & ((at - low) % stride == 0)
            places.append(numpy.clip((at - low) // stride, 0, None))
        places.extend(index[len(spec) :])
        return inside, places

    def _overwritten(self, op: Op, index: Index) -> Any:
        """A value after something was assigned to a part of it that had been sliced out."""
        base, part = self.graph.inputs(op)
        view = part
        while view.kind == "setitem":
            view = self.graph[view.inputs[0]]
        spec = view.attrs.get("spec")
        if view.kind != "slice" or view.inputs[0] != base.id or not isinstance(spec, tuple):
            raise NotKnown(op, "which part of a value is overwritten is not known")
        if any(item is None or item == "tensor" for item in spec):
            raise NotKnown(op, "which part of a value is overwritten is not known")
        inside, places = self.part(op, spec, self.shape(base), index)
        sizes = self.shape(part)
        within = tuple(numpy.minimum(item, size - 1) for item, size in zip(places, sizes, strict=True))
        new = self.value(part, within) if numpy.any(inside) else 0.0
        return new if numpy.all(inside) else numpy.where(inside, new, self.value(base, index))

    def _assigned(self, op: Op, index: Index) -> Any:
        inputs = self.graph.inputs(op)
        spec = op.attrs.get("spec")
        number = op.attrs.get("value")
        if spec is None or any(isinstance(item, str) and item == "tensor" for item in spec):
            raise NotKnown(op, "an assignment whose place is not recorded")
        inside, places = self.part(op, spec, self.shape(op), index)
        old = 0.0 if numpy.all(inside) else self.value(inputs[0], index)
        if number is None and len(inputs) > 1:
            source = inputs[1]
            limits = self.shape(source)
            picked = places[len(places) - len(limits) :]
            number = self.value(
                source, tuple(numpy.minimum(item, size - 1) for item, size in zip(picked, limits, strict=True))
            )
        if number is None:
            raise NotKnown(op, "what is assigned is not known")
        return numpy.where(inside, number, old)


def _cast(value: Any, op: Op) -> Any:
    to = str(op.attrs.get("to") or op.dtype)
    if to == "bool":
        return numpy.asarray(value) != 0
    if to.startswith(("int", "uint")):
        return _whole(value)
    if to.startswith("complex"):
        return numpy.asarray(value, dtype=complex)
    return numpy.asarray(value, dtype=float) if not numpy.iscomplexobj(value) else value


def _whole(value: Any) -> Any:
    with numpy.errstate(invalid="ignore"):  # what no 64 bits hold becomes whatever the cast makes of it, as in torch
        return numpy.trunc(numpy.nan_to_num(numpy.asarray(value, dtype=float))).astype("int64")


__all__ = ["NotKnown", "Outside", "Points"]
