"""Inputs that ``forward`` refused, in the shape that the refusal asks for: what a person does who reads the error."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from specdiff.interp.dims import Dim, fresh
from specdiff.interp.trace import Trace
from specdiff.interp.values import Tensor
from specdiff.intrinsics.torch_core import ShapeError, constant
from specdiff.project.build import Failure
from specdiff.project.inputs import Inputs
from specdiff.project.sizes import COLOURS, MAP_SIDE, PICTURE_SIDE

Wanted = tuple[str, int, Any]
"""(name of an input, dimension counted from the end, size it should have); dimension 0 and a tuple for the whole shape."""

_UNPACKED = re.compile(r"unpack \(expected (\d+)(?:, got (\d+))?\)")
_OUT_OF_RANGE = re.compile(r"expected to be in range of \[-(\d+), \d+\], but got (-?\d+)\)")
_TOO_MANY = re.compile(r"too many indices for tensor of dimension (\d+)")
_RANK = re.compile(r"Expected (\d)D \(unbatched\) or (\d)D \(batched\) input")
_APART = re.compile(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)")
_DIMS = re.compile(r"expected (\d+) dims\. Received (\d+)-dim tensor")
_MIXING = frozenset({"linear", "matmul", "embedding", "conv"})
"""Operations whose last size is their own."""
TEXT_INPUTS = frozenset({"input_ids", "decoder_input_ids", "use_cache", "tokens", "token_ids", "idx"})
"""Inputs that every model takes in the same shape, save those of several codebooks (an alternative of their own)."""
_DEEPEST = 32
_LEVELS = 3
"""Feature maps of a pyramid, each half as wide as the one before."""


def wanted_of(error: object, trace: Trace) -> Wanted | None:
    """What an operation asks of an input, where a size of its operand is one of that input's own."""
    if not isinstance(error, ShapeError) or error.operand is None or error.operand.node is None:
        return None
    return _by_its_place(error, error.operand.node, trace) or _by_its_name(error, trace)


def _by_its_name(error: ShapeError, trace: Trace) -> Wanted | None:
    """Where the size is a multiple of one that a single input has open, in one place: channels that a pattern folds into others."""
    shape = error.operand.shape if error.operand is not None else None
    size = shape[error.axis] if shape and error.axis else None
    if not isinstance(size, Dim) or len(size.terms) != 1 or not isinstance(error.wanted, int):
        return None
    (monomial, factor), *_ = size.terms
    if len(monomial) != 1 or error.wanted % factor:
        return None
    symbol = Dim.symbol(monomial[0])
    open_ = [
        (op, axis - len(op.shape))
        for op in trace.ops
        if op.kind == "input" and op.shape
        for axis, each in enumerate(op.shape)
        if isinstance(each, Dim) and any(monomial[0] in other for other, _ in each.terms)
    ]
    if len(open_) != 1 or open_[0][1] == -len(open_[0][0].shape or ()):
        return None
    op, axis = open_[0]
    if not op.dtype.startswith("float") or (op.shape or ())[axis] != symbol:
        return None
    return op.attrs["name"], axis, error.wanted // factor


def _by_its_place(error: ShapeError, index: int, trace: Trace) -> Wanted | None:
    axis = error.axis
    for _ in range(_DEEPEST):
        op = trace.ops[index]
        if op.kind == "input":
            return op.attrs["name"], axis, error.wanted
        if op.shape is None or not op.inputs:
            return None
        if not axis:
            return None  # another shape is asked of an input alone, not of what was made of it
        rank = len(op.shape)
        if op.kind == "transpose":
            pair = (op.attrs["dim0"], op.attrs["dim1"])
            axis = pair[1 - pair.index(axis)] if axis in pair else axis
        elif op.kind == "permute":
            axis = op.attrs["dims"][axis % rank] - rank
        else:
            # A size that comes from the first operand stands behind the same sizes there.
            before, front = trace.ops[op.inputs[0]].shape, axis % rank
            if before is None or before[: front + 1] != op.shape[: front + 1]:
                return None
            if op.kind in _MIXING and front == rank - 1:
                return None
            axis = front - len(before)
        index = op.inputs[0]
    return None


def refitted(inputs: Inputs, failure: Failure, wanted: Wanted | None) -> Iterator[Inputs]:
    """Alternatives of inputs after a failure, the likeliest first."""
    if wanted is not None:
        name, axis, size = wanted
        changed = _with_size(inputs.get(name), axis, size)
        if changed is not None:
            yield {**inputs, name: changed}
        return
    for name, value in inputs.items():
        if not isinstance(value, Tensor) or value.shape is None or name in TEXT_INPUTS:
            continue
        if failure.apart is not None:
            yield from (_asserted(inputs, name, value, has, wants) for has, wants in _both_ways(value, *failure.apart))
        elif value.dtype.startswith("int"):
            yield from ({**inputs, name: changed} for changed in _in_rows(value, failure))
        if value.dtype.startswith("float"):
            yield from ({**inputs, name: changed} for changed in _pictures(value, failure))
            for rank in _ranks(failure, len(value.shape)):
                if rank == 5 and len(value.shape) == 3:
                    yield {**inputs, name: _pyramid(value)}
                yield {**inputs, name: Tensor(_of_rank(value.shape, rank), value.dtype)}


