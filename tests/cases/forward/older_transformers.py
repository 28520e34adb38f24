# Model -> (batch, sequence, 100)
from typing import Optional, Tuple

import torch
import torch.utils.checkpoint
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.num_heads, self.head_dim = heads, width // heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.o_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: Optional[torch.Tensor] = None,
        past_key_value: Optional[Tuple[torch.Tensor]] = None,
        output_attentions: bool = False,
        use_cache: bool = False,
    ) -> Tuple[torch.Tensor, Optional[torch.Tensor], Optional[Tuple[torch.Tensor]]]:
        bsz, q_len, _ = hidden_states.size()
        q = self.q_proj(hidden_states).view(bsz, q_len, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(hidden_states).view(bsz, q_len, self.num_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(hidden_states).view(bsz, q_len, self.num_heads, self.head_dim).transpose(1, 2)
        kv_seq_len = k.shape[-2]
        if past_key_value is not None:
            kv_seq_len += past_key_value[0].shape[-2]
            k, v = torch.cat([past_key_value[0], k], dim=2), torch.cat([past_key_value[1], v], dim=2)
        past_key_value = (k, v) if use_cache else None
        weights = torch.matmul(q, k.transpose(2, 3)) / self.head_dim**0.5
        if weights.size() != (bsz, self.num_heads, q_len, kv_seq_len):
            raise ValueError(f"Attention weights should be of size {(bsz, self.num_heads, q_len, kv_seq_len)}")
        if attention_mask is not None:
            if attention_mask.size() != (bsz, 1, q_len, kv_seq_len):
                raise ValueError(f"Attention mask should be of size {(bsz, 1, q_len, kv_seq_len)}")
            weights = torch.max(weights + attention_mask, torch.tensor(torch.finfo(weights.dtype).min))
        weights = nn.functional.softmax(weights, dim=-1, dtype=torch.float32).to(q.dtype)
        output = torch.matmul(weights, v).transpose(1, 2).reshape(bsz, q_len, -1)
        return self.o_proj(output), weights if output_attentions else None, past_key_value


class Model(nn.Module):
    def __init__(self, width=32, heads=4, layers=2, vocab=100):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab, width)
        self.layers = nn.ModuleList([Attention(width, heads) for _ in range(layers)])
        self.lm_head = nn.Linear(width, vocab, bias=False)
        self.gradient_checkpointing = True

    def _prepare_decoder_attention_mask(self, attention_mask, input_shape, inputs_embeds, past_key_values_length):
        length = input_shape[-1]
        mask = torch.full((length, length), torch.finfo(inputs_embeds.dtype).min, device=inputs_embeds.device)
        cond = torch.arange(mask.size(-1), device=mask.device)
        mask.masked_fill_(cond < (cond + 1).view(mask.size(-1), 1), 0)
        return mask[None, None, :, :].expand(input_shape[0], 1, length, length + past_key_values_length)

    def forward(self, input_ids: torch.LongTensor = None, past_key_values=None, use_cache: Optional[bool] = None):
        batch_size, seq_length = input_ids.shape
        past = 0 if past_key_values is None else past_key_values[0][0].shape[2]
        hidden_states = self.embed_tokens(input_ids)
        mask = self._prepare_decoder_attention_mask(None, (batch_size, seq_length), hidden_states, past)
        next_cache = () if use_cache else None
        for index, layer in enumerate(self.layers):
            past_key_value = past_key_values[index] if past_key_values is not None else None
            if self.gradient_checkpointing and self.training:

                def create_custom_forward(module):
                    def custom_forward(*inputs):
                        return module(*inputs, False, None)

                    return custom_forward

                outputs = torch.utils.checkpoint.checkpoint(create_custom_forward(layer), hidden_states, mask, None)
            else:
                outputs = layer(hidden_states, mask, past_key_value, False, use_cache)
            hidden_states = hidden_states + outputs[0]
            if use_cache:
                next_cache += (outputs[2],)
        return tuple(v for v in [self.lm_head(hidden_states), next_cache] if v is not None)
