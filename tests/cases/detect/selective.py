# A selective state space by a plain scan over positions, in the style of the smallest reimplementations: einsum, a Python loop.
import math
from dataclasses import dataclass

import torch
from torch import nn
import torch.nn.functional as F


@dataclass
class Args:
    width: int = 32
    depth: int = 2
    words: int = 100
    memory: int = 8
    widen: int = 2
    rank: int = 4
    reach: int = 4
    bias: bool = False
    conv_bias: bool = True


class Mixer(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args = args
        inner = args.widen * args.width
        self.entry = nn.Linear(args.width, 2 * inner, bias=args.bias)
        self.smear = nn.Conv1d(inner, inner, args.reach, groups=inner, padding=args.reach - 1, bias=args.conv_bias)
        self.pick = nn.Linear(inner, args.rank + 2 * args.memory, bias=False)
        self.pace = nn.Linear(args.rank, inner, bias=True)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, args.memory + 1).float().repeat(inner, 1)))
        self.skip = nn.Parameter(torch.ones(inner))
        self.exit = nn.Linear(inner, args.width, bias=args.bias)

    def forward(self, x):
        b, t, _ = x.shape
        u, gate = self.entry(x).chunk(2, dim=-1)
        u = F.silu(self.smear(u.transpose(1, 2))[:, :, :t].transpose(1, 2))
        step, write, read = self.pick(u).split([self.args.rank, self.args.memory, self.args.memory], dim=-1)
        y = self.scan(u, F.softplus(self.pace(step)), -torch.exp(self.A_log.float()), write, read)
        return self.exit(y * F.silu(gate))

    def scan(self, u, step, rate, write, read):
        keep = torch.exp(torch.einsum("btd,dn->btdn", step, rate))
        put = torch.einsum("btd,btn,btd->btdn", step, write, u)
        state = torch.zeros(u.shape[0], u.shape[2], self.args.memory)
        rows = []
        for i in range(u.shape[1]):
            state = keep[:, i] * state + put[:, i]
            rows.append(torch.einsum("bdn,bn->bd", state, read[:, i]))
        return torch.stack(rows, dim=1) + u * self.skip


class Block(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.norm = nn.RMSNorm(args.width, eps=1e-5)
        self.mixer = Mixer(args)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class Model(nn.Module):
    def __init__(self, args: Args):
        super().__init__()
        self.words = nn.Embedding(args.words, args.width)
        self.blocks = nn.ModuleList([Block(args) for _ in range(args.depth)])
        self.norm = nn.RMSNorm(args.width, eps=1e-5)

    def forward(self, tokens: torch.Tensor):
        x = self.words(tokens)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.words.weight)
