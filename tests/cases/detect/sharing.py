# A decoder whose last layer reads the keys of the first, with embeddings per layer, a low-rank branch and a sparsity cut-off.
import torch
from torch import nn
import torch.nn.functional as F

LAYERS, WIDTH, HEADS, OWN, RANK, TIMES = 3, 64, 4, 8, 4, 1.6448536269514722


class Layer(nn.Module):
    def __init__(self, index):
        super().__init__()
        self.index = index
        self.pre, self.post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.out = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        if index < LAYERS - 1:
            self.key, self.value = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.narrow, self.wide = nn.Linear(WIDTH, RANK, bias=False), nn.Linear(RANK, WIDTH, bias=False)
        self.own = nn.Linear(OWN, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 256), nn.Linear(256, WIDTH)

    def heads(self, x):
        return x.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)

    def forward(self, x, extra, memory):
        y = self.pre(x)
        if self.index < LAYERS - 1:
            memory = self.heads(self.key(y)), self.heads(self.value(y))
        keys, values = memory
        scores = self.heads(self.query(y)) @ keys.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5
        size = scores.shape[-1]
        scores = scores.masked_fill(torch.ones(size, size, dtype=torch.bool).triu(1), float("-inf"))
        y = (scores.softmax(dim=-1) @ values).transpose(1, 2).flatten(2)
        x = x + self.out(y)
        x = x + self.wide(self.narrow(x))
        h = self.up(self.post(x))
        h = F.relu(h - (h.mean(-1, keepdim=True) + h.std(-1, keepdim=True) * TIMES))
        x = x + self.down(h)
        return x + self.own(extra), memory


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(500, WIDTH)
        self.parts = nn.Embedding(300, LAYERS * OWN)
        self.layers = nn.ModuleList([Layer(index) for index in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 500, bias=False)

    def forward(self, idx: torch.Tensor):
        x = self.tokens(idx)
        extra = self.parts(idx).unflatten(-1, (LAYERS, OWN))
        memory = None
        for index, layer in enumerate(self.layers):
            x, memory = layer(x, extra[:, :, index], memory)
        return self.head(self.norm(x))
