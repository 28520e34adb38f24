import torch
import torch.nn as nn


class GPTMini(nn.Module):
    def __init__(self, vocab=100, dim=32, depth=3, block=16):
        super().__init__()
        self.tok = nn.Embedding(vocab, dim)
        self.pos = nn.Embedding(block, dim)
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            self.blocks.append(nn.TransformerEncoderLayer(dim, 4, 64, batch_first=True))
        self.ln_f = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocab, bias=False)

    def forward(self, idx):
        b, t = idx.shape
        pos = torch.arange(t)
        x = self.tok(idx)
        for i, block in enumerate(self.blocks):
            if i == 0:
                x = block(x)
        return self.head(self.ln_f(x))
