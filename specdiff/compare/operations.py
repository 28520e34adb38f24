"""Every operation of two models held against each other, with parameters and layers standing for their counterparts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from specdiff.compare.carrying import Weights, tied
from specdiff.compare.deciding import APART, Decision, Outcome, constant, decide
from specdiff.compare.held import ENDS, Held, Layer, Place
from specdiff.compare.model import OTHER_SIZE, Pair
from specdiff.compare.numbers import Array, NotEvaluated
from specdiff.graph.computed import RAISES, absolute, relative
from specdiff.results import ClassResult, Computed, ComputedPart

_OUTER = re.compile(r"#(\d+) of (.*)\Z")
_RESULT = re.compile(r"(result \S+) of (.*)\Z")
_OTHER_SIZES = Decision(Outcome.OPEN, "not worked out: the two have other sizes")
OTHER = "other "
"""Begins the label of what an enclosing part hands on and the other side has nothing like."""
_STEPS = 2
"""From an operation back to the weights that it works on: a cast, and a number that is added."""
_ALIKE = 0.5
"""Share of a part's operations that must be found again for the others to be told one by one."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """Operations of one part, the same in some layers, in whose place the other side has others."""

    run: str
    """Empty for the plain prompt."""
    paths: tuple[str, ...]
    """The left side's module paths."""
    left: tuple[Computed, ...]
    right: tuple[Computed, ...]
    rewired: bool
    """Whether the operations are the same and read something else."""
    decision: Decision
    whole: bool = False
    """Whether the part is written otherwise throughout."""
    weights: tuple[tuple[str, tuple[int, ...] | None], ...] = ()
    """Labels and shapes of the left side's parameters that it reads, or what it reads is made of."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """What became of holding all operations against each other."""

    total: int
    """Operations of the left side in the plain run, equal layers once."""
    found: int
    """Those that the right side has too, reading and read by the same."""
    deviations: tuple[Deviation, ...]
    otherwise: tuple[str, ...]
    """Paths of the left's parts that are written otherwise throughout, so that their operations are not told one by one."""
    why_not: str
    """Why nothing could be held against each other; empty where it could."""


Through: TypeAlias = "Callable[[str], Decision]"
"""Works out a whole run of both sides."""
_CHOOSING = frozenset(
    {"compare", "where", "masked_fill", "clamp", "maximum", "minimum", "logical_and", "logical_or", "and", "or"}
)
"""Kinds by which other numbers than those worked out may take another way."""
_MOVING = frozenset({"reshape", "transpose", "permute"})
"""Kinds that make no number."""


def align(left: ClassResult, right: ClassResult, pairs: Sequence[Pair], through: Through | None = None) -> Alignment:
    """Hold the operations of two results (analysed with `Options.operations`) against each other.

    Args:
        left: One class.
        right: The other.
        pairs: Which parameters stand for each other.
        through: Asked for a run in which some operations are others and not known to come to the same.
    """
    for side, word in ((left, "left"), (right, "right")):
        if not any(part.run == "" for part in side.computed):
            return Alignment(0, 0, (), (), f"the {word} side's forward was not followed")
    names = _names(left, right, pairs)
    shaped = not any(pair.relation == OTHER_SIZE for pair in pairs)
    weights = Weights(left, right, pairs)
    total = found = 0
    deviations: list[Deviation] = []
    otherwise: dict[str, None] = {}
    for run in dict.fromkeys(part.run for part in (*left.computed, *right.computed)):
        sides = [[part for part in side.computed if part.run == run] for side in (left, right)]
        refusals = [_refusal(side) for side in sides]
        if any(refusals):
            deviations += _refused(run, refusals)
            continue
        if not all(sides):
            continue
        parts = list(_Run(sides[0], sides[1], names, shaped, weights, left).parts())
        alone = (
            any(_computes(one) and not _computes(other) for _, one, other in parts),
            any(_computes(other) and not _computes(one) for _, one, other in parts),
        )
        run_told: list[Deviation] = []
        for paths, one, other in parts:
            told, alike = _told(run, paths, one, other, shaped)
            run_told += [_unless_elsewhere(each, alone) for each in told]
            if not run:
                total += len(one.operations)
                found += alike
        if any(each.whole and each.decision.outcome is not Outcome.SAME for each in run_told):
            run_told = [_unless_laid_out(each) for each in run_told]
        if shaped and through is not None and any(each.decision.outcome is not Outcome.SAME for each in run_told):
            whole = through(run)
            run_told = [_in_view_of(each, whole) for each in run_told]
            if whole.outcome is Outcome.OTHER and weights.sure():
                run_told = _blamed(run_told, whole)
        for each in run_told:
            if each.whole and each.decision.outcome is not Outcome.SAME:
                otherwise.update(dict.fromkeys(each.paths))
        deviations += run_told
    return Alignment(total, found, tuple(_once(deviations)), tuple(otherwise), "")


