"""The model as papers draw it: inputs, embedding, the repeated block once with its count, norm, head.

The drawing follows the built tree and the proven facts, never a model's name. What is not recognised is a plain box
with its class name; where no fact says how a block is wired, the usual wiring is drawn and marked as assumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from specdiff.facts import FactSheet
from specdiff.graph import boxes
from specdiff.graph.boxes import Box, Facts, Kind, Standing
from specdiff.graph.roles import Role, descendants, is_container, is_stack, role, size
from specdiff.results import ModuleNode, Status

_MOST_VARIANTS = 4
"""Ways in which one slot of a block may differ between layers before the rest is summed up."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """What stands in a slot of the block in some of the layers."""

    layers: tuple[int, ...]
    """0-based; empty where it is all of them."""
    box: Box


@dataclass(frozen=True, slots=True)
class Sublayer:
    """One step of a block along the residual stream."""

    core: tuple[Alternative, ...]
    before: Box | None = None
    """A norm inside the branch, ahead of the core."""
    after: Box | None = None
    """A norm inside the branch, behind the core."""
    post: Box | None = None
    """A norm behind the addition."""
    beside: tuple[Alternative, ...] = ()
    """What reads the same input and is added with the core (parallel attention and feed-forward)."""


@dataclass(frozen=True, slots=True)
class Block:
    """Layers that repeat, drawn once."""

    id: str
    count: int
    title: str
    """Class of the layers."""
    pattern: tuple[str, ...]
    """What mixes tokens per layer, where it is known and more than one kind."""
    sublayers: tuple[Sublayer, ...]
    assumed: bool
    """No fact says where the norms and residual additions stand; the usual places are drawn."""
    standing: Standing | None = None
    """How its count and pattern stand to another model's."""


@dataclass(frozen=True, slots=True)
class Column:
    """One stack with what comes before and after it, in the order of the data."""

    id: str
    title: str
    """Empty where the model has one column only."""
    source: str
    """What goes in."""
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
    name: str, tree: ModuleNode, sheet: FactSheet, statuses: Mapping[str, Status] | None = None
) -> Architecture:
    """The drawing of a built model.

    Args:
        name: What the drawing is called.
        tree: The built modules.
        sheet: What is proven about them.
        statuses: Status per claimed key; boxes carry the worst of theirs. None for no claims.
    """
    statuses = statuses or {}
    stacks = list(_stacks(tree, ()))
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
    spread = _Spread(tree, [*towers, main], main)
    columns = []
    prefixes = _prefixes([*towers, main], sheet)
    for path, prefix in prefixes.items():
        facts = Facts(sheet, statuses, prefix)
        alone = not towers
        columns.append(_column(path, owners[path], spread, facts, "" if alone else _title(path), path == main))
    last = len(columns) - 1
    crossing = any(
        alternative.box.kind is Kind.CROSS
        for stage in columns[last].stages
        if isinstance(stage, Block)
        for sublayer in stage.sublayers
        for alternative in sublayer.core
    )
    reads = crossing or columns[last].source == "tokens"
    links = tuple(Link(index, last, crossing) for index in range(last)) if reads else ()
    if not reads:
        # Towers beside each other, as for contrastive training: nothing goes from one to the other.
        columns = [replace(column, result=column.result or "features") for column in columns]
    return Architecture(name, tuple(columns), links)


@dataclass(frozen=True, slots=True)
class _Stack:
    path: tuple[str, ...]
    node: ModuleNode


