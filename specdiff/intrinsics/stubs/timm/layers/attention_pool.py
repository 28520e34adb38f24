"""Pooling by attention to a learned query (timm 1.0, `layers/attention_pool.py`)."""

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import nn


class AttentionPoolLatent(nn.Module):
    def __init__(
        self,
        in_features,
        out_features=None,
        embed_dim=None,
        num_heads=8,
        feat_size=None,
        mlp_ratio=4.0,
        qkv_bias=True,
        q_proj=True,
        qk_norm=False,
        latent_len=1,
        latent_dim=None,
        pos_embed="",
        pool_type="token",
        norm_layer=None,
        act_layer=nn.GELU,
        drop=0.0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        width = embed_dim or in_features
        outside = in_features if out_features is None else out_features
        assert width % num_heads == 0
        self.num_heads = num_heads
        self.head_dim = width // num_heads
        self.pool = pool_type
        self.pos_embed = nn.Parameter(torch.zeros(feat_size, in_features)) if pos_embed == "abs" else None
        self.latent_dim = latent_dim or width
        self.latent_len = latent_len
        self.latent = nn.Parameter(torch.zeros(1, latent_len, self.latent_dim))
        self.q = nn.Linear(self.latent_dim, width, bias=qkv_bias) if q_proj else nn.Identity()
        self.kv = nn.Linear(width, width * 2, bias=qkv_bias)
        normed = norm_layer or nn.LayerNorm
        self.q_norm = normed(self.head_dim) if qk_norm else nn.Identity()
        self.k_norm = normed(self.head_dim) if qk_norm else nn.Identity()
        self.proj = nn.Linear(width, outside) if outside > 0 else nn.Identity()
        self.proj_drop = nn.Dropout(drop)
        self.norm = norm_layer(outside) if norm_layer is not None and outside > 0 else nn.Identity()
        self.mlp = None
        if outside > 0:
            self.mlp = Mlp(outside, int(outside * mlp_ratio), out_features=outside, act_layer=act_layer)
        self.out_features = outside or width

    def forward(self, x, attn_mask=None):
        batch, length, _ = x.shape
        if self.pos_embed is not None:
            x = x + self.pos_embed.unsqueeze(0).to(x.dtype)
        latent = self.latent.expand(batch, -1, -1)
        q = self.q(latent).reshape(batch, self.latent_len, self.num_heads, self.head_dim).transpose(1, 2)
        k, v = self.kv(x).reshape(batch, length, 2, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v, attn_mask=attn_mask)
        x = x.transpose(1, 2).reshape(batch, self.latent_len, self.num_heads * self.head_dim)
        x = self.proj_drop(self.proj(x))
        if self.mlp is not None:
            x = x + self.mlp(self.norm(x))
        if self.pool == "token":
            return x[:, 0]
        return x.mean(1) if self.pool == "avg" else x
