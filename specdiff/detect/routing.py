"""Routers and experts: which scores choose, how the chosen experts' weights are made, and which parameters are experts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from specdiff.detect.norm_written import asks_for_32_bits
from specdiff.detect.paths import PROJECTIONS, bias_of, is_projection
from specdiff.detect.scene import Block, Scene
from specdiff.detect.weighing import Weights, starts_of
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

_SCORES = frozenset({"softmax", "sigmoid"})

_NUMBERED = re.compile(r"(|.*\D)(\d+)\Z")
"""A module's name that ends in a number: what stands before it, and the number."""


@dataclass(slots=True)
class Router:
    """The choice of experts in one block."""

    choice: Op
    """The top-k (or argmax) over experts."""
    experts: int
    """How many it chooses among."""
    per_token: int | None
    projection: Op
    bias: bool
    bias_at: Op
    dtype: str
    """`float32` where the projection's input is cast first, else `input`."""
    score: str | None = None
    score_at: Op | None = None
    order: str | None = None
    normalise: bool | None = False
    normalise_at: Op | None = None
    scale: float | None = 1.0
    scale_at: Op | None = None
    selection_bias: str = ""
    selection_at: Op | None = None
    selection_weighs: bool = False
    """The bias reaches the weights too, not only the choice."""
    groups: int | None = None
    groups_at: Op | None = None
    groups_per_token: int | None = None
    group_score: str | None = None
    without_weights: int = 0
    """Scores beyond the last expert."""
    weights: tuple[int, ...] = ()
    """The operations that pick the chosen experts' weights out of the scores."""
    scores: int = 0
    """How many scores are compared, those of experts without weights included."""
    earlier: tuple[int, ...] = ()
    """Single choices that were made before this one, each among what the former left."""
    values: tuple[int, ...] = ()
    """The values that the choice gives beside the places."""
    limited_at: Op | None = None
    """Where experts are left out of the choice for a reason that is not recognised as groups."""

    @property
    def roots(self) -> tuple[int, ...]:
        """The operations that say which experts are chosen."""
        return (*self.earlier, self.choice.id, *self.values)


def router(graph: Operations, block: Block, widths: set[int], norm_outputs: Container[int]) -> Router | None:
    """The router of a block: the last choice among as many scores as there are experts, that a projection made.

    Args:
        graph: The operations.
        block: The layer.
        widths: First sizes of stacked expert weights, and lengths of expert lists.
        norm_outputs: Results of norms, whose casts back to the input's format are their own.
    """
    choices = [op for op in block.ops if op.dtype == "int64" and op.inputs and _chooses(graph, op)]
    for choice in reversed(choices):
        width = _width(graph, choice)
        if width is None:
            continue
        # More scores than experts: those beyond the last expert stand for experts without weights.
        fewer = [count for count in widths if 4 <= count < width <= 2 * count] if choice.kind == "topk" else []
        if width not in widths and len(fewer) != 1:
            continue
        projection = _score_source(graph, choice, block)
        if projection is not None:
            found = _read(graph, block, choice, width, projection, norm_outputs)
            if width not in widths:
                found.experts, found.without_weights = fewer[0], width - fewer[0]
            return found
    return None


def unmatched_choice(graph: Operations, block: Block) -> Op | None:
    """A choice among a fixed number of scores that one projection made, whatever is done with it."""
    for op in block.ops:
        if op.dtype == "int64" and op.inputs and _chooses(graph, op) and _width(graph, op) is not None:
            source = graph.source(graph[op.inputs[0]], VIEWS | _SCORES | {"add", "masked_fill"})
            if is_projection(graph, source):
                return op
    return None


def side_by_side(graph: Operations, block: Block, experts: dict[str, int], weights: Iterable[str]) -> Op | None:
    """The last operation of networks that stand side by side: of stacked weights, or of a list with a score for each.

    Args:
        graph: The operations.
        block: The layer.
        experts: Parameters in stacks and lists, with how many stand there.
        weights: The networks' own parameters.
    """
    counts = {name: experts[name] for name in weights if name in experts}
    if not counts:
        return None
    scored = {op.shape[-1] for op in block.ops if op.shape and is_projection(graph, op)}
    for op in block.ops:
        name = graph.parameter(op) if op.kind == "parameter" else ""
        if name in counts and (len(op.shape or ()) >= 3 or counts[name] in scored):
            return op
    return None


