"""Attention whose heads stand behind the sequence."""

import torch

from xformers.ops.fmha.attn_bias import AttentionBias


def memory_efficient_attention(
    query, key, value, attn_bias=None, p=0.0, scale=None, *, op=None, output_dtype=None
):
    """softmax(q k^T * scale + bias) v, for (batch, sequence, heads, width)."""
    single = query.dim() == 3
    if single:
        query, key, value = query.unsqueeze(2), key.unsqueeze(2), value.unsqueeze(2)
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    causal = False
    mask = attn_bias
    if isinstance(attn_bias, AttentionBias):
        mask = None
        if attn_bias.window is None:
            causal = attn_bias.causal
        else:
            mask = attn_bias.materialize((query.shape[-2], key.shape[-2]))
    output = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=p, is_causal=causal, scale=scale
    ).transpose(1, 2)
    return output.squeeze(2) if single else output
