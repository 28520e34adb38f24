"""The categorical distribution."""

import torch

from .distribution import Distribution


class Categorical(Distribution):
    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            if probs.dim() < 1:
                raise ValueError("`probs` parameter must be at least one-dimensional.")
            self._probs = probs / probs.sum(-1, keepdim=True)
            self._logits = None
            self._param = self._probs
        else:
            if logits.dim() < 1:
                raise ValueError("`logits` parameter must be at least one-dimensional.")
            self._logits = logits - logits.logsumexp(dim=-1, keepdim=True)
            self._probs = None
            self._param = self._logits
        self._num_events = self._param.size()[-1]
        super().__init__(self._param.size()[:-1], validate_args=validate_args)

    @property
    def logits(self):
        return self._logits if self._logits is not None else torch.log(self._probs)

    @property
    def probs(self):
        return self._probs if self._probs is not None else torch.softmax(self._logits, dim=-1)

    @property
    def mode(self):
        return self.probs.argmax(dim=-1)

    def sample(self, sample_shape=()):
        rows = self.probs.reshape(-1, self._num_events)
        count = 1
        for size in sample_shape:
            count = count * size
        drawn = torch.multinomial(rows, count, True).T
        return drawn.reshape((*sample_shape, *self.batch_shape))

    def log_prob(self, value):
        value = value.long().unsqueeze(-1)
        return torch.gather(self.logits, -1, value).squeeze(-1)

    def entropy(self):
        logits = torch.clamp(self.logits, min=torch.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)
