# Model -> (batch, sequence, 32)
"""Published code that calls what the base class had in earlier releases."""

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel


class Config(PretrainedConfig):
    model_type = "earlier"

    def __init__(self, hidden_size=32, num_hidden_layers=2, vocab_size=100, **kwargs):
        self.hidden_size, self.num_hidden_layers, self.vocab_size = hidden_size, num_hidden_layers, vocab_size
        super().__init__(**kwargs)


class Model(PreTrainedModel):
    config_class = Config

    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([nn.Linear(config.hidden_size, config.hidden_size) for _ in range(2)])
        self.post_init()

    def forward(self, input_ids, attention_mask=None, head_mask=None):
        x = self.embed(input_ids)
        if attention_mask is None:
            attention_mask = input_ids.new_ones(input_ids.shape)
        mask = self.get_extended_attention_mask(attention_mask, input_ids.shape)
        other = self.invert_attention_mask(attention_mask)
        for layer, heads in zip(self.layers, self.get_head_mask(head_mask, len(self.layers))):
            scores = (x @ x.transpose(1, 2)).unsqueeze(1) + mask + other
            x = (scores.softmax(-1) @ layer(x).unsqueeze(1)).squeeze(1)
            if heads is not None:
                x = x * heads
        return x
