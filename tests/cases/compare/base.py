"""A small language model with one of each piece that publishers and libraries write in two ways."""

import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, size, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        variance = x.pow(2).mean(-1, keepdim=True)
        return x * torch.rsqrt(variance + self.eps) * self.weight


def rotate(x, cos, sin):
    one, other = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-other, one), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, size, heads, groups):
        super().__init__()
        self.heads, self.groups, self.width = heads, groups, size // heads
        self.query = nn.Linear(size, heads * self.width, bias=False)
        self.key = nn.Linear(size, groups * self.width, bias=False)
        self.value = nn.Linear(size, groups * self.width, bias=False)
        self.out = nn.Linear(heads * self.width, size, bias=False)
        self.query_norm = Norm(self.width)
        self.key_norm = Norm(self.width)

    def forward(self, x, cos, sin):
        batch, length, size = x.shape
        q = self.query(x).view(batch, length, self.heads, self.width).transpose(1, 2)
        k = self.key(x).view(batch, length, self.groups, self.width).transpose(1, 2)
        v = self.value(x).view(batch, length, self.groups, self.width).transpose(1, 2)
        q = self.query_norm(q)
        k = self.key_norm(k)
        q = rotate(q, cos, sin)
        k = rotate(k, cos, sin)
        k = k.repeat_interleave(self.heads // self.groups, dim=1)
        v = v.repeat_interleave(self.heads // self.groups, dim=1)
        scores = q @ k.transpose(-2, -1) * self.width**-0.5
        scores = 20.0 * torch.tanh(scores / 20.0)
        places = torch.arange(length)
        mask = (places[None, :] <= places[:, None]) & (places[None, :] > places[:, None] - 4)
        scores = scores.masked_fill(~mask, float("-inf"))
        y = F.softmax(scores, dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, length, -1))


class Expert(nn.Module):
    def __init__(self, size, inner):
        super().__init__()
        self.gate = nn.Linear(size, inner, bias=False)
        self.up = nn.Linear(size, inner, bias=False)
        self.down = nn.Linear(inner, size, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Mixture(nn.Module):
    def __init__(self, size, inner, experts, chosen):
        super().__init__()
        self.chosen = chosen
        self.router = nn.Linear(size, experts, bias=False)
        self.experts = nn.ModuleList([Expert(size, inner) for _ in range(experts)])

    def forward(self, x):
        scores = F.softmax(self.router(x), dim=-1)
        best, which = scores.topk(self.chosen, dim=-1)
        best = best / best.sum(-1, keepdim=True)
        shares = torch.zeros_like(scores).scatter(-1, which, best)
        y = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            y = y + shares[..., number : number + 1] * expert(x)
        return y


class Block(nn.Module):
    def __init__(self, size, heads, groups, inner, experts, chosen):
        super().__init__()
        self.one = Norm(size)
        self.attention = Attention(size, heads, groups)
        self.two = Norm(size)
        self.mixture = Mixture(size, inner, experts, chosen)

    def forward(self, x, cos, sin):
        x = x + self.attention(self.one(x), cos, sin)
        return x + self.mixture(self.two(x))


class Model(nn.Module):
    def __init__(self, words=100, size=32, layers=2, heads=4, groups=2, inner=48, experts=4, chosen=2):
        super().__init__()
        self.words = nn.Embedding(words, size)
        self.blocks = nn.ModuleList([Block(size, heads, groups, inner, experts, chosen) for _ in range(layers)])
        self.last = Norm(size)
        self.head = nn.Linear(size, words, bias=False)
        self.width = size // heads

    def forward(self, input_ids: torch.Tensor):
        x = self.words(input_ids)
        length = input_ids.shape[1]
        rates = 1.0 / 10000.0 ** (torch.arange(0, self.width, 2).float() / self.width)
        angles = torch.outer(torch.arange(length).float(), rates)
        cos = torch.cat((angles, angles), dim=-1).cos()
        sin = torch.cat((angles, angles), dim=-1).sin()
        for block in self.blocks:
            x = block(x, cos, sin)
        logits = self.head(self.last(x))
        return 30.0 * torch.tanh(logits / 30.0)
