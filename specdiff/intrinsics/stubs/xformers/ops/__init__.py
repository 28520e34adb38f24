"""Operators."""

from xformers.ops.fmha import memory_efficient_attention
from xformers.ops.fmha.attn_bias import AttentionBias, LowerTriangularMask
from xformers.ops.swiglu_op import SwiGLU


