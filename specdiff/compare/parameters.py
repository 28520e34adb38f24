"""Pairs the parameters of two implementations by what they do with data and by shape, never by name.

Each side's parameters stand in the order in which ``forward`` comes to them, layer by layer. Within a layer they are
aligned like two texts: equal shapes first; what is left over is explained as a transpose, a fusion or split of weights
that read the same data, or a stack of experts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TypeAlias

from specdiff.compare.layering import Item, aligned, depth_of, layers, swapped
from specdiff.compare.model import OTHER_SIZE, Pair
from specdiff.results import ClassResult

Explanation: TypeAlias = "Callable[[list[Item], list[Item]], tuple[list[Pair], list[Item], list[Item]]]"
_MOST_APART = 4_000
"""Parameters up to which cuts are tried that leave experts apart."""
ALTERNATING = "/2"
"""Ends the role of a fused weight every second row of which is the gate's."""
OTHER_ROWS = "rows stand otherwise"
"""Begins what is said of two fused weights whose parts stand in other places."""
IN_TURN = " in each of "
"""Stands before the number of groups of rows in each of which all parts of a fused weight stand."""


def pair(left: ClassResult, right: ClassResult) -> tuple[list[Pair], list[str], list[str], str]:
    """(pairs, left ones without a partner, right ones, why nothing could be paired)."""
    for side, word in ((left, "left"), (right, "right")):
        if not side.uses:
            return (
                [],
                [],
                [],
                f"the order in which the {word} side uses its parameters is not known: its forward was not followed",
            )
    pairs, left_rest, right_rest = _by_layers(left, right)
    one_only = [name for item in left_rest for name in item.names]
    other_only = [name for item in right_rest for name in item.names]
    untrained, one_only, other_only = _buffers(left, right, one_only, other_only)
    pairs += untrained
    idle, idle_left, idle_right = _idle_pairs(_idle(left), _idle(right), left, right)
    return [*pairs, *idle], [*one_only, *idle_left], [*other_only, *idle_right], ""


_Attempt: TypeAlias = tuple[list[Pair], list[Item], list[Item]]


def _by_layers(left: ClassResult, right: ClassResult) -> _Attempt:
    """The pairs of the cut into layers that leaves least over.

    What one side numbers once (`layer1.0`) another numbers twice (`stages.0.layers.0`), and what is numbered within a layer
    may be parts that run one after the other, so that other cuts are tried where the plain one leaves something over; only
    those that give as many layers on both sides.
    """
    cuts = [_cuts(side) for side in (left, right)]
    best: _Attempt | None = None
    for one in cuts[0]:
        for other in cuts[1]:
            if best is not None and len(one) != len(other):
                continue
            parts = [_pair_layer(part, opposite) for part, opposite in aligned(one, other)]
            attempt: _Attempt = (
                [pair for pairs, _, _ in parts for pair in pairs],
                [item for _, rest, _ in parts for item in rest],
                [item for _, _, rest in parts for item in rest],
            )
            if not _cost(attempt)[0]:
                return attempt
            if best is None or _cost(attempt) < _cost(best):
                best = attempt
    return best or ([], [], [])


def _cuts(side: ClassResult) -> list[list[list[Item]]]:
    depths = range(1, depth_of(side) + 1)
    found = [layers(side, depth) for depth in depths]
    if len(side.uses) <= _MOST_APART:
        apart = [layers(side, depth, together=False) for depth in depths]
        found += [each for each in apart if each not in found]
    return found


def _idle(side: ClassResult) -> list[str]:
    """Parameters that ``forward`` comes to under none of the names that they are tied to."""
    used = {use.name for use in side.uses}
    before = -1
    while before != len(used):
        before = len(used)
        used |= {name for tie in side.tied if not used.isdisjoint(tie) for name in tie}
    return [name for name in side.parameters if name not in used]


def _idle_pairs(
    lefts: list[str], rights: list[str], left: ClassResult, right: ClassResult
) -> tuple[list[Pair], list[str], list[str]]:
    """What neither side uses, by name, else the next of the same shape: nothing that it does tells it apart."""
    pairs = []
    for same_name in (True, False):
        for name in list(lefts):
            shape = left.parameters[name]
            fits = (each for each in rights if right.parameters[each] == shape and (each == name or not same_name))
            partner = next(fits, None)
            if partner is not None:
                lefts.remove(name)
                rights.remove(partner)
                pairs.append(Pair((name,), (partner,), "same", ""))
    return pairs, lefts, rights