def _in_view_of(deviation: Deviation, whole: Decision) -> Deviation:
    """A deviation where it is known what the whole run comes to."""
    own = deviation.decision
    if whole.outcome is Outcome.OPEN and deviation.whole:
        return replace(deviation, decision=Decision(Outcome.OPEN, whole.words))
    if whole.outcome is not Outcome.SAME or own.outcome is Outcome.SAME:
        return deviation
    kinds = {op.kind for side in (deviation.left, deviation.right) for op in side}
    if own.outcome is Outcome.OTHER and not deviation.whole and kinds & _CHOOSING:
        words = f"{own.words} here, though the whole comes to the same for the prompt that was worked out"
        return replace(deviation, decision=Decision(Outcome.OPEN, words))
    return replace(deviation, decision=whole)


def _blamed(deviations: list[Deviation], whole: Decision) -> list[Deviation]:
    """Deviations of a run that comes to something else, where none of them alone was found to."""
    doubtful = [each for each in deviations if each.decision.outcome is Outcome.OPEN]
    if any(each.decision.outcome is Outcome.OTHER for each in deviations) or not doubtful:
        return deviations
    words = whole.words
    if len(doubtful) > 1:
        words += f"; this or another of the {len(doubtful)} places that are written otherwise"
    told = replace(doubtful[0], decision=Decision(Outcome.OTHER, words))
    return [told if each is doubtful[0] else each for each in deviations]


def _computes(layer: Layer) -> bool:
    return any(op.kind not in ENDS for op in layer.operations)


def _unless_elsewhere(deviation: Deviation, alone: tuple[bool, bool]) -> Deviation:
    """What a side lacks in one part is not known to be missing where it has parts that no part of the other stands for."""
    lacking = (not deviation.left and alone[0]) or (not deviation.right and alone[1])
    if not lacking or deviation.decision.outcome is not Outcome.OTHER:
        return deviation
    words = "the side that lacks it has parts of its own that may do it"
    return replace(deviation, decision=Decision(Outcome.OPEN, words))


def _unless_laid_out(deviation: Deviation) -> Deviation:
    """What only moves elements changes no result by itself, where a part that is written otherwise may read it so."""
    kinds = {op.kind for side in (deviation.left, deviation.right) for op in side}
    if deviation.whole or not kinds <= _MOVING or deviation.decision.outcome is not Outcome.OTHER:
        return deviation
    words = "the elements stand otherwise; so may what reads them in parts that are written otherwise"
    return replace(deviation, decision=Decision(Outcome.OPEN, words))


def _refusal(parts: Sequence[ComputedPart]) -> tuple[Computed, ...]:
    return tuple(op for part in parts for op in part.operations if op.kind == RAISES)


def _refused(run: str, refusals: Sequence[tuple[Computed, ...]]) -> Iterator[Deviation]:
    """Where one side alone raises, whatever the input."""
    left, right = refusals
    if not left or not right:
        word = "left" if left else "right"
        yield Deviation(run, ("",), left, right, False, Decision(Outcome.OTHER, f"the {word} side alone raises"))


def _told(run: str, paths: tuple[str, ...], one: Layer, other: Layer, sized: bool) -> tuple[list[Deviation], int]:
    """(what deviates in one part; operations found on both sides)."""
    held = Held(one, other)
    found = list(_deviations(run, paths, held, sized))
    outcomes = {each.decision.outcome for each in found}
    if outcomes <= {Outcome.SAME}:
        return found, held.found
    near = Held(one, other, anchored=True)
    if near.share > held.share:
        closer = list(_deviations(run, paths, near, sized))
        others = [each for each in closer if each.decision.outcome is Outcome.OTHER]
        if others or Outcome.OTHER not in outcomes:
            if Outcome.OTHER not in outcomes and len({_lines(each) for each in others}) > 1:
                closer = [_doubted(each) for each in closer]  # one change may make up for the other
            held, found = near, closer
    if held.share >= _ALIKE:
        return found, held.found
    return [_whole(run, paths, one, other, found)] if not run else [], held.found


