"""Whether a class is a whole implementation, a part of one, or a skeleton."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from specdiff.audit.outputs import is_abstract, is_base
from specdiff.audit.rules import RULES
from specdiff.audit.subject import Subject
from specdiff.interp.lookups import lookup
from specdiff.interp.objects import Function
from specdiff.results import Finding, Severity

COMPLETE, PARTIAL, SKELETON, UNDECIDED = "complete", "partial", "skeleton", "undecided"

_FATAL = frozenset({"output.independent", "forward.missing"})
"""Findings that leave nothing of a model."""
_LOST = frozenset({"parameter.unread", "parameter.dropped", "module.uncalled", "loop.idle", "value.zeroed"})
"""Findings that say that parameters have no part in the answer."""
_HOLLOW = 0.5
"""Share of live parameters below which what is built is a front."""


def live_share(subject: Subject) -> float | None:
    """The share of parameters, tied ones once, that take part in an output; None where it is not known."""
    alive = subject.liveness
    if alive is None:
        return None
    doubles = {name for name, _ in subject.ties}
    sizes = {
        item.name: prod(abs(size) for size in item.shape) for item in subject.parameters if item.name not in doubles
    }
    whole = sum(sizes.values())
    if not whole:
        return None
    return sum(size for name, size in sizes.items() if name not in alive.unused) / whole


def _forward_of(subject: Subject) -> Function | None:
    """The ``forward`` that model code defines; None where there is only the library's."""
    found = lookup(subject.built.cls, "forward")[0]
    return found if isinstance(found, Function) and subject.is_model_code(found) else None


def verdict(subject: Subject, findings: Iterable[Finding]) -> tuple[str, tuple[str, ...]]:
    """The verdict and what is missing."""
    found = list(findings)
    if not subject.parameters and _forward_of(subject) is None:
        if is_base(subject):
            return COMPLETE, ()  # what others derive from has nothing of its own to compute
        lacking = tuple(item.message for item in found if item.id == "forward.missing")
        return (SKELETON, lacking) if lacking else (UNDECIDED, ())
    if is_abstract(_forward_of(subject)):
        return COMPLETE, ()  # left to those that derive from it
    missing = [
        item
        for item in found
        if item.severity is not Severity.NOTE
        and (item.id.startswith("shape.") or (item.id in RULES and RULES[item.id].missing))
    ]
    listed = tuple(dict.fromkeys(item.message for item in missing))
    stubs = {(item.primary.file, item.primary.line) for item in missing if item.id.startswith("stub.")}
    share = live_share(subject)
    lost = any(item.id in _LOST for item in missing)
    if any(item.id in _FATAL for item in missing):
        return SKELETON, listed
    if missing and subject.failure is not None and subject.failure.kind == "NotImplementedError":
        return SKELETON, listed
    if lost and share is not None and share < _HOLLOW:
        return SKELETON, listed
    if stubs and 2 * len(stubs) >= len(subject.called):
        return SKELETON, listed
    if missing:
        return PARTIAL, listed
    if subject.operations is None or any(item.id in _FATAL for item in found):
        return UNDECIDED, ()
    return COMPLETE, ()
