"""Layers that keep functions of their own: each closes over its own layer, not over the first one's."""

import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.three = nn.Linear(8, 8, bias=False)
        m = self
        self.by_lambda = lambda x: m.one(x)

        def twice(x):
            return self.two(x) * 2

        self.by_def = twice
        self.in_list = [lambda x, y=name: getattr(m, y)(x) for name in ("three",)]

    def forward(self, x):
        return self.in_list[0](self.by_def(self.by_lambda(x)).relu())


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Layer() for _ in range(3)])

    def forward(self, hidden_states: torch.Tensor):
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return hidden_states


# live: layers.0.one.weight layers.0.two.weight layers.0.three.weight
# live: layers.1.one.weight layers.1.two.weight layers.1.three.weight
# live: layers.2.one.weight layers.2.two.weight layers.2.three.weight
