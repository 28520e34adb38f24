"""Small hand-built models of several shapes, for the drawings."""

from __future__ import annotations

from fixtures import class_result, embedding, indices, linear, module, norm, sheet

from specdiff.facts import Value
from specdiff.results import ClassResult, ModuleNode


def _gated(name: str, width: int, hidden: int) -> ModuleNode:
    return module(
        name,
        "GatedMLP",
        linear("gate_proj", width, hidden),
        linear("up_proj", width, hidden),
        linear("down_proj", hidden, width),
    )


def _attention(name: str, width: int, heads: int, kv_heads: int, size: int, *extra: ModuleNode) -> ModuleNode:
    return module(
        name,
        "Attention",
        linear("q_proj", width, heads * size),
        linear("k_proj", width, kv_heads * size),
        linear("v_proj", width, kv_heads * size),
        linear("o_proj", heads * size, width),
        *extra,
    )


def _causal(layers: tuple[ModuleNode, ...], rows: int, width: int, tied: bool = False) -> ModuleNode:
    model = module(
        "model",
        "Model",
        embedding(rows, width),
        module("layers", "ModuleList", *layers, library=True),
        norm("norm", width),
    )
    return module("", "ForCausalLM", model, linear("lm_head", width, rows))


def dense() -> ClassResult:
    """Llama-like: grouped-query attention, pre-norm, gated network."""
    layer = module(
        indices(0, 31),
        "DecoderLayer",
        _attention("self_attn", 4096, 32, 8, 128),
        _gated("mlp", 4096, 14336),
        norm("input_layernorm", 4096),
        norm("post_attention_layernorm", 4096),
    )
    facts: dict[str, Value] = {
        "layers": 32, "hidden_size": 4096, "vocab_size": 128256, "embedding.tied": False,
        "layers.pattern": ("full",) * 32, "residual": "sequential", "norm.kind": "rms", "norm.placement": "pre",
        "attention.kind": "gqa", "attention.heads": 32, "attention.kv_heads": 8, "attention.head_dim": 128,
        "attention.scale": 0.08838834764831845, "position": "rope", "rope.theta": 500000.0,
        "rope.scaling.type": "llama3", "rope.scaling.factor": 8.0, "mlp.kind": "gated", "mlp.activation": "silu",
        "mlp.size": 14336,
    }  # fmt: skip
    return class_result("DenseForCausalLM", _causal((layer,), 128256, 4096), sheet(facts))


def dense_without_facts() -> ClassResult:
    """The same tree when nothing was proven about it."""
    code = dense()
    assert code.tree is not None
    return class_result(code.name, code.tree, sheet({}))


def latent() -> ClassResult:
    """DeepSeek-V3-like: latent attention, three dense layers, then experts with a shared one."""
    attention = module(
        "self_attn",
        "LatentAttention",
        linear("q_a_proj", 7168, 1536),
        norm("q_a_layernorm", 1536),
        linear("q_b_proj", 1536, 24576),
        linear("kv_a_proj_with_mqa", 7168, 576),
        norm("kv_a_layernorm", 512),
        linear("kv_b_proj", 512, 32768),
        linear("o_proj", 16384, 7168),
    )
    norms = (norm("input_layernorm", 7168), norm("post_attention_layernorm", 7168))
    experts = module("experts", "Experts", params={"gate_up_proj": (256, 4096, 7168), "down_proj": (256, 7168, 2048)})
    moe = module(
        "mlp",
        "MoE",
        experts,
        module("gate", "TopkRouter", params={"weight": (256, 7168)}),
        _gated("shared_experts", 7168, 2048),
    )
    layers = (
        module(indices(0, 2), "DecoderLayer", attention, _gated("mlp", 7168, 18432), *norms),
        module(indices(3, 60), "DecoderLayer", attention, moe, *norms),
    )
    facts: dict[str, Value] = {
        "layers": 61, "hidden_size": 7168, "vocab_size": 129280, "layers.pattern": ("full",) * 61,
        "mlp.pattern": ("dense",) * 3 + ("moe",) * 58, "residual": "sequential", "norm.kind": "rms",
        "norm.placement": "pre", "attention.kind": "mla", "attention.heads": 128, "attention.mla.q_rank": 1536,
        "attention.mla.kv_rank": 512, "attention.mla.rope_dim": 64, "attention.mla.nope_dim": 128,
        "attention.mla.v_dim": 128, "attention.scale": 0.1352337788608801, "position": "rope", "rope.theta": 10000.0,
        "rope.scaling.type": "yarn", "rope.scaling.factor": 40.0, "mlp.kind": "gated", "mlp.activation": "silu",
        "mlp.size": 18432, "moe.experts": 256, "moe.experts_per_token": 8, "moe.expert_size": 2048,
        "moe.shared_experts": 1, "moe.shared_size": 2048, "moe.router.score": "sigmoid",
        "moe.router.order": "sigmoid_then_topk", "moe.router.groups": 8, "moe.router.groups_per_token": 4,
        "moe.router.selection_bias": True, "moe.router.scale": 2.5,
    }  # fmt: skip
    return class_result("LatentForCausalLM", _causal(layers, 129280, 7168), sheet(facts))


