"""Factories, random tensors, constants, dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.branches import ROUTED, join
from specdiff.interp.builtins import raw
from specdiff.interp.dims import Dim, fresh
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import Instance
from specdiff.interp.possible import decided
from specdiff.interp.scalars import as_tensor
from specdiff.interp.tracked import plain
from specdiff.interp.values import Device, DType, Tensor, Turns, Unknown
from specdiff.intrinsics.torch_core import broadcast, constant, dtype_name, lazily, sizes, small, tensors

_SKIP = ("device", "requires_grad", "layout", "pin_memory", "memory_format", "generator", "out")


def _factory(name: str, fill: float | None, kind: str = "constant") -> Callable[..., Any]:
    def model(ctx: Any, *args: Any, size: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        unexpected = [key for key in kwargs if key not in _SKIP]
        if unexpected:
            raise TypeError(f"{name}() got an unexpected keyword argument '{unexpected[0]}'")
        shape = sizes(_numbers(ctx, (size,) if size is not None else args), name)
        const = None if fill is None or not small(shape) else (lambda: _filled(shape, fill))
        return ctx.emit(kind, (), shape, dtype_name(dtype, "float32"), const=const, fill=fill)

    model.__name__ = name
    return model


def _filled(shape: tuple[int, ...], fill: float) -> Any:
    import numpy  # noqa: PLC0415

    return numpy.full(shape, fill)


def _full(ctx: Any, size: Any, fill_value: Any, *, dtype: Any = None, **kwargs: Any) -> Any:
    shape = sizes(_numbers(ctx, (size,)), "full")
    value = _single(fill_value)
    default = "bool" if isinstance(value, bool) else "int64" if isinstance(value, int) else "float32"
    const = (lambda: _filled(shape, value)) if isinstance(value, int | float) and small(shape) else None
    return ctx.emit("constant", (), shape, dtype_name(dtype, default), const=const, fill=value)


def _like(name: str, fill: float | None) -> Callable[..., Any]:
    def model(ctx: Any, input: Tensor, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        value = _single(args[0]) if args else fill
        if "fill_value" in kwargs:
            value = _single(kwargs["fill_value"])
        const = (lambda: _filled(input.shape, value)) if isinstance(value, int | float) and small(input.shape) else None  # type: ignore[arg-type]
        return ctx.emit("constant", (), input.shape, dtype_name(dtype, input.dtype), const=const, fill=value)

    model.__name__ = name
    return model


def _new(name: str, fill: float | None) -> Callable[..., Any]:
    def model(
        ctx: Any, input: Tensor, *args: Any, size: Any = None, dtype: Any = None, fill_value: Any = None, **kwargs: Any
    ) -> Any:  # noqa: A002
        value = fill
        if name == "new_full":
            value = _single(args[1] if len(args) > 1 else fill_value)
            args = args[:1]
        shape = sizes(_numbers(ctx, (size,) if size is not None else args), name)
        const = (lambda: _filled(shape, value)) if isinstance(value, int | float) and small(shape) else None
        return ctx.emit("constant", (), shape, dtype_name(dtype, input.dtype), const=const, fill=value)

    model.__name__ = name
    return model


def _arange(
    ctx: Any, *args: Any, start: Any = None, end: Any = None, step: Any = 1, dtype: Any = None, **kwargs: Any
) -> Any:
    if len(args) == 1:
        begin, stop = (0 if start is None else start), args[0]
    elif len(args) >= 2:
        begin, stop = args[0], args[1]
        step = args[2] if len(args) > 2 else step
    else:
        begin, stop = (0 if start is None else start), end
    begin, stop, step = [_scalar(ctx, value) for value in (begin, stop, step)]
    if begin is None or stop is None or step is None:
        return ctx.emit("constant", (), (fresh("length"),), dtype_name(dtype, "int64"), range=None)
    floating = any(isinstance(value, float) for value in (begin, stop, step))
    default = "float32" if floating else "int64"
    if any(isinstance(value, Dim) for value in (begin, stop, step)):
        # Whole numbers written as floats leave the length whole: `arange(length, -1, -1.0)`.
        begin, stop, step = (int(v) if isinstance(v, float) and v.is_integer() else v for v in (begin, stop, step))
        low, high, stride = (stop, begin, -step) if not isinstance(step, Dim) and step < 0 else (begin, stop, step)
        length: Any = high - low if stride == 1 else (high - low + stride - 1) // stride
        return ctx.emit("constant", (), (length,), dtype_name(dtype, default), range=(begin, stop, step))
    if not all(isinstance(value, int | float) for value in (begin, stop, step)):
        raise TypeError(f"arange(): argument 'end' (position 1) must be Number, not {type(stop).__name__}")
    import math  # noqa: PLC0415

    length = max(0, math.ceil((stop - begin) / step))
    shape = (length,)
    const = lazily(lambda numpy: begin + step * numpy.arange(length)) if small(shape) else None
    return ctx.emit("constant", (), shape, dtype_name(dtype, default), const=const, range=(begin, stop, step))


def _single(value: Any) -> Any:
    """The number in a constant of one element; None for any other tensor."""
    if isinstance(value, Tensor):
        const = constant(value)
        return const.reshape(-1)[0].item() if const is not None and const.size == 1 else None
    return value


def _scalar(ctx: Any, value: Any) -> Any:
    """The same, or a number that the code counted itself (the last position and one)."""
    found = _single(value)
    return decided(ctx, value) if found is None and isinstance(value, Tensor) else found


def _numbers(ctx: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sizes, where a tensor of one element that the code counted itself is the number in it."""

    def number(value: Any) -> Any:
        found = decided(ctx, value) if isinstance(value, Tensor) and constant(value) is None else None
        return value if found is None else found

    return tuple(
        [number(item) for item in value] if isinstance(value, list | tuple) else number(value) for value in values
    )


