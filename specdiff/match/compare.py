"""Every claim of a spec held against the facts of one model class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from specdiff import vocab
from specdiff.facts import Absence, Evidence, Fact, FactSheet, Level, Undecided, Value
from specdiff.match import parts
from specdiff.match.equivalence import also_holds
from specdiff.match.judge import Judgement, judge, shown, wants_nothing
from specdiff.results import CheckResult, ClaimResult, ClassResult, Extra, Status
from specdiff.spec.model import Claim, ReleaseItem, Spec
from specdiff.vocab import Key, ValueType

_WORST_FIRST = (Status.MISMATCH, Status.MISSING, Status.UNDECIDED)

_NOTHING_KNOWN = "the analysis found neither that the code has it nor that it has not"


class _Answer(NamedTuple):
    """A claim's status before it is dressed up as a result."""

    status: Status
    expected: Value
    reason: str


def check_spec(spec: Spec, code: ClassResult, target: str = "") -> CheckResult:
    """Holds a spec against an analysed class.

    Args:
        spec: The claims.
        code: What `inspect` found.
        target: What was analysed, where it is not the spec's own target.

    Returns:
        A result whose `sources` are still empty; evidence names the files they come from.
    """
    sheet = code.sheet
    claimed = {claim.key: claim for claim in spec.claims}
    claims = tuple(_check_claim(claim, claimed, code) for claim in spec.claims)
    return CheckResult(
        spec=spec.path,
        name=spec.name,
        target=target or spec.target,
        verdict=verdict(claims),
        claims=claims,
        extras=extras(spec, sheet),
        findings=code.findings,
        documents=spec.documents,
        code=code,
        release={item.name: _release_value(item) for item in spec.release},
    )


def verdict(claims: tuple[ClaimResult, ...]) -> Status:
    """The worst status, known deviations left out; a mismatch is worst, then missing, then undecided."""
    found = {claim.status for claim in claims if not claim.known_deviation}
    for status in _WORST_FIRST:
        if status in found:
            return status
    return Status.MATCH


def extras(spec: Spec, sheet: FactSheet) -> tuple[Extra, ...]:
    """Facts that no claim covers, by key.

    Left out are facts that say the same as absence (``attention.bias.q: false``), and those that a claimed key
    already implies (``attention.kind`` beside ``attention.kv_heads``).
    """
    claimed = {claim.key for claim in spec.claims}
    found: list[Extra] = []
    for name in sorted(sheet.facts):
        fact = sheet.facts[name]
        key = vocab.find(name)
        if name in claimed or key is None or key.type is ValueType.PARTS or vocab.is_neutral(key, fact.value):
            continue
        tower = vocab.split_tower(name)[0]
        prefix = f"{tower}." if tower else ""
        if any(prefix + other in claimed for other in key.implied_by):
            continue
        found.append(Extra(name, fact.value, fact.level, fact.evidence))
    return tuple(found)


def _check_claim(claim: Claim, claimed: Mapping[str, Claim], code: ClassResult) -> ClaimResult:
    sheet = code.sheet
    key = vocab.find(claim.key)
    assert key is not None, f"the loader lets no unknown key pass: {claim.key}"
    known = sheet.facts.get(claim.key) or sheet.absences.get(claim.key) or sheet.undecided.get(claim.key)
    value: Value = None
    evidence: tuple[Evidence, ...] = ()
    level = None
    match known:
        case Fact():
            answer = _against_fact(claim, claimed, key, known, sheet)
            value, evidence, level = known.value, known.evidence, known.level
        case Absence():
            answer = _against_absence(claim, key, known, sheet)
            evidence, level = known.evidence, known.level
        case Undecided() | None if _never_runs(claim, key, sheet):
            assert sheet.raises is not None
            answer = _Answer(Status.MISSING, shown(claim.expectation), f"the code raises: {sheet.raises.what}")
            evidence = (sheet.raises,)
        case Undecided():
            answer = _against_several(claim, key, known, sheet)
            if known.file and answer.status is Status.MISMATCH:
                evidence = (Evidence(known.file, known.line, known.line, "another value than elsewhere"),)
            elif known.file:
                evidence = (Evidence(known.file, known.line, known.line, "not decided here"),)
        case None:
            answer = _Answer(Status.UNDECIDED, shown(claim.expectation), sheet.why_open or _NOTHING_KNOWN)
            evidence = (Evidence(code.file, code.line, code.line, "the class as it was read"),)
    reason = answer.reason
    deviation = claim.known_deviation.reason if claim.known_deviation else ""
    if key.type is ValueType.PARTS:
        value, evidence = parts.shortened(answer.expected, value, evidence)
        if isinstance(value, tuple):
            answer = answer._replace(expected=value[0])
            value = value[1]
    if deviation and answer.status is Status.MATCH:
        reason = "the code matches, although the spec expects a known deviation"
    return ClaimResult(
        key=claim.key,
        status=answer.status,
        expected=answer.expected,
        actual=value,
        level=level,
        needed=_needed(claim, sheet),
        source=claim.source,
        evidence=evidence,
        reason=reason,
        spec_line=claim.line,
        known_deviation=deviation,
    )


