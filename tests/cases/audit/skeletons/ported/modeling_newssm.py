"""A port that stopped half way: the library's frame is filled in, the scan is not."""

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput
from transformers.modeling_utils import PreTrainedModel

from .configuration_newssm import NewSsmConfig


def selective_scan(x, delta, A, B, C, D):
    raise NotImplementedError("port the scan from the original repository")


class NewSsmMixer(nn.Module):
    def __init__(self, config: NewSsmConfig):
        super().__init__()
        self.in_proj = nn.Linear(config.hidden_size, 2 * config.hidden_size)
        self.conv1d = nn.Conv1d(config.hidden_size, config.hidden_size, config.conv_kernel, groups=config.hidden_size, padding=config.conv_kernel - 1)
        self.x_proj = nn.Linear(config.hidden_size, 2 * config.state_size + 1)
        self.A_log = nn.Parameter(torch.zeros(config.hidden_size, config.state_size))
        self.D = nn.Parameter(torch.ones(config.hidden_size))
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states):
        x, gate = self.in_proj(hidden_states).chunk(2, dim=-1)
        x = self.conv1d(x.transpose(1, 2))[..., : hidden_states.shape[1]].transpose(1, 2)
        state = self.x_proj(nn.functional.silu(x))
        y = selective_scan(x, state[..., :1], -torch.exp(self.A_log), state[..., 1:9], state[..., 9:], self.D)
        return self.out_proj(y * nn.functional.silu(gate))


class NewSsmBlock(nn.Module):
    def __init__(self, config: NewSsmConfig):
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mixer = NewSsmMixer(config)

    def forward(self, hidden_states):
        return hidden_states + self.mixer(self.norm(hidden_states))


class NewSsmPreTrainedModel(PreTrainedModel):
    config: NewSsmConfig
    base_model_prefix = "model"


class NewSsmModel(NewSsmPreTrainedModel):
    def __init__(self, config: NewSsmConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([NewSsmBlock(config) for _ in range(config.num_hidden_layers)])
        self.post_init()

    def forward(self, input_ids=None, **kwargs):
        hidden_states = self.embed_tokens(input_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return BaseModelOutput(last_hidden_state=hidden_states)


class NewSsmForCausalLM(NewSsmPreTrainedModel):
    def __init__(self, config: NewSsmConfig):
        super().__init__(config)
        self.model = NewSsmModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids=None, **kwargs):
        return CausalLMOutput(logits=self.lm_head(self.model(input_ids).last_hidden_state))
