"""What other inputs show than an ordinary prompt does: one longer than every window and chunk, and other plain numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from specdiff.facts import Absence, Evidence, Fact, FactSheet, Undecided

DISTANCES = ("attention.window.size", "attention.window.layers", "attention.chunk.size", "layers.pattern")
"""Keys about how far a position sees: what a longer prompt shows of them stands for the model."""


def is_distance(key: str) -> bool:
    """Whether a key, with or without a tower's prefix, is about how far a position sees."""
    return any(key == name or key.endswith(f".{name}") for name in DISTANCES)


def with_longer_prompt(sheet: FactSheet, longer: FactSheet, limit: Evidence) -> FactSheet:
    """The facts of an ordinary prompt, and what only a longer one shows.

    Args:
        sheet: What an ordinary prompt shows.
        longer: What a longer one shows.
        limit: The comparison that the two decide differently.
    """
    facts, absences, open_ = dict(sheet.facts), dict(sheet.absences), dict(sheet.undecided)
    for key, fact in longer.facts.items():
        old = facts.get(key)
        shown_only_now = key in absences or (key in open_ and is_distance(key))
        if shown_only_now or (old is not None and old.value != fact.value and is_distance(key)):
            absences.pop(key, None)
            open_.pop(key, None)
            facts[key] = _beyond(fact, limit)
    for key, note in longer.undecided.items():
        if is_distance(key) and (facts.pop(key, None) is not None or absences.pop(key, None) is not None):
            open_[key] = note
    return replace(sheet, facts=facts, absences=absences, undecided=open_)


def with_other_numbers(sheet: FactSheet, other: FactSheet, names: tuple[str, ...], here: Evidence) -> FactSheet:
    """The facts that hold whatever numbers the caller hands in; the others are open.

    Args:
        sheet: What one choice of numbers shows.
        other: What another choice shows.
        names: The entry's arguments that are such numbers.
        here: The class.
    """

    def told(facts: FactSheet, key: str) -> object:
        fact = facts.facts.get(key)
        return (fact.value,) if fact is not None else key in facts.absences

    changed = [key for key in {**sheet.facts, **sheet.absences} if told(sheet, key) != told(other, key)]
    reason = f"it changes with the number that comes in as {' or '.join(names)}"
    return replace(
        sheet,
        facts={key: fact for key, fact in sheet.facts.items() if key not in changed},
        absences={key: item for key, item in sheet.absences.items() if key not in changed},
        undecided={**sheet.undecided, **{key: Undecided(reason, here.file, here.line, key) for key in changed}},
    )


def without_longer_prompt(sheet: FactSheet, why: str, limit: Evidence) -> FactSheet:
    """The facts of an ordinary prompt where a longer one could not be followed: how far a position sees stays open."""
    shown: Iterable[Absence | Fact] = [*sheet.absences.values(), *sheet.facts.values()]
    doubtful = [item.key for item in shown if is_distance(item.key) and _sees_all(item)]
    reason = f"{limit.what}, and a longer prompt could not be followed: {why}"
    notes = {key: Undecided(reason, limit.file, limit.line, key) for key in doubtful}
    return replace(
        sheet,
        facts={key: fact for key, fact in sheet.facts.items() if key not in notes},
        absences={key: item for key, item in sheet.absences.items() if key not in notes},
        undecided={**sheet.undecided, **notes},
    )


def _sees_all(item: Absence | Fact) -> bool:
    """Whether it says that nothing limits how far a position sees, in some layer at least."""
    if isinstance(item, Absence):
        return True
    return isinstance(item.value, tuple) and "full" in item.value


def _beyond(fact: Fact, limit: Evidence) -> Fact:
    return replace(fact, evidence=(*fact.evidence, limit))
