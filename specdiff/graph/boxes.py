"""Boxes of the architecture drawing: what each kind of part is called and which of its numbers stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import prod

from specdiff.facts import FactSheet, Value
from specdiff.graph.roles import Role, descendants, expert_count, role
from specdiff.results import ModuleNode, Status

_WORST = (Status.MISMATCH, Status.MISSING, Status.UNDECIDED, Status.MATCH)


class Kind(StrEnum):
    """What a box shows; renderers choose shape and colour by it."""

    EMBEDDING = "embedding"
    NORM = "norm"
    ATTENTION = "attention"
    CROSS = "cross"
    MIXER = "mixer"
    MLP = "mlp"
    MOE = "moe"
    ROUTER = "router"
    EXPERTS = "experts"
    """Drawn as a stack of `copies`."""
    PART = "part"
    """A step inside another box."""
    CONV = "conv"
    HEAD = "head"
    MODULE = "module"
    """Anything that was not recognised."""


class Standing(StrEnum):
    """How a box stands to its counterpart in another model."""

    SAME = "same"
    NUMBERS = "numbers"
    """The same kind of thing in other numbers."""
    DIFFERENT = "different"
    ONLY = "only"
    """The other model has none."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box of the drawing."""

    id: str
    """Module path, folded layers as `*`; unique in a drawing together with the kind."""
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    inside: tuple[tuple[Box, ...], ...] = ()
    """Rows of inner boxes in the order of the data: each row feeds the next."""
    keys: tuple[str, ...] = ()
    """Vocabulary keys that the box shows."""
    status: Status | Standing | None = None
    """The worst status among the claims about its keys, or how it stands to another model's; None for neither."""
    class_name: str = ""
    file: str = ""
    line: int = 0
    copies: int = 1
    beside: bool = False
    """Whether it reads what the box before it reads, not what that one gives."""
    feeds: tuple[int, ...] = ()
    """Which boxes of the next row inside the same box it feeds; empty where the rows as wholes say it."""


