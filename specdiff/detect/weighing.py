"""The weights of chosen experts, from the scores to where they multiply: what is done to them on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

if TYPE_CHECKING:
    from specdiff.detect.routing import Router
    from specdiff.detect.scene import Block

_PICKS = ("gather", "index", "index_select", "take_along_dim")
_CARRIES = VIEWS | {"scatter", "dropout", "masked_fill", "where", "join", "overwrite", "setitem", "clamp", "cat", "stack",
                    "index_put", "scatter_add", "index_add", "softplus", *_PICKS}  # fmt: skip
_ASIDE = frozenset(
    {"compare", "one_hot", "topk", "sort", "indices", "nonzero", "cumsum", "histc", "bincount", "unique"}
)
"""What reads weights and gives none: masks, places, counts, statistics of the training loss."""
SMALL = 1e-3
"""A constant added to a sum of weights that only keeps it from being 0."""
_MOST = 120
"""Operations that are looked at on the way of one block's weights."""


def starts_of(graph: Operations, block: Block, found: Router) -> list[int]:
    """Where the weights of the chosen experts are taken from the scores."""
    starts = []
    scores = scores_of(graph, found.choice)
    for op in block.ops:
        if op.id <= found.projection.id:
            continue
        if op.id <= scores:
            if op.id not in found.earlier:
                continue
        if op.kind in ("topk", "sort") and op.inputs == found.choice.inputs and op.attrs.get("output") == "values":
            if graph.consumers[op.id]:
                starts.append(op.id)
        elif op.kind in _PICKS and len(op.inputs) > 1:
            chosen = any(graph.source(graph[i]).id == found.choice.id for i in op.inputs[1:])
            shape = graph[op.inputs[0]].shape
            if chosen and shape and shape[-1] == found.scores:
                starts.append(op.id)
        elif op.kind == "reduce" and op.attrs.get("which") in ("max", "amax") and op.inputs == (scores,):
            if op.id != found.choice.id:
                starts.append(op.id)
        elif (op.kind == "scatter" and found.choice.id in op.inputs[1:]) or _masked(graph, found, op):
            starts.append(op.id)
    return starts


def scores_of(graph: Operations, choice: Op) -> int:
    """The operation whose values a choice compares."""
    before = graph[choice.inputs[0]]
    return before.inputs[0] if choice.kind == "indices" and before.kind == "reduce" else before.id


def _masked(graph: Operations, found: Router, op: Op) -> bool:
    """Whether a row of scores is kept only where the choice fell."""
    if op.kind not in ("mul", "where", "masked_fill") or len(op.inputs) < 2 or not op.shape:
        return False
    if op.shape[-1] != found.scores or op.dtype.startswith(("int", "bool")):
        return False
    mask = scored = False
    for item in graph.inputs(op):
        if not item.shape or item.shape[-1] != found.scores:
            continue
        if any(graph.reaches(root, item.id) for root in found.roots):
            mask = True
        elif graph.reaches(found.projection.id, item.id):
            scored = True
    return mask and scored


