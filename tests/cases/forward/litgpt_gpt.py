# GPT -> (batch, sequence, 96)
import math
from dataclasses import dataclass
from typing import Any, Optional, Tuple

import torch
import torch.nn as nn
from typing_extensions import Self


@dataclass
class Config:
    block_size: int = 128
    vocab_size: int = 90
    padding_multiple: int = 32
    padded_vocab_size: Optional[int] = None
    n_layer: int = 2
    n_head: int = 4
    n_query_groups: Optional[int] = 2
    n_embd: int = 32
    rotary_percentage: float = 0.5
    parallel_residual: bool = True
    mlp_class_name: str = "LLaMAMLP"

    def __post_init__(self):
        self.head_size = self.n_embd // self.n_head
        if self.padded_vocab_size is None:
            self.padded_vocab_size = math.ceil(self.vocab_size / self.padding_multiple) * self.padding_multiple
        self.rope_n_elem = int(self.rotary_percentage * self.head_size)

    @property
    def mlp_class(self) -> Any:
        return globals()[self.mlp_class_name]


class GPT(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.lm_head = nn.Linear(config.n_embd, config.padded_vocab_size, bias=False)
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(config.padded_vocab_size, config.n_embd),
                h=nn.ModuleList(Block(config, index) for index in range(config.n_layer)),
                ln_f=nn.LayerNorm(config.n_embd),
            )
        )
        self.max_seq_length = config.block_size
        self.mask_cache: Optional[torch.Tensor] = None

    @property
    def max_seq_length(self) -> int:
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        self._max_seq_length = value
        cos, sin = self.rope_cache()
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def rope_cache(self, device: Optional[torch.device] = None) -> Tuple[torch.Tensor, torch.Tensor]:
        n = self.config.rope_n_elem
        theta = 1.0 / (10000 ** (torch.arange(0, n, 2, device=device).float() / n))
        idx_theta = torch.outer(torch.arange(self.max_seq_length, device=device), theta).repeat(1, 2)
        return torch.cos(idx_theta), torch.sin(idx_theta)

    def forward(self, idx: torch.Tensor, input_pos: Optional[torch.Tensor] = None) -> torch.Tensor:
        T = idx.size(1)
        if self.max_seq_length < T:
            raise ValueError(f"Cannot forward sequence of length {T}, max seq length is only {self.max_seq_length}.")
        if input_pos is not None:
            cos, sin = self.cos.index_select(0, input_pos), self.sin.index_select(0, input_pos)
            mask = self.mask_cache.index_select(2, input_pos)
        else:
            cos, sin, mask = self.cos[:T], self.sin[:T], None
        x = self.transformer.wte(idx)
        for block in self.transformer.h:
            x = block(x, cos, sin, mask, input_pos)
        return self.lm_head(self.transformer.ln_f(x))

    @classmethod
    def from_name(cls, name: str, **kwargs: Any) -> Self:
        return cls(Config(**kwargs))


class Block(nn.Module):
    def __init__(self, config: Config, block_idx: int) -> None:
        super().__init__()
        self.config = config
        self.norm_1, self.attn = nn.LayerNorm(config.n_embd), CausalSelfAttention(config)
        self.norm_2 = nn.LayerNorm(config.n_embd)
        self.mlp = config.mlp_class(config)

    def forward(self, x, cos, sin, mask=None, input_pos=None):
        attention_output = self.attn(self.norm_1(x), cos, sin, mask, input_pos)
        if self.config.parallel_residual:
            return self.mlp(self.norm_2(x)) + attention_output + x
        x = attention_output + x
        return self.mlp(self.norm_2(x)) + x


class CausalSelfAttention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        shape = (config.n_head + 2 * config.n_query_groups) * config.head_size
        self.attn = nn.Linear(config.n_embd, shape, bias=False)
        self.proj = nn.Linear(config.head_size * config.n_head, config.n_embd, bias=False)

    def forward(self, x, cos, sin, mask=None, input_pos=None):
        B, T, C = x.size()
        q_per_kv = self.config.n_head // self.config.n_query_groups
        qkv = self.attn(x).view(B, T, self.config.n_query_groups, q_per_kv + 2, self.config.head_size)
        q, k, v = qkv.permute(0, 2, 3, 1, 4).split((q_per_kv, 1, 1), dim=2)
        if self.config.n_query_groups != self.config.n_head:
            k = k.expand(B, self.config.n_query_groups, q_per_kv, T, self.config.head_size)
            v = v.expand(B, self.config.n_query_groups, q_per_kv, T, self.config.head_size)
        q, k, v = (item.reshape(B, -1, T, self.config.head_size) for item in (q, k, v))
        n = self.config.rope_n_elem
        q = torch.cat((apply_rope(q[..., :n], cos, sin), q[..., n:]), dim=-1)
        k = torch.cat((apply_rope(k[..., :n], cos, sin), k[..., n:]), dim=-1)
        y = nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=0.0, scale=1.0 / math.sqrt(self.config.head_size), is_causal=mask is None
        )
        return self.proj(y.transpose(1, 2).reshape(B, T, self.config.head_size * self.config.n_head))


class LLaMAMLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.fc_1 = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.fc_2 = nn.Linear(config.n_embd, 4 * config.n_embd, bias=False)
        self.proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=False)

    def forward(self, x):
        return self.proj(nn.functional.silu(self.fc_1(x)) * self.fc_2(x))


def apply_rope(x, cos, sin):
    half = x.size(-1) // 2
    rotated = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return ((x * cos) + (rotated * sin)).to(dtype=x.dtype)
