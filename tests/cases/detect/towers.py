# A tower of several stages over pictures or films, whose patches are merged before a language model reads them; and a second
# path in which both are compared. Channels last, names of a port from JAX.
import torch
from torch import nn
import torch.nn.functional as F

DEPTHS, WIDTHS, HEADS = (1, 2), (16, 32), (2, 4)
SPAN, CELL, MERGE, WORDS, STREAM = 2, 4, 2, 100, 48


class Dot(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=self.causal).transpose(1, 2).reshape(b, t, c))


class Encoder(nn.Module):
    def __init__(self, width, heads, causal=False):
        super().__init__()
        self.scale1, self.scale2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dot = Dot(width, heads, causal)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        x = x + self.dot(self.scale1(x))
        return x + self.narrow(F.gelu(self.wide(self.scale2(x))))


class Stage(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.blocks = nn.ModuleList([Encoder(WIDTHS[number], HEADS[number]) for _ in range(DEPTHS[number])])
        self.grow = nn.Linear(WIDTHS[number], WIDTHS[number + 1]) if number + 1 < len(WIDTHS) else None

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x if self.grow is None else self.grow(x)


class Seeing(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.Conv3d(3, WIDTHS[0], (SPAN, CELL, CELL), (SPAN, CELL, CELL), bias=False)
        self.stages = nn.ModuleList([Stage(i) for i in range(len(DEPTHS))])

    def forward(self, pixels):
        x = self.cells(pixels).flatten(2).transpose(1, 2)
        for stage in self.stages:
            x = stage(x)
        return x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision = Seeing()
        self.merge = nn.Sequential(nn.Linear(WIDTHS[-1] * MERGE**2, STREAM), nn.GELU(), nn.Linear(STREAM, STREAM))
        self.words = nn.Embedding(WORDS, STREAM)
        self.layers = nn.ModuleList([Encoder(STREAM, 4, True) for _ in range(2)])
        self.head = nn.Linear(STREAM, WORDS)

    def forward(self, input_ids: torch.Tensor, pixel_values_videos: torch.Tensor):
        seen = self.vision(pixel_values_videos)
        seen = self.merge(seen.reshape(seen.shape[0], -1, WIDTHS[-1] * MERGE**2))
        x = torch.cat([seen, self.words(input_ids)], dim=1)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)
