"""Host exceptions as those of the analysed program, and accidents inside library models as unknown results."""

from __future__ import annotations

import opcode
from collections.abc import Callable
from typing import Any

from specdiff.interp.objects import (
    Raised,
    Value,
)
from specdiff.interp.run import Run
from specdiff.interp.values import Tensor

HOST_ERRORS = (
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    ZeroDivisionError,
    OverflowError,
    StopIteration,
    RuntimeError,
    NotImplementedError,
    AssertionError,
    OSError,
    UnicodeError,
)
"""What an operation on concrete values can raise; the analysed program sees it."""


def raised(run: Run, error: BaseException) -> Raised:
    """A host exception as one of the analysed program, at the line being executed."""
    return Raised(error, [run.place])


def guarded(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Value:
    """Call a native model of a library function. What it raises on purpose is the analysed program's error;
    an accident inside it makes the result unknown instead."""
    try:
        return function(*args, **kwargs)
    except Raised:
        raise
    except HOST_ERRORS as error:
        if _deliberate(error):
            raise raised(run, error) from None
        name = getattr(function, "__name__", "library function")
        if DEBUG:
            raise
        reason = f"the model of {name} failed here ({type(error).__name__}: {error})"
        inputs = [*args[1:], *kwargs.values()]
        tensors = tuple(item for item in inputs if isinstance(item, Tensor))
        if run.trace is not None and tensors:  # the data still flows on; only its shape is lost
            run.note(reason)
            return run.emit("opaque", tensors, None, tensors[0].dtype)
        return run.unknown(reason)


DEBUG = False
"""Let accidents inside library models propagate (tests and ``--debug``)."""


_RAISE_VARARGS = opcode.opmap["RAISE_VARARGS"]
"""The host's instruction for an explicit ``raise``."""


def _deliberate(error: BaseException) -> bool:
    """Whether an exception was raised by a ``raise`` statement or by binding the call's own arguments."""
    trace: Any = error.__traceback__
    if trace is None or trace.tb_next is None:
        return True  # raised by the call itself: the arguments do not fit the signature
    while trace.tb_next is not None:
        trace = trace.tb_next
    return bool(trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE_VARARGS)
