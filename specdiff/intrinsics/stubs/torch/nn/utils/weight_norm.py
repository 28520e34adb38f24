"""Weight normalisation as parameters ``…_g`` and ``…_v`` (the older of torch's two forms)."""

import torch

from ..parameter import Parameter


def norm_shape(shape, dim):
    """The shape of the lengths of a weight's vectors along ``dim``; -1 and None: one length for the whole."""
    if dim is None or dim == -1:
        return ()
    return tuple(size if axis == dim else 1 for axis, size in enumerate(shape))


class WeightNorm:
    """The hook that computes the weight before each call."""

    def __init__(self, name, dim):
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module):
        lengths = getattr(module, self.name + "_g")
        vectors = getattr(module, self.name + "_v")
        return torch._weight_norm(vectors, lengths, self.dim)

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module))


def _hooks(module, kind, name):
    return [key for key, hook in module._forward_pre_hooks.items() if isinstance(hook, kind) and hook.name == name]


def weight_norm(module, name="weight", dim=0):
    if _hooks(module, WeightNorm, name):
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    del module._parameters[name]
    lengths = torch.empty(norm_shape(weight.shape, hook.dim), dtype=weight.dtype)
    module.register_parameter(name + "_g", Parameter(lengths))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module, name="weight"):
    keys = _hooks(module, WeightNorm, name)
    if not keys:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    shape = getattr(module, name + "_v").shape
    delattr(module, name)
    del module._parameters[name + "_g"]
    del module._parameters[name + "_v"]
    setattr(module, name, Parameter(torch.empty(shape)))
    del module._forward_pre_hooks[keys[0]]
    return module
