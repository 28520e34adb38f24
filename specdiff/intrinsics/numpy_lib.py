"""numpy on concrete values: a list of pure functions, called for real; anything else is not modelled."""

from __future__ import annotations

from typing import Any

from specdiff.interp import lookups, scalars
from specdiff.interp.builtins import raw
from specdiff.interp.dims import Dim
from specdiff.interp.objects import MISSING, Value
from specdiff.interp.tracked import plain
from specdiff.interp.values import DType, Intrinsic, Tensor, Unknown
from specdiff.intrinsics.torch_core import sizes

_PURE = frozenset(
    """
    abs iinfo finfo angle imag real absolute add all allclose amax amin any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh
    argmax argmin argpartition argsort argwhere array array_equal array_split asarray ascontiguousarray atleast_1d
    atleast_2d atleast_3d average bartlett bincount bitwise_and bitwise_or bitwise_xor blackman block broadcast_arrays
    broadcast_to cbrt ceil choose clip column_stack compress concatenate convolve copy corrcoef correlate cos cosh
    count_nonzero cov cross cumprod cumsum deg2rad degrees delete diag diag_indices diagflat diagonal diff digitize
    divide dot dstack einsum equal exp exp2 expand_dims expm1 eye fabs fft.fft fft.fftfreq fft.fftshift fft.ifft
    fft.rfft fft.rfftfreq fix flatnonzero flip fliplr flipud float_power floor floor_divide fmax fmin fmod full
    full_like gcd geomspace gradient greater greater_equal hamming hanning heaviside histogram hsplit hstack hypot
    identity indices inner insert interp intersect1d isclose isfinite isin isinf isnan isscalar ix_ kaiser kron lcm
    left_shift less less_equal lexsort linalg.cholesky linalg.det linalg.eig linalg.eigh linalg.inv linalg.matrix_rank
    linalg.norm linalg.pinv linalg.qr linalg.solve linalg.svd linspace log log10 log1p log2 logical_and logical_not
    logical_or logical_xor logspace matmul max maximum mean median meshgrid min minimum mod moveaxis multiply nan_to_num
    nanmax nanmean nanmin nansum ndim negative nonzero not_equal ones ones_like outer pad partition percentile polyfit
    polyval positive power prod product ptp quantile rad2deg radians ravel ravel_multi_index reciprocal remainder repeat
    reshape resize right_shift rint roll rollaxis rot90 round row_stack searchsorted setdiff1d shape sign signbit sin
    sinc sinh size sort split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis tan tanh
    tensordot tile trace transpose tri tril tril_indices tril_indices_from triu triu_indices triu_indices_from
    true_divide trunc union1d unique unravel_index unwrap vander var vdot vsplit vstack where zeros zeros_like
    """.split()
)
"""Functions whose result depends on their arguments alone."""
_EMPTY = {"empty": "zeros", "empty_like": "zeros_like"}
"""What is not filled yet: nobody reads it before it is."""
_GRIDS = frozenset({"mgrid", "ogrid", "r_", "c_", "s_"})
"""Objects that slices are taken of."""
_SCALARS = frozenset("float32 float64 float16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool_".split())
_CONSTANTS = {
    "pi": 3.141592653589793,
    "e": 2.718281828459045,
    "inf": float("inf"),
    "nan": float("nan"),
    "newaxis": None,
}


MODULES = frozenset({"numpy", "numpy.linalg", "numpy.fft", "numpy.random"})
_RANDOM = {"random.randn": "float64", "random.rand": "float64", "random.normal": "float64", "random.uniform": "float64",
           "random.random": "float64", "random.standard_normal": "float64", "random.randint": "int64"}  # fmt: skip
"""Of random numbers the shape is known, where one is given, and the format."""


def lookup(dotted: str) -> Value:
    """The model of a numpy name, or `MISSING`."""
    name = dotted.partition(".")[2]
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in _GRIDS:
        import numpy  # noqa: PLC0415 - only where analysed code computes with it

        return getattr(numpy, name)
    if name in _WRITTEN:
        return Intrinsic(dotted, _WRITTEN[name])
    if name in _RANDOM:
        return Intrinsic(dotted, _random(name))
    if name in _PURE or name in _SCALARS or name in _EMPTY:
        return Intrinsic(dotted, _caller(_EMPTY.get(name, name)))
    return MISSING


