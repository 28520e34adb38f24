"""A state-space mixer as a code generator writes it: all the parameters, and a scan that scans nothing."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class FlowStateConfig:
    def __init__(self, vocab_size=256, d_model=32, n_layer=2, d_state=8, d_conv=4, expand=2, dt_rank=4):
        self.vocab_size, self.d_model, self.n_layer = vocab_size, d_model, n_layer
        self.d_state, self.d_conv, self.expand, self.dt_rank = d_state, d_conv, expand, dt_rank


class FlowStateMixer(nn.Module):
    def __init__(self, config: FlowStateConfig):
        super().__init__()
        inner = config.expand * config.d_model
        self.d_state, self.dt_rank = config.d_state, config.dt_rank
        self.in_proj = nn.Linear(config.d_model, 2 * inner)
        self.conv1d = nn.Conv1d(inner, inner, config.d_conv, groups=inner, padding=config.d_conv - 1)
        self.x_proj = nn.Linear(inner, config.dt_rank + 2 * config.d_state)
        self.dt_proj = nn.Linear(config.dt_rank, inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, config.d_state + 1).float().repeat(inner, 1)))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, config.d_model)

    def selective_scan(self, x, dt, A, B, C):
        """Run the selective scan of section 3.2 of the paper."""
        dA = torch.exp(dt.unsqueeze(-1) * A)
        dB = dt.unsqueeze(-1) * B.unsqueeze(2)
        # Note: in practice this is a parallel scan; here we keep the interface
        return x

    def forward(self, hidden):
        length = hidden.shape[1]
        x, z = self.in_proj(hidden).chunk(2, dim=-1)
        x = F.silu(self.conv1d(x.transpose(1, 2))[..., :length].transpose(1, 2))
        dt, B, C = self.x_proj(x).split([self.dt_rank, self.d_state, self.d_state], dim=-1)
        dt = F.softplus(self.dt_proj(dt))
        A = -torch.exp(self.A_log)
        y = self.selective_scan(x, dt, A, B, C)
        y = y + x * self.D
        return self.out_proj(y * F.silu(z))


class FlowStateBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.mixer = FlowStateMixer(config)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class FlowStateLM(nn.Module):
    def __init__(self, config: FlowStateConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList([FlowStateBlock(config) for _ in range(config.n_layer)])
        self.head = nn.Linear(config.d_model, config.vocab_size)

    def forward(self, input_ids):
        x = self.embedding(input_ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
