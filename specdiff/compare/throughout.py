"""Whether two runs come to the same from the tokens to the logits, whatever they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specdiff.compare.carrying import Weights
from specdiff.compare.deciding import CLOSE, Decision, Outcome, bounded, long_number
from specdiff.compare.numbers import Array, NotEvaluated, distance, random
from specdiff.compare.whole import Node, Whole, inputs, rows
from specdiff.graph.computed import absolute
from specdiff.results import Computed, ComputedPart, Seen

_SCALES = (1.0, 0.03, 6.0)
"""Sizes of the weights: small ones show constants beside squares, large ones limits."""
_REACHED = 10
"""Whole numbers below this are reached by a prompt of eleven tokens."""
_FLOATS = ("float", "bfloat")


@dataclass(frozen=True, slots=True)
class _Input:
    """What one input is on either side."""

    value: Array
    row: bool
    """Whether the right side takes one example at a time."""


def through(lefts: Sequence[ComputedPart], rights: Sequence[ComputedPart], weights: Weights) -> Decision:
    """Work out one run of both sides from what they are given to what they give."""
    sides = (lefts, rights)
    met: set[tuple[str, int]] = set()
    try:
        fed = _fed(sides)
        largest = 0.0
        for scale in _SCALES:
            largest = max(largest, _apart(sides, fed, weights, scale, met))
            if largest > CLOSE:
                words = f"worked out from the inputs on, the results differ by {_share(largest)}"
                return Decision(Outcome.OTHER, words, largest == np.inf)
        _limits(sides, met)
    except NotEvaluated as error:
        return Decision(Outcome.OPEN, str(error))
    return Decision(Outcome.SAME, _words(fed[2]))


def _words(assumed: Sequence[str]) -> str:
    words = "worked out from the inputs on with weights as the pairs say, both come to the same"
    return f"{words}, given {' and '.join(assumed)}" if assumed else words


def _share(largest: float) -> str:
    return "more than any number" if largest == np.inf else f"{largest:.2g} times an ordinary number"


def _limits(sides: Sequence[Sequence[ComputedPart]], met: set[tuple[str, int]]) -> None:
    """Refuse where one side has a bound, or a length, that the numbers worked out did not come to."""
    for number, words in ((bounded, "the bound at {} may matter for larger numbers"),
                          (_length, "the number at {} may matter in a longer prompt")):  # fmt: skip
        found: list[dict[object, Computed]] = [{}, {}]
        for side, parts in zip(found, sides, strict=True):
            for part in parts:
                for op in part.operations:
                    known = number(op)
                    if known is not None and (op.file, op.line) not in met:
                        side.setdefault(known, op)
        for each in set(found[0]) ^ set(found[1]):
            op = found[0].get(each) or found[1][each]
            raise NotEvaluated("the same for the numbers worked out; " + words.format(f"{op.file}:{op.line}"))


def _length(operation: Computed) -> float | None:
    number = long_number(operation, _REACHED)
    return None if number is None else abs(number)


# What both sides are given


def _fed(
    sides: Sequence[Sequence[ComputedPart]],
) -> tuple[Mapping[str, Array], Mapping[str, Array], tuple[str, ...], bool]:
    """(the left's inputs by label, the right's, what was assumed of some, whether the right side takes one example)."""
    given = [inputs(parts) for parts in sides]
    fed: tuple[dict[str, Array], dict[str, Array]] = ({}, {})
    single = False
    pairs = list(_paired(given[0], given[1]))
    for one, other in pairs:
        seen, seen_other = given[0][one], given[1][other]
        value = _numbers(sides, (one, other), seen)
        if seen.size == seen_other.size:
            fed[1][other] = value
        elif seen.size is not None and seen.size[1:] == seen_other.size:
            fed[1][other] = value
            single = True
        else:
            raise NotEvaluated("the two sides take inputs of other shapes")
        fed[0][one] = value
    assumed = []
    for number in (0, 1):
        for label, seen in given[number].items():
            if label not in fed[number]:
                fed[number][label], words = _assumed(label, seen)
                assumed.append(words)
    return fed[0], fed[1], tuple(assumed), single


def _paired(lefts: Mapping[str, Seen], rights: Mapping[str, Seen]) -> Iterator[tuple[str, str]]:
    """Inputs of the same name, else the first two of a format that are as large."""
    free = dict(rights)
    left_over = []
    for label in lefts:
        if label in free:
            del free[label]
            yield label, label
        else:
            left_over.append(label)
    for label in left_over:
        one = lefts[label]
        alike = [
            other
            for other, seen in free.items()
            if _kind(seen) == _kind(one) and one.size and seen.size in (one.size, one.size[1:])
        ]
        alike.sort(key=lambda other: free[other].size != one.size)
        if alike:
            del free[alike[0]]
            yield label, alike[0]


def _kind(seen: Seen) -> str:
    return "bool" if seen.dtype == "bool" else "int" if "int" in seen.dtype else "float"


def _numbers(sides: Sequence[Sequence[ComputedPart]], labels: tuple[str, str], seen: Seen) -> Array:
    if seen.size is None:
        raise NotEvaluated("the size of an input is not known")
    if _kind(seen) != "int":
        return random(seen.size, seen.dtype, "input")
    tables = [rows(parts, label) for parts, label in zip(sides, labels, strict=True)]
    known = [each for each in tables if each is not None]
    return np.random.default_rng(7).integers(0, min(known) if known else 2, seen.size)


def _assumed(label: str, seen: Seen) -> tuple[Array, str]:
    """What an input is taken to be that the other side makes by itself."""
    name, size = label.split()[1], seen.size
    if size is not None and _kind(seen) == "int" and len(size) in (1, 2):
        return np.broadcast_to(np.arange(size[-1]), size), f"`{name}` that counts up"
    if size is not None and len(size) > 1 and size[-1] == size[-2] and _kind(seen) != "int":
        below = np.tri(size[-1], dtype=bool)
        made = below if _kind(seen) == "bool" else np.where(below, 0.0, -np.inf)
        return np.broadcast_to(made, size), f"a causal mask as `{name}`"
    raise NotEvaluated(f"the other side has nothing like the input `{name}`")


# Both sides


def _apart(
    sides: Sequence[Sequence[ComputedPart]],
    fed: tuple[Mapping[str, Array], Mapping[str, Array], tuple[str, ...], bool],
    weights: Weights,
    scale: float,
    met: set[tuple[str, int]],
) -> float:
    left = _Side(0, sides[0], fed[0], weights, scale, met)
    one, others = left.results(None), None
    if not fed[3]:
        others = _Side(1, sides[1], fed[1], weights, scale, met).results(None)
    else:
        examples = len(next(iter(one)))
        rows_ = [_Side(1, sides[1], fed[1], weights, scale, met).results(row) for row in range(examples)]
        others = [np.stack(each) for each in zip(*rows_, strict=True)]
    return _furthest(one, others)


class _Side:
    """One side with its inputs and weights; owned by one working out."""

    def __init__(
        self,
        number: int,
        parts: Sequence[ComputedPart],
        fed: Mapping[str, Array],
        weights: Weights,
        scale: float,
        met: set[tuple[str, int]],
    ) -> None:
        self._met = met
        self._number = number
        self._parts = parts
        self._fed = fed
        self._weights = weights
        self._scale = scale

    def results(self, row: int | None) -> list[Array]:
        """What ``forward`` gives, as far as it is numbers with a fraction; of one example where a row is named."""
        whole = Whole(self._parts, self._leaf(row))
        nodes = [node for node in whole.outputs() if _is_float(whole, node)]
        if not nodes:
            raise NotEvaluated("nothing that comes out is a number with a fraction")
        found = [whole.value(node) for node in nodes]
        self._met |= whole.met
        return found

    def _leaf(self, row: int | None) -> Callable[[str, Seen, str], Array]:
        def leaf(label: str, seen: Seen, path: str) -> Array:
            if label.startswith("input "):
                value = self._fed[label]
                return value if row is None else value[row]
            if label.startswith("parameter "):
                name = absolute(path, label.removeprefix("parameter "))
                return self._weights.whole(self._number, name, self._scale)
            raise NotEvaluated("the numbers of a stored table are not known")

        return leaf


def _is_float(whole: Whole, node: Node) -> bool:
    return whole.operation(node).result.dtype.startswith(_FLOATS)


def _furthest(lefts: Sequence[Array], rights: Sequence[Array]) -> float:
    """The largest difference of results that stand for each other."""
    found = []
    rest = list(rights)
    for one in lefts:
        other = next((each for each in rest if _last(one, each) is not None), None)
        if other is None:
            continue
        rest = [each for each in rest if each is not other]
        shown = _last(one, other)
        assert shown is not None
        if np.isnan(shown[0]).any() or np.isnan(shown[1]).any():
            raise NotEvaluated("what nothing wrote before comes out")
        apart = distance(*shown)
        if apart is None:
            raise NotEvaluated("too few of the results are numbers")
        found.append(apart)
    if not found:
        raise NotEvaluated("what comes out is in other shapes")
    return max(found)


def _last(one: Array, other: Array) -> tuple[Array, Array] | None:
    """Two results in one shape; of one for all positions and one for the last, both at the last."""
    if one.shape == other.shape:
        return one, other
    for long, short, turned in ((one, other, False), (other, one, True)):
        if long.ndim < 3 or long.shape[-1] != short.shape[-1] or long.shape[0] != short.shape[0]:  # noqa: PLR2004
            continue
        last = long[:, -1:]
        if short.shape in (last.shape, last[:, 0].shape):
            pair = (last.reshape(short.shape), short)
            return pair[::-1] if turned else pair
    return None
