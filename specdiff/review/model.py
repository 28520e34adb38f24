"""What reviewing a change gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from specdiff.facts import Evidence, Level, Value
from specdiff.results import CheckResult, ClassResult, Finding
from specdiff.weights.model import WeightsResult


class Standing(StrEnum):
    """What became of a model class."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class FactChange:
    """One key whose answer differs between the two sides."""

    key: str
    kind: str
    """`added`, `removed`, `changed`, `lost` (now undecided) or `decided` (undecided before)."""
    before: Value
    after: Value
    level: Level | None
    before_evidence: tuple[Evidence, ...]
    after_evidence: tuple[Evidence, ...]
    reason: str = ""
    """Why it is undecided now."""

    @property
    def tells(self) -> bool:
        """Whether something is known on a side beyond that there is none of it: a proof of absence that comes or goes
        changes nothing."""
        return self.kind not in ("lost", "decided") or self.before is not None or self.after is not None


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """One parameter that was added, removed or reshaped."""

    name: str
    kind: str
    """`added`, `removed` or `reshaped`."""
    before: tuple[int, ...] | None
    after: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class GatedBranch:
    """A branch that a setting keeps from running in every known configuration."""

    place: Evidence
    """The branch that does not run; `what` is the condition."""
    settings: tuple[str, ...]
    """Dotted names in the configuration."""
    values: tuple[tuple[Value, ...], ...]
    """What they are in the known configurations, each different combination once."""
    configurations: int
    """How many were looked at."""


@dataclass(frozen=True, slots=True)
class OperationChange:
    """Operations in a row that differ between the two sides."""

    part: str
    """Where in the model: ``model``, or the path of its layers (``model.layers.*{0-31}``)."""
    before: tuple[str, ...]
    """Kinds with parameters and settings; empty where operations were only added."""
    after: tuple[str, ...]
    before_evidence: tuple[Evidence, ...]
    after_evidence: tuple[Evidence, ...]
    reads: bool = False
    """Whether the operation is the same and what it reads has another shape, order or origin."""


@dataclass(frozen=True, slots=True)
class ClassReview:
    """One model class on both sides."""

    name: str
    file: str
    """Relative to the repository."""
    standing: Standing
    why: str
    """The changed file that it comes from; empty where its own file changed."""
    facts: tuple[FactChange, ...]
    parameters: tuple[ParameterChange, ...]
    findings: tuple[Finding, ...]
    """New on the head side."""
    resolved: tuple[Finding, ...]
    """On the base side only."""
    before: ClassResult | None
    after: ClassResult | None
    failed: str = ""
    """Why a side could not be analysed."""
    was: str = ""
    """Its name before, where its file was renamed and the class with it."""
    reached: bool = False
    """Whether code was edited that it may reach (told by names alone): where it stayed the same nevertheless, nothing
    that is known about it says what the edit does."""
    gates: tuple[GatedBranch, ...] = ()
    """Branches on the path that no known configuration reaches; new on the head side."""
    operations: tuple[OperationChange, ...] = ()
    """Where a prompt is computed otherwise, in the order it runs."""
    compared: bool = False
    """Whether the operations of both sides are known."""
    elsewhere: int = 0
    """Findings of an added class that are left out: below error level, in files that did not change."""
    proven: bool = False
    """Whether places were left out at which both sides, worked out on the same random numbers, come to the same."""


@dataclass(frozen=True, slots=True)
class Closest:
    """What of the repository's other models an added one is closest to."""

    file: str
    """The added file."""
    models: tuple[tuple[str, float], ...]
    """(file of another model, share of the added one's code that it has), closest first."""
    same: tuple[tuple[str, str], ...]
    """(class, class of another model that it is the same as up to renaming, as `file::Class`)."""
    differences: tuple[str, ...]
    """In what it differs from the closest, a line per part."""
    apart: tuple[tuple[str, str, str], ...] = ()
    """(class, the class that it is nearest to, in what it differs from that one); both empty for one like no other."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether the published checkpoint of a changed model fits its code."""

    file: str
    """The model's file, relative to the repository."""
    checkpoint: str
    """Where it lies; empty where none is known."""
    result: WeightsResult | None
    """None where it is not known."""
    reason: str = ""
    """Why it is not known."""
    fitted: bool | None = None
    """Where it does not fit: whether it fitted the base side; None where that cannot be told, or there was none."""


@dataclass(frozen=True, slots=True)
class Review:
    """A whole change."""

    base: str
    head: str
    """Empty for the working tree."""
    files: tuple[str, ...]
    """Changed model files, and changed files that models may use."""
    classes: tuple[ClassReview, ...]
    checks: tuple[CheckResult, ...]
    """Specs of the repository that cover a changed model, held against the head side."""
    problems: tuple[str, ...]
    """What could not be read, one line each."""
    edits: tuple[Evidence, ...] = ()
    """Where model files were edited, the lines of the head side."""
    closest: tuple[Closest, ...] = ()
    """For each added file of a library of models."""
    notes: tuple[str, ...] = ()
    """What a reviewer must know beside the facts: files made from others and out of step; one line each."""
    fits: tuple[Fit, ...] = ()
    """For each changed model file, whether its published checkpoint fits."""
    unread: tuple[str, ...] = ()
    """Model files that use what changed and were not analysed: there are more than `plan.MAX_DEPENDENTS`."""
    behind: tuple[str, ...] = ()
    """Model files that were analysed because they use what changed."""
    unreadable: tuple[str, ...] = ()
    """Model files that the head side leaves unreadable (no valid Python)."""

    @property
    def fails(self) -> bool:
        """Whether a spec is contradicted, a change brings a finding at error level, takes away a checkpoint's place, or leaves
        a file that is no Python."""
        return (
            bool(self.unreadable)
            or any(str(check.verdict) in ("mismatch", "missing") for check in self.checks)
            or any(str(finding.severity) == "error" for each in self.classes for finding in each.findings)
            or any(each.result is not None and not each.result.fits and each.fitted is not False for each in self.fits)
        )
