"""Diffusers' base of models is torch's module with loading and saving around it."""

from torch import nn


class ModelMixin(nn.Module):
    _supports_gradient_checkpointing = False
    _no_split_modules = None

    @property
    def dtype(self):
        return next(self.parameters()).dtype

    @property
    def device(self):
        return next(self.parameters()).device
