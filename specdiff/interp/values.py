"""The values the interpreter computes with.

Where the program is concrete, values are Python's own (``int``, ``str``, ``list``, ``dict`` …).
The classes here stand for what is not: tensors, symbolic sizes (`dims.Dim`), instances and
classes of the analysed code, and what could not be known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from specdiff.interp.dims import Dim


class Place(NamedTuple):
    """A line of analysed code."""

    file: str
    """Path relative to the analysed package or folder."""
    line: int
    """1-based."""


class Unknown:
    """A value that is not known, and why. Operations on it give it back, so the first cause is kept."""

    __slots__ = ("cause", "name", "options", "place", "reason", "source")

    def __init__(
        self,
        reason: str,
        place: Place | None = None,
        cause: Unknown | None = None,
        *,
        name: str = "",
        options: tuple[Any, ...] = (),
        source: Tensor | None = None,
    ) -> None:
        self.reason = reason
        self.place = place
        self.cause = cause
        self.name = name
        """Dotted name, where it comes from a package that is not analysed."""
        self.options = options
        """Functions, classes or objects of which it is one, where that much is known: a call runs them all."""
        self.source = source
        """For a number that depends on data: the tensor without dimensions that holds it (`scalars`)."""

    def __repr__(self) -> str:
        return f"Unknown({self.reason!r} at {self.place})"


class Tensor:
    """A tensor: shape and dtype always, data only for small constants.

    A tensor has identity (two names may hold one parameter); ``node`` is its current value in the
    trace, so an in-place operation moves ``node`` on and keeps the object.
    """

    __slots__ = (
        "base",
        "const",
        "device",
        "dtype",
        "grad",
        "kind",
        "node",
        "place",
        "recipe",
        "serial",
        "shape",
        "tags",
    )

    def __init__(
        self,
        shape: tuple[int | Dim, ...] | None,
        dtype: str = "float32",
        *,
        node: int | None = None,
        const: Any = None,
        base: Tensor | None = None,
        device: str = "cpu",
        place: Place | None = None,
    ) -> None:
        self.shape = shape
        """None where even the rank is unknown."""
        self.dtype = dtype
        """torch's name without the prefix: `float32`, `bfloat16`, `int64`, `bool`."""
        self.node = node
        """Id of the operation in the trace that made the current value; None outside a traced run."""
        self.const = const
        """None, a numpy array, or a zero-argument callable that computes one (run at most once)."""
        self.base = base
        """The tensor this one is a view of; writing to a view writes to its base."""
        self.device = device
        self.kind = "tensor"
        """`tensor`, `parameter`, `buffer` or `uninitialized` (a lazy layer's parameter)."""
        self.grad = False
        """``requires_grad``."""
        self.place = place
        """Where it was made."""
        self.serial = 0
        """Order of creation within the run."""
        self.tags: dict[str, Any] | None = None
        self.recipe: tuple[str, tuple[Tensor, ...], dict[str, Any]] | None = None
        """The operation that made it outside a traced run, where its content is known but too large to keep as numbers."""
        """Attributes the analysed code hangs on the tensor object itself."""

    def __repr__(self) -> str:
        return f"Tensor({self.shape}, {self.dtype}, {self.kind})"


class Turns:
    """An iterable of which only one item and the number of items are known: ``range(sequence)``, the pieces of a
    split into a symbolic number of parts, a list that a loop over such a thing has filled."""

    __slots__ = ("element", "length", "why")

    def __init__(self, element: Any, length: int | Dim | None, why: str) -> None:
        self.element = element
        """What an item is like."""
        self.length = length
        """None where it depends on data."""
        self.why = why

    def __repr__(self) -> str:
        return f"Turns({self.element!r} x {self.length})"


class Walk:
    """An iterator that the analysed program holds. How far it has come is state of the age of ``serial``."""

    __slots__ = ("items", "serial")

    def __init__(self, items: Iterator[Any], serial: int) -> None:
        self.items = items
        self.serial = serial

    def __iter__(self) -> Iterator[Any]:
        return self.items

    def __next__(self) -> Any:
        return next(self.items)


class DType(NamedTuple):
    """``torch.float32``; ``name`` is without the prefix."""

    name: str

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    @property
    def is_floating_point(self) -> bool:
        """Whether it is floating and not complex."""
        return self.name.startswith(("float", "bfloat"))

    @property
    def is_complex(self) -> bool:
        """Whether it is complex."""
        return self.name.startswith("complex")

    @property
    def is_signed(self) -> bool:
        """Whether it has negative values."""
        return not self.name.startswith(("uint", "bool"))

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        bits = "".join(letter for letter in self.name.partition("_")[0] if letter.isdigit())
        return max(1, int(bits) // 8) if bits else 1


class OwnDType(DType):
    """The dtype that some tensor has (``x.dtype``), whichever that is: no number format that the code asks for."""

    __slots__ = ()


class Device(NamedTuple):
    """``torch.device``."""

    type: str
    index: int | None = None  # type: ignore[assignment]  # torch's name for it


class Intrinsic:
    """A library function that is modelled natively: called as ``function(ctx, *args, **kwargs)``."""

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        """Dotted library name (`torch.nn.functional.softmax`)."""
        self.function = function

    def __repr__(self) -> str:
        return f"<intrinsic {self.name}>"
