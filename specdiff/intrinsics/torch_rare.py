"""Functions that few models call."""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, inf, nan, sqrt
from statistics import NormalDist
from typing import Any

from specdiff.interp.dims import fresh
from specdiff.interp.values import Tensor, Unknown
from specdiff.intrinsics.torch_core import (
    ShapeError,
    apart,
    axis,
    broadcast,
    computed,
    dtype_name,
    is_float,
    lazily,
    promote,
    sizes,
    tensors,
)
from specdiff.intrinsics.torch_pointwise import binary, unary
from specdiff.intrinsics.torch_reductions import ValuesIndices

Model = Callable[..., Any]


def _scalar_tensor(ctx: Any, s: Any, *, dtype: Any = None, **kwargs: Any) -> Any:
    const = lazily(lambda numpy, value: numpy.asarray(value), s)
    return ctx.emit("constant", (), (), dtype_name(dtype, "float32"), const=const, fill=s if const else None)


def _xlogy(ctx: Any, input: Any, other: Any, **kwargs: Any) -> Any:
    shapes = [value.shape if isinstance(value, Tensor) else () for value in (input, other)]
    return ctx.emit("xlogy", tensors(input, other), broadcast(*shapes), promote(input, other))


def _with_products(operator: str) -> Model:
    """``addcmul`` and ``addcdiv``: a product or quotient of two tensors, times a number, on top of a third."""

    def model(ctx: Any, input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1, **kwargs: Any) -> Any:  # noqa: A002
        made = binary(operator)(ctx, tensor1, tensor2)
        if not isinstance(value, int | float) or value != 1:
            made = binary("*")(ctx, made, value)
        return binary("+")(ctx, input, made)

    return model


def _erfinv(ctx: Any, input: Tensor, **kwargs: Any) -> Any:
    def inverse(numpy: Any, value: Any) -> Any:
        """The quantile of the normal distribution, on another scale; torch's infinities and NaN outside of it."""
        quantile, root = NormalDist().inv_cdf, sqrt(2)

        def one(x: float) -> float:
            return quantile((x + 1) / 2) / root if abs(x) < 1 else copysign(inf, x) if abs(x) == 1 else nan

        return numpy.asarray([one(float(x)) for x in value.reshape(-1)]).reshape(value.shape)

    dtype = input.dtype if is_float(input.dtype) else "float32"
    return ctx.emit("erfinv", (input,), input.shape, dtype, const=lazily(inverse, input), args=())


