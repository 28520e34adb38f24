"""Encoder and decoder; the decoder takes the encoder's states and looks at its own only."""
import math
import torch
from torch import nn


class SeqPairConfig:
    def __init__(self, vocab_size=256, d_model=32, heads=4, encoder_layers=2, decoder_layers=2, ffn=64):
        self.vocab_size, self.d_model, self.heads = vocab_size, d_model, heads
        self.encoder_layers, self.decoder_layers, self.ffn = encoder_layers, decoder_layers, ffn


class MultiHead(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.size = config.heads, config.d_model // config.heads
        self.q, self.k, self.v, self.o = (nn.Linear(config.d_model, config.d_model) for _ in range(4))

    def split(self, x):
        return x.view(*x.shape[:2], self.heads, self.size).transpose(1, 2)

    def forward(self, x, memory=None):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.size), dim=-1)
        return self.o((weights @ v).transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHead(config)
        self.norm = nn.LayerNorm(config.d_model)
        self.ffn = nn.Sequential(nn.Linear(config.d_model, config.ffn), nn.GELU(), nn.Linear(config.ffn, config.d_model))

    def forward(self, x):
        x = self.norm(x + self.attention(x))
        return x + self.ffn(x)


class DecoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = MultiHead(config)
        self.cross_attention = MultiHead(config)
        self.norm = nn.LayerNorm(config.d_model)
        self.ffn = nn.Sequential(nn.Linear(config.d_model, config.ffn), nn.GELU(), nn.Linear(config.ffn, config.d_model))

    def forward(self, x, encoder_hidden_states):
        x = self.norm(x + self.attention(x))
        x = x + self.cross_attention(x, memory=encoder_hidden_states)
        return x + self.ffn(x)


class SeqPairModel(nn.Module):
    def __init__(self, config: SeqPairConfig):
        super().__init__()
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = nn.ModuleList([EncoderLayer(config) for _ in range(config.encoder_layers)])
        self.decoder = nn.ModuleList([DecoderLayer(config) for _ in range(config.decoder_layers)])
        self.head = nn.Linear(config.d_model, config.vocab_size)

    def forward(self, input_ids, decoder_input_ids):
        memory = self.shared(input_ids)
        for layer in self.encoder:
            memory = layer(memory)
        x = self.shared(decoder_input_ids)
        for layer in self.decoder:
            x = layer(x, memory)
        return self.head(x)
