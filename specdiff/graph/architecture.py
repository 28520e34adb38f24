"""The model as papers draw it: inputs, embedding, the repeated block once with its count, norm, head.

The drawing follows the built tree, the operations and the proven facts, never a model's name. What is not recognised is
a plain box with its class name; where nothing says how a block is connected, its parts stand without lines between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from specdiff.facts import FactSheet
from specdiff.graph import boxes
from specdiff.graph.blocks import Block, block
from specdiff.graph.boxes import Box, Facts, Kind
from specdiff.graph.flow import boxes_of
from specdiff.graph.roles import Role, descendants, is_container, is_convolutional_stack, is_stack, role, size
from specdiff.graph.wiring import Wiring
from specdiff.results import ModuleNode, Status, Step


@dataclass(frozen=True, slots=True)
class Column:
    """One stack with what comes before and after it, in the order of the data; or what stacks read besides."""

    id: str
    title: str
    """Empty where the model has one column only."""
    source: str
    """What goes in; empty where another column gives it."""
    stages: tuple[Box | Block, ...]
    result: str
    """What comes out; empty where another column takes it."""


@dataclass(frozen=True, slots=True)
class Link:
    """What one column gives to another."""

    source: int
    target: int
    to_block: bool
    """Whether it is read by the blocks (cross attention) and not put into their input."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A whole drawing, without any positions."""

    name: str
    columns: tuple[Column, ...]
    links: tuple[Link, ...]
    legend: str = ""
    """What the marks mean, where the drawing says so itself."""

    def boxes(self) -> Iterator[Box]:
        """Every box, inner ones included, in the order of the data."""
        for column in self.columns:
            for stage in column.stages:
                yield from _boxes_of(stage)


def architecture(
    name: str,
    tree: ModuleNode,
    sheet: FactSheet,
    statuses: Mapping[str, Status] | None = None,
    steps: Sequence[Step] = (),
) -> Architecture:
    """The drawing of a built model.

    Args:
        name: What the drawing is called.
        tree: The built modules.
        sheet: What is proven about them.
        statuses: Status per claimed key; boxes carry the worst of theirs. None for no claims.
        steps: The operations that say how the parts are connected; without them the facts alone do.
    """
    statuses = statuses or {}
    stacks = list(_stacks(tree, ())) or list(_stacks(tree, (), is_convolutional_stack))
    if not stacks:
        return Architecture(name, (_plain(tree, Facts(sheet, statuses)),), ())
    owners: dict[tuple[str, ...], list[_Stack]] = {}
    for stack in stacks:
        owners.setdefault(_owner(stack), []).append(stack)
    ordered = sorted(owners.items(), key=lambda item: sum(size(stack.node) for stack in item[1]))
    main = ordered[-1][0]
    towers = [path for path in owners if path != main]
    decoder = next((path for path in owners if "decoder" in path[-1:]), None)
    if decoder is not None and any("encoder" in path[-1:] for path in [*towers, main]):
        main = decoder
        towers = [path for path in owners if path != main]
    spread = _Spread(tree, [*towers, main], main, Wiring(steps))
    columns: list[Column] = []
    regions: list[tuple[str, ...]] = []
    for path, prefix in _prefixes([*towers, main], sheet).items():
        facts = Facts(sheet, statuses, prefix)
        for column in _columns(path, owners[path], spread, facts, _title(path) if towers else "", path == main):
            columns.append(column)
            regions.append(tuple(stage.id for stage in column.stages))
    return _linked(name, columns, regions, spread.wiring)


_SENSES = {
    "input_ids": "tokens", "decoder_input_ids": "tokens", "tokens": "tokens", "pixel_values": "image",
    "pixel_values_videos": "video", "input_features": "audio", "input_values": "audio",
}  # fmt: skip


