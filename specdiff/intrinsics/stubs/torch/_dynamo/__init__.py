"""torch's compiler front."""

from . import config, exc


def is_compiling():
    return False


def disable(fn=None, recursive=True, *, reason=None):
    if fn is None:
        return lambda function: function
    return fn


def allow_in_graph(fn):
    return fn


def disallow_in_graph(fn):
    return fn


def assume_constant_result(fn):
    return fn


def forbid_in_graph(fn):
    return fn


def graph_break(msg=""):
    return None


def mark_static_address(t, guard=False):
    return None


def mark_static(t, index=None):
    return None


def mark_dynamic(t, index, **kwargs):
    return None


def maybe_mark_dynamic(t, index):
    return None


def reset():
    return None