def _never_runs(claim: Claim, key: Key, sheet: FactSheet) -> bool:
    """Whether the source says that the code builds or does something, and Python or torch refuses, whatever the input."""
    wants = not wants_nothing(claim.expectation, key, lambda name: _number(name, sheet))
    return sheet.raises is not None and claim.level > Level.DECLARED and wants


def _against_fact(claim: Claim, claimed: Mapping[str, Claim], key: Key, fact: Fact, sheet: FactSheet) -> _Answer:
    judgement = judge(claim.expectation, key, claim.key, fact.value, lambda name: _number(name, sheet))
    if judgement.holds is not True:
        judgement = also_holds(claim, claimed, fact.value, judgement, sheet)
    match judgement:
        case Judgement(holds=False):
            return _Answer(Status.MISMATCH, judgement.expected, judgement.reason)
        case Judgement(holds=None):
            return _Answer(Status.UNDECIDED, judgement.expected, judgement.reason)
    if fact.level is Level.DECLARED and _never_runs(claim, key, sheet):
        assert sheet.raises is not None
        return _Answer(Status.MISSING, judgement.expected, f"the code raises: {sheet.raises.what}")
    if fact.level < _needed(claim, sheet):
        reason = f"the value is right, but it is proven only as {fact.level} and the claim needs {claim.level}"
        return _Answer(Status.UNDECIDED, judgement.expected, reason)
    return _Answer(Status.MATCH, judgement.expected, judgement.reason)


def _against_several(claim: Claim, key: Key, known: Undecided, sheet: FactSheet) -> _Answer:
    """Against what has no one value: a claim of one that some place does not have is not so."""
    for value in known.values:
        judgement = judge(claim.expectation, key, claim.key, value, lambda name: _number(name, sheet))
        if judgement.holds is False:
            return _Answer(Status.MISMATCH, judgement.expected, f"{known.reason}; {judgement.reason}")
    return _Answer(Status.UNDECIDED, shown(claim.expectation), known.reason)


def _needed(claim: Claim, sheet: FactSheet) -> Level:
    """The level a claim needs: its own, or what can be had where ``forward`` was not followed and it names none."""
    return claim.level if claim.names_level else min(claim.level, sheet.enough)


def _against_absence(claim: Claim, key: Key, absence: Absence, sheet: FactSheet) -> _Answer:
    expected = shown(claim.expectation)
    if not wants_nothing(claim.expectation, key, lambda name: _number(name, sheet)):
        return _Answer(Status.MISSING, expected, absence.reason)
    if absence.level < _needed(claim, sheet):
        reason = f"there is none as far as is proven ({absence.level}), and the claim needs {claim.level}"
        return _Answer(Status.UNDECIDED, expected, reason)
    return _Answer(Status.MATCH, expected, absence.reason)


def _number(name: str, sheet: FactSheet) -> float | str:
    """A key's number for a formula, or one clause that says why it is not known."""
    fact = sheet.facts.get(name)
    if fact is not None:
        value = fact.value
        return value if isinstance(value, int | float) and not isinstance(value, bool) else f"{name} is not a number"
    key = vocab.find(name)
    if name in sheet.absences:
        neutral = key.neutral if key is not None else None
        if isinstance(neutral, int | float) and not isinstance(neutral, bool):
            return neutral
        return f"the code has no {name}"
    open_question = sheet.undecided.get(name)
    return f"that is undecided: {open_question.reason}" if open_question else "nothing is known about that"


def _release_value(item: ReleaseItem) -> Value:
    said: dict[str, Value] = {"value": item.value}
    if item.license:
        said["license"] = item.license
    said |= {"source": item.source.id, "where": item.source.where, "quote": item.source.quote}
    if item.note:
        said["note"] = item.note
    if item.files:
        said["files"] = dict(item.files)
    return said
