# Decays that nobody learns, block by block, in the style of a port from array code: numbers in a dictionary, no helpful names.
import math

import torch
from torch import nn


def rates(n):
    return torch.tensor([2.0 ** (-8.0 * (i + 1) / n) for i in range(n)])


class Mix(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p
        n, w = p["n"], p["w"]
        self.a = nn.Linear(p["d"], 3 * n * w, bias=False)
        self.z = nn.Linear(n * w, p["d"], bias=False)
        self.y = nn.Linear(p["d"], n * w, bias=False)
        self.f = nn.LayerNorm(n * w)

    def forward(self, x):
        b, t, _ = x.shape
        n, w, size = self.p["n"], self.p["w"], self.p["block"]
        u, c, e = nn.functional.silu(self.a(x)).reshape(b, t, 3, n, w).permute(2, 0, 3, 1, 4)
        r = rates(n)[:, None, None]
        place = torch.arange(size) + 1
        near = torch.exp(-r * (place[:, None] - place[None, :])).masked_fill(place[:, None] < place[None, :], 0.0)
        fade, left = torch.exp(-r * place[:, None]), torch.exp(-r * (size - place[:, None]))
        kept = torch.zeros(b, n, w, w)
        out = []
        for i in range(math.ceil(t / size)):
            ui, ci, ei = (s[:, :, i * size : (i + 1) * size] for s in (u, c, e))
            m = ui.shape[2]
            inside = torch.matmul(torch.matmul(ui, ci.transpose(-1, -2)) * near[:, :m, :m], ei)
            before = torch.matmul(ui * fade[:, :m], kept)
            out.append(inside + before)
            kept = torch.exp(-r * m) * kept + torch.matmul((ci * left[:, -m:]).transpose(-1, -2), ei)
        o = torch.cat(out, dim=2).transpose(1, 2).reshape(b, t, n * w)
        return self.z(torch.sigmoid(self.y(x)) * self.f(o))


class Piece(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.l, self.r = nn.LayerNorm(p["d"]), nn.LayerNorm(p["d"])
        self.m = Mix(p)
        self.i, self.o = nn.Linear(p["d"], 2 * p["d"]), nn.Linear(2 * p["d"], p["d"])

    def forward(self, x):
        x = x + self.m(self.l(x))
        return x + self.o(nn.functional.gelu(self.i(self.r(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        p = {"d": 24, "n": 4, "w": 8, "block": 16}
        self.t = nn.Embedding(60, p["d"])
        self.s = nn.ModuleList([Piece(p) for _ in range(2)])
        self.h = nn.Linear(p["d"], 60, bias=False)

    def forward(self, tokens: torch.Tensor):
        x = self.t(tokens)
        for s in self.s:
            x = s(x)
        return self.h(x)
