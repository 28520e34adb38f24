"""Puts the interpreter together: one `Run` whose entry points are the functions of this package."""

from __future__ import annotations

from specdiff.interp import (
    assignment,
    attributes,
    branches,
    builtins,
    calls,
    classes,
    containers,
    expressions,
    formatting,
    statements,
)
from specdiff.interp.run import Library, Loader, Run


def new_run(loader: Loader, library: Library) -> Run:
    """A fresh run over a loader's modules with the given modelled libraries."""
    run = Run(loader, library)
    run.bind(
        evaluate=expressions.evaluate,
        execute=statements.execute,
        execute_body=statements.execute_body,
        assign=statements.assign,
        make_function=statements.make_function,
        call=calls.call,
        getattr=attributes.get,
        setattr=assignment.set_,
        getitem=containers.getitem,
        listed=containers.listed,
        either=branches.either,
        printable=formatting.printable,
        plan_of=calls.plan_of,
        exception_is=statements.exception_is,
        make_dataclass=classes.make_dataclass,
    )
    run.builtins = builtins.table(run)
    run.host_types = builtins.host_types()
    return run
