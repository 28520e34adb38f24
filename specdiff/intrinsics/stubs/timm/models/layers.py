"""timm's building blocks under their older name."""

from timm.layers import *
