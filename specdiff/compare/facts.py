"""Facts of two classes side by side; differences that change the result told apart from those that do not."""

from __future__ import annotations

import math

from specdiff import vocab
from specdiff.compare.model import Difference, Meaning, Open, Side
from specdiff.facts import Absence, Fact, FactSheet, Level, Value

CLOSE = 1e-6
"""Numbers this close (as a share) are the same: two ways of writing a constant differ by rounding in 32 bits."""

_FORMAT = "dtype"
"""Ends the keys that say in which number format something is computed."""
_TRAINING = frozenset(
    {
        "dropout.embedding",
        "dropout.attention",
        "dropout.residual",
        "init.std",
        "moe.router.aux_loss",
        "moe.router.jitter",
    }
)
_LIMITS = frozenset({"context_length", "checkpoint.bytes", "kv_cache.bytes_per_token", "image_size"})
_DERIVED = frozenset({"rope.fraction", "norm.per_block", "kv_cache.elements_per_token"})
"""Keys that others already say."""
COUNTS = "parameters."
"""Begins the keys that count what the pairs of parameters show one by one."""

_PERMUTATION = (
    "the same up to a permutation of each head's rows in the query and key projections: with d rotated channels, row 2i "
    "of the interleaved weights is row i of the half ones, and row 2i+1 is row i + d/2"
)
_LAYOUTS = {
    "rope.style": _PERMUTATION,
    "attention.fused_qkv": "the same with the query, key and value weights stacked along their rows",
    "norm.weight_offset": "the same where the stored norm weights differ by the offset",
    "moe.router.order": "softmax over all experts, renormalised over the chosen, equals softmax over the chosen",
}


def compare_facts(left: FactSheet, right: FactSheet) -> tuple[list[str], list[Difference], list[Open]]:
    """(keys that agree, differences worst first, keys that cannot be compared)."""
    same: list[str] = []
    differences: list[Difference] = []
    undecided: list[Open] = []
    for key in sorted({*left.facts, *left.absences, *right.facts, *right.absences}):
        entry = vocab.find(key)
        if entry is None:
            continue
        one, other = _side(left, key), _side(right, key)
        if isinstance(one, str) or isinstance(other, str):
            sides = [f"{name}: {side}" for name, side in (("left", one), ("right", other)) if isinstance(side, str)]
            undecided.append(Open(key, "; ".join(sides)))
        elif _equal(entry, one.value, other.value):
            same.append(key)
        else:
            meaning, words = _meaning(key, one, other, left, right)
            differences.append(Difference(key, one, other, meaning, words))
    order = list(Meaning)
    differences.sort(key=lambda each: (order.index(each.meaning), each.key))
    return same, differences, undecided


def _side(sheet: FactSheet, key: str) -> Side | str:
    """A sheet's answer for a key, or why it has none."""
    known: Fact | Absence | None = sheet.facts.get(key) or sheet.absences.get(key)
    match known:
        case Fact():
            return Side(known.value, known.level, known.evidence)
        case Absence():
            return Side(None, known.level, known.evidence)
    question = sheet.undecided.get(key)
    if question is not None:
        return question.reason
    if sheet.why_open:
        return sheet.why_open
    entry = vocab.find(key)
    if entry is not None and entry.highest is Level.DECLARED:
        return "no setting of a usual name says it"
    return "no operation shows it"


def _equal(key: vocab.Key, one: Value, other: Value) -> bool:
    if one == other:
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return _nothing(key, one) and _nothing(key, other)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=CLOSE)
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return all(_equal(key, a, b) for a, b in zip(one, other, strict=True))
    return _nothing(key, one) and _nothing(key, other)


def _nothing(key: vocab.Key, value: Value) -> bool:
    return value is None or value == () or vocab.is_neutral(key, value)


