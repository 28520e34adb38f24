# Model -> (batch, sequence, 100)
"""A sound as a table of bins beside its text; how long it is follows from the table of positions."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, n_mels=40, n_audio_ctx=50, n_state=16, n_vocab=100):
        super().__init__()
        self.conv = nn.Conv1d(n_mels, n_state, 3, stride=2, padding=1)
        self.places = nn.Parameter(torch.zeros(n_audio_ctx, n_state))
        self.embed = nn.Embedding(n_vocab, n_state)

    def forward(self, mel, tokens):
        sound = self.conv(mel).transpose(1, 2) + self.places
        text = self.embed(tokens)
        text = text + (text @ sound.transpose(1, 2)).softmax(-1) @ sound
        return text @ self.embed.weight.T
