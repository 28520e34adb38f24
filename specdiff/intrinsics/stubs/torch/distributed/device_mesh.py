"""Meshes of devices."""

from . import DeviceMesh


def init_device_mesh(*args, **kwargs):
    return None
