"""What a natively modelled library function is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from specdiff.interp.dims import Dim
    from specdiff.interp.values import Place, Tensor, Unknown


class CallContext(Protocol):
    """The view an intrinsic has of the run. Library errors are raised as Python's own exceptions
    (`TypeError`, `RuntimeError` with torch's words); the interpreter hands them to the analysed code."""

    @property
    def place(self) -> Place:
        """The line of the call."""

    def emit(
        self,
        kind: str,
        inputs: tuple[Tensor, ...],
        shape: tuple[int | Dim, ...] | None,
        dtype: str,
        *,
        const: Any = None,
        view_of: Tensor | None = None,
        **attrs: Any,
    ) -> Tensor:
        """Record one operation (where the run is traced) and return the tensor it makes."""

    def write(self, target: Tensor, result: Tensor) -> Tensor:
        """Make ``result`` the current value of ``target`` (an in-place operation); returns ``target``."""

    def reform(self, target: Tensor, result: Tensor) -> Tensor:
        """Make ``target`` itself be ``result``, its form too, with nothing written into what it is a view of."""

    def unknown(self, reason: str) -> Unknown:
        """A value that is not known, at this line."""

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a value of the analysed program (a callback)."""
