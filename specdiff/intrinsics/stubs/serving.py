"""vLLM's layers: the same computation on one device, without kernels, pages and quantization.

Sources: `vllm/model_executor/layers` and `vllm/model_executor/models/utils.py` of 0.11 and 0.33. A module keeps the names
and shapes of its parameters there; a linear layer gives back its output and a bias that was not added, a norm with a
residual gives back both.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class _Group:
    world_size = 1
    rank = 0
    rank_in_group = 0
    local_rank = 0
    is_first_rank = True
    is_last_rank = True

    @property
    def device_group(self):
        return self

    def size(self):
        return 1

    def all_reduce(self, x):
        return x

    def all_gather(self, x, dim=-1):
        return x


_GROUP = _Group()


def _group(*args, **kwargs):
    return _GROUP


get_pp_group = get_tp_group = get_ep_group = get_dp_group = get_pcp_group = get_world_group = _group


def get_tensor_model_parallel_world_size():
    return 1


def get_tensor_model_parallel_rank():
    return 0


def tensor_model_parallel_all_reduce(x):
    return x


def tensor_model_parallel_all_gather(x, dim=-1):
    return x


def sequence_parallel_chunk(x):
    return x


def cdiv(a, b):
    return -(a // -b)


def support_torch_compile(cls=None, **kwargs):
    return cls if cls is not None else lambda other: other


def init_logger(name):
    import logging

    return logging.getLogger(name)


def maybe_prefix(prefix, name):
    return f"{prefix}.{name}" if prefix else name


def extract_layer_index(layer_name, num_attn_module=1):
    return int([piece for piece in layer_name.split(".") if piece.isdigit()][0])


class PPMissingLayer(nn.Identity):
    def __init__(self, *args, **kwargs):
        super().__init__()


def make_layers(num_hidden_layers, layer_fn, prefix):
    layers = nn.ModuleList([layer_fn(prefix=f"{prefix}.{index}") for index in range(num_hidden_layers)])
    return 0, num_hidden_layers, layers


def make_empty_intermediate_tensors_factory(keys, hidden_size):
    return None


def maybe_fused_act_quant(act_fn, x, linear):
    return act_fn(x)


class IntermediateTensors:
    def __init__(self, tensors):
        self.tensors = tensors

    def __getitem__(self, key):
        return self.tensors[key]


class EagleModelMixin:
    aux_hidden_state_layers = ()

    def _maybe_add_hidden_state(self, aux_hidden_states, layer_idx, hidden_states, residual):
        return aux_hidden_states

    def collect_remote_aux_hidden_states(self, intermediate_tensors):
        return []

    def pack_local_aux_hidden_states(self, aux_hidden_states):
        return {}


class _Settings:
    def __init__(self, **values):
        for name, value in values.items():
            setattr(self, name, value)


def _for_older(config):
    """What code for earlier releases of the model library asks a configuration for."""
    rope = getattr(config, "rope_parameters", None)
    if isinstance(rope, dict) and "rope_theta" in rope and not hasattr(config, "rope_theta"):
        config.rope_theta = rope["rope_theta"]
    return config


class VllmConfig:
    """One device, nothing quantized; `of_settings` is how the analyser makes one from a model's own configuration."""

    def __init__(self, hf_config):
        hf_config = _for_older(hf_config)
        self.model_config = _Settings(
            hf_config=hf_config,
            hf_text_config=getattr(hf_config, "text_config", None) or hf_config,
            dtype=None,
            max_model_len=getattr(hf_config, "max_position_embeddings", None),
            quantization=None,
            enable_sleep_mode=False,
        )
        self.cache_config = None
        self.quant_config = None
        self.lora_config = None
        self.speculative_config = None
        self.parallel_config = _Settings(
            tensor_parallel_size=1,
            pipeline_parallel_size=1,
            data_parallel_size=1,
            enable_expert_parallel=False,
            enable_eplb=False,
            use_sequence_parallel_moe=False,
            eplb_config=_Settings(num_redundant_experts=0),
        )
        self.scheduler_config = _Settings(max_num_batched_tokens=8192, max_num_seqs=1)
        self.compilation_config = _Settings(static_forward_context={}, custom_ops=[], mode=0, level=0)
        self.device_config = _Settings(device=None)

    @classmethod
    def of_settings(cls, config):
        global _CURRENT
        _CURRENT = cls(config)
        return _CURRENT


