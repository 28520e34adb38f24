# Text that looks at something else through gates, in the style of lucidrains' flamingo: einsum, one head of keys, names that mislead.
import torch
from torch import einsum, nn


class MaskedCrossAttention(nn.Module):  # attends to its own sequence
    def __init__(self, dim, dim_head=8, heads=3):
        super().__init__()
        self.scale, self.heads = dim_head**-0.5, heads
        self.to_q = nn.Linear(dim, heads * dim_head, bias=False)
        self.to_kv = nn.Linear(dim, dim_head * 2, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim, bias=False)

    def forward(self, x):
        b, n, _, h = *x.shape, self.heads
        q = self.to_q(x).reshape(b, n, h, -1).transpose(1, 2) * self.scale
        k, v = self.to_kv(x).chunk(2, dim=-1)
        sim = einsum("b h i d, b j d -> b h i j", q, k)
        causal = torch.ones(n, n, dtype=torch.bool).triu(1)
        attn = sim.masked_fill(causal, -torch.finfo(sim.dtype).max).softmax(dim=-1)
        out = einsum("b h i j, b j d -> b h i d", attn, v)
        return self.to_out(out.transpose(1, 2).reshape(b, n, -1))


class SelfAttention(nn.Module):  # attends to the other one
    def __init__(self, dim, dim_media, dim_head=6, heads=4):
        super().__init__()
        self.scale, self.heads = dim_head**-0.5, heads
        self.to_q = nn.Linear(dim, heads * dim_head, bias=False)
        self.to_kv = nn.Linear(dim_media, 2 * heads * dim_head, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim, bias=False)
        self.attn_gate = nn.Parameter(torch.tensor([0.0]))

    def forward(self, x, media):
        b, n, _, h = *x.shape, self.heads
        q = self.to_q(x).reshape(b, n, h, -1).transpose(1, 2)
        k, v = (t.reshape(b, media.shape[1], h, -1).transpose(1, 2) for t in self.to_kv(media).chunk(2, dim=-1))
        sim = einsum("... i d, ... j d -> ... i j", q * self.scale, k)
        out = einsum("... i j, ... j d -> ... i d", sim.softmax(dim=-1), v)
        return self.to_out(out.transpose(1, 2).reshape(b, n, -1)) * self.attn_gate.tanh()


class Layer(nn.Module):
    def __init__(self, dim, looks):
        super().__init__()
        self.norm, self.ff_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = MaskedCrossAttention(dim)
        self.look_norm = nn.LayerNorm(dim) if looks else None
        self.look = SelfAttention(dim, 20) if looks else None
        self.ff = nn.Sequential(nn.Linear(dim, dim * 2, bias=False), nn.GELU(), nn.Linear(dim * 2, dim, bias=False))

    def forward(self, x, media):
        if self.look is not None:
            x = x + self.look(self.look_norm(x), media)
        x = x + self.attn(self.norm(x))
        return x + self.ff(self.ff_norm(x))


class Model(nn.Module):
    def __init__(self, num_tokens=64, dim=24, depth=4, every=2):
        super().__init__()
        self.token_emb = nn.Embedding(num_tokens, dim)
        self.layers = nn.ModuleList([Layer(dim, ind % every == 0) for ind in range(depth)])
        self.to_logits = nn.Linear(dim, num_tokens, bias=False)
        self.media = nn.Linear(12, 20)

    def forward(self, text: torch.Tensor, features: torch.Tensor):
        x, media = self.token_emb(text), self.media(features.reshape(text.shape[0], -1, 12))
        for layer in self.layers:
            x = layer(x, media)
        return self.to_logits(x)