def _chooses(graph: Operations, op: Op) -> bool:
    """Whether an operation picks the best along its input's last axis."""
    if op.kind == "indices":
        before = graph[op.inputs[0]]
        return before.kind != "reduce" or (
            before.attrs.get("which") in ("max", "amax") and before.attrs.get("dims") in (None, (-1,))
        )
    if op.kind == "reduce":
        return op.attrs.get("which") in ("max", "argmax") and op.attrs.get("dims") in (None, (-1,))
    if op.kind not in ("topk", "sort"):
        return False
    rank = len(graph[op.inputs[0]].shape or ())
    if op.attrs.get("dim") not in (-1, rank - 1):
        return False
    if op.kind == "topk":
        return op.attrs.get("largest", True) is True or _is_negated(graph, op)
    return graph[op.inputs[0]].dtype.startswith(("float", "bfloat")) and _first_of(graph, op) is not None


def _is_negated(graph: Operations, op: Op) -> bool:
    return graph.source(graph[op.inputs[0]]).kind == "neg"


def _first_of(graph: Operations, op: Op) -> int | None:
    """How many of the best a sorted row is cut to; None where it is not cut, or not to its best."""
    best_first = (op.attrs.get("descending") is True) is not _is_negated(graph, op)
    cuts: set[int | None] = set()
    for reader in graph.consumers[op.id]:
        cut = graph[reader]
        spec = cut.attrs.get("spec")
        if cut.kind != "slice" or not isinstance(spec, tuple) or not spec or not isinstance(spec[-1], tuple):
            return None
        start, stop, step = spec[-1]
        size = cut.shape[-1] if cut.shape else None
        whole = (op.shape or (0,))[-1]
        here = start in (None, 0) if best_first else stop in (None, whole)
        cuts.add(int(size) if here and step in (None, 1) and is_number(size) and size < whole else None)
    return cuts.pop() if len(cuts) == 1 else None


def _width(graph: Operations, op: Op) -> int | None:
    before = graph[op.inputs[0]]
    if op.kind == "indices" and before.kind == "reduce" and before.inputs:
        before = graph[before.inputs[0]]
    shape = before.shape
    return int(shape[-1]) if shape and is_number(shape[-1]) and shape[-1] > 1 else None


def _score_source(graph: Operations, choice: Op, block: Block) -> Op | None:
    first = block.ops[0].id
    stack = [choice.inputs[0]]
    seen: set[int] = set()
    while stack and len(seen) < 200:
        index = stack.pop()
        if index in seen or index < first:
            continue
        seen.add(index)
        op = graph[index]
        if is_projection(graph, op):
            return op
        stack.extend(op.inputs)
    return None


def _read(
    graph: Operations, block: Block, choice: Op, width: int, projection: Op, norm_outputs: Container[int]
) -> Router:
    earlier: tuple[int, ...] = ()
    if choice.kind in ("topk", "sort"):
        k = choice.attrs.get("k") if choice.kind == "topk" else _first_of(graph, choice)
    else:
        k, earlier = _joined(graph, block, choice, width)
    bias, bias_at = bias_of(graph, projection)
    found = Router(
        choice, width, k if isinstance(k, int) else None, projection, bool(bias), bias_at or projection,
        _format(graph, projection, norm_outputs), scores=width, earlier=earlier,
    )  # fmt: skip
    before = graph.ancestors([choice.inputs[0]], lambda op: op.id > projection.id)
    ignored = {projection.id, bias_at.id if bias_at else -1}
    for index in sorted(before):
        op = graph[index]
        if index <= projection.id or index in ignored:
            continue
        scored(graph, found, op, "then_topk")
        if op.kind == "add" and len(op.inputs) == 2:
            for item in graph.inputs(op):
                source = graph.source(item)
                if source.kind in ("parameter", "buffer") and source.shape and source.shape[-1] == width:
                    found.selection_bias, found.selection_at = str(source.attrs.get("name", "a bias")), op
        _grouped(graph, found, op, before)
        _limited(graph, found, op)
    beside = (graph[index] for index in graph.consumers[choice.inputs[0]] if choice.kind in ("topk", "sort"))
    found.values = tuple(op.id for op in beside if op.kind == choice.kind and op.attrs.get("output") == "values")
    _weights(graph, block, found)
    return found


