"""Gradients are not computed."""

from . import function, grad_mode, graph, profiler
from .function import Function
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled


class Variable:
    def __new__(cls, data, *args, **kwargs):
        return data


def backward(*args, **kwargs):
    return None


def set_detect_anomaly(mode, check_nan=True):
    return None
