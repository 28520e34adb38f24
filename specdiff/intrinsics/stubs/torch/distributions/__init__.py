"""The normal and the categorical distribution; every other one is unknown where it is asked for."""

from .categorical import Categorical
from .distribution import Distribution
from .normal import Normal