def _meaning(key: str, left: Side, right: Side, lefts: FactSheet, rights: FactSheet) -> tuple[Meaning, str]:
    name = vocab.split_tower(key)[1]
    if name.endswith(_FORMAT):
        return Meaning.NUMERICS, "the same function, computed in another number format"
    if name in _TRAINING:
        return Meaning.TRAINING, "it changes nothing in evaluation"
    if name in _LIMITS:
        return Meaning.LIMIT, "it says what is accepted or stored, not what is computed"
    if name in ("classes", "pooling") and _last_logits(key[: -len(name)], lefts, rights):
        return Meaning.LIMIT, "one side gives the logits of one position alone, the other those of all"
    if name.startswith(COUNTS):
        return Meaning.LAYOUT, "it counts what the parameters below show one by one"
    if name in _DERIVED:
        return Meaning.LAYOUT, "it follows from other keys"
    if name == "moe.router.order" and _same_order(key, left, right, lefts, rights):
        return Meaning.LAYOUT, _LAYOUTS[name]
    if name in ("rope.style", "attention.fused_qkv", "norm.weight_offset"):
        return Meaning.LAYOUT, _LAYOUTS[name]
    if name == "moe.router.normalise" and _softmax_after(key, lefts) != _softmax_after(key, rights):
        return Meaning.LAYOUT, _LAYOUTS["moe.router.order"]
    return Meaning.RESULT, "the same weights give another result" + _fold(key, name, left, right, (lefts, rights))


def _last_logits(prefix: str, lefts: FactSheet, rights: FactSheet) -> bool:
    """Whether what one side sorts a sequence into is the vocabulary, with the same one on the other side."""
    classes = [sheet.facts.get(f"{prefix}classes") for sheet in (lefts, rights)]
    words = [sheet.facts.get(f"{prefix}vocab_size") for sheet in (lefts, rights)]
    sizes = {fact.value for fact in words if fact is not None}
    return (
        len(sizes) == 1
        and sum(fact is not None for fact in classes) == 1
        and {fact.value for fact in classes if fact is not None} == sizes
    )


_FOLDS = {
    "attention.scale": "the query projection",
    "embedding.scale": "the embedding table",
    "logits.scale": "the head",
}


def _fold(key: str, name: str, left: Side, right: Side, sheets: tuple[FactSheet, FactSheet]) -> str:
    """Which weights would take up a factor that only one side applies; it may as well be forgotten, so both are said."""
    values = [1.0 if side.value is None else side.value for side in (left, right)]
    if name not in _FOLDS or not all(isinstance(value, float | int) and value for value in values) or 1 not in values:
        return ""
    prefix = key[: -len(name)]
    held = {"attention.scale": "attention.qk_norm"}.get(name, "embedding.tied")
    for sheet in sheets:
        fact = sheet.facts.get(prefix + held)
        if fact is not None and fact.value not in (None, False, "none", ()):
            return ""  # a norm takes the factor away again, and tied weights serve two ends
    one, other = (float(value) for value in values)  # type: ignore[arg-type]
    side = "left" if other == 1 else "right"
    plain = "right" if side == "left" else "left"
    return f", unless the {plain} side has the {side} side's factor {max(one, other, key=lambda v: v != 1):g} in {_FOLDS[name]}'s weights"


def _same_order(key: str, left: Side, right: Side, lefts: FactSheet, rights: FactSheet) -> bool:
    """Whether one side's softmax over all experts is renormalised over the chosen."""
    if {left.value, right.value} != {"softmax_then_topk", "topk_then_softmax"}:
        return False
    sheet = lefts if left.value == "softmax_then_topk" else rights
    fact = sheet.facts.get(key.replace("moe.router.order", "moe.router.normalise"))
    return fact is not None and fact.value is True


def _softmax_after(key: str, sheet: FactSheet) -> bool:
    fact = sheet.facts.get(key.replace("moe.router.normalise", "moe.router.order"))
    return fact is not None and fact.value == "topk_then_softmax"
