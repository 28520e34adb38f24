# Constant factors on what sub-layers read and return, as maximal update parametrisation leaves them in code; litgpt's habits.
from dataclasses import dataclass

import torch
from torch import nn
import torch.nn.functional as F


@dataclass
class Config:
    n_embd: int = 32
    n_head: int = 2
    n_layer: int = 2
    padded_vocab_size: int = 100
    enter: float = 0.5
    leave: float = 0.25
    keys: float = 0.125
    gate: float = 0.8
    down: float = 0.3


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.q, self.k, self.v, self.proj = (nn.Linear(config.n_embd, config.n_embd, bias=False) for _ in range(4))

    def forward(self, x):
        B, T, C = x.shape
        x = x * self.config.enter
        q, k, v = self.q(x), self.k(x) * self.config.keys, self.v(x)
        q, k, v = (t.view(B, T, self.config.n_head, -1).transpose(1, 2) for t in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(B, T, C)) * self.config.leave


class LLaMAMLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.fc_1, self.fc_2, self.proj = nn.Linear(32, 64, bias=False), nn.Linear(32, 64, bias=False), nn.Linear(64, 32, bias=False)

    def forward(self, x):
        return self.proj(F.silu(self.fc_1(x) * self.config.gate) * self.fc_2(x)) * self.config.down


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attn, self.mlp = CausalSelfAttention(config), LLaMAMLP(config)

    def forward(self, x):
        x = x + self.attn(self.norm_1(x))
        return x + self.mlp(self.norm_2(x))


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.wte = nn.Embedding(config.padded_vocab_size, config.n_embd)
        self.wpe = nn.Embedding(64, config.n_embd)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.padded_vocab_size, bias=False)

    def forward(self, idx: torch.Tensor):
        x = self.wte(idx) + self.wpe(torch.arange(idx.shape[1], device=idx.device))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))
