"""The feed-forward part of each layer, dense or of experts, and the facts about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from specdiff import vocab
from specdiff.detect.agree import agreed
from specdiff.detect.networks import Network, final_projections, network_of
from specdiff.detect.paths import kernel_of
from specdiff.detect.routing import Router, expert_weights, router, side_by_side, unmatched_choice
from specdiff.detect.scene import Block, Scene, Tower, see
from specdiff.detect.stream import Branch, Stream, streams_of, width_of
from specdiff.facts import Level
from specdiff.graph.operations import Operations
from specdiff.interp.trace import Op


@dataclass(slots=True)
class Layer:
    """The feed-forward part of one block."""

    block: Block
    kind: str
    """`dense`, `moe`, `none`, or empty where it is not known."""
    reason: str
    """Why it is not known."""
    dense: list[Network]
    router: Router | None
    routed: list[Network]
    shared: list[Network]
    branch: Branch | None
    """The residual branch that holds it."""
    chooses: Op | None = None
    """A choice among experts that are not recognised."""
    alone: bool = False
    """It is the only residual branch of its block."""

    @property
    def networks(self) -> list[Network]:
        """All of them."""
        return [*self.dense, *self.routed, *self.shared]


def layers_of(scene: Scene, tower: Tower) -> list[Layer]:
    """The feed-forward part of every block of a stack."""
    key = f"feedforward {tower.path}"
    if key not in scene.memo:
        scene.memo[key] = [_layer(scene, block, stream) for block, stream in streams_of(scene, tower)]
    found: list[Layer] = scene.memo[key]
    return found


def _layer(scene: Scene, block: Block, stream: Stream | None) -> Layer:
    graph = scene.operations
    assert graph is not None
    several, counts = expert_weights(graph, scene, block)
    chosen = router(graph, block, counts, scene.norm_of)
    experts = {name: count for name, count in several.items() if count == chosen.experts} if chosen else {}
    layer = Layer(block, "", "", [], chosen, [], [], None)
    followed = stream is not None and stream.complete and bool(stream.branches)
    if followed and stream is not None:
        layer.alone = len(stream.branches) == 1
        for branch in stream.branches:
            nets = list(_networks(graph, block, branch, experts, through=False))
            if experts and not any(net.weight in experts for net in nets):  # experts between two projections
                deeper = list(_networks(graph, block, branch, experts, through=True))
                nets = deeper if any(net.weight in experts for net in deeper) else nets
            if any(net.weight in experts for net in nets):
                layer.branch = branch
                layer.routed = [net for net in nets if net.weight in experts]
                layer.shared = [net for net in nets if net.weight not in experts]
            else:
                layer.dense += nets
                layer.branch = layer.branch or (branch if nets else None)
    else:
        nets = [net for op in block.ops if (net := network_of(graph, op, block)) and _whole(net)]
        layer.routed = [net for net in nets if net.weight in experts]
        rest = [net for net in nets if net.weight not in experts]
        layer.shared, layer.dense = (rest, []) if chosen else ([], rest)
    if chosen is not None and not layer.routed and not _read(block, experts):
        layer.chooses = chosen.choice
        layer.router, layer.dense, layer.shared = None, [], []
        layer.reason = f"{chosen.per_token} of {chosen.experts} are chosen here, and no expert's weights are read"
    elif chosen is not None:
        layer.kind = "moe"
    elif (choice := unmatched_choice(graph, block)) is not None:
        layer.reason = (
            f"something is chosen among {choice.attrs.get('k', 1)} or more scores and no experts are seen to run"
        )
        layer.chooses, layer.dense = choice, []
    elif (beside := side_by_side(graph, block, several, [net.weight for net in layer.dense])) is not None:
        layer.reason = "several networks stand side by side here, and what tokens reach them is not recognised"
        layer.chooses, layer.dense = beside, []
    elif layer.dense:
        layer.kind = "dense"
    elif (
        followed
        and stream is not None
        and all(branch.attends or _mixes(graph, block, branch) for branch in stream.branches)
    ):
        nets = [net for op in block.ops if (net := network_of(graph, op, block)) and _whole(net)]
        if not nets:
            layer.kind = "none"
        elif block.mixer[0] == "hybrid":  # a transformer block beside the recurrent mixer, in its branch
            layer.kind, layer.dense = "dense", nets
        else:
            layer.reason = "a feed-forward network stands inside the branch that mixes tokens"
    else:
        layer.reason = "no feed-forward network is recognised in this layer"
    return layer


def _read(block: Block, experts: dict[str, int]) -> bool:
    return any(op.kind == "parameter" and op.attrs.get("name") in experts for op in block.ops)


def _mixes(graph: Operations, block: Block, branch: Branch) -> bool:
    """Whether a branch is a recurrent mixer or a convolution over positions, told by its detector."""
    kind, op = block.mixer
    return kind in ("ssm", "linear", "conv", "hybrid") and op is not None and graph.reaches(op.id, branch.output.id)


def _networks(
    graph: Operations, block: Block, branch: Branch, experts: dict[str, int], *, through: bool
) -> Iterator[Network]:
    """Networks whose last projections make a branch's output."""
    for op in final_projections(graph, [branch.output.id], block.ops[0].id, through):
        network = network_of(graph, op, block)
        if network is not None and (network.weight in experts or _whole(network)):
            yield network


