"""Runs a built model's ``forward`` on abstract tensors and keeps the operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from specdiff.interp.branches import ROUTED, undo
from specdiff.interp.dims import BOUNDS, TOLD, is_given, prompts_of
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Function, Instance, Value
from specdiff.interp.run import Journal, Run
from specdiff.interp.trace import Op, Trace
from specdiff.interp.values import Place, Tensor, Unknown
from specdiff.project.build import STOPS, Built, Failure, failure_of, undecided
from specdiff.project.inputs import Inputs, entry_inputs, senses_left_out, with_needed
from specdiff.project.known import KNOWN
from specdiff.project.modes import PADDED, beside_text, cached, labelled, next_token, padded, takes_cache, without_cache
from specdiff.project.modules import Program
from specdiff.project.refit import TEXT_INPUTS, Wanted, refitted, wanted_of


@dataclass(slots=True)
class Forwarded:
    """What running ``forward`` gave."""

    trace: Trace | None
    inputs: Inputs = field(default_factory=dict)
    outputs: Value = None
    nodes: tuple[int, ...] = ()
    """Operations that made the outputs' tensors; a later run may go on with these in place, so that they tell of it."""
    failure: Failure | None = None
    notes: tuple[tuple[str, Place], ...] = ()
    edges: dict[tuple[Function | None, Function], None] = field(default_factory=dict)
    mode: str = "prefill"
    left_out: tuple[str, ...] = ()
    """Inputs beside the text that the entry takes and that this run was not given."""
    wanted: Wanted | None = None
    """What the operation that failed asks of an input."""
    certain: bool = False
    """Whether the shapes of the inputs leave no choice, so that torch would refuse what this run was refused."""

    limits: dict[int, Place] = field(default_factory=dict)
    """Numbers that the prompt was taken to be shorter than, each with the first place where that decided something."""
    length: tuple[int, int | None] = BOUNDS["sequence"]
    """The least and the greatest number of tokens that the prompt stands for."""

    def undecided_operations(self) -> Iterator[Op]:
        """Operations on the way to an output of unknown shape, or that join what no condition decided."""
        if self.trace is None:
            return
        ops = self.trace.ops
        wanted = set(self.nodes)
        for op in reversed(ops):
            if op.id in wanted:
                wanted.update(op.inputs)
        for op in (ops[index] for index in sorted(wanted)):
            if op.shape is None or (op.kind == "join" and op.attrs.get("condition") not in (None, "", ROUTED)):
                yield op


def forward(program: Program, built: Built, mode: str = "prefill") -> Forwarded:
    """Run the entry ``forward`` of a built model on the first inputs that it accepts.

    Args:
        program: The program the model was built in.
        built: The model.
        mode: ``prefill`` (evaluation, a prompt, no cache given), ``decode`` (one further token with the cache that
            the prompt left), ``train`` (training, with labels where the entry takes them) or ``padded``.
    """
    run = program.run
    assert built.instance is not None
    run.file, run.line = built.cls.file, built.cls.line
    choices = entry_inputs(run, built.cls, built.instance, built.settings)
    if isinstance(choices, str):
        return Forwarded(None, failure=Failure("Undecided", choices, (run.place,)), mode=mode)
    train(run, built.instance, False)
    if mode == "decode":
        choices = [cached(built.cls, run, inputs) for inputs in choices]
    elif mode == PADDED:
        choices = [padded(built.cls, run, inputs) for inputs in choices]
    run.detailed = program.detailed
    ran = _first_accepted(program, built, choices)
    if (
        mode == "prefill"
        and _attends_to_unknown_length(run, built, ran)
        and (uncached := without_cache(built.cls, run, ran.inputs))
    ):
        # A cache of fixed length that the entry makes for itself hides what meets in the products.
        again = _attempt(run, built, uncached)
        again.left_out, again.certain = ran.left_out, ran.certain
        if (
            again.failure is None
            and not outputs_in(again.outputs)[1]
            and not _attends_to_unknown_length(run, built, again)
        ):
            return again
    if mode in ("prefill", PADDED) or ran.failure is not None:
        ran.mode = mode
        return ran
    followed = follow_up(program, built, ran, mode)
    if followed is None:
        why = "the entry hands out no cache that it takes back"
        return Forwarded(None, failure=Failure("Undecided", why, (run.place,)), mode=mode)
    return followed


