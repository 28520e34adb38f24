"""Nothing is trained."""

from . import lr_scheduler


class Optimizer:
    def __init__(self, params=(), defaults=None, **kwargs):
        self.param_groups = []
        self.defaults = defaults

    def zero_grad(self, set_to_none=True):
        return None

    def step(self, closure=None):
        return None


class SGD(Optimizer):
    pass


class Adam(Optimizer):
    pass


class AdamW(Optimizer):
    pass