def _normal(ctx: Any, mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, dtype: Any = None, **kwargs: Any) -> Any:
    """``torch.normal``: by the sizes given, else one number for each mean and deviation."""
    if size is not None:
        return ctx.emit("random", (), sizes((size,), "normal"), dtype_name(dtype, "float32"))
    given = tensors(mean, std)
    if not given:
        raise TypeError("normal() received an invalid combination of arguments")
    shape = given[0].shape if len(given) == 1 else broadcast(given[0].shape, given[1].shape)
    return ctx.emit("random", given, shape, given[0].dtype)


def _linspace(ctx: Any, start: Any, end: Any, steps: Any = None, *, dtype: Any = None, **kwargs: Any) -> Any:
    begin, stop, count = _scalar(ctx, start), _scalar(ctx, end), _scalar(ctx, steps)
    if not isinstance(count, int):
        return ctx.emit(
            "constant", (), (count if isinstance(count, Dim) else fresh("steps"),), dtype_name(dtype, "float32")
        )
    const = (
        lazily(lambda numpy: numpy.linspace(begin, stop, count))
        if isinstance(begin, int | float) and isinstance(stop, int | float) and small((count,))
        else None
    )
    return ctx.emit("constant", (), (count,), dtype_name(dtype, "float32"), const=const)


def _logspace(ctx: Any, start: Any, end: Any, steps: Any, base: Any = 10.0, **kwargs: Any) -> Any:
    return ctx.emit(
        "constant", (), (steps,), "float32", const=lazily(lambda numpy: numpy.logspace(start, end, steps, base=base))
    )


def _eye(ctx: Any, n: Any, m: Any = None, *, dtype: Any = None, **kwargs: Any) -> Any:
    shape = sizes((n, n if m is None else m), "eye")
    return ctx.emit(
        "constant",
        (),
        shape,
        dtype_name(dtype, "float32"),
        const=lazily(lambda numpy: numpy.eye(*shape)) if small(shape) else None,
    )


def nested_shape(data: Any) -> tuple[Any, ...] | None:
    """The shape of nested lists."""
    if isinstance(data, list | tuple):
        if not data:
            return (0,)
        inner = nested_shape(data[0])
        return None if inner is None else (len(data), *inner)
    if isinstance(data, Tensor):
        return data.shape
    if isinstance(data, Unknown) and data.source is not None:
        return ()
    return () if isinstance(data, int | float | bool | complex | Dim) else None


def _flat(data: Any) -> list[Any] | None:
    if isinstance(data, list | tuple):
        items: list[Any] = []
        for entry in data:
            inner = _flat(entry)
            if inner is None:
                return None
            items.extend(inner)
        return items
    if isinstance(data, Tensor):
        const = constant(data)
        return None if const is None else list(const.reshape(-1))
    return [data] if isinstance(data, int | float | bool | complex) else None


