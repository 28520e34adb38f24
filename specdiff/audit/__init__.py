"""From one analysed class to findings and a verdict: one module per family of findings, all listed in `AUDITS`.

Adding an audit: write ``def family(subject: Subject) -> Iterator[Finding]`` in a module of this folder, add its rows to
the table in `rules`, and add it to `AUDITS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from specdiff.audit import built, dead, outputs, parameters, settings, source, stubs
from specdiff.audit.rules import RULES, Rule
from specdiff.audit.subject import Subject
from specdiff.audit.suppress import suppressed
from specdiff.audit.verdict import live_share, verdict
from specdiff.results import Finding

AUDITS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    stubs.stubs,
    outputs.outputs,
    outputs.rotations,
    parameters.unused,
    parameters.overwritten,
    parameters.unregistered,
    dead.unresolved,
    dead.dropped,
    dead.unreachable,
    settings.undefined,
    settings.overridden,
    settings.literals,
    settings.unread,
    built.counts,
    built.uninitialised,
    dead.unfinished,
    source.source,
)
"""All audits, in the order they run."""

_ORDER = {"error": 0, "warning": 1, "note": 2}


def audit(subject: Subject, *, debug: bool = False) -> tuple[Finding, ...]:
    """The findings of one class, worst first, each once.

    Args:
        subject: The class.
        debug: Let an audit's own error through; otherwise that family of findings is left out.
    """
    found: list[Finding] = []
    for family in AUDITS:
        try:
            found.extend(family(subject))
        except Exception:
            if debug:
                raise
    unique = {(item.id, item.primary.file, item.primary.line, item.message): item for item in found}
    return tuple(
        sorted(unique.values(), key=lambda item: (_ORDER[item.severity], item.primary.file, item.primary.line, item.id))
    )


__all__ = ["AUDITS", "RULES", "Rule", "Subject", "audit", "live_share", "suppressed", "verdict"]
