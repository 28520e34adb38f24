"""The Gumbel distribution."""

import torch

from .distribution import Distribution


class Gumbel(Distribution):
    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = torch.broadcast_tensors(torch.as_tensor(loc), torch.as_tensor(scale))
        super().__init__(self.loc.size(), validate_args=validate_args)

    def sample(self, sample_shape=()):
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        noise = torch.rand((*sample_shape, *self.batch_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc - self.scale * torch.log(-torch.log(noise))

    def log_prob(self, value):
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()
