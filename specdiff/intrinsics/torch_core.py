"""What the models of torch functions share: sizes, constants, dtype promotion, broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from specdiff.interp.dims import Dim, Ratio, decide, fresh, independent
from specdiff.interp.limits import MAX_CONST_ELEMENTS
from specdiff.interp.values import DType, Tensor, Unknown

Size = Any
Shape = tuple[Any, ...]

FLOATS = ("float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64", "complex64", "complex128")
INTS = ("uint8", "int8", "int16", "int32", "int64")


def dtype_name(dtype: Any, default: str) -> str:
    """torch's name of a dtype argument."""
    return dtype.name if isinstance(dtype, DType) else default


def sizes(args: Sequence[Any], name: str = "empty") -> Shape:
    """The sizes a factory was given: numbers, or one tuple; torch's words for what does not fit."""
    items = tuple(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else tuple(args)
    checked: list[Any] = []
    for index, item in enumerate(items):
        if isinstance(item, Tensor):
            const = constant(item)
            item = int(const.reshape(-1)[0]) if const is not None and const.size == 1 else fresh("size")
        if isinstance(item, Unknown):
            item = fresh("size")
        if type(item).__module__ == "numpy" and hasattr(item, "__index__") and not hasattr(item, "__len__"):
            item = int(item)
        if not isinstance(item, int | Dim) or isinstance(item, bool):
            if len(items) > 1 and index > 0 and not isinstance(args[0], list | tuple):
                raise TypeError(f"{name}() takes 1 positional argument but {len(items)} were given")
            if not isinstance(args[0], list | tuple) and len(items) > 1:
                raise TypeError(f"{name}() takes 1 positional argument but {len(items)} were given")
            raise TypeError(
                f"{name}(): argument 'size' (position 1) must be tuple of ints, but found element of type {type(item).__name__} at pos {index}"
            )
        checked.append(item)
    for item in checked:
        if isinstance(item, int) and item < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {item}: [{', '.join(map(str, checked))}]"
            )
    return tuple(checked)


class ShapeError(RuntimeError):
    """Indicates operands whose shapes torch refuses."""

    def __init__(
        self, what: str, message: str, operand: Tensor | None = None, axis: int = -1, wanted: Any = None
    ) -> None:
        super().__init__(message)
        self.what = what
        """The kind of operation: `matmul`, `view`, `cat`, `broadcast` …"""
        self.operand, self.axis, self.wanted = operand, axis, wanted
        """The operand that a layer cannot take, the dimension (from the end) that is wrong, the size it should have; dimension 0
        stands for all of them, and the sizes are a tuple."""


def numel(shape: Shape) -> Any:
    """Number of elements."""
    total: Any = 1
    for size in shape:
        total = total * size
    return total


def small(shape: Shape | None) -> bool:
    """Whether a tensor's content may be computed."""
    return shape is not None and all(isinstance(size, int) for size in shape) and prod(shape) <= MAX_CONST_ELEMENTS


def constant(value: Any) -> Any:
    """The numpy array of a constant tensor, a number as it is, else None."""
    if isinstance(value, Tensor):
        const = value.const
        if callable(const):
            const = value.const = const()
        return const
    return value if isinstance(value, int | float | bool | complex) else None


class _Once:
    """A thunk that computes its value at the first call."""

    __slots__ = ("compute", "value")

    def __init__(self, compute: Callable[[], Any]) -> None:
        self.compute: Callable[[], Any] | None = compute
        self.value: Any = None

    def __call__(self) -> Any:
        if self.compute is not None:
            self.value = self.compute()
            self.compute = None
        return self.value


def lazily(function: Callable[..., Any], *inputs: Any) -> Any:
    """A thunk for ``function(numpy, *constants)`` of what the inputs are now, or None where one is not constant."""
    for item in inputs:
        if isinstance(item, Tensor) and item.const is None:
            return None
        if isinstance(item, Dim | Ratio | Unknown):
            return None
    # What a tensor holds is taken now: a later write in place must not change what was computed before it.
    now = [item.const if isinstance(item, Tensor) else item for item in inputs]

    def compute() -> Any:
        import numpy  # noqa: PLC0415 - only when a constant is really looked at

        values = [
            item() if isinstance(given, Tensor) and callable(item) else item
            for given, item in zip(inputs, now, strict=True)
        ]
        if any(value is None for value, given in zip(values, inputs, strict=True) if isinstance(given, Tensor)):
            return None
        with numpy.errstate(all="ignore"):
            return numpy.asarray(function(numpy, *values))

    return _Once(compute)


