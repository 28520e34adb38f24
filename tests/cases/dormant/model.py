import torch
from torch import nn


class Config:
    def __init__(self, width=16, heads=4, cap=None, factor=1.0, order="greedy", longest=64):
        self.width, self.heads, self.cap = width, heads, cap
        self.factor, self.order, self.longest = factor, order, longest
        if heads < 1:
            raise ValueError(f"{heads} heads")


def grouped(scores, groups):
    best = scores.amax(-1)
    worst = scores.amin(-1)
    return torch.where(best > groups, best, worst)


class Layer(nn.Module):
    limit = 8

    def __init__(self, config):
        super().__init__()
        self.up = nn.Linear(config.width, config.width, bias=False)
        self.cap = config.cap
        self.factor = config.factor
        self.order = config.order
        self.longest = config.longest

    def forward(self, x, mask=None):
        scores = self.up(x) * self.factor
        if self.cap is not None:
            scores = self.cap * torch.tanh(scores / self.cap)
        weights = scores.softmax(-1) if self.order == "greedy" else grouped(scores, self.limit)
        if mask is not None:
            weights = weights + mask
        if x.shape[1] > self.longest or self.cap == 0:
            raise ValueError("too long")
        return x + weights

    def merge(self, other):
        return self.up(other) + self.factor


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.embed = nn.Embedding(100, config.width)
        self.layer = Layer(config)

    def forward(self, input_ids):
        return self.layer(self.embed(input_ids))
