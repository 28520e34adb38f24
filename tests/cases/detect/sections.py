# Positions of three axes: pairs of channels turn with time, height and width, every third pair with another axis.
import torch
from torch import nn


def turn_half(x):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(64, 64, bias=False) for _ in range(4))

    def forward(self, x, cos, sin):
        b, s, _ = x.shape
        q, k, v = (f(x).view(b, s, 4, 16).transpose(1, 2) for f in (self.q, self.k, self.v))
        q = q * cos + turn_half(q) * sin
        k = k * cos + turn_half(k) * sin
        y = torch.softmax(q @ k.transpose(2, 3) * 0.25, dim=-1) @ v
        return self.o(y.transpose(1, 2).reshape(b, s, 64))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(64), nn.LayerNorm(64)
        self.attn = Attention()
        self.up, self.down = nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x, cos, sin):
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.down(torch.relu(self.up(self.norm2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(300, 64)
        self.blocks = nn.ModuleList([Block() for _ in range(2)])
        self.register_buffer("inv", 1.0 / (10000 ** (torch.arange(0, 16, 2) / 16)), persistent=False)
        self.head = nn.Linear(64, 300, bias=False)

    def mixed(self, angles):
        one = angles[0]
        for axis in (1, 2):
            one[..., axis:6:3] = angles[axis, ..., axis:6:3]
        return one

    def forward(self, tokens: torch.Tensor):
        b, s = tokens.shape
        places = torch.arange(s).view(1, 1, s).expand(3, b, s)
        angles = places[..., None].float() * self.inv
        one = self.mixed(angles)
        one = torch.cat([one, one], dim=-1)
        cos, sin = one.cos()[:, None], one.sin()[:, None]
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.head(x)
