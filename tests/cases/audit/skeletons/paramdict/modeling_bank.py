"""Weights by name in a ParameterDict, steps by name in a ModuleDict, chosen by the configuration."""
import torch
import torch.nn.functional as F
from torch import nn


class BankConfig:
    def __init__(self, classes=10, width=16, stages=("conv", "pool", "conv"), kernel=3):
        self.classes, self.width, self.stages, self.kernel = classes, width, stages, kernel


class Bank(nn.Module):
    def __init__(self, config: BankConfig):
        super().__init__()
        self.stages = config.stages
        self.weights = nn.ParameterDict()
        channels = 3
        for i, kind in enumerate(config.stages):
            if kind == "conv":
                self.weights[f"w{i}"] = nn.Parameter(torch.randn(config.width, channels, config.kernel, config.kernel) * 0.1)
                self.weights[f"b{i}"] = nn.Parameter(torch.zeros(config.width))
                channels = config.width
        self.heads = nn.ModuleDict({"class": nn.Linear(channels, config.classes), "box": nn.Linear(channels, 4)})

    def forward(self, pixel_values):
        x = pixel_values
        for i, kind in enumerate(self.stages):
            x = F.relu(F.conv2d(x, self.weights[f"w{i}"], self.weights[f"b{i}"], padding=1)) if kind == "conv" else F.avg_pool2d(x, 2)
        x = x.mean((2, 3))
        return {name: head(x) for name, head in self.heads.items()}
