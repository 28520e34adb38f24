# Experts in a ModuleList, weights by softmax over the chosen logits, results added by index (inference code of 8x7B kind).
# expect: mlp.pattern = [moe, moe]
# expect: mlp.kind = gated
# expect: mlp.activation = silu
# expect: mlp.bias = false
# expect: moe.experts = 4
# expect: moe.experts_per_token = 2
# expect: moe.expert_size = 96
# expect: moe.router.score = softmax
# expect: moe.router.order = topk_then_softmax
# expect: moe.router.normalise = true
# expect: moe.router.scale = 1
# expect: moe.router.bias = false
# expect: moe.router.input_scaled = false
# expect: norm.kind = rms
# expect: norm.eps = 1e-5
# expect: norm.placement = pre
# expect: norm.product_dtype = input
# expect: norm.final = true
# expect: embedding.tied = false
# absent: moe.shared_experts
# absent: moe.router.groups
# absent: mlp.size
import torch
import torch.nn.functional as F
from dataclasses import dataclass
from torch import nn


@dataclass
class ModelArgs:
    dim: int = 32
    n_layers: int = 2
    hidden_dim: int = 96
    n_heads: int = 4
    norm_eps: float = 1e-5
    vocab_size: int = 64
    num_experts: int = 4
    num_experts_per_tok: int = 2


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x.float()).type_as(x) * self.weight


class Attention(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.n_heads, self.head_dim = args.n_heads, args.dim // args.n_heads
        self.wq = nn.Linear(args.dim, args.dim, bias=False)
        self.wk = nn.Linear(args.dim, args.dim, bias=False)
        self.wv = nn.Linear(args.dim, args.dim, bias=False)
        self.wo = nn.Linear(args.dim, args.dim, bias=False)

    def forward(self, x, mask):
        b, s, _ = x.shape
        q, k, v = (w(x).view(b, s, self.n_heads, self.head_dim).transpose(1, 2) for w in (self.wq, self.wk, self.wv))
        scores = torch.matmul(q, k.transpose(2, 3)) * self.head_dim**-0.5 + mask
        out = torch.matmul(F.softmax(scores.float(), dim=-1).type_as(q), v)
        return self.wo(out.transpose(1, 2).contiguous().view(b, s, -1))


class FeedForward(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.w1 = nn.Linear(args.dim, args.hidden_dim, bias=False)
        self.w2 = nn.Linear(args.hidden_dim, args.dim, bias=False)
        self.w3 = nn.Linear(args.dim, args.hidden_dim, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class MoeLayer(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.experts = nn.ModuleList([FeedForward(args) for _ in range(args.num_experts)])
        self.gate = nn.Linear(args.dim, args.num_experts, bias=False)
        self.k = args.num_experts_per_tok

    def forward(self, inputs):
        flat = inputs.view(-1, inputs.shape[-1])
        gate_logits = self.gate(flat)
        weights, selected = torch.topk(gate_logits, self.k)
        weights = F.softmax(weights, dim=1, dtype=torch.float).to(inputs.dtype)
        results = torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            batch_idx, nth = torch.where(selected == i)
            results[batch_idx] += weights[batch_idx, nth, None] * expert(flat[batch_idx])
        return results.view_as(inputs)


class TransformerBlock(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.attention = Attention(args)
        self.feed_forward = MoeLayer(args)
        self.attention_norm = RMSNorm(args.dim, args.norm_eps)
        self.ffn_norm = RMSNorm(args.dim, args.norm_eps)

    def forward(self, x, mask):
        h = x + self.attention(self.attention_norm(x), mask)
        return h + self.feed_forward(self.ffn_norm(h))


class Transformer(nn.Module):
    def __init__(self, args: ModelArgs):
        super().__init__()
        self.tok_embeddings = nn.Embedding(args.vocab_size, args.dim)
        self.layers = nn.ModuleList([TransformerBlock(args) for _ in range(args.n_layers)])
        self.norm = RMSNorm(args.dim, args.norm_eps)
        self.output = nn.Linear(args.dim, args.vocab_size, bias=False)

    def forward(self, input_ids):
        h = self.tok_embeddings(input_ids)
        s = input_ids.shape[1]
        mask = torch.triu(torch.full((s, s), float("-inf")), diagonal=1)
        for layer in self.layers:
            h = layer(h, mask)
        return self.output(self.norm(h)).float()
