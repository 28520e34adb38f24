"""Marks for scripting."""


def _copy_to_script_wrapper(fn):
    return fn


def boolean_dispatch(*args, **kwargs):
    return kwargs["if_false"]


def ignore(drop=False, **kwargs):
    if callable(drop):
        return drop
    return lambda function: function


def unused(fn):
    return fn


def export(fn):
    return fn


class Final:
    pass