def _linked(name: str, columns: list[Column], regions: Sequence[Sequence[str]], wiring: Wiring) -> Architecture:
    """The columns with what passes between them, as the operations say; without operations as such models usually have it."""
    last = len(columns) - 1
    crossing = [
        any(
            box.kind is Kind.CROSS
            for stage in column.stages
            if isinstance(stage, Block)
            for way in stage.ways
            for box in boxes_of(way.flow)
        )
        for column in columns
    ]
    passed = wiring.passed(regions)
    links: list[Link] = []
    # Gifts to what stands before go first: a table is read before the layers that read what it gives.
    for (giver, taker), beside in sorted(passed.links.items(), key=lambda item: item[0][0] > item[0][1]):
        if not _leads(links, taker, giver):
            links.append(Link(giver, taker, beside))
    if not links and not any(passed.inputs) and (crossing[last] or columns[last].source == "tokens"):
        links = [Link(index, last, crossing[last]) for index in range(last)]
    found = []
    for index, column in enumerate(columns):
        words = [word for each in passed.inputs[index] if (word := _SENSES.get(each))]
        fed = any(link.target == index and not link.to_block for link in links)
        followed = any(wiring.first(path) is not None for path in regions[index])
        source = words[0] if words else "" if followed and (fed or any(passed.inputs)) else column.source
        given = any(link.source == index for link in links)
        found.append(replace(column, source=source, result="" if given else column.result or "features"))
    depth = [0] * len(found)
    for _ in found:
        for link in links:
            depth[link.target] = max(depth[link.target], min(depth[link.source] + 1, len(found)))
    order = sorted(range(len(found)), key=lambda index: (depth[index], index))
    place = {index: at for at, index in enumerate(order)}
    moved = tuple(Link(place[link.source], place[link.target], link.to_block) for link in links)
    return Architecture(
        name, tuple(found[index] for index in order), tuple(sorted(moved, key=lambda link: (link.target, link.source)))
    )


def _leads(links: Sequence[Link], start: int, goal: int) -> bool:
    """Whether links lead from one column to another."""
    reached = {start}
    for _ in links:
        reached |= {link.target for link in links if link.source in reached}
    return goal in reached


@dataclass(frozen=True, slots=True)
class _Stack:
    path: tuple[str, ...]
    node: ModuleNode


def _stacks(
    node: ModuleNode, path: tuple[str, ...], holds: Callable[[ModuleNode], bool] = is_stack
) -> Iterator[_Stack]:
    """The outermost containers of blocks; of a stack of stages, the stacks inside it."""
    for child in node.children:
        here = (*path, child.names[0])
        if not holds(child):
            yield from _stacks(child, here, holds)
            continue
        inner = [found for each in child.children for found in _stacks(each, (*here, each.names[0]), holds)]
        if inner:
            yield from inner
        else:
            yield _Stack(here, child)


def _owner(stack: _Stack) -> tuple[str, ...]:
    """Path of the module that a stack belongs to; numbered stages belong to what holds them."""
    path = stack.path[:-1]
    while path and path[-1].isdigit():
        path = path[:-2]
    return path


class _Spread:
    """Gives what stands around the stacks to columns. Owned by one call of `architecture`."""

    def __init__(
        self, tree: ModuleNode, owners: Sequence[tuple[str, ...]], main: tuple[str, ...], wiring: Wiring
    ) -> None:
        self.wiring = wiring
        self.before: dict[tuple[str, ...], list[tuple[str, ModuleNode]]] = {path: [] for path in owners}
        self.after: dict[tuple[str, ...], list[tuple[str, ModuleNode]]] = {path: [] for path in owners}
        self.between: dict[tuple[str, ...], list[tuple[str, ModuleNode]]] = {path: [] for path in owners}
        """What stands beside the layers in the stages of a column."""
        self._owners = owners
        self._main = main
        self._walk(tree, ())

    def _walk(self, node: ModuleNode, path: tuple[str, ...]) -> None:
        below = [owner for owner in self._owners if owner[: len(path)] == path]
        passed = False
        for child in node.children:
            here = (*path, child.names[0])
            inside = [owner for owner in self._owners if owner[: len(here)] == here]
            if here in self._owners:
                self._stages(child, here, here)
            if inside:
                self._walk(child, here)
                passed = passed or self._main in inside or len(below) == 1
            elif any(is_stack(each) for each in descendants(child) if is_container(each)):
                passed = True
            elif role(child) is not Role.NOTHING:
                self._place(".".join(here), child, below, passed)

    def _stages(self, node: ModuleNode, path: tuple[str, ...], owner: tuple[str, ...]) -> None:
        """What else the stages hold whose layers are a column's stacks (a layer that halves the resolution)."""
        for child in node.children:
            here = (*path, child.names[0])
            if is_stack(child) and any(True for each in child.children for _ in _stacks(each, ())):
                for stage in child.children:
                    self._stages(stage, (*here, stage.names[0]), owner)
            elif path != owner and not is_stack(child) and role(child) is not Role.NOTHING:
                self.between[owner].append((".".join(here), child))

    def _place(self, path: str, node: ModuleNode, owners: list[tuple[str, ...]], passed: bool) -> None:
        if role(node) is Role.OTHER and _only_embeds(node):
            for child in node.children:
                if role(child) is not Role.NOTHING:
                    self._place(f"{path}.{child.names[0]}", child, owners, passed)
            return
        named = [".".join(owner) for owner in owners if owner]
        side = self.after if passed and role(node) is not Role.EMBEDDING else self.before
        if len(owners) == 1:
            side[owners[0]].append((path, node))
        elif role(node) is not Role.EMBEDDING and (giver := self.wiring.given_by(path, named)) is not None:
            self.after[tuple(giver.split("."))].append((path, node))
        elif (passed and role(node) in (Role.LINEAR, Role.NORM)) or role(node) is Role.EMBEDDING:
            side[self._main].append((path, node))
        else:
            # Between a tower and the main stack: what carries the one into the other.
            towers = [owner for owner in owners if owner != self._main] or owners
            self.after[towers[-1]].append((path, node))


