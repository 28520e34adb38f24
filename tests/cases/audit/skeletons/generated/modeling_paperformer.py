"""What a code generator makes of a paper: every class is there, hardly any does its work."""

import torch
from torch import nn


class PaperFormerConfig:
    def __init__(self, hidden_size=32, num_hidden_layers=2, num_heads=4, num_experts=4, vocab_size=64):
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_heads = num_heads
        self.num_experts = num_experts
        self.vocab_size = vocab_size


class PaperFormerSparseAttention(nn.Module):
    """The sparse attention of the paper, section 3.1."""

    def __init__(self, config: PaperFormerConfig):
        super().__init__()
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states, attention_mask=None):
        # TODO: implement the sparse pattern
        return hidden_states


class PaperFormerRouter(nn.Module):
    def __init__(self, config: PaperFormerConfig):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.num_experts, config.hidden_size))

    def forward(self, hidden_states):
        return hidden_states


class PaperFormerLayer(nn.Module):
    def __init__(self, config: PaperFormerConfig):
        super().__init__()
        self.attention = PaperFormerSparseAttention(config)
        self.router = PaperFormerRouter(config)

    def forward(self, hidden_states):
        hidden_states = hidden_states + self.attention(hidden_states)
        return self.router(hidden_states)


class PaperFormerModel(nn.Module):
    def __init__(self, config: PaperFormerConfig):
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([PaperFormerLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, input_ids):
        hidden_states = self.embed(input_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return hidden_states
