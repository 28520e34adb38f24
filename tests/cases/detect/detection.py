# A detector: patches, blocks that attend within shifted windows, and a decoder of learned queries that attends to the picture.
import torch
from torch import nn

WIDTH, SIDE, WINDOW, SHIFT, QUERIES = 32, 8, 4, 2, 10


def attend(q, k, v, heads=2):
    q, k, v = (x.unflatten(-1, (heads, WIDTH // heads)).transpose(1, 2) for x in (q, k, v))
    scores = q @ k.transpose(-2, -1) * (WIDTH // heads) ** -0.5
    return (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)


class Seeing(nn.Module):
    def __init__(self, shift):
        super().__init__()
        self.shift = shift
        self.norm, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.up, self.down = nn.Linear(WIDTH, 64), nn.Linear(64, WIDTH)

    def forward(self, x):
        b = x.shape[0]
        y = self.norm(x).view(b, SIDE, SIDE, WIDTH)
        if self.shift:
            y = torch.roll(y, shifts=(-self.shift, -self.shift), dims=(1, 2))
        n = SIDE // WINDOW
        y = y.view(b, n, WINDOW, n, WINDOW, WIDTH).transpose(2, 3).reshape(b * n * n, WINDOW * WINDOW, WIDTH)
        y = attend(self.q(y), self.k(y), self.v(y))
        y = y.view(b, n, n, WINDOW, WINDOW, WIDTH).transpose(2, 3).reshape(b, SIDE * SIDE, WIDTH)
        x = x + y
        return x + self.down(torch.relu(self.up(self.after(x))))


class Asking(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.between, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.cq, self.ck, self.cv = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.gate = nn.Parameter(torch.zeros(1))
        self.up, self.down = nn.Linear(WIDTH, 64), nn.Linear(64, WIDTH)

    def forward(self, x, seen):
        y = self.norm(x)
        x = x + attend(self.q(y), self.k(y), self.v(y))
        x = x + torch.tanh(self.gate) * attend(self.cq(self.between(x)), self.ck(seen), self.cv(seen))
        return x + self.down(torch.relu(self.up(self.after(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, kernel_size=28, stride=28)
        self.enter = nn.LayerNorm(WIDTH)
        self.seeing = nn.ModuleList([Seeing(0 if i % 2 == 0 else SHIFT) for i in range(2)])
        self.queries = nn.Embedding(QUERIES, WIDTH)
        self.asking = nn.ModuleList([Asking() for _ in range(3)])
        self.boxes = nn.Linear(WIDTH, 4)

    def forward(self, pixel_values: torch.Tensor):
        x = self.patches(pixel_values).flatten(2).transpose(1, 2)
        x = self.enter(x)
        for block in self.seeing:
            x = block(x)
        q = self.queries.weight.unsqueeze(0).expand(x.shape[0], -1, -1)
        for block in self.asking:
            q = block(q, x)
        return self.boxes(q)
