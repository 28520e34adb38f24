import torch
from torch import nn
import torch.nn.functional as F
from dataclasses import dataclass


@dataclass
class ModelArgs:
    dim: int = 64
    n_layers: int = 2
    n_heads: int = 4
    vocab_size: int = 100
    max_seq_len: int = 32
    max_batch: int = 2


class Attention(nn.Module):
    """Multi-head attention with a KV cache."""

    def __init__(self, args):
        super().__init__()
        self.n_heads = args.n_heads
        self.head_dim = args.dim // args.n_heads
        self.wq = nn.Linear(args.dim, args.dim, bias=False)
        self.wk = nn.Linear(args.dim, args.dim, bias=False)
        self.wv = nn.Linear(args.dim, args.dim, bias=False)
        self.wo = nn.Linear(args.dim, args.dim, bias=False)
        self.register_buffer("cache_k", torch.zeros(args.max_batch, args.max_seq_len, args.n_heads, self.head_dim))
        self.register_buffer("cache_v", torch.zeros(args.max_batch, args.max_seq_len, args.n_heads, self.head_dim))

    def forward(self, x, start_pos):
        b, s, _ = x.shape
        q = self.wq(x).view(b, s, self.n_heads, self.head_dim)
        k = self.wk(x).view(b, s, self.n_heads, self.head_dim)
        v = self.wv(x).view(b, s, self.n_heads, self.head_dim)
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        return self.wo(y.transpose(1, 2).reshape(b, s, -1))


class Block(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.attn = Attention(args)
        self.norm = nn.LayerNorm(args.dim)

    def forward(self, x, start_pos):
        return x + self.attn(self.norm(x), start_pos)


class CachedLM(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.tok = nn.Embedding(args.vocab_size, args.dim)
        self.blocks = nn.ModuleList([Block(args) for _ in range(args.n_layers)])
        self.out = nn.Linear(args.dim, args.vocab_size)

    def forward(self, tokens, start_pos=0):
        x = self.tok(tokens)
        for block in self.blocks:
            x = block(x, start_pos)
        return self.out(x)
