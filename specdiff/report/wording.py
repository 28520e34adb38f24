"""How values, counts and places are written for people; every rendering that people read uses these words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from specdiff import vocab
from specdiff.facts import Evidence, Level, Undecided, Value
from specdiff.results import CheckResult, ClaimResult, ClassResult, Status

DEVIATION = "known deviation"
STANDINGS = ("mismatch", "missing", "undecided", DEVIATION, "match")
"""What reports sort claims by, worst first: the statuses, and differences that the spec itself explains."""

_LONGEST_PERIOD = 12
"""Layers that a repeated pattern may span; longer ones are written as runs."""
_MOST_RUNS = 6
"""Runs that a pattern without a period is written out with; beyond that it is counted."""
_RELEASE_FIELDS = frozenset({"value", "source", "where", "quote", "note"})
_MOST_ITEMS = 8
"""Entries of a list that are written out."""


def value(item: Value, key: str = "") -> str:
    """A value for people: `116,829,156,672`, `18 × [sliding, full]`, `1e-5`, `none`."""
    match item:
        case None:
            return "none"
        case bool():
            return "true" if item else "false"
        case int():
            return f"{item:,}" if abs(item) >= 10_000 else str(item)
        case float():
            return number(item)
        case str():
            return item or '""'
        case {"one_of": (*options,)}:
            return " or ".join(value(option, key) for option in options)
        case dict():
            return ", ".join(f"{name} {value(inner, key)}" for name, inner in item.items()) or "none"
        case _:
            return _sequence(item)


def number(item: float) -> str:
    """A float in as few digits as tell it apart, at most twelve."""
    if not math.isfinite(item):
        return str(item)
    if item.is_integer() and abs(item) < 1e15:
        return value(int(item))
    text = f"{item:.12g}"
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text


def _sequence(items: tuple[Value, ...]) -> str:
    items = tuple(items)
    if not items:
        return "none"
    if all(isinstance(item, str) for item in items):
        words = [str(item) for item in items]
        if len(set(words)) < len(words):
            return pattern(words)
        return _listed(words)
    if all(type(item) is int for item in items):
        return _integers([item for item in items if isinstance(item, int)])
    return _listed([value(item) for item in items])


def _listed(words: Sequence[str]) -> str:
    if len(words) <= _MOST_ITEMS:
        return ", ".join(words)
    return ", ".join(words[: _MOST_ITEMS - 1]) + f", … ({len(words)} in all)"


def _integers(items: list[int]) -> str:
    """Ascending runs with one step as `0–34 step 2`."""
    if len(items) > 3 and len(steps := {after - before for before, after in pairwise(items)}) == 1:
        step = steps.pop()
        if step > 0:
            return f"{items[0]}–{items[-1]}" + (f" step {step}" if step > 1 else "")
    return _listed([str(item) for item in items])


def pattern(kinds: Sequence[str]) -> str:
    """A pattern over layers, folded: `36 × full`, `18 × [sliding, full]`, `3 × dense, 58 × moe`."""
    kinds = tuple(kinds)
    count = len(kinds)
    runs = tuple(_runs(kinds))
    if len(runs) <= 2:
        return ", ".join(_times(number, kind) for kind, number in runs) or "none"
    for period in range(2, min(_LONGEST_PERIOD, count // 2) + 1):
        if all(kinds[index] == kinds[index % period] for index in range(count)):
            body = ", ".join(_times(number, kind) for kind, number in _runs(kinds[:period]))
            whole, rest = divmod(count, period)
            return f"{whole} × [{body}]" if not rest else f"[{body}] over {count} layers"
    if len(runs) <= _MOST_RUNS:
        return ", ".join(_times(number, kind) for kind, number in runs)
    counted = Counter(kinds)
    return ", ".join(_times(number, kind) for kind, number in counted.items()) + ", irregular"


def _runs(kinds: Sequence[str]) -> Iterator[tuple[str, int]]:
    for kind, group in groupby(kinds):
        yield kind, len(tuple(group))


def _times(count: int, kind: str) -> str:
    return kind if count == 1 else f"{count} × {kind}"


def amount(count: int | None) -> str:
    """A parameter count in full with its short form: `116,829,156,672 (116.83B)`."""
    if count is None:
        return "not known"
    return f"{count:,} ({short(count)})" if count >= 10_000 else f"{count:,}"


def short(count: int) -> str:
    """A large count in four digits: `116.8B`, `579M`, `5.133B`, `2,880`."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size and count >= 10_000:
            digits = count / size
            return f"{digits:.{max(0, 4 - len(str(int(digits))))}f}{letter}"
    return f"{count:,}"


def place(step: Evidence) -> str:
    """`file:line` or `file:line-end`."""
    end = f"-{step.end_line}" if step.end_line > step.line else ""
    return f"{step.file}:{step.line}{end}"