def _randint_like(ctx: Any, input: Tensor, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
    return ctx.emit("random", (), input.shape, dtype_name(dtype, input.dtype))


def _running(name: str) -> Model:
    """``cummax`` and ``cummin``: running values and where they stand."""

    def model(ctx: Any, input: Tensor, dim: Any = -1, **kwargs: Any) -> Any:
        values = ctx.emit(name, (input,), input.shape, input.dtype, output="values")
        return ValuesIndices((values, ctx.emit(name, (input,), input.shape, "int64", output="indices")))

    model.__name__ = name
    return model


def _alike(ctx: Any, input: Tensor, other: Tensor, *args: Any, **kwargs: Any) -> Any:
    """``equal`` and ``allclose``: a Python bool where the data are known or the shapes differ."""
    if input.shape is not None and other.shape is not None and len(input.shape) != len(other.shape):
        return False
    answer = computed(lambda numpy, a, b: numpy.allclose(a, b), input, other)
    return ctx.unknown("whether two tensors hold the same data") if answer is None else bool(answer)


def _solve_triangular(ctx: Any, A: Tensor, B: Tensor, *, left: Any = True, **kwargs: Any) -> Any:  # noqa: N803
    shape = B.shape
    if A.shape is not None and B.shape is not None:
        shape = (*(broadcast(A.shape[:-2], B.shape[:-2]) or ()), *B.shape[-2:])
    return ctx.emit("solve_triangular", (A, B), shape, B.dtype)


def _unravel_index(ctx: Any, indices: Tensor, shape: Any) -> Any:
    return tuple(
        ctx.emit(
            "unravel_index",
            (indices,),
            indices.shape,
            "int64",
            output=index,
            const=lazily(lambda numpy, a, i=index: numpy.unravel_index(a.astype("int64"), shape)[i], indices),
        )
        for index in range(len(shape))
    )


def _embedding_bag(ctx: Any, input: Tensor, weight: Tensor, offsets: Any = None, **kwargs: Any) -> Any:
    if input.shape is None or weight.shape is None:
        return ctx.emit("embedding", (input, weight), None, weight.dtype)
    count = offsets.shape[0] if isinstance(offsets, Tensor) and offsets.shape else input.shape[0]
    return ctx.emit("embedding", tensors(input, weight, offsets), (count, weight.shape[-1]), weight.dtype)


def _as_strided(ctx: Any, input: Tensor, size: Any, stride: Any, storage_offset: Any = None) -> Any:
    shape = tuple(fresh("size") if isinstance(item, Unknown) else item for item in sizes((size,), "as_strided"))
    return ctx.emit("as_strided", (input,), shape, input.dtype, view_of=input)


def _trace(ctx: Any, input: Tensor) -> Any:
    return ctx.emit("reduce", (input,), (), input.dtype, which="trace", dims=(-2, -1), keepdim=False)


def _kthvalue(ctx: Any, input: Tensor, k: Any, dim: Any = -1, keepdim: Any = False) -> Any:
    shape = None
    if input.shape is not None:
        where = axis(dim, len(input.shape))
        kept = (1,) if keepdim else ()
        shape = (*input.shape[:where], *kept, *input.shape[where + 1 :])
    values = ctx.emit("topk", (input,), shape, input.dtype, k=k, dim=dim, output="values")
    return ValuesIndices((values, ctx.emit("topk", (input,), shape, "int64", k=k, dim=dim, output="indices")))


def _quantile(ctx: Any, input: Tensor, q: Any, dim: Any = None, keepdim: Any = False, **kwargs: Any) -> Any:
    ahead = q.shape if isinstance(q, Tensor) and q.shape else ()
    if dim is None:
        return ctx.emit("quantile", tensors(input, q), ahead, input.dtype)
    shape = None
    if input.shape is not None:
        where = axis(dim, len(input.shape))
        shape = (*ahead, *input.shape[:where], *((1,) if keepdim else ()), *input.shape[where + 1 :])
    return ctx.emit("quantile", tensors(input, q), shape, input.dtype)


def _bilinear(ctx: Any, input1: Tensor, input2: Tensor, weight: Tensor, bias: Any = None) -> Any:
    shape = None if input1.shape is None or weight.shape is None else (*input1.shape[:-1], weight.shape[0])
    return ctx.emit("bilinear", tensors(input1, input2, weight, bias), shape, input1.dtype)


def _transformed(name: str, inverse_to_real: bool = False, real: bool = False) -> Model:
    """One-dimensional Fourier transforms."""

    def model(ctx: Any, input: Tensor, n: Any = None, dim: Any = -1, norm: Any = None, **kwargs: Any) -> Any:
        dtype = "float32" if inverse_to_real else "complex64"
        if input.shape is None:
            return ctx.emit(f"fft_{name}", (input,), None, dtype)
        where = axis(dim, len(input.shape))
        size = input.shape[where] if n is None else n
        if real:
            size = size // 2 + 1
        elif inverse_to_real and n is None:
            size = 2 * (size - 1)
        shape = (*input.shape[:where], size, *input.shape[where + 1 :])
        return ctx.emit(f"fft_{name}", (input,), shape, dtype)

    model.__name__ = name
    return model


def _plane_transform(name: str, inverse_to_real: bool = False, real: bool = False) -> Model:
    """Fourier transforms over several dimensions."""

    def model(ctx: Any, input: Tensor, s: Any = None, dim: Any = None, norm: Any = None, **kwargs: Any) -> Any:
        dtype = "float32" if inverse_to_real else "complex64"
        if input.shape is None:
            return ctx.emit(f"fft_{name}", (input,), None, dtype)
        rank = len(input.shape)
        dims = (
            tuple(axis(d, rank) for d in dim)
            if dim is not None
            else ((rank - 2, rank - 1) if "2" in name else tuple(range(rank)))
        )
        shape = list(input.shape)
        for index, where in enumerate(dims):
            if s is not None:
                shape[where] = s[index]
        if real:
            shape[dims[-1]] = shape[dims[-1]] // 2 + 1
        elif inverse_to_real and s is None:
            shape[dims[-1]] = 2 * (shape[dims[-1]] - 1)
        return ctx.emit(f"fft_{name}", (input,), tuple(shape), dtype)

    model.__name__ = name
    return model


def _stft(
    ctx: Any,
    input: Tensor,
    n_fft: Any,
    hop_length: Any = None,
    win_length: Any = None,
    window: Any = None,
    center: Any = True,
    pad_mode: Any = "reflect",
    normalized: Any = False,
    onesided: Any = None,
    return_complex: Any = None,
    **kwargs: Any,
) -> Any:
    if input.shape is None:
        return ctx.emit("stft", tensors(input, window), None, "complex64")
    hop = n_fft // 4 if hop_length is None else hop_length
    length = input.shape[-1] + (n_fft // 2 * 2 if center is not False else 0)
    bins = n_fft // 2 + 1 if onesided is not False else n_fft
    shape = (*input.shape[:-1], bins, (length - n_fft) // hop + 1)
    if return_complex is False:
        return ctx.emit("stft", tensors(input, window), (*shape, 2), input.dtype)
    return ctx.emit("stft", tensors(input, window), shape, "complex64")


def _tensordot(ctx: Any, a: Tensor, b: Tensor, dims: Any = 2, **kwargs: Any) -> Any:
    if a.shape is None or b.shape is None:
        return ctx.emit("tensordot", (a, b), None, a.dtype)
    if isinstance(dims, int):
        left, right = list(range(len(a.shape) - dims, len(a.shape))), list(range(dims))
    elif isinstance(dims, list | tuple) and len(dims) == 2:
        left, right = (
            [axis(d, len(item.shape or ())) for d in (side if isinstance(side, list | tuple) else (side,))]
            for side, item in zip(dims, (a, b), strict=True)
        )
    else:
        return ctx.emit("tensordot", (a, b), None, a.dtype)
    for x, y in zip(left, right, strict=False):
        if apart(a.shape[x], b.shape[y]):
            raise ShapeError(
                "matmul",
                f"contracted dimensions need to match, but first has size {a.shape[x]} in dim {x} and second has size {b.shape[y]} in dim {y}",
            )
    shape = (
        *[size for index, size in enumerate(a.shape) if index not in left],
        *[size for index, size in enumerate(b.shape) if index not in right],
    )
    return ctx.emit("tensordot", (a, b), shape, a.dtype)


def _kron(ctx: Any, input: Tensor, other: Tensor) -> Any:  # noqa: A002
    shape = None
    if input.shape is not None and other.shape is not None and len(input.shape) == len(other.shape):
        shape = tuple(a * b for a, b in zip(input.shape, other.shape, strict=True))
    return ctx.emit("kron", (input, other), shape, input.dtype)


def _block_diag(ctx: Any, *parts: Any) -> Any:
    shapes = [item.shape for item in parts if isinstance(item, Tensor)]
    shape = None
    if shapes and all(own is not None and len(own) == 2 for own in shapes):
        shape = (sum(own[0] for own in shapes if own), sum(own[1] for own in shapes if own))
    return ctx.emit("block_diag", tensors(*parts), shape, parts[0].dtype)


def _cdist(ctx: Any, x1: Tensor, x2: Tensor, *args: Any, **kwargs: Any) -> Any:
    if x1.shape and x2.shape and apart(x1.shape[-1], x2.shape[-1]):
        raise ShapeError(
            "matmul",
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}",
        )
    shape = None if x1.shape is None or x2.shape is None else (*x1.shape[:-1], x2.shape[-2])
    return ctx.emit("cdist", (x1, x2), shape, x1.dtype)


def _cross(ctx: Any, input: Tensor, other: Tensor, dim: Any = None, **kwargs: Any) -> Any:
    shape = broadcast(input.shape, other.shape)
    if shape and isinstance(dim, int) and apart(shape[axis(dim, len(shape))], 3):
        raise ShapeError(
            "view", f"linalg.cross: inputs dimension {dim} must have length 3. Got {shape[axis(dim, len(shape))]}"
        )
    return ctx.emit("cross", (input, other), shape, input.dtype)


def _fold(
    ctx: Any,
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    if input.shape is None:
        return ctx.emit("fold", (input,), None, input.dtype)
    rows, columns = output_size if isinstance(output_size, list | tuple) else (output_size, output_size)
    kernel = kernel_size if isinstance(kernel_size, list | tuple) else (kernel_size, kernel_size)
    channels = input.shape[-2] // (kernel[0] * kernel[1])
    return ctx.emit("fold", (input,), (*input.shape[:-2], channels, rows, columns), input.dtype)


def _affine_grid(ctx: Any, theta: Tensor, size: Any, *args: Any, **kwargs: Any) -> Any:
    n, _, *spatial = size
    return ctx.emit("affine_grid", (theta,), (n, *spatial, len(spatial)), theta.dtype)


def _pairwise_distance(ctx: Any, x1: Tensor, x2: Tensor, *args: Any, keepdim: Any = False, **kwargs: Any) -> Any:
    shape = broadcast(x1.shape, x2.shape)
    if shape:
        shape = (*shape[:-1], 1) if keepdim else shape[:-1]
    return ctx.emit("pairwise_distance", (x1, x2), shape, x1.dtype)


def _rot90(ctx: Any, input: Tensor, k: Any = 1, dims: Any = (0, 1)) -> Any:
    shape = input.shape
    if shape is not None and isinstance(k, int) and k % 2:
        a, b = (axis(dim, len(shape)) for dim in dims)
        swapped = list(shape)
        swapped[a], swapped[b] = shape[b], shape[a]
        shape = tuple(swapped)
    return ctx.emit("rot90", (input,), shape, input.dtype)


def _cov(ctx: Any, input: Tensor, **kwargs: Any) -> Any:
    rows = input.shape[0] if input.shape is not None and len(input.shape) == 2 else None
    return ctx.emit("cov", (input,), None if rows is None else (rows, rows), input.dtype)


def _matrices(name: str, form: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Model:
    """What linear algebra makes of each matrix of a batch."""

    def model(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
        shape = None if input.shape is None or len(input.shape) < 2 else form(input.shape)
        return ctx.emit(name, tensors(input, *args), shape, input.dtype)

    model.__name__ = name
    return model


def _solve(ctx: Any, A: Tensor, B: Tensor, **kwargs: Any) -> Any:  # noqa: N803
    return ctx.emit("linalg_solve", (A, B), B.shape, B.dtype)


def _eigh(ctx: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    values = ctx.emit("linalg_eigh", (input,), input.shape[:-1] if input.shape else None, input.dtype)
    return values, ctx.emit("linalg_eigh", (input,), input.shape, input.dtype)


_TURNED = _matrices("pinverse", lambda shape: (*shape[:-2], shape[-1], shape[-2]))
_DETERMINANT = _matrices("det", lambda shape: shape[:-2])
BOTH: dict[str, Model] = {
    "cov": _cov,
    "pinverse": _TURNED,
    "det": _DETERMINANT,
    "rot90": _rot90,
    "cross": _cross,
    "xlogy": _xlogy,
    "erfinv": _erfinv,
    "addcmul": _with_products("*"),
    "addcdiv": _with_products("/"),
    "sinc": unary("sinc", True, "sinc"),
    "cummax": _running("cummax"),
    "cummin": _running("cummin"),
    "equal": _alike,
    "allclose": _alike,
    "as_strided": _as_strided,
    "trace": _trace,
    "kthvalue": _kthvalue,
    "quantile": _quantile,
    "nanquantile": _quantile,
    "stft": _stft,
}
FUNCTIONS: dict[str, Model] = {
    "torch.nn.functional.fold": _fold,
    "torch.nn.functional.affine_grid": _affine_grid,
    "torch.nn.functional.pairwise_distance": _pairwise_distance,
    "torch.linalg.inv": unary("linalg_inv"),
    "torch.linalg.cholesky": unary("linalg_cholesky"),
    "torch.linalg.pinv": _TURNED,
    "torch.linalg.det": _DETERMINANT,
    "torch.linalg.solve": _solve,
    "torch.linalg.eigh": _eigh,
    "torch.tensordot": _tensordot,
    "torch.kron": _kron,
    "torch.block_diag": _block_diag,
    "torch.cdist": _cdist,
    "torch.linalg.cross": _cross,
    "torch.scalar_tensor": _scalar_tensor,
    "torch.randint_like": _randint_like,
    "torch.linalg.solve_triangular": _solve_triangular,
    "torch.unravel_index": _unravel_index,
    "torch.nn.functional.embedding_bag": _embedding_bag,
    "torch.nn.functional.bilinear": _bilinear,
    "torch.bilinear": _bilinear,
    **{f"torch.fft.{name}": _transformed(name) for name in ("fft", "ifft")},
    "torch.fft.rfft": _transformed("rfft", real=True),
    "torch.fft.irfft": _transformed("irfft", inverse_to_real=True),
    **{f"torch.fft.{name}": _plane_transform(name) for name in ("fft2", "ifft2", "fftn", "ifftn")},
    **{f"torch.fft.{name}": _plane_transform(name, real=True) for name in ("rfft2", "rfftn")},
    **{f"torch.fft.{name}": _plane_transform(name, inverse_to_real=True) for name in ("irfft2", "irfftn")},
    **{
        f"torch.fft.{name}": (
            lambda ctx, input, dim=None, name=name: ctx.emit(name, (input,), input.shape, input.dtype)
        )
        for name in ("fftshift", "ifftshift")
    },
}
