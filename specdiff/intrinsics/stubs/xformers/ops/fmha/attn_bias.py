"""Which keys a query sees; sequences are packed one behind the other, and the example has one."""

import torch


class AttentionBias:
    """The base of all."""

    causal = False
    window = None

    def materialize(self, shape, dtype=torch.float32, device="cpu"):
        """As an additive mask."""
        queries = torch.arange(shape[-2], device=device)[:, None]
        keys = torch.arange(shape[-1], device=device)[None, :]
        seen = torch.ones(shape[-2], shape[-1], dtype=torch.bool, device=device)
        if self.causal:
            seen = keys <= queries
        if self.window is not None:
            seen = seen & (queries - keys < self.window)
        return torch.zeros(shape, dtype=dtype, device=device).masked_fill(~seen, float("-inf"))


class LowerTriangularMask(AttentionBias):
    """Causal."""

    causal = True


class BlockDiagonalMask(AttentionBias):
    """Every sequence sees itself."""

    @classmethod
    def from_seqlens(cls, q_seqlen, kv_seqlen=None, *arguments, **settings):
        return cls()

    def make_causal(self):
        return BlockDiagonalCausalMask()

    def make_causal_from_bottomright(self):
        return BlockDiagonalCausalFromBottomRightMask()

    def make_local_attention(self, window_size):
        made = BlockDiagonalCausalLocalAttentionMask()
        made.window = window_size
        return made

    make_local_attention_from_bottomright = make_local_attention


class BlockDiagonalCausalMask(BlockDiagonalMask):
    """Every sequence sees its own past."""

    causal = True


class BlockDiagonalCausalFromBottomRightMask(BlockDiagonalCausalMask):
    """The same, counted from the end."""


class BlockDiagonalCausalLocalAttentionMask(BlockDiagonalCausalMask):
    """The same within a window."""


class BlockDiagonalCausalWithOffsetPaddedKeysMask(AttentionBias):
    """One query per sequence on a padded cache."""

    causal = True

    @classmethod
    def from_seqlens(cls, q_seqlen, kv_padding, kv_seqlen, *arguments, **settings):
        return cls()