def _both_ways(value: Tensor, left: int, right: int) -> Iterator[tuple[int, int]]:
    """Which of two numbers that an assertion found apart is a size of the input, and what it should be."""
    return (
        (has, wants) for has, wants in ((left, right), (right, left)) if has in (value.shape or ())[1:] and wants > 0
    )


def _asserted(inputs: Inputs, name: str, value: Tensor, has: int, wants: int) -> Inputs:
    """An input with a size that is asserted, and what is told beside it of its size."""
    shape = value.shape or ()
    sides = tuple(wants if size == has else size for size in shape[1:])
    changed = {**inputs, name: Tensor((*shape[:1], *sides), value.dtype)}
    for other, told in inputs.items():
        numbers = constant(told) if isinstance(told, Tensor) and told.dtype.startswith("int") else None
        if numbers is not None and (numbers == has).any():
            again = numbers.copy()
            again[numbers == has] = wants
            changed[other] = Tensor(told.shape, told.dtype, const=again)
    return changed


def _in_rows(value: Tensor, failure: Failure) -> Iterator[Tensor]:
    """Numbers by token in several rows: positions counted in several ways, or the codes of several codebooks."""
    shape = value.shape or ()
    found = _TOO_MANY.search(failure.message) or _OUT_OF_RANGE.search(failure.message)
    if found is not None and int(found[1]) == len(shape) == 2:
        yield Tensor((shape[0], fresh("rows"), shape[1]), value.dtype)


def _pictures(value: Tensor, failure: Failure) -> Iterator[Tensor]:
    """Square pictures of another side, where the patches of one do not meet the rows of a table of positions.

    A token of the class may stand beside the patches, and among the rows.
    """
    found = _APART.search(failure.message)
    shape = value.shape or ()
    if found is None or len(shape) != 4 or shape[-1] != shape[-2] or not isinstance(shape[-1], int):
        return
    for cut, table in ((int(found[1]), int(found[2])), (int(found[2]), int(found[1]))):
        for beside in (0, 1):
            patches, rows = math.isqrt(cut - beside), math.isqrt(table - beside)
            if patches and rows and patches**2 == cut - beside and rows**2 == table - beside:
                side, rest = divmod(shape[-1] * rows, patches)
                if not rest:
                    yield Tensor((*shape[:2], side, side), value.dtype)


def _with_size(value: Any, axis: int, size: Any) -> Any:
    if isinstance(value, list):
        items = [_with_size(item, axis, size) for item in value]
        return None if any(item is None for item in items) else items
    if not isinstance(value, Tensor) or not value.shape or value.const is not None:
        return None
    if isinstance(size, tuple):
        return Tensor(size, value.dtype) if size != value.shape else None
    if not isinstance(size, int | Dim):
        return None
    if not -len(value.shape) <= axis < 0 or size == value.shape[axis]:
        return None
    shape = list(value.shape)
    shape[axis] = size
    if axis == -3 and size == COLOURS and shape[-2:] == [MAP_SIDE, MAP_SIDE]:
        shape[-2:] = [PICTURE_SIDE, PICTURE_SIDE]  # no feature map but a picture
    return Tensor(tuple(shape), value.dtype)


def _ranks(failure: Failure, rank: int) -> list[int]:
    """How many dimensions a tensor of some rank may have been expected to have."""
    text = failure.message
    if (found := _UNPACKED.search(text)) is not None:
        expected, got = int(found[1]), found[2]
        missing = expected - int(got) if got is not None else -1
        return [rank + missing] if 1 <= rank + missing <= 5 else []
    if (found := _OUT_OF_RANGE.search(text)) is not None:
        return [rank + 1] if int(found[1]) == rank < 4 else []
    if (found := _TOO_MANY.search(text)) is not None:
        return [rank + 1] if int(found[1]) == rank < 4 else []
    if (found := _DIMS.search(text)) is not None:
        return [int(found[1])] if int(found[2]) == rank and int(found[1]) <= 5 else []
    if "but got batch channels" in text:
        return [rank + 1] if rank < 4 else []
    if (found := _RANK.search(text)) is not None:
        return [int(found[2])] if rank not in (int(found[1]), int(found[2])) else []
    return []


def _pyramid(value: Tensor) -> list[Tensor]:
    """Feature maps, the finest first, in place of one row of vectors."""
    assert value.shape is not None
    sides = [MAP_SIDE << level for level in range(_LEVELS - 1, -1, -1)]
    return [Tensor((value.shape[0], value.shape[-1], side, side), value.dtype) for side in sides]


def _of_rank(shape: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    """A shape of another rank: of a row of vectors a map of them or the vectors alone, of signals a row of vectors."""
    if rank == 4 and len(shape) <= 3:
        return (shape[0], shape[-1], MAP_SIDE, MAP_SIDE)
    if rank == 3 and len(shape) == 4:
        return (shape[0], MAP_SIDE * MAP_SIDE, shape[1])
    if rank > len(shape):
        return (*shape, *[1] * (rank - len(shape)))
    return shape[:1] + shape[len(shape) - rank + 1 :]
