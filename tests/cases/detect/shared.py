# One block at several depths, told apart by what little each use adds: plain research code, the depth is a loop.
import torch
import torch.nn as nn
import torch.nn.functional as F


class Low(nn.Module):
    def __init__(self, a, b, rank):
        super().__init__()
        self.down, self.up = nn.Linear(a, rank, bias=False), nn.Linear(rank, b, bias=False)

    def forward(self, x):
        return self.up(self.down(x))


class Block(nn.Module):
    def __init__(self, d=32, h=4, uses=3, rank=3):
        super().__init__()
        self.h = h
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.o = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        self.extra = nn.ModuleList([Low(d, 2 * d, rank) for _ in range(uses)])

    def forward(self, x, use):
        b, s, d = x.shape
        q, k, v = (t.view(b, s, self.h, -1).transpose(1, 2) for t in self.qkv(self.n1(x)).chunk(3, -1))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, s, d))
        y = self.n2(x)
        return x + self.down(F.gelu(self.up(y) + self.extra[use](y)))


class Stage(nn.Module):
    def __init__(self, block, use):
        super().__init__()
        self.block, self.use = block, use

    def forward(self, x):
        return self.block(x, self.use)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(70, 32)
        block = Block()
        self.stages = nn.ModuleList([Stage(block, i) for i in range(3)])
        self.ln = nn.LayerNorm(32)
        self.head = nn.Linear(32, 70, bias=False)

    def forward(self, idx: torch.Tensor):
        x = self.emb(idx)
        for stage in self.stages:
            x = stage(x)
        return self.head(self.ln(x))
