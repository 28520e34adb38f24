# flow: (attention | .)+ attention.output.norm (mlp | .)+ mlp.norm
from parts import Attention, Network, Stack
from torch import nn


class Output(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x, residual):
        return self.norm(self.dense(x) + residual)


class Wrapped(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.output = Output(width)

    def forward(self, x):
        return self.output(self.attn(x), x)


class WrappedNetwork(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = Network(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(self.inner(x) + x)


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = Wrapped(width)
        self.mlp = WrappedNetwork(width)

    def forward(self, x):
        return self.mlp(self.attention(x))


class Model(Stack):
    def __init__(self) -> None:
        super().__init__([Layer(64) for _ in range(4)])
