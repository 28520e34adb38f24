"""All native models of torch, in the tables that the interpreter looks them up in.

Kinds of operations: `linear matmul einsum add sub mul div floor_div mod pow neg cast compare where masked_fill
clamp softmax log_softmax sigmoid tanh relu gelu silu … (each activation under its own name) reduce topk sort
cat stack split slice index setitem view reshape permute transpose unsqueeze squeeze expand repeat
repeat_interleave gather scatter index_add one_hot embedding layer_norm rms_norm group_norm batch_norm conv pool
interpolate sdpa dropout mask constant random parameter buffer input copy detach join overwrite outside`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.values import Device, DType, OwnDType, Tensor
from specdiff.intrinsics import torch_checks as checks
from specdiff.intrinsics import (
    torch_factories,
    torch_linear,
    torch_modules,
    torch_pointwise,
    torch_rare,
    torch_shapes,
    torch_vmap,
)
from specdiff.intrinsics.torch_core import is_float, sizes

Model = Callable[..., Any]
_BOTH: dict[str, Model] = {**torch_pointwise.POINTWISE, **torch_shapes.SHAPES, **torch_linear.BOTH, **torch_rare.BOTH}
_FUNCTIONAL = (*torch_pointwise.ACTIVATIONS, "softmax", "log_softmax", "dropout", "sigmoid", "tanh")


def _copied(ctx: Any, input: Tensor, source: Any) -> Any:  # noqa: A002
    checks.item(input.shape, source)
    const = source.const if isinstance(source, Tensor) else None
    return ctx.emit("copy", (source,), input.shape, input.dtype, const=const)


_INPLACE_ONLY: dict[str, Model] = {
    "copy_": lambda ctx, input, source, *args, **kwargs: _copied(ctx, input, source),
    "fill_": lambda ctx, input, value=0: ctx.emit(
        "constant", (), input.shape, input.dtype, fill=value if not isinstance(value, Tensor) else None
    ),
    "zero_": lambda ctx, input: ctx.emit("constant", (), input.shape, input.dtype, fill=0),
    **{
        name: (lambda ctx, input, *args, **kwargs: ctx.emit("random", (), input.shape, input.dtype))
        for name in (
            "normal_",
            "uniform_",
            "random_",
            "exponential_",
            "bernoulli_",
            "trunc_normal_",
            "log_normal_",
            "cauchy_",
            "geometric_",
        )
    },
    "index_put_": lambda ctx, input, indices, values, accumulate=False: ctx.emit(
        "scatter",
        (input, *[i for i in indices if isinstance(i, Tensor)], *([values] if isinstance(values, Tensor) else [])),
        input.shape,
        input.dtype,
    ),
    "scatter_reduce_": torch_shapes.SHAPES["scatter_reduce"],
    "scatter_add_": torch_shapes.SHAPES["scatter_add"],
}


def _inplace(name: str, function: Model) -> Model:
    def model(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        result = function(ctx, input, *args, **kwargs)
        if isinstance(result, Tensor):
            checks.in_place(input, result.shape)
        return ctx.write(input, result) if isinstance(result, Tensor) and result is not input else input

    model.__name__ = name
    return model


def _in_its_place(function: Model) -> Model:
    """An operator whose result goes back to its first operand (``+=``)."""

    def model(ctx: Any, left: Tensor, right: Any) -> Any:
        result = function(ctx, left, right)
        if isinstance(result, Tensor):
            checks.in_place(left, result.shape)
        return result

    return model


def _resized(ctx: Any, input: Tensor, *size: Any, **kwargs: Any) -> Any:  # noqa: A002
    return ctx.emit("resize", (input,), sizes(size, "resize_"), input.dtype)


def _forming(name: str, function: Model) -> Model:
    """An operation in place that gives its tensor another form."""

    def model(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        return ctx.reform(input, function(ctx, input, *args, **kwargs))

    model.__name__ = name
    return model


_FORMING: dict[str, Model] = {
    **{
        f"{name}_": _BOTH[name]
        for name in ("as_strided", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unsqueeze")
    },
    "resize_": _resized,
    "resize_as_": lambda ctx, input, other, **kwargs: ctx.emit("resize", (input,), other.shape, input.dtype),
}
_NOT_INPLACE = frozenset({"max", "min", "sort", "topk", "split", "chunk", "unbind", "unique", "numel", "reshape"})
TENSOR_METHODS: dict[str, Model] = {
    **_BOTH,
    **torch_pointwise.METHODS,
    **torch_shapes.METHODS,
    **torch_factories.METHODS,
    **{f"{name}_": _inplace(f"{name}_", function) for name, function in _BOTH.items() if name not in _NOT_INPLACE},
    **{name: _inplace(name, function) for name, function in _INPLACE_ONLY.items()},
    **{name: _forming(name, function) for name, function in _FORMING.items()},
    "square_": _inplace("square_", _BOTH["square"]),
    "where": lambda ctx, input, condition, other: _BOTH["where"](ctx, condition, input, other),
    "masked_fill_": _inplace("masked_fill_", _BOTH["masked_fill"]),
    "new": lambda ctx, input, *args: torch_factories.METHODS["new_empty"](ctx, input, *args),
}
FUNCTIONS: dict[str, Model] = {
    **{f"torch.{name}": function for name, function in _BOTH.items()},
    **{
        f"torch.{name}_": TENSOR_METHODS[f"{name}_"]
        for name in ("relu", "sigmoid", "tanh", "exp", "clamp", "neg", "dropout")
    },
    **{f"torch.nn.functional.{name}": _BOTH[name] for name in _FUNCTIONAL},
    **{
        f"torch.nn.functional.{name}": (
            lambda ctx, input, p=0.5, training=True, inplace=False: _BOTH["dropout"](ctx, input, p, training)
        )
        for name in ("dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
    },
    "torch.nn.functional.relu_": TENSOR_METHODS["relu_"],
    **torch_factories.FUNCTIONS,
    **torch_modules.FUNCTIONS,
    **torch_pointwise.FUNCTIONS,
    **torch_shapes.FUNCTIONS,
    **torch_linear.FUNCTIONS,
    **torch_rare.FUNCTIONS,
    **torch_vmap.FUNCTIONS,
}
for _name in ("rsub",):
    FUNCTIONS[f"torch.{_name}"] = lambda ctx, input, other, **kwargs: torch_pointwise.binary("-")(ctx, other, input)
for _name in ("add", "mul", "sub", "div", "where", "max", "min"):
    FUNCTIONS.setdefault(f"torch.{_name}", _BOTH[_name])

CONSTANTS: dict[str, Any] = torch_factories.CONSTANTS
TENSOR_ATTRIBUTES: dict[str, Model] = {
    "shape": lambda ctx, tensor: (
        ctx.unknown("the shape of this tensor is not known") if tensor.shape is None else tensor.shape
    ),
    "dtype": lambda ctx, tensor: OwnDType(tensor.dtype),
    "device": lambda ctx, tensor: Device(tensor.device),
    "ndim": torch_pointwise.METHODS["dim"],
    "T": torch_shapes.transposed,
    "H": torch_shapes.transposed,
    "mT": lambda ctx, tensor: torch_shapes.SHAPES["transpose"](ctx, tensor, -1, -2),
    "mH": lambda ctx, tensor: torch_shapes.SHAPES["transpose"](ctx, tensor, -1, -2),
    "data": lambda ctx, tensor: tensor,
    "grad": lambda ctx, tensor: None,
    "grad_fn": lambda ctx, tensor: None,
    "requires_grad": lambda ctx, tensor: tensor.grad,
    "is_cuda": lambda ctx, tensor: False,
    "is_cpu": lambda ctx, tensor: True,
    "is_mps": lambda ctx, tensor: False,
    "is_meta": lambda ctx, tensor: False,
    "is_sparse": lambda ctx, tensor: False,
    "is_quantized": lambda ctx, tensor: False,
    "is_leaf": lambda ctx, tensor: True,
    "is_nested": lambda ctx, tensor: False,
    "layout": lambda ctx, tensor: "strided",
    "real": torch_shapes.SHAPES["real"],
    "imag": torch_shapes.SHAPES["imag"],
    "itemsize": lambda ctx, tensor: DType(tensor.dtype).itemsize,
    "names": lambda ctx, tensor: (None,) * len(tensor.shape or ()),
}
_OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=")
TENSOR_BINARY: dict[str, Model] = {op: torch_pointwise.binary(op) for op in _OPERATORS}
TENSOR_BINARY["@"] = torch_linear.matmul
TENSOR_INPLACE: dict[str, Model] = {op: _in_its_place(function) for op, function in TENSOR_BINARY.items()}
TENSOR_UNARY: dict[str, Model] = {
    "-": _BOTH["neg"],
    "+": lambda ctx, tensor: tensor,
    "~": lambda ctx, tensor: _BOTH["logical_not" if tensor.dtype == "bool" else "bitwise_not"](ctx, tensor),
}
getitem = torch_shapes.getitem
setitem = torch_shapes.setitem
__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "TENSOR_ATTRIBUTES",
    "TENSOR_BINARY",
    "TENSOR_INPLACE",
    "TENSOR_METHODS",
    "TENSOR_UNARY",
    "getitem",
    "is_float",
    "setitem",
]
