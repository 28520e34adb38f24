"""One recorded operation worked out on arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from specdiff.compare.numbers import DONE, MOST, Array, NotEvaluated
from specdiff.compare.placing import PLACED
from specdiff.results import Computed

_SHAPED = frozenset({"reshape", "expand", "permute", "repeat", "transpose", "constant", "cast"})
"""Kinds whose result's shape and format say all that they were given."""


_SUMMED = frozenset({"matmul", "linear", "conv", "einsum", "sdpa", "baddbmm"})
_MOST_WORK = 1 << 32
"""Products that one operation may take."""


def _work(size: tuple[int, ...], arrays: Sequence[Array]) -> int:
    """About how many products an operation adds up."""
    return math.prod(size) * max(int(math.prod(array.shape[1:])) for array in arrays[1:2] or arrays[:1])


def evaluate(operation: Computed, arrays: Sequence[Array], data: bool = False) -> Array:
    """The result of one operation, in 64 bits.

    Args:
        operation: What to do.
        arrays: What it reads.
        data: Whether those are real data, so that sizes which data decide come out as they do.

    Raises:
        NotEvaluated: there is no entry for its kind, or it is too large, or its settings are not known.
    """
    done = DONE.get(operation.kind) or PLACED.get(operation.kind)
    if done is None or (operation.settings.get("args") and operation.kind not in _SHAPED):
        raise NotEvaluated(f"`{operation.kind}` is not worked out")
    size = operation.result.size
    if size is None and not data:
        raise NotEvaluated(f"the result of `{operation.kind}` is of no known size")
    if size is not None and (
        math.prod(size) > MOST or (operation.kind in _SUMMED and _work(size, arrays) > _MOST_WORK)
    ):
        raise NotEvaluated(f"the result of `{operation.kind}` is too large")
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(done(operation, *arrays))
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise NotEvaluated(f"`{operation.kind}` is not worked out: {error}") from error
    if "int" in operation.result.dtype and result.dtype.kind == "f" and np.isfinite(result).all():
        result = result.astype(np.int64)  # a plain number is kept as one with a fraction
    if result.dtype == np.float64 and any(each.dtype == np.float32 for each in arrays):
        result = result.astype(np.float32)
    if not _fits(result.shape, size, operation.settings.get("open") if data else None):
        raise NotEvaluated(f"`{operation.kind}` does not come out in its size")
    return result


def _fits(shape: tuple[int, ...], size: tuple[int, ...] | None, free: Any) -> bool:
    if size is None:
        return True
    axes = free if isinstance(free, tuple) else ()
    same = (a == b or axis in axes for axis, (a, b) in enumerate(zip(shape, size, strict=False)))
    return len(shape) == len(size) and all(same)
