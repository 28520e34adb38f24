# The style of Meta's own code: complex rotations, a triangle of minus infinity, repeated keys.
import math
import torch
from torch import nn
import torch.nn.functional as F


def precompute(dim, end, theta):
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
    t = torch.arange(end)
    freqs = torch.outer(t, freqs).float()
    return torch.polar(torch.ones_like(freqs), freqs)


def rotate(xq, xk, freqs):
    xq_ = torch.view_as_complex(xq.float().reshape(*xq.shape[:-1], -1, 2))
    xk_ = torch.view_as_complex(xk.float().reshape(*xk.shape[:-1], -1, 2))
    freqs = freqs.view(1, xq_.shape[1], 1, xq_.shape[-1])
    return torch.view_as_real(xq_ * freqs).flatten(3).type_as(xq), torch.view_as_real(xk_ * freqs).flatten(3).type_as(xk)


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        y = x.float()
        return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x) * self.weight


class Attention(nn.Module):
    def __init__(self, dim=64, heads=8, kv_heads=2):
        super().__init__()
        self.heads, self.kv_heads, self.width = heads, kv_heads, dim // heads
        self.wq = nn.Linear(dim, heads * self.width, bias=False)
        self.wk = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wv = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wo = nn.Linear(heads * self.width, dim, bias=False)

    def forward(self, x, freqs, mask):
        b, s, _ = x.shape
        q = self.wq(x).view(b, s, self.heads, self.width)
        k = self.wk(x).view(b, s, self.kv_heads, self.width)
        v = self.wv(x).view(b, s, self.kv_heads, self.width)
        q, k = rotate(q, k, freqs)
        k = torch.repeat_interleave(k, self.heads // self.kv_heads, dim=2)
        v = torch.repeat_interleave(v, self.heads // self.kv_heads, dim=2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(self.width)
        scores = scores + mask
        scores = F.softmax(scores.float(), dim=-1).type_as(q)
        out = torch.matmul(scores, v).transpose(1, 2).contiguous().view(b, s, -1)
        return self.wo(out)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_norm, self.ffn_norm = RMSNorm(64), RMSNorm(64)
        self.attention = Attention()
        self.w1, self.w2, self.w3 = (nn.Linear(64, 128, bias=False), nn.Linear(128, 64, bias=False), nn.Linear(64, 128, bias=False))

    def forward(self, x, freqs, mask):
        h = x + self.attention(self.attention_norm(x), freqs, mask)
        y = self.ffn_norm(h)
        return h + self.w2(F.silu(self.w1(y)) * self.w3(y))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok_embeddings = nn.Embedding(1000, 64)
        self.layers = nn.ModuleList([Block() for _ in range(3)])
        self.norm = RMSNorm(64)
        self.output = nn.Linear(64, 1000, bias=False)
        self.freqs = precompute(8, 4096, 500000.0)

    def forward(self, tokens: torch.Tensor):
        b, s = tokens.shape
        h = self.tok_embeddings(tokens)
        freqs = self.freqs[:s]
        mask = torch.full((s, s), float("-inf"))
        mask = torch.triu(mask, diagonal=1)
        for layer in self.layers:
            h = layer(h, freqs, mask)
        return self.output(self.norm(h)).float()
