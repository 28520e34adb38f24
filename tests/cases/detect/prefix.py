# A prefix that sees itself both ways, the rest causal, in the style of fairseq: sequence first, baddbmm-free, one projection of three.
import torch
import torch.nn as nn
import torch.nn.functional as F


class SelfAttention(nn.Module):
    def __init__(self, embed_dim, num_heads):
        super().__init__()
        self.num_heads, self.scaling = num_heads, (embed_dim // num_heads) ** -0.5
        self.in_proj = nn.Linear(embed_dim, 3 * embed_dim)
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, x, hidden):
        t, b, c = x.shape
        q, k, v = (y.reshape(t, b * self.num_heads, -1).transpose(0, 1) for y in self.in_proj(x).chunk(3, dim=-1))
        w = torch.bmm(q * self.scaling, k.transpose(1, 2)).masked_fill(hidden, float("-inf"))
        y = torch.bmm(F.softmax(w, dim=-1), v)
        return self.out_proj(y.transpose(0, 1).reshape(t, b, c))


class Layer(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.self_attn = SelfAttention(args["embed_dim"], args["heads"])
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(args["embed_dim"]), nn.LayerNorm(args["embed_dim"])
        self.fc1, self.fc2 = nn.Linear(args["embed_dim"], args["ffn"]), nn.Linear(args["ffn"], args["embed_dim"])

    def forward(self, x, hidden):
        x = self.self_attn_layer_norm(x + self.self_attn(x, hidden))
        return self.final_layer_norm(x + self.fc2(F.relu(self.fc1(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        args = {"embed_dim": 32, "heads": 4, "ffn": 48, "layers": 2, "prefix": 8, "positions": 128}
        self.prefix = args["prefix"]
        self.embed_tokens = nn.Embedding(80, args["embed_dim"], padding_idx=1)
        self.embed_positions = nn.Embedding(args["positions"], args["embed_dim"])
        self.layers = nn.ModuleList([Layer(args) for _ in range(args["layers"])])
        self.output_projection = nn.Linear(args["embed_dim"], 80, bias=False)
        self.output_projection.weight = self.embed_tokens.weight

    def forward(self, src_tokens: torch.Tensor):
        t = src_tokens.shape[1]
        place = torch.arange(t)
        x = (self.embed_tokens(src_tokens) + self.embed_positions(place)).transpose(0, 1)
        hidden = (place[None, :] > place[:, None]) & (place[None, :] >= self.prefix)
        for layer in self.layers:
            x = layer(x, hidden)
        return self.output_projection(x.transpose(0, 1))
