# The style of mistral-inference: an args dataclass, complex rotations picked by positions, a store of keys that each layer keeps,
# a band made by the logarithm of a triangle; with a rank for keys in the args, latents in place of grouped heads.
from dataclasses import dataclass, replace
from typing import Optional, Tuple

import torch
from torch import nn


@dataclass
class ModelArgs:
    dim: int = 48
    n_layers: int = 2
    head_dim: int = 16
    hidden_dim: int = 80
    n_heads: int = 4
    n_kv_heads: int = 2
    norm_eps: float = 1e-5
    vocab_size: int = 90
    sliding_window: int = 24
    rope_theta: float = 1e6
    kv_rank: int = 0
    q_rank: int = 20
    nope_dim: int = 10
    rope_dim: int = 6
    v_dim: int = 12
    use_biases: bool = False
    max_batch_size: int = 4
    max_seq_len: int = 1024


def precompute_freqs_cis(dim: int, end: int, theta: float) -> torch.Tensor:
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
    t = torch.arange(end, device=freqs.device)
    return torch.polar(torch.ones(end, dim // 2), torch.outer(t, freqs).float())


def apply_rotary_emb(xq: torch.Tensor, xk: torch.Tensor, freqs_cis: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    xq_ = torch.view_as_complex(xq.float().reshape(*xq.shape[:-1], -1, 2))
    xk_ = torch.view_as_complex(xk.float().reshape(*xk.shape[:-1], -1, 2))
    freqs_cis = freqs_cis[:, None, :]
    xq_out = torch.view_as_real(xq_ * freqs_cis).flatten(-2)
    xk_out = torch.view_as_real(xk_ * freqs_cis).flatten(-2)
    return xq_out.type_as(xq), xk_out.type_as(xk)


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x.float()).type_as(x) * self.weight


class Attention(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.args = args
        self.n_heads, self.n_kv_heads = args.n_heads, args.n_kv_heads
        self.repeats = self.n_heads // self.n_kv_heads
        self.scale = args.head_dim**-0.5
        self.wq = nn.Linear(args.dim, args.n_heads * args.head_dim, bias=args.use_biases)
        self.wk = nn.Linear(args.dim, args.n_kv_heads * args.head_dim, bias=args.use_biases)
        self.wv = nn.Linear(args.dim, args.n_kv_heads * args.head_dim, bias=args.use_biases)
        self.wo = nn.Linear(args.n_heads * args.head_dim, args.dim, bias=args.use_biases)
        self.cache_k = torch.empty(args.max_batch_size, args.sliding_window, args.n_kv_heads, args.head_dim)
        self.cache_v = torch.empty(args.max_batch_size, args.sliding_window, args.n_kv_heads, args.head_dim)

    def forward(self, x, freqs_cis, positions, mask: Optional[torch.Tensor]):
        bsz, seqlen, _ = x.shape
        xq, xk, xv = self.wq(x), self.wk(x), self.wv(x)
        xq = xq.view(bsz, seqlen, self.n_heads, self.args.head_dim)
        xk = xk.view(bsz, seqlen, self.n_kv_heads, self.args.head_dim)
        xv = xv.view(bsz, seqlen, self.n_kv_heads, self.args.head_dim)
        xq, xk = apply_rotary_emb(xq, xk, freqs_cis=freqs_cis)
        scatter_pos = (positions[-self.args.sliding_window :] % self.args.sliding_window)[None, :, None, None]
        scatter_pos = scatter_pos.repeat(bsz, 1, self.n_kv_heads, self.args.head_dim)
        self.cache_k[:bsz].scatter_(dim=1, index=scatter_pos, src=xk[:, -self.args.sliding_window :])
        self.cache_v[:bsz].scatter_(dim=1, index=scatter_pos, src=xv[:, -self.args.sliding_window :])
        key, value = torch.repeat_interleave(xk, self.repeats, dim=2), torch.repeat_interleave(xv, self.repeats, dim=2)
        query, key, value = xq.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        scores = torch.matmul(query, key.transpose(2, 3)) * self.scale
        scores += mask[None, None, ...]
        scores = nn.functional.softmax(scores.float(), dim=-1).type_as(query)
        output = torch.matmul(scores, value).transpose(1, 2).contiguous().view(bsz, seqlen, -1)
        return self.wo(output)


class LatentAttention(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.args = args
        self.scale = (args.nope_dim + args.rope_dim) ** -0.5
        self.wq_a = nn.Linear(args.dim, args.q_rank, bias=args.use_biases)
        self.q_a_norm = RMSNorm(args.q_rank, eps=args.norm_eps)
        self.wq_b = nn.Linear(args.q_rank, args.n_heads * (args.nope_dim + args.rope_dim), bias=False)
        self.wkv_a_with_mqa = nn.Linear(args.dim, args.kv_rank + args.rope_dim, bias=args.use_biases)
        self.kv_a_norm = RMSNorm(args.kv_rank, eps=args.norm_eps)
        self.wkv_b = nn.Linear(args.kv_rank, args.n_heads * (args.nope_dim + args.v_dim), bias=False)
        self.wo = nn.Linear(args.n_heads * args.v_dim, args.dim, bias=args.use_biases)

    def forward(self, x, freqs_cis, positions, mask: Optional[torch.Tensor]):
        a, (bsz, seqlen, _) = self.args, x.shape
        q = self.wq_b(self.q_a_norm(self.wq_a(x))).view(bsz, seqlen, a.n_heads, -1)
        q_nope, q_pe = q.split([a.nope_dim, a.rope_dim], dim=-1)
        latent, k_pe = self.wkv_a_with_mqa(x).split([a.kv_rank, a.rope_dim], dim=-1)
        q_pe, k_pe = apply_rotary_emb(q_pe, k_pe.unsqueeze(2), freqs_cis=freqs_cis)
        kv = self.wkv_b(self.kv_a_norm(latent)).view(bsz, seqlen, a.n_heads, -1)
        k_nope, v = kv.split([a.nope_dim, a.v_dim], dim=-1)
        q = torch.cat([q_nope, q_pe], dim=-1).transpose(1, 2)
        k = torch.cat([k_nope, k_pe.expand(-1, -1, a.n_heads, -1)], dim=-1).transpose(1, 2)
        scores = torch.matmul(q, k.transpose(2, 3)) * self.scale + mask
        scores = nn.functional.softmax(scores.float(), dim=-1).type_as(q)
        return self.wo(torch.matmul(scores, v.transpose(1, 2)).transpose(1, 2).reshape(bsz, seqlen, -1))


class FeedForward(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.w1 = nn.Linear(args.dim, args.hidden_dim, bias=False)
        self.w2 = nn.Linear(args.hidden_dim, args.dim, bias=False)
        self.w3 = nn.Linear(args.dim, args.hidden_dim, bias=False)

    def forward(self, x) -> torch.Tensor:
        return self.w2(nn.functional.silu(self.w1(x)) * self.w3(x))


class TransformerBlock(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.attention = LatentAttention(args) if args.kv_rank else Attention(args)
        self.feed_forward = FeedForward(args=args)
        self.attention_norm = RMSNorm(args.dim, eps=args.norm_eps)
        self.ffn_norm = RMSNorm(args.dim, eps=args.norm_eps)

    def forward(self, x, freqs_cis, positions, mask):
        h = x + self.attention.forward(self.attention_norm(x), freqs_cis, positions, mask)
        return h + self.feed_forward.forward(self.ffn_norm(h))


class Model(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.args = args
        self.tok_embeddings = nn.Embedding(args.vocab_size, args.dim)
        self.layers = torch.nn.ModuleList([TransformerBlock(args=replace(args)) for i in range(args.n_layers)])
        self.norm = RMSNorm(args.dim, eps=args.norm_eps)
        self.output = nn.Linear(args.dim, args.vocab_size, bias=False)
        rotated = args.rope_dim if args.kv_rank else args.head_dim
        self.freqs_cis = precompute_freqs_cis(rotated, 128_000, args.rope_theta)

    def forward(self, input_ids: torch.Tensor, positions: torch.Tensor):
        h = self.tok_embeddings(input_ids)
        freqs_cis = self.freqs_cis[positions]
        seqlen = input_ids.shape[1]
        tensor = torch.full((seqlen, seqlen), dtype=h.dtype, fill_value=1, device=h.device)
        mask = torch.tril(tensor, diagonal=0).to(h.dtype)
        mask = torch.triu(mask, diagonal=-self.args.sliding_window)
        mask = torch.log(mask)
        for layer in self.layers:
            h = layer(h, freqs_cis, positions, mask)
        return self.output(self.norm(h)).float()
