"""What ``forward`` can reach beyond the one run of it that was followed: more calls, more parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from specdiff.interp.containers import NotIterable
from specdiff.interp.host_calls import REST
from specdiff.interp.lookups import lookup
from specdiff.interp.memo import template_of
from specdiff.interp.objects import BudgetExceeded, ClassVal, Function, Instance, ModuleVal, Raised, Value
from specdiff.interp.recovery import recovering
from specdiff.interp.trace import Trace
from specdiff.interp.values import Tensor, Unknown
from specdiff.project.build import Built
from specdiff.project.forward import Forwarded, follow_up, forward
from specdiff.project.inputs import Inputs, entry_inputs, entry_of
from specdiff.project.modes import CACHES, tensors_below
from specdiff.project.modules import Program

Edges = dict[tuple[Function | None, Function], None]


def possible_calls(program: Program, built: Built, inputs: Inputs) -> Edges:
    """Calls between functions of model code, found by going on after whatever fails (`interp.recovery`).

    Where the configuration says that a cache is kept, one is made, as a model does that is called without further ado.
    """
    _run_class_statements(program, built)
    required, taken = (_arguments(program, built, required=flag) for flag in (True, False))
    choice = {"use_cache": True} if _keeps_cache(built.config, 0) and "use_cache" in taken else {}
    edges: Edges = {}
    main = lookup(built.cls, "main_input_name")[0]
    # What accompanies the main input (an image's grid, another modality) may lead past the code for it alone.
    fewest = {name for name in inputs if name == main or name in required}
    for names in (set(inputs), fewest) if fewest and fewest != set(inputs) else (set(inputs),):
        with _another_run(program, built, inputs) as offered:
            given = offered if names == set(inputs) else {name: offered[name] for name in names if name in offered}
            missing = _unknown(program, [name for name in required if name not in given])
            _run(program, {**given, **missing, **choice}, built)
            edges.update(program.run.edges)
    alone = _of_another_form(program, built, inputs, main) if fewest != set(inputs) else None
    if alone is not None:
        with _another_run(program, built, alone) as given:
            _run(program, {**given, **choice}, built)
            edges.update(program.run.edges)
    return edges


def _of_another_form(program: Program, built: Built, inputs: Inputs, main: Value) -> Inputs | None:
    """The main input by itself with another number of dimensions than the one that company gives it: a picture in place
    of a picture's patches; None where there is no such form."""
    assert built.instance is not None
    given = inputs.get(main) if isinstance(main, str) else None
    if not isinstance(given, Tensor) or given.shape is None:
        return None
    choices = entry_inputs(program.run, built.cls, built.instance, built.settings)
    for each in choices if not isinstance(choices, str) else ():
        other = each.get(main)
        if isinstance(other, Tensor) and other.shape is not None and len(other.shape) != len(given.shape):
            return {main: other}
    return None


def calls_of_modes(program: Program, built: Built, ran: Forwarded) -> Edges:
    """Calls that happen in the modes beside the one that was followed: with a cache, and in training with labels.

    The last that is done with a run: what its outputs hold is given to the next token.
    """
    edges: Edges = {}
    for mode in ("prefill", "train", "decode"):
        if mode == ran.mode or (ran.mode == "prefill" and ran.failure is not None):
            continue
        after = follow_up(program, built, ran, mode) if ran.mode == "prefill" else forward(program, built, mode)
        if after is None and _may_keep_cache(program, built):
            after = forward(program, built, mode)
        if after is not None:
            edges.update(after.edges)
    return edges


def _may_keep_cache(program: Program, built: Built) -> bool:
    """Whether the entry takes a cache, and a wish to keep one."""
    taken = _arguments(program, built, required=False)
    return "use_cache" in taken and any(name in taken for name in CACHES)


