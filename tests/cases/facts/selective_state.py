# A selective state-space model in plain torch, its scan a loop over positions.
# expect: layers = 2
# expect: layers.pattern = [ssm, ssm]
# expect: mlp.pattern = [none, none]
# expect: ssm.kind = mamba
# expect: ssm.state_size = 8
# expect: ssm.conv_kernel = 4
# expect: ssm.conv_bias = true
# expect: ssm.expand = 2
# expect: ssm.inner_size = 64
# expect: ssm.dt_rank = 2
# expect: ssm.bias = false
# expect: ssm.norm = false
# expect: norm.kind = rms
# expect: norm.placement = pre
# absent: moe.experts
# absent: linear_attention.kind
import torch
import torch.nn.functional as F
from torch import nn


class Mixer(nn.Module):
    def __init__(self, dim, state, rank):
        super().__init__()
        self.inner, self.state, self.rank = 2 * dim, state, rank
        self.in_proj = nn.Linear(dim, 2 * self.inner, bias=False)
        self.conv1d = nn.Conv1d(self.inner, self.inner, 4, groups=self.inner, padding=3)
        self.x_proj = nn.Linear(self.inner, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, self.inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, state + 1).float().repeat(self.inner, 1)))
        self.D = nn.Parameter(torch.ones(self.inner))
        self.out_proj = nn.Linear(self.inner, dim, bias=False)

    def forward(self, u):
        length = u.shape[1]
        x, z = self.in_proj(u).chunk(2, dim=-1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[..., :length].transpose(1, 2))
        dt, B, C = self.x_proj(x).split([self.rank, self.state, self.state], dim=-1)
        delta = F.softplus(self.dt_proj(dt))
        A = -torch.exp(self.A_log)
        decay = torch.exp(delta.unsqueeze(-1) * A)
        written = delta.unsqueeze(-1) * B.unsqueeze(2) * x.unsqueeze(-1)
        h = x.new_zeros(x.shape[0], self.inner, self.state)
        outputs = []
        for t in range(length):
            h = decay[:, t] * h + written[:, t]
            outputs.append((h * C[:, t, None]).sum(-1))
        y = torch.stack(outputs, dim=1) + self.D * x
        return self.out_proj(y * F.silu(z))


class RMSNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = RMSNorm(dim)
        self.mixer = Mixer(dim, 8, 2)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class StateSpaceModel(nn.Module):
    def __init__(self, vocab_size=64, dim=32, n_layers=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList([Block(dim) for _ in range(n_layers)])
        self.norm_f = RMSNorm(dim)
        self.lm_head = nn.Linear(dim, vocab_size, bias=False)
        self.lm_head.weight = self.embedding.weight

    def forward(self, input_ids):
        x = self.embedding(input_ids)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.norm_f(x))
