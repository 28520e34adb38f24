"""The repeated layers of a drawing: which boxes stand in them, and how they are connected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from specdiff.graph import boxes
from specdiff.graph.boxes import Box, Facts, Kind, Standing
from specdiff.graph.flow import Alternative, Flow, Fork, Place, boxes_of, in_layers, limited, merged
from specdiff.graph.roles import Role, descendants, expert_count, is_container, role, size
from specdiff.graph.wiring import Part, Wiring
from specdiff.results import ModuleNode

_MOST_VARIANTS = 4
"""Ways in which one place of a block may differ between layers before the rest is summed up."""


@dataclass(frozen=True, slots=True)
class Way:
    """Layers whose parts are connected alike."""

    layers: tuple[int, ...]
    """0-based."""
    flow: Flow
    known: bool
    """Whether operations or facts say how the parts are connected; if not, they stand in the order of construction."""
    left_out: tuple[str, ...] = ()
    """Parts that ``forward`` as it was followed does not come to, by attribute name."""


@dataclass(frozen=True, slots=True)
class Block:
    """Layers that repeat, drawn once."""

    id: str
    count: int
    title: str
    """Class of the layers."""
    pattern: tuple[str, ...]
    """What mixes tokens per layer, where it is known and more than one kind."""
    ways: tuple[Way, ...]
    standing: Standing | None = None
    """How its count and pattern stand to another model's."""


def block(path: str, stack: ModuleNode, facts: Facts, alone: bool, wiring: Wiring) -> Block:
    """A container's layers as one block; where they differ, its places hold alternatives, or it has several ways.

    Args:
        path: Of the container.
        stack: The container.
        facts: What is proven about its column.
        alone: Whether the column has no other stack: patterns over layers speak of this one then.
        wiring: The operations of the model.
    """
    variants: list[tuple[list[int], ModuleNode]] = []
    position = 0
    for node in stack.children:
        if role(node) is Role.NOTHING:
            continue
        layers = list(range(position, position + node.count))
        position += node.count
        known = next((each for each in variants if _alike(each[1], node)), None)
        if known:
            known[0].extend(layers)
        else:
            variants.append((layers, node))
    pattern, networks = facts.words("layers.pattern"), facts.words("mlp.pattern")
    ways: list[Way] = []
    for layers, node in variants:
        mixes, feeds = _agreed(pattern, layers, position), _agreed(networks, layers, position)
        here = _Layer(f"{path}.*", tuple(layers), facts, wiring, mixes, feeds)
        parts = _parts(node, here)
        flow, sure = _flow(f"{path}.*", layers, parts, facts, wiring)
        stand = {box.id for box in boxes_of(flow)}
        # Where data come to a part more than once, its boxes have longer ids.
        apart = [each.box.id for each in parts if not any(f"{box}.".startswith(f"{each.box.id}.") for box in stand)]
        _add(ways, Way(tuple(layers), flow, sure, tuple(each.rpartition("*.")[2] for each in apart)))
    finished = [replace(way, flow=limited(way.flow, position, _MOST_VARIANTS, _further)) for way in ways]
    classes = list(dict.fromkeys(node.class_name for _, node in variants))
    different = len(set(pattern)) > 1 and len(pattern) == position and alone
    return Block(path, position, classes[0], pattern if different else (), tuple(finished))


def _add(ways: list[Way], new: Way) -> None:
    """Layers that are connected as others are join them."""
    own = in_layers(new.flow, new.layers)
    for index, way in enumerate(ways):
        both = merged(way.flow, own, _counterparts) if way.known == new.known else None
        if both is not None:
            left_out = tuple(dict.fromkeys((*way.left_out, *new.left_out)))
            ways[index] = Way(tuple(sorted((*way.layers, *new.layers))), both, way.known, left_out)
            return
    ways.append(replace(new, flow=own))


def _further(left_out: Sequence[Box]) -> Box:
    return Box(f"{left_out[0].id}.more", Kind.MODULE, f"{len(left_out)} further kinds")


_STEPS = (Kind.NORM, Kind.PART)


def _counterparts(left: Box, right: Box) -> bool:
    """Whether two boxes may be alternatives in one place."""
    if left.kind in _STEPS or right.kind in _STEPS:
        return left.kind == right.kind and (left.kind is not Kind.PART or left.title == right.title)
    return True


def _alike(left: ModuleNode, right: ModuleNode) -> bool:
    """Whether two modules have the same parameters in the same places; what has none (a drop path) does not count."""
    ours, theirs = ([each for each in node.children if role(each) is not Role.NOTHING] for node in (left, right))
    return (
        left.class_name == right.class_name
        and [(each.name, each.shape) for each in left.params] == [(each.name, each.shape) for each in right.params]
        and len(ours) == len(theirs)
        and all(one.names == other.names and _alike(one, other) for one, other in zip(ours, theirs, strict=True))
    )


