"""What the configuration says, for keys that the code shows nothing about: the lowest level, where ``forward`` was not followed."""

from __future__ import annotations

from collections.abc import Mapping

from specdiff import vocab
from specdiff.detect.scene import Scene
from specdiff.facts import Level
from specdiff.vocab import ValueType

SETTINGS: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim"),
    "vocab_size": ("vocab_size",),
    "embedding.tied": ("tie_word_embeddings",),
    "logits.softcap": ("final_logit_softcapping",),
    "attention.heads": ("num_attention_heads", "n_head", "n_heads"),
    "attention.kv_heads": ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "multi_query_group_num"),
    "attention.head_dim": ("head_dim",),
    "attention.softcap": ("attn_logit_softcapping",),
    "attention.window.size": ("sliding_window",),
    "attention.mla.q_rank": ("q_lora_rank",),
    "attention.mla.kv_rank": ("kv_lora_rank",),
    "attention.mla.rope_dim": ("qk_rope_head_dim",),
    "attention.mla.nope_dim": ("qk_nope_head_dim",),
    "attention.mla.v_dim": ("v_head_dim",),
    "norm.eps": ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon"),
    "mlp.size": ("intermediate_size", "ffn_dim", "n_inner", "d_ff"),
    "mlp.activation": ("hidden_act", "activation_function", "hidden_activation"),
    "moe.experts": ("num_experts", "num_local_experts", "n_routed_experts"),
    "moe.experts_per_token": ("num_experts_per_tok", "moe_topk", "top_k_experts"),
    "moe.expert_size": ("moe_intermediate_size",),
    "moe.shared_experts": ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
    "moe.router.scale": ("routed_scaling_factor",),
    "moe.router.normalise": ("norm_topk_prob",),
    "moe.router.groups": ("n_group",),
    "moe.router.groups_per_token": ("topk_group",),
    "moe.first_dense": ("first_k_dense_replace",),
    "ssm.state_size": ("state_size", "mamba_d_state", "ssm_state_size"),
    "ssm.conv_kernel": ("conv_kernel", "mamba_d_conv"),
    "ssm.expand": ("expand", "mamba_expand"),
    "ssm.groups": ("n_groups", "mamba_n_groups"),
    "ssm.heads": ("mamba_n_heads", "mamba_num_heads"),
    "linear_attention.heads": ("linear_num_key_heads",),
    "linear_attention.value_heads": ("linear_num_value_heads",),
    "linear_attention.key_dim": ("linear_key_head_dim",),
    "linear_attention.value_dim": ("linear_value_head_dim",),
    "linear_attention.conv_kernel": ("linear_conv_kernel_dim",),
    "patch_size": ("patch_size",),
}
"""Settings that configurations use for a key, the usual name first."""


def fallback(scene: Scene) -> None:
    """Declared values where no operation was seen."""
    if scene.operations is not None:
        return
    part = "text_config" if scene.setting("text_config") is not None else ""
    for key, names in SETTINGS.items():
        setting = scene.setting(*names, part=part) or scene.setting(*names)
        if setting is None:
            continue
        value, evidence = setting
        if key == "mlp.size" and (others := _other_sizes(scene, part, value)):
            # Which of several widths the dense network has is the code's business.
            scene.unsure(key, f"the configuration has several widths ({', '.join(others)})")
            continue
        entry = vocab.KEYS[key]
        if entry.type is ValueType.CHOICE:
            value = vocab.canonical(entry, value) if isinstance(value, str) else None
        elif entry.type is ValueType.BOOL:
            value = value if isinstance(value, bool) else None
        elif entry.type is ValueType.INT:
            value = value if isinstance(value, int) and not isinstance(value, bool) else None
        elif not isinstance(value, int | float) or isinstance(value, bool):
            value = None
        if value is not None:
            scene.fact(key, value, [evidence], Level.DECLARED)


def _other_sizes(scene: Scene, part: str, value: object) -> list[str]:
    """Settings that name a feed-forward width too and say something else."""
    holder = scene.config.get(part) if part else scene.config
    settings = holder if isinstance(holder, Mapping) else {}
    return sorted(
        name
        for name, other in settings.items()
        if "intermediate_size" in name and isinstance(other, int) and other != value
    )
