"""Models that keep what their constructor was called with."""

import functools
import inspect


class FrozenDict(dict):
    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(f"'FrozenDict' object has no attribute '{name}'")


class ConfigMixin:
    config_name = None
    ignore_for_config = []

    @property
    def config(self):
        return self._internal_dict


def register_to_config(init):
    @functools.wraps(init)
    def inner_init(self, *args, **kwargs):
        settings = {}
        for place, (name, parameter) in enumerate(inspect.signature(init).parameters.items()):
            if place == 0:
                continue
            if place <= len(args):
                settings[name] = args[place - 1]
            elif name in kwargs:
                settings[name] = kwargs[name]
            else:
                settings[name] = parameter.default
        self._internal_dict = FrozenDict(settings)
        init(self, *args, **kwargs)

    return inner_init