def _whole(network: Network) -> bool:
    """Whether a network gives back the width it reads, as the stream needs it."""
    return network.width_in is None or network.width_out is None or network.width_in == network.width_out


def mlp(scene: Scene) -> None:
    """`mlp.*`: one feed-forward network, experts included."""
    for tower in scene.towers:
        layers = layers_of(scene, tower)
        key = tower.key
        _pattern(scene, tower, layers)
        networks = [net for layer in layers for net in layer.networks]
        if not networks:
            odd = next((layer for layer in layers if layer.kind == ""), None)
            if odd is not None:
                for name in ("mlp.kind", "mlp.activation", "mlp.size", "mlp.bias"):
                    scene.unsure(key(name), odd.reason, odd.block.ops[-1])
            elif layers and all(layer.kind == "none" for layer in layers):
                for name in vocab.KEYS:
                    if name.startswith("mlp.") and name != "mlp.pattern":
                        scene.absent(
                            key(name), "no layer has a feed-forward part", [see(layers[0].block.ops[-1], "a layer")]
                        )
            continue
        agreed(scene, key("mlp.kind"), ((_kind(net), net.activation_at, _kind_words(net)) for net in networks))
        agreed(
            scene,
            key("mlp.activation"),
            ((n.activation, n.activation_at, f"activation {n.activation}") for n in networks),
        )
        agreed(scene, key("mlp.bias"), (_bias(net) for net in networks))
        dense = [net for layer in layers for net in layer.dense]
        if dense:
            agreed(
                scene,
                key("mlp.size"),
                ((net.size, net.down, f"{net.weight} reads {net.size} channels") for net in dense),
            )
        elif (beside := next((layer for layer in layers if layer.shared and layer.branch is None), None)) is not None:
            words = "whether a network beside the experts is shared with them or stands alone is not followed"
            scene.unsure(key("mlp.size"), words, beside.shared[0].down)
        else:
            scene.absent(key("mlp.size"), "every layer has experts", [see(networks[0].down, "an expert")])
        slopes = [net for net in networks if net.alpha is not None]
        if len(slopes) == len(networks):
            agreed(scene, key("mlp.alpha"), ((n.alpha, n.activation_at, f"x·sigmoid({n.alpha:g}x)") for n in slopes))
        else:
            scene.absent(
                key("mlp.alpha"), "the activation is not x·sigmoid(αx)", [see(networks[0].activation_at, "it")]
            )
        _clamps(scene, key("mlp.limit"), networks)
        agreed(
            scene,
            key("mlp.up_offset"),
            ((n.up_offset, n.offset_at or n.activation_at, f"plus {n.up_offset:g}" if n.up_offset else "no offset") for n in networks),
        )  # fmt: skip


def _kind(network: Network) -> str:
    if network.convolves:
        return "conv"
    return "gated" if network.gated else "plain"


def _kind_words(network: Network) -> str:
    return (
        f"{network.activation}(gate) times a projection, then down"
        if network.gated
        else f"up, {network.activation}, down"
    )


def _bias(network: Network) -> tuple[bool | None, Op, str]:
    with_bias = [name for _, name in network.biases if name]
    if len(with_bias) in (0, len(network.biases)):
        op = network.biases[-1][0]
        return bool(with_bias), op, f"bias {with_bias[-1]}" if with_bias else f"{network.weight} without a bias"
    op = next(op for op, name in network.biases if not name)
    return None, op, f"some of its projections add a bias ({', '.join(with_bias)}), others none: one answer"


