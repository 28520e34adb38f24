"""torch, as far as model code sees classes and switches; functions, dtypes and numbers are modelled natively.

What is asked about the machine has the answers of a machine without accelerators, on which nothing is distributed,
compiled, traced or scripted.
"""

from specdiff_native import tensor_of

from . import (
    _dynamo,
    _higher_order_ops,
    _jit_internal,
    accelerator,
    amp,
    autograd,
    backends,
    compiler,
    cuda,
    distributed,
    distributions,
    export,
    fx,
    hub,
    jit,
    library,
    mps,
    nn,
    onnx,
    optim,
    overrides,
    random,
    types,
    utils,
    version,
    xpu,
)
from .amp import autocast
from .autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .random import Generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .version import __version__


class Tensor:
    """For ``isinstance``; tensors themselves are native."""

    def __new__(cls, *args, **kwargs):
        return tensor_of(*args, **kwargs)


class FloatTensor(Tensor):
    pass


class DoubleTensor(Tensor):
    pass


class HalfTensor(Tensor):
    pass


class BFloat16Tensor(Tensor):
    pass


class LongTensor(Tensor):
    pass


class IntTensor(Tensor):
    pass


class ShortTensor(Tensor):
    pass


class CharTensor(Tensor):
    pass


class ByteTensor(Tensor):
    pass


class BoolTensor(Tensor):
    pass


class Size(tuple):
    def __new__(cls, items=()):
        return tuple(items)


class dtype:
    """For ``isinstance``; the types themselves are native."""


class memory_format:
    pass


class layout:
    pass


class SymInt:
    pass


class SymFloat:
    pass


class SymBool:
    pass


class OutOfMemoryError(RuntimeError):
    pass


def typename(obj):
    kind = type(obj)
    module = getattr(kind, "__module__", "")
    return kind.__name__ if module in ("", "builtins") else f"{module}.{kind.__name__}"


def compile(model=None, *, fullgraph=False, dynamic=None, backend="inductor", mode=None, options=None, disable=False):
    if model is None:
        return lambda function: function
    return model


def is_grad_enabled():
    return True


def is_inference_mode_enabled():
    return False


def is_autocast_enabled(device_type=None):
    return False


def is_autocast_cpu_enabled():
    return False


def is_autocast_cache_enabled():
    return True


def get_autocast_dtype(device_type):
    return bfloat16 if device_type == "cpu" else float16  # noqa: F821 (native names of this module)


def get_autocast_gpu_dtype():
    return float16  # noqa: F821


def get_autocast_cpu_dtype():
    return bfloat16  # noqa: F821


def set_default_dtype(d):
    return None


def set_default_device(device):
    return None


def set_default_tensor_type(t):
    return None


def set_num_threads(number):
    return None


def get_num_threads():
    return 1


def set_float32_matmul_precision(precision):
    return None


def get_float32_matmul_precision():
    return "highest"


def set_printoptions(**kwargs):
    return None


def use_deterministic_algorithms(mode, *, warn_only=False):
    return None


def are_deterministic_algorithms_enabled():
    return False


def set_deterministic_debug_mode(debug_mode):
    return None


def get_deterministic_debug_mode():
    return 0


def _assert(condition, message):
    return None


def _check(cond, message=None):
    return None


def _check_is_size(i, message=None, *, max=None):
    return None


def _check_value(cond, message=None):
    return None


def _check_with(error_type, cond, message):
    return None


def _check_tensor_all(cond, message=None):
    return None


def _check_tensor_all_with(error_type, cond, message=None):
    return None


def save(obj, f, *args, **kwargs):
    return None


def sym_int(value):
    return int(value)


def sym_max(a, b):
    return max(a, b)


def sym_min(a, b):
    return min(a, b)


def sym_not(value):
    return not value


def sym_ite(condition, yes, no):
    return yes if condition else no
