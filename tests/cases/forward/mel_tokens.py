# Model -> (batch, sequence, 100)
"""A publisher's encoder of spectrograms: its settings are called as there, and it asks for as many frames as it has positions."""

import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    def __init__(self, n_mels, n_audio_ctx):
        super().__init__()
        self.conv1 = nn.Conv1d(n_mels, 32, 3, padding=1)
        self.conv2 = nn.Conv1d(32, 32, 3, stride=2, padding=1)
        self.register_buffer("positional_embedding", torch.zeros(n_audio_ctx, 32))

    def forward(self, x):
        x = F.gelu(self.conv2(F.gelu(self.conv1(x)))).permute(0, 2, 1)
        assert x.shape[1:] == self.positional_embedding.shape, "incorrect audio shape"
        return x + self.positional_embedding


class Dimensions:
    n_mels: int = 20
    n_audio_ctx: int = 50

    def __init__(self, n_mels=20, n_audio_ctx=50):
        self.n_mels, self.n_audio_ctx = n_mels, n_audio_ctx


class Model(nn.Module):
    def __init__(self, dims: Dimensions):
        super().__init__()
        self.encoder = Encoder(dims.n_mels, dims.n_audio_ctx)
        self.words = nn.Embedding(100, 32)

    def forward(self, mel, tokens):
        heard = self.encoder(mel)
        x = self.words(tokens)
        b, t, _ = x.shape
        x = x + F.scaled_dot_product_attention(x.view(b, t, 2, 16).transpose(1, 2), heard.view(b, -1, 2, 16).transpose(1, 2),
                                               heard.view(b, -1, 2, 16).transpose(1, 2)).transpose(1, 2).reshape(b, t, 32)
        return x @ self.words.weight.T
