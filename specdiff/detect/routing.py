"""Routers and experts: which scores choose, how the chosen experts' weights are made, and which parameters are experts."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from specdiff.detect.norm_written import asks_for_32_bits
from specdiff.detect.paths import PROJECTIONS, bias_of, is_projection
from specdiff.detect.scene import Block, Scene
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

_SCORES = frozenset({"softmax", "sigmoid"})
_CARRIES = VIEWS | {"scatter", "index", "gather", "dropout", "masked_fill", "where", "join", "overwrite", "clamp",
                    "index_select", "take_along_dim", "cat"}  # fmt: skip

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


def router(graph: Operations, block: Block, widths: set[int], norm_outputs: Container[int]) -> Router | None:
    """The router of a block: the last choice among as many scores as there are experts, that a projection made.

    Args:
        graph: The operations.
        block: The layer.
        widths: First sizes of stacked expert weights, and lengths of expert lists.
        norm_outputs: Results of norms, whose casts back to the input's format are their own.
    """
    choices = [op for op in block.ops if op.dtype == "int64" and op.inputs and _chooses(op)]
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
        if op.dtype == "int64" and op.inputs and _chooses(op) and _width(graph, op) is not None:
            source = graph.source(graph[op.inputs[0]], VIEWS | _SCORES | {"add", "masked_fill"})
            if is_projection(graph, source):
                return op
    return None


def _chooses(op: Op) -> bool:
    return op.kind in ("topk", "indices") or (op.kind == "reduce" and op.attrs.get("which") in ("max", "argmax"))


def _width(graph: Operations, op: Op) -> int | None:
    before = graph[op.inputs[0]]
    if op.kind == "indices" and before.kind == "reduce" and before.inputs:
        before = graph[before.inputs[0]]
    shape = before.shape
    return int(shape[-1]) if shape and is_number(shape[-1]) and shape[-1] > 1 else None


def _scores_of(graph: Operations, choice: Op) -> int:
    """The operation whose values a choice compares."""
    before = graph[choice.inputs[0]]
    return before.inputs[0] if choice.kind == "indices" and before.kind == "reduce" else before.id


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
    k = choice.attrs.get("k") if choice.kind == "topk" else _joined(graph, block, choice, width)
    bias, bias_at = bias_of(graph, projection)
    found = Router(
        choice, width, k if isinstance(k, int) else None, projection, bool(bias), bias_at or projection,
        _format(graph, projection, norm_outputs),
    )  # fmt: skip
    before = graph.ancestors([choice.inputs[0]], lambda op: op.id > projection.id)
    ignored = {projection.id, bias_at.id if bias_at else -1}
    for index in sorted(before):
        op = graph[index]
        if index <= projection.id or index in ignored:
            continue
        _scored(graph, found, op, "then_topk")
        if op.kind == "add" and len(op.inputs) == 2:
            for item in graph.inputs(op):
                source = graph.source(item)
                if source.kind in ("parameter", "buffer") and source.shape and source.shape[-1] == width:
                    found.selection_bias, found.selection_at = str(source.attrs.get("name", "a bias")), op
        _grouped(graph, found, op, before)
    _weights(graph, block, found)
    return found


def _joined(graph: Operations, block: Block, choice: Op, width: int) -> int | None:
    """How many experts are chosen by single maxima: one, or as many as are joined after."""
    for reader in graph.readers(choice):
        if reader.kind in ("cat", "stack") and reader.shape and is_number(reader.shape[-1]):
            return int(reader.shape[-1])
    others = [op for op in block.ops if op.dtype == "int64" and op.inputs and _chooses(op) and op.id != choice.id]
    return None if any(_width(graph, op) == width for op in others) else 1


def _format(graph: Operations, projection: Op, norm_outputs: Container[int]) -> str:
    """Whether what a projection reads was cast to 32 bits first."""
    for item in graph.inputs(projection)[:2]:
        for op in graph.chain(item):
            if op.id in norm_outputs:
                break
            if asks_for_32_bits(op):
                return "float32"
    return "input"


def _scored(graph: Operations, found: Router, op: Op, order: str) -> bool:
    """Note the function that makes scores of logits; False where an operation is none."""
    kind = op.kind if op.kind in _SCORES else ""
    if op.kind == "sqrt" and op.inputs and graph.source(graph[op.inputs[0]]).kind == "softplus":
        kind = "sqrt_softplus"
    if not kind:
        return False
    found.score, found.score_at = kind, op
    if order == "then_topk":
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


def _weights(graph: Operations, block: Block, found: Router) -> None:
    """Follow the chosen experts' weights: normalised or not, scaled or not."""
    last = block.ops[-1].id
    starts = list(_starts(graph, block, found))
    found.weights = tuple(starts)
    _scored_beside(graph, found)
    if found.selection_at is not None:
        found.selection_weighs = any(
            graph.reaches(found.selection_at.id, graph[start].inputs[0]) for start in starts if graph[start].inputs
        )
    seen: set[int] = set()
    stack = sorted(starts)
    while stack and len(seen) < 80:
        index = stack.pop(0)
        if index in seen or index > last:
            continue
        seen.add(index)
        for reader_id in graph.consumers[index]:
            reader = graph[reader_id]
            if _scored(graph, found, reader, "topk_then"):
                if reader.kind == "softmax" and found.score_at is reader:
                    found.normalise, found.normalise_at = True, reader
                stack.append(reader_id)
            elif reader.kind == "normalize" or (
                reader.kind == "div" and len(reader.inputs) == 2 and _is_sum(graph, graph[reader.inputs[1]], seen)
            ):
                found.normalise, found.normalise_at = True, reader
                stack.append(reader_id)
            elif reader.kind == "div" and len(reader.inputs) == 2 and graph.reaches(index, reader.inputs[1]):
                found.normalise, found.normalise_at = None, reader  # divided by something of their own
                stack.append(reader_id)
            elif reader.kind in ("mul", "div") and len(reader.inputs) == 1:
                other = reader.attrs.get("other")
                if isinstance(other, int | float):
                    if found.scale is not None:
                        found.scale *= float(other) if reader.kind == "mul" else 1 / float(other)
                        found.scale_at = reader
                else:
                    found.scale = None
                stack.append(reader_id)
            elif reader.kind == "mul" and any(
                item.id != index and item.shape is not None and all(size == 1 for size in item.shape)
                for item in graph.inputs(reader)
            ):
                found.scale, found.scale_at = None, reader  # one number that is learned or computed
                stack.append(reader_id)
            elif reader.kind == "softplus" or reader.kind in _CARRIES:
                if reader.kind in ("index", "gather", "index_select", "take_along_dim") and reader.inputs[0] != index:
                    continue
                stack.append(reader_id)


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


