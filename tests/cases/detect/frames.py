# Sound, a convolution that says where frames are, and buckets of distances in the scores; fairseq's habits.
import math

import torch
from torch import nn
import torch.nn.functional as F

D, HEADS, KERNEL, GROUPS, BUCKETS, FAR = 32, 4, 16, 4, 32, 128


def bucket(distance):
    half = BUCKETS // 2
    side = (distance > 0).long() * half
    distance = distance.abs()
    exact = half // 2
    far = exact + (torch.log(distance.float() / exact) / math.log(FAR / exact) * (half - exact)).long()
    return side + torch.where(distance < exact, distance, far.clamp(max=half - 1))


class MultiheadAttention(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(D, D) for _ in range(4))
        self.rel = nn.Embedding(BUCKETS, HEADS) if number == 0 else None

    def forward(self, x, bias):
        b, t, c = x.shape
        q, k, v = (f(x).view(b, t, HEADS, -1).transpose(1, 2) for f in (self.q_proj, self.k_proj, self.v_proj))
        if self.rel is not None:
            place = torch.arange(t, device=x.device)
            bias = self.rel(bucket(place[None, :] - place[:, None])).permute(2, 0, 1)[None]
        w = q @ k.transpose(-1, -2) / math.sqrt(D // HEADS)
        w = w + bias
        return self.out_proj((w.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c)), bias


class SentenceEncoderLayer(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.self_attn = MultiheadAttention(number)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(D), nn.LayerNorm(D)
        self.fc1, self.fc2 = nn.Linear(D, 64), nn.Linear(64, D)

    def forward(self, x, bias):
        y, bias = self.self_attn(x, bias)
        x = self.self_attn_layer_norm(x + y)
        return self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x)))), bias


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.ModuleList([nn.Conv1d(1, D, 10, 5, bias=False), nn.Conv1d(D, D, 3, 2, bias=False)])
        self.pos_conv = nn.Conv1d(D, D, KERNEL, padding=KERNEL // 2, groups=GROUPS)
        self.layers = nn.ModuleList([SentenceEncoderLayer(i) for i in range(2)])

    def forward(self, input_values: torch.Tensor):
        x = input_values[:, None]
        for conv in self.features:
            x = F.gelu(conv(x))
        x = x + F.gelu(self.pos_conv(x)[:, :, :-1])
        x, bias = x.transpose(1, 2), None
        for layer in self.layers:
            x, bias = layer(x, bias)
        return x
