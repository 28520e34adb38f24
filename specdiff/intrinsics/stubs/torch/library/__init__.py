"""Custom operators run their Python body."""


class _CustomOp:
    def __init__(self, function):
        self._function = function

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)

    def register_fake(self, function=None, /):
        return function if function is not None else lambda inner: inner

    def register_kernel(self, device_types, function=None, /):
        return function if function is not None else lambda inner: inner

    def register_autograd(self, backward, /, *, setup_context=None):
        return None


class Library:
    def __init__(self, *args, **kwargs):
        pass

    def define(self, *args, **kwargs):
        return None

    def impl(self, *args, **kwargs):
        return None


def custom_op(name, fn=None, /, *, mutates_args=(), device_types=None, schema=None, tags=None):
    if fn is not None:
        return _CustomOp(fn)
    return _CustomOp


def triton_op(name, fn=None, /, *, mutates_args=(), schema=None):
    if fn is not None:
        return fn
    return lambda function: function


def wrap_triton(kernel, /):
    return kernel


def register_fake(op, func=None, /, *, lib=None, _stacklevel=1, allow_override=False):
    return func if func is not None else lambda function: function


def register_autograd(op, backward, /, *, setup_context=None, lib=None):
    return None


def register_kernel(op, device_types, func=None, /, *, lib=None):
    return func if func is not None else lambda function: function


def impl(*args, **kwargs):
    return lambda function: function


def define(*args, **kwargs):
    return lambda function: function
