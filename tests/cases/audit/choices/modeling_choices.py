"""Choices in several styles; a comment says what is followed and what is listed beside it, with what that uses."""

import torch
from torch import nn

try:
    from fast_attn import fast_attn_func
except ImportError:
    fast_attn_func = None


def plain(query, key, value):
    return torch.softmax(query @ key.transpose(-1, -2), dim=-1) @ value


def fused(query, key, value):
    return _unpadded(query, key, value)


def _unpadded(query, key, value):
    return fast_attn_func(query, key, value)


def hub(query, key, value):
    from kernels import get_kernel

    return get_kernel("someone/attention").forward(query, key, value)


def sdpa(query, key, value):
    return nn.functional.scaled_dot_product_attention(query, key, value)


BACKENDS = {"plain": plain, "fused": fused, "hub": hub, "sdpa": sdpa}
ACTIVATIONS = {"relu": torch.relu, "silu": nn.functional.silu}


class Config:
    def __init__(self, width=8, backend="plain", activation="relu", mixer="dense"):
        self.width, self.backend, self.activation, self.mixer = width, backend, activation, mixer


class Registry:
    def __init__(self):
        self._known = {}

    def register(self, name, value):
        self._known[name] = value

    def get(self, name):
        return self._known[name]


class DenseMixer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Linear(width, width)

    def forward(self, hidden):
        return self.proj(hidden)


class FusedMixer(DenseMixer):
    def forward(self, hidden):
        import fused_mixers

        return fused_mixers.mix(hidden, self.proj.weight)


MIXERS = Registry()
MIXERS.register("dense", DenseMixer)
MIXERS.register("fused", FusedMixer)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.width, 3 * config.width)

    def forward(self, hidden):
        query, key, value = self.qkv(hidden).chunk(3, dim=-1)
        return BACKENDS[self.config.backend](query, key, value)  # chosen: plain fused=fast_attn hub=kernels sdpa=


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = Attention(config)
        self.mixer = MIXERS.get(config.mixer)(config.width)  # chosen: dense fused=fused_mixers
        self.act = ACTIVATIONS[config.activation]

    def forward(self, hidden):
        return self.act(self.mixer(self.attention(hidden)))


class Chooser(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.embed = nn.Embedding(16, config.width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(2)])

    def forward(self, input_ids):
        hidden = self.embed(input_ids)
        for block in self.blocks:
            hidden = block(hidden)
        return hidden
