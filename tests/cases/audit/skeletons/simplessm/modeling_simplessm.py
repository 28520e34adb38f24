"""Simplified Mamba."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class MambaConfig:
    def __init__(self, d_model=64, d_state=16, d_conv=4, expand=2, n_layer=2, vocab_size=100, dt_rank=4):
        self.d_model = d_model
        self.d_state = d_state
        self.d_conv = d_conv
        self.expand = expand
        self.n_layer = n_layer
        self.vocab_size = vocab_size
        self.dt_rank = dt_rank


class MambaMixer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.d_inner = config.expand * config.d_model
        self.in_proj = nn.Linear(config.d_model, 2 * self.d_inner, bias=False)
        self.conv1d = nn.Conv1d(self.d_inner, self.d_inner, config.d_conv, groups=self.d_inner, padding=config.d_conv - 1)
        self.x_proj = nn.Linear(self.d_inner, config.dt_rank + 2 * config.d_state, bias=False)
        self.dt_proj = nn.Linear(config.dt_rank, self.d_inner)
        self.A_log = nn.Parameter(torch.zeros(self.d_inner, config.d_state))
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, config.d_model, bias=False)

    def forward(self, x):
        b, l, d = x.shape
        xz = self.in_proj(x)
        x, z = xz.chunk(2, dim=-1)
        x = self.conv1d(x.transpose(1, 2))[..., :l].transpose(1, 2)
        x = F.silu(x)
        y = self.selective_scan(x)
        y = y * F.silu(z)
        return self.out_proj(y)

    def selective_scan(self, x):
        # Simplified: the real implementation uses a CUDA kernel.
        return x * self.D


class MambaLM(nn.Module):
    def __init__(self, config: MambaConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList([MambaMixer(config) for _ in range(config.n_layer)])
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    def forward(self, input_ids):
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = x + layer(x)
        return self.lm_head(x)