def _starts(graph: Operations, block: Block, found: Router) -> list[int]:
    """Where the weights of the chosen experts are taken from the scores."""
    starts = []
    scores = _scores_of(graph, found.choice)
    for op in block.ops:
        if op.id <= scores:
            continue
        if op.kind == "topk" and op.inputs == found.choice.inputs and op.attrs.get("output") == "values":
            if graph.consumers[op.id]:
                starts.append(op.id)
        elif op.kind in ("gather", "index", "take_along_dim") and len(op.inputs) > 1:
            chosen = any(graph.source(graph[i]).id == found.choice.id for i in op.inputs[1:])
            shape = graph[op.inputs[0]].shape
            if chosen and shape and shape[-1] == found.experts:
                starts.append(op.id)
        elif op.kind == "reduce" and op.attrs.get("which") in ("max", "amax") and op.inputs == (scores,):
            if op.id != found.choice.id:
                starts.append(op.id)
        elif op.kind == "scatter" and found.choice.id in op.inputs[1:]:
            starts.append(op.id)
    return starts


def _is_sum(graph: Operations, op: Op, seen: set[int]) -> bool:
    """Whether a value is the sum of weights that were followed, perhaps with a small constant added."""
    for _ in range(6):
        if op.kind == "reduce" and op.attrs.get("which") in ("sum", "norm", "norm_p"):
            return any(graph.source(graph[i]).id in seen or i in seen for i in op.inputs)
        if op.kind in ("add", "clamp") and len(op.inputs) == 1:
            op = graph[op.inputs[0]]
        elif op.kind in VIEWS and op.inputs:
            op = graph[op.inputs[0]]
        else:
            return False
    return False


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
