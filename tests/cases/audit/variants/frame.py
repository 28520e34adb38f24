"""A whole model in a plain style; the variants beside it each take a piece of it away."""

import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class FrameConfig:
    def __init__(self, vocab_size=1000, hidden_size=64, num_layers=2, num_heads=4, num_experts=4, top_k=2, ffn_dim=128, rope_theta=10000.0):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.num_experts = num_experts
        self.top_k = top_k
        self.ffn_dim = ffn_dim
        self.rope_theta = rope_theta


def rotate_half(x):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


class Rotary(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim = config.hidden_size // config.num_heads
        inv = 1.0 / (config.rope_theta ** (torch.arange(0, dim, 2).float() / dim))
        self.register_buffer("inv_freq", inv, persistent=False)

    def forward(self, positions):
        f = positions[:, :, None].float() * self.inv_freq
        e = torch.cat((f, f), dim=-1)
        return e.cos()[:, None], e.sin()[:, None]


class RMSNorm(nn.Module):
    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.h = config.num_heads
        self.d = config.hidden_size // config.num_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x, position_embeddings, mask=None):
        b, s, _ = x.shape
        q = self.q_proj(x).view(b, s, self.h, self.d).transpose(1, 2)
        k = self.k_proj(x).view(b, s, self.h, self.d).transpose(1, 2)
        v = self.v_proj(x).view(b, s, self.h, self.d).transpose(1, 2)
        cos, sin = position_embeddings
        q, k = q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin
        scores = q @ k.transpose(2, 3) / math.sqrt(self.d)
        if mask is not None:
            scores = scores + mask
        y = F.softmax(scores, dim=-1) @ v
        return self.o_proj(y.transpose(1, 2).reshape(b, s, -1))


class Expert(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.ffn_dim)
        self.down = nn.Linear(config.ffn_dim, config.hidden_size)

    def forward(self, x):
        return self.down(F.silu(self.up(x)))


class MoE(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.top_k = config.top_k
        self.num_experts = config.num_experts
        self.gate = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = nn.ModuleList([Expert(config) for _ in range(config.num_experts)])

    def forward(self, x):
        b, s, d = x.shape
        flat = x.reshape(-1, d)
        logits = self.gate(flat)
        probs = F.softmax(logits, dim=-1)
        weights, chosen = torch.topk(probs, self.top_k, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        out = torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            token, slot = torch.where(chosen == i)
            out.index_add_(0, token, expert(flat[token]) * weights[token, slot, None])
        return out.view(b, s, d)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln1 = RMSNorm(config.hidden_size)
        self.ln2 = RMSNorm(config.hidden_size)
        self.attn = Attention(config)
        self.moe = MoE(config)

    def forward(self, x, position_embeddings, mask=None):
        x = x + self.attn(self.ln1(x), position_embeddings, mask)
        return x + self.moe(self.ln2(x))


class FrameModel(nn.Module):
    def __init__(self, config: FrameConfig):
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.rotary = Rotary(config)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config.num_layers)])
        self.norm = RMSNorm(config.hidden_size)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(self, input_ids):
        b, s = input_ids.shape
        x = self.embed(input_ids)
        position_embeddings = self.rotary(torch.arange(s)[None])
        mask = torch.full((s, s), float("-inf")).triu(1)[None, None]
        for layer in self.layers:
            x = layer(x, position_embeddings, mask)
        return self.head(self.norm(x))

