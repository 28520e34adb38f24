"""Experts in one tensor each, dispatched with one-hot einsums."""
import torch
import torch.nn.functional as F
from torch import nn


class StackedExperts(nn.Module):
    def __init__(self, dim, hidden, experts):
        super().__init__()
        self.w_in = nn.Parameter(torch.empty(experts, dim, hidden))
        self.w_out = nn.Parameter(torch.empty(experts, hidden, dim))
        nn.init.xavier_uniform_(self.w_in)
        nn.init.xavier_uniform_(self.w_out)

    def forward(self, x, dispatch, combine):
        xs = torch.einsum("bsd,bse->ebsd", x, dispatch)
        h = F.gelu(torch.einsum("ebsd,edh->ebsh", xs, self.w_in))
        return torch.einsum("ebsh,ehd,bse->bsd", h, self.w_out, combine)


class Router(nn.Module):
    def __init__(self, dim, experts, k):
        super().__init__()
        self.k = k
        self.proj = nn.Linear(dim, experts, bias=False)
        self.register_buffer("balance", torch.zeros(experts))

    def forward(self, x):
        scores = torch.sigmoid(self.proj(x))
        _, index = torch.topk(scores + self.balance, self.k, dim=-1)
        chosen = F.one_hot(index, scores.shape[-1]).sum(-2).to(scores.dtype)
        return chosen, chosen * scores


class StackedMoE(nn.Module):
    def __init__(self, vocab=128, dim=32, hidden=64, experts=4, k=2, depth=2):
        super().__init__()
        self.table = nn.Parameter(torch.randn(vocab, dim))
        self.routers = nn.ModuleList(Router(dim, experts, k) for _ in range(depth))
        self.experts = nn.ModuleList(StackedExperts(dim, hidden, experts) for _ in range(depth))

    def forward(self, input_ids):
        x = F.embedding(input_ids, self.table)
        for router, experts in zip(self.routers, self.experts):
            x = x + experts(x, *router(x))
        return F.linear(x, self.table)
