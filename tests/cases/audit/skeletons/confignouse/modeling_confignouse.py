import torch
import torch.nn as nn


class Cfg:
    def __init__(self, vocab_size=100, hidden_size=64, num_layers=12, num_heads=12, num_kv_heads=4, head_dim=64, ffn=256, num_experts=8, top_k=2, window=1024, rope_theta=1e6, softcap=30.0, tie=True):
        self.__dict__.update(locals())


class Tiny(nn.Module):
    def __init__(self, config: Cfg):
        super().__init__()
        self.emb = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(config.hidden_size, 4, 256) for _ in range(2)])
        self.head = nn.Linear(config.hidden_size, config.vocab_size)

    def forward(self, ids):
        x = self.emb(ids)
        for l in self.layers:
            x = l(x)
        return self.head(x)
