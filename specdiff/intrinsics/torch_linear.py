"""Products, normalisation, embedding, attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim, fresh
from specdiff.interp.values import Tensor, Unknown
from specdiff.intrinsics import torch_checks as checks
from specdiff.intrinsics import torch_conv
from specdiff.intrinsics.torch_conv import per_axis
from specdiff.intrinsics.torch_core import (
    ShapeError,
    apart,
    axis,
    broadcast,
    constant,
    dtype_name,
    lazily,
    of,
    promote,
    same,
    tensors,
)
from specdiff.intrinsics.torch_pointwise import unary
from specdiff.intrinsics.torch_shapes import SHAPES

Model = Callable[..., Any]


def _linear(ctx: Any, input: Tensor, weight: Tensor, bias: Any = None) -> Any:  # noqa: A002
    input, weight = of(input), of(weight)  # noqa: A001
    shape = None
    if input.shape is not None and weight.shape is not None and len(weight.shape) == 2:
        if input.shape and same(input.shape[-1], weight.shape[1]) is False:
            rows = "x".join(str(size) for size in input.shape[-2:])
            raise ShapeError(
                "matmul",
                f"mat1 and mat2 shapes cannot be multiplied ({rows} and {weight.shape[1]}x{weight.shape[0]})",
                input,
                -1,
                weight.shape[1],
            )
        shape = (*input.shape[:-1], weight.shape[0])
        if isinstance(bias, Tensor) and bias.shape is not None:
            checks.fits(bias.shape, shape)
    elif input.shape and weight.shape is not None and len(weight.shape) == 1:
        shape = input.shape[:-1]
    return ctx.emit("linear", tensors(input, weight, bias), shape, input.dtype, bias=isinstance(bias, Tensor))


def matmul(ctx: Any, input: Any, other: Any) -> Any:  # noqa: A002
    """``torch.matmul`` and ``@``."""
    input, other = of(input), of(other)  # noqa: A001
    a, b = input.shape, other.shape
    if a is None or b is None:
        return ctx.emit("matmul", (input, other), None, input.dtype)
    if not a or not b:
        raise ShapeError("matmul", "both arguments to matmul need to be at least 1D, but they are 0D and 0D")
    inner, outer = a[-1], b[-2] if len(b) > 1 else b[-1]
    if same(inner, outer) is False:
        left = f"{a[-2] if len(a) > 1 else 1}x{a[-1]}"
        right = f"{outer}x{b[-1] if len(b) > 1 else 1}"
        message = f"mat1 and mat2 shapes cannot be multiplied ({left} and {right})"
        raise ShapeError("matmul", message, input, -1, outer)
    batch = broadcast(a[:-2], b[:-2]) or ()
    shape = (*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))
    return ctx.emit("matmul", (input, other), shape, input.dtype, const=lazily(lambda numpy, x, y: x @ y, input, other))


def _addmm(ctx: Any, input: Any, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1, **kwargs: Any) -> Any:  # noqa: A002
    return _added(ctx, input, _mm(ctx, mat1, mat2), beta, alpha)


def _added(ctx: Any, bias: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """beta·bias + alpha·product."""
    if isinstance(bias, Tensor):
        checks.fits(bias.shape, product.shape)
        bias = _times(ctx, bias, beta)
    return ctx.emit("add", tensors(_times(ctx, product, alpha), bias), product.shape, product.dtype, other=None)


def _times(ctx: Any, value: Tensor, factor: Any) -> Any:
    """A value times a number, which may stand in a tensor without dimensions."""
    const = constant(factor)
    if const is None:
        return ctx.emit("mul", (value, factor), value.shape, value.dtype)
    number = const.reshape(-1)[0].item() if isinstance(factor, Tensor) else const
    return value if number == 1 else ctx.emit("mul", (value,), value.shape, value.dtype, other=number)


def _einsum(ctx: Any, equation: Any, *operands: Any) -> Any:
    items = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], list | tuple) else list(operands)
    lost = next((item for item in items if isinstance(item, Unknown)), None)
    if lost is not None:
        return lost
    text = str(equation).replace(" ", "")
    left, arrow, right = text.partition("->")
    known: dict[str, Any] = {}
    rest: tuple[Any, ...] | None = ()
    for letters, item in zip(left.split(","), items, strict=False):
        if item.shape is None:
            return ctx.emit("einsum", tuple(items), None, items[0].dtype, equation=text)
        before, dots, after = letters.partition("...")
        if len(before) + len(after) > len(item.shape) or (not dots and len(before) != len(item.shape)):
            raise ShapeError(
                "matmul",
                f"einsum(): the number of subscripts in the equation ({len(before) + len(after)}) does not match the"
                f" number of dimensions ({len(item.shape)}) of an operand of shape {list(item.shape)}",
            )
        for letter, size in zip(before, item.shape, strict=False):
            _meet(known, letter, size, text)
        if after:
            for letter, size in zip(after, item.shape[-len(after) :], strict=True):
                _meet(known, letter, size, text)
        if dots:
            middle = item.shape[len(before) : len(item.shape) - len(after)]
            rest = broadcast(rest, middle)
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        right = ("..." if "..." in left else "") + "".join(
            sorted(letter for letter in set(letters) if letters.count(letter) == 1)
        )
    shape: list[Any] = []
    index = 0
    while index < len(right):
        if right.startswith("...", index):
            shape.extend(rest or ())
            index += 3
        else:
            shape.append(known.get(right[index], fresh("size")))
            index += 1
    return ctx.emit(
        "einsum",
        tuple(items),
        tuple(shape),
        items[0].dtype,
        equation=text,
        const=lazily(lambda numpy, *parts: numpy.einsum(text, *parts), *items),
    )


def _meet(known: dict[str, Any], letter: str, size: Any, text: str) -> None:
    other = known.setdefault(letter, size)
    if apart(other, size) and 1 not in (other, size):
        raise ShapeError(
            "matmul",
            f"einsum(): subscript {letter} has size {size} for operand which does not broadcast with previously seen size {other}",
        )
    if isinstance(size, int) and size != 1:
        known[letter] = size


def _outer(ctx: Any, input: Tensor, vec2: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    shape = (*(input.shape or ()), *(vec2.shape or ()))
    return ctx.emit(
        "outer",
        (input, vec2),
        shape,
        promote(input, vec2),
        const=lazily(lambda numpy, a, b: numpy.outer(a, b), input, vec2),
    )


def _norm(kind: str) -> Model:
    names = {
        "layer_norm": ("normalized_shape", "weight", "bias", "eps"),
        "rms_norm": ("normalized_shape", "weight", "eps"),
        "group_norm": ("num_groups", "weight", "bias", "eps"),
        "batch_norm": ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
        "instance_norm": ("running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps"),
    }[kind]

    def model(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        bound = dict(zip(names, args, strict=False)) | kwargs
        input = of(input)  # noqa: A001
        shape = bound.get("normalized_shape")
        if shape is not None and input.shape is not None:
            wanted = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
            for at, (own, want) in enumerate(zip(input.shape[-len(wanted) :], wanted, strict=False)):
                if same(own, want) is False:
                    raise ShapeError(
                        "norm",
                        f"Given normalized_shape={list(wanted)}, expected input with shape [*, {', '.join(map(str, wanted))}], but got input of size{list(input.shape)}",
                        input,
                        at - len(wanted),
                        want,
                    )
        if input.shape is not None:
            checks.norm(kind, input.shape, bound)
        default = {"layer_norm": 1e-5, "group_norm": 1e-5, "batch_norm": 1e-5, "instance_norm": 1e-5}.get(kind)
        return ctx.emit(
            kind,
            tensors(input, bound.get("weight"), bound.get("bias")),
            input.shape,
            input.dtype,
            eps=bound.get("eps", default),
            affine=isinstance(bound.get("weight"), Tensor),
            bias=isinstance(bound.get("bias"), Tensor),
        )

    model.__name__ = kind
    return model


def _embedding(ctx: Any, input: Tensor, weight: Tensor, padding_idx: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
    input, weight = of(input), of(weight)  # noqa: A001
    checks.rank("embedding", "'weight'", weight, 2)
    if input.dtype.startswith(("float", "bfloat", "complex")):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            f"but got {input.dtype} instead (while checking arguments for embedding)"
        )
    shape = None if input.shape is None or weight.shape is None else (*input.shape, weight.shape[-1])
    return ctx.emit("embedding", (input, weight), shape, weight.dtype)


def _sdpa(
    ctx: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: Any = 0.0,
    is_causal: Any = False,
    scale: Any = None,
    enable_gqa: Any = False,
    **kwargs: Any,
) -> Any:
    checks.attention(query, key, value, attn_mask, enable_gqa is True)
    shape = None if query.shape is None or value.shape is None else (*query.shape[:-1], value.shape[-1])
    return ctx.emit(
        "sdpa",
        tensors(query, key, value, attn_mask),
        shape,
        query.dtype,
        scale=scale,
        causal=is_causal is True,
        gqa=enable_gqa is True,
    )


def _interpolate(
    ctx: Any,
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: Any = "nearest",
    *args: Any,
    **kwargs: Any,
) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("interpolate", (input,), None, input.dtype)
    n = len(input.shape) - 2
    if size is not None:
        sizes = tuple(per_axis(size, n))
    else:
        factors = per_axis(scale_factor, n)
        sizes = tuple(
            (
                int(own * factor)
                if isinstance(own, int)
                else own * int(factor)
                if float(factor).is_integer()
                else fresh("size")
            )
            if isinstance(factor, int | float)
            else fresh("size")
            for own, factor in zip(input.shape[2:], factors, strict=True)
        )
    return ctx.emit("interpolate", (input,), (*input.shape[:2], *sizes), input.dtype, mode=mode)


def _glu(ctx: Any, input: Tensor, dim: Any = -1) -> Any:  # noqa: A002
    size = input.shape[axis(dim, len(input.shape))] if input.shape else None
    if isinstance(size, int) and size % 2:
        raise ShapeError("split", f"Halving dimension must be even, but dimension {dim} is size {size}")
    first, second = SHAPES["chunk"](ctx, input, 2, dim)
    gate = ctx.emit("sigmoid", (second,), second.shape, second.dtype)
    return ctx.emit("mul", (first, gate), first.shape, first.dtype, other=None)


def _shuffle(up: bool) -> Model:
    def model(ctx: Any, input: Tensor, factor: Any) -> Any:  # noqa: A002
        if input.shape is None:
            return ctx.emit("pixel_shuffle", (input,), None, input.dtype)
        *batch, c, h, w = input.shape
        parts = ((c, factor * factor),) if up else ((h, factor), (w, factor))
        if any(isinstance(size, int) and isinstance(by, int) and size % by for size, by in parts):
            raise ShapeError("view", f"pixel_shuffle: {list(input.shape)} cannot be divided by the factor {factor}")
        shape = (
            (*batch, c // (factor * factor), h * factor, w * factor)
            if up
            else (*batch, c * factor * factor, h // factor, w // factor)
        )
        return ctx.emit("pixel_shuffle", (input,), shape, input.dtype)

    return model


def _spread(name: str) -> Model:
    def model(ctx: Any, input: Tensor, dim: Any = None, *args: Any, keepdim: Any = False, **kwargs: Any) -> Any:  # noqa: A002
        from specdiff.intrinsics.torch_reductions import reduce  # noqa: PLC0415

        return reduce(name)(ctx, input, dim if not isinstance(dim, bool) else None, keepdim)

    return model


def _vector_norm(
    ctx: Any, input: Tensor, p: Any = 2, dim: Any = None, keepdim: Any = False, dtype: Any = None, **kwargs: Any
) -> Any:  # noqa: A002
    from specdiff.intrinsics.torch_reductions import reduce  # noqa: PLC0415

    euclidean = p in (None, 2, "fro") if isinstance(p, int | float | str | None) else False
    return reduce("norm" if euclidean else "norm_p")(ctx, input, dim, keepdim)


def _linalg_norm(ctx: Any, A: Tensor, ord: Any = None, dim: Any = None, keepdim: Any = False, **kwargs: Any) -> Any:  # noqa: A002, N803
    return _vector_norm(ctx, A, ord, dim, keepdim)


def _var_mean(ctx: Any, input: Tensor, dim: Any = None, keepdim: Any = False, **kwargs: Any) -> Any:  # noqa: A002
    return _spread("var")(ctx, input, dim, keepdim=keepdim), _spread("mean")(ctx, input, dim, keepdim=keepdim)


def _normalize(ctx: Any, input: Tensor, p: Any = 2.0, dim: Any = 1, eps: Any = 1e-12, **kwargs: Any) -> Any:  # noqa: A002
    return ctx.emit("normalize", (input,), input.shape, input.dtype, p=p, dim=dim, eps=eps)


def _cosine(ctx: Any, x1: Tensor, x2: Tensor, dim: Any = 1, eps: Any = 1e-8) -> Any:
    shape = broadcast(x1.shape, x2.shape)
    if shape is not None:
        dropped = dim % len(shape)
        shape = tuple(size for index, size in enumerate(shape) if index != dropped)
    return ctx.emit("cosine_similarity", (x1, x2), shape, x1.dtype)


def _grid_sample(ctx: Any, input: Tensor, grid: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    shape = None if input.shape is None or grid.shape is None else (*input.shape[:2], *grid.shape[1:-1])
    return ctx.emit("grid_sample", (input, grid), shape, input.dtype)


def _image_unfold(
    ctx: Any, input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:  # noqa: A002
    if input.shape is None:
        return ctx.emit("unfold", (input,), None, input.dtype)
    k, d, p, s = (per_axis(value, 2) for value in (kernel_size, dilation, padding, stride))
    count: Any = 1
    for index in range(2):
        count = count * ((input.shape[-2 + index] + 2 * p[index] - d[index] * (k[index] - 1) - 1) // s[index] + 1)
    return ctx.emit("unfold", (input,), (input.shape[0], input.shape[1] * k[0] * k[1], count), input.dtype)


def _opaque(kind: str, dtype: str = "") -> Model:
    """An operation whose output shape is not modelled."""

    def model(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        inputs = tensors(*args, *kwargs.values())
        return ctx.emit(kind, inputs, None, dtype or (inputs[0].dtype if inputs else "float32"))

    model.__name__ = kind
    return model


def _weight_norm(ctx: Any, v: Tensor, g: Tensor, dim: Any = 0) -> Any:
    return ctx.emit("weight_norm", (v, g), v.shape, v.dtype)


def _prelu(ctx: Any, input: Tensor, weight: Tensor) -> Any:  # noqa: A002
    return ctx.emit("prelu", (input, weight), input.shape, input.dtype)


def _bmm(ctx: Any, input: Tensor, mat2: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    checks.batched(input, mat2)
    return matmul(ctx, input, mat2)


def _mm(ctx: Any, input: Tensor, mat2: Tensor, **kwargs: Any) -> Any:  # noqa: A002
    checks.rank("matmul", "self", input, 2)
    checks.rank("matmul", "mat2", mat2, 2)
    return matmul(ctx, input, mat2)


def _baddbmm(ctx: Any, input: Any, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1, **_: Any) -> Any:  # noqa: A002
    return _added(ctx, input, _bmm(ctx, batch1, batch2), beta, alpha)


BOTH: dict[str, Model] = {
    "matmul": matmul,
    "mm": _mm,
    "bmm": _bmm,
    "mv": matmul,
    "dot": matmul,
    "addmm": _addmm,
    "baddbmm": _baddbmm,
    "outer": _outer,
    "ger": _outer,
    "norm": _vector_norm,
    "std": _spread("std"),
    "var": _spread("var"),
    "inverse": unary("inverse"),
    "renorm": unary("renorm"),
    "multinomial": lambda ctx, input, num_samples, replacement=False, **kwargs: ctx.emit(
        "random", (input,), None if input.shape is None else (*input.shape[:-1], num_samples), "int64"
    ),
    "bernoulli": unary("random"),
    "histc": lambda ctx, input, bins=100, **kwargs: ctx.emit("histc", (input,), (bins,), input.dtype),
    "isin": lambda ctx, elements, test_elements, **kwargs: ctx.emit(
        "compare",
        tensors(elements, test_elements),
        elements.shape if isinstance(elements, Tensor) else (),
        "bool",
        op="in",
    ),
    "isclose": lambda ctx, input, other, **kwargs: ctx.emit(
        "compare", (input, other), broadcast(input.shape, other.shape), "bool", op="isclose"
    ),
    "istft": _opaque("istft"),
}
FUNCTIONS: dict[str, Model] = {
    "torch.nn.functional.linear": _linear,
    "torch.nn.functional.embedding": _embedding,
    "torch.nn.functional.scaled_dot_product_attention": _sdpa,
    "torch.nn.functional.interpolate": _interpolate,
    "torch.nn.functional.upsample": _interpolate,
    "torch.nn.functional.glu": _glu,
    "torch.nn.functional.pixel_shuffle": _shuffle(True),
    "torch.nn.functional.pixel_unshuffle": _shuffle(False),
    "torch.nn.functional.channel_shuffle": unary("channel_shuffle"),
    "torch.nn.functional.normalize": _normalize,
    "torch.nn.functional.cosine_similarity": _cosine,
    "torch.cosine_similarity": _cosine,
    "torch.nn.functional.grid_sample": _grid_sample,
    "torch.nn.functional.unfold": _image_unfold,
    "torch.nn.functional.prelu": _prelu,
    "torch.nn.functional.gumbel_softmax": lambda ctx, logits, *args, **kwargs: ctx.emit(
        "softmax", (logits,), logits.shape, logits.dtype, dim=kwargs.get("dim", -1), computed_in=logits.dtype
    ),
    "torch.nn.functional.softmin": unary("softmin"),
    "torch.nn.functional.local_response_norm": unary("local_response_norm"),
    "torch.nn.functional.grouped_mm": _opaque("grouped_mm"),
    "torch._grouped_mm": _opaque("grouped_mm"),
    **{
        f"torch.nn.functional.{kind}": _norm(kind)
        for kind in ("layer_norm", "rms_norm", "group_norm", "batch_norm", "instance_norm")
    },
    **{f"torch.{kind}": _norm(kind) for kind in ("layer_norm", "rms_norm", "group_norm", "batch_norm")},
    **torch_conv.FUNCTIONS,
    "torch.einsum": _einsum,
    "torch.var_mean": _var_mean,
    "torch.std_mean": _var_mean,
    "torch.linalg.norm": _linalg_norm,
    "torch.linalg.vector_norm": _linalg_norm,
    **{f"torch.linalg.{name}": _opaque(f"linalg_{name}") for name in ("svd", "qr", "lstsq")},
    "torch.fft.fftfreq": lambda ctx, n, d=1.0, **kwargs: ctx.emit("constant", (), (n,), "float32"),
    "torch.fft.rfftfreq": lambda ctx, n, d=1.0, **kwargs: ctx.emit("constant", (), (n // 2 + 1,), "float32"),
    "torch._weight_norm": _weight_norm,
    "torch.clamp_": unary("clamp"),
    "torch.special.expit": unary("sigmoid", True),
    "torch.special.logit": unary("logit", True),
    "torch.result_type": lambda ctx, *args: args[0],
}
__all__ = ["BOTH", "FUNCTIONS", "Dim", "dtype_name", "matmul"]
