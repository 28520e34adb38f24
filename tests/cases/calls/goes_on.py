"""A forward that cannot be followed: a library nobody knows, a guard on the input, a loop over something unknown."""

import nowhere
import torch
from torch import nn


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x):
        return x * self.weight


class Branch(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.norm = Norm()
        self.proj = nn.Linear(size, size)

    def forward(self, x):
        pieces = [self.shape(item) for item in nowhere.split(x)]
        if x.shape[1] % 7 != 0:
            raise ValueError("not a multiple of seven")
        return self.norm(self.proj(nowhere.merge(pieces)))

    def shape(self, x):
        return x.reshape(4, 2)


class Never(nn.Module):
    def forward(self, x):
        return x


class Model(nn.Module):
    def __init__(self, branches=2):
        super().__init__()
        self.branches = nn.ModuleList([Branch(8) for _ in range(branches)])
        self.never = Never() if branches > 2 else None
        self.last = Norm()
        self.act = lambda x: squared(x)
        if branches > 4:
            self.prepare_inputs(branches)

    def forward(self, pixel_values):
        x = pixel_values
        for branch in self.branches:
            x = branch(x)
        if self.never is not None:
            x = self.never(x)
        try:
            x = self.lookup(x)
        except KeyError:
            x = self.fallback(x)
        return self.act(self.last(x))

    def lookup(self, x):
        raise KeyError("nothing")

    def fallback(self, x):
        return x


    def leftover(self, x):
        return cubed(x)

    def prepare_inputs(self, x, way="plain"):
        return WAYS[way](self.hooked)

    def hooked(self, module):
        return self.late(module)

    def late(self, module):
        return module


def squared(x):
    return x * x


def cubed(x):
    return x * x * x


def plainly(hook):
    return hook


WAYS = {"plain": plainly}


# unreached: Model.leftover cubed
# <entry> -> Model.forward
# Model.forward -> Branch.forward
# Branch.forward -> Branch.shape
# Branch.forward -> Norm.forward
# Model.forward -> Model.lookup
# Model.forward -> Model.fallback
# Model.forward -> Norm.forward
# Model.forward -> squared
