# Model -> (batch, sequence, 32)
"""Conditions on data that leave nothing open: which expert tokens went to, and whether a mask takes anything."""

import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 32)
        self.mark = nn.Parameter(torch.zeros(32))
        self.router = nn.Linear(32, 6)
        self.experts = nn.Parameter(torch.zeros(4, 32, 32))

    def forward(self, tokens):
        x = self.embed(tokens)
        marked = tokens == 3
        if marked.any():
            x[marked] = self.mark
        x = x.view(-1, 32)
        weights, chosen = self.router(x).softmax(-1).topk(2)
        out = torch.zeros_like(x)
        sent = F.one_hot(chosen, num_classes=6).permute(2, 1, 0)
        for index in torch.greater(sent.sum((-1, -2)), 0).nonzero():
            index = int(index.item())
            place, row = torch.where(sent[index])
            if index >= 4:
                update = x[row]
            else:
                update = F.linear(x[row], self.experts[index])
            out.index_add_(0, row, update * weights[row, place, None])
        return out.view(*tokens.shape, 32)