def _buffers(
    left: ClassResult, right: ClassResult, one_only: list[str], other_only: list[str]
) -> tuple[list[Pair], list[str], list[str]]:
    """Parameters that the other side keeps as buffers: met by the same operation, or the only ones of their shape (a table
    of positions is looked up on one side and added as it is on the other)."""
    pairs: list[Pair] = []

    def partners(names: list[str], own: ClassResult, other: ClassResult) -> Iterator[tuple[str, str]]:
        uses = {use.name: use for use in own.uses}
        free = [use for use in other.uses if use.buffer]
        for name in list(names):
            use = uses.get(name)
            alike = [b for b in free if b.shape == own.parameters[name]]
            fit = next((b for b in alike if use and b.kind == use.kind), None)
            if fit is None and len(alike) == 1 and sum(own.parameters[each] == alike[0].shape for each in names) == 1:
                fit = alike[0]
            if fit is not None:
                free.remove(fit)
                names.remove(name)
                yield name, fit.name

    for name, buffer in partners(one_only, left, right):
        pairs.append(Pair((name,), (buffer,), "same", "trained on the left, a buffer on the right"))
    for name, buffer in partners(other_only, right, left):
        pairs.append(Pair((buffer,), (name,), "same", "a buffer on the left, trained on the right"))
    return pairs, one_only, other_only


