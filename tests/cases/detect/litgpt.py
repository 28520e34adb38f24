# The style of lit-gpt: one configuration for many families, queries, keys and values interleaved by group in one projection.
import math
from dataclasses import dataclass
from typing import Optional

import torch
import torch.nn as nn


@dataclass
class Config:
    block_size: int = 1024
    padded_vocab_size: int = 640
    n_layer: int = 3
    n_head: int = 8
    n_query_groups: int = 2
    n_embd: int = 128
    head_size: int = 16
    rotary_percentage: float = 0.5
    rope_base: int = 25000
    parallel_residual: bool = True
    shared_attention_norm: bool = True
    bias: bool = True
    intermediate_size: int = 320
    norm_eps: float = 2e-5

    @property
    def rope_n_elem(self) -> int:
        return int(self.rotary_percentage * self.head_size)


def build_rope_cache(seq_len, n_elem, base=10000):
    theta = 1.0 / (base ** (torch.arange(0, n_elem, 2).float() / n_elem))
    idx_theta = torch.outer(torch.arange(seq_len), theta).repeat(1, 2)
    return torch.cos(idx_theta), torch.sin(idx_theta)


def apply_rope(x, cos, sin):
    half = x.size(-1) // 2
    rotated = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return ((x * cos) + (rotated * sin)).to(dtype=x.dtype)


class CausalSelfAttention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attn = nn.Linear(config.n_embd, (config.n_head + 2 * config.n_query_groups) * config.head_size, bias=config.bias)
        self.proj = nn.Linear(config.head_size * config.n_head, config.n_embd, bias=config.bias)
        self.config = config

    def forward(self, x, cos, sin, mask: Optional[torch.Tensor] = None):
        c = self.config
        B, T, C = x.size()
        qkv = self.attn(x)
        q_per_kv = c.n_head // c.n_query_groups
        qkv = qkv.view(B, T, c.n_query_groups, q_per_kv + 2, c.head_size).permute(0, 2, 3, 1, 4)
        q, k, v = qkv.split((q_per_kv, 1, 1), dim=2)
        if c.n_query_groups != c.n_head and c.n_query_groups != 1:
            k = k.expand(B, c.n_query_groups, q_per_kv, T, c.head_size)
            v = v.expand(B, c.n_query_groups, q_per_kv, T, c.head_size)
        q, k, v = (t.reshape(B, -1, T, c.head_size) for t in (q, k, v))
        q_roped = apply_rope(q[..., : c.rope_n_elem], cos, sin)
        k_roped = apply_rope(k[..., : c.rope_n_elem], cos, sin)
        q = torch.cat((q_roped, q[..., c.rope_n_elem :]), dim=-1)
        k = torch.cat((k_roped, k[..., c.rope_n_elem :]), dim=-1)
        y = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=0.0, scale=1.0 / math.sqrt(c.head_size), is_causal=mask is None
        )
        return self.proj(y.transpose(1, 2).reshape(B, T, c.head_size * c.n_head))


class LLaMAMLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.fc_1 = nn.Linear(config.n_embd, config.intermediate_size, bias=config.bias)
        self.fc_2 = nn.Linear(config.n_embd, config.intermediate_size, bias=config.bias)
        self.proj = nn.Linear(config.intermediate_size, config.n_embd, bias=config.bias)

    def forward(self, x):
        return self.proj(torch.nn.functional.silu(self.fc_1(x)) * self.fc_2(x))


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.attn = CausalSelfAttention(config)
        self.norm_2 = None if config.shared_attention_norm else nn.LayerNorm(config.n_embd, eps=config.norm_eps)
        self.mlp = LLaMAMLP(config)
        self.config = config

    def forward(self, x, cos, sin, mask=None):
        n_1 = self.norm_1(x)
        h = self.attn(n_1, cos, sin, mask)
        if self.config.parallel_residual:
            n_2 = n_1 if self.config.shared_attention_norm else self.norm_2(x)
            return self.mlp(n_2) + h + x
        x = h + x
        return self.mlp(self.norm_2(x)) + x


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.lm_head = nn.Linear(config.n_embd, config.padded_vocab_size, bias=False)
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(config.padded_vocab_size, config.n_embd),
                h=nn.ModuleList(Block(config) for _ in range(config.n_layer)),
                ln_f=nn.LayerNorm(config.n_embd, eps=config.norm_eps),
            )
        )
        cos, sin = build_rope_cache(config.block_size, config.rope_n_elem, config.rope_base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        T = idx.size(1)
        if self.config.block_size < T:
            raise ValueError("too long")
        cos, sin = self.cos[:T], self.sin[:T]
        x = self.transformer.wte(idx)
        for block in self.transformer.h:
            x = block(x, cos, sin)
        return self.lm_head(self.transformer.ln_f(x))
