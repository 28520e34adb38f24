"""Hand-built results for the renderers: module trees as the analyser builds them, facts, claims."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from specdiff.facts import Absence, Evidence, Fact, FactSheet, Level, Undecided, Value
from specdiff.results import (
    CheckResult,
    ClaimResult,
    ClassResult,
    Confidence,
    Extra,
    Finding,
    ModuleNode,
    Param,
    Severity,
    SourceDocument,
    SourceRef,
    Status,
)

FILE = "models/gpt_oss/modeling_gpt_oss.py"
SOURCE = "\n".join(
    [
        *(f"# line {line}" for line in range(1, 180)),
        "        hidden_states = self.norm(hidden_states)",
        "        router_top_value, router_indices = torch.topk(router_logits, self.top_k, dim=-1)",
        "        return router_top_value, router_indices",
        *(f"# line {line}" for line in range(183, 240)),
    ]
)
"""Stands in for the analysed file; line 181 chooses the experts."""


def module(
    name: str | tuple[str, ...],
    class_name: str,
    *children: ModuleNode,
    params: dict[str, tuple[int, ...]] | None = None,
    library: bool = False,
    **settings: Value,
) -> ModuleNode:
    """A node; `library` leaves the file empty as for layers that no model code defines."""
    names = (name,) if isinstance(name, str) else name
    own = tuple(Param(key, shape, "float32", FILE, 1) for key, shape in (params or {}).items())
    return ModuleNode(names, class_name, "" if library else FILE, 0 if library else 1, own, (), children, settings)


def linear(name: str, fan_in: int, fan_out: int, bias: bool = False) -> ModuleNode:
    """`nn.Linear`."""
    params: dict[str, tuple[int, ...]] = {"weight": (fan_out, fan_in)}
    if bias:
        params["bias"] = (fan_out,)
    return module(name, "Linear", params=params, library=True, in_features=fan_in, out_features=fan_out)


def norm(name: str, size: int, class_name: str = "RMSNorm") -> ModuleNode:
    """A norm with a weight."""
    return module(name, class_name, params={"weight": (size,)}, eps=1e-5)


def embedding(rows: int, size: int, name: str = "embed_tokens") -> ModuleNode:
    """`nn.Embedding`."""
    return module(name, "Embedding", params={"weight": (rows, size)}, library=True)


def indices(first: int, last: int) -> tuple[str, ...]:
    """Names of folded siblings, last one included."""
    return tuple(str(index) for index in range(first, last + 1))


def parameters(tree: ModuleNode, prefix: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes in torch's order, folded nodes unfolded."""
    for name in tree.names:
        path = f"{prefix}{name}." if name else prefix
        for param in tree.params:
            yield path + param.name, param.shape
        for child in tree.children:
            yield from parameters(child, path)


def fact(key: str, value: Value, line: int, what: str = "as built", level: Level = Level.USED) -> Fact:
    """A fact with one line of evidence."""
    return Fact(key, value, level, (Evidence(FILE, line, line, what),))


def sheet(values: dict[str, Value], undecided: dict[str, str] | None = None) -> FactSheet:
    """Facts at the level used, one line of evidence each."""
    facts = {key: fact(key, value, 100 + index) for index, (key, value) in enumerate(values.items())}
    absences = {"attention.qk_norm": Absence("attention.qk_norm", "nothing normalises queries or keys", ())}
    open_keys = {key: Undecided(reason, FILE, 50, key) for key, reason in (undecided or {}).items()}
    return FactSheet(facts, {} if "attention.qk_norm" in facts else absences, open_keys)


def class_result(
    name: str,
    tree: ModuleNode,
    facts: FactSheet,
    active: int | None = None,
    tied: tuple[tuple[str, str], ...] = (),
) -> ClassResult:
    """A result with everything live and complete."""
    shapes = dict(parameters(tree))
    total = sum(prod(shape) for shape in shapes.values()) - sum(prod(shapes[later]) for later, _ in tied)
    calls = ((f"{FILE}::GptOssMLP.forward:180", f"{FILE}::GptOssExperts.forward:120"),)
    return ClassResult(
        name, FILE, 523, tree, shapes, tied, total, active, facts, calls, tuple(shapes), (), (), (), "complete"
    )


def gpt_oss() -> ClassResult:
    """gpt-oss-120b: 36 equal layers in one folded node."""
    attention = module(
        "self_attn",
        "GptOssAttention",
        linear("q_proj", 2880, 4096, True),
        linear("k_proj", 2880, 512, True),
        linear("v_proj", 2880, 512, True),
        linear("o_proj", 4096, 2880, True),
        params={"sinks": (64,)},
        head_dim=64,
    )
    router = module("router", "GptOssTopKRouter", params={"weight": (128, 2880), "bias": (128,)}, top_k=4)
    experts = module(
        "experts",
        "GptOssExperts",
        params={
            "gate_up_proj": (128, 2880, 5760),
            "gate_up_proj_bias": (128, 5760),
            "down_proj": (128, 2880, 2880),
            "down_proj_bias": (128, 2880),
        },
        alpha=1.702,
    )
    layer = module(
        indices(0, 35),
        "GptOssDecoderLayer",
        attention,
        module("mlp", "GptOssMLP", router, experts),
        norm("input_layernorm", 2880, "GptOssRMSNorm"),
        norm("post_attention_layernorm", 2880, "GptOssRMSNorm"),
    )
    model = module(
        "model",
        "GptOssModel",
        embedding(201088, 2880),
        module("layers", "ModuleList", layer, library=True),
        norm("norm", 2880, "GptOssRMSNorm"),
        module("rotary_emb", "GptOssRotaryEmbedding"),
    )
    tree = module("", "GptOssForCausalLM", model, linear("lm_head", 2880, 201088))
    return class_result("GptOssForCausalLM", tree, sheet(GPT_OSS_FACTS), 5_132_849_472)


