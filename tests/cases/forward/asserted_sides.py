# Model -> (1, 1, 4)
"""A picture whose side the code asserts, with its size told beside it."""

from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 336, stride=336)

    def forward(self, pixel_values, image_sizes):
        batch, channels, height, width = pixel_values.shape
        assert channels == 3 and height == width == 336
        high, wide = image_sizes[0] // 336
        assert high * wide == 1
        return self.patches(pixel_values).flatten(2).transpose(1, 2)
