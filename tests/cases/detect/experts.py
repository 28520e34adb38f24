# Experts in stacked weights behind a router, a shared expert beside them, the first layer dense.
import torch
from torch import nn
import torch.nn.functional as F


class RMSNorm(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * y.to(x.dtype)


class Gated(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.gate, self.up = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    def __init__(self, width=48, inner=24, count=8, top=2):
        super().__init__()
        self.top, self.count = top, count
        self.router = nn.Linear(width, count, bias=False)
        self.bias = nn.Parameter(torch.zeros(count))
        self.experts = nn.ModuleList([Gated(width, inner) for _ in range(count)])
        self.shared = Gated(width, inner)

    def route(self, x):
        scores = F.softmax(self.router(x), dim=-1)
        weights, chosen = torch.topk(scores, self.top, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        return weights, chosen

    def forward(self, x):
        b, s, c = x.shape
        flat = x.view(-1, c)
        weights, chosen = self.route(flat)
        y = torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            row, slot = torch.where(chosen == i)
            y[row] += weights[row, slot, None] * expert(flat[row])
        return (y + self.shared(flat)).view(b, s, c)


class Attention(nn.Module):
    def __init__(self, width=48, heads=4):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x):
        b, s, c = x.shape
        q, k, v = (f(x).view(b, s, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(y.transpose(1, 2).reshape(b, s, c))


class Block(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(48), RMSNorm(48)
        self.attn = Attention()
        self.mlp = Gated(48, 96) if layer < 1 else Experts()

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 48)
        self.blocks = nn.ModuleList([Block(i) for i in range(3)])
        self.norm = RMSNorm(48)
        self.head = nn.Linear(48, 100, bias=False)

    def forward(self, tokens: torch.Tensor):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
