"""Automatic casts. None is applied: the types are those that the code itself asks for."""


class autocast:
    def __init__(self, device_type="cpu", dtype=None, enabled=True, cache_enabled=None):
        self.device = device_type
        self.fast_dtype = dtype
        self._enabled = enabled

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def __call__(self, func):
        return func


def is_autocast_available(device_type):
    return True


def custom_fwd(fwd=None, *, device_type=None, cast_inputs=None):
    if fwd is None:
        return lambda function: function
    return fwd


def custom_bwd(bwd=None, *, device_type=None):
    if bwd is None:
        return lambda function: function
    return bwd
