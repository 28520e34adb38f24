"""A variational autoencoder: it draws, and it is meant to."""
import torch
from torch import nn


class VAE(nn.Module):
    def __init__(self, channels=3, latent=8, width=16):
        super().__init__()
        self.encode = nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * latent, 3, 2, 1))
        self.decode = nn.Sequential(nn.ConvTranspose2d(latent, width, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(width, channels, 4, 2, 1))

    def reparameterise(self, mean, logvar):
        if not self.training:
            return mean
        return mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)

    def forward(self, pixel_values):
        mean, logvar = self.encode(pixel_values).chunk(2, dim=1)
        return self.decode(self.reparameterise(mean, logvar)), mean, logvar