def _whole(run: str, paths: tuple[str, ...], one: Layer, other: Layer, found: Sequence[Deviation]) -> Deviation:
    """A part that is written otherwise throughout, and whose results are not proven to be the same."""
    sides = [tuple(op for op in layer.operations if op.kind not in ENDS) for layer in (one, other)]
    apart = next((each.decision for each in found if each.decision.outcome is Outcome.OTHER), None)
    open_ = next((each.decision for each in found if each.decision.outcome is Outcome.OPEN), None)
    words = apart.words if apart is not None else open_.words if open_ is not None else "nothing is read of it"
    if apart is not None and apart.shapes:
        words = "its results are in other shapes, so that they are not held against each other"
    return Deviation(run, paths, sides[0], sides[1], False, Decision(Outcome.OPEN, words), whole=True)


def _lines(deviation: Deviation) -> tuple[frozenset[tuple[str, int, str]], ...]:
    sides = (deviation.left, deviation.right)
    return tuple(frozenset((op.file, op.line, op.kind) for op in side) for side in sides)


def _doubted(deviation: Deviation) -> Deviation:
    if deviation.decision.outcome is not Outcome.OTHER:
        return deviation
    words = f"{deviation.decision.words} here; whether another change makes up for it is not known"
    return replace(deviation, decision=Decision(Outcome.OPEN, words))


def _deviations(run: str, paths: tuple[str, ...], held: Held, sized: bool) -> Iterator[Deviation]:
    for place in held.places():
        sides = [
            tuple(each for index in sorted(members) if (each := layer.operations[index]).kind not in ENDS)
            for layer, members in zip(held.sides, (place.left, place.right), strict=True)
        ]
        if any(sides) and not _judged_within(held, place):
            words = [
                sorted(layer.words[index] for index in members)
                for layer, members in zip(held.sides, (place.left, place.right), strict=True)
            ]
            decision = decide(held, place) if sized else _OTHER_SIZES
            weights = tuple(dict.fromkeys(_weights_near(held.sides[0], place.left)))
            yield Deviation(run, paths, sides[0], sides[1], words[0] == words[1], decision, weights=weights)


def _weights_near(layer: Layer, members: Iterable[int]) -> Iterator[tuple[str, tuple[int, ...] | None]]:
    """(label, shape) of parameters that operations read, some steps before them at most."""
    near = set(members)
    for _ in range(_STEPS):
        near |= {each for index in near for each in layer.inputs(index)}
    for index in sorted(near):
        for label, seen in zip(layer.labels[index], layer.operations[index].reads, strict=True):
            if label.startswith("parameter "):
                yield label, seen.size


def _judged_within(held: Held, place: Place) -> bool:
    """Whether what one side makes is only handed on to layers that are held against each other with it."""
    ends = [
        layer.operations[index]
        for layer, members in zip(held.sides, (place.left, place.right), strict=True)
        for index in members
        if layer.operations[index].kind in ENDS
    ]
    return bool(ends) and not place.readers and all(op.said.startswith(OTHER) for op in ends)


def _once(deviations: Sequence[Deviation]) -> Iterator[Deviation]:
    """Each deviation for its first run alone, with all the layers that it is in."""
    merged: dict[object, Deviation] = {}
    runs: dict[object, str] = {}
    for each in deviations:
        lines = _lines(each)
        if runs.setdefault(lines, each.run) != each.run:
            continue
        key = (lines, each.decision.outcome)
        known = merged.get(key)
        paths = (*known.paths, *each.paths) if known is not None else each.paths
        merged[key] = replace(known or each, paths=tuple(dict.fromkeys(paths)))
    yield from merged.values()


def _names(left: ClassResult, right: ClassResult, pairs: Sequence[Pair]) -> dict[str, str]:
    """The left's name of each of the right's parameters that has one."""
    if left.parameters == right.parameters:
        return {name: name for name in right.parameters}
    found: dict[str, str] = {}
    for pair in pairs:
        if pair.relation in ("same", OTHER_SIZE) and len(pair.left) == len(pair.right):
            found.update(zip(pair.right, pair.left, strict=True))
    for group in tied(right).values():
        known = next((found[each] for each in group if each in found), None)
        if known is not None:
            for each in group:
                found.setdefault(each, known)
    return found


