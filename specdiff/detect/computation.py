"""Every operation as one fact, for drafts: what no other key names shows here when it changes."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from specdiff.cache import analysis_version
from specdiff.facts import Evidence, Fact, Level, Undecided
from specdiff.graph.canonical import Part, Step, canonical, listed
from specdiff.graph.operations import Operations
from specdiff.results import Operation, OperationPart

OPERATIONS = "computation.operations"
NOT_FOLLOWED = "not followed"
"""The only step of a run that the analysis could not follow; such a run is compared with none."""
_MOST_STEPS = 6_000
"""Steps that are written out; where there are more, each part becomes one step."""


class Run(NamedTuple):
    """One way of calling ``forward``."""

    name: str
    """Empty for the plain prompt, else `padded`, `decode` or `train`."""
    operations: Operations | None
    """None where it could not be followed to its end."""
    lost: frozenset[int] = frozenset()
    """Operations whose results went into something of which nothing is known."""
    failure: str = ""
    """The exception that it ends in, where it is certain; a run that is merely not understood has none."""


def operations(runs: Sequence[Run], here: tuple[str, int]) -> Fact | Undecided:
    """`computation.operations`: the plain prompt's parts, and of the other runs what the plain one has not.

    Args:
        runs: The plain prompt first.
        here: The class's file and line.
    """
    first, *others = runs
    if first.operations is None and first.failure:
        return refused(first.failure, *here)
    if first.operations is None or not first.operations.outputs:
        return Undecided("forward was not followed to an output", *here, OPERATIONS)
    plain = canonical(first.operations, first.lost)
    value = [f"analysis: {analysis_version()}"]
    evidence: list[Evidence] = []
    _write(value, evidence, "", plain)
    known = {part.path: {step.digest for step in part.steps} for part in plain}
    for run in others:
        if run.operations is None or not run.operations.outputs:
            value.append(f"{run.name} model: {run.failure or NOT_FOLLOWED}")
            continue
        new = [
            Part(part.path, tuple(step for step in part.steps if step.digest not in known.get(part.path, ())))
            for part in canonical(run.operations, run.lost)
        ]
        _write(value, evidence, run.name, [part for part in new if part.steps])
    return Fact(OPERATIONS, tuple(value), Level.USED, tuple(dict.fromkeys(evidence)))


def compared(run: Run) -> tuple[OperationPart, ...]:
    """The parts of one run as they are compared between two states of the code; none where it was not followed."""
    if run.operations is None or not run.operations.outputs:
        return ()
    return tuple(
        OperationPart(
            item.label, tuple(Operation(step.text, step.digest, step.file, step.line) for step in item.part.steps)
        )
        for item in listed(canonical(run.operations, run.lost))
    )


def refused(failure: str, file: str, line: int) -> Fact:
    """`computation.operations` of code that certainly raises on the way to an output: a draft leaves it out."""
    step = failure.replace("|", "/").replace("#", "")
    value = (f"analysis: {analysis_version()}", f"model: {step}")
    return Fact(OPERATIONS, value, Level.USED, (Evidence(file, line, line, step),))


def _write(value: list[str], evidence: list[Evidence], name: str, parts: list[Part]) -> None:
    found = listed(parts)
    whole = sum(len(item.part.steps) for item in found) <= _MOST_STEPS
    for item in found:
        steps = [_written(step) for step in item.part.steps] if whole else [_summary(item.part.steps)]
        value.append(f"{name} {item.label}: {' | '.join(steps)}".lstrip())
        evidence.extend(
            Evidence(step.file, step.line, step.line, text) for step, text in zip(item.part.steps, steps, strict=False)
        )


def _written(step: Step) -> str:
    return f"{step.text.replace('|', '/').replace('#', '')}#{step.digest}"


def _summary(steps: tuple[Step, ...]) -> str:
    whole = blake2b("".join(sorted(step.digest for step in steps)).encode(), digest_size=5).hexdigest()
    return f"{len(steps)} operations#{whole}"
