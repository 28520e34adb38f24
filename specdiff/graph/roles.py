"""What a module of the built tree is to a reader: read off its parameters and children, names only break ties."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import prod

from specdiff.results import ModuleNode


class Role(StrEnum):
    """What a module does in a block or around the blocks."""

    NORM = "norm"
    EMBEDDING = "embedding"
    LINEAR = "linear"
    """One projection, perhaps wrapped with its dropout and norm."""
    CONV = "conv"
    ATTENTION = "attention"
    CROSS = "cross"
    """Attention that reads another sequence."""
    MIXER = "mixer"
    """Mixes tokens without attention: recurrence, linear attention, short convolution."""
    MLP = "mlp"
    MOE = "moe"
    STACK = "stack"
    """A container that holds blocks one after the other."""
    NOTHING = "nothing"
    """No parameters below it: dropout, an activation, rotary tables."""
    OTHER = "other"


_CONTAINERS = frozenset({"ModuleList", "Sequential", "ModuleDict"})
_QUERY = ("q_proj", "query", "qkv", "q_a_proj", "c_attn", "wq", "wqkv", "to_q", "in_proj_weight", "k_proj", "kv_a_proj")
_RECURRENT = frozenset({"A_log", "dt_bias", "time_decay", "conv1d", "recurrent_gate_weight"})


def size(node: ModuleNode) -> int:
    """Parameters below a module, all its folded copies together; a size that is not known counts as one."""
    own = sum(prod(abs(length) for length in param.shape) for param in node.params)
    return node.count * (own + sum(size(child) for child in node.children))


def is_container(node: ModuleNode) -> bool:
    """Whether a module only holds others by number."""
    return node.class_name in _CONTAINERS or (
        bool(node.children) and not node.params and all(child.names[0].isdigit() for child in node.children)
    )


def descendants(node: ModuleNode) -> Iterator[ModuleNode]:
    """A module and everything below it, parents first."""
    yield node
    for child in node.children:
        yield from descendants(child)


def router(node: ModuleNode) -> ModuleNode | None:
    """The module below an expert layer whose weight has one row per expert; None where there is none."""
    count = expert_count(node)
    if count < 2:
        return None
    for each in descendants(node):
        # A stack of experts has three dimensions; a router has two, whichever way round.
        if any(len(param.shape) == 2 and count in param.shape for param in each.params) and not any(
            len(param.shape) == 3 for param in each.params
        ):
            return each
    return None


def expert_count(node: ModuleNode) -> int:
    """Experts below a module: the first size of stacked weights, or the entries of a list of networks; 0 for none."""
    for each in descendants(node):
        stacked = [param.shape[0] for param in each.params if len(param.shape) == 3]
        alike = len(set(stacked)) == 1 or _says(each, "expert")
        if stacked and not each.class_name.startswith("Conv") and alike:
            return min(stacked)
        if is_container(each) and _says(each, "expert") and each.children:
            return sum(child.count for child in each.children)
    return 0


def is_stack(node: ModuleNode) -> bool:
    """Whether a container holds blocks: modules that have parts of their own, at least one of which mixes."""
    if not is_container(node) or _says(node, "expert"):
        return False
    mixing = (Role.ATTENTION, Role.CROSS, Role.MIXER, Role.MLP, Role.MOE)
    for child in node.children:
        if _is_normed_block(child, node) or _is_convolutional_block(child) or _is_mixing_block(child, node):
            return True
        if not child.children or role(child) in (Role.NOTHING, *mixing):
            # A sub-layer by itself is not a block: a list of them is one layer's inside (T5).
            continue
        parts = (each for each in descendants(child) if each is not child)
        if any(is_container(each) and is_stack(each) for each in child.children):
            return True
        if any(role(each) in mixing for each in parts if each.children):
            return True
    return False


def _is_convolutional_block(node: ModuleNode) -> bool:
    """Whether a module is a whole block of a convolutional network (ConvNeXt): a convolution, a norm, an expanding pair."""
    leaves = [role(child) for child in node.children if not child.children]
    return Role.CONV in leaves and leaves.count(Role.LINEAR) == 2 and Role.NORM in leaves


def _is_normed_block(node: ModuleNode, parent: ModuleNode) -> bool:
    """Whether a module is a block with two norms and two parts between them, whatever these look like."""
    alike = len({child.class_name for child in parent.children}) == 1 and sum(c.count for c in parent.children) > 1
    parts = [role(child) for child in node.children if _has_parameters(child)]
    # What projects by itself is attention with its norms, not a block that holds it.
    whole = parts.count(Role.NORM) >= 2 and sum(part is not Role.NORM for part in parts) >= 2
    return alike and whole and Role.LINEAR not in parts


def _is_mixing_block(node: ModuleNode, parent: ModuleNode) -> bool:
    """Whether a norm with what mixes tokens is a block by itself: where all beside it are of its class."""
    alike = len({child.class_name for child in parent.children}) == 1 and sum(c.count for c in parent.children) > 1
    parts = {role(child) for child in node.children}
    mixes = role(node) in (Role.ATTENTION, Role.CROSS, Role.MIXER)
    return alike and mixes and Role.NORM in parts and Role.LINEAR not in parts


def is_convolutional_stack(node: ModuleNode) -> bool:
    """Whether a container holds blocks of convolutions: of a network that has no other blocks."""
    return is_container(node) and any(
        child.children and sum(role(each) is Role.CONV for each in descendants(child) if not each.children) > 1
        for child in node.children
    )


_known: dict[int, tuple[ModuleNode, Role]] = {}
"""Answers of `role` by the module's identity; it holds the module, so that no other can take its place."""
_MOST_KNOWN = 100_000


