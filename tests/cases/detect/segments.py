# Two segments, a projection after the table, dropout and initialisation out of a configuration class: BERT in the style of plain research code.
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class BertishConfig:
    vocab_size: int = 100
    emb: int = 16
    hidden_size: int = 32
    heads: int = 4
    max_position_embeddings: int = 64
    n_segments: int = 2
    hidden_dropout_prob: float = 0.1
    attn_pdrop: float = 0.2
    embd_pdrop: float = 0.3
    initializer_range: float = 0.02
    torch_dtype: str = "float32"


class Attend(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.h = c.heads
        self.q, self.k, self.v, self.o = (nn.Linear(c.hidden_size, c.hidden_size) for _ in range(4))
        self.drop = nn.Dropout(c.attn_pdrop)

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = (m(x).reshape(b, s, self.h, -1).transpose(1, 2) for m in (self.q, self.k, self.v))
        w = self.drop(torch.softmax(q @ k.transpose(-1, -2) / (d // self.h) ** 0.5, dim=-1))
        return self.o((w @ v).transpose(1, 2).reshape(b, s, d))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.attend, self.n1, self.n2 = Attend(c), nn.LayerNorm(c.hidden_size, eps=1e-12), nn.LayerNorm(c.hidden_size, eps=1e-12)
        self.a, self.b = nn.Linear(c.hidden_size, 64), nn.Linear(64, c.hidden_size)
        self.drop = nn.Dropout(c.hidden_dropout_prob)

    def forward(self, x):
        x = self.n1(x + self.drop(self.attend(x)))
        return self.n2(x + self.drop(self.b(nn.functional.gelu(self.a(x)))))


class Model(nn.Module):
    def __init__(self, c: BertishConfig):
        super().__init__()
        self.config = c
        self.words = nn.Embedding(c.vocab_size, c.emb, padding_idx=0)
        self.places = nn.Embedding(c.max_position_embeddings, c.emb)
        self.kinds = nn.Embedding(c.n_segments, c.emb)
        self.norm, self.drop = nn.LayerNorm(c.emb, eps=1e-12), nn.Dropout(c.embd_pdrop)
        self.wide = nn.Linear(c.emb, c.hidden_size)
        self.layers = nn.ModuleList([Layer(c) for _ in range(2)])
        self.narrow = nn.Linear(c.hidden_size, c.emb)
        self.bias = nn.Parameter(torch.zeros(c.vocab_size))
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, std=c.initializer_range)

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor):
        x = self.words(input_ids) + self.kinds(token_type_ids) + self.places(torch.arange(input_ids.shape[1]))
        x = self.wide(self.drop(self.norm(x)))
        for layer in self.layers:
            x = layer(x)
        return self.narrow(x) @ self.words.weight.t() + self.bias
