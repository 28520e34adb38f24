"""Causal masks as objects."""

import torch


def causal_lower_right(*size):
    return torch.ones(size, dtype=torch.bool).tril(size[1] - size[0])


def causal_upper_left(*size):
    return torch.ones(size, dtype=torch.bool).tril()
