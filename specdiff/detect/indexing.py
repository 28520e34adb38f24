"""Indexers: small attentions without values whose scores pick the positions that a layer's attention sees."""

from __future__ import annotations

from dataclasses import dataclass

from specdiff.detect.agree import agreed
from specdiff.detect.scene import Block, Scene, see
from specdiff.detect.sites import Attention
from specdiff.facts import Level
from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

_PRODUCTS = ("matmul", "einsum", "bmm")
_BEHIND_A_CHOICE = VIEWS | {
    "mul",
    "div",
    "add",
    "relu",
    "where",
    "masked_fill",
    "reduce",
    "sigmoid",
    "softplus",
    "join",
}
"""What may stand between the products of an indexer and the choice."""


@dataclass(slots=True)
class Indexer:
    """One indexer: scores of queries and keys of its own, and the choice among all positions."""

    choice: Op
    product: Op
    heads: int | None
    head_dim: int | None


def indexers(scene: Scene) -> None:
    """`attention.indexer.*`, and `sparse` for what mixes tokens where one decides what attention sees."""
    graph = scene.operations
    if graph is None:
        return
    for tower in scene.towers:
        rows = [(block, found) for block in tower.blocks if (found := _indexer(graph, block)) is not None]
        if not rows:
            continue
        for block, found in rows:
            block.mixer = ("sparse", found.choice)
        key = tower.key
        agreed(
            scene,
            key("attention.indexer.heads"),
            ((each.heads, each.product, f"scores of {each.heads} heads rank positions") for _, each in rows),
        )
        agreed(
            scene,
            key("attention.indexer.head_dim"),
            ((each.head_dim, each.product, f"products of {each.head_dim} channels rank positions") for _, each in rows),
        )
        counts = {each.choice.attrs.get("k") for _, each in rows}
        choice = rows[0][1].choice
        count = counts.pop() if len(counts) == 1 else None
        if is_number(count):
            scene.fact(key("attention.indexer.top_k"), int(count), [see(choice, f"the best {count} positions stay")])
        elif (setting := scene.setting("index_topk", "indexer_topk")) is not None and is_number(setting[0]):
            # The code takes no more than the sequence has, so the operation itself has no number.
            here = [see(choice, "the best positions stay, no more than there are"), setting[1]]
            scene.fact(key("attention.indexer.top_k"), int(setting[0]), here, Level.DECLARED)
        else:
            scene.unsure(
                key("attention.indexer.top_k"), "how many of the best positions stay is not a known number", choice
            )


def _indexer(graph: Operations, block: Block) -> Indexer | None:
    """The choice among positions that reaches what a product of the block's attention sees."""
    for op in block.ops:
        if op.kind != "topk" or op.dtype != "int64" or not op.inputs or not graph.consumers[op.id]:
            continue
        scores = graph[op.inputs[0]]
        if not scores.shape or is_number(scores.shape[-1]) or scores.shape[-1] not in _keys(graph, block):
            continue
        product = _scored_by(graph, block, scores)
        if product is None or not any(_decides(graph, op, site) for site in block.attentions):
            continue
        query = graph[product.inputs[0]].shape or ()
        width = query[-1] if query else None
        heads = [size for size in (product.shape or ())[1:-1] if is_number(size) and size > 1]
        return Indexer(
            op, product, int(heads[0]) if len(heads) == 1 else None, int(width) if is_number(width) else None
        )
    return None


def _keys(graph: Operations, block: Block) -> set[object]:
    """How many positions the block's attention could see, and how many each part of its keys has."""
    found: set[object] = set()
    for site in block.attentions:
        found.update((site.product.shape or (None,))[-1:])
        op = site.key
        for _ in range(12):
            if op.kind == "cat":
                found.update(size for item in graph.inputs(op) for size in item.shape or () if not is_number(size))
                break
            if not op.inputs:
                break
            op = graph[op.inputs[0]]
    return found


def _scored_by(graph: Operations, block: Block, scores: Op) -> Op | None:
    """The product of queries and keys, each projected in the block, that the scores are made of."""
    first = block.ops[0].id
    seen: set[int] = set()
    stack = [scores.id]
    while stack and len(seen) < 80:
        index = stack.pop(0)
        if index in seen or index < first:
            continue
        seen.add(index)
        op = graph[index]
        if op.kind in _PRODUCTS and len(op.inputs) == 2:
            if len(op.shape or ()) == 4 and all(graph.source(each).kind != "parameter" for each in graph.inputs(op)):
                ranked = (op.shape or ())[-1] == (scores.shape or ())[-1]
                weighs = any(
                    graph[each].kind == "relu" or graph.source(graph[each]).kind == "relu" for each in op.inputs
                )
                if ranked and not weighs:
                    return op
            stack.extend(op.inputs)  # heads are summed by a product with their weights
        elif op.kind in _BEHIND_A_CHOICE:
            stack.extend(op.inputs)
    return None


def _decides(graph: Operations, choice: Op, site: Attention) -> bool:
    """Whether a choice takes part in a mask of a product, or picks its keys."""
    goals = [bound.op for bound in site.bounds] + [site.key]
    return any(choice.id < goal.id and graph.reaches(choice.id, goal.id) for goal in goals)


__all__ = ["indexers"]
