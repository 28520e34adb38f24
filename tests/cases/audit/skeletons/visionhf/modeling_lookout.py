"""A vision-language model whose images are encoded, projected and forgotten."""
import torch
import torch.nn as nn


class LookoutConfig:
    def __init__(self, vocab_size=300, dim=32, depth=2, image_size=32, patch_size=8, vision_dim=48, image_token_id=299):
        self.vocab_size, self.dim, self.depth = vocab_size, dim, depth
        self.image_size, self.patch_size, self.vision_dim = image_size, patch_size, vision_dim
        self.image_token_id = image_token_id


class VisionEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.patches = nn.Conv2d(3, config.vision_dim, config.patch_size, config.patch_size)
        self.blocks = nn.TransformerEncoder(nn.TransformerEncoderLayer(config.vision_dim, 4, batch_first=True), 2)

    def forward(self, pixel_values):
        return self.blocks(self.patches(pixel_values).flatten(2).transpose(1, 2))


class Projector(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.linear = nn.Linear(config.vision_dim, config.dim)

    def forward(self, features):
        return self.linear(features)


class LookoutForConditionalGeneration(nn.Module):
    def __init__(self, config: LookoutConfig):
        super().__init__()
        self.vision_encoder = VisionEncoder(config)
        self.projector = Projector(config)
        self.embed = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(config.dim, 4, batch_first=True) for _ in range(config.depth)])
        self.head = nn.Linear(config.dim, config.vocab_size)

    def forward(self, input_ids, pixel_values):
        image_features = self.projector(self.vision_encoder(pixel_values))
        hidden = self.embed(input_ids)
        # the image features would be scattered into the placeholder positions here
        for layer in self.layers:
            hidden = layer(hidden)
        return self.head(hidden)
