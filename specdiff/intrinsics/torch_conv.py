"""Convolutions and pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import Dim
from specdiff.interp.values import Tensor
from specdiff.intrinsics import torch_checks as checks
from specdiff.intrinsics.torch_core import ShapeError, of, same, tensors

Model = Callable[..., Any]
BATCH = Dim.symbol("batch")
"""A number of examples, which is no number of channels."""


def per_axis(value: Any, n: int) -> tuple[Any, ...]:
    """A number for each of ``n`` axes, from one for all or a list."""
    return tuple(value) if isinstance(value, list | tuple) else (value,) * n


def _conv(n: int, transposed: bool) -> Model:
    def model(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        *rest: Any,
        dilation: Any = 1,
        groups: Any = 1,
        output_padding: Any = 0,
        **kwargs: Any,
    ) -> Any:  # noqa: A002
        input = of(input)  # noqa: A001
        if rest:
            if transposed:
                output_padding = rest[0]
                groups = rest[1] if len(rest) > 1 else groups
                dilation = rest[2] if len(rest) > 2 else dilation
            else:
                dilation = rest[0]
                groups = rest[1] if len(rest) > 1 else groups
        shape = None
        if input.shape is not None and weight.shape is not None and len(weight.shape) == n + 2:
            if len(input.shape) not in (n + 1, n + 2):
                raise ShapeError(
                    "conv",
                    f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv{n}d, but got input of size: {list(input.shape)}",
                )
            kernel = weight.shape[2:]
            s, d = per_axis(stride, n), per_axis(dilation, n)
            spatial = input.shape[-n:]
            channels = input.shape[-n - 1]
            wanted = weight.shape[0] if transposed else weight.shape[1] * groups
            lone = len(input.shape) == n + 1 and channels == BATCH
            if same(channels, wanted) is False or lone:
                raise ShapeError(
                    "conv",
                    f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have {wanted} channels, but got {channels} channels instead",
                    None if lone else input,
                    -n - 1,
                    wanted,
                )
            sizes = []
            for index in range(n):
                if padding == "same":
                    sizes.append(spatial[index])
                    continue
                p = 0 if padding == "valid" else per_axis(padding, n)[index]
                if transposed:
                    sizes.append(
                        (spatial[index] - 1) * s[index]
                        - 2 * p
                        + d[index] * (kernel[index] - 1)
                        + per_axis(output_padding, n)[index]
                        + 1
                    )
                else:
                    sizes.append((spatial[index] + 2 * p - d[index] * (kernel[index] - 1) - 1) // s[index] + 1)
            out = weight.shape[1] * groups if transposed else weight.shape[0]
            checks.vector("conv", "bias", bias, out)
            checks.windows(spatial, sizes, kernel)
            shape = (*input.shape[: -n - 1], out, *sizes)
        return ctx.emit(
            "conv_transpose" if transposed else "conv",
            tensors(input, weight, bias),
            shape,
            input.dtype,
            n=n,
            stride=stride,
            groups=groups,
            padding=padding,
            dilation=None if dilation in (1, (1,) * n) else dilation,
        )

    model.__name__ = f"conv{'_transpose' if transposed else ''}{n}d"
    return model


def _pool(n: int, which: str) -> Model:
    def model(
        ctx: Any,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        *rest: Any,
        dilation: Any = 1,
        ceil_mode: Any = False,
        **kwargs: Any,
    ) -> Any:  # noqa: A002
        if which == "max" and rest:
            dilation = rest[0]
            ceil_mode = rest[1] if len(rest) > 1 else ceil_mode
        elif rest:
            ceil_mode = rest[0]
        if input.shape is None:
            return ctx.emit("pool", (input,), None, input.dtype, which=which)
        k, s, p, d = (
            per_axis(kernel_size, n),
            per_axis(kernel_size if stride is None or stride == [] else stride, n),
            per_axis(padding, n),
            per_axis(dilation, n),
        )
        if 0 in s:
            raise RuntimeError("stride should not be zero")
        if 0 in k:
            raise RuntimeError("kernel size should be greater than zero")
        sizes = []
        for index in range(n):
            span = input.shape[-n + index] + 2 * p[index] - d[index] * (k[index] - 1) - 1
            sizes.append((span + (s[index] - 1 if ceil_mode else 0)) // s[index] + 1)
        checks.windows(input.shape[-n:], sizes, k)
        return ctx.emit("pool", (input,), (*input.shape[:-n], *sizes), input.dtype, which=which, kernel=k)

    model.__name__ = f"{which}_pool{n}d"
    return model


def _adaptive(n: int, which: str) -> Model:
    def model(ctx: Any, input: Tensor, output_size: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: A002
        if input.shape is None:
            return ctx.emit("pool", (input,), None, input.dtype, which=which)
        wanted = per_axis(output_size, n)
        sizes = tuple(input.shape[-n + index] if size is None else size for index, size in enumerate(wanted))
        return ctx.emit("pool", (input,), (*input.shape[:-n], *sizes), input.dtype, which=which, adaptive=True)

    return model


FUNCTIONS: dict[str, Model] = {
    **{f"torch.nn.functional.conv{n}d": _conv(n, False) for n in (1, 2, 3)},
    **{f"torch.conv{n}d": _conv(n, False) for n in (1, 2, 3)},
    **{f"torch.nn.functional.conv_transpose{n}d": _conv(n, True) for n in (1, 2, 3)},
    **{f"torch.nn.functional.{which}_pool{n}d": _pool(n, which) for n in (1, 2, 3) for which in ("max", "avg")},
    **{f"torch.{which}_pool{n}d": _pool(n, which) for n in (1, 2, 3) for which in ("max", "avg")},
    **{
        f"torch.nn.functional.adaptive_{which}_pool{n}d": _adaptive(n, which)
        for n in (1, 2, 3)
        for which in ("max", "avg")
    },
}
__all__ = ["FUNCTIONS", "per_axis"]