def _only_embeds(node: ModuleNode) -> bool:
    """Whether a module wraps tables with their norm and nothing else; its parts stand by themselves then."""
    found = {role(child) for child in node.children}
    return Role.EMBEDDING in found and found <= {Role.EMBEDDING, Role.NORM, Role.LINEAR, Role.NOTHING}


def _columns(
    path: tuple[str, ...], stacks: list[_Stack], spread: _Spread, facts: Facts, title: str, is_main: bool
) -> Iterator[Column]:
    """A column, after one for what its layers read beside the value that they work on, where there is such."""
    wiring = spread.wiring
    blocks = [block(".".join(stack.path), stack.node, facts, len(stacks) == 1, wiring) for stack in stacks]
    before = [_around(where, node, facts, is_main) for where, node in spread.before[path]]
    order = {Kind.EMBEDDING: 0, Kind.CONV: 0, Kind.MODULE: 1, Kind.NORM: 2}
    before.sort(key=lambda box: order.get(box.kind, 1))
    before = _narrowed(_once(before), facts)
    after = [_around(where, node, facts, is_main) for where, node in spread.after[path]]
    between = [_around(where, node, facts, False) for where, node in spread.between[path]]
    stages = _in_order([*before, *_staged(blocks, between), *after], wiring)
    first = stages.index(blocks[0])
    aside = [each for each in stages[:first] if wiring.feeds((each.id,), blocks[0].id) is False]
    stages = [each for each in stages if each not in aside]
    text = any(isinstance(box, Box) and box.title == "Token embedding" for box in stages)
    image = any(word in ".".join(path) for word in ("vision", "visual", "image"))
    sound = "audio" in ".".join(path)
    source = "tokens" if text and not image and not sound else "image" if image else "audio" if sound else "input"
    if source != "tokens":
        stages = [
            replace(each, kind=Kind.MODULE, title=each.class_name)
            if isinstance(each, Box) and each.kind is Kind.HEAD
            else each
            for each in stages
        ]
    stages = _abreast(stages, wiring)
    end = stages[-1]
    last = end.kind if isinstance(end, Box) else Kind.NORM
    result = {Kind.HEAD: "logits", Kind.NORM: "hidden states"}.get(last, "output") if is_main else ""
    if is_main and spread.after[path] and _scores(spread.after[path][-1][1], facts):
        result = "logits"
    name = ".".join(path) or "model"
    if aside:
        yield Column(f"{name}.aside", "", source, tuple(_abreast(aside, wiring)), "")
    yield Column(name, title, source, tuple(stages), result)


def _abreast(stages: Sequence[Box | Block], wiring: Wiring) -> list[Box | Block]:
    """Tells boxes that read the same (tables that are added, heads) from those that follow each other."""
    found: list[Box | Block] = []
    group: list[str] = []
    for each in stages:
        if isinstance(each, Block):
            group = []
            found.append(each)
            continue
        tables = bool(found) and each.kind is Kind.EMBEDDING and getattr(found[-1], "kind", None) is Kind.EMBEDDING
        apart = [wiring.leads(path, each.id) for path in group]
        beside = bool(group) and (all(known is False for known in apart) or (tables and None in apart))
        group = [*group, each.id] if beside else [each.id]
        found.append(replace(each, beside=beside))
    return found


