"""What torch refuses: operands whose shapes do not go together. Each check passes where sizes are not known."""

from __future__ import annotations

from typing import Any

from specdiff.interp.dims import decide
from specdiff.interp.values import Tensor
from specdiff.intrinsics.torch_core import Shape, ShapeError, apart, broadcast, numel

_MATRICES = frozenset({"linear", "matmul", "embedding"})
"""Operations whose results lie in order in memory, whatever their operands are."""


def rank(what: str, name: str, tensor: Any, wanted: int) -> None:
    """A tensor must have a number of dimensions."""
    if isinstance(tensor, Tensor) and tensor.shape is not None and len(tensor.shape) != wanted:
        raise ShapeError(what, f"{name} must be a {wanted}D tensor, but has the shape {list(tensor.shape)}")


def batched(a: Tensor, b: Tensor) -> None:
    """``bmm``: two batches of matrices, as many each."""
    rank("matmul", "batch1", a, 3)
    rank("matmul", "batch2", b, 3)
    if a.shape is not None and b.shape is not None and apart(a.shape[0], b.shape[0]):
        raise ShapeError(
            "matmul",
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}]"
            f" but got: [{b.shape[0]}, {b.shape[1]}].",
        )


def fits(shape: Shape | None, target: Shape | None) -> None:
    """A tensor must stretch to a shape without making that larger (an operand in place, a bias, an assigned value)."""
    if shape is None or target is None:
        return
    lead = len(shape) - len(target)
    if lead > 0 and any(decide("==", size, 1) is False for size in shape[:lead]):
        raise ShapeError(
            "broadcast",
            f"expand: the number of sizes provided ({len(target)}) must be greater or equal to the number of"
            f" dimensions in the tensor ({len(shape)})",
        )
    for index, size in enumerate(reversed(shape[max(lead, 0) :]), 1):
        wanted = target[-index]
        if decide("==", size, 1) is False and apart(size, wanted):
            raise ShapeError(
                "broadcast",
                f"The expanded size of the tensor ({wanted}) must match the existing size ({size}) at non-singleton"
                f" dimension {len(target) - index}.  Target sizes: {list(target)}.  Tensor sizes: {list(shape)}",
            )


def in_place(target: Tensor, result: Shape | None) -> None:
    """The result of an operation in place must have the shape of what it is written to."""
    own = target.shape
    if own is None or result is None or own == result:
        return
    if len(own) != len(result) or any(apart(a, b) for a, b in zip(own, result, strict=True)):
        raise ShapeError("broadcast", f"output with shape {list(own)} doesn't match the broadcast shape {list(result)}")


def vector(what: str, name: str, tensor: Any, size: Any) -> None:
    """A weight, a bias or statistics of as many items as there are channels."""
    if isinstance(tensor, Tensor) and tensor.shape is not None:
        if len(tensor.shape) != 1 or apart(tensor.shape[0], size):
            raise ShapeError(what, f"{name} should contain {size} elements, but has the shape {list(tensor.shape)}")


def norm(kind: str, shape: Shape, bound: dict[str, Any]) -> None:
    """Weights and groups of a normalisation."""
    if kind in ("layer_norm", "rms_norm"):
        wanted = bound.get("normalized_shape")
        wanted = tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)
        for name in ("weight", "bias"):
            item = bound.get(name)
            own = item.shape if isinstance(item, Tensor) else None
            if own is None:
                continue
            if len(own) != len(wanted) or any(apart(a, b) for a, b in zip(own, wanted, strict=True)):
                raise ShapeError(
                    "norm",
                    f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(own)} and"
                    f" normalized_shape = {list(wanted)}",
                )
        return
    if len(shape) < 2:
        return
    channels, groups = shape[1], bound.get("num_groups")
    if kind == "group_norm" and isinstance(channels, int) and isinstance(groups, int) and groups > 0:
        if channels % groups:
            raise ShapeError(
                "norm",
                "Expected number of channels in input to be divisible by num_groups, but got input of shape"
                f" {list(shape)} and num_groups={groups}",
            )
    for name in ("weight", "bias", "running_mean", "running_var"):
        vector("norm", name, bound.get(name), channels)


def windows(spatial: Shape, out: list[Any], kernel: Any) -> None:
    """A convolution or a pool must have room for its kernel."""
    if any(isinstance(size, int) and size <= 0 for size in out) and all(
        not isinstance(size, int) or size > 0 for size in spatial
    ):
        raise ShapeError(
            "conv",
            f"Calculated padded input size per channel: ({' x '.join(map(str, spatial))}). Kernel size:"
            f" ({' x '.join(map(str, kernel))}). Kernel size can't be greater than actual input size",
        )


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Any, grouped: bool) -> None:
    """``scaled_dot_product_attention``: heads, widths, lengths and the mask must go together."""
    q, k, v = query.shape, key.shape, value.shape
    if q is None or k is None or v is None or min(len(q), len(k), len(v)) < 2:
        return
    if apart(q[-1], k[-1]):
        raise ShapeError("matmul", f"query of shape {list(q)} and key of shape {list(k)} must have the same last size")
    if apart(k[-2], v[-2]):
        raise ShapeError("matmul", f"key of shape {list(k)} and value of shape {list(v)} must have the same length")
    if grouped and len(q) > 2 and len(k) > 2:
        heads, kv = q[-3], k[-3]
        if isinstance(heads, int) and isinstance(kv, int) and kv > 0 and heads % kv:
            raise ShapeError("matmul", f"the {heads} heads of the query must be a multiple of the {kv} of the key")
        ahead = broadcast(q[:-3], k[:-3])
        batch: Shape | None = None if ahead is None else (*ahead, heads)
    else:
        batch = broadcast(broadcast(q[:-2], k[:-2]), v[:-2])
    if isinstance(mask, Tensor) and mask.shape is not None and batch is not None:
        fits(mask.shape, (*batch, q[-2], k[-2]))


