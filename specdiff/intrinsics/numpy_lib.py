"""numpy on concrete values: a list of pure functions, called for real; anything else is not modelled."""

from __future__ import annotations

from typing import Any

from specdiff.interp import lookups, scalars
from specdiff.interp.dims import Dim
from specdiff.interp.objects import MISSING, Value
from specdiff.interp.values import Intrinsic, Tensor, Unknown

_PURE = frozenset(
    [
        "abs",
        "add",
        "all",
        "any",
        "arange",
        "arccos",
        "arcsin",
        "arctan",
        "argmax",
        "argmin",
        "argsort",
        "array",
        "asarray",
        "ceil",
        "clip",
        "concatenate",
        "cos",
        "cumprod",
        "cumsum",
        "diff",
        "divide",
        "dot",
        "exp",
        "exp2",
        "expand_dims",
        "eye",
        "floor",
        "full",
        "hstack",
        "isclose",
        "isfinite",
        "isin",
        "isnan",
        "linspace",
        "log",
        "log10",
        "log2",
        "logspace",
        "max",
        "maximum",
        "mean",
        "meshgrid",
        "min",
        "minimum",
        "mod",
        "multiply",
        "nonzero",
        "ones",
        "outer",
        "power",
        "prod",
        "product",
        "ravel",
        "repeat",
        "reshape",
        "round",
        "searchsorted",
        "sign",
        "sin",
        "sort",
        "split",
        "sqrt",
        "square",
        "squeeze",
        "stack",
        "std",
        "subtract",
        "sum",
        "tan",
        "tanh",
        "tile",
        "transpose",
        "tril",
        "triu",
        "unique",
        "vstack",
        "where",
        "zeros",
        "zeros_like",
        "ones_like",
        "gcd",
        "lcm",
        "interp",
        "radians",
        "array_split",
        "ndim",
        "shape",
        "size",
    ]
)
_SCALARS = frozenset({"float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool_"})
_CONSTANTS = {
    "pi": 3.141592653589793,
    "e": 2.718281828459045,
    "inf": float("inf"),
    "nan": float("nan"),
    "newaxis": None,
}


def lookup(dotted: str) -> Value:
    """The model of a numpy name, or `MISSING`."""
    name = dotted.partition(".")[2]
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in _PURE or name in _SCALARS:
        return Intrinsic(dotted, _caller(name))
    return MISSING


def _caller(name: str) -> Any:
    def model(ctx: Any, *args: Value, **kwargs: Value) -> Value:
        import numpy  # noqa: PLC0415 - only where analysed code computes with it

        values = [_host(arg) for arg in args]
        named = {key: _host(value) for key, value in kwargs.items()}
        if any(value is MISSING for value in (*values, *named.values())):
            return ctx.unknown(f"numpy.{name} of values that are not known")
        result = getattr(numpy, name)(*values, **named)
        return result.item() if isinstance(result, numpy.generic) else result

    model.__name__ = f"numpy.{name}"
    return model


def _host(value: Value) -> Value:
    value = lookups.payload(value)
    if isinstance(value, Tensor):
        const = scalars.constant(value)
        return MISSING if const is None else const
    if isinstance(value, Intrinsic):
        return value.name.rpartition(".")[2].rstrip("_")  # numpy.float32 as a dtype
    if isinstance(value, Unknown | Dim):
        return MISSING
    if isinstance(value, list | tuple) and any(_host(item) is MISSING for item in value):
        return MISSING
    return value
