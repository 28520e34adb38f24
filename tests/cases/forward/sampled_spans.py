# Model -> (batch, sequence, 8)
"""Spans that numpy draws and masks (SpecAugment's way), and numbers that overflowed and are clamped: neither leaves anything open."""

import numpy as np
import torch
from torch import nn


def spans(shape, prob, length, least=1):
    batch, size = shape
    epsilon = np.random.rand(1).item()
    def count(n):
        number = int(prob * n / length + epsilon)
        number = max(number, least)
        if number * length > size:
            number = size // length
        return number
    lengths = [size for _ in range(batch)]
    mask = np.zeros((batch, size), dtype=bool)
    most = count(size)
    if most == 0:
        return mask
    rows = []
    for n in lengths:
        number = count(n)
        row = np.random.choice(np.arange(n - (length - 1)), number, replace=False)
        first = size - 1 if len(row) == 0 else row[0]
        row = np.concatenate([row, np.ones(most - number, dtype=np.int32) * first])
        rows.append(row)
    rows = np.array(rows)
    rows = np.broadcast_to(rows[:, :, None], (batch, most, length))
    rows = rows.reshape(batch, most * length)
    offsets = np.arange(length)[None, None, :]
    offsets = np.broadcast_to(offsets, (batch, most, length)).reshape(batch, most * length)
    rows = rows + offsets
    if rows.max() > size - 1:
        rows[rows > size - 1] = size - 1
    np.put_along_axis(mask, rows, 1, -1)
    return mask

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.masked = nn.Parameter(torch.zeros(8))
        self.out = nn.Linear(8, 8)

    def forward(self, tokens):
        x = self.embed(tokens)
        batch, length, width = x.size()
        mask = torch.tensor(spans((batch, length), 0.1, 3), device=x.device, dtype=torch.bool)
        x[mask] = self.masked.to(x.dtype)
        mask = torch.tensor(spans((batch, width), 0.1, 3), device=x.device, dtype=torch.bool)
        x[mask[:, None].expand(-1, length, -1)] = 0
        if not torch.isfinite(x).all():
            limit = torch.finfo(x.dtype).max - 1000
            x = torch.clamp(x, min=-limit, max=limit)
        if torch.isinf(x).any():
            x = torch.clamp(x, min=-1e4, max=1e4)
        return self.out(x)
