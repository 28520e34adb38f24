# flow: (norm1 attn | .)+ (mlp × < side > scale | .)+
import torch
from parts import Attention, Network
from torch import nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.mlp = Network(width)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x, side):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(x) * side * self.scale


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, 64)
        self.side = nn.Embedding(100, 64)
        self.layers = nn.ModuleList([Layer(64) for _ in range(4)])
        self.head = nn.Linear(64, 100)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        side = self.side(input_ids)
        for layer in self.layers:
            x = layer(x, side)
        return self.head(x)