def _stacks(node: ModuleNode, path: tuple[str, ...]) -> Iterator[_Stack]:
    """The outermost containers of blocks; of a stack of stages, the stacks inside it."""
    for child in node.children:
        here = (*path, child.names[0])
        if not is_stack(child):
            yield from _stacks(child, here)
            continue
        inner = [found for each in child.children for found in _stacks(each, (*here, each.names[0]))]
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

    def __init__(self, tree: ModuleNode, owners: Sequence[tuple[str, ...]], main: tuple[str, ...]) -> None:
        self.before: dict[tuple[str, ...], list[tuple[str, ModuleNode]]] = {path: [] for path in owners}
        self.after: dict[tuple[str, ...], list[tuple[str, ModuleNode]]] = {path: [] for path in owners}
        self._owners = owners
        self._main = main
        self._walk(tree, ())

    def _walk(self, node: ModuleNode, path: tuple[str, ...]) -> None:
        below = [owner for owner in self._owners if owner[: len(path)] == path]
        passed = False
        for child in node.children:
            here = (*path, child.names[0])
            inside = [owner for owner in self._owners if owner[: len(here)] == here]
            if inside:
                self._walk(child, here)
                passed = passed or self._main in inside or len(below) == 1
            elif any(is_stack(each) for each in descendants(child) if is_container(each)):
                passed = True
            elif role(child) is not Role.NOTHING:
                self._place(".".join(here), child, below, passed)

    def _place(self, path: str, node: ModuleNode, owners: list[tuple[str, ...]], passed: bool) -> None:
        side = self.after if passed and role(node) is not Role.EMBEDDING else self.before
        if len(owners) == 1:
            side[owners[0]].append((path, node))
        elif (passed and role(node) in (Role.LINEAR, Role.NORM)) or role(node) is Role.EMBEDDING:
            side[self._main].append((path, node))
        else:
            # Between a tower and the main stack: what carries the one into the other.
            towers = [owner for owner in owners if owner != self._main] or owners
            self.after[towers[-1]].append((path, node))


def _column(
    path: tuple[str, ...], stacks: list[_Stack], spread: _Spread, facts: Facts, title: str, is_main: bool
) -> Column:
    before = [_around(where, node, facts, is_main) for where, node in spread.before[path]]
    after = [_around(where, node, facts, is_main) for where, node in spread.after[path]]
    order = {Kind.EMBEDDING: 0, Kind.CONV: 0, Kind.MODULE: 1, Kind.NORM: 2}
    before.sort(key=lambda box: order.get(box.kind, 1))
    before = _narrowed(_once(before), facts)
    blocks = [_block(stack, facts, len(stacks)) for stack in stacks]
    text = any(box.kind is Kind.EMBEDDING and box.title == "Token embedding" for box in before)
    image = any(word in ".".join(path) for word in ("vision", "visual", "image"))
    sound = "audio" in ".".join(path)
    source = "tokens" if text and not image and not sound else "image" if image else "audio" if sound else "input"
    if source != "tokens":
        after = [
            replace(box, kind=Kind.MODULE, title=box.class_name) if box.kind is Kind.HEAD else box for box in after
        ]
    last = after[-1].kind if after else Kind.NORM
    result = {Kind.HEAD: "logits", Kind.NORM: "hidden states"}.get(last, "output") if is_main else ""
    return Column(".".join(path) or "model", title, source, (*before, *blocks, *after), result)


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


def _block(stack: _Stack, facts: Facts, alone: int) -> Block:
    """A container's layers as one block; where they differ, the slots that differ have alternatives."""
    variants: list[tuple[list[int], ModuleNode]] = []
    position = 0
    for node in stack.node.children:
        if role(node) is Role.NOTHING:
            continue
        layers = list(range(position, position + node.count))
        position += node.count
        known = next((each for each in variants if _alike(each[1], node)), None)
        if known:
            known[0].extend(layers)
        else:
            variants.append((layers, node))
    count = position
    pattern = facts.words("layers.pattern")
    path = ".".join(stack.path)
    networks = facts.words("mlp.pattern")
    drawn = [
        (
            tuple(layers),
            node,
            _slots(node, f"{path}.*", facts, _agreed(pattern, layers, count), _agreed(networks, layers, count)),
        )
        for layers, node in variants
    ]
    slots: list[list[Alternative]] = []
    for where, _, cores in drawn:
        for index, box in enumerate(cores):
            if index == len(slots):
                slots.append([])
            same = next((at for at, each in enumerate(slots[index]) if _same(each.box, box)), None)
            if same is None:
                slots[index].append(Alternative(where, box))
            else:
                merged = tuple(sorted((*slots[index][same].layers, *where)))
                slots[index][same] = Alternative(merged, slots[index][same].box)
    finished = [tuple(_everywhere(each, count) for each in _limited(slot)) for slot in slots]
    norms = _norms(max(variants, key=lambda each: len(each[0]))[1])
    sublayers, assumed = _wired(finished, norms, f"{path}.*", facts)
    classes = list(dict.fromkeys(node.class_name for _, node in variants))
    different = len(set(pattern)) > 1 and len(pattern) == count and alone == 1
    return Block(path, count, classes[0], pattern if different else (), sublayers, assumed)


