"""The closed list of keys that specs claim and detectors prove; every other part of the tool reads it from here.

Adding a key: one row in the table of its group, then `python -m specdiff.vocab --write`.
"""

from __future__ import annotations

from difflib import get_close_matches

from specdiff.facts import Value
from specdiff.vocab.attention import ATTENTION, CROSS, POSITION
from specdiff.vocab.computation import COMPUTATION
from specdiff.vocab.feedforward import MLP, MOE_GROUP, RECURRENT
from specdiff.vocab.model import Choice, Group, Key, ValueType
from specdiff.vocab.shape import MULTIPLIERS, NORM, PATTERN, SHAPE, TOTALS, WEIGHTS
from specdiff.vocab.towers import INPUT, RELEASE, TOWERS

GROUPS: tuple[Group, ...] = (
    SHAPE,
    PATTERN,
    ATTENTION,
    POSITION,
    CROSS,
    NORM,
    MLP,
    MOE_GROUP,
    RECURRENT,
    MULTIPLIERS,
    INPUT,
    TOTALS,
    WEIGHTS,
    COMPUTATION,
    RELEASE,
)

KEYS: dict[str, Key] = {key.id: key for group in GROUPS for key in group.keys}
"""Every key by id, in the order of the reference page; without tower prefixes."""


def split_tower(key: str) -> tuple[str, str]:
    """``vision.layers`` as ``("vision", "layers")``; the tower is empty where there is none."""
    head, _, rest = key.partition(".")
    if rest and any(head == tower for tower, _ in TOWERS):
        return head, rest
    return "", key


def find(key: str) -> Key | None:
    """The entry for a key, with or without a tower prefix; None for a key that is not in the table."""
    return KEYS.get(split_tower(key)[1])


def near(key: str) -> str | None:
    """The key that a misspelt one probably means, or None where nothing is close."""
    tower, rest = split_tower(key)
    prefix = f"{tower}." if tower else ""
    for candidate in get_close_matches(rest, KEYS, n=1, cutoff=0.65):
        return prefix + candidate
    tail = rest.rpartition(".")[2]
    for known in KEYS:
        if known.rpartition(".")[2] == tail:
            return prefix + known
    return None


def canonical(key: Key, value: str) -> str | None:
    """A choice's canonical id for any of its spellings; None where it is not one of them."""
    wanted = value.lower().replace("-", "_")
    for choice in key.choices:
        if wanted == choice.id or wanted in choice.aliases or value in choice.aliases:
            return choice.id
    return None


def satisfies(key: Key, actual: str, claimed: str) -> bool:
    """Whether a canonical choice is the claimed one or a case of it."""
    if actual == claimed:
        return True
    return any(choice.id == actual and choice.is_a == claimed for choice in key.choices)


def may_be(key: Key, actual: str, claimed: str) -> bool:
    """Whether code that shows a broader choice leaves open that it is the claimed case of it."""
    return satisfies(key, claimed, actual) and not any(c.id == actual and c.told_apart for c in key.choices)


def is_computation(key: str) -> bool:
    """Whether a key is about every operation, so that its fact is worked out only where it is asked for."""
    return key.startswith(f"{COMPUTATION.id}.")


def is_neutral(key: Key, value: Value) -> bool:
    """Whether a value says the same as "there is none" (false, none, a scale of 1)."""
    if key.neutral is None:
        return False
    if isinstance(value, bool) or isinstance(key.neutral, bool):
        return value is key.neutral
    return value == key.neutral


__all__ = [
    "GROUPS",
    "KEYS",
    "TOWERS",
    "Choice",
    "Group",
    "Key",
    "ValueType",
    "canonical",
    "find",
    "is_computation",
    "is_neutral",
    "near",
    "satisfies",
    "split_tower",
]
