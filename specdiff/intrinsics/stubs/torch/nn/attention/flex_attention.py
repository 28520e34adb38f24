"""Attention with scores and masks from functions."""

from torch.nn import functional as F

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest:
    def __init__(self, lse=False, max_scores=False):
        self.lse = lse
        self.max_scores = max_scores


class BlockMask:
    """Which blocks are visible; only that there is a mask is kept."""

    def __init__(self, mask_mod=None, block_size=_DEFAULT_SPARSE_BLOCK_SIZE):
        self.mask_mod = mask_mod
        self.BLOCK_SIZE = block_size

    def to(self, device):
        return self


def create_block_mask(
    mask_mod,
    B,
    H,
    Q_LEN,
    KV_LEN,
    device=None,
    BLOCK_SIZE=_DEFAULT_SPARSE_BLOCK_SIZE,
    _compile=False,
):
    return BlockMask(mask_mod, BLOCK_SIZE)


def flex_attention(
    query,
    key,
    value,
    score_mod=None,
    block_mask=None,
    scale=None,
    enable_gqa=False,
    return_lse=False,
    kernel_options=None,
    *,
    return_aux=None,
):
    output = F.scaled_dot_product_attention(query, key, value, scale=scale, enable_gqa=enable_gqa)
    if return_lse or return_aux is not None:
        return output, query.sum(-1)
    return output
