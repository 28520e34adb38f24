# flow: (norm1 attn / mlp | .)+
from parts import Attention, Network, Stack
from torch import nn


class Layer(nn.Module):
    def __init__(self, width: int, attends: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        if attends:
            self.attn = Attention(width)
        else:
            self.mlp = Network(width)
        self.attends = attends

    def forward(self, x):
        normed = self.norm1(x)
        return x + (self.attn(normed) if self.attends else self.mlp(normed))


class Model(Stack):
    def __init__(self) -> None:
        super().__init__([Layer(64, index % 2 == 0) for index in range(4)])