def possible_reads(program: Program, built: Built, ran: Forwarded) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the parameters that ``forward`` looks at with some choice of its arguments, training or not, and of those
    that data may pass on their way to what it gives then: all of the first where what it gives is open."""
    run = program.run
    assert built.instance is not None
    with _another_run(program, built, ran.inputs) as given:
        names = [name for name in _arguments(program, built, required=False) if name not in given]
        run.read = {}
        try:
            run.call(run.getattr(built.instance, "train"), (run.unknown("whether the model is being trained"),), {})
            function = entry_of(built.cls)
            if function is not None and run.plan_of(function).kwarg is not None:
                names.append(REST)
            outputs: list[Value] = []
            whole = _run(program, {**given, **_unknown(program, names)}, built, outputs)
            trace = run.trace
            assert trace is not None
            reaching = _reaching(trace, [tensor.node for tensor in tensors_below(outputs, 0, set())])
            run.call(run.getattr(built.instance, "eval"), (), {})
            read = frozenset(_names(built.instance, "", run.read if whole else None))
            known = whole and outputs and not isinstance(outputs[0], Unknown)
            return read, reaching if known else read
        finally:
            run.read = None


@contextmanager
def _another_run(program: Program, built: Built, inputs: Inputs) -> Iterator[dict[str, Value]]:
    """The state of a fresh run of ``forward``; gives arguments like those of the ordinary one, named by ``inputs``."""
    run = program.run
    assert built.instance is not None
    notes = list(run.notes)
    run.open_lists.clear()
    run.steps = run.depth = 0
    run.file, run.line = built.cls.file, built.cls.line
    run.journal = run.recording = run.caller = None
    run.sites.clear()
    run.edges = {}
    trace = Trace(built.instance)
    run.trace = trace
    try:
        given = {name: _renewed(value) for name, value in inputs.items()}
        if not given:
            choices = entry_inputs(run, built.cls, built.instance, built.settings)
            given.update(choices[0] if not isinstance(choices, str) else {})
        for name, tensor in given.items():
            if isinstance(tensor, Tensor):
                tensor.node = trace.add(run, "input", (), tensor, {"name": name})
        yield given
    finally:
        trace.close()
        run.trace = None
        run.notes[:] = notes


def _renewed(value: Value) -> Value:
    """An input as it was before the run that it was given to."""
    if isinstance(value, list):
        return [_renewed(item) for item in value]
    return Tensor(value.shape, value.dtype, const=value.const) if isinstance(value, Tensor) else value


def _reaching(trace: Trace, outputs: list[int | None]) -> frozenset[str]:
    """Names of the parameters before some operations, or before anything that went into what is not known."""
    wanted = {node for node in outputs if node is not None} | trace.lost
    names = set()
    for op in reversed(trace.ops):
        if op.id in wanted:
            wanted.update(op.inputs)
            if op.kind == "parameter":
                names.add(op.attrs["name"])
    return frozenset(names)


def _run(program: Program, arguments: dict[str, Value], built: Built, outputs: list[Value] | None = None) -> bool:
    """Call the model and keep what it gives; whether nothing came up that could not be passed over."""
    try:
        with recovering(program.run):
            given = program.run.call(built.instance, (), arguments)
            if outputs is not None:
                outputs.append(given)
    except (Raised, NotIterable, BudgetExceeded, RecursionError):
        return False
    return True


def _run_class_statements(program: Program, built: Built) -> None:
    """Run the class statements of the files that a model's modules come from: some classes make themselves known to
    the library by being defined (a layer of a cache, by its name), and nothing else in their file mentions them."""
    files = list(_modules(program, built.instance, set()))
    for name in files:
        module = program.module(name)
        if isinstance(module, ModuleVal) and module.unit is not None:
            for chunk in module.unit.chunks:
                if chunk.kind == "class":
                    with suppress(Raised, NotIterable, BudgetExceeded):
                        module.get(chunk.name)


def _modules(program: Program, instance: Value, seen: set[str]) -> Iterator[str]:
    """Names of the model-code modules that define the classes of a module tree."""
    if not isinstance(instance, Instance) or template_of(instance) is not None:
        return
    for cls in instance.cls.mro:
        if isinstance(cls, ClassVal) and cls.module.name not in seen:
            seen.add(cls.module.name)
            if program.defined_in_models(cls.module.name):
                yield cls.module.name
    for child in (instance.attrs.get("_modules") or {}).values():
        yield from _modules(program, child, seen)


def _arguments(program: Program, built: Built, required: bool) -> list[str]:
    """Names of the arguments of ``forward`` (only those it cannot do without)."""
    function = entry_of(built.cls)
    if function is None:
        return []
    plan = program.run.plan_of(function)
    return [name for name in (*plan.names[1:], *plan.kwonly) if not required or name not in plan.defaults]


def _unknown(program: Program, names: list[str]) -> dict[str, Unknown]:
    return {name: program.run.unknown(f"the input {name}") for name in names}


def _keeps_cache(config: Value, depth: int) -> bool:
    """Whether ``use_cache`` is set in a configuration or in that of a part."""
    if not isinstance(config, Instance) or "config" not in config.cls.flags or depth > 3:
        return False
    own = config.attrs.get("use_cache")
    return own is True or any(_keeps_cache(part, depth + 1) for part in config.attrs.values())


def _names(module: Instance, prefix: str, read: dict[int, Tensor] | None) -> Iterator[str]:
    """Names of the parameters among some tensors (of all, for None); a copy nobody has looked into holds none."""
    if read is not None and template_of(module) is not None:
        return
    for name, tensor in (module.attrs.get("_parameters") or {}).items():
        if read is None or id(tensor) in read:
            yield prefix + name
    for name, child in (module.attrs.get("_modules") or {}).items():
        if isinstance(child, Instance):
            yield from _names(child, f"{prefix}{name}.", read)