def _clamps(scene: Scene, key: str, networks: list[Network]) -> None:
    limits: set[float | None] = set()
    for net in networks:
        gate, up = net.gate_limit, net.up_limit
        if gate is None and up is None:
            limits.add(None)
        elif (
            gate is not None
            and gate[0] is None
            and gate[1] is not None
            and (not net.gated or up == (-gate[1], gate[1]))
        ):
            limits.add(gate[1])
        elif gate is not None and gate[1] is not None and gate == (-gate[1], gate[1]) and up in (None, gate):
            limits.add(gate[1])
        else:
            scene.unsure(key, f"the gate is clamped to {_range(gate)}, the linear half to {_range(up)}", net.limit_at)
            return
    if limits == {None}:
        scene.absent(key, "nothing is clamped", [see(networks[0].activation_at, "the activation")])
    elif len(limits) == 1:
        at = networks[0].limit_at or networks[0].activation_at
        scene.fact(key, limits.pop(), [see(at, "clamped")])
    else:
        scene.unsure(key, "some networks are clamped, others are not", networks[0].limit_at)


def _range(limit: tuple[float | None, float | None] | None) -> str:
    return "nothing" if limit is None else f"[{limit[0]}, {limit[1]}]"


def _pattern(scene: Scene, tower: Tower, layers: list[Layer]) -> None:
    key = tower.key
    odd = next((layer for layer in layers if not layer.kind), None)
    if odd is not None:
        for name in ("mlp.pattern", "moe.layers", "moe.first_dense", "moe.experts"):
            scene.unsure(key(name), f"layer {odd.block.index}: {odd.reason}", odd.block.ops[-1])
        return
    kinds = tuple(layer.kind for layer in layers)
    for layer in layers:  # a layer that is nothing but a feed-forward part
        if layer.block.mixer[0] or not layer.alone:
            continue
        if layer.kind == "moe" or (layer.kind == "dense" and not _joins_positions(scene, layer.block)):
            layer.block.mixer = (layer.kind, _shown(layer))
    first = {kind: next(layer for layer in layers if layer.kind == kind) for kind in dict.fromkeys(kinds)}
    here = [see(_shown(layer), f"layer {layer.block.index}: {kind}") for kind, layer in first.items()]
    scene.fact(key("mlp.pattern"), kinds, here)
    with_experts = tuple(layer.block.index for layer in layers if layer.kind == "moe")
    if not with_experts:
        for name in vocab.KEYS:
            if name.startswith("moe."):
                scene.absent(key(name), "no layer has experts", here[:1])
        return
    scene.fact(key("moe.layers"), with_experts, here)
    start = kinds.index("moe")
    if all(kind == "dense" for kind in kinds[:start]) and "dense" not in kinds[start:]:
        scene.fact(key("moe.first_dense"), start, here)
    else:
        later = next((layer for layer in layers[start:] if layer.kind != "moe"), layers[0])
        scene.unsure(
            key("moe.first_dense"), "layers without experts stand behind the first that has some", _shown(later)
        )


def _joins_positions(scene: Scene, block: Block) -> bool:
    """Whether positions may meet in a block in a way that no detector of mixers recognised."""
    graph = scene.operations
    assert graph is not None
    for op in block.ops:
        if op.kind in _OVER_POSITIONS:
            return True
        if op.kind in ("matmul", "bmm", "einsum", "baddbmm") and not any(
            graph.source(item).kind == "parameter" for item in graph.inputs(op)
        ):
            return True
        if op.kind == "conv" and any(size > 1 for size in kernel_of(graph, op)):
            return True
    return False


_OVER_POSITIONS = frozenset({"softmax", "sdpa", "cumsum", "fft", "roll", "pool", "associative_scan", "flip"})


def _shown(layer: Layer) -> Op:
    if layer.router is not None:
        return layer.router.choice
    return layer.dense[0].down if layer.dense else layer.block.ops[-1]