def _pair_layer(left: list[Item], right: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """The explanation that leaves least over: equal shapes first, or fusions and stacks first."""
    last = (_likely, _turned, _sized)
    attempts = [
        _explained(left, right, (_in_order, _alike, _stacked, _fused, *last)),
        _explained(left, right, (_stacked, _fused, _in_order, _alike, *last)),
    ]
    return min(attempts, key=_cost)


def _cost(attempt: tuple[list[Pair], list[Item], list[Item]]) -> tuple[int, int]:
    pairs, left, right = attempt
    unlike = sum(pair.relation == OTHER_SIZE for pair in pairs)
    return len(left) + len(right) + 2 * unlike, sum(pair.relation != "same" for pair in pairs)


def _explained(
    left: list[Item], right: list[Item], explanations: Sequence[Explanation]
) -> tuple[list[Pair], list[Item], list[Item]]:
    pairs: list[Pair] = []
    left, right = list(left), list(right)
    for explain in explanations:
        found, left, right = explain(left, right)
        pairs += found
    return pairs, left, right


def _in_order(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """Equal shapes and parts in the same order on both sides."""
    matcher = SequenceMatcher(None, [_shape(item) for item in lefts], [_shape(item) for item in rights], autojunk=False)
    pairs: list[Pair] = []
    rest_left: list[Item] = []
    rest_right: list[Item] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            pairs += [_one_to_one(a, b) for a, b in zip(lefts[i1:i2], rights[j1:j2], strict=True)]
        else:
            rest_left += lefts[i1:i2]
            rest_right += rights[j1:j2]
    return pairs, rest_left, rest_right


def _shape(item: Item) -> tuple[object, ...]:
    """What must be equal; where nothing says what a bias is added to, its order alone does."""
    return (item.rows, len(item.names), item.role, bool(item.contracted), item.meaning)


def _one_to_one(a: Item, b: Item) -> Pair:
    """Two that have the same rows: stored the same way or not."""
    relation, how = "same", ""
    if a.contracted and b.contracted and a.contracted != b.contracted:
        relation, how = "transposed", "transposed"
    alternating = [word for word, item in (("left", a), ("right", b)) if item.role.endswith(ALTERNATING)]
    if len(alternating) == 1 and a.role.removesuffix(ALTERNATING) == b.role.removesuffix(ALTERNATING):
        relation = "permuted"
        how = f"{how}{', ' if how else ''}gate and up rows alternate on the {alternating[0]} and stand behind each other on the other side"
    elif a.layout and b.layout and a.layout != b.layout and _parts(a) == _parts(b):
        relation = "permuted"
        how = f"{how}{', ' if how else ''}{OTHER_ROWS}: {_standing(a)} on the left, {_standing(b)} on the right"
    return Pair(a.names, b.names, relation, how)


def _standing(item: Item) -> str:
    """Where the parts of a fused weight stand."""
    words = ", ".join(f"{length} of {part}" for part, _, length, _ in item.layout)
    turns = _turns(item)
    return f"{words} in each of {turns} groups" if turns > 1 else words


def _turns(item: Item) -> int:
    """How many times the parts of a fused weight follow each other; 1 where it is not known."""
    steps = {step for *_, step in item.layout}
    step = steps.pop() if len(steps) == 1 else 0
    return _rows(item) // step if step and _rows(item) % step == 0 else 1


def _match(a: Item, b: Item) -> bool:
    return a.rows == b.rows and len(a.names) == len(b.names)


def _kin(a: Item, b: Item) -> bool:
    """Whether two may play the same part as far as is known."""
    known = a.meaning and b.meaning
    return (not known or a.meaning == b.meaning) and (not a.role or not b.role or _parts(a) == _parts(b))


def _parts(item: Item) -> set[str]:
    return set(item.role.removesuffix(ALTERNATING).split("+")) - {""}


def _take(
    lefts: list[Item],
    rights: list[Item],
    fits: Callable[[Item, Item], bool],
    made: Callable[[Item, Item], Pair],
) -> tuple[list[Pair], list[Item], list[Item]]:
    """Pair each left item with the first right one that fits."""
    pairs = []
    remaining = list(rights)
    kept = []
    for item in lefts:
        partner = next((other for other in remaining if fits(item, other)), None)
        if partner is None:
            kept.append(item)
        else:
            remaining.remove(partner)
            pairs.append(made(item, partner))
    return pairs, kept, remaining


def _alike(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """The same rows and the same part, in another place."""
    return _take(lefts, rights, lambda a, b: _match(a, b) and bool(a.role) and _parts(a) == _parts(b), _one_to_one)


def _likely(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """The same rows, and nothing that speaks against it; then the same rows at least."""
    pairs, lefts, rights = _take(lefts, rights, lambda a, b: _match(a, b) and _kin(a, b), _one_to_one)
    more, lefts, rights = _take(lefts, rights, _match, _one_to_one)
    return [*pairs, *more], lefts, rights


def _turned(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    def fits(a: Item, b: Item) -> bool:
        unknown = not a.contracted or not b.contracted
        return unknown and len(a.names) == len(b.names) and len(a.shape) >= 2 and a.shape == swapped(b.shape)

    pairs, lefts, rights = _take(lefts, rights, fits, lambda a, b: Pair(a.names, b.names, "transposed", "transposed"))
    flat, lefts, rights = _take(
        lefts,
        rights,
        lambda a, b: len(a.names) == len(b.names) and _squeezed(a.shape) == _squeezed(b.shape) and a.shape != b.shape,
        lambda a, b: Pair(a.names, b.names, "reshaped", f"{_size(a.shape)} as {_size(b.shape)}"),
    )
    return [*pairs, *flat], lefts, rights


def _sized(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """What meets data in the same way, in the same order, and has another size."""

    def made(a: Item, b: Item) -> Pair:
        sizes = f"{_copies(a)}{_size(a.shape)} against {_copies(b)}{_size(b.shape)}"
        return Pair(a.names, b.names, OTHER_SIZE, sizes)

    def alike(a: Item, b: Item) -> bool:
        return a.kind == b.kind and len(a.shape) == len(b.shape) and _kin(a, b)

    pairs, lefts, rights = _take(
        lefts, rights, lambda a, b: alike(a, b) and (len(a.shape) == 1 or bool({*a.rows} & {*b.rows})), made
    )
    if len(lefts) == len(rights) and all(map(alike, lefts, rights)):
        # Another width throughout: what is left over stands in the same order.
        return [*pairs, *map(made, lefts, rights)], [], []
    return pairs, lefts, rights


def _copies(item: Item) -> str:
    return f"{len(item.names)} of " if len(item.names) > 1 else ""


def _stacked(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """One tensor with a dimension for the experts against one tensor per expert."""

    def one_way(stack: Item, single: Item) -> bool:
        count = len(single.names)
        if len(stack.names) != 1 or count < 2 or stack.shape[:1] != (count,) or not _kin(stack, single):
            return False
        known = stack.contracted and single.contracted
        return stack.rows[1:] in ((single.rows,) if known else (single.shape, swapped(single.shape)))

    def how(stack: Item, single: Item) -> str:
        turned = ", transposed" if stack.shape[1:] != single.shape or stack.contracted != single.contracted else ""
        return f"{len(single.names)} of {_size(single.shape)} stacked as {_size(stack.shape)}{turned}"

    first, lefts, rights = _take(lefts, rights, one_way, lambda a, b: Pair(a.names, b.names, "unstacked", how(a, b)))
    second, lefts, rights = _take(
        lefts, rights, lambda a, b: one_way(b, a), lambda a, b: Pair(a.names, b.names, "stacked", how(b, a))
    )
    return [*first, *second], lefts, rights


def _fused(lefts: list[Item], rights: list[Item]) -> tuple[list[Pair], list[Item], list[Item]]:
    """One tensor whose rows are those of several that read the same data."""
    pairs: list[Pair] = []
    for whole_side, part_side, relation in ((rights, lefts, "fused"), (lefts, rights, "split")):
        for whole in list(whole_side):
            group = _parts_of(whole, part_side)
            if group is None:
                continue
            parts, words = group
            whole_side.remove(whole)
            for part in parts:
                part_side.remove(part)
            names = tuple(name for part in parts for name in part.names)
            sides = (names, whole.names) if relation == "fused" else (whole.names, names)
            pairs.append(Pair(*sides, relation, words))
    return pairs, lefts, rights


def _parts_of(whole: Item, candidates: Sequence[Item]) -> tuple[list[Item], str] | None:
    """Neighbours whose rows add up to a fused weight's, perhaps transposed or stacked over experts."""
    if not _fusible(whole):
        return None
    readers: dict[tuple[int, int], list[Item]] = {}
    for item in filter(_fusible, candidates):
        readers.setdefault((item.source, len(item.shape)), []).append(item)
    wanted = _parts(whole)
    for shape in (whole.rows,) if whole.contracted else (whole.shape, swapped(whole.shape)):
        for group in readers.values():
            for start in range(len(group)):
                for count in (2, 3, 4, 5, 6):
                    parts = group[start : start + count]
                    given = {word for part in parts for word in _parts(part)}
                    if len(parts) < count or (wanted and given and wanted != given):
                        continue
                    if _adds_up(shape, len(whole.names), parts):
                        parts = _as_they_stand(whole, parts)
                        return parts, _in_words(whole, shape, parts)
    return None


def _fusible(item: Item) -> bool:
    """Whether rows of several may stand in one: those of a projection and its bias, not what a norm or an image's filter has."""
    return (
        not item.kind.endswith("norm") and item.meaning != "scale" and not (item.kind == "conv" and len(item.shape) > 1)
    )


def _as_they_stand(whole: Item, parts: list[Item]) -> list[Item]:
    """Parts in the order of their rows in a fused weight, where each plays one part and the rows of all are known."""
    order = [part for part, *_ in whole.layout]
    if sorted(order) != sorted(part.role for part in parts):
        return parts
    return sorted(parts, key=lambda part: order.index(part.role))


def _in_words(whole: Item, shape: tuple[int, ...], parts: Sequence[Item]) -> str:
    turns = 1 if whole.role.endswith(ALTERNATING) else _turns(whole)
    rows = " + ".join(str(_rows(part) // turns) for part in parts)
    turned = shape != whole.shape or any(part.contracted not in (0, whole.contracted) for part in parts)
    groups = f"{IN_TURN}{turns} groups" if turns > 1 else ""
    stacked = f", {shape[0]} of them stacked" if len(shape) == 3 and len(parts[0].shape) == 2 else ""
    alternate = ", alternating" if whole.role.endswith(ALTERNATING) else ""
    return f"rows {rows} of {_size(whole.shape)}{alternate}{groups}{stacked}{', transposed' if turned and whole.contracted == -2 else ''}"


def _adds_up(shape: tuple[int, ...], copies: int, parts: Sequence[Item]) -> bool:
    sizes = [part.rows for part in parts]
    if len(shape) == 1:
        return (
            all(len(part.shape) == 1 and len(part.names) == copies for part in parts)
            and sum(size[0] for size in sizes) == shape[0]
        )
    if len(shape) == 3 and copies == 1 and all(len(p.shape) == 2 and len(p.names) == shape[0] for p in parts):
        return {size[1] for size in sizes} == {shape[2]} and sum(size[0] for size in sizes) == shape[1]
    same = all(len(p.shape) == len(shape) and len(p.names) == copies and p.rows[:-2] == shape[:-2] for p in parts)
    return same and {size[-1] for size in sizes} == {shape[-1]} and sum(size[-2] for size in sizes) == shape[-2]


def _rows(item: Item) -> int:
    return item.rows[-2] if len(item.shape) > 1 else item.shape[0]


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _size(shape: Sequence[int]) -> str:
    return "×".join(str(size) for size in shape)
