import torch
import torch.nn as nn


class Router(nn.Module):
    def __init__(self, dim, n):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n, dim))

    def forward(self, x):
        scores = torch.softmax(x @ self.weight.t(), dim=-1)
        return scores


class MoDBlock(nn.Module):
    """Mixture of depths."""

    def __init__(self, dim):
        super().__init__()
        self.router = Router(dim, 2)
        self.ffn = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        decision = self.router(x).argmax(-1)
        return x + self.ffn(x)


class MoD(nn.Module):
    def __init__(self, vocab=100, dim=32, depth=2):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.blocks = nn.ModuleList([MoDBlock(dim) for _ in range(depth)])
        self.head = nn.Linear(dim, vocab)

    def forward(self, ids):
        x = self.emb(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
