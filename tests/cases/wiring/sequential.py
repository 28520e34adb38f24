# flow: (norm1 attn | .)+ (norm2 mlp | .)+
from parts import Attention, Network, Stack
from torch import nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Network(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Model(Stack):
    def __init__(self) -> None:
        super().__init__([Layer(64) for _ in range(4)])
