"""A projection of the text that only a picture brings to the output: with text alone nothing says that it is unused."""

import torch
from torch import nn


class Model(nn.Module):
    main_input_name = "input_ids"

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 8)
        self.text_projection = nn.Parameter(torch.randn(8))
        self.picture = nn.Parameter(torch.randn(8))
        self.never = nn.Parameter(torch.randn(8))

    def forward(self, input_ids=None, pixel_values=None, return_loss=None):
        words = self.words(input_ids)
        projected = words * self.text_projection
        if pixel_values is not None:
            if return_loss is None:
                raise NotImplementedError("pictures only come with a loss")
            words = words + projected + pixel_values.flatten(1)[:, :8] * self.picture
        return words


# live: words.weight
# unused: never
