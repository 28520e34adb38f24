# Pictures in classes, in the style of lucidrains' vit-pytorch: patches cut by views, a class token, settings in a dataclass.
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class ViTConfig:
    image_size: int = 32
    patch_size: int = 8
    channels: int = 3
    dim: int = 24
    depth: int = 2
    heads: int = 3
    num_classes: int = 10


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.norm, self.to_qkv, self.to_out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = (t.reshape(b, n, self.heads, -1).transpose(1, 2) for t in self.to_qkv(self.norm(x)).chunk(3, dim=-1))
        out = (q @ k.transpose(-1, -2) * self.scale).softmax(dim=-1) @ v
        return self.to_out(out.transpose(1, 2).reshape(b, n, d))


class Model(nn.Module):
    def __init__(self, config: ViTConfig):
        super().__init__()
        p, c = config.patch_size, config.channels
        self.p = p
        self.to_patch = nn.Linear(p * p * c, config.dim)
        self.cls_token = nn.Parameter(torch.randn(1, 1, config.dim))
        self.pos = nn.Parameter(torch.randn(1, (config.image_size // p) ** 2 + 1, config.dim))
        ff = lambda: nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, 48), nn.GELU(), nn.Linear(48, config.dim))
        self.layers = nn.ModuleList([nn.ModuleList([Attention(config.dim, config.heads), ff()]) for _ in range(config.depth)])
        self.mlp_head = nn.Linear(config.dim, config.num_classes)

    def forward(self, img: torch.Tensor):
        b, c, h, w = img.shape
        p = self.p
        x = img.reshape(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1).reshape(b, (h // p) * (w // p), p * p * c)
        x = torch.cat((self.cls_token.expand(b, -1, -1), self.to_patch(x)), dim=1) + self.pos
        for attn, ff in self.layers:
            x = x + attn(x)
            x = x + ff(x)
        return self.mlp_head(x[:, 0])
