"""The registry under its newer name."""

from .registry import register_model


def generate_default_cfgs(configs):
    return configs