def computed(function: Callable[..., Any], *inputs: Any) -> Any:
    """``function(numpy, *constants)`` at once, for what decides a shape; None where an input is not constant."""
    thunk = lazily(function, *inputs)
    return thunk() if thunk is not None else None


def promote(left: Any, right: Any) -> str:
    """The dtype of a binary operation (torch's categories: bool < integer < floating < complex)."""
    a = left.dtype if isinstance(left, Tensor) else None
    b = right.dtype if isinstance(right, Tensor) else None
    if a is not None and b is not None:
        if a == b:
            return a
        ca, cb = _category(a), _category(b)
        if ca != cb:
            return a if ca > cb else b
        if left.shape == () and right.shape != ():
            return b
        if right.shape == () and left.shape != ():
            return a
        if {a, b} == {"float16", "bfloat16"}:
            return "float32"
        order = FLOATS if ca >= 2 else INTS
        return a if order.index(a) >= order.index(b) else b
    dtype = a if a is not None else b
    assert dtype is not None
    other = right if a is not None else left
    rank = (
        3
        if isinstance(other, complex)
        else 2
        if isinstance(other, float | Ratio)
        else 0
        if isinstance(other, bool)
        else 1
    )
    if rank > _category(dtype):
        return "complex64" if rank == 3 else "float32" if rank == 2 else "int64"
    return dtype


def _category(dtype: str) -> int:
    if dtype == "bool":
        return 0
    if dtype.startswith("complex"):
        return 3
    return 2 if dtype in FLOATS else 1


def is_float(dtype: str) -> bool:
    """Whether a dtype is floating or complex."""
    return _category(dtype) >= 2


def broadcast(left: Shape | None, right: Shape | None) -> Shape | None:
    """The common shape; torch's RuntimeError where two sizes surely differ."""
    if left is None or right is None:
        return None
    length = max(len(left), len(right))
    result: list[Any] = []
    for index in range(1, length + 1):
        a = left[-index] if index <= len(left) else 1
        b = right[-index] if index <= len(right) else 1
        if a == b or (isinstance(b, int) and b == 1):
            result.append(a)
        elif isinstance(a, int) and a == 1:
            result.append(b)
        elif differ(a, b):
            raise ShapeError(
                "broadcast",
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {length - index}",
            )
        else:
            result.append(a if isinstance(b, Dim) and isinstance(a, int) else b if isinstance(b, int) else a)
    return tuple(reversed(result))


def differ(a: Any, b: Any) -> bool:
    """Whether two sizes can neither be equal nor be stretched to one another."""
    if independent(a, b):
        return True
    return decide("==", a, b) is False and decide("==", a, 1) is False and decide("==", b, 1) is False


def apart(a: Any, b: Any) -> bool:
    """Whether two sizes are surely not the same."""
    return a is not b and (decide("==", a, b) is False or independent(a, b))


def axis(dim: int, rank: int, extra: int = 0) -> int:
    """A non-negative dimension index; torch's IndexError outside."""
    bound = rank + extra
    if bound == 0:
        bound = 1
    if not -bound <= dim < bound:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})")
    return dim + bound if dim < 0 else dim


def same(left: Any, right: Any) -> bool | None:
    """Whether two sizes are equal; None where that is not known."""
    return decide("==", left, right)


def of(value: Any) -> Tensor:
    """A tensor argument; torch's TypeError for anything else."""
    if not isinstance(value, Tensor):
        raise TypeError(f"expected Tensor as argument, but got {type(value).__name__}")
    return value


def tensors(*values: Any) -> tuple[Tensor, ...]:
    """The tensors among some arguments."""
    return tuple(value for value in values if isinstance(value, Tensor))
