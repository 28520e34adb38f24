"""The call graph of a whole Python program: its top-level code runs, and what that calls, whatever fails on the way."""

from __future__ import annotations

from dataclasses import dataclass

from specdiff.interp.containers import NotIterable
from specdiff.interp.objects import BudgetExceeded, Function, Raised
from specdiff.interp.recovery import recovering
from specdiff.project.modules import Program


@dataclass(frozen=True, slots=True)
class ProgramCalls:
    """Who calls whom in a program."""

    edges: tuple[tuple[Function, Function], ...]
    """Calls between functions of the program; a module's own code is the function ``<module>``."""
    outward: tuple[tuple[Function, str], ...]
    """Calls that leave the program, by dotted name (``builtins.len``)."""


def calls_of_program(program: Program, name: str) -> ProgramCalls:
    """The calls that running a module makes; what it imports from its folder runs with it."""
    run = program.run
    run.outward = {}
    program.whole = True
    try:
        with recovering(run):
            program.module(name)
    except (Raised, NotIterable, BudgetExceeded, RecursionError):
        pass  # what was seen until then is the answer
    inside = tuple((caller, callee) for caller, callee in run.edges if caller is not None)
    return ProgramCalls(inside, tuple((caller, name) for caller, name in run.outward if caller is not None))
