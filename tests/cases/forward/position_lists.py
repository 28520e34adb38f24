# Model -> (batch, floor((sequence-1)/(2))+1, 32)
"""Lists of as many numbers as there are tokens, cut and put together; a quotient of a length is less than the length."""

import torch
from torch import nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 32)

    def forward(self, tokens):
        x = self.embed(tokens)
        positions = list(range(x.shape[1]))
        pooled = [-1] + positions[1:-1][::2]
        assert len(pooled) > 2
        x = F.avg_pool1d(x.transpose(1, 2), 2, ceil_mode=True).transpose(1, 2)
        if x.shape[1] == tokens.shape[1]:
            return x[0]
        if x.shape != (tokens.shape[0], (tokens.shape[1] - 1) // 2 + 1, 32):
            raise ValueError(x.shape)
        return x
