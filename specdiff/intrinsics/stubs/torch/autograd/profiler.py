"""Profiling marks."""


class record_function:
    def __init__(self, name, args=None):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def __call__(self, function):
        return function


class profile(record_function):
    def __init__(self, *args, **kwargs):
        pass
