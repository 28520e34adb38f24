"""Sequence to sequence with recurrent layers and attention over the encoder."""
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.score = nn.Linear(2 * dim, 1)

    def forward(self, query, memory):
        query = query.unsqueeze(1).expand(-1, memory.size(1), -1)
        weights = torch.softmax(self.score(torch.tanh(torch.cat([query, memory], -1))).squeeze(-1), -1)
        return torch.bmm(weights.unsqueeze(1), memory).squeeze(1), weights


class Translator(nn.Module):
    def __init__(self, vocab=120, dim=24):
        super().__init__()
        self.source, self.target = nn.Embedding(vocab, dim), nn.Embedding(vocab, dim)
        self.encoder = nn.LSTM(dim, dim, num_layers=2, batch_first=True, dropout=0.1)
        self.cell = nn.LSTMCell(2 * dim, dim)
        self.attention = Attention(dim)
        self.out = nn.Linear(2 * dim, vocab)

    def forward(self, input_ids, decoder_input_ids):
        memory, (h, c) = self.encoder(self.source(input_ids))
        h, c = h[-1], c[-1]
        logits = []
        for step in range(4):
            context, _ = self.attention(h, memory)
            h, c = self.cell(torch.cat([self.target(decoder_input_ids[:, step]), context], -1), (h, c))
            logits.append(self.out(torch.cat([h, context], -1)))
        return torch.stack(logits, 1)
