import torch
from torch import nn

from .turning import turned

try:
    from . import _C  # reaches: source.package
except ImportError:
    _C = None


def scan_on_the_gpu(x):
    import scan_cuda  # reaches: source.package

    return scan_cuda.forward(x)


class FastModel(nn.Module):
    def __init__(self, width=8, fast=False):
        super().__init__()
        self.emb = nn.Embedding(16, width)
        self.proj = nn.Linear(width, width)
        self.attend = None
        if fast:
            from fast_attention import attend  # reaches: source.package

            self.attend = attend

    def forward(self, input_ids):
        x = self.emb(input_ids)
        if x.device.type == "cuda":
            x = scan_on_the_gpu(x)
        if _C is not None:
            return _C.forward(x)
        return turned(self.proj(x))
