# Model -> (batch, sequence, 32)
import torch
from torch import nn


class Experts(nn.Module):
    """Tokens sorted by expert and split into pieces whose lengths data decide."""

    def __init__(self, experts=4, width=32, top_k=2):
        super().__init__()
        self.gate = nn.Linear(width, experts, bias=False)
        self.up = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(experts))
        self.down = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(experts))
        self.top_k = top_k

    def forward(self, x):
        flat = x.view(-1, x.shape[-1])
        weights, chosen = self.gate(flat).softmax(-1).topk(self.top_k, dim=-1)
        order = chosen.flatten().argsort()
        counts = torch.bincount(chosen.flatten(), minlength=len(self.up)).tolist()
        pieces = flat[order // self.top_k].split(counts, dim=0)
        outputs = []
        for index, (piece, count) in enumerate(zip(pieces, counts)):
            if count == 0:
                continue
            outputs.append(self.down[index](self.up[index](piece).relu()))
        joined = torch.cat(outputs, dim=0) * weights.flatten()[order][:, None]
        return torch.zeros_like(flat).index_add(0, order // self.top_k, joined).view_as(x)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 32)
        self.layers = nn.ModuleList(Experts() for _ in range(2))

    def forward(self, input_ids):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = x + layer(x)
        return x
