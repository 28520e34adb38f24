# Model -> (batch, sequence, 5)
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 32)
        self.place = nn.Linear(6, 32)
        self.head = nn.Linear(32, 5)

    def forward(self, input_ids, layout=None, languages=None):
        r"""
        layout (`torch.FloatTensor` of shape `(batch_size, sequence_length, 6)`, *optional*):
            Where each token stands.
        languages (`torch.LongTensor` of shape `(batch_size,)`, *optional*):
            The language of each text.
        """
        if layout is None:
            raise ValueError("`layout` cannot be `None`")
        x = self.embed(input_ids) + self.place(layout)
        x = x + self.embed(languages)[:, None]
        return self.head(x)
