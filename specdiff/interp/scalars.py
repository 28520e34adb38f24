"""Numbers in tensors: those that are known, and those that depend on data (``counts.tolist()[3]``): unknown, but computed with like the
tensor they were read from."""

from __future__ import annotations

import math
from typing import Any

from specdiff.interp.dims import Dim
from specdiff.interp.run import Run
from specdiff.interp.values import Tensor, Unknown

_NUMBERS = (bool, int, float, Dim)


def number_of(run: Run, tensor: Tensor, why: str = "a number that depends on data") -> Unknown:
    """The number in a tensor of one element."""
    if tensor.shape != ():
        tensor = run.emit("item", (tensor,), (), tensor.dtype)
    return Unknown(why, run.place, source=tensor)


def some_number(run: Run, why: str) -> Unknown:
    """A whole number of which nothing is known."""
    return Unknown(why, run.place, source=run.emit("constant", (), (), "int64"))


def as_tensor(value: Any) -> Any:
    """The tensor that a number that depends on data was read from; anything else as it is."""
    return value.source if type(value) is Unknown and value.source is not None else value


def are_operands(left: Any, right: Any) -> bool:
    """Whether two values, one of them unknown, can be computed with all the same."""
    return all(
        value.source is not None if type(value) is Unknown else isinstance(value, (*_NUMBERS, Tensor))
        for value in (left, right)
    )


def given_back(run: Run, result: Any, left: Any, right: Any) -> Any:
    """The result of computing with the tensors in place of numbers: a number again unless a tensor took part."""
    if isinstance(left, Tensor) or isinstance(right, Tensor) or not isinstance(result, Tensor):
        return result
    known = left if type(left) is Unknown else right
    return Unknown(known.reason, known.place, known.cause, source=result)


def nested(run: Run, tensor: Tensor, most: int) -> Any:
    """``tensor.tolist()`` where the content is not known: numbers in lists of the right lengths, or None where there
    are more of them than ``most`` or a length is not known."""
    if tensor.shape is None:
        return None
    sizes = [size for size in tensor.shape if isinstance(size, int)]
    if len(sizes) < len(tensor.shape) or math.prod(sizes) > most:
        return None
    if not sizes:
        return number_of(run, tensor)
    return [nested(run, run.getitem(tensor, index), most) for index in range(sizes[0])]


def constant(tensor: Tensor) -> Any:
    """The numpy array a small constant tensor holds, computed at most once; else None."""
    const = tensor.const
    if callable(const):
        const = tensor.const = const()
    return const
