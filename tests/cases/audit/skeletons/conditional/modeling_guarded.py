"""The paper's path is behind a flag that nothing can set; what runs is a linear layer."""
import torch
from torch import nn

USE_PAPER_PATH = False


class GuardedAttention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        if USE_PAPER_PATH:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
            x = torch.softmax(q @ k.transpose(-1, -2), dim=-1) @ v
        return self.proj(x)


class GuardedModel(nn.Module):
    def __init__(self, vocab=100, dim=32, depth=2):
        super().__init__()
        self.embed = nn.Embedding(vocab, dim)
        self.layers = nn.ModuleList([GuardedAttention(dim) for _ in range(depth)])

    def forward(self, input_ids):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = x + layer(x)
        return x