def _agreed(words: tuple[str, ...], layers: list[int], count: int) -> str:
    """What a pattern says of some layers; empty where they differ, or where it speaks of another stack."""
    found = {words[layer] for layer in layers} if len(words) == count else set()
    return found.pop() if len(found) == 1 else ""


_RECURRENT = frozenset({"linear", "ssm", "recurrent"})
"""Words of `layers.pattern` for layers whose tokens meet in a state, not in a product of queries and keys."""


class _Layer(NamedTuple):
    """One kind of layer, as its parts are looked for."""

    path: str
    """Ending in `*`."""
    layers: tuple[int, ...]
    facts: Facts
    wiring: Wiring
    mixes: str
    """What the facts say that mixes its tokens; empty for nothing."""
    feeds: str
    """What they say of its feed-forward part."""


def _parts(layer: ModuleNode, here: _Layer) -> list[Part]:
    """What is drawn of one layer: what mixes tokens first, then the feed-forward part, then norms on the stream.

    What the facts say of the layer and what its operations do decide before what its modules look like.
    """
    path, facts, mixes, feeds = here.path, here.facts, here.mixes, here.feeds
    mixing: list[Part] = []
    feeding: list[Part] = []
    loose: list[tuple[str, ModuleNode]] = []
    norms: list[Part] = []
    opened = list(_opened(layer, path))
    holds_experts = any(role(child) is Role.MOE or expert_count(child) > 1 for _, child in opened)
    for where, child in opened:
        found = role(child)
        if found is Role.OTHER and feeds == "moe" and expert_count(child) > 1:
            found = Role.MOE
        if found in (Role.MLP, Role.MOE, Role.OTHER) and here.wiring.attends(where, here.layers):
            found = Role.ATTENTION
        match found:
            case Role.ATTENTION if mixes in _RECURRENT and not mixing:
                mixing.append(_part(boxes.mixer(where, child, facts), (where, child), facts=facts))
            case Role.MLP if feeds == "moe" and not holds_experts:
                feeding.append(_part(boxes.moe(where, child, facts), (where, child), facts=facts))
            case Role.ATTENTION | Role.CROSS:
                box = boxes.attention(where, child, facts, cross=found is Role.CROSS)
                mixing.append(_part(box, (where, child), facts=facts))
            case Role.MIXER:
                mixing.append(_part(boxes.mixer(where, child, facts), (where, child), facts=facts))
            case Role.MOE:
                feeding.append(_part(boxes.moe(where, child, facts), (where, child), facts=facts))
            case Role.MLP:
                feeding.append(_part(boxes.mlp(where, (child,), facts), (where, child), facts=facts))
            case Role.LINEAR | Role.OTHER | Role.CONV:
                loose.append((where, child))
            case Role.NORM:
                norms.append(Part(boxes.norm(where, child, facts), (where,)))
            case _:
                pass
    if mixes in _RECURRENT and not mixing and loose and feeding:
        where, child = loose.pop(0)
        mixing.append(_part(boxes.mixer(where, child, facts), (where, child), facts=facts))
    if feeds == "moe" and not feeding and loose:
        # Experts kept in one matrix look like nothing known; they are most of the layer.
        where, child = loose.pop(max(range(len(loose)), key=lambda index: size(loose[index][1])))
        feeding.append(_part(boxes.moe(where, child, facts), (where, child), facts=facts))
    linears = [(where, child) for where, child in loose if _feeds(child)]
    networks = [each for each in linears if _linears(each[1]) > 1]
    if networks and not feeding:
        feeding += [_part(boxes.mlp(where, (child,), facts), (where, child), facts=facts) for where, child in networks]
        loose = [each for each in loose if each not in networks]
    elif linears and not feeding:
        # Projections that stand in the layer itself (`fc1`, `fc2`), or wrapped in small modules.
        box = boxes.mlp(linears[0][0], tuple(child for _, child in linears), facts)
        feeding.append(_part(box, *linears, facts=facts))
        loose = [each for each in loose if each not in linears]
    feeding += [_part(boxes.plain(where, child), (where, child), facts=facts) for where, child in loose]
    if not mixing and not feeding:
        mixing.append(_part(boxes.plain(path, layer), (path, layer), facts=facts))
    return [*mixing, *feeding, *norms]


def _part(box: Box, *modules: tuple[str, ModuleNode], facts: Facts) -> Part:
    norms = {
        place: boxes.norm(place, inner, facts)
        for where, node in modules
        for place, inner in _within(node, where)
        if role(inner) is Role.NORM
    }
    return Part(box, tuple(where for where, _ in modules), modules[0][1].class_name, norms)


