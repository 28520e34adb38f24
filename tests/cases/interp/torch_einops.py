"""einops by torch's own operations."""
import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import Rearrange

x = torch.zeros(2, 6, 4)
a1 = rearrange(x, "b (h d) n -> b h n d", h=3)  # => (2, 3, 4, 2)
a2 = rearrange(x, "b ... -> b (...)")  # => (2, 24)
a3 = repeat(x, "b s d -> b r s d", r=5)  # => (2, 5, 6, 4)
a4 = reduce(x, "b s d -> b d", "mean")  # => (2, 4)
a5 = rearrange(torch.zeros(2, 3, 8, 8), "b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=4, p2=4)  # => (2, 4, 48)
a6 = Rearrange("b s d -> b d s")(x)  # => (2, 4, 6)
a7 = einsum(x, torch.zeros(4, 9), "b s d, d e -> b s e")  # => (2, 6, 9)
a8 = pack([x, torch.zeros(2, 3, 4)], "b * d")[0]  # => (2, 9, 4)
a9 = repeat(torch.zeros(4), "d -> b 1 d", b=2)  # => (2, 1, 4)
b1 = rearrange(x, "... (h d) -> ... h d", d=2)  # => (2, 6, 2, 2)
b2 = rearrange(x, "b n d -> (b n) d")  # => (12, 4)
import importlib.util
b3 = importlib.util.find_spec("einops") is not None and importlib.util.find_spec("flash_attn") is None  # => True
