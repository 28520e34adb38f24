"""Collective operations with gradients."""

from . import functional
from .functional import all_gather, all_reduce