def follow_up(program: Program, built: Built, prompt: Forwarded, mode: str) -> Forwarded | None:
    """Run what follows a prompt that was run: one further token with the cache it left, or a training step.

    Nothing that the prompt's outputs hold belongs to its own trace any more afterwards. None where it left no cache.
    """
    run = program.run
    inputs = {name: value for name, value in prompt.inputs.items() if name != "use_cache"}
    follow = (next_token if mode == "decode" else labelled)(built.cls, run, inputs, prompt.outputs)
    if follow is None and mode == "decode":
        return None
    train(run, built.instance, mode == "train")
    ran = _attempt(run, built, follow if follow is not None else inputs)
    if mode == "decode" and follow is not None and ran.failure is not None:
        more = beside_text(inputs, follow)
        if more is not None:
            ran = max(ran, _attempt(run, built, more), key=_reach)
    if mode == "train" and ran.failure is not None:
        # What only training asks for: labels of another shape, marks that tell the kinds of tokens apart.
        ran = _with_what_is_missing(program, built, ran)
    ran.mode = mode
    train(run, built.instance, False)
    return ran


MAX_LONGER = 3
"""Lengths of a longer prompt that are tried, the longest first: tables of positions end somewhere."""


_REFUSALS = frozenset({"AssertionError", "ValueError", "IndexError", "RuntimeError", "ShapeError"})
"""What code raises that does not take a prompt for its length."""


def longer(program: Program, built: Built, ran: Forwarded, context: int | None) -> Forwarded | None:
    """Run the same inputs with more tokens than every number that the prompt was taken to be shorter than.

    Args:
        program: The program the model was built in.
        built: The model.
        ran: The run of an ordinary prompt.
        context: Tokens that the model is made for, where that is known: a prompt has no more.

    Returns:
        The first run that came to its end, else the last; None where a longer prompt decides nothing otherwise, or the
        code refuses it.
    """
    numbers = sorted({number for number in ran.limits if context is None or number < context}, reverse=True)
    most, again = context, None
    ways = dict(built.ways)
    for number in numbers[:MAX_LONGER]:
        with prompts_of(number + 1, most):
            again = _attempt(program.run, built, ran.inputs)
            if again.failure is not None:
                # Code that hides nothing without being asked may yet want the mask of the tokens.
                with_mask = _attempt(program.run, built, padded(built.cls, program.run, ran.inputs))
                again = max(again, with_mask, key=_reach)
        built.ways.clear()
        built.ways.update(ways)  # which branches an ordinary prompt takes is asked of it alone
        again.length = (number + 1, most)
        if again.failure is None:
            return again
        most = number
    if again is None or (len(numbers) <= MAX_LONGER and again.failure is not None and again.failure.kind in _REFUSALS):
        return None
    return again


_COUNTED = frozenset({"start_pos", "start_position", "offset", "cache_position", "past_length", "position_offset"})
"""Numbers that say where a prompt begins: 0 is no example of theirs but what a prompt has."""


def renumbered(program: Program, built: Built, ran: Forwarded) -> tuple[Forwarded, tuple[str, ...]] | None:
    """Run the same inputs with other plain numbers, and the names of those: what depends on them is the caller's choice.

    None where the entry takes no number of its own, or accepts no other one.
    """
    names = tuple(
        name
        for name, value in ran.inputs.items()
        if type(value) in (int, float) and name not in KNOWN and name not in _COUNTED
    )
    if not names or ran.failure is not None:
        return None
    ways = dict(built.ways)
    for more in OTHER_NUMBERS:
        again = _attempt(program.run, built, {**ran.inputs, **{name: ran.inputs[name] + more for name in names}})
        built.ways.clear()
        built.ways.update(ways)
        if again.failure is None:
            return again, names
    return None


