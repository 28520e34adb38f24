"""Settings by which two implementations of one model are built again in a size that can be worked out as a whole.

What a setting is for is read from the facts, not from its name: every setting that has a fact's value (so many heads, such a
width) gets the same smaller number on both sides. That makes another model of both, and the same of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from specdiff import vocab
from specdiff.results import ClassResult

Settings: TypeAlias = "dict[str, object]"
_TARGETS: tuple[tuple[str, int], ...] = (
    ("attention.heads", 8), ("attention.kv_heads", 4), ("attention.mla.nope_dim", 12), ("attention.mla.v_dim", 12),
    ("attention.v_head_dim", 12), ("attention.mla.rope_dim", 8), ("attention.head_dim", 16), ("rope.dims", 16), ("attention.mla.kv_rank", 20),
    ("attention.mla.q_rank", 28), ("hidden_size", 56), ("mlp.size", 44), ("moe.expert_size", 36), ("moe.shared_size", 36),
    ("moe.experts", 16), ("vocab_size", 192), ("attention.window.size", 5), ("context_length", 64), ("layers", 4),
)  # fmt: skip
"""What is made smaller, in the order in which equal numbers are settled, and how small; large enough that none is one. Some code
fills the rows of words up to a multiple of 64."""
_DERIVED = frozenset({"mlp.size", "moe.expert_size", "attention.head_dim"})
"""What some configurations work out of other settings."""
_WIDTH = "hidden_size"
_LAYERS = "layers"
_EXPERTS = "moe.experts"
_MOST_LAYERS = 9
_LARGE = 16_384
"""Numbers from here on that no fact knows: lengths of tables."""


def reduced(left: ClassResult, right: ClassResult, whole_width: bool = False) -> tuple[Settings, Settings] | None:
    """Smaller settings of both sides; none where nothing can be made smaller.

    Args:
        left: One class.
        right: The other.
        whole_width: Whether the width of the residual stream is to stay (code may ask for it).
    """
    numbers = _numbers(left, right, whole_width)
    sides = tuple(dict(_changed(side.config, numbers, _layers(left, right))) for side in (left, right))
    return (sides[0], sides[1]) if any(sides) else None


def derived(
    large: tuple[ClassResult, ClassResult], small: tuple[ClassResult, ClassResult]
) -> tuple[Settings, Settings] | None:
    """Settings of each side for what the other side works out by itself and comes to another number for."""
    found: tuple[Settings, Settings] = ({}, {})
    for key in sorted({*large[0].sheet.facts} & {*large[1].sheet.facts}):
        if vocab.split_tower(key)[1] not in _DERIVED:
            continue
        before = [_fact(side, key) for side in large]
        after = [_fact(side, key) for side in small]
        if before[0] is None or before[0] != before[1] or after[0] == after[1]:
            continue
        for mine in (0, 1):
            names = [name for name, value in _plain(large[mine].config) if value == before[mine]]
            others = [name for name, value in _plain(large[1 - mine].config) if value == before[mine]]
            if names and not others and after[1 - mine] is not None:
                found[mine].update(dict.fromkeys(names, after[1 - mine]))
    return found if any(found) else None


def _numbers(left: ClassResult, right: ClassResult, whole_width: bool) -> dict[int, int]:
    """The smaller number by number."""
    found: dict[int, int] = {}
    kept = {_fact(side, _WIDTH) for side in (left, right)} if whole_width else set()
    for key, target in _TARGETS:
        for value in _facts((left, right), key):
            least = _least(left, right, value) if key == _EXPERTS else target
            if value > least and value not in found and value not in kept:
                found[value] = least
    _fit(left, right, found, kept)
    return found


def _fit(left: ClassResult, right: ClassResult, found: dict[int, int], kept: set[Any]) -> None:
    """A width that is so many heads of such a width stays one."""
    for width in _facts((left, right), _WIDTH):
        for heads in _facts((left, right), "attention.heads"):
            channels = width // heads
            if width not in kept and channels * heads == width:
                each = found.get(channels, channels)
                if not each % 2:
                    found[width] = found.get(heads, heads) * each


def _least(left: ClassResult, right: ClassResult, experts: int) -> int:
    """So many experts that groups and choices of them still fit."""
    sides = (left, right)
    groups = max([*_facts(sides, "moe.router.groups"), 1])
    chosen = max([*_facts(sides, "moe.experts_per_token"), 1])
    least = max(2 * chosen, 4 * groups)
    return min(experts, -(-least // groups) * groups)


def _facts(sides: Iterable[ClassResult], key: str) -> list[int]:
    """The numbers that either side's facts give for a key, of every tower."""
    found = []
    for side in sides:
        for name, fact in side.sheet.facts.items():
            if (name == key or vocab.split_tower(name)[1] == key) and type(fact.value) is int and fact.value > 1:
                found.append(fact.value)
    return list(dict.fromkeys(found))


def _fact(side: ClassResult, key: str) -> Any:
    fact = side.sheet.facts.get(key)
    return fact.value if fact is not None else None


def _layers(left: ClassResult, right: ClassResult) -> dict[int, int]:
    """The smaller count of layers by count."""
    return {count: min(count, _MOST_LAYERS) for count in _facts((left, right), _LAYERS)}


def _changed(
    config: Mapping[str, Any], numbers: Mapping[int, int], layers: Mapping[int, int]
) -> Iterator[tuple[str, object]]:
    vocabulary = [value for value in numbers if value > _LARGE]
    for name, value in _plain(config):
        if value in numbers:
            yield name, numbers[value]
        elif name.rpartition(".")[2].endswith("token_id") and any(value < each for each in vocabulary):
            if value > min(numbers[each] for each in vocabulary):
                yield name, min(numbers[each] for each in vocabulary) - 1
        elif value in (2 * each for each in numbers if each > _LARGE):
            yield name, 2 * numbers[value // 2]
    for name, value in config.items():
        if isinstance(value, tuple | list) and len(value) in layers and len(value) in numbers:
            yield name, list(value[: numbers[len(value)]])


def _plain(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Whole numbers by dotted name."""
    for name, value in config.items():
        if type(value) is int:
            yield f"{prefix}{name}", value
        elif isinstance(value, Mapping):
            yield from _plain(value, f"{prefix}{name}.")
