"""Operations that work element by element, comparisons, casts, reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.builtins import raw
from specdiff.interp.dims import Dim, Ratio, fresh
from specdiff.interp.limits import MAX_LISTED
from specdiff.interp.possible import decided
from specdiff.interp.scalars import nested, number_of
from specdiff.interp.turns import opened
from specdiff.interp.values import DType, OwnDType, Tensor, Unknown
from specdiff.intrinsics import torch_checks as checks
from specdiff.intrinsics.torch_core import (
    ShapeError,
    axis,
    broadcast,
    computed,
    constant,
    is_float,
    lazily,
    numel,
    promote,
    tensors,
)
from specdiff.intrinsics.torch_reductions import arg_extreme, extreme, maximum, reduce, softmax

Model = Callable[..., Any]
_KINDS = {
    "+": "add",
    "-": "sub",
    "*": "mul",
    "/": "div",
    "//": "floor_div",
    "%": "mod",
    "**": "pow",
    "&": "and",
    "|": "or",
    "^": "xor",
    "<<": "lshift",
    ">>": "rshift",
}
_COMPARE = ("==", "!=", "<", "<=", ">", ">=")


def _numpy_op(op: str) -> Callable[[Any, Any], Any]:
    from specdiff.interp.ops import BINARY, COMPARE  # noqa: PLC0415

    return BINARY.get(op) or COMPARE[op]


def binary(op: str) -> Model:
    """The model of an operator."""

    def model(ctx: Any, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, Unknown):
                return value
            if not isinstance(value, Tensor | int | float | complex | Dim | Ratio | list | tuple):
                raise TypeError(f"unsupported operand type(s) for {op}: 'Tensor' and '{type(value).__name__}'")
        try:
            shape = broadcast(
                left.shape if isinstance(left, Tensor) else (), right.shape if isinstance(right, Tensor) else ()
            )
        except ShapeError as error:
            _blame(error, left, right)
            raise
        if op in _COMPARE:
            return ctx.emit(
                "compare",
                tensors(left, right),
                shape,
                "bool",
                op=op,
                other=_plain(left, right),
                reflected=not isinstance(left, Tensor),
                const=lazily(lambda numpy, a, b: _numpy_op(op)(a, b), left, right),
            )
        dtype = promote(left, right)
        if op == "/" and not is_float(dtype):
            dtype = "float32"
        const = lazily(lambda numpy, a, b: _numpy_op(op)(a, b), left, right)
        return ctx.emit(
            _KINDS[op],
            tensors(left, right),
            shape,
            dtype,
            const=const,
            other=_plain(left, right),
            reflected=not isinstance(left, Tensor),
        )

    model.__name__ = f"operator {op}"
    return model


def _blame(error: ShapeError, left: Tensor, right: Tensor) -> None:
    """Name the operand that has a symbolic size where the other one has a number."""
    for index in range(1, min(len(left.shape or ()), len(right.shape or ())) + 1):
        for one, other in ((left, right), (right, left)):
            size, wanted = (one.shape or ())[-index], (other.shape or ())[-index]
            if isinstance(size, Dim) and isinstance(wanted, int) and wanted != 1:
                error.operand, error.axis, error.wanted = one, -index, wanted
                return


def _plain(left: Any, right: Any) -> Any:
    """The operand that is a number (or a symbolic size), for detectors."""
    if not isinstance(left, Tensor):
        return left
    if not isinstance(right, Tensor):
        return right
    for value in (right, left):
        const = constant(value) if value.shape == () else None
        if const is not None:
            return complex(const) if value.dtype.startswith("complex") else float(const)
    return None


def unary(kind: str, floating: bool = False, numpy_name: str = "", result: str = "") -> Model:
    """An operation on each element; ``floating`` makes integers float32, ``result`` is the format where it is always one."""

    def model(ctx: Any, input: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        if not isinstance(input, Tensor):
            raise TypeError(f"{kind}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        dtype = result or (input.dtype if is_float(input.dtype) or not floating else "float32")
        attrs = {key: value for key, value in kwargs.items() if isinstance(value, int | float | str | bool)}
        const = lazily(lambda numpy, a: getattr(numpy, numpy_name)(a), input) if numpy_name else None
        return ctx.emit(
            kind,
            (input,),
            input.shape,
            dtype,
            const=const,
            args=tuple(arg for arg in args if isinstance(arg, int | float | str | bool)),
            **attrs,
        )

    model.__name__ = kind
    return model


def cast(ctx: Any, input: Tensor, dtype: str, own: bool = False) -> Any:  # noqa: A002
    """A change of dtype; the same tensor where there is none. ``own``: to the format that another tensor has."""
    if input.dtype == dtype:
        if ctx.trace is None or not is_float(dtype):
            return input
        # Kept in the trace: the code asks for this format, whatever format the model runs in.
        return ctx.emit(
            "cast", (input,), input.shape, dtype, const=input.const, view_of=input, to=dtype, source=dtype, own=own
        )
    const = lazily(lambda numpy, a: _cast(numpy, a, dtype), input)
    return ctx.emit("cast", (input,), input.shape, dtype, const=const, to=dtype, source=input.dtype, own=own)


def _cast(numpy: Any, value: Any, dtype: str) -> Any:
    if dtype == "bool":
        return numpy.asarray(value).astype(bool)
    if dtype.startswith(("int", "uint")):
        return numpy.trunc(numpy.asarray(value, dtype=float)).astype("int64")
    return numpy.asarray(value, dtype=float) if not numpy.iscomplexobj(value) else value


def _to(ctx: Any, input: Tensor, *args: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    for arg in args:
        if isinstance(arg, DType):
            dtype = arg
        elif isinstance(arg, Tensor):
            dtype = OwnDType(arg.dtype)
    return cast(ctx, input, dtype.name, isinstance(dtype, OwnDType)) if isinstance(dtype, DType) else input


def _type(ctx: Any, input: Tensor, dtype: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    return (
        cast(ctx, input, dtype.name)
        if isinstance(dtype, DType)
        else (input if dtype is not None else f"torch.{input.dtype}")
    )


def _clamp(ctx: Any, input: Tensor, min: Any = None, max: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    low, high = (_number(value) for value in (min, max))
    const = (
        lazily(lambda numpy, a: numpy.clip(a, low, high), input)
        if not isinstance(min, Tensor) and not isinstance(max, Tensor) and (low is not None or high is not None)
        else None
    )
    return ctx.emit("clamp", tensors(input, min, max), input.shape, input.dtype, const=const, min=low, max=high)


def _number(value: Any) -> Any:
    if isinstance(value, Tensor):
        const = constant(value)
        return float(const.reshape(-1)[0]) if const is not None and const.size == 1 else None
    return value


def _where(ctx: Any, condition: Any, input: Any = None, other: Any = None, **kwargs: Any) -> Any:  # noqa: A002
    if input is None:
        found = computed(lambda numpy, a: numpy.stack(numpy.nonzero(a)), condition)
        count = fresh("nonzero") if found is None else found.shape[1]
        rank = len(condition.shape) if condition.shape is not None else 1
        return tuple(
            ctx.emit(
                "nonzero", (condition,), (count,), "int64", axis=index, const=None if found is None else found[index]
            )
            for index in range(rank)
        )
    shapes = [value.shape if isinstance(value, Tensor) else () for value in (condition, input, other)]
    shape = broadcast(broadcast(shapes[0], shapes[1]), shapes[2])
    dtype = promote(input, other) if isinstance(input, Tensor) or isinstance(other, Tensor) else "float32"
    return ctx.emit(
        "where",
        tensors(condition, input, other),
        shape,
        dtype,
        const=lazily(lambda numpy, c, a, b: numpy.where(c, a, b), condition, input, other),
        values=(
            _number(input) if not isinstance(input, Tensor) else None,
            _number(other) if not isinstance(other, Tensor) else None,
        ),
    )


def _masked_fill(ctx: Any, input: Tensor, mask: Any, value: Any = None) -> Any:  # noqa: A002
    return ctx.emit(
        "masked_fill",
        tensors(input, mask, value),
        broadcast(input.shape, mask.shape if isinstance(mask, Tensor) else ()),
        input.dtype,
        value=_number(value),
    )


def _nonzero(ctx: Any, input: Tensor, as_tuple: Any = False, **kwargs: Any) -> Any:  # noqa: A002
    if as_tuple:
        return _where(ctx, input)
    rank = len(input.shape) if input.shape is not None else 1
    found = computed(lambda numpy, a: numpy.argwhere(a), input)
    count = fresh("nonzero") if found is None else len(found)
    return ctx.emit("nonzero", (input,), (count, rank), "int64", const=found)


def _lerp(ctx: Any, input: Tensor, end: Any, weight: Any) -> Any:  # noqa: A002
    return ctx.emit("lerp", tensors(input, end, weight), broadcast(input.shape, end.shape), input.dtype)


def _with_product(operator: str) -> Model:
    """``addcmul`` and ``addcdiv``: a tensor plus ``value`` times a product or a quotient of two others."""

    def model(ctx: Any, input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:  # noqa: A002
        change = binary(operator)(ctx, tensor1, tensor2)
        return binary("+")(ctx, input, change if value == 1 else binary("*")(ctx, change, value))

    return model


def _pow(ctx: Any, input: Any, exponent: Any, **kwargs: Any) -> Any:  # noqa: A002
    return binary("**")(ctx, input, exponent)


def _of_number(ctx: Any, value: Any) -> Tensor:
    """A number as a tensor without dimensions."""
    dtype = "bool" if isinstance(value, bool) else "int64" if isinstance(value, int | Dim) else "float32"
    const = lazily(lambda numpy: numpy.asarray(value)) if isinstance(value, int | float) else None
    return ctx.emit("constant", (), (), dtype, const=const)  # type: ignore[no-any-return]


def _scaled(op: str) -> Model:
    operation = binary(op)

    def model(ctx: Any, input: Any, other: Any, *, alpha: Any = 1, rounding_mode: Any = None, **kwargs: Any) -> Any:  # noqa: A002
        if alpha != 1:
            other = binary("*")(ctx, other, alpha) if isinstance(other, Tensor) else other * alpha
        if not isinstance(input, Tensor) and not isinstance(other, Tensor):
            input = _of_number(ctx, input)  # noqa: A001 - torch takes numbers for tensors here
        if rounding_mode in ("floor", "trunc"):
            return binary("//")(ctx, input, other)
        return operation(ctx, input, other)

    model.__name__ = op
    return model


@raw
def _item(ctx: Any, input: Any, *args: Any) -> Any:  # noqa: A002
    if isinstance(input, Unknown):
        return input
    const = constant(input)
    if const is None:
        value = decided(ctx, input)
        return number_of(ctx, input) if value is None else value
    if const.size != 1:
        return number_of(ctx, input)
    return const.reshape(-1)[0].item()


def _tolist(ctx: Any, input: Tensor) -> Any:  # noqa: A002
    const = constant(input)
    if const is not None:
        return const.tolist()
    items = nested(ctx, input, MAX_LISTED)
    if items is not None:
        return items
    if input.shape:
        first = ctx.getitem(input, 0)
        element = number_of(ctx, first) if first.shape == () else _tolist(ctx, first)
        return opened(ctx, element, input.shape[0])
    return ctx.unknown("a list that depends on data")


def _numpy(ctx: Any, input: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    const = constant(input)
    return ctx.unknown("an array that depends on data") if const is None else const


def _size(ctx: Any, input: Tensor, dim: Any = None) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.unknown("the size of a tensor of unknown shape")
    return input.shape if dim is None else input.shape[axis(dim, len(input.shape))]


def _rank(ctx: Any, input: Tensor) -> Any:  # noqa: A002
    return ctx.unknown("the rank of a tensor of unknown shape") if input.shape is None else len(input.shape)


def _numel(ctx: Any, input: Tensor) -> Any:  # noqa: A002
    return ctx.unknown("the size of a tensor of unknown shape") if input.shape is None else numel(input.shape)


def _requires_grad(ctx: Any, input: Tensor, requires_grad: Any = True) -> Any:  # noqa: A002
    input.grad = bool(requires_grad)
    return input


def _clone(ctx: Any, input: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    return ctx.emit("copy", (input,), input.shape, input.dtype, const=input.const)


def _detach(ctx: Any, input: Tensor) -> Any:  # noqa: A002
    return ctx.emit("detach", (input,), input.shape, input.dtype, const=input.const)


def _cross_entropy(ctx: Any, input: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    checks.classified(input, args[0] if args else kwargs.get("target"))
    return _scalar_loss(ctx, input, *args, **kwargs)


def _scalar_loss(ctx: Any, input: Any, *args: Any, reduction: Any = "mean", **kwargs: Any) -> Any:  # noqa: A002
    target = args[0] if args else kwargs.get("target")
    shape = () if reduction != "none" else (target.shape if isinstance(target, Tensor) else None)
    return ctx.emit("loss", tensors(input, target, *args[1:], *kwargs.values()), shape, "float32", reduction=reduction)


def _binary_loss(ctx: Any, input: Any, target: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    checks.alike(input, target)
    return _scalar_loss(ctx, input, target, *args, **kwargs)


_FLOATING = {
    "exp": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "rsqrt": "",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "tanh": "tanh",
    "sigmoid": "",
    "erf": "",
    "log2": "log2",
    "log10": "log10",
    "log1p": "log1p",
    "expm1": "expm1",
    "reciprocal": "reciprocal",
    "atan": "arctan",
    "asin": "arcsin",
    "acos": "arccos",
    "sinh": "sinh",
    "cosh": "cosh",
    "exp2": "exp2",
    "lgamma": "",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "arctan": "arctan",
    "logit": "",
    "i0": "i0",
}
_SAME = {
    "abs": "abs",
    "neg": "negative",
    "ceil": "ceil",
    "floor": "floor",
    "round": "round",
    "sign": "sign",
    "trunc": "trunc",
    "square": "square",
    "bitwise_not": "invert",
    "frac": "",
    "positive": "positive",
    "nan_to_num": "nan_to_num",
    "conj": "conj",
    "angle": "angle",
    "deg2rad": "deg2rad",
    "rad2deg": "rad2deg",
    "negative": "negative",
    "absolute": "abs",
}
ACTIVATIONS = [
    "relu",
    "relu6",
    "silu",
    "gelu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "hardtanh",
    "softsign",
    "logsigmoid",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "softplus",
    "tanhshrink",
    "softshrink",
    "hardshrink",
    "threshold",
    "quick_gelu",
    "rrelu",
]

POINTWISE: dict[str, Model] = {
    **{name: unary(name, True, numpy_name) for name, numpy_name in _FLOATING.items()},
    **{name: unary(name, False, numpy_name) for name, numpy_name in _SAME.items()},
    **{name: unary(name) for name in ACTIVATIONS},
    "add": _scaled("+"),
    "sub": _scaled("-"),
    "subtract": _scaled("-"),
    "mul": _scaled("*"),
    "multiply": _scaled("*"),
    "div": _scaled("/"),
    "divide": _scaled("/"),
    "true_divide": _scaled("/"),
    "floor_divide": _scaled("//"),
    "remainder": _scaled("%"),
    "fmod": _scaled("%"),
    "pow": _pow,
    "eq": binary("=="),
    "ne": binary("!="),
    "lt": binary("<"),
    "le": binary("<="),
    "gt": binary(">"),
    "ge": binary(">="),
    "greater": binary(">"),
    "greater_equal": binary(">="),
    "less": binary("<"),
    "less_equal": binary("<="),
    "not_equal": binary("!="),
    "logical_and": binary("&"),
    "logical_or": binary("|"),
    "logical_xor": binary("^"),
    "bitwise_and": binary("&"),
    "bitwise_or": binary("|"),
    "bitwise_xor": binary("^"),
    "maximum": maximum("max"),
    "minimum": maximum("min"),
    "max": extreme("max"),
    "min": extreme("min"),
    "amax": reduce("max", "max"),
    "amin": reduce("min", "min"),
    "sum": reduce("sum", "sum"),
    "mean": reduce("mean", "mean"),
    "prod": reduce("prod", "prod"),
    "nansum": reduce("sum", "nansum"),
    "any": reduce("any", "any", "bool"),
    "all": reduce("all", "all", "bool"),
    "logsumexp": reduce("logsumexp"),
    "count_nonzero": reduce("count_nonzero", dtype_of="int64"),
    "median": extreme("median"),
    "argmax": arg_extreme("argmax"),
    "argmin": arg_extreme("argmin"),
    "softmax": softmax("softmax"),
    "log_softmax": softmax("log_softmax"),
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": lambda ctx, input, min: _clamp(ctx, input, min, None),  # noqa: A006
    "clamp_max": lambda ctx, input, max: _clamp(ctx, input, None, max),  # noqa: A006
    "where": _where,
    "masked_fill": _masked_fill,
    "nonzero": _nonzero,
    "argwhere": _nonzero,
    "lerp": _lerp,
    "addcmul": _with_product("*"),
    "addcdiv": _with_product("/"),
    **{
        name: unary(name, numpy_name=name, result="bool")
        for name in ("logical_not", "isnan", "isinf", "isfinite", "isneginf", "isposinf", "signbit")
    },
    "clone": _clone,
    "detach": _detach,
    "numel": _numel,
    "dropout": lambda ctx, input, p=0.5, training=True, inplace=False: (
        ctx.emit("dropout", (input,), input.shape, input.dtype, p=p, const=input.const)
        if training is not False and (p != 0 or ctx.detailed)
        else input
    ),
}
METHODS: dict[str, Model] = {
    "to": _to,
    "type": _type,
    "type_as": lambda ctx, input, other: cast(ctx, input, other.dtype, True),
    **{
        name: (lambda ctx, input, *args, to=to, **kwargs: cast(ctx, input, to))
        for name, to in (
            ("float", "float32"),
            ("double", "float64"),
            ("half", "float16"),
            ("bfloat16", "bfloat16"),
            ("long", "int64"),
            ("int", "int32"),
            ("bool", "bool"),
            ("short", "int16"),
            ("byte", "uint8"),
        )
    },
    "item": _item,
    "tolist": _tolist,
    "numpy": _numpy,
    "size": _size,
    "dim": _rank,
    "ndimension": _rank,
    "numel": _numel,
    "nelement": _numel,
    "requires_grad_": _requires_grad,
    "stride": lambda ctx, input, *args: ctx.unknown("the stride of a tensor"),
    "data_ptr": lambda ctx, input: ctx.unknown("the address of a tensor"),
    "element_size": lambda ctx, input: DType(input.dtype).itemsize,
    "is_floating_point": lambda ctx, input: is_float(input.dtype) and not input.dtype.startswith("complex"),
    "is_complex": lambda ctx, input: input.dtype.startswith("complex"),
    "is_contiguous": lambda ctx, input, **kwargs: True,
    "get_device": lambda ctx, input: 0,
    **{
        name: (lambda ctx, input, *args, **kwargs: input)
        for name in (
            "cpu",
            "cuda",
            "pin_memory",
            "share_memory_",
            "retain_grad",
            "coalesce",
            "resolve_conj",
            "to_dense",
            "record_stream",
            "detach_",
            "requires_grad",
        )
    },
    "register_hook": lambda ctx, input, hook: None,
    "backward": lambda ctx, input, *args, **kwargs: None,
}
LOSSES = [
    "cross_entropy",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "nll_loss",
    "kl_div",
    "soft_margin_loss",
    "multilabel_soft_margin_loss",
    "poisson_nll_loss",
    "ctc_loss",
    "cosine_embedding_loss",
    "margin_ranking_loss",
    "triplet_margin_loss",
    "hinge_embedding_loss",
    "gaussian_nll_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
]
FUNCTIONS: dict[str, Model] = {
    "torch.is_tensor": lambda ctx, value: isinstance(value, Tensor),
    "torch.is_floating_point": METHODS["is_floating_point"],
    "torch.is_complex": METHODS["is_complex"],
    **{f"torch.nn.functional.{name}": _scalar_loss for name in LOSSES},
    "torch.nn.functional.cross_entropy": _cross_entropy,
    "torch.nn.functional.nll_loss": _cross_entropy,
    "torch.nn.functional.binary_cross_entropy": _binary_loss,
    "torch.nn.functional.binary_cross_entropy_with_logits": _binary_loss,
}
