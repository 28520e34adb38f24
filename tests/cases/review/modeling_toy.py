# Lines with `# never: SETTINGS` begin a branch that no known configuration reaches; every other branch is reached, or
# its condition is not known, or it only complains.
import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.utils import logging

from .configuration_toy import ToyConfig

logger = logging.get_logger(__name__)


def scaled(module, x):
    if module.config.gate:
        return x * 2
    return x


class ToyNorm(nn.Module):
    def __init__(self, hidden, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.eps = eps

    def forward(self, x):
        if self.eps is None:
            return x
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class ToyBlock(nn.Module):
    def __init__(self, config: ToyConfig, layer: int):
        super().__init__()
        self.config = config
        self.gated = config.gate
        self.windowed = getattr(config, "window", None) is not None
        self.kind = config.kind
        self.odd = layer % 2 == 1
        self.qkv = nn.Linear(config.hidden, 3 * config.hidden, bias=False)
        self.out = nn.Linear(config.hidden, config.hidden, bias=False)
        self.before = ToyNorm(config.hidden, 1e-6)
        self.up = nn.Linear(config.hidden, 4 * config.hidden)
        self.down = nn.Linear(4 * config.hidden, config.hidden)
        self.gate = nn.Linear(config.hidden, config.hidden) if config.gate else None  # never: gate
        self.norm = nn.Identity() if config.gate else ToyNorm(config.hidden, 1e-6)
        if config.hidden % 2 and config.gate:
            self.extra = nn.Parameter(torch.zeros(1))  # never: gate
        if config.dtype_guard != "keep":
            raise ValueError("only kept formats")
        if self.kind not in ("plain", "mixed"):
            logger.warning("an unusual kind")
        if not config.window:
            self.span = 4
        else:
            self.span = config.window  # never: window

    def forward(self, x, use_cache=None):
        batch, length, hidden = x.shape
        q, k, v = self.qkv(self.before(x)).view(batch, length, 3, 2, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, hidden))
        y = self.down(F.gelu(self.up(self.norm(scaled(self, x)))))
        if self.gated and not self.odd:
            y = y * torch.sigmoid(self.gate(x))  # never: gate
        if self.odd:
            y = y + 0
        if self.config.use_cache is False:
            y = y + 0
        if self.windowed:
            y = y * 0.5  # never: window
            if self.kind == "mixed":
                y = y * 2
        if self.kind == "mixed":
            y = y.roll(1, dims=1)  # never: kind
        elif self.kind == "plain":
            pass
        else:
            y = y.flip(1)  # never: kind
        return x + y


class ToyModel(PreTrainedModel):
    config_class = ToyConfig

    def __init__(self, config: ToyConfig):
        super().__init__(config)
        config = config if config is not None else ToyConfig()
        self.embed = nn.Embedding(16, config.hidden)
        self.blocks = nn.ModuleList([ToyBlock(config, layer) for layer in range(config.layers)])
        self.head = nn.Linear(config.hidden, 16, bias=False)

    def forward(self, input_ids, use_cache=None):
        x = self.embed(input_ids)
        for block in self.blocks:
            x = block(x)
        if self.config.kind == "mixed" and self.training:
            x = x * 0.5  # never: kind
        if self.config.kind == "plain":
            return self.head(x)
        return self.head(x.mean(1))  # never: kind