def sandwich() -> ClassResult:
    """Gemma-2-like: norms before and after each part, soft caps, tied and scaled embedding."""
    layer = module(
        indices(0, 41),
        "DecoderLayer",
        _attention("self_attn", 3584, 16, 8, 256),
        _gated("mlp", 3584, 14336),
        norm("input_layernorm", 3584),
        norm("post_attention_layernorm", 3584),
        norm("pre_feedforward_layernorm", 3584),
        norm("post_feedforward_layernorm", 3584),
    )
    facts: dict[str, Value] = {
        "layers": 42, "hidden_size": 3584, "vocab_size": 256000, "embedding.tied": True,
        "embedding.scale": 59.86651818838306, "layers.pattern": ("sliding", "full") * 21, "residual": "sequential",
        "norm.kind": "rms", "norm.placement": "sandwich", "norm.weight_offset": 1.0, "attention.kind": "gqa",
        "attention.heads": 16, "attention.kv_heads": 8, "attention.head_dim": 256, "attention.scale": 0.0625,
        "attention.softcap": 50.0, "attention.window.size": 4096, "position": "rope", "rope.theta": 10000.0,
        "mlp.kind": "gated", "mlp.activation": "gelu_tanh", "mlp.size": 14336, "logits.softcap": 30.0,
    }  # fmt: skip
    tree = _causal((layer,), 256000, 3584)
    return class_result(
        "SandwichForCausalLM", tree, sheet(facts), tied=(("lm_head.weight", "model.embed_tokens.weight"),)
    )


def hybrid() -> ClassResult:
    """Qwen3-Next-like: three layers of linear attention, one of softmax attention, experts in all."""
    delta = module(
        "linear_attn",
        "GatedDeltaNet",
        module("conv1d", "Conv1d", params={"weight": (8192, 1, 4)}, library=True),
        linear("in_proj_qkvz", 2048, 12288),
        linear("out_proj", 4096, 2048),
        params={"A_log": (32,), "dt_bias": (32,)},
    )
    attention = _attention("self_attn", 2048, 16, 2, 256, norm("q_norm", 256), norm("k_norm", 256))
    norms = (norm("input_layernorm", 2048), norm("post_attention_layernorm", 2048))
    moe = module(
        "mlp",
        "SparseMoeBlock",
        linear("gate", 2048, 512),
        module("experts", "Experts", params={"gate_up_proj": (512, 1024, 2048), "down_proj": (512, 2048, 512)}),
        _gated("shared_expert", 2048, 512),
        linear("shared_expert_gate", 2048, 1),
    )
    layers = []
    for start in range(0, 48, 4):
        layers.append(module(indices(start, start + 2), "DecoderLayer", delta, moe, *norms))
        layers.append(module(str(start + 3), "DecoderLayer", attention, moe, *norms))
    facts: dict[str, Value] = {
        "layers": 48, "hidden_size": 2048, "vocab_size": 151936,
        "layers.pattern": ("linear", "linear", "linear", "full") * 12, "residual": "sequential", "norm.kind": "rms",
        "norm.placement": "pre", "attention.kind": "gqa", "attention.heads": 16, "attention.kv_heads": 2,
        "attention.head_dim": 256, "attention.qk_norm": "rms", "attention.output_gate": True, "position": "rope",
        "rope.theta": 10_000_000.0, "rope.dims": 64, "linear_attention.kind": "gated_delta",
        "linear_attention.heads": 16, "linear_attention.value_heads": 32, "linear_attention.key_dim": 128,
        "linear_attention.value_dim": 128, "linear_attention.conv_kernel": 4, "mlp.kind": "gated",
        "mlp.activation": "silu", "moe.experts": 512, "moe.experts_per_token": 10, "moe.expert_size": 512,
        "moe.shared_experts": 1, "moe.shared_size": 512, "moe.shared_gate": True, "moe.router.score": "softmax",
        "moe.router.order": "softmax_then_topk",
    }  # fmt: skip
    return class_result("HybridForCausalLM", _causal(tuple(layers), 151936, 2048), sheet(facts))


