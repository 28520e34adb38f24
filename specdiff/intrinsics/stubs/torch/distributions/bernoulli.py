"""The Bernoulli distribution."""

import torch

from .distribution import Distribution


class Bernoulli(Distribution):
    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        given = torch.as_tensor(probs if probs is not None else logits)
        self.probs = given if probs is not None else torch.sigmoid(given)
        self.logits = given if logits is not None else torch.logit(given)
        super().__init__(given.size(), validate_args=validate_args)

    @property
    def mean(self):
        return self.probs

    def sample(self, sample_shape=()):
        shape = (*sample_shape, *self.batch_shape)
        with torch.no_grad():
            return torch.bernoulli(self.probs.expand(shape))

    def log_prob(self, value):
        return -torch.nn.functional.binary_cross_entropy_with_logits(self.logits, value, reduction="none")

    def entropy(self):
        return torch.nn.functional.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")
