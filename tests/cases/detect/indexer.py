# An indexer beside attention: scores of small heads rank the positions, only the best stay visible.
import torch
from torch import nn


class Indexer(nn.Module):
    def __init__(self, top):
        super().__init__()
        self.top = top
        self.wq, self.wk = nn.Linear(48, 4 * 8, bias=False), nn.Linear(48, 8, bias=False)
        self.weigh = nn.Linear(48, 4, bias=False)

    def forward(self, x, mask):
        b, s, _ = x.shape
        q, k = self.wq(x).view(b, s, 4, 8), self.wk(x)
        scores = torch.relu(q @ k.transpose(1, 2).unsqueeze(1))
        scores = torch.matmul(self.weigh(x).unsqueeze(2), scores).squeeze(2) + mask
        return scores.topk(self.top, dim=-1).indices


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(48, 48, bias=False) for _ in range(4))
        self.indexer = Indexer(16)

    def forward(self, x, mask):
        b, s, _ = x.shape
        q, k, v = (f(x).view(b, s, 3, 16).transpose(1, 2) for f in (self.q, self.k, self.v))
        best = self.indexer(x, mask)
        hidden = torch.ones(b, s, s, dtype=torch.bool).scatter(-1, best, False)
        scores = q @ k.transpose(2, 3) * 0.25 + mask
        scores = scores.masked_fill(hidden.unsqueeze(1), float("-inf"))
        y = torch.softmax(scores, dim=-1) @ v
        return self.o(y.transpose(1, 2).reshape(b, s, 48))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(48), nn.LayerNorm(48)
        self.attn = Attention()
        self.up, self.down = nn.Linear(48, 96), nn.Linear(96, 48)

    def forward(self, x, mask):
        x = x + self.attn(self.norm1(x), mask)
        return x + self.down(torch.relu(self.up(self.norm2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 48)
        self.blocks = nn.ModuleList([Block() for _ in range(2)])
        self.head = nn.Linear(48, 100, bias=False)

    def forward(self, tokens: torch.Tensor):
        s = tokens.shape[1]
        mask = torch.full((s, s), float("-inf")).triu(1)
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(x)
