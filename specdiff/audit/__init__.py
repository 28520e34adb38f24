"""From one analysed class to findings and a verdict: one module per family of findings, all listed in `AUDITS`.

Adding an audit: write ``def family(subject: Subject) -> Iterator[Finding]`` in a module of this folder, add its rows to
the table in `rules`, and add it to `AUDITS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from specdiff.audit import built, choices, dead, idle, outputs, parameters, settings, source, stubs, wiring
from specdiff.audit.dormant import dormant
from specdiff.audit.flows import settings_flow
from specdiff.audit.rules import RULES, Rule
from specdiff.audit.source import source_of_unbuilt
from specdiff.audit.subject import Subject
from specdiff.audit.suppress import suppressed
from specdiff.audit.verdict import live_share, verdict
from specdiff.facts import Undecided
from specdiff.results import Finding

AUDITS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    stubs.stubs,
    stubs.placeholders,
    stubs.repeated,
    outputs.outputs,
    outputs.rotations,
    outputs.unmoving,
    parameters.unread,
    parameters.empty,
    idle.idle,
    idle.zeroed,
    wiring.positions,
    wiring.caches,
    wiring.masks,
    wiring.kept,
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
    choices.choices,
)
"""All audits, in the order they run."""

_ORDER = {"error": 0, "warning": 1, "note": 2}


def audit(subject: Subject, *, debug: bool = False) -> tuple[tuple[Finding, ...], tuple[Undecided, ...]]:
    """The findings of one class, worst first, each once, and which audits could not be carried out.

    Args:
        subject: The class.
        debug: Let an audit's own error through; otherwise that family of findings is left out with a note.
    """
    found: list[Finding] = []
    broken: list[Undecided] = []
    for family in AUDITS:
        try:
            found.extend(family(subject))
        except Exception as error:  # noqa: BLE001 - a defect met in one audit takes no other finding away
            if debug:
                raise
            reason = f"the audit {family.__name__} failed, a defect in specdiff itself: {type(error).__name__}: {error}"
            broken.append(Undecided(reason, subject.built.cls.file, subject.built.cls.line))
    unique = {(item.id, item.primary.file, item.primary.line, item.message): item for item in found}
    ordered = sorted(
        unique.values(), key=lambda item: (_ORDER[item.severity], item.primary.file, item.primary.line, item.id)
    )
    return tuple(ordered), tuple(broken)


__all__ = [
    "AUDITS",
    "RULES",
    "Rule",
    "Subject",
    "audit",
    "dormant",
    "live_share",
    "settings_flow",
    "source_of_unbuilt",
    "suppressed",
    "verdict",
]
