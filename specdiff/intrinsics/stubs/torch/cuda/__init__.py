"""There is no GPU where code is only read."""

from . import amp


class device:
    def __init__(self, device):
        self.idx = -1

    def __enter__(self):
        return None

    def __exit__(self, *args):
        return None


class Stream(device):
    def __init__(self, *args, **kwargs):
        pass

    def synchronize(self):
        return None

    def wait_stream(self, stream):
        return None


class stream(device):
    pass


class Event:
    def __init__(self, *args, **kwargs):
        pass

    def record(self, stream=None):
        return None

    def synchronize(self):
        return None


class CUDAGraph:
    pass


class OutOfMemoryError(RuntimeError):
    pass


default_generators = ()


def is_available():
    return False


def is_initialized():
    return False


def is_bf16_supported(including_emulation=True):
    return False


def is_current_stream_capturing():
    return False


def device_count():
    return 0


def current_device():
    raise AssertionError("Torch not compiled with CUDA enabled")


def get_device_capability(device=None):
    raise AssertionError("Torch not compiled with CUDA enabled")


def get_device_properties(device=None):
    raise AssertionError("Torch not compiled with CUDA enabled")


def get_device_name(device=None):
    raise AssertionError("Torch not compiled with CUDA enabled")


def set_device(device):
    return None


def current_stream(device=None):
    return Stream()


def default_stream(device=None):
    return Stream()


def synchronize(device=None):
    return None


def empty_cache():
    return None


def manual_seed(seed):
    return None


def manual_seed_all(seed):
    return None


def memory_allocated(device=None):
    return 0


def max_memory_allocated(device=None):
    return 0


def memory_reserved(device=None):
    return 0


def mem_get_info(device=None):
    return (0, 0)