def counted(count: int, one: str, more: str) -> str:
    """`1 class`, `2 classes`."""
    return f"{count:,} {one if count == 1 else more}"


def plural(count: int, noun: str) -> str:
    """`1 claim`, `2 claims`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def expected(claim: ClaimResult) -> str:
    """What the source says, for people."""
    return "there is none" if claim.expected is None else value(claim.expected, claim.key)


def found(claim: ClaimResult) -> str:
    """What the code has, for people."""
    match claim.status:
        case Status.UNDECIDED if claim.actual is None:
            return "not decided"
        case _ if claim.actual is None:
            return "none"
        case _:
            return value(claim.actual, claim.key)


def standing(claim: ClaimResult) -> str:
    """A claim's status, or `DEVIATION` where it differs for a reason that the spec gives."""
    if claim.known_deviation and claim.status in (Status.MISMATCH, Status.MISSING):
        return DEVIATION
    return str(claim.status)


def counts(result: CheckResult) -> dict[str, int]:
    """Claims per standing, worst first; standings with none included."""
    found = Counter(standing(claim) for claim in result.claims)
    return {each: found[each] for each in STANDINGS}


def summary(result: CheckResult) -> str:
    """`74 claims: 1 mismatch, 1 missing, 2 undecided, 70 match`."""
    parts = [f"{count} {name}" for name, count in counts(result).items() if count]
    return f"{plural(len(result.claims), 'claim')}: {', '.join(parts)}" if parts else "no claims"


class Grouped(NamedTuple):
    """The claims of one vocabulary group."""

    id: str
    title: str
    claims: tuple[ClaimResult, ...]


def grouped(claims: Sequence[ClaimResult]) -> tuple[Grouped, ...]:
    """Claims by vocabulary group, towers apart, in the order of the vocabulary; claims keep the order of the spec."""
    found: dict[tuple[str, str], list[ClaimResult]] = {}
    for claim in claims:
        tower, rest = vocab.split_tower(claim.key)
        entry = vocab.KEYS.get(rest)
        found.setdefault((tower, entry.group if entry else ""), []).append(claim)
    titles = {group.id: group.title for group in vocab.GROUPS}
    towers = ("", *(tower for tower, _ in vocab.TOWERS))
    order = tuple((tower, group) for tower in towers for group in (*titles, ""))
    return tuple(
        Grouped(
            "-".join(part for part in key if part) or "other",
            f"{key[0].title()}: {titles.get(key[1], 'other').lower()}" if key[0] else titles.get(key[1], "Other"),
            tuple(found[key]),
        )
        for key in order
        if key in found
    )


def undecided(result: ClassResult) -> tuple[Undecided, ...]:
    """What stayed open in the code and, after it, in the fact sheet; each once, and not what only waits for another key."""
    keyed = (item for _, item in sorted(result.sheet.undecided.items()) if not item.follows)
    return tuple(dict.fromkeys((*result.undecided, *keyed)))


class Released(NamedTuple):
    """One thing that the publisher says is open or not."""

    name: str
    says: str
    source: str
    """Document and place, or empty."""
    quote: str


def released(result: CheckResult) -> tuple[Released, ...]:
    """What the publisher releases; an entry is a plain value, or one under `value` with its source beside it."""
    entries = []
    for name, entry in result.release.items():
        given = entry if isinstance(entry, dict) else {"value": entry}
        extra = [f"{key} {value(item)}" for key, item in given.items() if key not in _RELEASE_FIELDS]
        says = ", ".join([value(given.get("value")), *extra])
        source = " ".join(str(given[key]) for key in ("source", "where") if given.get(key))
        entries.append(Released(name.removeprefix("release."), says, source, str(given.get("quote") or "")))
    return tuple(entries)


def used_share(result: CheckResult) -> tuple[int, int]:
    """(claims that ``forward`` was seen to carry out, claims that need that)."""
    needing = [claim for claim in result.claims if claim.needed is Level.USED]
    shown = [claim for claim in needing if claim.status is Status.MATCH and claim.level is Level.USED]
    return len(shown), len(needing)


def code_is(result: CheckResult) -> str:
    """The audit's verdict with what share of the parameters and of the claims is really used."""
    shown, needing = used_share(result)
    live = result.code.live_share
    parts = [result.code.verdict]
    if live is not None:
        parts.append(f"{live:.1%} of the parameters reach an output")
    if needing:
        parts.append(f"{shown} of {plural(needing, 'claim')} that forward must show are shown")
    return ", ".join(parts)


def meaning(key: str) -> str:
    """What a key means, from the vocabulary; empty for one that is not in it."""
    entry = vocab.find(key)
    return entry.meaning if entry else ""


def unit(key: str) -> str:
    """A key's unit, or empty."""
    entry = vocab.find(key)
    return entry.unit if entry else ""


def clean(text: str) -> str:
    """One line without control characters: analysed text must not steer a terminal or break a table."""
    spaced = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in spaced)