@raw
def tensor(ctx: Any, data: Any = None, *, dtype: Any = None, **kwargs: Any) -> Any:
    """``torch.tensor`` and what converts to one."""
    data = plain(as_tensor(data))
    if isinstance(data, Unknown):
        return ctx.emit("constant", (), None, dtype_name(dtype, "float32"))
    if isinstance(data, Turns) or (isinstance(data, list) and id(data) in ctx.open_lists):
        return _of_turns(ctx, data, dtype)
    if isinstance(data, Instance | str) or data is None:
        raise TypeError(f"must be real number, not {'NoneType' if data is None else type(data).__name__}")
    if isinstance(data, Tensor):
        return ctx.emit("copy", (data,), data.shape, dtype_name(dtype, data.dtype), const=data.const)
    if isinstance(data, range):
        data = list(data)
    if type(data).__module__ == "numpy":
        array = data
        return ctx.emit("constant", (), tuple(array.shape), dtype_name(dtype, "float32"), const=lambda: array)
    shape = nested_shape(data)
    if shape is None:
        return ctx.emit("constant", (), None, dtype_name(dtype, "float32"))
    flat = _flat(data)
    default = "float32"
    if flat is not None:
        if all(isinstance(item, bool) for item in flat) and flat:
            default = "bool"
        elif all(isinstance(item, int) for item in flat) and flat:
            default = "int64"
    const = lazily(lambda numpy: numpy.array(flat).reshape(shape)) if flat is not None and small(shape) else None
    return ctx.emit("constant", (), shape, dtype_name(dtype, default), const=const)


def _of_turns(ctx: Any, data: Any, dtype: Any) -> Any:
    """``torch.tensor`` of a list that holds items like one."""
    element, length = (
        (data.element, data.length) if isinstance(data, Turns) else (data[-1], ctx.open_lists[id(data)][1])
    )
    inner = tensor(ctx, element, dtype=dtype)
    shape = None if inner.shape is None else (fresh("turns") if length is None else length, *inner.shape)
    return ctx.emit("stack", (inner,), shape, inner.dtype)


@raw
def _tensor_of(ctx: Any, *args: Any, **kwargs: Any) -> Any:
    """``torch.Tensor(…)``: sizes, or data."""
    if not args:
        return ctx.emit("constant", (), (0,), "float32")
    if len(args) == 1 and not isinstance(args[0], int | Dim):
        return tensor(ctx, args[0], **{key: value for key, value in kwargs.items() if key == "dtype"})
    return ctx.emit("constant", (), sizes(args), "float32")


def _parameter(ctx: Any, data: Any = None, requires_grad: Any = True) -> Any:
    if data is not None and not isinstance(data, Tensor):
        raise TypeError(f"Parameter() expected a Tensor, got {type(data).__name__}")
    made = _outside_trace(
        ctx,
        data.shape if data is not None else (0,),
        data.dtype if data is not None else "float32",
        data.const if data is not None and small(data.shape) else None,
    )
    made.kind = "parameter"
    made.grad = bool(requires_grad)
    return made


def _buffer(ctx: Any, data: Any = None, persistent: Any = True) -> Any:
    if not isinstance(data, Tensor):
        return data
    made = _outside_trace(ctx, data.shape, data.dtype, data.const)
    made.recipe = data.recipe
    made.kind = "buffer"
    made.tags = {"persistent": persistent}
    return made


def _registered(ctx: Any, data: Any) -> Any:
    """A tensor that becomes part of a module's state; it stays the same object, and no `torch.nn.Buffer`."""
    if isinstance(data, Tensor) and data.kind == "tensor" and data.node is None:
        data.kind = "registered"
    return data


@raw
def _set_training(ctx: Any, module: Instance, mode: bool, usual: Any) -> None:
    """``Module.train`` below a module; a class with its own ``train`` runs that."""
    _set_below(ctx, module, mode, usual, {})