@dataclass(frozen=True)
class Facts:
    """The sheet as boxes ask for it: one tower's values, with a note of which keys were asked for."""

    sheet: FactSheet
    statuses: Mapping[str, Status]
    prefix: str = ""
    asked: list[str] = field(default_factory=list)

    def noting(self) -> Facts:
        """The same facts with a new note of keys."""
        return Facts(self.sheet, self.statuses, self.prefix)

    def value(self, key: str) -> Value:
        """A fact's value, None where there is none."""
        full = self.prefix + key
        self.asked.append(full)
        fact = self.sheet.facts.get(full)
        return None if fact is None else fact.value

    def integer(self, key: str) -> int:
        """A whole number, 0 where it is not known."""
        value = self.value(key)
        return value if isinstance(value, int) else 0

    def number(self, key: str) -> float | None:
        """A number that is not a truth value."""
        value = self.value(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def text(self, key: str) -> str:
        """A choice, empty where it is not known."""
        value = self.value(key)
        return value if isinstance(value, str) else ""

    def words(self, key: str) -> tuple[str, ...]:
        """A pattern, empty where it is not known."""
        value = self.value(key)
        return tuple(str(item) for item in value) if isinstance(value, tuple) else ()

    def keys(self) -> tuple[str, ...]:
        """The keys asked for so far, each once."""
        return tuple(dict.fromkeys(self.asked))

    def status(self) -> Status | None:
        """The worst status among claims about the keys asked for."""
        found = {self.statuses[key] for key in self.asked if key in self.statuses}
        return next((status for status in _WORST if status in found), None)


def _box(
    path: str,
    kind: Kind,
    node: ModuleNode,
    facts: Facts,
    title: str,
    lines: Sequence[str],
    inside: tuple[tuple[Box, ...], ...] = (),
) -> Box:
    shown = tuple(line for line in lines if line)
    return Box(path, kind, title, shown, inside, facts.keys(), facts.status(), node.class_name, node.file, node.line)


_MOST_INSIDE = 3
"""Lines about what is inside a module that was not recognised."""


def plain(path: str, node: ModuleNode) -> Box:
    """A module that was not recognised: its class, where it hangs, and what is inside it."""
    kind = Kind.CONV if role(node) is Role.CONV else Kind.MODULE
    name = path.rpartition(".")[2]
    shape = node.params[0].shape if not node.children and node.params else ()
    first = name + (f"  {times(shape)}" if shape else "")
    return Box(
        path, kind, node.class_name, (first, *(_inside(node) if node.children else ())),
        class_name=node.class_name, file=node.file, line=node.line,
    )  # fmt: skip


def _inside(node: ModuleNode) -> list[str]:
    """The layers inside a module, one kind a line: `conv_layers 7 × Conv1d`, `projection 768 × 3 × 16 × 16`."""
    counted: dict[str, list[tuple[str, tuple[int, ...]]]] = {}

    def visit(each: ModuleNode, name: str, copies: int) -> None:
        copies *= each.count
        weight = max(each.params, key=lambda param: prod(param.shape), default=None)
        weight = weight if weight is not None and len(weight.shape) > 1 else None
        if weight is not None:
            label = name if weight.name in ("weight", "embeddings") and each is not node else weight.name
            counted.setdefault(each.class_name, []).extend([(label, weight.shape)] * copies)
        for child in each.children:
            visit(child, name if child.names[0].isdigit() else child.names[0], copies)

    visit(node, node.names[0], 1)
    lines = [
        f"{found[0][0]}  {times(found[0][1])}" if len(found) == 1 else f"{len(found)} × {kind}"
        for kind, found in counted.items()
    ]
    if len(lines) > _MOST_INSIDE:
        lines = [*lines[: _MOST_INSIDE - 1], f"{len(lines) - _MOST_INSIDE + 1} further kinds of layer"]
    return lines


_TOKENS = ("embed_tokens", "wte", "word_embeddings", "embeddings", "tok_embeddings", "embed_in", "shared")
"""Attribute names that break the tie where no fact gives the vocabulary's size."""


def embedding(path: str, node: ModuleNode, facts: Facts) -> Box:
    """A table of vectors."""
    mine = facts.noting()
    shape = next((param.shape for param in node.params if len(param.shape) == 2), ())
    name = path.rpartition(".")[2]
    title = "Embedding"
    lines = [times(shape)]
    rows = shape[0] if shape else 0
    if rows and rows == mine.integer("vocab_size"):
        title = "Token embedding"
        mine.value("hidden_size")
        scale, kind = mine.number("embedding.scale"), mine.text("embedding.norm")
        lines.append(f"× {scale:.6g}" if scale not in (None, 1) else "")
        lines.append(f"then {_norm_name(kind)}" if kind not in ("", "none") else "")
    elif "position" in f"{name} {node.class_name}".lower() or name == "wpe":
        title = "Position embedding"
    elif name in _TOKENS:
        title = "Token embedding"
    else:
        lines.append(name)
    return _box(path, Kind.EMBEDDING, node, mine, title, lines)


def norm(path: str, node: ModuleNode, facts: Facts) -> Box:
    """A norm on the residual stream."""
    mine = facts.noting()
    kind = mine.text("norm.kind")
    mine.value("norm.eps")
    mine.value("norm.placement")
    offset = mine.number("norm.weight_offset")
    title = _norm_name(kind) or node.class_name
    return _box(path, Kind.NORM, node, mine, title + (f" ({offset:g} + w)" if offset else ""), ())


def head(path: str, node: ModuleNode, facts: Facts) -> Box:
    """The output projection."""
    mine = facts.noting()
    shape = next((param.shape for param in node.params if len(param.shape) == 2), ())
    rows = mine.integer("vocab_size")
    if not shape or (rows and shape[0] != rows):
        return plain(path, node)
    cap, scale = mine.number("logits.softcap"), mine.number("logits.scale")
    tied = mine.value("embedding.tied")
    lines = [
        f"{shape[1]:,} → {shape[0]:,}" + (", tied to the embedding" if tied is True else ""),
        f"softcap {cap:g}" if cap else "",
        f"× {scale:.6g}" if scale not in (None, 1) else "",
    ]
    return _box(path, Kind.HEAD, node, mine, "Output head", lines)


def attention(path: str, node: ModuleNode, facts: Facts, cross: bool = False) -> Box:
    """Attention with its projections, the product, and what is special about either."""
    mine = facts.noting()
    names = {"gqa": "Grouped-query", "mha": "Multi-head", "mqa": "Multi-query", "mla": "Multi-head latent"}
    kind = mine.text("attention.kind")
    title = "Cross-attention" if cross else f"{names[kind]} attention" if kind in names else "Attention"
    product = facts.noting()
    rows: list[tuple[Box, ...]]
    if kind == "mla" or mine.integer("attention.mla.kv_rank"):
        rows = _latent(path, facts)
    else:
        rows = [_projections(path, node, facts, cross)]
    rows.append((_product(path, product, cross),))
    out = _out(path, node, facts)
    if out is not None:
        rows.append((out,))
    return _box(path, Kind.CROSS if cross else Kind.ATTENTION, node, mine, title, (_rotary(mine),), tuple(rows))


def _rotary(facts: Facts) -> str:
    if facts.text("position") not in ("", "rope"):
        return {"alibi": "ALiBi", "relative_bias": "relative position bias"}.get(facts.text("position"), "")
    theta = facts.number("rope.theta")
    if theta is None:
        return ""
    words = [f"RoPE θ {theta:,.12g}"]
    local = facts.number("rope.local_theta")
    words += [f"local θ {local:,.12g}"] if local is not None else []
    kind, factor = facts.text("rope.scaling.type"), facts.number("rope.scaling.factor")
    names = {"yarn": "YaRN", "llama3": "Llama 3 scaling", "longrope": "LongRoPE"}
    if kind and kind not in ("none", "default"):
        words.append(names.get(kind, kind) + (f" × {factor:g}" if factor else ""))
    dims, width = facts.integer("rope.dims"), facts.integer("attention.head_dim")
    if dims and width and dims < width and not facts.integer("attention.mla.rope_dim"):
        words.append(f"{dims} of {width} channels")
    layers, pattern = facts.value("rope.layers"), facts.words("layers.pattern")
    if isinstance(layers, tuple) and len(layers) < len(pattern):
        words.append(f"in {len(layers)} of {len(pattern)} layers")
    return ", ".join(words)


def _projections(path: str, node: ModuleNode, facts: Facts, cross: bool) -> tuple[Box, ...]:
    boxes = []
    group = "cross_attention" if cross and facts.value("cross_attention.heads") is not None else "attention"
    for letter, word in (("q", "Query"), ("k", "Key"), ("v", "Value")):
        mine = facts.noting()
        heads = mine.integer(f"{group}.heads" if letter == "q" else f"{group}.kv_heads")
        width = mine.integer(f"{group}.head_dim")
        if letter == "v":
            width = mine.integer("attention.v_head_dim") or width
        rows = _rows(node, letter)
        # A fact about other layers says nothing here: a projection's rows are its heads, twice for a gate beside them.
        fits = heads and width and (not rows or rows % (heads * width) == 0)
        lines = [f"{heads:,} × {width:,}" if fits else f"{rows:,}" if rows else ""]
        if letter != "v":
            kind = mine.text("attention.qk_norm")
            lines.append({"rms": "RMSNorm", "layer": "LayerNorm", "l2": "L2 norm"}.get(kind, ""))
            lines.append("RoPE" if mine.text("position") == "rope" and not cross else "")
        mine.value(f"attention.bias.{letter}")
        boxes.append(_part(f"{path}.{letter}", word, lines, mine))
    return tuple(boxes)


def _rows(node: ModuleNode, letter: str) -> int:
    """Output width of a separate projection, from its weight; 0 where there is none by such a name."""
    words = {"q": "query", "k": "key", "v": "value"}
    for each in descendants(node):
        if each.names[0] in (f"{letter}_proj", letter, words[letter], f"{letter}_lin", f"w{letter}"):
            return next((param.shape[0] for param in each.params if len(param.shape) == 2), 0)
    return 0


def _latent(path: str, facts: Facts) -> list[tuple[Box, ...]]:
    query, pair, spread = facts.noting(), facts.noting(), facts.noting()
    q_rank, kv_rank = query.integer("attention.mla.q_rank"), pair.integer("attention.mla.kv_rank")
    rope, nope = spread.integer("attention.mla.rope_dim"), spread.integer("attention.mla.nope_dim")
    heads = spread.integer("attention.heads")
    value = facts.noting()
    width = value.integer("attention.mla.v_dim")
    low = [_part(f"{path}.q_latent", "Query latent" if q_rank else "Input", [f"{q_rank:,}" if q_rank else ""], query)]
    if rope:
        low.append(_part(f"{path}.k_rope", "Shared key", [f"{rope:,}, RoPE", "cached"], facts.noting()))
    low.append(_part(f"{path}.kv_latent", "Key-value latent", [f"{kv_rank:,}" if kv_rank else "", "cached"], pair))
    low = [
        replace(box, feeds=feeds)
        for box, feeds in zip(low, ((0,), (1,), (1, 2)) if rope else ((0,), (1, 2)), strict=True)
    ]
    both = f"{heads:,} × ({nope:,} + {rope:,})" if heads and nope else ""
    high = [
        _part(f"{path}.q", "Query", [both, f"RoPE on {rope:,}" if rope else ""], spread),
        _part(f"{path}.k", "Key", [both], spread),
        _part(f"{path}.v", "Value", [f"{heads:,} × {width:,}" if heads and width else ""], value),
    ]
    return [tuple(low), tuple(high)]


def _product(path: str, mine: Facts, cross: bool) -> Box:
    scale, cap = mine.number("attention.scale"), mine.number("attention.softcap")
    inner = f"QKᵀ × {scale:.6g}" if scale is not None else "QKᵀ"
    capped = f"softcap {cap:g}" if cap else ""
    lines = [capped]
    mine.value("attention.causal")
    window, chunk = mine.integer("attention.window.size"), mine.integer("attention.chunk.size")
    kinds = mine.words("layers.pattern")
    if not cross:
        for size, word, kind in ((window, "window", "sliding"), (chunk, "chunks of", "chunked")):
            share = f" in {kinds.count(kind)} of {len(kinds)} layers" if kind in kinds else ""
            lines.append(f"{word} {size:,}{share}" if size else "")
        sinks = mine.text("attention.sinks")
        each = " per head" if mine.value("attention.sinks.per_head") is True else ""
        names = {"learned_logit": f"learned sink{each}", "zero_logit": "zero sink", "token": "sink tokens"}
        lines.append(names.get(sinks, ""))
    title = f"softmax({inner}) V" if scale is not None or mine.text("attention.kind") else "Attention product"
    return _part(f"{path}.product", title, lines, mine)


def _out(path: str, node: ModuleNode, facts: Facts) -> Box | None:
    mine = facts.noting()
    mine.value("attention.bias.o")
    for each in descendants(node):
        if each.names[0] in ("o_proj", "out_proj", "c_proj", "dense", "wo", "o", "proj"):
            shape = next((param.shape for param in each.params if len(param.shape) == 2), ())
            if shape:
                gate = mine.value("attention.output_gate")
                lines = [f"{shape[1]:,} → {shape[0]:,}", "gated" if gate is True else ""]
                return _part(f"{path}.{each.names[0]}", "Output projection", lines, mine)
    return None


def _part(path: str, title: str, lines: Sequence[str], facts: Facts, kind: Kind = Kind.PART, copies: int = 1) -> Box:
    shown = tuple(line for line in lines if line)
    return Box(path, kind, title, shown, keys=facts.keys(), status=facts.status(), copies=copies)


def mixer(path: str, node: ModuleNode, facts: Facts) -> Box:
    """A recurrence, linear attention or a convolution over positions."""
    mine = facts.noting()
    names = {
        "mamba": "Mamba", "mamba2": "Mamba-2", "rg_lru": "RG-LRU", "rwkv": "RWKV", "gated_delta": "Gated DeltaNet",
        "delta": "DeltaNet", "kda": "Kimi Delta Attention", "lightning": "Lightning attention",
        "retention": "Retention", "gla": "Gated linear attention",
    }  # fmt: skip
    linear = mine.text("linear_attention.kind")
    ssm = mine.text("ssm.kind")
    title = names.get(linear or ssm, node.class_name)
    heads, value_heads = mine.integer("linear_attention.heads"), mine.integer("linear_attention.value_heads")
    key_dim, value_dim = mine.integer("linear_attention.key_dim"), mine.integer("linear_attention.value_dim")
    state, ssm_heads = mine.integer("ssm.state_size"), mine.integer("ssm.heads")
    kernel = mine.integer("linear_attention.conv_kernel") or mine.integer("ssm.conv_kernel")
    lines = [
        f"{heads:,} key heads × {key_dim:,}" if heads and key_dim else "",
        f"{value_heads or heads:,} value heads × {value_dim:,}" if heads and value_dim else "",
        f"{ssm_heads:,} heads" if ssm_heads else "",
        f"state {state:,}" if state else "",
        f"convolution over {kernel} tokens" if kernel else "",
    ]
    return _box(path, Kind.MIXER, node, mine, title, lines)


_GATED = {"silu": "SwiGLU", "gelu": "GeGLU", "gelu_tanh": "GeGLU", "relu": "ReGLU", "sigmoid": "GLU"}
_ACTIVATIONS = {"silu": "SiLU", "gelu": "GELU", "gelu_tanh": "GELU", "relu": "ReLU", "relu2": "ReLU²"}


def _activation(facts: Facts) -> str:
    kind, name = facts.text("mlp.kind"), facts.text("mlp.activation")
    if kind == "gated":
        return _GATED.get(name, f"gated {name}".strip())
    return _ACTIVATIONS.get(name, name)


def mlp(path: str, nodes: Sequence[ModuleNode], facts: Facts) -> Box:
    """A dense feed-forward network, of one module or of several beside each other."""
    mine = facts.noting()
    shapes = [
        # transformers' `Conv1D` keeps its weight the other way round.
        param.shape[::-1] if each.class_name == "Conv1D" else param.shape
        for node in nodes
        for each in descendants(node)
        for param in each.params
        if len(param.shape) == 2
    ]
    gated = mine.text("mlp.kind") == "gated"
    hidden, width = mine.integer("mlp.size"), mine.integer("hidden_size")
    if hidden and width and shapes and not _fits(shapes, hidden, width):
        # The facts speak of another feed-forward part: their kind and activation are not this one's.
        return plain(path, nodes[0])
    # The projection back to the stream is the one built last, and its rows are the stream's width.
    if shapes and (not hidden or all(hidden not in shape for shape in shapes)):
        width, hidden = shapes[-1]
    elif shapes:
        width = width or shapes[-1][0]
    lines = [f"{width:,} → {f'2 × {hidden:,}' if gated else f'{hidden:,}'} → {width:,}" if width and hidden else ""]
    words = [_activation(mine)]
    limit, alpha = mine.number("mlp.limit"), mine.number("mlp.alpha")
    words += [f"clamped at {limit:g}"] if limit else []
    words += [f"α {alpha:g}"] if alpha not in (None, 1) else []
    mine.value("mlp.bias")
    return _box(path, Kind.MLP, nodes[0], mine, "Feed-forward", [", ".join(word for word in words if word), *lines])


def _fits(shapes: Sequence[Sequence[int]], hidden: int, width: int) -> bool:
    """Whether a feed-forward part can be one of the known sizes; gate and up projection may stand in one matrix."""
    return any(width in shape and (hidden in shape or 2 * hidden in shape) for shape in shapes)


def moe(path: str, node: ModuleNode, facts: Facts) -> Box:
    """A router, the experts it chooses from, and experts that every token visits."""
    mine, route, each = facts.noting(), facts.noting(), facts.noting()
    built, count = expert_count(node), mine.integer("moe.experts")
    # Some of those built may be no networks (experts that give back what they get); more than there are is another layer's.
    count = built if built and not 0 < count <= built else count
    chosen = route.integer("moe.experts_per_token")
    words = {"softmax": "softmax", "sigmoid": "sigmoid"}.get(route.text("moe.router.score"), "")
    order = route.text("moe.router.order")
    after = order.startswith("topk_then")
    top = f"top {chosen}" if chosen else ""
    groups, best = route.integer("moe.router.groups"), route.integer("moe.router.groups_per_token")
    bias = route.value("moe.router.bias")
    selection = route.value("moe.router.selection_bias")
    scale = route.number("moe.router.scale")
    router = _part(
        f"{path}.router",
        "Router",
        [
            " → ".join(word for word in ((top, words) if after else (words, top)) if word),
            f"{best} of {groups} groups" if groups > 1 and best else "",
            "selection bias" if selection is True else "bias" if bias is True else "",
            f"weights × {scale:g}" if scale not in (None, 1) else "",
        ],
        route,
        Kind.ROUTER,
    )
    hidden = each.integer("moe.expert_size")
    width = each.integer("hidden_size")
    limit, alpha = each.number("mlp.limit"), each.number("mlp.alpha")
    each.value("mlp.up_offset")
    experts = _part(
        f"{path}.experts",
        f"{count:,} experts" if count else "Experts",
        [
            _activation(each),
            f"{width:,} → {hidden:,}" if width and hidden else "",
            ", ".join(
                word
                for word in (f"clamp {limit:g}" if limit else "", f"α {alpha:g}" if alpha not in (None, 1) else "")
                if word
            ),
        ],
        each,
        Kind.EXPERTS,
        max(count, 2),
    )
    row = [router, experts]
    shared = facts.noting()
    always, size = shared.integer("moe.shared_experts"), shared.integer("moe.shared_size")
    if always or any("shared" in child.names[0] for child in node.children):
        gate = shared.value("moe.shared_gate")
        title = "Shared expert" if always <= 1 else f"{always} shared experts"
        lines = [f"{width:,} → {size:,}" if width and size else "", "gated" if gate is True else "every token"]
        row.append(_part(f"{path}.shared", title, lines, shared, Kind.MLP))
    total = _part(
        f"{path}.sum",
        "Weighted sum",
        [
            f"of {chosen} expert{'s' if chosen > 1 else ''}" + (" and the shared" if len(row) > 2 else "")
            if chosen
            else ""
        ],
        facts.noting(),
    )
    return _box(path, Kind.MOE, node, mine, "Mixture of experts", (), (tuple(row), (total,)))


def _norm_name(kind: str) -> str:
    return {"rms": "RMSNorm", "layer": "LayerNorm", "layer_no_affine": "LayerNorm", "batch": "BatchNorm"}.get(
        kind, kind
    )


def times(shape: Sequence[int]) -> str:
    """`201,088 × 2,880`; a size that is not known is a question mark."""
    return " × ".join(f"{length:,}" if length >= 0 else "?" for length in shape)