def item(target: Shape | None, value: Any) -> None:
    """``tensor[index] = value``: the value must stretch to what the index takes."""
    if isinstance(value, Tensor) and value.shape is not None and target is not None:
        fits(value.shape, target)


def same_rank(name: str, tensor: Tensor, index: Any) -> None:
    """``gather`` and ``scatter``: an index of as many dimensions."""
    if isinstance(index, Tensor) and index.shape and tensor.shape and len(index.shape) != len(tensor.shape):
        raise ShapeError(
            "index",
            f"Index tensor must have the same number of dimensions as {name} tensor: {list(index.shape)} and"
            f" {list(tensor.shape)}",
        )


def gathered(tensor: Tensor, index: Tensor, where: int) -> None:
    """``gather``: an index that is no larger than the tensor beside the dimension that it picks from."""
    same_rank("input", tensor, index)
    for at, (own, size) in enumerate(zip(tensor.shape or (), index.shape or (), strict=False)):
        if at != where and decide(">", size, own) is True:
            raise ShapeError(
                "index",
                f"Size does not match at dimension {at} expected index {list(index.shape or ())} to be no larger than"
                f" self {list(tensor.shape or ())} apart from dimension {where}",
            )


def masked(shape: Shape, mask: Tensor, at: int) -> None:
    """A boolean index must have the sizes of the dimensions that it picks from."""
    for offset, size in enumerate(mask.shape or ()):
        if at + offset < len(shape) and apart(size, shape[at + offset]):
            raise ShapeError(
                "index",
                f"The shape of the mask {list(mask.shape or ())} at index {offset} does not match the shape of the"
                f" indexed tensor {list(shape)} at index {at + offset}",
            )


def classified(scores: Any, target: Any) -> None:
    """``cross_entropy`` with class numbers: one for each row of scores."""
    if not isinstance(scores, Tensor) or not isinstance(target, Tensor) or target.dtype.startswith(("float", "bfloat")):
        return
    a, b = scores.shape, target.shape
    if not a or b is None or len(a) == 1:
        return
    wanted = (a[0], *a[2:])
    if len(wanted) != len(b) or any(apart(x, y) for x, y in zip(wanted, b, strict=True)):
        raise ShapeError("broadcast", f"Expected target size {list(wanted)}, got {list(b)}")


def alike(scores: Any, target: Any) -> None:
    """``binary_cross_entropy``: a target for each score."""
    if not isinstance(scores, Tensor) or not isinstance(target, Tensor) or scores.shape is None or target.shape is None:
        return
    a, b = scores.shape, target.shape
    if len(a) != len(b) or any(apart(x, y) for x, y in zip(a, b, strict=True)):
        raise ShapeError(
            "broadcast", f"Target size ({list(b)}) must be the same as input size ({list(a)})", target, 0, a
        )


def lies_in_order(ctx: Any, tensor: Tensor, target: Shape) -> None:
    """``view`` of a transposed product: sizes that are next to each other must be so in memory to become one.

    Only the result of a product, seen through one reordering, is looked at: where its items lie is sure.
    """
    trace, base = ctx.trace, tensor.base
    if trace is None or base is None or tensor.node is None or tensor.shape is None:
        return
    op = trace.ops[tensor.node]
    if op.kind not in ("transpose", "permute") or len(op.inputs) != 1:
        return
    source = trace.ops[op.inputs[0]]
    made = source
    while made.kind in ("view", "reshape") and len(made.inputs) == 1:
        made = trace.ops[made.inputs[0]]
    if made.kind not in _MATRICES or source.shape is None or len(source.shape) != len(tensor.shape):
        return
    count = len(tensor.shape)
    order = list(range(count))
    if op.kind == "transpose":
        a, b = op.attrs["dim0"] % count, op.attrs["dim1"] % count
        order[a], order[b] = order[b], order[a]
    else:
        order = list(op.attrs["dims"])
    if _merges(tensor.shape, order, target):
        raise ShapeError(
            "view",
            f"view size {list(target)} is not compatible with input tensor's size {list(tensor.shape)} and stride (at"
            " least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
        )


def _merges(shape: Shape, order: list[int], target: Shape) -> bool:
    """Whether a target surely makes one size of two that do not lie next to each other."""
    left = list(target)
    if any(isinstance(size, int) and size == 1 for size in shape):
        return False
    start = 0
    for end in range(1, len(shape) + 1):
        if end < len(shape) and order[end] == order[end - 1] + 1:
            continue
        product, taken = numel(shape[start:end]), 1
        while left and decide("==", taken, product) is not True:
            grown = taken * left[0]
            if decide(">", grown, product) is True or isinstance(grown, int) != isinstance(product, int):
                return True  # a length and a number are the same by chance only
            if decide("<=", grown, product) is not True:
                return False
            taken = grown
            left.pop(0)
        if decide("==", taken, product) is not True:
            return False
        start = end
    return False
