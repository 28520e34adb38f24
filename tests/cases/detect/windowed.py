# The style of small training repositories: a dataclass of settings, a window per layer, masks only where they are needed.
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Settings:
    sequence_len: int = 2048
    vocab_size: int = 512
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 64
    window: int = 512


def attend(q, k, v, window):
    rows, columns = q.size(2), k.size(2)
    if window < 0 or window >= rows:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    row = torch.arange(rows).unsqueeze(1)
    column = torch.arange(columns).unsqueeze(0)
    mask = (column <= row) & ((row - column) < window)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.n_head = c.n_head
        self.qkv = nn.Linear(c.n_embd, 3 * c.n_embd, bias=False)
        self.extra = nn.Parameter(torch.zeros(2, 1, c.n_head, 4, 16))
        self.out = nn.Linear(c.n_embd, c.n_embd, bias=False)

    def forward(self, x, window):
        B, T, C = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (t.view(B, T, self.n_head, -1).transpose(1, 2) for t in (q, k, v))
        y = attend(q, k, v, window)
        return self.out(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attn = Attention(c)
        self.up = nn.Linear(c.n_embd, 4 * c.n_embd, bias=False)
        self.down = nn.Linear(4 * c.n_embd, c.n_embd, bias=False)

    def forward(self, x, window):
        x = x + self.attn(F.rms_norm(x, (x.size(-1),)), window)
        return x + self.down(F.relu(self.up(F.rms_norm(x, (x.size(-1),)))).square())


class Model(nn.Module):
    def __init__(self, settings: Settings):
        super().__init__()
        c = self.settings = settings
        self.wte = nn.Embedding(c.vocab_size, c.n_embd)
        self.blocks = nn.ModuleList([Block(c) for _ in range(c.n_layer)])
        self.lm_head = nn.Linear(c.n_embd, c.vocab_size, bias=False)
        self.windows = [c.window, c.window, c.window, c.sequence_len]

    def forward(self, idx):
        x = F.rms_norm(self.wte(idx), (64,))
        for block, window in zip(self.blocks, self.windows):
            x = block(x, window)
        return self.lm_head(F.rms_norm(x, (64,)))