def _set_below(ctx: Any, module: Instance, mode: bool, usual: Any, classes: dict[int, tuple[bool, bool]]) -> None:
    attrs = module.attrs
    if not _ways(module, usual, classes)[0]:
        ctx.setattr(module, "training", mode)
    elif attrs.get("training") is not mode:
        ctx.touch(module)
        attrs["training"] = mode
    seen: set[int] = set()
    for child in list((attrs.get("_modules") or {}).values()):
        if not isinstance(child, Instance) or id(child) in seen:
            continue
        seen.add(id(child))
        if _ways(child, usual, classes)[1]:
            _set_below(ctx, child, mode, usual, classes)
        else:
            ctx.call(ctx.getattr(child, "train"), (mode,), {})


def _ways(module: Instance, usual: Any, classes: dict[int, tuple[bool, bool]]) -> tuple[bool, bool]:
    """Whether a module's class has nothing of its own for setting ``training``, and none for ``train``; by class."""
    cls = module.cls
    found = classes.get(id(cls))
    if found is None:
        plain = "setattr" not in cls.flags and lookup(cls, "training")[0] is True
        found = classes[id(cls)] = (plain, lookup(cls, "train")[0] is usual)
    return found


def _uninitialized(ctx: Any) -> Any:
    made = _outside_trace(ctx, None, "float32", None)
    made.kind = "uninitialized"
    return made


def _outside_trace(ctx: Any, shape: Any, dtype: str, const: Any) -> Tensor:
    ctx.serial += 1
    file, line = ctx.model_place()
    from specdiff.interp.values import Place  # noqa: PLC0415

    made = Tensor(shape, dtype, const=const, place=Place(file, line))
    made.serial = ctx.serial
    return made


def _recurrent(
    ctx: Any, input: Tensor, weights: Any, width: int, layers: int, hidden: int, cell: int, batch_first: bool
) -> Any:  # noqa: A002
    shape = (*input.shape[:-1], width) if input.shape is not None else None
    batch = (input.shape[0 if batch_first else 1],) if input.shape is not None and len(input.shape) == 3 else ()
    output = ctx.emit("recurrent", (input, *weights), shape, input.dtype)
    return (
        output,
        ctx.emit("recurrent_state", (output,), (layers, *batch, hidden), input.dtype),
        ctx.emit("recurrent_state", (output,), (layers, *batch, cell), input.dtype),
    )


@raw
def undetermined(ctx: Any, value: Any) -> bool:
    """Whether a key or an index is not known."""
    if isinstance(value, Unknown | Dim):
        return True
    return isinstance(value, Tensor) and constant(value) is None


@raw
def _joined(ctx: Any, values: Any, alike: Any = False) -> Any:
    """What one of several values is, of which nothing says which."""
    result = values[0]
    for value in values[1:]:
        result = join(ctx, result, value, ROUTED if alike is True else "a choice among modules that depends on data")
    return result


class Limits:
    """``torch.finfo`` and ``torch.iinfo``."""

    def __init__(self, dtype: str) -> None:
        floating = {
            "float64": (1.7976931348623157e308, 2.220446049250313e-16, 2.2250738585072014e-308, 64),
            "float16": (65504.0, 0.0009765625, 6.103515625e-05, 16),
            "bfloat16": (3.3895313892515355e38, 0.0078125, 1.1754943508222875e-38, 16),
        }
        if dtype.startswith(("int", "uint")):
            self.bits = int(dtype.lstrip("uint"))
            self.max = 2 ** (self.bits - (0 if dtype.startswith("u") else 1)) - 1
            self.min = 0 if dtype.startswith("u") else -self.max - 1
            return
        self.max, self.eps, self.tiny, self.bits = floating.get(
            dtype, (3.4028234663852886e38, 1.1920928955078125e-07, 1.1754943508222875e-38, 32)
        )
        self.min = -self.max
        self.smallest_normal = self.tiny


def _limits(ctx: Any, dtype: Any = None) -> Any:
    return Limits(dtype_name(dtype, "float32"))


def _device(ctx: Any, kind: Any = "cpu", index: Any = None) -> Any:
    if isinstance(kind, Device):
        return kind
    name, _, number = str(kind).partition(":")
    return Device(name, int(number) if number else index)


def _unchanged(ctx: Any, tensor: Any = None, *args: Any, **kwargs: Any) -> Any:
    return tensor


