"""The tables of what changes shapes: views, joining, indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from specdiff.interp.dims import fresh
from specdiff.intrinsics.torch_core import lazily, sizes
from specdiff.intrinsics.torch_gathering import (
    gather,
    index_add,
    index_copy,
    index_select,
    scatter,
    scatter_add,
    take_along_dim,
)
from specdiff.intrinsics.torch_indexing import (
    argsort,
    bincount,
    bucketize,
    cum,
    diag,
    diag_embed,
    diagonal,
    diff,
    flip,
    getitem,
    masked_select,
    narrow,
    one_hot,
    roll,
    searchsorted,
    select_,
    setitem,
    sort_,
    topk,
    tri,
    triangle,
    unchanged_shape,
    unique,
    unique_consecutive,
)
from specdiff.intrinsics.torch_joining import cat, chunk, meshgrid, pad_, split, stack, unbind
from specdiff.intrinsics.torch_views import (
    contiguous,
    expand,
    flatten,
    movedim,
    permute,
    repeat,
    repeat_interleave,
    reshape,
    squeeze,
    transpose,
    transposed,
    turned,
    unflatten,
    unfold,
    unsqueeze,
    view_as_complex,
)

Model = Callable[..., Any]


SHAPES: dict[str, Model] = {
    "reshape": reshape("reshape"),
    "permute": permute,
    "transpose": transpose,
    "swapaxes": transpose,
    "swapdims": transpose,
    "t": turned,
    "flatten": flatten,
    "ravel": flatten,
    "unflatten": unflatten,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "repeat_interleave": repeat_interleave,
    "tile": lambda ctx, input, *args, **kwargs: repeat(ctx, input, *args, tiles=True, **kwargs),
    "cat": cat,
    "concat": cat,
    "concatenate": cat,
    "stack": stack,
    "hstack": lambda ctx, tensors: cat(
        ctx, tensors, -1 if tensors and tensors[0].shape is not None and len(tensors[0].shape) == 1 else 1
    ),
    "vstack": lambda ctx, tensors: cat(
        ctx, [t if len(t.shape or (1, 1)) > 1 else unsqueeze(ctx, t, 0) for t in tensors], 0
    ),
    "split": split,
    "split_with_sizes": split,
    "tensor_split": chunk,
    "chunk": chunk,
    "unbind": unbind,
    "topk": topk,
    "sort": sort_,
    "argsort": argsort,
    "gather": gather,
    "take_along_dim": take_along_dim,
    "scatter": scatter,
    "scatter_add": scatter_add,
    "scatter_reduce": scatter_add,
    "index_select": index_select,
    "index_add": index_add,
    "index_copy": index_copy,
    "index_fill": unchanged_shape("index_fill"),
    "index_put": unchanged_shape("index_put"),
    "masked_scatter": unchanged_shape("masked_scatter"),
    "masked_select": masked_select,
    "narrow": narrow,
    "select": select_,
    "cumsum": cum("cumsum"),
    "cumprod": cum("cumprod"),
    "tril": tri("tril"),
    "triu": tri("triu"),
    "roll": roll,
    "flip": flip,
    "fliplr": unchanged_shape("flip", dims=(1,)),
    "movedim": movedim,
    "moveaxis": movedim,
    "meshgrid": meshgrid,
    "broadcast_to": lambda ctx, input, *size: expand(ctx, input, *size),
    "unique": unique,
    "unique_consecutive": unique_consecutive,
    "bincount": bincount,
    "diff": diff,
    "diagonal": diagonal,
    "diag": lambda ctx, input, diagonal=0: diag(ctx, input, diagonal),
    "diag_embed": diag_embed,
    "bucketize": bucketize,
    "searchsorted": searchsorted,
    "atleast_1d": lambda ctx, input: input,
    "view_as_complex": view_as_complex,
    "view_as_real": lambda ctx, input: ctx.emit(
        "view_as_real",
        (input,),
        (*input.shape, 2) if input.shape is not None else None,
        "float32",
        const=lazily(lambda numpy, a: numpy.stack([a.real, a.imag], -1), input),
    ),
    "polar": lambda ctx, abs, angle: ctx.emit(
        "polar",
        (abs, angle),
        angle.shape,
        "complex64",
        const=lazily(lambda numpy, r, t: r * numpy.exp(1j * t), abs, angle),
    ),  # noqa: A006
    "complex": lambda ctx, real, imag: ctx.emit("complex", (real, imag), real.shape, "complex64"),
    "real": lambda ctx, input: ctx.emit("real", (input,), input.shape, "float32"),
    "imag": lambda ctx, input: ctx.emit("imag", (input,), input.shape, "float32"),
}


METHODS: dict[str, Model] = {
    "view": reshape("view"),
    "view_as": lambda ctx, input, other: reshape("view")(ctx, input, other.shape),
    "reshape_as": lambda ctx, input, other: reshape("reshape")(ctx, input, other.shape),
    "expand": expand,
    "expand_as": lambda ctx, input, other: expand(ctx, input, other.shape) if other.shape is not None else input,
    "repeat": repeat,
    "unfold": unfold,
    "contiguous": contiguous,
}


FUNCTIONS: dict[str, Model] = {
    "torch.nn.functional.pad": pad_,
    "torch.nn.functional.one_hot": one_hot,
    "torch.broadcast_tensors": lambda ctx, *tensors_: tuple(tensors_),
    "torch.broadcast_shapes": lambda ctx, *shapes: shapes[0],
    "torch.concat": cat,
    "torch.tril_indices": triangle("tril"),
    "torch.triu_indices": triangle("triu"),
    "torch.cartesian_prod": lambda ctx, *parts: ctx.emit(
        "meshgrid", parts, (fresh("count"), len(parts)), parts[0].dtype
    ),
}
__all__ = ["FUNCTIONS", "METHODS", "SHAPES", "getitem", "setitem", "sizes", "transposed"]