def _joined(graph: Operations, block: Block, choice: Op, width: int) -> tuple[int | None, tuple[int, ...]]:
    """How many experts are chosen by single maxima, and the choices before the last.

    One, or as many as are joined after, or as many as follow one another, each among what the former left.
    """
    for reader in graph.readers(choice):
        if reader.kind in ("cat", "stack") and reader.shape and is_number(reader.shape[-1]):
            return int(reader.shape[-1]), ()
    others = [
        op.id
        for op in block.ops
        if op.dtype == "int64"
        and op.id != choice.id
        and op.inputs
        and _chooses(graph, op)
        and _width(graph, op) == width
    ]
    chain = (*others, choice.id)
    followed = all(graph.reaches(chain[i], chain[i + 1]) for i in range(len(chain) - 1)) and chain == tuple(
        sorted(chain)
    )
    return (len(chain), tuple(others)) if followed else (None, ())


def _format(graph: Operations, projection: Op, norm_outputs: Container[int]) -> str:
    """Whether what a projection reads was cast to 32 bits first."""
    for item in graph.inputs(projection)[:2]:
        for op in graph.chain(item):
            if op.id in norm_outputs:
                break
            if asks_for_32_bits(op):
                return "float32"
    return "input"


def scored(graph: Operations, found: Router, op: Op, order: str) -> bool:
    """Note the function that makes scores of logits; False where an operation is none."""
    kind = op.kind if op.kind in _SCORES else ""
    if op.kind == "sqrt" and op.inputs and graph.source(graph[op.inputs[0]]).kind == "softplus":
        kind = "sqrt_softplus"
    if not kind:
        return False
    twice = found.score_at is not None and order == "topk_then"
    found.score, found.score_at = kind, op
    if twice or (kind == "softmax" and op.attrs.get("dim") not in (-1, None)):
        # Scores of scores, or shares of another sum than that over the experts: none of the known orders.
        found.score = found.order = None
    elif order == "then_topk":
        found.order = f"{kind}_then_topk" if kind in _SCORES else "score_then_topk"
    else:
        found.order = f"topk_then_{kind}" if kind in _SCORES else "topk_then_score"
    return True


def _grouped(graph: Operations, found: Router, op: Op, before: set[int]) -> None:
    """A first choice among groups of experts, and what ranks them."""
    if op.kind != "topk" or op.attrs.get("output") != "indices" or op.id == found.choice.id:
        return
    shape = graph[op.inputs[0]].shape
    groups = shape[-1] if shape else None
    if not is_number(groups) or groups >= found.experts or found.experts % groups:
        return
    ranked = graph.source(graph[op.inputs[0]])
    if ranked.kind != "reduce" or not ranked.inputs:
        return
    found.groups, found.groups_at = int(groups), op
    k = op.attrs.get("k")
    found.groups_per_token = k if isinstance(k, int) else None
    below = graph.source(graph[ranked.inputs[0]])
    if ranked.attrs.get("which") in ("max", "amax"):
        found.group_score = "max"
    elif ranked.attrs.get("which") == "sum" and below.kind == "topk" and below.attrs.get("k") == 2:
        found.group_score = "top2_sum"


def _limited(graph: Operations, found: Router, op: Op) -> None:
    """Note a mask on the scores that depends on them: some experts are left out before the choice."""
    if (
        op.kind not in ("where", "masked_fill", "mul")
        or len(op.inputs) < 2
        or any(graph.reaches(root, op.id) for root in found.earlier)
    ):
        return
    if all(graph.reaches(found.projection.id, item) for item in op.inputs[:2]):
        found.limited_at = op


