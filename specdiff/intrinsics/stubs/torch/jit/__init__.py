"""Scripting leaves functions as they are."""

from .._jit_internal import Final, export, ignore, unused
from ..nn.modules.module import Module


class ScriptModule(Module):
    pass


class RecursiveScriptModule(ScriptModule):
    pass


class ScriptFunction:
    pass


class Attribute:
    def __init__(self, value, type):
        self.value = value
        self.type = type


class Error(Exception):
    pass


class TracerWarning(Warning):
    @staticmethod
    def ignore_lib_warnings():
        return None


class strict_fusion:
    def __enter__(self):
        return None

    def __exit__(self, *args):
        return None


def script(obj=None, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    if obj is None:
        return lambda function: function
    return obj


def trace(func, example_inputs=None, *args, **kwargs):
    return func


def script_if_tracing(fn):
    return fn


def interface(obj):
    return obj


def script_method(fn):
    return fn


def is_tracing():
    return False


def is_scripting():
    return False


def annotate(the_type, the_value):
    return the_value


def isinstance(obj, target_type):
    import builtins

    return builtins.isinstance(obj, target_type)


def freeze(mod, *args, **kwargs):
    return mod


def fork(func, *args, **kwargs):
    return func(*args, **kwargs)


def wait(future):
    return future


def enable_onednn_fusion(enabled):
    return None
