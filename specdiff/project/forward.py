"""Runs a built model's ``forward`` on abstract tensors and keeps the operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from specdiff.interp.objects import BudgetExceeded, Function, Raised, Value
from specdiff.interp.ops import NotIterable
from specdiff.interp.trace import Trace
from specdiff.interp.values import Place, Tensor, Unknown
from specdiff.project.build import Built, Failure, failure_of
from specdiff.project.inputs import entry_inputs
from specdiff.project.modules import Program


@dataclass(slots=True)
class Forwarded:
    """What running ``forward`` gave."""

    trace: Trace | None
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: Value = None
    failure: Failure | None = None
    notes: tuple[tuple[str, Place], ...] = ()
    edges: dict[tuple[Function | None, Function], None] = field(default_factory=dict)


def forward(program: Program, built: Built) -> Forwarded:
    """Run the entry ``forward`` of a built model, in evaluation mode, without a cache (the prefill of a prompt)."""
    run = program.run
    assert built.instance is not None
    run.notes.clear()
    run.open_lists.clear()
    run.steps = run.depth = 0
    run.file, run.line = built.cls.file, built.cls.line
    run.journal = run.recording = run.caller = None
    run.sites.clear()
    run.edges = {}
    inputs = entry_inputs(run, built.cls, built.config)
    if isinstance(inputs, str):
        return Forwarded(None, failure=Failure("Undecided", inputs, (run.place,)))
    trace = Trace(built.instance)
    run.trace = trace
    outputs: Value = None
    failure: Failure | None = None
    try:
        run.call(run.getattr(built.instance, "eval"), (), {})
        for name, tensor in inputs.items():
            tensor.node = trace.add(run, "input", (), tensor, {"name": name})
        outputs = run.call(built.instance, (), dict(inputs))
        if isinstance(outputs, Unknown):
            failure = Failure("Undecided", outputs.reason, (outputs.place,) if outputs.place else ())
    except Raised as error:
        failure = failure_of(run, error)
    except NotIterable as stop:
        failure = Failure("Undecided", stop.value.reason, (stop.value.place,) if stop.value.place else ())
    except BudgetExceeded as error:
        failure = Failure("Limit", f"the limit {error.limit} was reached", (error.place,) if error.place else ())
    except RecursionError:
        failure = Failure("Limit", "the limit MAX_CALL_DEPTH was reached", (run.place,))
    finally:
        trace.close()
        run.trace = None
    notes = tuple((note.reason, note.place) for note in run.notes)
    return Forwarded(trace, inputs, outputs, failure, notes, run.edges)


def tensors_in(value: Any, depth: int = 0) -> list[Tensor]:
    """The tensors of an output, in order."""
    from specdiff.interp.objects import Instance  # noqa: PLC0415

    if isinstance(value, Tensor):
        return [value]
    if depth > 6:
        return []
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item, depth + 1)]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in tensors_in(item, depth + 1)]
    if isinstance(value, Instance):
        if isinstance(value.native, dict) and value.native:
            return tensors_in(value.native, depth + 1)
        return tensors_in(value.attrs, depth + 1)
    return []