OTHER_NUMBERS = (1, 2, 6)
"""What is added to an example number to have another one."""


def _first_accepted(program: Program, built: Built, choices: list[Inputs]) -> Forwarded:
    run = program.run
    best: Forwarded | None = None
    fullest: Forwarded | None = None
    likeliest: Forwarded | None = None
    plain: list[Forwarded] = []
    fewest = min(map(len, choices), default=0)
    alike: list[Forwarded] = []
    for inputs in choices:
        if len(alike) > 1 and alike[-1].inputs.keys() == inputs.keys():
            continue  # a third form of the same inputs would come to where two have come
        ran = _attempt(run, built, inputs)
        if ran.failure is not None and ran.failure.apart is not None:
            ran = _reshaped(run, built, ran)  # the code says what it takes; with less it may leave parts of itself out
        alike = [*alike, ran] if _stops_as(ran, alike) else [ran]
        ran.left_out = senses_left_out(built.cls, run, inputs)
        if ran.failure is None and not outputs_in(ran.outputs)[1]:
            return ran
        likeliest = likeliest or ran
        # Refused by the same line in the same words, a longer run has come no further.
        if best is None or (_reach(ran) > _reach(best) and (ran.failure is None or ran.failure != best.failure)):
            best = ran
        if set(inputs) <= TEXT_INPUTS:
            plain.append(ran)
        if len(inputs) > (len(fullest.inputs) if fullest is not None else fewest):
            fullest = ran
    assert best is not None
    best = _with_what_is_missing(program, built, best)
    if best.failure is not None and likeliest is not None and likeliest.inputs is not best.inputs:
        # Guesses that are accepted further on may be wrong from the start.
        best = max(best, _reshaped(run, built, likeliest), key=_reach)
    if best.failure is not None and fullest is not None:
        other = _with_what_is_missing(program, built, fullest)
        best = max(best, other, key=_reach)
    if best.failure is not None and best.failure.kind in _OPEN and not any(map(_got_stuck, plain)):
        # What torch refuses of text alone says more than where the run of other inputs got stuck.
        best = next((ran for ran in plain if ran.failure is not None and ran.failure.shape), best)
    # An input that was added later is a guess, too: a failure on it may be the guess's own.
    best.certain = best.failure is not None and all(set(inputs) <= TEXT_INPUTS for inputs in (*choices, best.inputs))
    return best


FAR = 500
"""Operations of a run that fails late: where it fails has little to do with the shapes of its inputs, which the first
operations decide on."""


def _stops_as(ran: Forwarded, before: list[Forwarded]) -> bool:
    """Whether a run fails late, and for the reason that the run before had with the same inputs in other shapes."""
    if not before or ran.failure is None or ran.failure != before[-1].failure or ran.failure.shape:
        return False
    return ran.inputs.keys() == before[-1].inputs.keys() and ran.trace is not None and len(ran.trace.ops) >= FAR


_OPEN = ("Undecided", "Limit")
"""Kinds of failure that say nothing about the code."""


def _got_stuck(ran: Forwarded) -> bool:
    return ran.failure is not None and ran.failure.kind in _OPEN


def _attends_to_unknown_length(run: Run, built: Built, ran: Forwarded) -> bool:
    """Whether a softmax runs over a number that nothing is known of, or a module that is given a cache counts positions
    up to one."""
    if ran.failure is not None or ran.trace is None:
        return False
    counting: set[str] = set()
    for op in ran.trace.ops:
        if op.kind == "softmax":
            if op.shape and not is_given(op.shape[-1]):
                return True
        elif op.kind == "constant" and op.shape and "range" in op.attrs and not is_given(op.shape[0]):
            counting.add(op.module)
    assert built.instance is not None
    return any(takes_cache(run, built.instance, path) for path in counting)