_INITIALISERS = [
    "normal_",
    "zeros_",
    "ones_",
    "trunc_normal_",
    "uniform_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "constant_",
    "orthogonal_",
    "eye_",
    "dirac_",
    "sparse_",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "normal",
    "uniform",
    "constant",
]
_ALIASES = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "cfloat": "complex64",
    "chalf": "complex32",
}
_DTYPES = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
    "quint8",
    "qint8",
]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"torch.{name}": _factory(name, fill) for name, fill in (("empty", None), ("zeros", 0), ("ones", 1))},
    **{f"torch.{name}": _factory(name, None, "random") for name in ("rand", "randn")},
    **{
        f"torch.{name}_like": _like(f"{name}_like", fill)
        for name, fill in (("empty", None), ("zeros", 0), ("ones", 1), ("full", None), ("rand", None), ("randn", None))
    },
    "torch.full": _full,
    "torch.arange": _arange,
    "torch.linspace": _linspace,
    "torch.logspace": _logspace,
    "torch.eye": _eye,
    "torch.tensor": tensor,
    "torch.as_tensor": tensor,
    "torch.asarray": tensor,
    "torch.from_numpy": tensor,
    "torch.randint": lambda ctx, *args, size=None, dtype=None, **kwargs: ctx.emit(
        "random", (), sizes((size if size is not None else args[-1],)), dtype_name(dtype, "int64")
    ),
    "torch.normal": _normal,
    "torch.randperm": lambda ctx, n, **kwargs: ctx.emit("random", (), (n,), "int64"),
    "torch.empty_strided": lambda ctx, size, stride, dtype=None, **kwargs: ctx.emit(
        "constant", (), sizes((size,)), dtype_name(dtype, "float32")
    ),
    "torch.finfo": _limits,
    "torch.iinfo": _limits,
    "torch.device": _device,
    "torch.get_default_dtype": lambda ctx: DType("float32"),
    "torch.get_default_device": lambda ctx: Device("cpu"),
    "torch.hann_window": lambda ctx, window_length, *args, **kwargs: ctx.emit(
        "constant", (), (window_length,), "float32"
    ),
    "torch.hamming_window": lambda ctx, window_length, *args, **kwargs: ctx.emit(
        "constant", (), (window_length,), "float32"
    ),
    "torch.kaiser_window": lambda ctx, window_length, *args, **kwargs: ctx.emit(
        "constant", (), (window_length,), "float32"
    ),
    "specdiff_native.parameter": _parameter,
    "specdiff_native.buffer": _buffer,
    "specdiff_native.registered": _registered,
    "specdiff_native.uninitialized": _uninitialized,
    "specdiff_native.tensor_of": _tensor_of,
    "specdiff_native.set_training": _set_training,
    "specdiff_native.recurrent": _recurrent,
    "specdiff_native.undetermined": undetermined,
    "specdiff_native.joined": _joined,
    **{f"torch.nn.init.{name}": _unchanged for name in _INITIALISERS},
    "torch.nn.init.calculate_gain": lambda ctx, *args, **kwargs: 1.0,
    "torch.nn.init._calculate_fan_in_and_fan_out": lambda ctx, tensor: (1, 1),
    "torch.nn.init._calculate_correct_fan": lambda ctx, tensor, mode: 1,
    "torch.nn.init._no_grad_trunc_normal_": _unchanged,
}
CONSTANTS: dict[str, Any] = {
    **{f"torch.{name}": DType(name) for name in _DTYPES},
    **{f"torch.{alias}": DType(name) for alias, name in _ALIASES.items()},
    "torch.pi": 3.141592653589793,
    "torch.inf": float("inf"),
    "torch.nan": float("nan"),
    "torch.e": 2.718281828459045,
    "torch.newaxis": None,
    "torch.strided": "strided",
    "torch.contiguous_format": "contiguous_format",
    "torch.channels_last": "channels_last",
    "torch.legacy_contiguous_format": "legacy_contiguous_format",
    "torch.preserve_format": "preserve_format",
}
METHODS: dict[str, Callable[..., Any]] = {
    "new_zeros": _new("new_zeros", 0),
    "new_ones": _new("new_ones", 1),
    "new_empty": _new("new_empty", None),
    "new_full": _new("new_full", None),
    "new_tensor": lambda ctx, input, data, dtype=None, **kwargs: tensor(ctx, data, dtype=dtype),
}
