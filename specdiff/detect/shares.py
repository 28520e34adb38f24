"""What each parameter is for, told by the data that pass through it: the rows of the fact sheet's table of parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from specdiff.detect.attention import output_projection
from specdiff.detect.feedforward import Layer, layers_of
from specdiff.detect.networks import Network
from specdiff.detect.paths import bias_of, weight_of
from specdiff.detect.routing import expert_weights
from specdiff.detect.scene import Block, Scene
from specdiff.detect.shape import head_of, token_tables
from specdiff.detect.stream import Stream, streams_of
from specdiff.graph.operations import Operations
from specdiff.interp.trace import Op


class _Shares:
    """Parts by parameter; what is known first stays."""

    def __init__(self, scene: Scene, graph: Operations) -> None:
        self.scene = scene
        self.graph = graph
        self.parts: dict[str, str] = {}

    def add(self, part: str, names: Iterable[str]) -> None:
        for name in names:
            if name:
                self.parts.setdefault(name, part)

    def projection(self, part: str, op: Op) -> None:
        self.add(part, (weight_of(self.graph, op), bias_of(self.graph, op)[0]))

    def behind(self, part: str, ends: Iterable[int], block: Block, stream: Stream | None) -> set[int]:
        """The operations on the way to some values from the block's first one, or its residual stream, on; their parameters
        are noted unless ``part`` is empty."""
        first = block.ops[0].id
        sums = {branch.added_at.id for branch in stream.branches} if stream is not None else set()
        starts = set(ends)
        reached = self.graph.ancestors(starts, lambda op: op.id >= first and (op.id not in sums or op.id in starts))
        if part:
            self.add(part, _parameters(self.graph[index] for index in sorted(reached)))
        return reached


def shares(scene: Scene) -> dict[str, str]:
    """Part of `specdiff.graph.parts.PARTS` by parameter name; parameters that the data do not tell are left out."""
    graph = scene.operations
    if graph is None:
        return {}
    found = _Shares(scene, graph)
    for norm in scene.norms:
        found.add("norms", (norm.weight, norm.bias))
    for table in token_tables(scene):
        found.add("embedding", (graph.parameter(graph[table.inputs[1]]),))
    head = head_of(scene)
    if head is not None:
        found.projection("head", head.projection)
    for tower in scene.towers:
        streams = {block.index: stream for block, stream in streams_of(scene, tower)}
        for layer in layers_of(scene, tower):
            _network_parts(found, layer)
        for layer in layers_of(scene, tower):
            stream = streams.get(layer.block.index)
            _attention_parts(found, layer.block, stream)
            _branch_parts(found, layer, stream)
    for op in graph.kind("embedding"):
        if len(op.inputs) > 1:
            found.add("embedding", (graph.parameter(graph[op.inputs[1]]),))
    last = max(
        (tower.blocks[-1].ops[-1].id for tower in scene.towers if tower.blocks and tower.blocks[-1].ops), default=None
    )
    if last is not None:
        after = (op for op in graph.kind("parameter") if all(reader > last for reader in graph.consumers[op.id]))
        found.add("head", _parameters(after))
    return found.parts


def _network_parts(found: _Shares, layer: Layer) -> None:
    if not layer.block.ops:
        return
    if layer.router is not None:
        found.projection("router", layer.router.projection)
        found.add("router", (_name(found.graph, layer.router.selection_at),))
        experts, _ = expert_weights(found.graph, found.scene, layer.block)
        found.add("experts", sorted(name for name, count in experts.items() if count == layer.router.experts))
    for part, networks in (("experts", layer.routed), ("shared experts", layer.shared), ("feed-forward", layer.dense)):
        for network in networks:
            found.add(part, _of_network(found.graph, network))


def _of_network(graph: Operations, network: Network) -> Iterator[str]:
    for op in (network.up, network.other, network.down):
        if op is not None:
            yield weight_of(graph, op)
            yield bias_of(graph, op)[0]
    yield from (bias for _, bias in network.biases)


def _attention_parts(found: _Shares, block: Block, stream: Stream | None) -> None:
    """What leads to an attention's output, with the projection that reads it."""
    for site in block.attentions:
        out = output_projection(found.graph, site)
        ends = [site.output.id]
        if out is not None:
            found.projection("attention", out)
            ends.append(out.id)
        found.behind("attention", ends, block, stream)


def _branch_parts(found: _Shares, layer: Layer, stream: Stream | None) -> None:
    """What else stands in a residual branch: a recurrent mixer, or the rest of a feed-forward network."""
    kind, mixing = layer.block.mixer
    mixes = kind in ("ssm", "linear", "conv", "hybrid")
    if stream is None or not stream.complete:
        if mixes and not layer.networks:
            found.add("token mixer", found.scene.parameters_below(layer.block.path))
        return
    for branch in stream.branches:
        reached = found.behind("", [branch.output.id], layer.block, stream)
        if mixes and mixing is not None and mixing.id in reached:
            found.behind("token mixer", [branch.output.id], layer.block, stream)
        elif layer.kind == "dense" and layer.branch is branch:
            found.behind("feed-forward", [branch.output.id], layer.block, stream)


def _parameters(ops: Iterable[Op]) -> Iterator[str]:
    return (str(op.attrs.get("name", "")) for op in ops if op.kind == "parameter")


def _name(graph: Operations, op: Op | None) -> str:
    """The parameter that an operation reads beside its data."""
    if op is None:
        return ""
    return next((name for item in graph.inputs(op) if (name := graph.parameter(item))), "")
