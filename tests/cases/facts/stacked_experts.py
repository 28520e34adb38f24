# Experts as stacked tensors and batched products, a gated shared expert, biases, clamps and an offset in the gate.
# expect: mlp.pattern = [moe, moe]
# expect: mlp.kind = gated
# expect: mlp.activation = silu
# expect: mlp.alpha = 1.702
# expect: mlp.limit = 7
# expect: mlp.up_offset = 1
# expect: moe.experts = 4
# expect: moe.experts_per_token = 1
# expect: moe.expert_size = 24
# expect: moe.shared_experts = 1
# expect: moe.shared_size = 24
# expect: moe.shared_gate = true
# expect: moe.router.score = sigmoid
# expect: moe.router.order = topk_then_sigmoid
# expect: moe.router.normalise = false
# expect: moe.router.input_scaled = true
# expect: moe.router.bias = true
# expect: moe.router.dtype = float32
# expect: norm.kind = rms
# expect: norm.weight_offset = 1
# expect: norm.placement = sandwich
# expect: norm.per_block = 4
# expect: norm.product_dtype = float32
# expect: residual.scale = 0.5
# absent: mlp.size
# absent: moe.latent_size
import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)
        return (y * (1.0 + self.weight.float())).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = (t.view(b, s, self.heads, -1).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(b, s, d))


def gated(both):
    gate, up = both.chunk(2, dim=-1)
    gate = gate.clamp(max=7.0)
    up = up.clamp(min=-7.0, max=7.0)
    return (up + 1) * (gate * torch.sigmoid(gate * 1.702))


class Experts(nn.Module):
    def __init__(self, dim, hidden, count):
        super().__init__()
        self.count = count
        self.router = nn.Linear(dim, count)
        self.gate_up = nn.Parameter(torch.empty(count, dim, 2 * hidden))
        self.down = nn.Parameter(torch.empty(count, hidden, dim))
        self.shared_in = nn.Linear(dim, 2 * hidden, bias=False)
        self.shared_out = nn.Linear(hidden, dim, bias=False)
        self.shared_gate = nn.Linear(dim, 1, bias=False)

    def forward(self, x):
        shape = x.shape
        x = x.reshape(-1, shape[-1])
        logits = self.router(x.float())
        best, chosen = torch.topk(logits, 1, dim=1)
        scores = torch.full_like(logits, float("-inf")).scatter_(1, chosen, best)
        scores = torch.sigmoid(scores).to(x.dtype).transpose(0, 1)
        routed = x.repeat(self.count, 1) * scores.reshape(-1, 1)
        hidden = gated(torch.bmm(routed.view(self.count, -1, shape[-1]), self.gate_up))
        out = torch.bmm(hidden, self.down).sum(dim=0)
        shared = self.shared_out(gated(self.shared_in(x)))
        out = out + torch.sigmoid(self.shared_gate(x)) * shared
        return out.view(shape)


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.attention, self.experts = Attention(dim, 4), Experts(dim, 24, 4)
        self.before_attention, self.after_attention = Norm(dim), Norm(dim)
        self.before_experts, self.after_experts = Norm(dim), Norm(dim)

    def forward(self, x):
        x = x + 0.5 * self.after_attention(self.attention(self.before_attention(x)))
        return x + 0.5 * self.after_experts(self.experts(self.before_experts(x)))


class Model(nn.Module):
    def __init__(self, vocab_size=64, dim=32, depth=2):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList([Block(dim) for _ in range(depth)])
        self.norm = Norm(dim)
        self.head = nn.Linear(dim, vocab_size, bias=False)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))
