import torch
import torch.nn as nn


class ContrastiveModel(nn.Module):
    def __init__(self, vocab=100, dim=32):
        super().__init__()
        self.text = nn.Embedding(vocab, dim)
        self.image = nn.Linear(3 * 8 * 8, dim)
        self.logit_scale = nn.Parameter(torch.ones([]))

    def forward(self, input_ids, pixel_values):
        t = self.text(input_ids).mean(1)
        i = self.image(pixel_values.flatten(1))
        t = t / t.norm(dim=-1, keepdim=True)
        i = i / i.norm(dim=-1, keepdim=True)
        return {"loss": torch.tensor(0.0), "text_embeds": t, "image_embeds": i}
