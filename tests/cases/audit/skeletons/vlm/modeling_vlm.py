import torch
import torch.nn as nn


class VisionTower(nn.Module):
    def __init__(self, dim=32, patch=16):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(dim, 4, 64, batch_first=True) for _ in range(2)])

    def forward(self, images):
        x = self.proj(images).flatten(2).transpose(1, 2)
        return x


class VLM(nn.Module):
    def __init__(self, vocab=100, dim=32):
        super().__init__()
        self.vision = VisionTower(dim)
        self.embed = nn.Embedding(vocab, dim)
        self.lm = nn.ModuleList([nn.TransformerEncoderLayer(dim, 4, 64, batch_first=True) for _ in range(2)])
        self.head = nn.Linear(dim, vocab)

    def forward(self, input_ids, pixel_values=None):
        x = self.embed(input_ids)
        if pixel_values is not None:
            v = self.vision(pixel_values)
            # TODO: merge image features into the sequence
        for layer in self.lm:
            x = layer(x)
        return self.head(x)