def _caller(name: str) -> Any:
    @raw
    def model(ctx: Any, *args: Value, **kwargs: Value) -> Value:
        import numpy  # noqa: PLC0415 - only where analysed code computes with it

        args = tuple(plain(scalars.as_tensor(arg)) for arg in args)
        kwargs = {key: plain(scalars.as_tensor(value)) for key, value in kwargs.items()}
        for value in (*args, *kwargs.values()):
            if isinstance(value, Unknown):
                return value
        values = [_host(arg) for arg in args]
        named = {key: _host(value) for key, value in kwargs.items()}
        if any(value is MISSING for value in (*values, *named.values())):
            return _by_shape(ctx, name, args, kwargs)
        function: Any = numpy
        for part in name.split("."):
            function = getattr(function, part, None)
        if function is None:
            raise AttributeError(f"module 'numpy' has no attribute '{name}'")
        result = function(*values, **named)
        return result.item() if isinstance(result, numpy.generic) else result

    model.__name__ = f"numpy.{name}"
    return model


_ALIKE = {
    "concatenate": "cat", "array": "stack", "clip": "clamp", "expand_dims": "unsqueeze", "repeat": "repeat_interleave",
    "absolute": "abs", "amax": "amax", "amin": "amin",
    **{name: name for name in "zeros ones full arange zeros_like ones_like full_like stack broadcast_to where reshape tile sum mean cumsum "
       "prod abs exp log sqrt square sin cos tanh maximum minimum argsort argmax argmin matmul einsum floor ceil flip roll".split()},
}  # fmt: skip
"""Functions that torch has too, with the same shapes: by them arrays are followed whose content or size is not known."""
_DOUBLE = frozenset({"zeros", "ones"})
"""Those that make float64 where no format is given."""


def _by_shape(ctx: Any, name: str, args: tuple[Value, ...], kwargs: dict[str, Value]) -> Value:
    """A function of arrays of which only shapes are known; unknown where torch has no such function."""
    like = _ALIKE.get(name)
    if like is None:
        return ctx.unknown(f"numpy.{name} of values that are not known")
    named = {{"axis": "dim"}.get(key, key): value for key, value in kwargs.items() if value is not None}
    dtype = _format(named.pop("dtype", None)) or ("float64" if name in _DOUBLE else None)
    if name == "array":
        if isinstance(args[0], Tensor):
            return args[0]
        if not isinstance(args[0], list | tuple) or not all(isinstance(item, Tensor) for item in args[0]):
            return ctx.unknown("numpy.array of values that are not known")
    if dtype is not None:
        named["dtype"] = DType(dtype)
    return ctx.call(ctx.loader.module("torch").get(like), args, named)


def _format(value: Value) -> str | None:
    """A dtype by torch's name."""
    if value is None:
        return None
    name = value.name.rpartition(".")[2] if isinstance(value, Intrinsic) else getattr(value, "__name__", str(value))
    return {"bool_": "bool", "float": "float64", "int": "int64"}.get(name, name)


def _put_along_axis(ctx: Any, arr: Value, indices: Value, values: Value, axis: Value = -1) -> None:
    """``numpy.put_along_axis``: writes in place."""
    if isinstance(arr, Tensor) and isinstance(indices, Tensor) and isinstance(axis, int):
        ctx.call(ctx.getattr(arr, "scatter_"), (axis, indices, values), {})


@raw
def _choice(ctx: Any, a: Value, size: Value = None, replace: Value = True, p: Value = None) -> Value:
    """``numpy.random.choice``: of a range or of an array, the shape known."""
    a, size = scalars.as_tensor(a), scalars.as_tensor(size)
    dtype = a.dtype if isinstance(a, Tensor) else "int64"
    shape = sizes((size,), "choice") if size is not None else ()
    return ctx.emit("random", (a,) if isinstance(a, Tensor) else (), shape, dtype)


def _random(name: str) -> Any:
    listed = name in ("random.randn", "random.rand")

    def model(ctx: Any, *args: Value, **kwargs: Value) -> Value:
        places = {"random.random": 0, "random.standard_normal": 0}
        place = places.get(name, 2)
        shape = args if listed else kwargs.get("size", args[place] if len(args) > place else None)
        shape = plain(shape)
        if isinstance(shape, int) and not isinstance(shape, bool):
            shape = (shape,)
        if isinstance(shape, Dim):
            shape = (shape,)
        if not isinstance(shape, tuple | list) or not shape or not all(isinstance(size, int | Dim) for size in shape):
            return ctx.unknown("a random number")
        return ctx.emit("random", (), tuple(shape), _RANDOM[name])

    model.__name__ = f"numpy.{name}"
    return model


_WRITTEN = {"put_along_axis": _put_along_axis, "random.choice": _choice}


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
