# The style of a serving engine: layers that hold their part of a weight, a residual that norms take along, one merged gate.
import torch
import torch.nn as nn
import torch.nn.functional as F


class ColumnLinear(nn.Module):
    def __init__(self, inputs, outputs, bias=False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias), None


class FusedNorm(nn.Module):
    def __init__(self, size, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.variance_epsilon = eps

    def forward(self, x, residual=None):
        kind = x.dtype
        x = x.to(torch.float32)
        if residual is not None:
            x = x + residual.to(torch.float32)
            residual = x.to(kind)
        variance = x.pow(2).mean(dim=-1, keepdim=True)
        x = (x * torch.rsqrt(variance + self.variance_epsilon)).to(kind) * self.weight
        return x if residual is None else (x, residual)


class Rotary(nn.Module):
    def __init__(self, head_size, rotary_dim, longest, base):
        super().__init__()
        self.head_size, self.rotary_dim = head_size, rotary_dim
        inv = 1.0 / (base ** (torch.arange(0, rotary_dim, 2, dtype=torch.float) / rotary_dim))
        freqs = torch.einsum("i,j -> ij", torch.arange(longest, dtype=torch.float), inv)
        self.register_buffer("cos_sin_cache", torch.cat((freqs.cos(), freqs.sin()), dim=-1), persistent=False)

    def forward(self, positions, query, key):
        positions = positions.flatten()
        n = positions.shape[0]
        cos, sin = self.cos_sin_cache.index_select(0, positions).chunk(2, dim=-1)
        out = []
        for x in (query, key):
            shape = x.shape
            x = x.view(n, -1, self.head_size)
            turned, rest = x[..., : self.rotary_dim], x[..., self.rotary_dim :]
            a, b = torch.chunk(turned, 2, dim=-1)
            c, s = cos.unsqueeze(-2), sin.unsqueeze(-2)
            turned = torch.cat((a * c - b * s, b * c + a * s), dim=-1)
            out.append(torch.cat((turned, rest), dim=-1).reshape(shape))
        return out


class Attention(nn.Module):
    def __init__(self, dim, heads, kv_heads, longest, base):
        super().__init__()
        self.head_dim = dim // heads
        self.q_size, self.kv_size = heads * self.head_dim, kv_heads * self.head_dim
        self.heads, self.kv_heads = heads, kv_heads
        self.qkv_proj = ColumnLinear(dim, self.q_size + 2 * self.kv_size, bias=True)
        self.o_proj = ColumnLinear(self.q_size, dim)
        self.rotary_emb = Rotary(self.head_dim, self.head_dim, longest, base)
        self.q_norm, self.k_norm = FusedNorm(self.head_dim, 1e-6), FusedNorm(self.head_dim, 1e-6)

    def forward(self, positions, hidden):
        b, t, _ = hidden.shape
        qkv, _ = self.qkv_proj(hidden)
        q, k, v = qkv.split([self.q_size, self.kv_size, self.kv_size], dim=-1)
        q = self.q_norm(q.view(*q.shape[:-1], -1, self.head_dim)).view(q.shape)
        k = self.k_norm(k.view(*k.shape[:-1], -1, self.head_dim)).view(k.shape)
        q, k = self.rotary_emb(positions, q, k)
        q = q.view(b, t, self.heads, -1).transpose(1, 2)
        k = k.view(b, t, self.kv_heads, -1).transpose(1, 2)
        v = v.view(b, t, self.kv_heads, -1).transpose(1, 2)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        out, _ = self.o_proj(out.transpose(1, 2).reshape(b, t, -1))
        return out


class SiluAndMul(nn.Module):
    def forward(self, x):
        d = x.shape[-1] // 2
        return F.silu(x[..., :d]) * x[..., d:]


class Experts(nn.Module):
    def __init__(self, dim, count, top, hidden):
        super().__init__()
        self.top = top
        self.gate = ColumnLinear(dim, count)
        self.w13 = nn.Parameter(torch.empty(count, 2 * hidden, dim))
        self.w2 = nn.Parameter(torch.empty(count, dim, hidden))
        self.act = SiluAndMul()

    def forward(self, x):
        shape = x.shape
        x = x.view(-1, shape[-1])
        logits, _ = self.gate(x)
        weights = torch.softmax(logits, dim=-1, dtype=torch.float)
        weights, chosen = torch.topk(weights, self.top, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        h = torch.einsum("td,ehd->teh", x, self.w13)
        y = torch.einsum("teh,edh->ted", self.act(h), self.w2)
        picked = y.gather(1, chosen[..., None].expand(-1, -1, y.shape[-1]))
        return (picked * weights[..., None].to(y.dtype)).sum(dim=1).view(shape)


class Layer(nn.Module):
    def __init__(self, number, dim=64, heads=8, kv_heads=4, hidden=96):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = FusedNorm(dim, 1e-6), FusedNorm(dim, 1e-6)
        self.self_attn = Attention(dim, heads, kv_heads, 8192, 1e6)
        if number == 0:
            self.mlp = None
            self.gate_up, self.down, self.act = ColumnLinear(dim, 2 * 256), ColumnLinear(256, dim), SiluAndMul()
        else:
            self.mlp = Experts(dim, 8, 2, hidden)

    def forward(self, positions, hidden, residual):
        if residual is None:
            residual = hidden
            hidden = self.input_layernorm(hidden)
        else:
            hidden, residual = self.input_layernorm(hidden, residual)
        hidden = self.self_attn(positions, hidden)
        hidden, residual = self.post_attention_layernorm(hidden, residual)
        if self.mlp is None:
            x, _ = self.gate_up(hidden)
            hidden, _ = self.down(self.act(x))
        else:
            hidden = self.mlp(hidden)
        return hidden, residual


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed_tokens = nn.Embedding(900, 64)
        self.layers = nn.ModuleList([Layer(i) for i in range(3)])
        self.norm = FusedNorm(64, 1e-6)
        self.lm_head = ColumnLinear(64, 900)

    def forward(self, input_ids: torch.Tensor):
        positions = torch.arange(input_ids.shape[1]).expand(input_ids.shape)
        hidden, residual = self.embed_tokens(input_ids), None
        for layer in self.layers:
            hidden, residual = layer(positions, hidden, residual)
        hidden, _ = self.norm(hidden, residual)
        return self.lm_head(hidden)[0]
