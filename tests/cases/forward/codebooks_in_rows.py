# Model -> (batch, sequence, 32)
"""Numbers of several codebooks in rows, under a name that says nothing of them; settings in parts of their own."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Table:
    size: int = 100


@dataclass
class Settings:
    table: Table
    width: int = 32


class Model(nn.Module):
    def __init__(self, settings: Settings, compute_dtype: torch.dtype):
        super().__init__()
        self.embed = nn.Embedding(settings.table.size, settings.width, dtype=compute_dtype)

    def forward(self, inp: torch.Tensor):
        length = inp.size(2)
        x = self.embed(inp[:, 0])
        return x + self.embed(inp[:, 1])[:, :length]
