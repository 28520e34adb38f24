"""The normal, categorical, Bernoulli and Gumbel distributions; every other one is unknown where it is asked for."""

from . import bernoulli, categorical, gumbel, normal
from .bernoulli import Bernoulli
from .categorical import Categorical
from .distribution import Distribution
from .gumbel import Gumbel
from .normal import Normal
