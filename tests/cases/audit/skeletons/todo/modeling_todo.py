import torch
import torch.nn as nn


class NeuralMemory(nn.Module):
    """Long-term neural memory, Eq. (8)-(14) of the paper."""

    def __init__(self, dim, chunk_size=64):
        super().__init__()
        self.dim = dim
        self.chunk_size = chunk_size
        # TODO: memory MLP, momentum and forget gates

    def retrieve(self, x):
        return x

    def update(self, x):
        pass

    def forward(self, x):
        out = self.retrieve(x)
        self.update(x)
        return out


class TitansBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.memory = NeuralMemory(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        x = x + self.memory(x)
        h = self.norm(x)
        return x + self.attn(h, h, h, need_weights=False)[0]


class Titans(nn.Module):
    def __init__(self, vocab_size=100, dim=64, depth=2, heads=4):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, dim)
        self.blocks = nn.ModuleList([TitansBlock(dim, heads) for _ in range(depth)])
        self.head = nn.Linear(dim, vocab_size)

    def forward(self, ids):
        x = self.emb(ids)
        for b in self.blocks:
            x = b(x)
        return self.head(x)
