# Model -> (batch, 4)
"""A ``forward`` that takes anything and hands it on says by that what it takes."""

from torch import nn


class Base(nn.Module):
    def __init__(self, img_size=32, in_chans=3):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, 8, 4, stride=4)
        self.head = nn.Linear(8, 4)

    def features(self, x, masks=None):
        return self.stem(x).flatten(2).mean(-1)

    def forward(self, *args, is_training=False, **kwargs):
        found = self.features(*args, **kwargs)
        return found if is_training else self.head(found)


class Model(Base):
    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs)
