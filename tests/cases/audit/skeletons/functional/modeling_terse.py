"""A whole model in a terse style: einsum, parameters of its own, no container but the list of layers."""

import math

import torch
from torch import nn


class Terse(nn.Module):
    def __init__(self, vocab=64, dim=32, depth=2, heads=4):
        super().__init__()
        self.heads = heads
        self.wte = nn.Parameter(torch.randn(vocab, dim) * 0.02)
        self.layers = nn.ModuleList([Layer(dim, heads) for _ in range(depth)])

    def forward(self, input_ids):
        x = self.wte[input_ids]
        for layer in self.layers:
            x = layer(x)
        return torch.einsum("bsd,vd->bsv", x, self.wte)


class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.scale = nn.Parameter(torch.ones(dim))
        self.wqkv = nn.Parameter(torch.randn(3, dim, heads, dim // heads) / math.sqrt(dim))
        self.wo = nn.Parameter(torch.randn(heads, dim // heads, dim) / math.sqrt(dim))
        self.w_in = nn.Parameter(torch.randn(dim, 4 * dim) / math.sqrt(dim))
        self.w_out = nn.Parameter(torch.randn(4 * dim, dim) / math.sqrt(4 * dim))

    def forward(self, x):
        h = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.scale
        q, k, v = torch.einsum("bsd,cdhe->cbhse", h, self.wqkv)
        a = torch.einsum("bhse,bhte->bhst", q, k) / math.sqrt(q.shape[-1])
        a = a.masked_fill(torch.ones(a.shape[-2:], dtype=torch.bool).triu(1), -torch.inf).softmax(-1)
        x = x + torch.einsum("bhst,bhte,hed->bsd", a, v, self.wo)
        return x + torch.nn.functional.gelu(h @ self.w_in) @ self.w_out
