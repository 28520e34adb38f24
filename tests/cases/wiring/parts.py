"""What the layers of the cases are put together from."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.o_proj = nn.Linear(width, width)

    def forward(self, x, other=None):
        other = x if other is None else other
        scores = self.q_proj(x) @ self.k_proj(other).transpose(1, 2) * 0.125
        return self.o_proj(torch.softmax(scores, dim=-1) @ self.v_proj(other))


class Network(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class Stack(nn.Module):
    """Token embedding, layers one after the other, output head."""

    def __init__(self, layers) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(64, 100)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)
