# flow: not known: norm1, attn, mlp
from parts import Attention, Network, Stack
from torch import nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.mlp = Network(width)

    def forward(self, x):
        return self.mlp(self.attn(self.norm1(unknown_library(x))))


class Model(Stack):
    def __init__(self) -> None:
        super().__init__([Layer(64) for _ in range(4)])