class _Run:
    """One way of calling ``forward`` on both sides; owned by one `align` call."""

    def __init__(
        self,
        lefts: list[ComputedPart],
        rights: list[ComputedPart],
        names: Mapping[str, str],
        shaped: bool,
        weights: Weights,
        left: ClassResult,
    ) -> None:
        self.weights = weights
        self.alike = all(name == other for name, other in names.items())
        self.names = names
        self.named = {name: name for name in names.values()}
        """A left parameter's name by any that it has."""
        for name, group in tied(left).items():
            known = next((each for each in group if each in self.named), None)
            if known is not None:
                self.named.setdefault(name, known)
        self.shaped = shaped
        self.lefts = {path: part for part in lefts for path in part.paths}
        self.rights = {path: part for part in rights for path in part.paths}
        self.partners = dict(_partners(list(self.lefts), list(self.rights)))
        """The right's path by the left's."""
        self.paths = {other: path for path, other in self.partners.items()}
        self.inputs = self._inputs()
        self.made: dict[tuple[int, str], Layer] = {}
        self.read_within = [self._read_within(parts) for parts in (self.lefts, self.rights)]
        self.handed: dict[tuple[int, str], dict[int, str]] = {}

    def parts(self) -> Iterator[tuple[tuple[str, ...], Layer, Layer]]:
        """(left paths, left, right) of parts that stand for each other; equal ones once; a missing one is empty."""
        groups: dict[object, tuple[list[str], Layer, Layer]] = {}
        nothing = Layer((), [], False)
        for path in sorted(self.lefts, key=lambda each: (each.count("."), each)):
            one = self._left(path)
            partner = self.partners.get(path)
            other = self._right(partner) if partner is not None else nothing
            key = (tuple(one.forward), tuple(other.forward), re.sub(r"\d+", "*", path))
            groups.setdefault(key, ([], one, other))[0].append(path)
        for path in self.rights:
            if path not in self.paths:
                other = self._right(path)
                groups.setdefault(("right", tuple(other.forward)), ([], nothing, other))[0].append(path)
        for paths, one, other in groups.values():
            yield tuple(sorted(paths, key=_numbers)), one, other

    def _left(self, path: str) -> Layer:
        return self._layer(0, path)

    def _right(self, path: str) -> Layer:
        return self._layer(1, path)

    def _layer(self, side: int, path: str) -> Layer:
        known = self.made.get((side, path))
        if known is None:
            operations, labels = self._plain(side, path)
            ends = [
                self._given(number, operations[number], label) for number, label in self._exports(side, path).items()
            ]
            reads = [tuple(seen.label for seen in end.reads) for end in ends]
            known = self.made[side, path] = Layer(
                (*operations, *ends), [*labels, *reads], self.shaped, self._values(side, path)
            )
        return known

    def _values(self, side: int, path: str) -> Callable[[str], Array | None]:
        """What arrays stand behind labels that mean nothing to the other side."""
        here = self.paths.get(path, path) if side else path
        outer = {
            self._translated(side, seen.label, path, here): seen.label
            for op in (self.rights if side else self.lefts)[path].operations
            for seen in op.reads
            if _OUTER.match(seen.label)
        }

        def value(label: str) -> Array | None:
            if label.startswith(APART):
                return self.weights.array(side, here, absolute(path, label.rpartition("parameter ")[2]))
            match = _OUTER.match(outer.get(label, "")) if label.startswith(OTHER) else None
            if match is None:
                return None
            layer = self._layer(side, absolute(path, match[2]))
            index = int(match[1])
            if not layer.constant[index]:
                raise NotEvaluated("something that is made outside of layers has nothing like it on the other side")
            return constant(layer, index)

        return value

    def _plain(self, side: int, path: str) -> tuple[tuple[Computed, ...], list[tuple[str, ...]]]:
        """A part's operations with what they read in terms that both sides share."""
        operations = (self.rights if side else self.lefts)[path].operations
        here = self.paths.get(path, path) if side else path
        return operations, [
            tuple(self._translated(side, seen.label, path, here) for seen in op.reads) for op in operations
        ]

    def _given(self, number: int, operation: Computed, label: str) -> Computed:
        """That a part hands something on to a part within it."""
        seen = replace(operation.result, label=f"#{number}", values=None)
        return Computed("given", label, (seen,), "", None, replace(seen, label=""), {}, operation.file, operation.line)

    def _exports(self, side: int, path: str) -> dict[int, str]:
        """What a part hands on to parts within it: by what it is where the other side has it too, else by its order."""
        known = self.handed.get((side, path))
        if known is not None:
            return known
        left = self.paths.get(path) if side else path
        right = path if side else self.partners.get(path)
        found: list[dict[int, tuple[str, str]]] = []
        for number, own in ((0, left), (1, right)):
            wanted = self.read_within[number].get(own, set()) if own is not None else set()
            layer = Layer(*self._plain(number, own), self.shaped) if wanted and own is not None else None
            found.append({i: (layer.forward[i], layer.words[i]) for i in sorted(wanted)} if layer is not None else {})
        labels = _handed(found[0], found[1], self.alike)
        for number, own in ((0, left), (1, right)):
            if own is not None:
                self.handed[number, own] = labels[number]
        return self.handed[side, path]

    def _translated(self, side: int, label: str, path: str, here: str) -> str:
        """A label in the left's terms."""
        match = _OUTER.match(label)
        if match is not None:
            return self._exports(side, absolute(path, match[2]))[int(match[1])]
        if label.startswith("parameter "):
            own = absolute(path, label.removeprefix("parameter "))
            name = self.names.get(own) if side else self.named.get(own)
            return f"{APART}{side} {label}" if name is None else f"parameter {relative(here, name)}"
        match = _RESULT.match(label) if side else None
        if match is not None:
            there = absolute(path, match[2])
            return f"{match[1]} of {relative(here, self.paths.get(there, there))}"
        return self.inputs[side].get(label, label)

    @staticmethod
    def _read_within(parts: Mapping[str, ComputedPart]) -> dict[str, set[int]]:
        """By part: its operations that parts within it read."""
        found: dict[str, set[int]] = defaultdict(set)
        for path, part in parts.items():
            for op in part.operations:
                for seen in op.reads:
                    match = _OUTER.match(seen.label)
                    if match is not None:
                        found[absolute(path, match[2])].add(int(match[1]))
        return found

    def _inputs(self) -> tuple[dict[str, str], dict[str, str]]:
        """Inputs by their order where the two sides name them otherwise."""
        sides = []
        for parts in (self.lefts, self.rights):
            read = (seen.label for part in parts.values() for op in part.operations for seen in op.reads)
            sides.append(list(dict.fromkeys(label for label in read if label.startswith("input "))))
        if set(sides[0]) == set(sides[1]):
            return {}, {}
        ordered = [{label: f"input {index}" for index, label in enumerate(side)} for side in sides]
        return ordered[0], ordered[1]