def _within(node: ModuleNode, path: str) -> Iterator[tuple[str, ModuleNode]]:
    for child in node.children:
        place = f"{path}.{child.names[0]}"
        yield place, child
        yield from _within(child, place)


_MIXING = (Role.ATTENTION, Role.CROSS, Role.MIXER)


def _opened(layer: ModuleNode, path: str) -> Iterator[tuple[str, ModuleNode]]:
    """A layer's modules; lists are opened (sub-layers of T5, two of a kind in one layer), and blocks inside the layer (Zamba2)."""
    for child in layer.children:
        found = role(child)
        # Alike members of a list are folded into one node; each stands at a place of its own.
        for name in child.names if child.names[0].isdigit() else child.names[:1]:
            where = f"{path}.{name}"
            if _is_list(child) or _is_wrapper(child, found):
                yield from _opened(child, where)
            else:
                yield where, child


def _is_list(node: ModuleNode) -> bool:
    """Whether a module only holds parts of a layer."""
    if not is_container(node) or role(node) in (Role.MOE, Role.NOTHING):
        return False
    return role(node) is not Role.MLP or all(each.children for each in node.children)


def _is_wrapper(node: ModuleNode, found: Role) -> bool:
    """Whether a module is a block inside the layer, or attention with its norms and nothing else of its own."""
    inner = {role(each) for each in node.children} - {Role.NOTHING}
    wraps = inner in ({Role.ATTENTION, Role.NORM}, {Role.CROSS, Role.NORM})
    return wraps or (found is Role.OTHER and bool(inner & set(_MIXING)))


def _linears(node: ModuleNode) -> int:
    return sum(each.count for each in descendants(node) if not each.children and role(each) is Role.LINEAR)


def _feeds(node: ModuleNode) -> bool:
    found = {role(each) for each in descendants(node) if not each.children} - {Role.NOTHING, Role.NORM}
    return found == {Role.LINEAR}


def _flow(path: str, layers: list[int], parts: list[Part], facts: Facts, wiring: Wiring) -> tuple[Flow, bool]:
    """How parts are connected: as the operations say, where there are none as the facts do; and whether either does."""
    found = wiring.flow(path, layers, parts)
    if found is not None:
        return found, True
    followed = wiring.first(path.removesuffix(".*")) is not None
    cores = [part.box for part in parts if part.box.kind is not Kind.NORM]
    norms = [part.box for part in parts if part.box.kind is Kind.NORM]
    if not norms:
        inner = [(box, where) for part in parts for where, box in part.norms.items()]
        # What is as deep inside as the shallowest is on the stream; norms of queries and keys are deeper.
        shallow = min((where.count(".") for _, where in inner), default=0)
        norms = [box for box, where in inner if where.count(".") == shallow]
    placement, residual = facts.text("norm.placement"), facts.text("residual")
    if followed or not residual or (norms and placement not in _PLACED):
        # What the operations do not say in one line (two streams, parts that meet elsewhere) the facts do not say either.
        return tuple(Place((Alternative((), box),)) for box in (*norms[:1], *cores, *norms[1:])), False
    return _from_facts(cores, norms, placement, residual, "hybrid" in facts.words("layers.pattern")), True


_PLACED = ("pre", "post", "sandwich", "sublayer_output", "parallel")


def _from_facts(cores: list[Box], norms: list[Box], placement: str, residual: str, hybrid: bool) -> Flow:
    """The connections that the facts speak of: where norms stand and how the residual passes."""
    left = list(norms)

    def take() -> Flow:
        return (Place((Alternative((), left.pop(0)),)),) if left else ()

    steps: list[Flow] = [(Place((Alternative((), core),)),) for core in cores]
    if residual == "parallel" and len(cores) >= 2:
        steps = [(Fork(tuple(steps), ""),)]
    elif hybrid and len(cores) > 2:
        # Attention and a state-space mixer side by side; what follows is the feed-forward part.
        steps = [(Fork((steps[0], steps[1]), ""),), *steps[2:]]
    flow: Flow = ()
    for step in steps:
        match placement:
            case "post":
                flow = (*flow, Fork((step, ()), "+"), *take())
            case "sublayer_output":
                flow = (*flow, Fork(((*step, *take()), ()), "+"))
            case "sandwich":
                flow = (*flow, Fork(((*take(), *step, *take()), ()), "+"))
            case _:
                flow = (*flow, Fork(((*take(), *step), ()), "+"))
    return flow


_RECURRENT = frozenset({"linear", "ssm", "recurrent"})
"""Words of `layers.pattern` for layers whose tokens meet in a state, not in a product of queries and keys."""