def _alike(left: ModuleNode, right: ModuleNode) -> bool:
    return (
        left.class_name == right.class_name
        and [(each.name, each.shape) for each in left.params] == [(each.name, each.shape) for each in right.params]
        and len(left.children) == len(right.children)
        and all(
            one.names == other.names and _alike(one, other)
            for one, other in zip(left.children, right.children, strict=True)
        )
    )


def _same(left: Box, right: Box) -> bool:
    return (left.kind, left.title, left.lines, left.inside) == (right.kind, right.title, right.lines, right.inside)


def _everywhere(alternative: Alternative, count: int) -> Alternative:
    return replace(alternative, layers=()) if len(alternative.layers) == count else alternative


def _limited(slot: list[Alternative]) -> list[Alternative]:
    if len(slot) <= _MOST_VARIANTS:
        return slot
    rest = slot[_MOST_VARIANTS - 1 :]
    layers = tuple(sorted(layer for each in rest for layer in each.layers))
    more = Box(f"{rest[0].box.id}.more", Kind.MODULE, f"{len(rest)} further kinds")
    return [*slot[: _MOST_VARIANTS - 1], Alternative(layers, more)]


def _agreed(words: tuple[str, ...], layers: list[int], count: int) -> str:
    """What a pattern says of some layers; empty where they differ, or where it speaks of another stack."""
    found = {words[layer] for layer in layers} if len(words) == count else set()
    return found.pop() if len(found) == 1 else ""


_RECURRENT = frozenset({"linear", "ssm", "recurrent"})
"""Words of `layers.pattern` for layers whose tokens meet in a state, not in a product of queries and keys."""


def _slots(layer: ModuleNode, path: str, facts: Facts, mixes: str, feeds: str) -> list[Box]:
    """The cores of one layer in the order of the data: what mixes tokens first, then the feed-forward part.

    What the facts say of the layer (`mixes`, `feeds`; empty for nothing) decides before what its modules look like.
    """
    mixing: list[Box] = []
    feeding: list[Box] = []
    loose: list[tuple[str, ModuleNode]] = []
    for where, child in _parts(layer, path):
        found = role(child)
        match found:
            case Role.ATTENTION if mixes in _RECURRENT and not mixing:
                mixing.append(boxes.mixer(where, child, facts))
            case Role.MLP if feeds == "moe":
                feeding.append(boxes.moe(where, child, facts))
            case Role.ATTENTION | Role.CROSS:
                mixing.append(boxes.attention(where, child, facts, cross=found is Role.CROSS))
            case Role.MIXER:
                mixing.append(boxes.mixer(where, child, facts))
            case Role.MOE:
                feeding.append(boxes.moe(where, child, facts))
            case Role.MLP:
                feeding.append(boxes.mlp(where, (child,), facts))
            case Role.LINEAR | Role.OTHER | Role.CONV:
                loose.append((where, child))
            case _:
                pass
    if mixes in _RECURRENT and not mixing and loose and feeding:
        where, child = loose.pop(0)
        mixing.append(boxes.mixer(where, child, facts))
    if feeds == "moe" and not feeding and loose:
        # Experts kept in one matrix look like nothing known; they are most of the layer.
        where, child = loose.pop(max(range(len(loose)), key=lambda index: size(loose[index][1])))
        feeding.append(boxes.moe(where, child, facts))
    linears = [(where, child) for where, child in loose if _feeds(child)]
    if linears and not feeding:
        # Projections that stand in the layer itself (`fc1`, `fc2`), or wrapped in small modules.
        feeding.append(boxes.mlp(linears[0][0], tuple(child for _, child in linears), facts))
        loose = [each for each in loose if each not in linears]
    feeding += [boxes.plain(where, child) for where, child in loose]
    if not mixing and not feeding:
        mixing.append(boxes.plain(path, layer))
    return [*mixing, *feeding]


