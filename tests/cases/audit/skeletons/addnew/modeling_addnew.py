from typing import Optional

import torch
from torch import nn

from transformers.activations import ACT2FN
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import PreTrainedModel


class BrandLikeConfig(PreTrainedConfig):
    model_type = "brand_like"

    def __init__(self, vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, hidden_act="silu", use_moe=True, num_experts=8, sliding_window=128, rope_theta=10000.0, qk_norm=True, **kwargs):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.hidden_act = hidden_act
        self.use_moe = use_moe
        self.num_experts = num_experts
        self.sliding_window = sliding_window
        self.rope_theta = rope_theta
        self.qk_norm = qk_norm
        super().__init__(**kwargs)


class BrandLikeMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, x):
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))


class BrandLikeAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.o = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        b, s, _ = hidden_states.shape
        q, k, v = self.qkv(hidden_states).view(b, s, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        attn = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=attention_mask, is_causal=attention_mask is None)
        return self.o(attn.transpose(1, 2).reshape(b, s, -1))


class BrandLikeLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = BrandLikeAttention(config)
        self.mlp = BrandLikeMLP(config)
        self.n1 = nn.LayerNorm(config.hidden_size)
        self.n2 = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        hidden_states = hidden_states + self.self_attn(self.n1(hidden_states), attention_mask)
        return hidden_states + self.mlp(self.n2(hidden_states))


class BrandLikePreTrainedModel(PreTrainedModel):
    config_class = BrandLikeConfig
    config: BrandLikeConfig
    base_model_prefix = "model"


class BrandLikeModel(BrandLikePreTrainedModel):
    def __init__(self, config: BrandLikeConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([BrandLikeLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()

    def forward(self, input_ids: Optional[torch.LongTensor] = None, attention_mask: Optional[torch.Tensor] = None):
        hidden_states = self.embed_tokens(input_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return BaseModelOutput(last_hidden_state=self.norm(hidden_states))


class BrandLikeForSequenceClassification(BrandLikePreTrainedModel):
    pass