def experts(scene: Scene) -> None:
    """`moe.*`: experts, the router, shared experts."""
    for tower in scene.towers:
        layers = [layer for layer in layers_of(scene, tower) if layer.router is not None]
        routers = [(layer, layer.router) for layer in layers if layer.router is not None]
        if not routers:
            continue
        key = tower.key
        agreed(scene, key("moe.experts"), ((r.experts, r.choice, f"chosen among {r.experts}") for _, r in routers))
        agreed(
            scene,
            key("moe.experts_per_token"),
            ((r.per_token, r.choice, f"the best {r.per_token} are chosen") for _, r in routers),
        )
        routed = [net for layer in layers for net in layer.routed]
        if routed and all(layer.routed for layer in layers):
            agreed(
                scene, key("moe.expert_size"), ((n.size, n.down, f"{n.weight} reads {n.size} channels") for n in routed)
            )
        else:
            odd = next(layer for layer in layers if not layer.routed)
            scene.unsure(key("moe.expert_size"), "the experts' network is not recognised", odd.block.ops[-1])
        agreed(
            scene,
            key("moe.zero_experts"),
            ((r.without_weights, r.choice, f"{r.without_weights} scores beyond the last expert") for _, r in routers),
        )
        _latent(scene, tower, layers)
        _shared(scene, tower, layers, routers[0][1])
        _router_facts(scene, tower, routers)


def _floating(op: Op) -> bool:
    return not op.dtype.startswith("int")


def _weighing(first: int, op: Op) -> bool:
    """Whether an operation may carry the routing weights that begin at ``first``; inputs are older."""
    return op.id >= first and _floating(op)


def _latent(scene: Scene, tower: Tower, layers: list[Layer]) -> None:
    key = tower.key("moe.latent_size")
    widths = {(net.width_in, width_of(layer.block.ops[-1])) for layer in layers for net in layer.routed}
    at = layers[0].routed[0].up if layers[0].routed else layers[0].block.ops[-1]
    if any(narrow is None or wide is None for narrow, wide in widths) or not widths:
        scene.unsure(key, "the width that experts read is not known", at)
        return
    if all(narrow == wide for narrow, wide in widths):
        scene.absent(key, "experts read the stream's own width", [see(at, "the experts' first projection")])
    elif len(widths) == 1:
        narrow, wide = widths.pop()
        scene.fact(key, narrow, [see(at, f"experts read {narrow} channels, the stream has {wide}")])
    else:
        narrows = sorted({narrow for narrow, _ in widths if narrow is not None})
        scene.unsure(key, f"experts read several widths: {narrows}", at, tuple(narrows))


def _shared(scene: Scene, tower: Tower, layers: list[Layer], shown: Router) -> None:
    key = tower.key
    graph = scene.operations
    assert graph is not None
    counts = {len(layer.shared) for layer in layers}
    sizes = {sum(net.size or 0 for net in layer.shared) for layer in layers}
    if any(layer.branch is None for layer in layers):
        for name in ("moe.shared_experts", "moe.shared_size", "moe.shared_gate"):
            scene.unsure(key(name), "the branch of the experts could not be followed", shown.choice)
        return
    if counts == {0}:
        for name in ("moe.shared_experts", "moe.shared_size", "moe.shared_gate"):
            scene.absent(
                key(name), "only the chosen experts make the layer's output", [see(shown.choice, "the choice")]
            )
        return
    if len(counts) > 1 or len(sizes) > 1 or any(net.size is None for layer in layers for net in layer.shared):
        for name in ("moe.shared_experts", "moe.shared_size"):
            scene.unsure(key(name), "layers differ in their shared experts", layers[0].block.ops[-1])
        return
    count, size = counts.pop(), sizes.pop()
    net = layers[0].shared[0]
    expert = layers[0].routed[0].size if layers[0].routed else None
    here = see(net.down, f"every token passes {net.weight} of width {size}")
    scene.fact(key("moe.shared_size"), size, [here])
    if count == 1 and expert and size % expert == 0:
        count = size // expert
        here = see(net.down, f"width {size} is {count} times an expert's {expert}")
    scene.fact(key("moe.shared_experts"), count, [here])
    gates = [_gate_of(graph, net) for layer in layers for net in layer.shared]
    if all(gates):
        scene.fact(key("moe.shared_gate"), True, [see(gates[0] or net.down, "times a sigmoid of one number per token")])
    elif not any(gates):
        scene.fact(key("moe.shared_gate"), False, [see(net.down, "added as it comes")])
    else:
        scene.unsure(key("moe.shared_gate"), "some shared experts are gated, others are not", net.down)


def _gate_of(graph: Operations, network: Network) -> Op | None:
    """The product of a shared expert's output with a sigmoid of one number per token."""
    for reader in graph.readers(network.down):
        if reader.kind == "mul" and len(reader.inputs) == 2:
            for item in graph.inputs(reader):
                gate = graph.source(item)
                if gate.kind == "sigmoid" and gate.shape and gate.shape[-1] == 1:
                    return reader
    return None