def _weights(graph: Operations, block: Block, found: Router) -> None:
    """Follow the chosen experts' weights: normalised or not, scaled or not."""
    starts = starts_of(graph, block, found)
    found.weights = tuple(starts)
    _scored_beside(graph, found)
    if found.selection_at is not None:
        found.selection_weighs = any(
            graph.reaches(found.selection_at.id, graph[start].inputs[0]) for start in starts if graph[start].inputs
        )
    Weights(graph, block, found).follow()


def _scored_beside(graph: Operations, found: Router) -> None:
    """Scores that weights are taken from and that the choice did not compare: of all logits, or of those near the best."""
    if found.score is not None:
        return
    for start in found.weights:
        op = graph[start]
        scored = graph.source(graph[op.inputs[0]]) if op.kind in ("gather", "index", "take_along_dim") else op
        if scored.kind not in _SCORES or not scored.inputs:
            continue
        below = graph.source(graph[scored.inputs[0]])
        if below.kind == "masked_fill" and len(below.inputs) > 1 and graph[below.inputs[1]].kind == "compare":
            found.score, found.score_at, found.order = "sparsemixer", scored, "score_then_topk"
        else:
            found.score, found.score_at, found.order = scored.kind, scored, f"{scored.kind}_then_topk"


def expert_weights(graph: Operations, scene: Scene, block: Block) -> tuple[dict[str, int], set[int]]:
    """Parameters that hold experts, with how many; and the numbers of experts seen."""
    found: dict[str, int] = {}
    for op in block.ops:
        if op.kind in ("index", "gather") and len(op.inputs) > 1:
            _stacked(graph, graph[op.inputs[0]], found, taken=True)
        elif (op.kind in PROJECTIONS and op.kind != "conv") or op.kind in ("bmm", "matmul", "einsum", "grouped_mm"):
            for item in graph.inputs(op):
                _stacked(graph, item, found, taken=False)
    for name, count in expert_lists(scene, block.path).items():
        found.setdefault(name, count)
    _whole_experts(found)
    return found, set(found.values())


def _whole_experts(found: dict[str, int]) -> None:
    """Lower the counts within one module to that of the shortest stack: beyond it no expert has all its weights."""
    modules: dict[str, list[str]] = {}
    for name in found:
        modules.setdefault(name.rpartition(".")[0], []).append(name)
    for names in modules.values():
        counts = sorted({found[name] for name in names})
        if len(counts) == 2 and counts[0] >= 4 and counts[1] <= 2 * counts[0]:
            for name in names:
                found[name] = counts[0]


def _stacked(graph: Operations, op: Op, found: dict[str, int], *, taken: bool) -> None:
    """Note a parameter that is a stack: of three dimensions on its way to a product, or one of which rows are taken."""
    count = 0
    for _ in range(12):
        if op.shape and len(op.shape) == 3 and is_number(op.shape[0]) and op.shape[0] > 1:
            count = int(op.shape[0])
        if op.kind == "parameter":
            name, shape = str(op.attrs.get("name", "")), op.shape
            if taken and not count and shape and len(shape) == 2 and is_number(shape[0]) and shape[0] > 1:
                count = int(shape[0])
            if name and count:
                found[name] = count
            return
        if not op.inputs or not (op.kind in VIEWS or op.kind in ("index", "gather")):
            return
        op = graph[op.inputs[0]]


def expert_lists(scene: Scene, path: str) -> dict[str, int]:
    """Parameters of numbered modules below a layer (``3``, ``expert_3``), with the length of the longest list they are in."""
    prefix = path + "."
    numbers: dict[str, set[int]] = {}
    lists: dict[str, list[str]] = {}
    for name in scene.parameters_below(path):
        pieces = name[len(prefix) :].split(".")[:-1]
        for position, piece in enumerate(pieces):
            numbered = _NUMBERED.match(piece)
            if numbered is not None and (position or numbered[1]):
                container = ".".join((*pieces[:position], numbered[1]))
                numbers.setdefault(container, set()).add(int(numbered[2]))
                lists.setdefault(name, []).append(container)
    lengths = {container: len(found) for container, found in numbers.items() if found == set(range(len(found)))}
    longest = {name: max(lengths.get(each, 0) for each in containers) for name, containers in lists.items()}
    return {name: length for name, length in longest.items() if length > 1}
