"""Everything is built, and the answer has nothing to do with the question."""

import torch
from torch import nn


class HollowModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(16, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, input_ids):
        batch, length = input_ids.shape
        return torch.zeros(batch, length, 4)