_CURRENT = None


def get_current_vllm_config():
    return _CURRENT


class CacheConfig:
    pass


QuantizationConfig = CacheConfig


class WeightsMapper:
    def __init__(self, *args, **kwargs):
        pass


class AttentionType:
    DECODER = "decoder"
    ENCODER = "encoder"
    ENCODER_ONLY = "encoder_only"
    ENCODER_DECODER = "encoder_decoder"


# --- Projections ------------------------------------------------------------------------------


class LinearBase(nn.Module):
    def __init__(self, input_size, output_size, bias, skip_bias_add=False, return_bias=True):
        super().__init__()
        self.input_size = input_size
        self.output_size = output_size
        self.skip_bias_add = skip_bias_add
        self.return_bias = return_bias
        self.quant_method = None
        self.weight = nn.Parameter(torch.empty(output_size, input_size))
        if bias:
            self.bias = nn.Parameter(torch.empty(output_size))
        else:
            self.register_parameter("bias", None)

    def forward(self, x, *args, **kwargs):
        output = F.linear(x, self.weight, None if self.skip_bias_add else self.bias)
        if not self.return_bias:
            return output
        return output, (self.bias if self.skip_bias_add else None)


class ReplicatedLinear(LinearBase):
    def __init__(self, input_size, output_size, bias=True, skip_bias_add=False, *args, return_bias=True, **kwargs):
        super().__init__(input_size, output_size, bias, skip_bias_add, return_bias)


class ColumnParallelLinear(LinearBase):
    def __init__(
        self, input_size, output_size, bias=True, gather_output=False, skip_bias_add=False, *args, return_bias=True, **kwargs
    ):
        super().__init__(input_size, output_size, bias, skip_bias_add, return_bias)


class MergedColumnParallelLinear(ColumnParallelLinear):
    def __init__(self, input_size, output_sizes, bias=True, *args, **kwargs):
        super().__init__(input_size, sum(output_sizes), bias, *args, **kwargs)
        self.output_sizes = output_sizes


class QKVParallelLinear(ColumnParallelLinear):
    def __init__(self, hidden_size, head_size, total_num_heads, total_num_kv_heads=None, bias=True, *args, **kwargs):
        total_num_kv_heads = total_num_heads if total_num_kv_heads is None else total_num_kv_heads
        v_head_size = kwargs.get("v_head_size") or head_size
        rows = total_num_heads * head_size + total_num_kv_heads * (head_size + v_head_size)
        super().__init__(hidden_size, rows, bias, *args, **kwargs)
        self.num_heads = total_num_heads
        self.num_kv_heads = total_num_kv_heads


class RowParallelLinear(LinearBase):
    def __init__(
        self, input_size, output_size, bias=True, input_is_parallel=True, skip_bias_add=False, *args, return_bias=True, **kwargs
    ):
        super().__init__(input_size, output_size, bias, skip_bias_add, return_bias)


class GateLinear(ReplicatedLinear):
    def __init__(self, input_size, output_size, bias=False, out_dtype=None, *args, **kwargs):
        super().__init__(input_size, output_size, bias)


# --- Words ------------------------------------------------------------------------------------


DEFAULT_VOCAB_PADDING_SIZE = 64


