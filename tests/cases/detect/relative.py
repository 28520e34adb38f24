# Content meets relative positions in products of their own, in the style of plain research code after DeBERTa: gathered by distance.
import torch
from torch import nn


def distances(n, span):
    place = torch.arange(n)
    return (place[:, None] - place[None, :] + span).clamp(0, 2 * span - 1)


class Attention(nn.Module):
    def __init__(self, d=32, h=4, span=8):
        super().__init__()
        self.h, self.span = h, span
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.pos_k, self.pos_q = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.scale = (3 * d // h) ** -0.5

    def heads(self, x):
        return x.view(*x.shape[:-1], self.h, -1).transpose(-3, -2)

    def forward(self, x, table):
        b, n, d = x.shape
        q, k, v = self.heads(self.q(x)), self.heads(self.k(x)), self.heads(self.v(x))
        where = distances(n, self.span).expand(b, self.h, n, n)
        score = q @ k.transpose(-1, -2)
        to_place = torch.gather(q @ self.heads(self.pos_k(table)).transpose(-1, -2), -1, where)
        from_place = torch.gather(k @ self.heads(self.pos_q(table)).transpose(-1, -2), -1, where).transpose(-1, -2)
        score = (score + to_place + from_place) * self.scale
        return self.o((score.softmax(-1) @ v).transpose(1, 2).reshape(b, n, d))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.n1, self.n2 = Attention(), nn.LayerNorm(32), nn.LayerNorm(32)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x, table):
        x = self.n1(x + self.attention(x, table))
        return self.n2(x + self.down(nn.functional.gelu(self.up(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(90, 32)
        self.places = nn.Embedding(16, 32)
        self.layers = nn.ModuleList([Layer() for _ in range(2)])
        self.head = nn.Linear(32, 90)

    def forward(self, input_ids: torch.Tensor):
        x = self.words(input_ids)
        for layer in self.layers:
            x = layer(x, self.places.weight)
        return self.head(x)
