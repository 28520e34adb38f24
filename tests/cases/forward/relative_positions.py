# Model -> (batch, sequence, 100)
# Positions that fall by a step written as a float, as Transformer-XL has them.
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = nn.Embedding(100, width)
        self.relative = nn.Linear(width, width)
        self.head = nn.Linear(width, 100)
        self.register_buffer("inv_freq", 1 / (10000 ** (torch.arange(0, width, 2.0) / width)))

    def forward(self, input_ids):
        hidden = self.embed(input_ids)
        length = input_ids.shape[1]
        distance = torch.arange(length - 1, -1, -1.0)
        angles = distance[:, None] * self.inv_freq[None, :]
        relative = self.relative(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return self.head(hidden + relative[None])