class VocabParallelEmbedding(nn.Module):
    """Rows are filled up to a whole number of `padding_size`."""

    def __init__(self, num_embeddings, embedding_dim, *args, org_num_embeddings=None, padding_size=DEFAULT_VOCAB_PADDING_SIZE, **kwargs):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.org_vocab_size = org_num_embeddings or num_embeddings
        self.num_embeddings_padded = -(-num_embeddings // padding_size) * padding_size
        self.weight = nn.Parameter(torch.empty(self.num_embeddings_padded, embedding_dim))

    def forward(self, input_ids):
        return F.embedding(input_ids, self.weight)


class ParallelLMHead(VocabParallelEmbedding):
    def __init__(self, num_embeddings, embedding_dim, bias=False, *args, **kwargs):
        super().__init__(num_embeddings, embedding_dim, *args, **kwargs)
        if bias:
            self.bias = nn.Parameter(torch.empty(self.num_embeddings_padded))
        else:
            self.register_parameter("bias", None)

    def tie_weights(self, embed_tokens):
        self.weight = embed_tokens.weight
        return self

    def forward(self, input_):
        raise RuntimeError("LMHead's weights should be used in the sampler.")


class LogitsProcessor(nn.Module):
    def __init__(self, vocab_size, org_vocab_size=None, scale=1.0, logits_as_input=False, soft_cap=None):
        super().__init__()
        self.org_vocab_size = org_vocab_size or vocab_size
        self.scale = scale
        self.soft_cap = soft_cap

    def forward(self, lm_head, hidden_states, *args, **kwargs):
        logits = F.linear(hidden_states, lm_head.weight, getattr(lm_head, "bias", None))
        if lm_head.weight.shape[0] != self.org_vocab_size:
            logits = logits[..., : self.org_vocab_size]
        if self.soft_cap is not None:
            logits = torch.tanh(logits / self.soft_cap) * self.soft_cap
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits


# --- Norms and activations --------------------------------------------------------------------


class RMSNorm(nn.Module):
    def __init__(self, hidden_size, eps=1e-6, var_hidden_size=None, has_weight=True, *args, **kwargs):
        super().__init__()
        self.variance_epsilon = eps
        if has_weight:
            self.weight = nn.Parameter(torch.ones(hidden_size))
        else:
            self.weight = None

    def forward(self, x, residual=None, *args):
        if residual is not None:
            x = x + residual
        normed = x.to(torch.float32)
        normed = normed * torch.rsqrt(normed.pow(2).mean(dim=-1, keepdim=True) + self.variance_epsilon)
        normed = normed.to(x.dtype)
        if self.weight is not None:
            normed = normed * self.weight
        return normed if residual is None else (normed, x)


class GemmaRMSNorm(nn.Module):
    def __init__(self, hidden_size, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(hidden_size))
        self.variance_epsilon = eps

    def forward(self, x, residual=None, *args):
        if residual is not None:
            x = x + residual
        normed = x.float()
        normed = normed * torch.rsqrt(normed.pow(2).mean(dim=-1, keepdim=True) + self.variance_epsilon)
        normed = (normed * (1.0 + self.weight.float())).to(x.dtype)
        return normed if residual is None else (normed, x)



class _Gated(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        gate, up = x.chunk(2, -1)
        return self.activation(gate) * up


class SiluAndMul(_Gated):
    def activation(self, x):
        return F.silu(x)


class GeluAndMul(_Gated):
    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def activation(self, x):
        return F.gelu(x, approximate=self.approximate)


_ACTIVATIONS = {
    "gelu": lambda: nn.GELU(),
    "gelu_fast": lambda: nn.GELU(approximate="tanh"),
    "gelu_new": lambda: nn.GELU(approximate="tanh"),
    "gelu_pytorch_tanh": lambda: nn.GELU(approximate="tanh"),
    "relu": lambda: nn.ReLU(),
    "silu": lambda: nn.SiLU(),
    "tanh": lambda: nn.Tanh(),
    "sigmoid": lambda: nn.Sigmoid(),
}


def get_act_fn(act_fn_name, *args, **kwargs):
    return _ACTIVATIONS[act_fn_name.lower()]()


_GATED = {
    "silu": lambda: SiluAndMul(),
    "gelu": lambda: GeluAndMul(),
    "gelu_pytorch_tanh": lambda: GeluAndMul("tanh"),
    "gelu_tanh": lambda: GeluAndMul("tanh"),
}


def get_act_and_mul_fn(act_fn_name):
    return _GATED[act_fn_name.lower()]()


# --- Rotation ---------------------------------------------------------------------------------


def _scaled(inv_freq, scaling):
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return inv_freq
    factor = scaling["factor"]
    if kind == "linear":
        return inv_freq / factor
    if kind != "llama3":
        raise NotImplementedError(f"rotary scaling {kind} of vLLM is not modelled")
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    original = scaling["original_max_position_embeddings"]
    wave = 2 * math.pi / inv_freq
    smooth = (original / wave - low) / (high - low)
    blended = (1 - smooth) * inv_freq / factor + smooth * inv_freq
    return torch.where(wave < original / high, inv_freq, torch.where(wave > original / low, inv_freq / factor, blended))


class RotaryEmbedding(nn.Module):
    def __init__(self, head_size, rotary_dim, base, is_neox_style, scaling):
        super().__init__()
        self.head_size = head_size
        self.rotary_dim = rotary_dim
        self.is_neox_style = is_neox_style
        inv_freq = 1.0 / (base ** (torch.arange(0, rotary_dim, 2, dtype=torch.float) / rotary_dim))
        self.register_buffer("inv_freq", _scaled(inv_freq, scaling), persistent=False)

    def _turned(self, x, cos, sin):
        shape = x.shape
        x = x.view(*shape[:-1], -1, self.head_size)
        rotated, rest = x[..., : self.rotary_dim], x[..., self.rotary_dim :]
        if self.is_neox_style:
            one, two = torch.chunk(rotated, 2, dim=-1)
            made = torch.cat((one * cos - two * sin, two * cos + one * sin), dim=-1)
        else:
            one, two = rotated[..., ::2], rotated[..., 1::2]
            made = torch.stack((one * cos - two * sin, two * cos + one * sin), dim=-1).flatten(-2)
        if self.rotary_dim < self.head_size:
            made = torch.cat((made, rest), dim=-1)
        return made.reshape(shape)

    def forward(self, positions, query, key=None, *args, **kwargs):
        freqs = positions.float().unsqueeze(-1) * self.inv_freq
        cos, sin = freqs.cos().unsqueeze(-2).to(query.dtype), freqs.sin().unsqueeze(-2).to(query.dtype)
        return self._turned(query, cos, sin), None if key is None else self._turned(key, cos, sin)


def get_rope(head_size, *args, **kwargs):
    """Releases differ in what they take by place: (rotary_dim, max_position, base) or (max_position)."""
    scaling = dict(kwargs.get("rope_parameters") or kwargs.get("rope_scaling") or {})
    base = kwargs.get("base") or (args[2] if len(args) > 2 else None) or scaling.get("rope_theta") or 10000
    rotary_dim = kwargs.get("rotary_dim") or (args[0] if len(args) > 2 else None) or head_size
    fraction = kwargs.get("partial_rotary_factor") or scaling.get("partial_rotary_factor") or 1.0
    if fraction < 1.0:
        rotary_dim = int(rotary_dim * fraction)
    return RotaryEmbedding(head_size, rotary_dim, base, kwargs.get("is_neox_style", True), scaling)


# --- Attention --------------------------------------------------------------------------------


class Attention(nn.Module):
    """Without pages: all keys of the prompt are there."""

    def __init__(
        self,
        num_heads,
        head_size,
        scale,
        num_kv_heads=None,
        alibi_slopes=None,
        cache_config=None,
        quant_config=None,
        *args,
        logits_soft_cap=None,
        per_layer_sliding_window=None,
        attn_type=AttentionType.DECODER,
        sinks=None,
        **kwargs,
    ):
        super().__init__()
        if alibi_slopes is not None or kwargs.get("kv_sharing_target_layer_name") is not None:
            raise NotImplementedError("attention of vLLM by slopes or on another layer's keys is not modelled")
        self.num_heads = num_heads
        self.head_size = head_size
        self.scale = scale
        self.num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        self.soft_cap = logits_soft_cap
        self.window = per_layer_sliding_window
        self.causal = attn_type == AttentionType.DECODER
        self.sinks = sinks

    def forward(self, query, key, value, *args, **kwargs):
        lead = query.shape[:-1] if query.shape[-1] == self.num_heads * self.head_size else query.shape[:-2]
        query = query.view(*lead, self.num_heads, self.head_size).transpose(-2, -3)
        key = key.view(*lead, self.num_kv_heads, self.head_size).transpose(-2, -3)
        value = value.view(*lead, self.num_kv_heads, -1).transpose(-2, -3)
        if self.num_kv_heads != self.num_heads:
            key = key.repeat_interleave(self.num_heads // self.num_kv_heads, dim=-3)
            value = value.repeat_interleave(self.num_heads // self.num_kv_heads, dim=-3)
        scores = torch.matmul(query, key.transpose(-1, -2)) * self.scale
        if self.soft_cap:
            scores = torch.tanh(scores / self.soft_cap) * self.soft_cap
        length = scores.shape[-1]
        if self.causal:
            position = torch.arange(length)
            hidden = position[None, :] > position[:, None]
            if self.window is not None:
                hidden = hidden | (position[None, :] <= position[:, None] - self.window)
            scores = scores.masked_fill(hidden, float("-inf"))
        if self.sinks is not None:
            sinks = self.sinks.reshape(-1, 1, 1).expand(*scores.shape[:-1], 1)
            weights = F.softmax(torch.cat((scores, sinks), dim=-1), dim=-1, dtype=torch.float32)[..., :-1]
        else:
            weights = F.softmax(scores, dim=-1, dtype=torch.float32)
        output = torch.matmul(weights.to(value.dtype), value)
        return output.transpose(-2, -3).reshape(*lead, -1)


class EncoderOnlyAttention(Attention):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "attn_type": AttentionType.ENCODER_ONLY})


# --- Experts ----------------------------------------------------------------------------------


class FusedMoE(nn.Module):
    def __init__(
        self,
        num_experts,
        top_k,
        hidden_size,
        intermediate_size,
        *args,
        renormalize=True,
        scoring_func="softmax",
        activation="silu",
        has_bias=False,
        apply_router_weight_on_input=False,
        **kwargs,
    ):
        super().__init__()
        special = ("use_grouped_topk", "custom_routing_function", "e_score_correction_bias", "shared_experts")
        if activation != "silu" or apply_router_weight_on_input or any(kwargs.get(name) for name in special):
            raise NotImplementedError("experts of vLLM that are routed otherwise are not modelled")
        self.top_k = top_k
        self.renormalize = renormalize
        self.scoring_func = scoring_func
        self.w13_weight = nn.Parameter(torch.empty(num_experts, 2 * intermediate_size, hidden_size))
        self.w2_weight = nn.Parameter(torch.empty(num_experts, hidden_size, intermediate_size))
        if has_bias:
            self.w13_bias = nn.Parameter(torch.empty(num_experts, 2 * intermediate_size))
            self.w2_bias = nn.Parameter(torch.empty(num_experts, hidden_size))
        self.has_bias = has_bias

    def forward(self, hidden_states, router_logits):
        scores = router_logits.float()
        scores = scores.softmax(dim=-1) if self.scoring_func == "softmax" else scores.sigmoid()
        weights, chosen = torch.topk(scores, self.top_k, dim=-1)
        if self.renormalize:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        mixed = torch.zeros_like(hidden_states)
        for slot in range(self.top_k):
            expert = chosen[:, slot]
            inner = torch.einsum("th,tih->ti", hidden_states, self.w13_weight[expert])
            if self.has_bias:
                inner = inner + self.w13_bias[expert]
            gate, up = inner.chunk(2, -1)
            outer = torch.einsum("ti,thi->th", F.silu(gate) * up, self.w2_weight[expert])
            if self.has_bias:
                outer = outer + self.w2_bias[expert]
            mixed = mixed + outer * weights[:, slot, None].to(outer.dtype)
        return mixed


FusedMoEFactory = FusedMoE


def __getattr__(name):
    if name.startswith(("Supports", "Has", "Is", "Mixture")) or name.endswith(("Mixin", "Loader")):
        return type(name, (), {})
    raise AttributeError(name)