def _parts(layer: ModuleNode, path: str) -> Iterator[tuple[str, ModuleNode]]:
    """A layer's modules; a list of sub-layers (T5) is opened."""
    for child in layer.children:
        where = f"{path}.{child.names[0]}"
        if is_container(child) and role(child) not in (Role.MLP, Role.MOE, Role.NOTHING):
            yield from _parts(child, where)
        else:
            yield where, child


def _norms(layer: ModuleNode) -> list[tuple[str, ModuleNode]]:
    """The norms on a layer's residual stream: its own, or where it has none, those wrapped with its sub-layers."""
    own = [(child.names[0], child) for child in layer.children if role(child) is Role.NORM]
    if own:
        return own
    inner = [(child.names[0], child) for child in descendants(layer) if role(child) is Role.NORM]
    # Norms of queries and keys are narrower than the stream.
    widest = max((size(child) for _, child in inner), default=0)
    return [(name, child) for name, child in inner if size(child) == widest]


def _feeds(node: ModuleNode) -> bool:
    found = {role(each) for each in descendants(node) if not each.children} - {Role.NOTHING, Role.NORM}
    return found == {Role.LINEAR}


def _wired(
    slots: list[tuple[Alternative, ...]], norms: list[tuple[str, ModuleNode]], path: str, facts: Facts
) -> tuple[tuple[Sublayer, ...], bool]:
    """Sub-layers with their norms, and whether the places of norms and additions are assumed."""
    placement, residual = facts.text("norm.placement"), facts.text("residual")
    drawn = [boxes.norm(f"{path}.{name}", node, facts) for name, node in norms]
    assumed = (bool(norms) and not placement) or not residual
    if residual == "parallel" and len(slots) >= 2:
        beside = tuple(alternative for slot in slots[1:] for alternative in slot)
        return (Sublayer(slots[0], before=drawn[0] if drawn else None, beside=beside),), assumed
    sublayers = []
    hybrid = "hybrid" in facts.words("layers.pattern") and len(slots) > 2
    if hybrid:
        # Attention and a state-space mixer side by side; what follows is the feed-forward part.
        sublayers.append(Sublayer(slots[0], before=_at(drawn, 0), beside=slots[1]))
        slots, drawn = slots[2:], drawn[1:]
    for index, slot in enumerate(slots):
        one = _at(drawn, index)
        match placement:
            case "post":
                sublayers.append(Sublayer(slot, post=one))
            case "sublayer_output":
                sublayers.append(Sublayer(slot, after=one))
            case "sandwich":
                sublayers.append(Sublayer(slot, before=_at(drawn, 2 * index), after=_at(drawn, 2 * index + 1)))
            case "" if len(drawn) == 2 * len(slots):
                sublayers.append(Sublayer(slot, before=_at(drawn, 2 * index), after=_at(drawn, 2 * index + 1)))
            case _:
                sublayers.append(Sublayer(slot, before=one))
    return tuple(sublayers), assumed


def _at(drawn: list[Box], index: int) -> Box | None:
    return drawn[index] if index < len(drawn) else None


def _boxes_of(stage: Box | Block) -> Iterator[Box]:
    if isinstance(stage, Box):
        yield stage
        for row in stage.inside:
            yield from row
        return
    for sublayer in stage.sublayers:
        for alternative in (*sublayer.core, *sublayer.beside):
            yield from _boxes_of(alternative.box)
        yield from (box for box in (sublayer.before, sublayer.after, sublayer.post) if box is not None)
