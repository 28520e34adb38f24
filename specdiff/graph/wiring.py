"""How a layer's parts are connected, read from the operations of its ``forward``.

The operations of one layer are gathered into its parts; what the layer computes by itself (additions, products) stands
between them. Nothing here knows how layers usually look: where the operations were not followed, there is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from specdiff.graph.boxes import Box, Kind
from specdiff.graph.flow import Alternative, Flow, Fork, Place, Read, Tangle, arranged
from specdiff.results import Step

MOST_ITEMS = 40
"""Parts and operations of one layer beyond which its connections are no drawing."""
_MOST_ORIGINS = 60
"""Operations followed back to find where a value from outside comes from."""

_JOINS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "cat": "concatenate", "stack": "stack", "index_add": "+"}
_WRITES = frozenset({"overwrite", "setitem", "join", "copy", "scatter", "masked_scatter", "index_put", "where"})
"""What gives one of its inputs with something of another in it, or one of two."""
_SHOWN = {
    "gelu": "GELU", "silu": "SiLU", "relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "tanh", "softmax": "Softmax",
    "rms_norm": "RMSNorm", "layer_norm": "LayerNorm", "group_norm": "GroupNorm", "pool": "Pooling",
}  # fmt: skip
_WEIGHED = {"linear": "Linear", "conv": "Convolution", "matmul": "Linear", "einsum": "Linear", "mul": "×", "add": "+"}
_START, _END = -2, -1


@dataclass(frozen=True, slots=True)
class Part:
    """A box with the modules that it stands for."""

    box: Box
    paths: tuple[str, ...]
    """Module paths, the layer's number as `*`."""
    class_name: str = ""
    norms: Mapping[str, Box] = field(default_factory=dict)
    """Norms inside it by path, which stand by themselves where they are its first or last step."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What columns give to each other."""

    links: Mapping[tuple[int, int], bool]
    """From one column to another; whether layers read it beside the value that they work on."""
    inputs: tuple[tuple[str, ...], ...]
    """For each column the arguments that it reads."""


