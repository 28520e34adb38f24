# Model -> (batch, sequence, 100)
# The last tokens of a window that no prompt fills are all of the prompt, as a cache for windows keeps them.
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, window=4096, width=32):
        super().__init__()
        self.window = window
        self.embed = nn.Embedding(100, width)
        self.head = nn.Linear(width, 100)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        kept = x[:, -self.window + 1 :]
        return self.head(kept + x)
