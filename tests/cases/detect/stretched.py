# Rotary frequencies that are changed for longer inputs, in the style of a publisher's reference code: settings in a dataclass,
# numpy and torch beside each other, angles in a buffer.
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F


@dataclass
class Args:
    dim: int = 64
    n_heads: int = 2
    n_layers: int = 2
    vocab_size: int = 100
    rope_theta: float = 10000.0
    rope_factor: float = 4.0
    original_seq_len: int = 512
    beta_fast: int = 32
    beta_slow: int = 1
    mscale: float = 0.5
    mscale_all_dim: float = 1.0
    rope_scaling: dict | None = None


def grown(args, m):
    return 0.1 * m * math.log(args.rope_factor) + 1.0


def band(args, d):
    def where(turns):
        return d * math.log(args.original_seq_len / (turns * 2 * math.pi)) / (2 * math.log(args.rope_theta))

    pace = 1.0 / (args.rope_theta ** (np.arange(0, d, 2) / d))
    lo, hi = max(math.floor(where(args.beta_fast)), 0), min(math.ceil(where(args.beta_slow)), d - 1)
    part = np.clip((np.arange(d // 2) - lo) / (hi - lo), 0, 1)
    return torch.from_numpy(pace / args.rope_factor * part + pace * (1 - part)).float()


def spin(x, table, args):
    a, b = x.float().chunk(2, dim=-1)
    gain = grown(args, args.mscale) / grown(args, args.mscale_all_dim)
    c, s = table.cos()[None, :, None] * gain, table.sin()[None, :, None] * gain
    return torch.cat([a * c - b * s, a * s + b * c], dim=-1).type_as(x)


class Mix(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.h, self.args = args.n_heads, args
        self.qkv = nn.Linear(args.dim, 3 * args.dim, bias=False)
        self.out = nn.Linear(args.dim, args.dim, bias=False)
        self.sharpness = (args.dim // args.n_heads) ** -0.5 * grown(args, args.mscale_all_dim) ** 2

    def forward(self, x, table):
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.h, c // self.h).unbind(2)
        q, k = spin(q, table, self.args), spin(k, table, self.args)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.sharpness)
        return self.out(y.transpose(1, 2).reshape(b, t, c))


class Layer(nn.Module):
    def __init__(self, args, number):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(args.dim), nn.LayerNorm(args.dim)
        self.mix = Mix(args)
        self.up, self.down = nn.Linear(args.dim, 4 * args.dim), nn.Linear(4 * args.dim, args.dim)

    def forward(self, x, table):
        x = x + self.mix(self.n1(x), table)
        return x + self.down(F.gelu(self.up(self.n2(x))))


class Model(nn.Module):
    def __init__(self, args: Args):
        super().__init__()
        self.table = nn.Embedding(args.vocab_size, args.dim)
        self.layers = nn.ModuleList([Layer(args, i) for i in range(args.n_layers)])
        self.register_buffer("pace", band(args, args.dim // args.n_heads), persistent=False)

    def forward(self, tokens: torch.Tensor):
        x = self.table(tokens)
        turn = torch.outer(torch.arange(tokens.shape[1], device=x.device).float(), self.pace)
        for layer in self.layers:
            x = layer(x, turn)
        return x @ self.table.weight.T
