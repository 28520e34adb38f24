# Model -> (batch, sequence, 20)
import torch
from torch import nn
from transformers.utils.deprecation import deprecate_kwarg


@deprecate_kwarg("wide", version="9.9", new_name="width_factor")
def widened(x, width_factor, *, shift=0.0):
    return x * width_factor + shift


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.head = nn.Linear(16, 20)

    @deprecate_kwarg(old_name="hidden", version="9.9", new_name="state")
    def inner(self, state):
        return widened(state, wide=2.0, shift=1.0)

    def forward(self, tokens: torch.Tensor):
        return self.head(self.inner(hidden=self.embed(tokens)))