def _scores(node: ModuleNode, facts: Facts) -> bool:
    """Whether the last layer of a module gives one value per word."""
    leaves = [each for each in descendants(node) if role(each) is Role.LINEAR and not each.children]
    rows = {param.shape[0] for each in leaves[-1:] for param in each.params}
    return bool(rows) and facts.integer("vocab_size") in rows


def _staged(blocks: Sequence[Block], between: Sequence[Box]) -> list[Box | Block]:
    """Blocks with what stands beside them in their stages; behind them where nothing says when data come there."""
    found: list[Box | Block] = []
    for each in blocks:
        stage = each.id.rpartition(".")[0]
        found += [each, *(box for box in between if box.id.startswith(stage + "."))]
    return found


def _in_order(stages: Sequence[Box | Block], wiring: Wiring) -> list[Box | Block]:
    """In the order in which data come to them; what they are not known to come to stays behind what it stood behind."""
    ranks: list[int] = []
    for each in stages:
        first = wiring.first(each.id)
        ranks.append(first if first is not None else ranks[-1] if ranks else -1)
    return [stages[index] for index in sorted(range(len(stages)), key=lambda index: (ranks[index], index))]


def _once(before: list[Box]) -> list[Box]:
    """Without tables that stand again under a shorter path: one table shared by encoder and decoder hangs at both."""
    return [
        box
        for box in before
        if box.kind is not Kind.EMBEDDING
        or not any(
            other.kind is Kind.EMBEDDING
            and other.lines[:1] == box.lines[:1]
            and other.id.count(".") > box.id.count(".")
            for other in before
        )
    ]


def _narrowed(before: list[Box], facts: Facts) -> list[Box]:
    """Of several tables over the vocabulary, the one as wide as the stream is the tokens'; the others serve otherwise."""
    width = facts.integer("hidden_size")
    tables = [box for box in before if box.title == "Token embedding"]
    wide = [box for box in tables if box.lines[:1] and box.lines[0].endswith(f" {width:,}")]
    if not wide or len(wide) == len(tables):
        return before
    return [
        replace(box, title="Embedding", lines=(*box.lines[:1], box.id.rpartition(".")[2]), keys=(), status=None)
        if box in tables and box not in wide
        else box
        for box in before
    ]


def _around(path: str, node: ModuleNode, facts: Facts, is_main: bool) -> Box:
    match role(node):
        case Role.EMBEDDING:
            return boxes.embedding(path, node, facts)
        case Role.NORM:
            return boxes.norm(path, node, facts)
        case Role.LINEAR if is_main:
            return boxes.head(path, node, facts)
        case Role.MLP:
            return replace(boxes.plain(path, node), kind=Kind.MLP)
        case _:
            return boxes.plain(path, node)


def _plain(tree: ModuleNode, facts: Facts) -> Column:
    stages = tuple(
        _around(child.names[0], child, facts, False) for child in tree.children if role(child) is not Role.NOTHING
    )
    return Column("model", "", "input", stages or (boxes.plain("", tree),), "output")


def _title(path: tuple[str, ...]) -> str:
    words = [part for part in path if part not in ("model", "transformer")]
    return (words[0] if words else "language model").replace("_", " ")


_UNKNOWN = "?."
"""Prefix of a tower that no fact speaks about: no key begins with it."""


def _prefixes(paths: Sequence[tuple[str, ...]], sheet: FactSheet) -> Mapping[tuple[str, ...], str]:
    """Which facts speak about each column, the main one last; those without a prefix are about one column only."""
    found = {path: _prefix(path, sheet) for path in paths}
    plain = [path for path, prefix in found.items() if not prefix]
    for path in plain[:-1]:
        found[path] = _UNKNOWN
    return found


def _prefix(path: tuple[str, ...], sheet: FactSheet) -> str:
    """The tower that a path belongs to, where the facts speak about it."""
    text = ".".join(path)
    for tower, words in (
        ("vision", ("vision", "visual", "image")),
        ("audio", ("audio", "speech")),
        ("encoder", ("encoder",)),
        ("decoder", ("decoder",)),
    ):
        if any(word in text for word in words) and any(key.startswith(f"{tower}.") for key in sheet.facts):
            return f"{tower}."
    return ""


def _boxes_of(stage: Box | Block) -> Iterator[Box]:
    if isinstance(stage, Box):
        yield stage
        for row in stage.inside:
            yield from row
        return
    for way in stage.ways:
        for box in boxes_of(way.flow):
            yield from _boxes_of(box)
