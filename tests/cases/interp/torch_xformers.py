"""xformers' attention has its heads behind the sequence."""
import torch
from xformers.ops.fmha import memory_efficient_attention
from xformers.ops.fmha.attn_bias import BlockDiagonalCausalMask, BlockDiagonalMask

q = torch.zeros(2, 6, 3, 4)
a1 = memory_efficient_attention(q, q, q)  # => (2, 6, 3, 4)
a2 = memory_efficient_attention(q, q, q, BlockDiagonalCausalMask.from_seqlens([6]).make_local_attention(3))  # => (2, 6, 3, 4)
a3 = BlockDiagonalMask.from_seqlens([6]).make_causal().causal  # => True
