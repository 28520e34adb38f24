"""Softmax over many classes in clusters of falling frequency."""

from collections import namedtuple

from torch.nn import functional as F

from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    def __init__(self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None):
        super().__init__()
        cutoffs = list(cutoffs)
        if len(cutoffs) == 0:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if cutoffs != sorted(set(cutoffs)) or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                "where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = cutoffs + [n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        place = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **place)
        self.tail = ModuleList()
        for index in range(self.n_clusters):
            hidden = int(in_features // (div_value ** (index + 1)))
            rows = self.cutoffs[index + 1] - self.cutoffs[index]
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **place), Linear(hidden, rows, bias=False, **place)
                )
            )

    def reset_parameters(self):
        return None

    def log_prob(self, input):
        import torch

        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for index, cluster in enumerate(self.tail):
            column = self.shortlist_size + index
            parts.append(F.log_softmax(cluster(input), dim=1) + head[:, column : column + 1])
        return torch.cat(parts, dim=1)

    def forward(self, input_, target_):
        chosen = self.log_prob(input_).gather(1, target_.unsqueeze(1)).squeeze(1)
        return _ASMoutput(chosen, (-chosen).mean())

    def predict(self, input):
        return self.log_prob(input).argmax(dim=1)