def _handed(left: dict[int, tuple[str, str]], right: dict[int, tuple[str, str]], alike: bool) -> list[dict[int, str]]:
    """Labels for what two parts hand on: equal for what is the same, else for the same operation, else for the same place.

    Args:
        left: By operation of one part: its digest, and its kind and settings.
        right: The same of the other.
        alike: Whether the two are the same code but for some places, so that what is left over stands in the same order.
    """
    shared = {each for each, _ in left.values()} & {each for each, _ in right.values()}
    labels = [{index: each for index, (each, _) in side.items() if each in shared} for side in (left, right)]
    groups: list[dict[str, list[int]]] = [defaultdict(list), defaultdict(list)]
    for group, side, known in zip(groups, (left, right), labels, strict=True):
        for index, (_, words) in side.items():
            if index not in known:
                group[words].append(index)
    for words, members in groups[0].items():
        others = groups[1].get(words, [])
        if len(members) == len(others):
            for rank, pair in enumerate(zip(members, others, strict=True)):
                for known, index in zip(labels, pair, strict=True):
                    known[index] = f"{words} {rank}"
    rests = [[index for index in side if index not in known] for side, known in zip((left, right), labels, strict=True)]
    paired = alike and len(rests[0]) == len(rests[1])
    for number, (rest, known) in enumerate(zip(rests, labels, strict=True)):
        known.update({i: f"changed {rank}" if paired else f"{OTHER}{number} {rank}" for rank, i in enumerate(rest)})
    return labels


def _partners(lefts: Sequence[str], rights: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(left path, right path): equal paths, else the members of stacks that come in the same order and are as many."""
    if set(lefts) == set(rights):
        yield from ((path, path) for path in lefts)
        return
    stacks = []
    for side in (lefts, rights):
        found: dict[str, list[str]] = defaultdict(list)
        for path in side:
            found[re.sub(r"\d+", "*", path)].append(path)
        stacks.append([sorted(members, key=_numbers) for members in found.values()])
    rest = list(stacks[1])
    for members in stacks[0]:
        alike = (each for each in rest if len(each) == len(members) and (members[0] == "") == (each[0] == ""))
        partner = next(alike, None)
        if partner is not None:
            rest.remove(partner)
            yield from zip(members, partner, strict=True)


def _numbers(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]