def encoder_decoder() -> ClassResult:
    """Whisper-like: convolutions before the encoder, cross attention in the decoder."""

    def layer(last: int, name: str, cross: bool) -> ModuleNode:
        crossing = (_attention("encoder_attn", 1280, 20, 20, 64), norm("encoder_attn_layer_norm", 1280, "LayerNorm"))
        return module(
            indices(0, last),
            name,
            _attention("self_attn", 1280, 20, 20, 64),
            norm("self_attn_layer_norm", 1280, "LayerNorm"),
            *(crossing if cross else ()),
            linear("fc1", 1280, 5120, True),
            linear("fc2", 5120, 1280, True),
            norm("final_layer_norm", 1280, "LayerNorm"),
        )

    encoder = module(
        "encoder",
        "AudioEncoder",
        module("conv1", "Conv1d", params={"weight": (1280, 128, 3), "bias": (1280,)}, library=True),
        module("conv2", "Conv1d", params={"weight": (1280, 1280, 3), "bias": (1280,)}, library=True),
        embedding(1500, 1280, "embed_positions"),
        module("layers", "ModuleList", layer(31, "EncoderLayer", False), library=True),
        norm("layer_norm", 1280, "LayerNorm"),
    )
    decoder = module(
        "decoder",
        "TextDecoder",
        embedding(51866, 1280),
        embedding(448, 1280, "embed_positions"),
        module("layers", "ModuleList", layer(31, "DecoderLayer", True), library=True),
        norm("layer_norm", 1280, "LayerNorm"),
    )
    tree = module("", "ForGeneration", module("model", "Model", encoder, decoder), linear("proj_out", 1280, 51866))
    facts: dict[str, Value] = {
        "vocab_size": 51866, "residual": "sequential", "norm.kind": "layer", "norm.placement": "pre",
        "attention.kind": "mha", "attention.heads": 20, "attention.kv_heads": 20, "attention.head_dim": 64,
        "mlp.kind": "plain", "mlp.activation": "gelu", "mlp.size": 5120, "hidden_size": 1280,
    }  # fmt: skip
    both = facts | {f"encoder.{key}": value for key, value in facts.items()}
    return class_result("EncoderDecoderForGeneration", tree, sheet(both))


def tower() -> ClassResult:
    """LLaVA-like: a vision tower, a projector, a language model."""
    vision_layer = module(
        indices(0, 23),
        "EncoderLayer",
        _attention("self_attn", 1024, 16, 16, 64),
        norm("layer_norm1", 1024, "LayerNorm"),
        module("mlp", "MLP", linear("fc1", 1024, 4096, True), linear("fc2", 4096, 1024, True)),
        norm("layer_norm2", 1024, "LayerNorm"),
    )
    vision = module(
        "vision_tower",
        "VisionModel",
        module(
            "embeddings",
            "VisionEmbeddings",
            module("patch_embedding", "Conv2d", params={"weight": (1024, 3, 14, 14)}, library=True),
            embedding(577, 1024, "position_embedding"),
        ),
        module("encoder", "Encoder", module("layers", "ModuleList", vision_layer, library=True)),
        norm("post_layernorm", 1024, "LayerNorm"),
    )
    code = dense()
    assert code.tree is not None
    language, head = code.tree.children
    projector = module(
        "multi_modal_projector",
        "MultiModalProjector",
        linear("linear_1", 1024, 4096, True),
        linear("linear_2", 4096, 4096, True),
    )
    renamed = module("language_model", "LanguageModel", *language.children)
    tree = module("", "ForConditionalGeneration", module("model", "Model", vision, projector, renamed), head)
    facts = {key: fact.value for key, fact in code.sheet.facts.items()} | {
        "vision.attention.heads": 16, "vision.attention.kv_heads": 16, "vision.attention.head_dim": 64,
        "vision.attention.kind": "mha", "vision.norm.kind": "layer", "vision.norm.placement": "pre",
        "vision.residual": "sequential", "vision.mlp.activation": "gelu", "vision.hidden_size": 1024,
    }  # fmt: skip
    return class_result("TowerForConditionalGeneration", tree, sheet(facts))


def unknown() -> ClassResult:
    """Nothing that is recognised."""
    tree = module("", "Net", module("thing", "Thing", params={"gain": (3, 5, 7)}), linear("last", 5, 2))
    return class_result("Net", tree, sheet({}))