MAX_ADDED = 3
"""Times that arguments are added to a call that asked for them by failing."""
MAX_RESHAPED = 6
"""Runs with arguments of other shapes, for a call that asked for them by failing."""


def _with_what_is_missing(program: Program, built: Built, best: Forwarded) -> Forwarded:
    """Call again with the optional arguments that are mentioned where the call failed, as long as that leads further."""
    run = program.run
    assert built.instance is not None
    for _ in range(MAX_ADDED):
        if best.failure is None or best.failure.kind in _OPEN:
            return best
        reshaped = _reshaped(run, built, best)
        if _reach(reshaped) > _reach(best):
            reshaped.left_out = senses_left_out(built.cls, run, reshaped.inputs)
            best = reshaped
            continue
        assert best.failure is not None
        seen: set[str] = set()
        for words in _mentioned(program, best.failure):
            found = with_needed(run, built.cls, built.instance, built.settings, best.inputs, words - seen)
            seen |= words
            better = max([_attempt(run, built, inputs) for inputs in found], key=_reach, default=best)
            if _reach(better) > _reach(best):
                break
        else:
            return best
        better.left_out = senses_left_out(built.cls, run, better.inputs)
        best = better
    return best


def _reshaped(run: Run, built: Built, failed: Forwarded) -> Forwarded:
    """The first run that succeeds with inputs in the shapes that failures ask for, else the one that went furthest."""
    best, queue = failed, [failed]
    tried = 0
    while queue:
        current = max(queue, key=_reach)
        queue.remove(current)
        assert current.failure is not None
        if current.wanted is not None and current.wanted[0] in TEXT_INPUTS:
            continue
        for inputs in refitted(current.inputs, current.failure, current.wanted):
            if tried == MAX_RESHAPED:
                return best
            tried += 1
            ran = _attempt(run, built, inputs)
            if ran.failure is None:
                return ran
            if _reach(ran) >= _reach(current) and ran.failure.kind not in _OPEN:
                queue.append(ran)
                best = max(best, ran, key=_reach)
    return best


def _mentioned(program: Program, failure: Failure) -> Iterator[set[str]]:
    """The words of the lines that a failure comes from (with the guard above them), the innermost first."""
    units = {unit.name: unit for unit in program.units.values()}
    for place in failure.places:
        unit = units.get(place.file)
        if unit is not None:
            lines = unit.text.splitlines()[max(0, place.line - 3) : place.line + 1]
            yield set(re.findall(r"[A-Za-z_]\w*", " ".join(lines)))


def _reach(ran: Forwarded) -> tuple[bool, int]:
    return ran.failure is None, len(ran.trace.ops) if ran.trace is not None else 0


def _attempt(run: Run, built: Built, inputs: Inputs) -> Forwarded:
    run.notes.clear()
    run.open_lists.clear()
    run.steps = run.depth = 0
    run.file, run.line = built.cls.file, built.cls.line
    run.recording = run.caller = None
    journal = run.journal = Journal(None)
    ways: dict[int, int] = {}
    run.ways = ways
    run.sites.clear()
    run.edges = {}
    assert built.instance is not None
    trace = Trace(built.instance)
    trace.journal = journal
    trace.detailed = run.detailed
    run.trace = trace
    limits: dict[int, Place] = {}
    TOLD.append(lambda number: limits.setdefault(number, run.place) and None)
    outputs: Value = None
    failure: Failure | None = None
    wanted: Wanted | None = None
    tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
    listed = [(name, item) for name, value in inputs.items() if isinstance(value, list) for item in value]
    try:
        for name, tensor in [*tensors.items(), *[(name, item) for name, item in listed if isinstance(item, Tensor)]]:
            tensor.node = trace.add(run, "input", (), tensor, {"name": name})
        outputs = _scored(run, built.instance, run.call(built.instance, (), dict(inputs)))
        if isinstance(outputs, Unknown):
            failure = undecided(outputs)
    except STOPS as error:
        failure = failure_of(run, error)
        wanted = wanted_of(getattr(error, "value", None), trace)
    finally:
        TOLD.pop()
        trace.close()
        run.trace = run.journal = run.ways = None
    if failure is None:
        # What a run came to that did not get to its end shows in no operation.
        for node, way in ways.items():
            built.ways[node] = built.ways.get(node, 0) | way
    named, missing = outputs_in(outputs)
    if failure is not None or missing:
        outputs = {**named, **{f"unknown.{index}": value for index, value in enumerate(missing)}}
        undo(journal)
    _let_go(journal, outputs)
    nodes = tuple(tensor.node for tensor in tensors_in(outputs) if tensor.node is not None)
    notes = tuple((note.reason, note.place) for note in run.notes)
    return Forwarded(trace, inputs, outputs, nodes, failure, notes, run.edges, wanted=wanted, limits=limits)


