# A fused attention operation, halves rotated, norms of queries and keys, a window on every other layer.
import torch
from torch import nn
import torch.nn.functional as F


def turn_half(x):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


class Attention(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.q = nn.Linear(64, 64, bias=False)
        self.k = nn.Linear(64, 16, bias=False)
        self.v = nn.Linear(64, 16, bias=True)
        self.o = nn.Linear(64, 64, bias=False)
        self.q_norm, self.k_norm = nn.RMSNorm(16, eps=1e-6), nn.RMSNorm(16, eps=1e-6)

    def forward(self, x, cos, sin, mask):
        b, s, _ = x.shape
        q = self.q_norm(self.q(x).view(b, s, 4, 16)).transpose(1, 2)
        k = self.k_norm(self.k(x).view(b, s, 1, 16)).transpose(1, 2)
        v = self.v(x).view(b, s, 1, 16).transpose(1, 2)
        rot, keep = q[..., :8], q[..., 8:]
        q = torch.cat([rot * cos + turn_half(rot) * sin, keep], dim=-1)
        rot, keep = k[..., :8], k[..., 8:]
        k = torch.cat([rot * cos + turn_half(rot) * sin, keep], dim=-1)
        if self.layer % 2 == 0:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=0.3, enable_gqa=True)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.3, enable_gqa=True)
        y = y.transpose(1, 2).reshape(b, s, 64)
        return self.o(y)


class Block(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(64), nn.RMSNorm(64)
        self.attn = Attention(layer)
        self.up, self.down = nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x, cos, sin, mask):
        x = x + self.attn(self.norm1(x), cos, sin, mask)
        return x + self.down(F.relu(self.up(self.norm2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(300, 64)
        self.blocks = nn.ModuleList([Block(i) for i in range(4)])
        self.register_buffer("inv", 1.0 / (10000 ** (torch.arange(0, 8, 2) / 8)), persistent=False)
        self.head = nn.Linear(64, 300, bias=False)

    def forward(self, tokens: torch.Tensor):
        s = tokens.shape[1]
        x = self.embed(tokens)
        angles = torch.arange(s)[:, None] * self.inv[None, :]
        angles = torch.cat([angles, angles], dim=-1)
        cos, sin = angles.cos(), angles.sin()
        i, j = torch.arange(s)[:, None], torch.arange(s)[None, :]
        mask = (j <= i) & (i - j < 32)
        for block in self.blocks:
            x = block(x, cos, sin, mask)
        return self.head(x)
