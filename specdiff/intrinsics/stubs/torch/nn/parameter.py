"""Parameters and buffers: classes for ``isinstance``, whose instances are tensors that the analysis makes natively."""

from specdiff_native import buffer, parameter, uninitialized


class Parameter:
    def __new__(cls, data=None, requires_grad=True):
        return parameter(data, requires_grad)


class Buffer:
    def __new__(cls, data=None, *, persistent=True):
        return buffer(data, persistent)


class UninitializedTensorMixin:
    pass


class UninitializedParameter(Parameter):
    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return uninitialized()


class UninitializedBuffer:
    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True, **kwargs):
        return uninitialized()


def is_lazy(param):
    return isinstance(param, UninitializedParameter)
