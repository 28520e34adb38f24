# flow: mix.spread ((norm1 attn | .)+ | .) mix.gather mlp
from parts import Attention, Network, Stack
from torch import nn


class Mix(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def spread(self, x):
        return self.inner(x)

    def gather(self, x, before):
        return self.outer(x) * before


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = Mix(width)
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width)
        self.mlp = Network(width)

    def forward(self, x):
        spread = self.mix.spread(x)
        done = spread + self.attn(self.norm1(spread))
        return self.mlp(self.mix.gather(done, spread))


class Model(Stack):
    def __init__(self) -> None:
        super().__init__([Layer(64) for _ in range(4)])
