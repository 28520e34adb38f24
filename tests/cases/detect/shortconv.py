# Gated short convolutions in place of attention, in the style of lucidrains' notebooks: functions that return modules, Residual(PreNorm(...)).
import torch
from torch import nn
import torch.nn.functional as F


def exists(val):
    return val is not None


class Residual(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return self.fn(x) + x


class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(dim), fn

    def forward(self, x):
        return self.fn(self.norm(x))


class Attention(nn.Module):  # the name misleads: nothing attends
    def __init__(self, dim, kernel_size=3, bias=False):
        super().__init__()
        self.kernel_size = kernel_size
        self.to_qkv = nn.Linear(dim, dim * 3, bias=False)
        self.ds_conv = nn.Conv1d(dim, dim, kernel_size, groups=dim, bias=bias)
        self.to_out = nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        x = (q * v).transpose(1, 2)
        x = self.ds_conv(F.pad(x, (self.kernel_size - 1, 0)))
        return self.to_out(k * x.transpose(1, 2))


def FeedForward(dim, mult=2):
    return nn.Sequential(nn.Linear(dim, dim * mult), nn.GELU(), nn.Linear(dim * mult, dim))


class Model(nn.Module):
    def __init__(self, *, num_tokens=50, dim=24, depth=2, heads=4):
        super().__init__()
        self.token_emb = nn.Embedding(num_tokens, dim)
        self.layers = nn.ModuleList([])
        for ind in range(depth):
            self.layers.append(nn.ModuleList([Residual(PreNorm(dim, Attention(dim))), Residual(PreNorm(dim, FeedForward(dim)))]))
        self.to_logits = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, num_tokens, bias=False))

    def forward(self, ids: torch.Tensor):
        x = self.token_emb(ids)
        for attn, ff in self.layers:
            x = attn(x)
            x = ff(x)
        return self.to_logits(x)