class Weights:
    """Follows the weights of one router and notes on it what happens to them."""

    def __init__(self, graph: Operations, block: Block, found: Router) -> None:
        self.graph, self.block, self.found = graph, block, found
        self.seen: set[int] = set()
        self.joined: list[Op] = []
        """Where weights meet what experts read or return."""

    def follow(self) -> None:
        """Normalised or not, and by which factor, up to where they meet the experts."""
        last = self.block.ops[-1].id
        stack = sorted(self.found.weights)
        while stack and len(self.seen) < _MOST:
            index = stack.pop(0)
            if index in self.seen or index > last:
                continue
            self.seen.add(index)
            for reader in dict.fromkeys(self.graph.consumers[index]):
                if reader <= last and self._reads(index, self.graph[reader]):
                    stack.append(reader)
        self._after()

    def _reads(self, index: int, reader: Op) -> bool:
        """Note what an operation does to weights; whether its result is weights again."""
        from specdiff.detect.routing import scored  # noqa: PLC0415 - it calls this module

        found = self.found
        if reader.kind in _ASIDE or reader.dtype.startswith(("int", "bool")):
            return False
        if scored(self.graph, found, reader, "topk_then"):
            if reader.kind == "softmax" and found.score_at is reader:
                self._normalised(True, reader)
            return True
        if reader.kind in ("mul", "div") and len(reader.inputs) == 1:
            return self._by_number(reader)
        if reader.kind == "normalize":
            self._normalised(True, reader)
            return True
        if reader.kind == "div":
            return self._divided(index, reader)
        if reader.kind in ("mul", "einsum", "matmul", "bmm"):
            return self._product(index, reader)
        if reader.kind in _PICKS and reader.inputs[0] != index:
            return False
        if reader.kind in _CARRIES:
            return True
        if reader.kind == "add":
            other = reader.attrs.get("other")
            if len(reader.inputs) == 1 and not (isinstance(other, int | float) and abs(other) <= SMALL):
                self._unclear(reader)
            return True
        if reader.kind == "reduce":
            return reader.attrs.get("which") == "sum"
        if reader.kind not in ("reciprocal", "zeros_like", "shape"):
            self._unclear(reader)
        return False

    def _normalised(self, value: bool | None, at: Op) -> None:
        self.found.normalise, self.found.normalise_at = value, at

    def _unclear(self, at: Op) -> None:
        self._normalised(None, at)
        self.found.scale, self.found.scale_at = None, at

    def _by_number(self, reader: Op) -> bool:
        found, other = self.found, reader.attrs.get("other")
        if reader.kind == "div" and reader.attrs.get("reflected"):
            return False  # one over the weights, or over their sum: told where it is multiplied
        if not isinstance(other, int | float) or isinstance(other, bool) or not other:
            found.scale = None
        elif found.scale is not None:
            found.scale *= float(other) if reader.kind == "mul" else 1 / float(other)
            found.scale_at = reader
        return True

    def _divided(self, index: int, reader: Op) -> bool:
        above, below = reader.inputs[0], reader.inputs[1]
        if above != index:
            return False
        if self._is_sum(self.graph[below]):
            self._normalised(True, reader)
        elif self.graph.reaches(index, below):
            self._normalised(None, reader)  # divided by something of their own
        elif not self.graph.reaches(self.found.projection.id, below):
            self.found.scale, self.found.scale_at = None, reader
        return True

    def _product(self, index: int, reader: Op) -> bool:
        graph, shape = self.graph, self.graph[index].shape or ()
        others = [item for item in graph.inputs(reader) if item.id != index]
        if not others:
            return reader.kind == "einsum"  # a sum of their own, spelled as an einsum
        if any(self._of_experts(other) for other in others):
            self.joined.append(reader)
            return False
        own = [item for item in others if graph.reaches(min(self.seen), item.id)]
        if any(self._is_inverse_sum(item) for item in own):
            self._normalised(True, reader)
            return True
        masks = [item for item in others if any(graph.reaches(root, item.id) for root in self.found.roots)]
        if reader.kind == "mul" and len(masks) == len(others) and not any(self._weighs(item) for item in masks):
            return True
        if own:
            self._unclear(reader)
            return True
        if all(
            item.id < self.block.ops[0].id and item.dtype.startswith(("int", "bool"))
            for item in map(graph.source, others)
        ):
            return True  # which tokens count
        if reader.kind == "mul" and (all(_single(item) for item in others) or (reader.shape or ())[-1:] == shape[-1:]):
            self.found.scale, self.found.scale_at = None, reader  # a number that is learned or computed
            return True
        self.joined.append(reader)
        return False

    def _of_experts(self, op: Op) -> bool:
        """Whether a value has a channel of the stream for each of its numbers, or comes from the input itself."""
        width = (self.block.ops[-1].shape or (0,))[-1]
        return bool(op.shape) and (op.shape or (0,))[-1] == width and width not in (1, self.found.scores)

    def _weighs(self, op: Op) -> bool:
        """Whether a value was made from weights by arithmetic, so that it is more than a mask of them."""
        source = self.graph.source(op)
        return source.id in self.seen or source.kind in ("reciprocal", "exp", "sigmoid", "softmax", "pow", "div")

    def _is_sum(self, op: Op) -> bool:
        """Whether a value is the sum of weights that were followed, perhaps with a small constant added."""
        graph = self.graph
        for _ in range(6):
            if op.kind == "reduce" and op.attrs.get("which") in ("sum", "norm", "norm_p"):
                return any(graph.source(graph[i]).id in self.seen or i in self.seen for i in op.inputs)
            if op.kind == "einsum" and len(op.inputs) == 1:
                return op.inputs[0] in self.seen
            if op.kind == "add" and len(op.inputs) == 1:
                other = op.attrs.get("other")
                if not isinstance(other, int | float) or abs(other) > SMALL:
                    return False
                op = graph[op.inputs[0]]
            elif (op.kind == "clamp" and len(op.inputs) == 1) or (op.kind in VIEWS and op.inputs):
                op = graph[op.inputs[0]]
            else:
                return False
        return False

    def _is_inverse_sum(self, op: Op) -> bool:
        op = self.graph.source(op)
        one = op.kind == "div" and op.attrs.get("reflected") and op.attrs.get("other") == 1
        power = op.kind == "pow" and op.attrs.get("other") == -1
        return (
            bool(op.inputs) and bool(one or power or op.kind == "reciprocal") and self._is_sum(self.graph[op.inputs[0]])
        )

    def _after(self) -> None:
        """A number that the experts' weighed outputs are multiplied with, within the module that joins them."""
        graph, found = self.graph, self.found
        if not self.joined or found.scale is None:
            return
        own = {each.id for each in self.joined}
        op = max(self.joined, key=lambda each: each.id)
        place, last = op.module, self.block.ops[-1].id
        for _ in range(_MOST):
            onward = [graph[i] for i in graph.consumers[op.id] if i <= last and graph[i].kind in _JOINS]
            if len(onward) != 1 or (onward[0].module == self.block.path != place):
                return
            op = onward[0]
            other = op.attrs.get("other")
            if op.kind in ("mul", "div"):
                if len(op.inputs) > 1 or not isinstance(other, int | float) or not other or op.attrs.get("reflected"):
                    return
                found.scale *= float(other) if op.kind == "mul" else 1 / float(other)
                found.scale_at = op
            elif op.kind == "add" and not all(self._holds(item, own) for item in op.inputs):
                return  # something joins that is no chosen expert's

    def _holds(self, item: int, own: set[int]) -> bool:
        return any(self.graph.reaches(each, item) for each in own) or self.graph[item].kind == "constant"


_JOINS = VIEWS | {"reduce", "add", "mul", "div", "index_add", "scatter_add", "overwrite", "setitem", "index_put", "join",
                  "dropout", "cat", "stack", "scatter"}  # fmt: skip


def _single(op: Op) -> bool:
    return op.shape is not None and all(is_number(size) and size == 1 for size in op.shape)