class Wiring:
    """The operations of a class as drawings ask for them."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = {step.number: step for step in steps}
        self._readers: dict[int, list[int]] = {}
        self._starts: dict[str, int] = {}
        """By layer: the operation whose result the first that was read works on."""
        for step in steps:
            for source in step.inputs:
                self._readers.setdefault(source, []).append(step.number)

    def first(self, path: str) -> int | None:
        """The first operation of a module; None where none is known."""
        found = (n for n, step in self._steps.items() if step.module == path or step.module.startswith(path + "."))
        return min(found, default=None)

    def given_by(self, path: str, owners: Sequence[str]) -> str | None:
        """Which of some modules gave, last of all, what a module works on; None where none did or nothing is known."""
        first = self.first(path)
        waiting = [first] if first is not None else []
        seen = set(waiting)
        while waiting:
            waiting.sort()
            step = self._steps[waiting.pop()]
            for owner in owners:
                if step.module == owner or step.module.startswith(owner + "."):
                    return owner
            waiting += [source for source in step.inputs if source not in seen]
            seen.update(step.inputs)
        return None

    def attends(self, path: str, layers: Sequence[int]) -> bool:
        """Whether tokens meet in a module of some layers (`*` in its path): a softmax over scores of tokens, per head."""
        places = [_at(path, layer) for layer in layers]
        return any(
            (step.kind == "sdpa" or (step.kind == "softmax" and step.shape.count("×") >= 3))
            and any(step.module == place or step.module.startswith(place + ".") for place in places)
            for step in self._steps.values()
        )

    def leads(self, one: str, other: str) -> bool | None:
        """Whether what one module gives reaches another; None where nothing is known of one of them."""
        own = {n for n, s in self._steps.items() if s.module == one or s.module.startswith(one + ".")}
        goal = {n for n, s in self._steps.items() if s.module == other or s.module.startswith(other + ".")}
        if not own or not goal:
            return None
        waiting, seen = list(own), set(own)
        while waiting:
            for reader in self._readers.get(waiting.pop(), ()):
                if reader not in seen:
                    seen.add(reader)
                    waiting.append(reader)
        return bool(goal & seen)

    def feeds(self, paths: Sequence[str], stack: str) -> bool | None:
        """Whether what some modules give becomes the value that a stack works on; None where that is not known."""
        start = self._starts.get(f"{stack}.*")
        mine = {
            n for path in paths for n, s in self._steps.items() if s.module == path or s.module.startswith(path + ".")
        }
        if start is None or not mine:
            return None
        waiting, seen = [start], {start}
        while waiting:
            for source in self._steps[waiting.pop()].inputs:
                if source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return bool(mine & seen)

    def passed(self, regions: Sequence[Sequence[str]]) -> Passed:
        """What the columns of a drawing give to each other, and which inputs they read.

        Args:
            regions: For each column the module paths that belong to it.
        """
        owners = sorted(
            ((path, index) for index, paths in enumerate(regions) for path in paths), key=lambda o: -len(o[0])
        )
        carried: dict[int, frozenset[int | str]] = {}
        links: dict[tuple[int, int], bool] = {}
        inputs: list[dict[str, None]] = [{} for _ in regions]
        starts = set(self._starts.values())
        for number, step in self._steps.items():
            above = frozenset(each for source in step.inputs for each in carried.get(source, ()))
            mine = next((i for path, i in owners if step.module == path or step.module.startswith(path + ".")), None)
            if mine is None:
                carried[number] = above | {step.function} if step.kind == "input" else above
                continue
            carried[number] = frozenset({mine})
            inside = any(step.module.startswith(layer.removesuffix("*")) for layer in self._starts)
            for each in above - {mine}:
                if isinstance(each, str):
                    inputs[mine][each] = None
                else:
                    entry = any(each in carried.get(s, ()) and (s in starts or not inside) for s in step.inputs)
                    links[each, mine] = links.get((each, mine), True) and not entry
        return Passed(links, tuple(tuple(each) for each in inputs))

    def flow(self, layer: str, indices: Sequence[int], parts: Sequence[Part]) -> Flow | None:
        """The connections of one layer's parts.

        Args:
            layer: Its path, ending in `*`.
            indices: Which layers are like this one; the last whose operations are known is read, as a first layer may be
                given less than others.
            parts: What is drawn of it.

        Returns:
            None where its operations are not known, or do not lead through all its parts.
        """
        read = [reading for index in indices if (reading := self._layer(layer, index, parts)) is not None]
        if not read:
            # Layers whose operations are the same are known by one of them.
            drawn = self._drawn(layer)
            read = [reading for index in drawn if (reading := self._layer(layer, index, parts)) is not None]
            if len(read) != 1:
                return None
        found = read[-1].flow()
        if layer not in self._starts:
            if len(read) > 1:
                read[0].flow()
            if read[0].start is not None:
                self._starts[layer] = read[0].start
        return found

    def _drawn(self, layer: str) -> list[int]:
        """The layers of a stack whose operations are known."""
        before = layer.removesuffix("*")
        found = {s.module[len(before) :].partition(".")[0] for s in self._steps.values() if s.module.startswith(before)}
        return sorted(int(each) for each in found if each.isdigit())

    def _layer(self, layer: str, index: int, parts: Sequence[Part]) -> _Layer | None:
        path = f"{layer.removesuffix('*')}{index}"
        inside = [step for step in self._steps.values() if step.module == path or step.module.startswith(path + ".")]
        return _Layer(self._steps, self._readers, path, inside, parts, index) if inside else None


class _Layer:
    """One layer's operations gathered into items. Owned by one call of `Wiring.flow`."""

    def __init__(
        self, steps: Mapping[int, Step], readers: Mapping[int, Sequence[int]], path: str, inside: Sequence[Step],
        parts: Sequence[Part], index: int,
    ) -> None:  # fmt: skip
        self._steps = steps
        self._readers = readers
        self._path = path
        self._inside = {step.number: step for step in inside}
        self._parts = parts
        self._own = {id(part): tuple(_at(each, index) for each in part.paths) for part in parts}
        self._norms = {_at(where, index): box for part in parts for where, box in part.norms.items()}
        self._item: dict[int, int] = {}
        """By operation: the item that it belongs to, which is the number of one of its operations."""
        self._owner: dict[int, Part | Box | None] = {}
        """By item: whose it is; None for an operation of the layer itself."""
        self.start: int | None = None
        """The operation outside whose result the layer works on."""

    def flow(self) -> Flow | None:
        """See `Wiring.flow`."""
        self._gather()
        self._set_apart()
        end = self._end()
        self.start = start = self._start(end)
        if start is None or end is None:
            return None
        return self._arranged(start, end)

    def _gather(self) -> None:
        """Each operation to its part; a part that is come to again later is another item."""
        items: dict[tuple[int, int], int] = {}
        reached: dict[int, dict[int, int]] = {}
        for number, step in self._inside.items():
            part = self._part(step)
            mine = 0
            above: dict[int, int] = {}
            for source in step.inputs:
                if source not in self._inside:
                    continue
                for other, turn in reached[source].items():
                    above[other] = max(above.get(other, 0), turn)
            if part is None:
                self._item[number], self._owner[number] = number, None
            else:
                key = id(part)
                last = above.get(key, 0)
                left = any(
                    s in self._inside and self._item_owner(s) is not part and reached[s].get(key, 0) == last
                    for s in step.inputs
                )
                if left and last and self._taken_in(step, items[key, last]):
                    left = False
                mine = max(1, last + 1 if left and last else last)
                above[key] = mine
                self._item[number] = items.setdefault((key, mine), number)
                self._owner[self._item[number]] = part
            reached[number] = above

    def _taken_in(self, step: Step, item: int) -> bool:
        """Takes what stands between two modules of one part (an activation, a product of two of them) into the part."""
        waiting, between = [s for s in step.inputs if s in self._inside], set()
        while waiting:
            number = waiting.pop()
            if self._item[number] == item or number in between:
                continue
            sources = self._inside[number].inputs
            if self._item_owner(number) is not None or not sources or any(s not in self._inside for s in sources):
                return False
            between.add(number)
            waiting += sources
        within = between | {step.number}
        readers = {reader for number in between for reader in self._readers.get(number, ())}
        if not all(r in within or self._part(self._steps[r]) is self._owner[item] for r in readers):
            return False
        for number in between:
            self._item[number] = item
            self._owner.pop(number, None)
        return True

    def _item_owner(self, number: int) -> Part | Box | None:
        return self._owner[self._item[number]]

    def _part(self, step: Step) -> Part | None:
        best, depth = None, -1
        for part in self._parts:
            for path in self._own[id(part)]:
                if (step.module == path or step.module.startswith(path + ".")) and len(path) > depth:
                    best, depth = part, len(path)
        if best is None and "." in step.function:
            # A method of a part that is no ``forward``: the module that runs is the one that called it.
            owner = step.function.rpartition(".")[0]
            named = [part for part in self._parts if part.class_name == owner]
            return named[0] if len(named) == 1 else None
        return best

    def _set_apart(self) -> None:
        """Residual additions and norms at the ends of parts stand by themselves, wherever the code has them."""
        owners = list(self._owner.values())
        for item, owner in list(self._owner.items()):
            if isinstance(owner, Part) and owners.count(owner) == 1:
                self._cut_tail(item)
                self._cut_head(item)

    def _members(self, item: int) -> list[int]:
        return [number for number, mine in self._item.items() if mine == item]

    def _leaving(self, members: Sequence[int]) -> list[int]:
        inner = set(members)
        found = [n for n in members if any(reader not in inner for reader in self._readers.get(n, ()))]
        # A table that later layers use again is no result of the part.
        here = [n for n in found if any(r not in inner and r in self._inside for r in self._readers.get(n, ()))]
        return here or found

    def _cut_tail(self, item: int) -> None:
        while len(members := self._members(item)) > 1:
            out = self._leaving(members) or members[-1:]
            if len(out) != 1:
                return
            last = self._steps[out[0]]
            inner = set(members)
            norm = self._norm_of(last)
            if norm is not None:
                mine = [n for n in members if self._norm_of(self._steps[n]) == norm]
                if len(mine) == len(members):
                    return
                self._move(mine, self._norms[norm])
                continue
            outside = [s for s in last.inputs if s not in inner and self._steps[s].shape == last.shape]
            own = [s for s in last.inputs if s in inner]
            readers = {self._item.get(r) for r in self._readers.get(last.number, ()) if r not in inner}
            added_again = len(readers) == 1 and all(
                r in self._inside and self._owner.get(self._item[r]) is None and self._steps[r].kind == "add"
                for r in self._readers.get(last.number, ())
            )
            if last.kind != "add" or not outside or not own or added_again:
                return
            self._item[last.number] = last.number
            if item == last.number:
                return
            self._owner[last.number] = None

    def _cut_head(self, item: int) -> None:
        members = self._members(item)
        inner = set(members)
        for norm in dict.fromkeys(filter(None, (self._norm_of(self._steps[n]) for n in members))):
            mine = [n for n in members if self._norm_of(self._steps[n]) == norm]
            taken = {s for n in mine for s in self._steps[n].inputs if s not in inner and self._streams(s)}
            others = {s for n in members if n not in mine for s in self._steps[n].inputs}
            within = any(s in inner and s not in mine for n in mine for s in self._steps[n].inputs)
            if taken and not within and not taken & others and len(mine) < len(members):
                self._move(mine, self._norms[norm])
                return

    def _streams(self, source: int) -> bool:
        """Whether a value is one that the layer works on; tables and masks have no such shape."""
        return self._steps[source].shape.count("×") >= 2

    def _norm_of(self, step: Step) -> str | None:
        return next((p for p in self._norms if step.module == p or step.module.startswith(p + ".")), None)

    def _move(self, members: Sequence[int], box: Box) -> None:
        """Gives operations to an item of their own."""
        old = self._item[members[0]]
        rest = [n for n in self._members(old) if n not in members]
        owner = self._owner.pop(old)
        for group, whose in ((members, box), (rest, owner)):
            for number in group:
                self._item[number] = group[0]
            if group:
                self._owner[group[0]] = whose

    def _end(self) -> int | None:
        """The operation whose result the layer gives."""
        given = []
        for number, step in self._inside.items():
            readers = self._readers.get(number, ())
            beyond = any(reader not in self._inside for reader in readers)
            if beyond or not readers:
                given.append((self._wide(step), beyond, number))
        return max(given)[2] if given else None

    def _wide(self, step: Step) -> bool:
        """Whether a result looks like what the layer was given."""
        shapes = {self._steps[s].shape for each in self._inside.values() for s in each.inputs if s not in self._inside}
        return step.shape in shapes

    def _start(self, end: int | None) -> int | None:
        """The operation outside whose result the layer works on: of several, the one most like what it gives."""
        if end is None:
            return None
        needed = self._above(end)
        stack = self._path.rpartition(".")[0]
        found: dict[int, tuple[bool, bool, bool, int]] = {}
        for number in needed:
            step = self._inside[number]
            for source in step.inputs:
                if source not in self._inside:
                    origin = self._steps[source]
                    alike = origin.shape == self._steps[end].shape
                    added = step.kind == "add" and self._owner.get(self._item[number]) is None
                    before = origin.module.startswith(stack + ".") or origin.number in self._item
                    found[source] = max(found.get(source, (False, False, False, 0)), (alike, before, added, -number))
        return max(found, key=lambda source: found[source]) if found else None

    def _above(self, end: int) -> set[int]:
        waiting, seen = [end], {end}
        while waiting:
            for source in self._inside[waiting.pop()].inputs:
                if source in self._inside and source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return seen

    def _arranged(self, start: int, end: int) -> Flow | None:
        edges, reads = self._edges(start, end)
        for item in {self._item[n] for n in self._inside} - set(edges):
            if isinstance(self._owner[item], Part):
                return None
        self._thin(edges, reads)
        if len(edges) > MOST_ITEMS:
            return None
        items = {item: self._drawn(item, edges, reads) for item in edges if item != _START}
        drawn = {id(self._owner[item]) for item in items}
        come_to = {id(owner) for owner in self._owner.values()}
        if any(id(part) in come_to - drawn for part in self._parts if part.box.kind is not Kind.NORM):
            return None
        return _plain(arranged(items, edges, _START, _END))

    def _edges(self, start: int, end: int) -> tuple[dict[int, list[int]], dict[int, tuple[str, ...]]]:
        """Which items read which on the ways from `start` to `end`, and what else they read from outside."""
        needed = self._above(end)
        below: set[int] = set()
        for number, step in self._inside.items():
            if start in step.inputs or any(source in below for source in step.inputs):
                below.add(number)
        kept = [n for n in self._inside if n in needed and n in below]
        edges: dict[int, list[int]] = {item: [] for item in (_START, *(self._item[n] for n in kept))}
        reads: dict[int, tuple[str, ...]] = {}
        for number in kept:
            mine = self._item[number]
            for source in self._inside[number].inputs:
                origin = _START if source == start else self._item.get(source, source)
                if origin == mine:
                    continue
                if origin in edges:
                    if mine not in edges[origin]:
                        edges[origin].append(mine)
                elif words := self._origin(source):
                    reads[mine] = tuple(dict.fromkeys((*reads.get(mine, ()), words)))
        edges[self._item[end]].append(_END)
        return edges, reads

    def _origin(self, source: int) -> str:
        """The modules that a value from outside the layer's stream comes from; empty where no weights made it."""
        if not self._streams(source) or self._steps[source].kind in _WRITES:
            # What was written into a store (a cache, a state per layer) may come from anywhere.
            return ""
        found: dict[str, None] = {}
        waiting, seen = [source], {source}
        while waiting and len(seen) < _MOST_ORIGINS:
            step = self._steps[waiting.pop(0)]
            if step.parameters and step.number not in self._inside:
                found[_named(step.parameters[0])] = None
                continue
            for each in step.inputs:
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        earlier = self._steps[source].module.startswith(self._path.rpartition(".")[0] + ".")
        return ", ".join(list(found)[:2]) + (" of an earlier layer" if earlier else "") if found else ""

    def _thin(self, edges: dict[int, list[int]], reads: dict[int, tuple[str, ...]]) -> None:
        """Takes out operations that only pass a value on, and makes one of sums of sums."""
        for item in sorted(set(edges) - {_START}):
            if self._owner[item] is not None:
                continue
            sources = [each for each in edges if item in edges[each]]
            step = self._steps[item]
            if step.kind in _WRITES and len(sources) > 1:
                # What was written is the newer of the two where it was made of the other.
                for each in sources:
                    if any(_reaches(edges, each, other, item) for other in sources if other != each):
                        edges[each].remove(item)
                sources = [each for each in edges if item in edges[each]]
            if len(sources) == 1 and not (item in reads and step.kind in _JOINS) and not self._told(step):
                _bypass(edges, sources[0], item)
        for item in sorted(set(edges) - {_START}):
            readers = edges.get(item, [])
            if self._sums(item) and item not in reads and len(readers) == 1 and self._sums(readers[0]):
                for each in [each for each in edges if item in edges[each]]:
                    _bypass_one(edges, each, item, readers[0])
                del edges[item]

    def _sums(self, item: int) -> bool:
        return item >= 0 and self._owner[item] is None and _JOINS.get(self._steps[item].kind) == "+"

    def _told(self, step: Step) -> bool:
        """Whether an operation on one value is drawn."""
        return step.kind in _SHOWN or bool(step.parameters)

    def _drawn(
        self, item: int, edges: Mapping[int, Sequence[int]], reads: Mapping[int, tuple[str, ...]]
    ) -> Place | Fork:
        owner = self._owner[item]
        others = reads.get(item, ())
        if isinstance(owner, Part):
            read = () if owner.box.kind is Kind.CROSS else tuple(map(Read, others))
            return Place((Alternative((), self._turn(item, owner)),), read)
        if isinstance(owner, Box):
            return Place((Alternative((), owner),))
        step = self._steps[item]
        name = step.parameters[0].rpartition(".")[2] if step.parameters else ""
        path = f"{re.sub(r'[0-9]+$', '*', self._path)}.{name or step.kind}"
        several = sum(item in readers for readers in edges.values()) > 1
        if several or not self._told(step):
            return Fork((), _JOINS.get(step.kind, step.kind), others)
        title = f"{_WEIGHED.get(step.kind, step.kind)} {name}".strip() if name else _SHOWN[step.kind]
        box = Box(path, Kind.PART, title, file=step.file, line=step.line)
        return Place((Alternative((), box),), tuple(map(Read, others)))

    def _turn(self, item: int, part: Part) -> Box:
        """The part's box; where data pass it more than once, each time says what it does then."""
        turns = [each for each, owner in self._owner.items() if owner is part]
        if len(turns) == 1:
            return part.box
        given = [self._steps[n].function.rpartition(".") for n in self._leaving(self._members(item))]
        name = next((method for owner, _, method in given if owner == part.class_name and method != "forward"), "")
        turn = str(turns.index(item) + 1)
        lines = (*part.box.lines, name) if name else part.box.lines
        return replace(part.box, id=f"{part.box.id}.{name or turn}", lines=lines)


