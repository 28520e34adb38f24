# Two towers whose outputs meet in a product, and a decoder of learned queries: dense layers, names that help little.
import torch
from torch import nn
import torch.nn.functional as F

WIDTH, SPACE, CELL, SIZE = 32, 24, 8, 32


class Attend(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x, y, causal=False):
        q, k, v = (f(z).view(*z.shape[:2], 4, -1).transpose(1, 2) for f, z in ((self.a, x), (self.b, y), (self.c, y)))
        return self.d(F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    def __init__(self, causal):
        super().__init__()
        self.causal = causal
        self.one, self.two = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attend = Attend()
        self.up, self.down = nn.Linear(WIDTH, 64), nn.Linear(64, WIDTH)

    def forward(self, x):
        y = self.one(x)
        x = x + self.attend(y, y, self.causal)
        return x + self.down(F.gelu(self.up(self.two(x))))


class Picture(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.Conv2d(3, WIDTH, CELL, CELL)
        self.first = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.place = nn.Parameter(torch.zeros(1, (SIZE // CELL) ** 2 + 1, WIDTH))
        self.layers = nn.ModuleList([Layer(False) for _ in range(2)])
        self.out = nn.Linear(WIDTH, SPACE, bias=False)

    def forward(self, pixels):
        x = self.cells(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], dim=1) + self.place
        for layer in self.layers:
            x = layer(x)
        return self.out(x[:, 0])


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.place = nn.Embedding(100, WIDTH), nn.Embedding(64, WIDTH)
        self.layers = nn.ModuleList([Layer(True) for _ in range(2)])
        self.out = nn.Linear(WIDTH, SPACE, bias=False)

    def forward(self, tokens):
        x = self.table(tokens) + self.place(torch.arange(tokens.shape[1], device=tokens.device))
        for layer in self.layers:
            x = layer(x)
        return self.out(x[:, -1])


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.picture, self.words = Picture(), Words()
        self.image_size = SIZE

    def forward(self, input_ids: torch.Tensor, pixel_values: torch.Tensor):
        a, b = F.normalize(self.picture(pixel_values), dim=-1), F.normalize(self.words(input_ids), dim=-1)
        return a @ b.T
