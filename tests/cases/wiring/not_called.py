# flow: (norm1 attn | .)+ (norm2 mlp | .)+; not called: cross_attn
from parts import Attention, Network, Stack
from torch import nn


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


class Model(Stack):
    def __init__(self) -> None:
        super().__init__([Layer(64) for _ in range(4)])
