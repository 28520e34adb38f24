"""Kinds of faults, one file per sort; `ALL` is what `mutations.py` applies."""

from benchmarks.operators.anywhere import ANYWHERE
from benchmarks.operators.building import BUILDING
from benchmarks.operators.details import DETAILS
from benchmarks.operators.flows import FLOWS
from benchmarks.operators.forwards import FAULTS
from benchmarks.operators.pieces import OPERATORS
from benchmarks.operators.settings import SETTINGS
from benchmarks.operators.values import VALUES

ALL = (*OPERATORS, *FAULTS, *DETAILS, *ANYWHERE, *BUILDING, *FLOWS, *VALUES, *SETTINGS)

__all__ = ["ALL"]