def _router_facts(scene: Scene, tower: Tower, routers: list[tuple[Layer, Router]]) -> None:
    graph = scene.operations
    assert graph is not None

    def tell(name: str, *readings: tuple[object, Op, str]) -> None:
        agreed(scene, tower.key(f"moe.router.{name}"), readings)

    every = [router for _, router in routers]
    tell(
        "score", *((r.score, r.score_at or r.choice, f"{r.score or 'what makes weights'} of the logits") for r in every)
    )
    tell("order", *((r.order, r.choice, (r.order or "the order").replace("_", " ")) for r in every))
    tell("normalise", *((r.normalise if r.weights else None, r.normalise_at or r.choice,
                         "weights add up to 1" if r.normalise else "weights are used as they are") for r in every))  # fmt: skip
    tell(
        "scale",
        *(
            (None if r.scale is None else round(r.scale, 12), r.scale_at or r.choice, f"weights times {r.scale}")
            for r in every
        ),
    )
    tell("bias", *((r.bias, r.bias_at, "a bias on the logits" if r.bias else "logits without a bias") for r in every))
    tell("dtype", *((r.dtype, r.projection, f"computed in {r.dtype}") for r in every))
    tell(
        "selection_bias",
        *((bool(r.selection_bias) and not r.selection_weighs, r.selection_at or r.choice,
           f"{r.selection_bias} is added for the choice" if r.selection_bias else "nothing is added for the choice")
          for r in every),
    )  # fmt: skip
    grouped = [r for r in every if r.groups is not None]
    if len(grouped) == len(every):
        tell("groups", *((r.groups, r.groups_at or r.choice, f"{r.groups} groups are ranked") for r in every))
        tell(
            "groups_per_token",
            *((r.groups_per_token, r.groups_at or r.choice, f"{r.groups_per_token} stay") for r in every),
        )
        tell("group_score", *((r.group_score, r.groups_at or r.choice, "how groups are ranked") for r in every))
    elif not grouped and (odd := next((r.limited_at for r in every if r.limited_at is not None), None)) is not None:
        for name in ("groups", "groups_per_token", "group_score"):
            scene.unsure(
                tower.key(f"moe.router.{name}"),
                "some experts are left out before the choice, for what is not recognised",
                odd,
            )
    elif not grouped:
        for name in ("groups", "groups_per_token", "group_score"):
            scene.absent(
                tower.key(f"moe.router.{name}"), "experts are chosen among all", [see(every[0].choice, "the choice")]
            )
    early = []
    for layer, each in routers:
        ups = [net.up.id for net in layer.routed]
        if not ups or not each.weights:
            words = "where the weights meet the experts is not recognised"
            scene.unsure(tower.key("moe.router.input_scaled"), words, each.choice)
            return
        first = min(each.weights)
        behind = graph.ancestors(ups, partial(_weighing, first))
        early.append(any(start in behind for start in each.weights))
    if all(early) or not any(early):
        words = "weights multiply what the experts read" if all(early) else "weights multiply what the experts return"
        scene.fact(tower.key("moe.router.input_scaled"), all(early), [see(routers[0][0].routed[0].up, words)])


_TRAINING = {
    "moe.router.aux_loss": ("router_aux_loss_coef", "aux_loss_alpha", "moe_aux_loss_coeff", "aux_loss_coef",
                            "moe_aux_loss_coef", "router_aux_loss_factor", "moe_loss_weight"),
    "moe.router.jitter": ("router_jitter_noise", "jitter_noise", "moe_jitter_eps", "router_jitter_noise_std"),
}  # fmt: skip
"""Settings that only training reads."""


def training(scene: Scene) -> None:
    """`moe.router.aux_loss`, `.jitter`: what only the configuration says."""
    if not any(key.endswith("moe.experts") for key in scene.facts):
        return
    part = "text_config" if scene.setting("text_config") is not None else ""
    for key, names in _TRAINING.items():
        setting = scene.setting(*names, part=part) or scene.setting(*names)
        if setting is not None and isinstance(setting[0], int | float) and not isinstance(setting[0], bool):
            scene.fact(key, float(setting[0]), [setting[1]], Level.DECLARED)
        else:
            scene.unsure(key, "no setting of a usual name says what training adds")


__all__ = ["Layer", "experts", "layers_of", "mlp", "training"]
