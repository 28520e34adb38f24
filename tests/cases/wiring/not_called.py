# flow: (norm1 attn | .)+ (norm2 mlp | .)+; not called: cross_attn
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


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Network(width)
        self.cross_attn = Attention(width)

    def forward(self, x, other=None):
        x = x + self.attn(self.norm1(x))
        if other is not None:
            x = x + self.cross_attn(x, other)
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        self.layers = nn.ModuleList([Layer(64) for _ in range(4)])
        self.head = nn.Linear(64, 100)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)
