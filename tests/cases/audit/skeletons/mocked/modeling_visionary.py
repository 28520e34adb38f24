"""A demonstration: the interface is complete, what it returns is drawn at random."""

from dataclasses import dataclass

import torch
import torch.nn as nn


@dataclass
class VisionaryConfig:
    dim: int = 32
    depth: int = 2
    patch: int = 4
    image: int = 16
    classes: int = 10


class PatchEmbed(nn.Module):
    def __init__(self, cfg: VisionaryConfig):
        super().__init__()
        self.proj = nn.Conv2d(3, cfg.dim, cfg.patch, cfg.patch)

    def forward(self, pixel_values):
        return self.proj(pixel_values).flatten(2).transpose(1, 2)


class VisionaryForImageClassification(nn.Module):
    def __init__(self, cfg: VisionaryConfig):
        super().__init__()
        self.cfg = cfg
        self.embed = PatchEmbed(cfg)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(cfg.dim, 4) for _ in range(cfg.depth)])
        self.head = nn.Linear(cfg.dim, cfg.classes)

    def forward(self, pixel_values):
        # In a real implementation this would run the encoder.
        batch = pixel_values.shape[0]
        logits = torch.randn(batch, self.cfg.classes)
        return {"logits": logits}
