# The style of flash-linear-attention's plain loops: a matrix state that decays, and is written to by a delta rule, token by token.
import torch
import torch.nn as nn
import torch.nn.functional as F


def naive_recurrent(q, k, v, g, beta):
    B, T, H, K = q.shape
    V = v.shape[-1]
    S = torch.zeros(B, H, K, V)
    o = []
    for i in range(T):
        S = S * g[:, i].exp()[..., None, None]
        kv_mem = (S * k[:, i][..., None]).sum(-2)
        write = (v[:, i] - kv_mem) * beta[:, i][..., None]
        S = S + k[:, i][..., None] * write[..., None, :]
        o.append((S * q[:, i][..., None]).sum(-2))
    return torch.stack(o, 1)


class ShortConv(nn.Module):
    def __init__(self, width, size):
        super().__init__()
        self.conv1d = nn.Conv1d(width, width, size, groups=width, padding=size - 1, bias=False)

    def forward(self, x):
        T = x.shape[1]
        return F.silu(self.conv1d(x.transpose(1, 2))[..., :T].transpose(1, 2))


class DeltaNet(nn.Module):
    def __init__(self, hidden=32, heads=2, v_heads=4, k_dim=8, v_dim=6, conv_size=4):
        super().__init__()
        self.h, self.hv, self.dk, self.dv = heads, v_heads, k_dim, v_dim
        self.q_proj, self.k_proj = nn.Linear(hidden, heads * k_dim, bias=False), nn.Linear(hidden, heads * k_dim, bias=False)
        self.v_proj = nn.Linear(hidden, v_heads * v_dim, bias=False)
        self.a_proj, self.b_proj = nn.Linear(hidden, v_heads, bias=False), nn.Linear(hidden, v_heads, bias=False)
        self.A_log, self.dt_bias = nn.Parameter(torch.zeros(v_heads)), nn.Parameter(torch.zeros(v_heads))
        self.q_conv, self.k_conv = ShortConv(heads * k_dim, conv_size), ShortConv(heads * k_dim, conv_size)
        self.v_conv = ShortConv(v_heads * v_dim, conv_size)
        self.g_proj = nn.Linear(hidden, v_heads * v_dim, bias=False)
        self.o_norm = nn.LayerNorm(v_dim, elementwise_affine=False)
        self.o_proj = nn.Linear(v_heads * v_dim, hidden, bias=False)

    def forward(self, x):
        B, T, _ = x.shape
        q = self.q_conv(self.q_proj(x)).view(B, T, self.h, self.dk)
        k = self.k_conv(self.k_proj(x)).view(B, T, self.h, self.dk)
        v = self.v_conv(self.v_proj(x)).view(B, T, self.hv, self.dv)
        q, k = F.normalize(q, p=2, dim=-1), F.normalize(k, p=2, dim=-1)
        q, k = (t.repeat_interleave(self.hv // self.h, dim=2) for t in (q, k))
        beta = self.b_proj(x).sigmoid()
        g = -self.A_log.float().exp() * F.softplus(self.a_proj(x).float() + self.dt_bias)
        o = naive_recurrent(q, k, v, g, beta)
        o = self.o_norm(o).reshape(B, T, -1)
        o = o * F.silu(self.g_proj(x))
        return self.o_proj(o)


class Block(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.number = number
        self.attn_norm, self.mlp_norm = nn.LayerNorm(32), nn.LayerNorm(32)
        self.attn = DeltaNet()
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x):
        x = x + self.attn(self.attn_norm(x))
        return x + self.down(F.silu(self.up(self.mlp_norm(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.Embedding(70, 32)
        self.layers = nn.ModuleList([Block(i) for i in range(2)])
        self.norm = nn.LayerNorm(32)
        self.lm_head = nn.Linear(32, 70, bias=False)

    def forward(self, input_ids: torch.Tensor):
        x = self.embeddings(input_ids)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.norm(x))
