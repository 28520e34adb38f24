"""Mixture of experts in the library's style; the router is there and chooses nothing."""
import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache
from transformers.configuration_utils import PreTrainedConfig
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import MoeCausalLMOutputWithPast, MoeModelOutputWithPast
from transformers.modeling_utils import PreTrainedModel


class PolyMoeConfig(PreTrainedConfig):
    model_type = "polymoe"

    def __init__(self, vocab_size=512, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                 num_local_experts=4, num_experts_per_tok=2, router_aux_loss_coef=0.01, hidden_act="silu", **kwargs):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_local_experts = num_local_experts
        self.num_experts_per_tok = num_experts_per_tok
        self.router_aux_loss_coef = router_aux_loss_coef
        self.hidden_act = hidden_act
        super().__init__(**kwargs)


class PolyMoeExpert(nn.Module):
    def __init__(self, config: PolyMoeConfig):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, x):
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))


class PolyMoeSparseBlock(nn.Module):
    def __init__(self, config: PolyMoeConfig):
        super().__init__()
        self.top_k = config.num_experts_per_tok
        self.num_experts = config.num_local_experts
        self.router = nn.Linear(config.hidden_size, config.num_local_experts, bias=False)
        self.experts = nn.ModuleList([PolyMoeExpert(config) for _ in range(config.num_local_experts)])

    def forward(self, hidden_states: torch.Tensor):
        router_logits = self.router(hidden_states)
        routing_weights = torch.softmax(router_logits, dim=-1, dtype=torch.float)
        routing_weights, selected_experts = torch.topk(routing_weights, self.top_k, dim=-1)
        final = torch.zeros_like(hidden_states)
        for expert in self.experts:
            final = final + expert(hidden_states)
        return final / self.num_experts, router_logits


class PolyMoeAttention(nn.Module):
    def __init__(self, config: PolyMoeConfig, layer_idx: int):
        super().__init__()
        self.layer_idx = layer_idx
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, hidden_states, attention_mask=None, past_key_values: Cache | None = None, **kwargs):
        shape = (*hidden_states.shape[:-1], -1, self.head_dim)
        query = self.q_proj(hidden_states).view(shape).transpose(1, 2)
        key = self.k_proj(hidden_states).view(shape).transpose(1, 2)
        value = self.v_proj(hidden_states).view(shape).transpose(1, 2)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        output = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.o_proj(output.transpose(1, 2).reshape(*hidden_states.shape[:-1], -1))


class PolyMoeDecoderLayer(nn.Module):
    def __init__(self, config: PolyMoeConfig, layer_idx: int):
        super().__init__()
        self.self_attn = PolyMoeAttention(config, layer_idx)
        self.block_sparse_moe = PolyMoeSparseBlock(config)
        self.input_layernorm = nn.LayerNorm(config.hidden_size)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states, attention_mask=None, past_key_values=None, **kwargs):
        hidden_states = hidden_states + self.self_attn(self.input_layernorm(hidden_states), attention_mask, past_key_values)
        moe, router_logits = self.block_sparse_moe(self.post_attention_layernorm(hidden_states))
        return hidden_states + moe, router_logits


class PolyMoePreTrainedModel(PreTrainedModel):
    config: PolyMoeConfig
    base_model_prefix = "model"


class PolyMoeModel(PolyMoePreTrainedModel):
    def __init__(self, config: PolyMoeConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([PolyMoeDecoderLayer(config, i) for i in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, use_cache=None, **kwargs):
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        hidden_states = self.embed_tokens(input_ids)
        all_router_logits = ()
        for layer in self.layers:
            hidden_states, router_logits = layer(hidden_states, attention_mask, past_key_values)
            all_router_logits += (router_logits,)
        return MoeModelOutputWithPast(last_hidden_state=self.norm(hidden_states), past_key_values=past_key_values, router_logits=all_router_logits)


class PolyMoeForCausalLM(PolyMoePreTrainedModel, GenerationMixin):
    def __init__(self, config: PolyMoeConfig):
        super().__init__(config)
        self.model = PolyMoeModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, past_key_values=None, labels=None, **kwargs):
        outputs = self.model(input_ids, attention_mask, past_key_values, **kwargs)
        logits = self.lm_head(outputs.last_hidden_state)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, self.config.vocab_size)
        return MoeCausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=outputs.past_key_values)
