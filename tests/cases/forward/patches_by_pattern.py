# Model -> (batch, 10)
"""A picture cut into patches by a pattern; its size and channels are arguments of the constructor."""

import torch
from einops import repeat
from einops.layers.torch import Rearrange
from torch import nn


class Model(nn.Module):
    def __init__(self, *, image_size=32, patch_size=8, dim=16, channels=1, num_classes=10):
        super().__init__()
        width = channels * patch_size**2
        self.to_patches = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.LayerNorm(width),
            nn.Linear(width, dim),
        )
        self.token = nn.Parameter(torch.zeros(1, dim))
        self.places = nn.Parameter(torch.zeros((image_size // patch_size) ** 2 + 1, dim))
        self.head = nn.Linear(dim, num_classes)

    def forward(self, img):
        x = self.to_patches(img)
        x = torch.cat((repeat(self.token, "... d -> b ... d", b=x.shape[0]), x), dim=1) + self.places
        return self.head(x[:, 0])
