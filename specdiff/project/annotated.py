"""Inputs that reference code takes from its caller, by their annotations: caches per layer, lengths of packed sequences."""

from __future__ import annotations

from specdiff.interp.objects import Value
from specdiff.interp.values import Tensor
from specdiff.ir import nodes as ir
from specdiff.project.sizes import BATCH, SEQUENCE, Sizes

_LISTS = frozenset({"List", "list", "Sequence", "Iterable"})
_PAIRS = frozenset({"Tuple", "tuple"})


def by_annotation(name: str, sizes: Sizes, annotation: ir.Expr | None) -> list[Value] | None:
    """The alternatives that an annotation leaves; None where it says nothing.

    A list of pairs of tensors is a cache, keys and values of each layer; a list of numbers is the lengths of packed
    sequences, of which there is one; what may be None is left out.
    """
    if annotation is None or "mask" in name:
        return None
    if may_be_none(annotation):
        return [None]
    kind, inner = _subscript(annotation)
    if kind in _LISTS and inner is not None:
        if type(inner) is ir.Name and inner.id == "int":
            return [[SEQUENCE]]
        inside, parts = _subscript(inner)
        if inside in _PAIRS and parts is not None and _all_tensors(parts):
            return [[_pair(sizes) for _ in range(_layers(sizes))]]
    return None


def _pair(sizes: Sizes) -> tuple[Tensor, Tensor]:
    heads = sizes.number(("num_key_value_heads", "n_kv_heads", "num_attention_heads", "n_heads", "n_head"), 1)
    queries = sizes.number(("num_attention_heads", "n_heads", "n_head"), heads)
    width = sizes.number(("head_dim", "kv_channels"), sizes.hidden()[0] // queries)
    shape = (BATCH, SEQUENCE, heads, width)
    return Tensor(shape, "float32"), Tensor(shape, "float32")


def _layers(sizes: Sizes) -> int:
    return sizes.number(("num_hidden_layers", "n_layers", "n_layer", "num_layers"), 1, ())


def _subscript(node: ir.Expr) -> tuple[str, ir.Expr | None]:
    """`List` and its argument in ``List[…]``, however the name is reached."""
    if type(node) is not ir.Item:
        return "", None
    value = node.value
    word = value.id if type(value) is ir.Name else value.name if type(value) is ir.Attr else ""
    return word, node.index


def may_be_none(node: ir.Expr | None) -> bool:
    """Whether an annotation lets a parameter be None."""
    if type(node) is ir.Const:
        return node.value is None
    if type(node) is ir.Binary:
        return may_be_none(node.left) or may_be_none(node.right)
    kind, inner = _subscript(node) if node is not None else ("", None)
    if kind == "Optional":
        return True
    return kind == "Union" and type(inner) is ir.TupleExpr and any(may_be_none(each) for each in inner.items)


def _all_tensors(node: ir.Expr) -> bool:
    if type(node) is ir.TupleExpr:
        return len(node.items) == 2 and all(_all_tensors(each) for each in node.items)
    return (type(node) is ir.Attr and node.name == "Tensor") or (type(node) is ir.Name and node.id == "Tensor")