def _scored(run: Run, instance: Instance, outputs: Value) -> Value:
    """What serving libraries make of the hidden states that ``forward`` gives back: their models' scores of words."""
    score = lookup(instance.cls, "compute_logits")[0]
    if not isinstance(score, Function) or not isinstance(outputs, Tensor):
        return outputs
    plan = run.plan_of(score)
    asked = [name for name in (*plan.names[1:], *plan.kwonly) if name not in plan.defaults]
    return run.call(run.getattr(instance, "compute_logits"), (outputs,), {}) if len(asked) == 1 else outputs


def _let_go(journal: Journal, outputs: Value) -> None:
    """Tensors that a run left in the model's own state (a cache in an attribute) are plain state to the next run."""
    given = {id(tensor) for tensor in tensors_in(outputs)}
    for target, _ in journal.saved.values():
        held: Iterable[Any] = ()
        if isinstance(target, Instance):
            held = target.attrs.values()
        elif isinstance(target, dict):
            held = target.values()
        elif isinstance(target, list | set):
            held = target
        for value in held:
            if isinstance(value, Tensor) and id(value) not in given:
                value.node = None


def train(run: Run, module: Value, mode: bool) -> None:
    """``module.train(mode)``, without a call per module where nobody has written a ``train`` of their own."""
    if not isinstance(module, Instance):
        return
    own = lookup(module.cls, "train")[1]
    if isinstance(own, ClassVal) and own.name != "Module":
        run.call(run.getattr(module, "train"), (mode,), {})
        return
    module.attrs["training"] = mode
    for child in (module.attrs.get("_modules") or {}).values():
        train(run, child, mode)


def outputs_in(value: Any, name: str = "", depth: int = 0) -> tuple[dict[str, Tensor], list[Unknown]]:
    """The tensors of an output by name (``logits``, ``past_key_values.0``), and what is not known in it."""
    found: dict[str, Tensor] = {}
    unknown: list[Unknown] = []
    if isinstance(value, Tensor):
        found[name or "output"] = value
    elif isinstance(value, Unknown):
        unknown.append(value)
    elif depth <= 6:
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, list | tuple):
            items = enumerate(value)
        elif isinstance(value, dict):
            items = value.items()
        elif isinstance(value, Instance):
            native = value.native
            names = getattr(value.cls.native, "_fields", None)
            if isinstance(native, tuple):
                items = zip(names, native, strict=True) if names is not None else enumerate(native)
            else:
                items = native.items() if isinstance(native, dict) and native else value.attrs.items()
        for key, item in items:
            inner, missing = outputs_in(item, f"{name}.{key}" if name else str(key), depth + 1)
            found.update(inner)
            unknown.extend(missing)
    return found, unknown


def tensors_in(value: Any, depth: int = 0) -> list[Tensor]:
    """The tensors of an output, in order."""
    if isinstance(value, Tensor):
        return [value]
    if depth > 6:
        return []
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors_in(item, depth + 1)]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in tensors_in(item, depth + 1)]
    if isinstance(value, Instance):
        if isinstance(value.native, dict | tuple) and value.native:
            return tensors_in(value.native, depth + 1)
        return tensors_in(value.attrs, depth + 1)
    return []
