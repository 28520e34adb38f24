# A language model that sees, in the style of einops: rearranged patches, a projector, picture tokens put before the words.
import torch
from torch import nn
import torch.nn.functional as F
from einops import rearrange, repeat


class Attend(nn.Module):
    def __init__(self, dim, heads, causal, bias=True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.to_qkv = nn.Linear(dim, dim * 3, bias=bias)
        self.to_out = nn.Linear(dim, dim, bias=bias)

    def forward(self, x):
        q, k, v = rearrange(self.to_qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        sim = torch.einsum("b h i d, b h j d -> b h i j", q, k) * q.shape[-1] ** -0.5
        if self.causal:
            i, j = sim.shape[-2:]
            sim = sim.masked_fill(torch.ones(i, j, dtype=torch.bool).triu(j - i + 1), -torch.finfo(sim.dtype).max)
        out = torch.einsum("b h i j, b h j d -> b h i d", sim.softmax(dim=-1), v)
        return self.to_out(rearrange(out, "b h n d -> b n (h d)"))


class Layer(nn.Module):
    def __init__(self, dim, heads, causal):
        super().__init__()
        self.norm_a, self.norm_b = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attend = Attend(dim, heads, causal)
        self.net = nn.Sequential(nn.Linear(dim, dim * 4), nn.GELU(), nn.Linear(dim * 4, dim))

    def forward(self, x):
        x = self.attend(self.norm_a(x)) + x
        return self.net(self.norm_b(x)) + x


class VisionTower(nn.Module):
    def __init__(self, dim=48, size=56, patch=14):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(3 * patch * patch, dim)
        self.pos = nn.Parameter(torch.randn(1, (size // patch) ** 2, dim))
        self.layers = nn.ModuleList([Layer(dim, 3, False) for _ in range(2)])
        self.norm = nn.LayerNorm(dim)

    def forward(self, images):
        x = rearrange(images, "b c (h p) (w q) -> b (h w) (p q c)", p=self.patch, q=self.patch)
        x = self.embed(x) + self.pos
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class Model(nn.Module):
    def __init__(self, dim=64, vocab=320):
        super().__init__()
        self.vision = VisionTower()
        self.projector = nn.Sequential(nn.Linear(48, 96), nn.GELU(), nn.Linear(96, dim))
        self.tokens = nn.Embedding(vocab, dim)
        self.positions = nn.Embedding(512, dim)
        self.layers = nn.ModuleList([Layer(dim, 4, True) for _ in range(3)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocab)

    def forward(self, input_ids: torch.Tensor, pixel_values: torch.Tensor):
        seen = self.projector(self.vision(pixel_values))
        x = torch.cat([seen, self.tokens(input_ids)], dim=1)
        x = x + self.positions(torch.arange(x.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))
