# A state space with one decay per head, chunk by chunk, in the style of the minimal listing of Mamba-2's paper.
import torch
from torch import nn
import torch.nn.functional as F

D, INNER, HEADS, GROUPS, STATE, CHUNK, REACH = 32, 64, 4, 2, 16, 8, 4


def segsum(x):
    t = x.size(-1)
    x = x[..., None].expand(*x.shape, t)
    below = torch.tril(torch.ones(t, t, dtype=torch.bool), diagonal=-1)
    x = torch.cumsum(x.masked_fill(~below, 0), dim=-2)
    return x.masked_fill(~torch.tril(torch.ones(t, t, dtype=torch.bool), diagonal=0), -torch.inf)


def ssd(X, A, B, C, block_len):
    b, n, h, p = X.shape
    pad = (block_len - n % block_len) % block_len
    X, B, C = (F.pad(each, (0, 0, 0, 0, 0, pad)) for each in (X, B, C))
    A = F.pad(A, (0, 0, 0, pad))
    X, B, C = (each.reshape(b, -1, block_len, h, each.shape[-1]) for each in (X, B, C))
    A = A.reshape(b, -1, block_len, h).permute(0, 3, 1, 2)
    total = torch.cumsum(A, dim=-1)
    L = torch.exp(segsum(A))
    inside = torch.einsum("bclhn,bcshn,bhcls,bcshp->bclhp", C, B, L, X)
    left = torch.exp(total[:, :, :, -1:] - total)
    states = torch.einsum("bclhn,bhcl,bclhp->bchpn", B, left, X)
    states = torch.cat([torch.zeros_like(states[:, :1]), states], dim=1)
    chain = torch.exp(segsum(F.pad(total[:, :, :, -1], (1, 0))))
    states = torch.einsum("bhzc,bchpn->bzhpn", chain, states)[:, :-1]
    beyond = torch.einsum("bclhn,bchpn,bhcl->bclhp", C, states, torch.exp(total))
    return (inside + beyond).reshape(b, -1, h, p)[:, :n]


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.in_proj = nn.Linear(D, 2 * INNER + 2 * GROUPS * STATE + HEADS, bias=False)
        wide = INNER + 2 * GROUPS * STATE
        self.conv = nn.Conv1d(wide, wide, REACH, groups=wide, padding=REACH - 1)
        self.dt_bias, self.A_log, self.D = (nn.Parameter(torch.ones(HEADS)) for _ in range(3))
        self.gain = nn.Parameter(torch.ones(INNER))
        self.out_proj = nn.Linear(INNER, D, bias=False)

    def forward(self, u):
        b, n, _ = u.shape
        z, xBC, dt = self.in_proj(u).split([INNER, INNER + 2 * GROUPS * STATE, HEADS], dim=-1)
        dt = F.softplus(dt + self.dt_bias)
        xBC = F.silu(self.conv(xBC.transpose(1, 2)).transpose(1, 2)[:, :n])
        x, B, C = xBC.split([INNER, GROUPS * STATE, GROUPS * STATE], dim=-1)
        x = x.reshape(b, n, HEADS, INNER // HEADS)
        B = B.reshape(b, n, GROUPS, STATE).repeat_interleave(HEADS // GROUPS, dim=2)
        C = C.reshape(b, n, GROUPS, STATE).repeat_interleave(HEADS // GROUPS, dim=2)
        A = -torch.exp(self.A_log)
        y = ssd(x * dt[..., None], A * dt, B, C, CHUNK) + x * self.D[:, None]
        y = y.reshape(b, n, INNER) * F.silu(z)
        y = F.rms_norm(y, (INNER,), self.gain, 1e-5)
        return self.out_proj(y)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.RMSNorm(D, eps=1e-5)
        self.mixer = Mixer()

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(100, D)
        self.blocks = nn.ModuleList([Block() for _ in range(2)])
        self.head = nn.Linear(D, 100, bias=False)

    def forward(self, tokens: torch.Tensor):
        x = self.words(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