GPT_OSS_FACTS: dict[str, Value] = {
    "layers": 36,
    "hidden_size": 2880,
    "vocab_size": 201088,
    "context_length": 131072,
    "embedding.tied": False,
    "layers.pattern": ("sliding", "full") * 18,
    "mlp.pattern": ("moe",) * 36,
    "residual": "sequential",
    "attention.kind": "gqa",
    "attention.heads": 64,
    "attention.kv_heads": 8,
    "attention.head_dim": 64,
    "attention.bias.q": True,
    "attention.bias.k": True,
    "attention.bias.v": True,
    "attention.bias.o": True,
    "attention.scale": 0.125,
    "attention.causal": True,
    "attention.sinks": "learned_logit",
    "attention.sinks.per_head": True,
    "attention.window.size": 128,
    "attention.window.layers": tuple(range(0, 36, 2)),
    "position": "rope",
    "rope.theta": 150000.0,
    "rope.style": "half",
    "rope.dims": 64,
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 32.0,
    "rope.scaling.original_context": 4096,
    "norm.kind": "rms",
    "norm.eps": 1e-5,
    "norm.placement": "pre",
    "norm.final": True,
    "mlp.kind": "gated",
    "mlp.activation": "silu",
    "mlp.limit": 7.0,
    "mlp.alpha": 1.702,
    "mlp.up_offset": 1.0,
    "mlp.bias": True,
    "moe.experts": 128,
    "moe.experts_per_token": 4,
    "moe.expert_size": 2880,
    "moe.layers": tuple(range(36)),
    "moe.router.score": "softmax",
    "moe.router.order": "topk_then_softmax",
    "moe.router.bias": True,
    "parameters.total": 116_829_156_672,
    "parameters.active": 5_132_849_472,
}


def claim(
    key: str,
    status: Status,
    expected: Value,
    actual: Value,
    reason: str = "",
    quote: str = "as the card says",
    line: int = 180,
    known_deviation: str = "",
) -> ClaimResult:
    """A claim from the card."""
    evidence = (Evidence(FILE, line, line, f"{key} is read here"),)
    return ClaimResult(
        key,
        status,
        expected,
        actual,
        Level.USED if actual is not None else None,
        Level.USED,
        SourceRef("card", "§2.2", quote),
        evidence,
        reason,
        12,
        known_deviation,
    )


DOCUMENTS = (SourceDocument("card", "gpt-oss-120b & gpt-oss-20b Model Card", "https://arxiv.org/abs/2508.10925"),)


def check_match() -> CheckResult:
    """gpt-oss-120b, every fact claimed and right."""
    code = gpt_oss()
    claims = tuple(
        claim(key, Status.MATCH, value, value, quote=f"the card's sentence about {key}")
        for key, value in GPT_OSS_FACTS.items()
    )
    return CheckResult(
        "specs/gpt-oss-120b.yaml",
        "gpt-oss-120b",
        "gpt_oss::GptOssForCausalLM",
        Status.MATCH,
        claims,
        (Extra("attention.fused_qkv", False, Level.BUILT, ()),),
        (),
        DOCUMENTS,
        code,
        {
            "weights": {
                "value": True,
                "license": "apache-2.0",
                "source": "card",
                "where": "§1",
                "quote": "open-weight",
            },
            "training_data": False,
        },
        {FILE: SOURCE},
    )


def check_problems() -> CheckResult:
    """The same model with a mismatch, a missing piece, a known deviation, undecided claims and a finding."""
    matching = check_match()
    claims = list(matching.claims)
    for index, each in enumerate(claims):
        match each.key:
            case "moe.experts_per_token":
                claims[index] = claim(
                    each.key, Status.MISMATCH, 4, 2, "the code has 2, the source says 4",
                    "we select the top-4 experts for each token", 181,
                )  # fmt: skip
            case "attention.sinks":
                claims[index] = claim(
                    each.key, Status.MISSING, "learned_logit", None, "nothing joins the softmax's denominator",
                    "Each attention head has a learned bias in the denominator of the softmax", 182,
                )  # fmt: skip
            case "rope.scaling.factor" | "mlp.limit":
                claims[index] = claim(
                    each.key, Status.UNDECIDED, each.expected, None, "no detector speaks about this key yet",
                )  # fmt: skip
            case "norm.eps":
                claims[index] = claim(
                    each.key, Status.MISMATCH, 1e-6, 1e-5, "the code has 1e-5, the source says 1e-6",
                    known_deviation="the published config.json overrides the paper's value",
                )  # fmt: skip
    finding = Finding(
        "build.undecided", Severity.WARNING, Confidence.MEDIUM, "a branch depends on the input",
        Evidence(FILE, 42, 44, "the branch"), (Evidence(FILE, 12, 12, "called from here"),),
    )  # fmt: skip
    return CheckResult(
        matching.spec,
        matching.name,
        matching.target,
        Status.MISMATCH,
        tuple(claims),
        matching.extras,
        (finding,),
        matching.documents,
        matching.code,
        matching.release,
        matching.sources,
    )
