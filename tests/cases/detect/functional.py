# The style of JAX code carried over: weights in a dictionary, equations over named axes, norms with one added to the weight.
import torch
from torch import nn


def rms_norm(x, scale, eps=1e-6):
    var = torch.mean(torch.square(x.float()), dim=-1, keepdim=True)
    normed = x.float() * torch.reciprocal(torch.sqrt(var + eps))
    return (normed * (1.0 + scale.float())).to(x.dtype)


def rope(x, positions, max_wavelength):
    head_dim = x.shape[-1]
    fraction = 2 * torch.arange(0, head_dim // 2) / head_dim
    timescale = max_wavelength**fraction
    angle = (positions[..., None] / timescale[None, None, :])[..., None, :]
    first, second = torch.chunk(x, 2, dim=-1)
    return torch.cat(
        [first * torch.cos(angle) - second * torch.sin(angle), second * torch.cos(angle) + first * torch.sin(angle)], dim=-1
    )


def attend(p, x, positions, mask, base, cap):
    q = torch.einsum("BTD,NDH->BTNH", x, p["q_einsum"])
    k, v = torch.einsum("BSD,CKDH->CBSKH", x, p["kv_einsum"])
    q, k = rope(q, positions, base), rope(k, positions, base)
    q = q * (q.shape[-1] ** -0.5)
    B, T, K, H = k.shape
    q = q.reshape(B, T, K, -1, H)
    logits = torch.einsum("BTKGH,BSKH->BTKGS", q, k)
    logits = torch.tanh(logits / cap) * cap
    logits = torch.where(mask[:, :, None, None, :], logits, -2.3819763e38)
    probs = torch.softmax(logits, dim=-1).to(k.dtype)
    encoded = torch.einsum("BTKGS,BSKH->BTKGH", probs, v).reshape(B, T, -1, H)
    return torch.einsum("BTNH,NHD->BTD", encoded, p["attn_vec_einsum"])


def feed(p, x):
    gate = torch.einsum("BTF,NFH->NBTH", x, p["gating_einsum"])
    return torch.nn.functional.gelu(gate[0], approximate="tanh") * gate[1] @ p["linear"]


class Params(nn.Module):
    def __init__(self, dim=64, heads=8, kv_heads=2, width=16, hidden=192):
        super().__init__()
        shapes = {
            "q_einsum": (heads, dim, width), "kv_einsum": (2, kv_heads, dim, width),
            "attn_vec_einsum": (heads, width, dim), "gating_einsum": (2, dim, hidden), "linear": (hidden, dim),
            "pre_attention_norm": (dim,), "post_attention_norm": (dim,), "pre_ffw_norm": (dim,), "post_ffw_norm": (dim,),
        }
        self.p = nn.ParameterDict({name: nn.Parameter(torch.zeros(shape)) for name, shape in shapes.items()})

    def forward(self, x, positions, mask, base):
        p = self.p
        a = attend(p, rms_norm(x, p["pre_attention_norm"]), positions, mask, base, 50.0)
        x = x + rms_norm(a, p["post_attention_norm"])
        f = feed(p, rms_norm(x, p["pre_ffw_norm"]))
        return x + rms_norm(f, p["post_ffw_norm"])


class Model(nn.Module):
    def __init__(self, vocab=512, dim=64, layers=4, window=256):
        super().__init__()
        self.input_embedding = nn.Parameter(torch.zeros(vocab, dim))
        self.layers = nn.ModuleList([Params() for _ in range(layers)])
        self.final_norm = nn.Parameter(torch.zeros(dim))
        self.window = window

    def forward(self, tokens: torch.Tensor):
        x = self.input_embedding[tokens] * (self.input_embedding.shape[1] ** 0.5)
        B, T = tokens.shape
        positions = torch.arange(T)[None, :].expand(B, T)
        causal = positions[:, :, None] >= positions[:, None, :]
        local = causal & (positions[:, :, None] - positions[:, None, :] < self.window)
        for index, layer in enumerate(self.layers):
            if index % 2 == 0:
                x = layer(x, positions, local, 10_000)
            else:
                x = layer(x, positions, causal, 1_000_000)
        x = rms_norm(x, self.final_norm)
        logits = x @ self.input_embedding.T
        return torch.tanh(logits / 30.0) * 30.0
