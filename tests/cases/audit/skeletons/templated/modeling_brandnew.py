"""What copying a model and renaming it leaves behind: two kinds of attention are announced, one of them does not exist."""

import torch
from torch import nn


class BrandNewConfig:
    def __init__(self, vocab_size=64, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, sliding_window=8, rope_theta=10000.0, layer_types=None):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.sliding_window = sliding_window
        self.rope_theta = rope_theta
        self.layer_types = layer_types or ["sliding", "full"] * (num_hidden_layers // 2)


class BrandNewAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads = config.num_attention_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x):
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (each(x).view(shape).transpose(1, 2) for each in (self.q_proj, self.k_proj, self.v_proj))
        scores = q @ k.transpose(2, 3) * (width // self.heads) ** -0.5
        y = torch.softmax(scores, dim=-1) @ v
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, width))


ATTENTION = {"full": BrandNewAttention, "sliding": BrandNewSlidingAttention}  # noqa: F821


class BrandNewLayer(nn.Module):
    def __init__(self, config, index):
        super().__init__()
        self.attention = ATTENTION[config.layer_types[index]](config)
        self.norm = nn.LayerNorm(config.hidden_size)

    def forward(self, x):
        return x + self.attention(self.norm(x))


class BrandNewModel(nn.Module):
    def __init__(self, config: BrandNewConfig):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([BrandNewLayer(config, i) for i in range(config.num_hidden_layers)])

    def forward(self, input_ids):
        x = self.embed_tokens(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x
