"""Lightning's module is torch's with training around it."""

from torch import nn


class LightningModule(nn.Module):
    def save_hyperparameters(self, *args, **kwargs):
        pass

    def log(self, *args, **kwargs):
        pass

    @property
    def device(self):
        return "cpu"
