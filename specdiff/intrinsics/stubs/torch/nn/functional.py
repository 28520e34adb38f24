"""Functions are modelled natively; what is made of several of them is written out here."""

import torch


def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
):
    batched = query.dim() == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    else:
        weights = in_proj_weight.chunk(3)
    q = torch.nn.functional.linear(query, weights[0], biases[0])
    k = torch.nn.functional.linear(key, weights[1], biases[1])
    v = torch.nn.functional.linear(value, weights[2], biases[2])
    if bias_k is not None and bias_v is not None:
        k = torch.cat([k, bias_k.repeat(1, batch, 1)])
        v = torch.cat([v, bias_v.repeat(1, batch, 1)])
    if add_zero_attn:
        k = torch.cat([k, torch.zeros(1, batch, k.shape[-1])])
        v = torch.cat([v, torch.zeros(1, batch, v.shape[-1])])
    size = width // num_heads
    q = q.view(length, batch, num_heads, size).permute(1, 2, 0, 3)
    k = k.view(k.shape[0], batch, num_heads, size).permute(1, 2, 0, 3)
    v = v.view(v.shape[0], batch, num_heads, size).permute(1, 2, 0, 3)
    scores = torch.matmul(q * size**-0.5, k.transpose(-2, -1))
    if attn_mask is not None:
        if attn_mask.dim() == 3:
            attn_mask = attn_mask.view(batch, num_heads, attn_mask.shape[1], attn_mask.shape[2])
        if attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(attn_mask, float("-inf"))
        else:
            scores = scores + attn_mask
    if key_padding_mask is not None:
        padding = key_padding_mask[:, None, None, :]
        if padding.dtype == torch.bool:
            scores = scores.masked_fill(padding, float("-inf"))
        else:
            scores = scores + padding
    scores = torch.nn.functional.softmax(scores, dim=-1)
    if dropout_p > 0.0:
        scores = torch.nn.functional.dropout(scores, p=dropout_p, training=training)
    output = torch.matmul(scores, v).permute(2, 0, 1, 3).reshape(length, batch, width)
    output = torch.nn.functional.linear(output, out_proj_weight, out_proj_bias)
    if not batched:
        output = output.squeeze(1)
    if not need_weights:
        return output, None
    if average_attn_weights:
        scores = scores.mean(dim=1)
    return output, scores if batched else scores.squeeze(0)

