import torch
import torch.nn as nn


class TimestepEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.dim = dim

    def forward(self, t):
        half = self.dim // 2
        freqs = torch.exp(-torch.arange(half) / half)
        emb = t[:, None].float() * freqs[None]
        return self.mlp(torch.cat([emb.sin(), emb.cos()], dim=-1))


class ResBlock(nn.Module):
    def __init__(self, ch, temb):
        super().__init__()
        self.norm = nn.GroupNorm(4, ch)
        self.conv = nn.Conv2d(ch, ch, 3, padding=1)
        self.temb = nn.Linear(temb, ch)

    def forward(self, x, temb):
        return x + self.conv(torch.nn.functional.silu(self.norm(x)))


class UNet(nn.Module):
    def __init__(self, ch=16, temb=32, depth=2):
        super().__init__()
        self.time = TimestepEmbedding(temb)
        self.inp = nn.Conv2d(3, ch, 3, padding=1)
        self.down = nn.ModuleList([ResBlock(ch, temb) for _ in range(depth)])
        self.mid_attn = nn.MultiheadAttention(ch, 4)
        self.up = nn.ModuleList([ResBlock(ch, temb) for _ in range(depth)])
        self.out = nn.Conv2d(ch, 3, 3, padding=1)

    def forward(self, pixel_values, timesteps):
        temb = self.time(timesteps)
        h = self.inp(pixel_values)
        for block in self.down:
            h = block(h, temb)
        for block in self.up:
            h = block(h, temb)
        return self.out(h)
