"""Lightning's module is torch's with training around it."""

from pytorch_lightning import LightningModule
