"""Model files of a serving library, whose layers are modelled, compared with plain ones, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specdiff.cli import main

SERVED = """\
from torch import nn
from transformers import LlamaConfig

from vllm.attention import Attention
from vllm.compilation.decorators import support_torch_compile
from vllm.config import CacheConfig, VllmConfig
from vllm.distributed import get_pp_group, get_tensor_model_parallel_world_size
from vllm.model_executor.layers.activation import SiluAndMul
from vllm.model_executor.layers.layernorm import RMSNorm
from vllm.model_executor.layers.linear import MergedColumnParallelLinear, QKVParallelLinear, RowParallelLinear
from vllm.model_executor.layers.logits_processor import LogitsProcessor
from vllm.model_executor.layers.rotary_embedding import get_rope
from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead, VocabParallelEmbedding

from .interfaces import SupportsLoRA, SupportsPP
from .utils import PPMissingLayer, make_layers, maybe_prefix


class TinyAttention(nn.Module):
    def __init__(self, config, cache_config=None, prefix=""):
        super().__init__()
        heads = config.num_attention_heads // get_tensor_model_parallel_world_size()
        size = config.hidden_size // config.num_attention_heads
        self.sizes = [heads * size, config.num_key_value_heads * size, config.num_key_value_heads * size]
        self.qkv_proj = QKVParallelLinear(
            config.hidden_size, size, config.num_attention_heads, config.num_key_value_heads, bias=False
        )
        self.o_proj = RowParallelLinear(heads * size, config.hidden_size, bias=False)
        self.rotary_emb = get_rope(
            size, max_position=config.max_position_embeddings, rope_parameters=config.rope_parameters
        )
        self.attn = Attention(
            heads, size, size**-0.5, num_kv_heads=config.num_key_value_heads, cache_config=cache_config, prefix=prefix
        )

    def forward(self, positions, hidden_states):
        qkv, _ = self.qkv_proj(hidden_states)
        q, k, v = qkv.split(self.sizes, dim=-1)
        q, k = self.rotary_emb(positions, q, k)
        output, _ = self.o_proj(self.attn(q, k, v))
        return output


class TinyLayer(nn.Module):
    def __init__(self, config, cache_config, prefix):
        super().__init__()
        self.self_attn = TinyAttention(config, cache_config, f"{prefix}.attn")
        self.gate_up_proj = MergedColumnParallelLinear(
            config.hidden_size, [config.intermediate_size] * 2, bias=False
        )
        self.down_proj = RowParallelLinear(config.intermediate_size, config.hidden_size, bias=False)
        self.act_fn = SiluAndMul()
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(self, positions, hidden_states, residual):
        if residual is None:
            residual = hidden_states
            hidden_states = self.input_layernorm(hidden_states)
        else:
            hidden_states, residual = self.input_layernorm(hidden_states, residual)
        hidden_states = self.self_attn(positions, hidden_states)
        hidden_states, residual = self.post_attention_layernorm(hidden_states, residual)
        x, _ = self.gate_up_proj(hidden_states)
        x, _ = self.down_proj(self.act_fn(x))
        return x, residual


@support_torch_compile
class TinyModel(nn.Module):
    def __init__(self, *, vllm_config: VllmConfig, prefix: str = ""):
        super().__init__()
        config = vllm_config.model_config.hf_config
        cache_config = vllm_config.cache_config
        self.embed_tokens = VocabParallelEmbedding(config.vocab_size, config.hidden_size)
        self.start_layer, self.end_layer, self.layers = make_layers(
            config.num_hidden_layers,
            lambda prefix: TinyLayer(config, cache_config, prefix),
            prefix=f"{prefix}.layers",
        )
        self.norm = RMSNorm(config.hidden_size, EPS) if get_pp_group().is_last_rank else PPMissingLayer()

    def forward(self, input_ids, positions):
        hidden_states, residual = self.embed_tokens(input_ids), None
        for layer in self.layers[self.start_layer : self.end_layer]:
            hidden_states, residual = layer(positions, hidden_states, residual)
        hidden_states, _ = self.norm(hidden_states, residual)
        return hidden_states


class TinyForCausalLM(nn.Module, SupportsLoRA, SupportsPP):
    def __init__(self, *, vllm_config: VllmConfig, prefix: str = ""):
        super().__init__()
        config = vllm_config.model_config.hf_config
        self.model = TinyModel(vllm_config=vllm_config, prefix=maybe_prefix(prefix, "model"))
        self.lm_head = ParallelLMHead(config.vocab_size, config.hidden_size)
        self.logits_processor = LogitsProcessor(config.vocab_size)

    def forward(self, input_ids, positions, intermediate_tensors=None, inputs_embeds=None):
        return self.model(input_ids, positions)

    def compute_logits(self, hidden_states):
        return self.logits_processor(self.lm_head, hidden_states)
"""
SIZES = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 128,
    "intermediate_size": 96, "rms_norm_eps": 1e-5, "head_dim": 16, "tie_word_embeddings": False,
}  # fmt: skip


@pytest.mark.parametrize("place", ["vllm/model_executor/models", "mine"], ids=["in the library", "alone"])
@pytest.mark.parametrize(
    ("eps", "differs"), [("config.rms_norm_eps", False), ("1e-3", True)], ids=["the same", "seeded"]
)
def test_a_served_model_is_held_against_the_model_librarys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, eps: str, differs: bool
) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    for package in (tmp_path / "vllm", tmp_path / "vllm/model_executor", folder):
        if package.is_dir():
            (package / "__init__.py").write_text("raise ImportError('kernels')\n")
    (folder / "tiny.py").write_text(SERVED.replace("EPS", eps))
    (tmp_path / "config.json").write_text(json.dumps(SIZES))
    target = f"{folder / 'tiny.py'}::TinyForCausalLM"
    main(["compare", "llama::LlamaForCausalLM", target, "--config", str(tmp_path / "config.json"), "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    pairs = {pair["right"][0]: (pair["left"], pair["relation"]) for pair in found["pairs"]}
    assert not found["left_only"] + found["right_only"]
    assert pairs["model.layers.1.self_attn.qkv_proj.weight"] == (
        [f"model.layers.1.self_attn.{part}_proj.weight" for part in "qkv"],
        "fused",
    )
    assert pairs["lm_head.weight"] == (["lm_head.weight"], "same")
    result = {each["key"] for each in found["differences"] if each["meaning"] == "result"}
    open_ = {each["key"] for each in found["open"] if each["reason"].startswith("right: it differs")}
    assert result | open_ == ({"norm.eps"} if differs else set())