def role(node: ModuleNode) -> Role:
    """What a module is."""
    known = _known.get(id(node))
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[id(node)] = (node, _role(node))
    return known[1]


def _has_parameters(node: ModuleNode) -> bool:
    return any(all(param.shape) for param in node.params) or any(_has_parameters(child) for child in node.children)


def _role(node: ModuleNode) -> Role:
    if not _has_parameters(node):
        return Role.NOTHING
    if not node.children:
        return _leaf(node)
    names = {name for child in node.children for name in child.names} | {param.name for param in node.params}
    lower = {name.lower() for name in names}
    projects = any(name.startswith(_QUERY) for name in lower) or lower >= {"q", "k", "v"}
    # A smaller attention inside (an indexer) leaves it one; a feed-forward part inside makes it a block.
    if projects and not any(role(child) in (Role.MLP, Role.MOE) for child in node.children if child.children):
        return Role.CROSS if _says(node, "cross", "encoder_attn", "encdec", "encoder_attention") else Role.ATTENTION
    if names & _RECURRENT:
        return Role.MIXER
    if expert_count(node) > 1 and router(node) is not None and not _has_block_parts(node):
        return Role.MOE
    inner = {role(child) for child in node.children} - {Role.NOTHING, Role.NORM}
    if inner == {Role.LINEAR} and sum(role(child) is Role.LINEAR for child in node.children) == 1:
        return Role.LINEAR
    if inner == {Role.LINEAR} and not is_container(node):
        return Role.MIXER if _says(node, "linear_attn", "deltanet", "mamba") else Role.MLP
    if inner == {Role.CONV} and not is_container(node):
        return Role.CONV
    if inner <= {Role.LINEAR, Role.CONV, Role.OTHER} and Role.CONV in inner and not is_container(node):
        return Role.MIXER if _says(node, "conv", "mixer", "ssm", "mamba", "linear_attn") else Role.OTHER
    linears = sum(role(child) is Role.LINEAR for child in node.children)
    if inner & {Role.ATTENTION, Role.CROSS} and not inner & {Role.MLP, Role.MOE, Role.OTHER} and linears <= 1:
        # A wrapper around attention, as BERT has (`attention.self` with `attention.output`).
        return Role.CROSS if _says(node, "cross", "encdec") or inner == {Role.CROSS} else Role.ATTENTION
    if inner == {Role.MLP} and sum(size(child) > 0 for child in node.children) <= 2:
        return Role.MLP
    return Role.OTHER


def _leaf(node: ModuleNode) -> Role:
    shapes = [param.shape for param in node.params]
    if all(len(shape) <= 1 for shape in shapes):
        return Role.NORM if "norm" in node.class_name.lower() or "eps" in " ".join(node.settings) else Role.OTHER
    kind = node.class_name
    if kind.endswith("Embedding"):
        return Role.EMBEDDING
    if "Conv" in kind and any(len(shape) >= 3 for shape in shapes):
        return Role.CONV
    names = {param.name for param in node.params}
    if names <= {"weight", "bias"} and any(param.name == "weight" and len(param.shape) == 2 for param in node.params):
        return Role.EMBEDDING if "embed" in kind.lower() and "bias" not in names else Role.LINEAR
    if any(name.lower().startswith(_QUERY) for name in names):
        return Role.ATTENTION
    return Role.OTHER


def _has_block_parts(node: ModuleNode) -> bool:
    """Whether attention and a feed-forward part stand below a module side by side (it is a block then, not one)."""
    inner = [role(child) for child in node.children if child.children]
    return Role.ATTENTION in inner or (Role.MLP in inner and Role.MIXER in inner)


def _says(node: ModuleNode, *words: str) -> bool:
    text = f"{node.names[0]} {node.class_name}".lower()
    return any(word in text for word in words)
