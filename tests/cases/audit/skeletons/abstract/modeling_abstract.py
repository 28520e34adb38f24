from abc import ABC, abstractmethod

import torch
import torch.nn as nn


class BaseAttention(nn.Module, ABC):
    @abstractmethod
    def forward(self, x):
        ...


class SparseAttention(BaseAttention):
    def __init__(self, dim, block_size=64, topk=16):
        super().__init__()
        self.compress = nn.Linear(dim, dim)
        self.select = nn.Linear(dim, dim)
        self.window = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, 3)

    def forward(self, x):
        # Compressed branch only; selection and window branches are future work.
        g = torch.sigmoid(self.gate(x))
        c = self.compress(x)
        return g[..., :1] * c


class NSAModel(nn.Module):
    def __init__(self, vocab=100, dim=32, depth=2):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.layers = nn.Sequential(*[SparseAttention(dim) for _ in range(depth)])
        self.head = nn.Linear(dim, vocab)

    def forward(self, ids):
        return self.head(self.layers(self.emb(ids)))
