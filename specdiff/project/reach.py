"""The calls that ``forward`` can make, for a model whose ``forward`` could not be followed to its end."""

from __future__ import annotations

from specdiff.interp.objects import BudgetExceeded, Function, Instance, Raised, Value
from specdiff.interp.ops import NotIterable, lookup
from specdiff.interp.recovery import recovering
from specdiff.interp.trace import Trace
from specdiff.interp.values import Tensor, Unknown
from specdiff.project.build import Built
from specdiff.project.inputs import entry_inputs
from specdiff.project.modules import Program

Edges = dict[tuple[Function | None, Function], None]


def possible_calls(program: Program, built: Built) -> Edges:
    """Calls between functions of model code, found by going on after whatever fails (`interp.recovery`).

    Where the configuration says that a cache is kept, one is made, as a model does that is called without further ado.
    """
    run = program.run
    assert built.instance is not None
    run.open_lists.clear()
    run.steps = run.depth = 0
    run.file, run.line = built.cls.file, built.cls.line
    run.journal = run.recording = run.caller = None
    run.sites.clear()
    edges: Edges = {}
    run.edges = edges
    trace = Trace(built.instance)
    run.trace = trace
    notes = list(run.notes)
    try:
        with recovering(run):
            choices = entry_inputs(run, built.cls, built.instance, built.config)
            known: dict[str, Value] = {} if isinstance(choices, str) else dict(choices[0])
            for name, tensor in known.items():
                if isinstance(tensor, Tensor):
                    tensor.node = trace.add(run, "input", (), tensor, {"name": name})
            run.call(built.instance, (), {**_required(program, built), **known, **_cache_choice(program, built)})
    except (Raised, NotIterable, BudgetExceeded, RecursionError):
        pass  # what was seen until then is the answer
    finally:
        trace.close()
        run.trace = None
        run.notes[:] = notes
    return edges


def _required(program: Program, built: Built) -> dict[str, Unknown]:
    """An unknown value for each argument that ``forward`` cannot do without."""
    run = program.run
    function = lookup(built.cls, "forward")[0]
    if not isinstance(function, Function):
        return {}
    plan = run.plan_of(function)
    names = [*plan.names[1:], *plan.kwonly]
    return {name: run.unknown(f"the input {name}") for name in names if name not in plan.defaults}


def _cache_choice(program: Program, built: Built) -> dict[str, bool]:
    """``use_cache`` as the configuration (or that of one of its parts) has it, for a ``forward`` that takes it."""
    function = lookup(built.cls, "forward")[0]
    if not isinstance(function, Function):
        return {}
    plan = program.run.plan_of(function)
    if "use_cache" not in (*plan.names, *plan.kwonly):
        return {}
    return {"use_cache": True} if _keeps_cache(built.config, 0) else {}


def _keeps_cache(config: Value, depth: int) -> bool:
    if not isinstance(config, Instance) or "config" not in config.cls.flags or depth > 3:
        return False
    own = config.attrs.get("use_cache")
    return own is True or any(_keeps_cache(part, depth + 1) for part in config.attrs.values())
