"""Spectral normalisation as a parameter ``…_orig`` and buffers ``…_u``, ``…_v`` (the older of torch's two forms)."""

import torch

from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..parameter import Parameter


class SpectralNorm:
    """The hook that computes the weight before each call."""

    def __init__(self, name="weight", n_power_iterations=1, dim=0, eps=1e-12):
        self.name = name
        self.dim = dim
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight):
        if self.dim != 0:
            weight = weight.transpose(0, self.dim)
        return weight.flatten(1)

    def compute_weight(self, module, do_power_iteration=True):
        weight = getattr(module, self.name + "_orig")
        left = getattr(module, self.name + "_u")
        right = getattr(module, self.name + "_v")
        sigma = torch.dot(left, torch.mv(self.reshape_weight_to_matrix(weight), right))
        return weight / sigma

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module))


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    rows = weight.shape[dim]
    columns = 1
    for axis, size in enumerate(weight.shape):
        columns = columns * (1 if axis == dim else size)
    del module._parameters[name]
    module.register_parameter(name + "_orig", weight)
    # A plain attribute, replaced by what is computed before each call.
    setattr(module, name, torch.empty(weight.shape, dtype=weight.dtype))
    module.register_buffer(name + "_u", torch.empty(rows))
    module.register_buffer(name + "_v", torch.empty(columns))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module, name="weight"):
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, SpectralNorm) and hook.name == name:
            delattr(module, name)
            del module._buffers[name + "_u"]
            del module._buffers[name + "_v"]
            weight = module._parameters.pop(name + "_orig")
            module.register_parameter(name, Parameter(weight.data))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