def _named(parameter: str) -> str:
    """The attribute that a parameter's module hangs at; of a member of a list, what holds the list."""
    pieces = parameter.split(".")[:-1]
    while len(pieces) > 2 and pieces[-1].isdigit():
        pieces = pieces[:-2]
    return pieces[-1] if pieces else parameter


def _at(path: str, index: int) -> str:
    """A path with a layer's number; the last star is the layer's."""
    before, _, after = path.rpartition("*")
    return f"{before}{index}{after}"


def _reaches(edges: Mapping[int, Sequence[int]], start: int, goal: int, without: int) -> bool:
    waiting, seen = [start], {start, without}
    while waiting:
        for each in edges.get(waiting.pop(), ()):
            if each == goal:
                return True
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return False


def _bypass(edges: dict[int, list[int]], source: int, item: int) -> None:
    """Whoever reads an item reads its source."""
    readers = edges.pop(item)
    edges[source] = [each for each in edges[source] if each != item]
    edges[source] += [each for each in readers if each not in edges[source]]


def _bypass_one(edges: dict[int, list[int]], source: int, item: int, reader: int) -> None:
    edges[source] = [each for each in edges[source] if each != item]
    if reader not in edges[source]:
        edges[source].append(reader)


def _plain(flow: Flow) -> Flow:
    """Without forks in which nothing stands: arithmetic on one value."""
    found: list[Place | Fork | Tangle] = []
    for each in flow:
        if isinstance(each, Fork):
            ways = tuple(_plain(way) for way in each.ways)
            if ways and not any(ways) and not each.reads:
                continue
            found.append(Fork(ways, each.join, each.reads))
        else:
            found.append(each)
    return tuple(found)
