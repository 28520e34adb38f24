"""A small model with nothing missing."""

import torch
from torch import nn


class WholeModelConfig:
    def __init__(self, hidden_size=32, num_hidden_layers=2, intermediate_size=64, vocab_size=64):
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.intermediate_size = intermediate_size
        self.vocab_size = vocab_size


class WholeModelMLP(nn.Module):
    def __init__(self, config: WholeModelConfig):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


class WholeModelMixer(nn.Module):
    def __init__(self, config: WholeModelConfig):
        super().__init__()
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)
        

    def forward(self, x):
        return self.proj(x)


class WholeModelLayer(nn.Module):
    def __init__(self, config: WholeModelConfig):
        super().__init__()
        self.mixer = WholeModelMixer(config)
        self.mlp = WholeModelMLP(config)

    def forward(self, x):
        x = x + self.mixer(x)
        return x + self.mlp(x)


class WholeModelModel(nn.Module):
    def __init__(self, config: WholeModelConfig):
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([WholeModelLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, input_ids):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x
