"""Parameters that reach the output in roundabout ways, and parameters that do not."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Output:
    hidden: torch.Tensor = None
    extras: dict = None


class Model(nn.Module):
    main_input_name = "pixel_values"

    def __init__(self):
        super().__init__()
        for name in (
            "through_view through_put through_scatter through_list through_dict chosen_bias chosen_weight compared "
            "argmax_only never computed_only with_mask in_training swapped branch_a branch_b detached masked_in"
        ).split():
            setattr(self, name, nn.Parameter(torch.randn(8)))
        self.register_parameter("position", nn.Parameter(torch.randn(16, 8)))

    def forward(self, pixel_values, mask=None):
        x = pixel_values.reshape(-1, 8)
        out = torch.zeros(x.shape[0], 8)
        out[:, :4] = (x * self.through_view)[:, :4]
        out.index_put_((torch.arange(2),), (x * self.through_put)[:2])
        out.index_add_(0, torch.arange(x.shape[0]), x * self.through_scatter)
        pieces = []
        for part in x.split(4, dim=-1):
            pieces.append(part * self.through_list[:4])
        joined = torch.cat(pieces, dim=-1)
        scores = (x * self.chosen_weight).sigmoid()
        _, chosen = torch.topk(scores + self.chosen_bias, 2, dim=-1)
        weights = scores.gather(-1, chosen)
        where = x.masked_fill(self.compared > 0, 0.0)
        place = self.position[(x * self.argmax_only).argmax(dim=-1)]
        unused = x * self.computed_only
        if mask is not None:
            x = torch.where(mask, self.with_mask, x)
        if self.training:
            x = x * self.in_training
        if x.sum() > 0:
            side = x * self.branch_a
        else:
            side = x * self.branch_b
        stopped = (x * self.detached).detach()
        x[:, 0] = self.masked_in[0]
        swapped, other = other_way(unused, x * self.swapped)
        return Output(
            hidden=torch.stack([out, joined, where, place, side, stopped, swapped]).sum(0) + weights.sum() + x,
            extras={"more": F.gelu(x * self.through_dict)},
        )


def other_way(first, second):
    return second, first


# live: through_view through_put through_scatter through_list through_dict chosen_weight
# live: swapped branch_a branch_b masked_in position
# selects: chosen_bias compared argmax_only detached
# unused: never computed_only
