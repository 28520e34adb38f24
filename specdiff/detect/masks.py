"""What an attention mask lets a position see, from the comparisons of position indices it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from specdiff.graph.operations import VIEWS, Operations, is_number
from specdiff.interp.trace import Op

_DATA = frozenset({"parameter", "linear", "embedding", "conv", "matmul"})
_CASTS = frozenset({"cast", "copy"})


@dataclass(slots=True)
class Mask:
    """What the masks of one attention product say together."""

    causal: bool = False
    window: int | None = None
    """Positions a query sees, itself included."""
    two_sided: bool = False
    chunk: int | None = None
    conditions: list[tuple[Op, str]] = field(default_factory=list)
    """Operations that show it, with words."""
    unread: list[Op] = field(default_factory=list)
    """Parts of the masks that are not comparisons of positions."""

    @property
    def kind(self) -> str:
        """The layer pattern's word for it."""
        return "chunked" if self.chunk is not None else "sliding" if self.window is not None else "full"


@dataclass(frozen=True, slots=True)
class _Index:
    """A tensor of positions: ``a*query + b*key + offset``, perhaps divided by a chunk."""

    query: int
    key: int
    offset: Any
    divisor: int = 1
    absolute: bool = False


def read_mask(graph: Operations, biases: list[Op]) -> Mask:
    """Read everything that is added to, or conditions, the scores of one product."""
    mask = Mask()
    for bias in biases:
        _read(graph, bias, mask)
    return mask


def is_positional(graph: Operations, op: Op, limit: int = 600) -> bool:
    """Whether a value depends on positions only: no parameter and no activation behind it."""
    seen: set[int] = set()
    stack = [op.id]
    while stack and len(seen) < limit:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        item = graph[index]
        if item.kind in _DATA:
            return False
        stack.extend(item.inputs)
    return True


def _read(graph: Operations, bias: Op, mask: Mask) -> None:
    seen: set[int] = set()
    stack: list[tuple[int, bool]] = [(bias.id, False)]
    while stack:
        index, negated = stack.pop()
        if index in seen or len(seen) > 400:
            continue
        seen.add(index)
        op = graph[index]
        if op.kind in _DATA:
            continue
        if op.kind == "compare":
            _compared(graph, op, mask)
            continue
        if op.kind in ("tril", "triu"):
            _triangle(op, mask)
            continue
        stack.extend((source, negated) for source in op.inputs)


def _triangle(op: Op, mask: Mask) -> None:
    diagonal = op.attrs.get("diagonal", 0)
    if not is_number(diagonal):
        return
    if op.kind == "tril" and diagonal == 0:
        mask.causal = True
        mask.conditions.append((op, "keeps the lower triangle: a position sees itself and earlier ones"))
    elif op.kind == "triu" and diagonal == 1:
        mask.causal = True
        mask.conditions.append((op, "masks above the diagonal: a position sees itself and earlier ones"))
    elif op.kind == "triu" and diagonal < 0:
        mask.window = 1 - diagonal
        mask.conditions.append((op, f"keeps {1 - diagonal} diagonals: a window"))
    elif op.kind == "tril" and diagonal < 0:
        mask.window = -diagonal
        mask.conditions.append((op, f"masks from {-diagonal} positions back: a window"))


def _compared(graph: Operations, op: Op, mask: Mask) -> None:
    left = _index(graph, graph[op.inputs[0]])
    right: _Index | None
    if len(op.inputs) > 1:
        right = _index(graph, graph[op.inputs[1]])
    else:
        other = op.attrs.get("other")
        right = _Index(0, 0, other) if is_number(other) else None
    if left is None or right is None:
        return
    relation = str(op.attrs.get("op"))
    if op.attrs.get("reflected"):
        left, right = right, left
    if left.divisor > 1 and left.divisor == right.divisor and relation == "==":
        mask.chunk = left.divisor
        mask.conditions.append((op, f"query and key lie in the same {left.divisor} positions: chunks"))
        return
    if left.divisor != 1 or right.divisor != 1:
        return
    if left.absolute or right.absolute:
        bound = right.offset if left.absolute else left.offset
        if is_number(bound) and relation in ("<", "<=") and left.absolute:
            reach = bound if relation == "<=" else bound - 1
            mask.window, mask.two_sided = 2 * reach + 1, True
            mask.conditions.append((op, f"sees {reach} positions to each side: a window"))
        elif is_number(bound) and relation in (">", ">=") and left.absolute:
            reach = bound if relation == ">" else bound - 1
            mask.window, mask.two_sided = 2 * reach + 1, True
            mask.conditions.append((op, f"masks beyond {reach} positions to each side: a window"))
        return
    # distance = query - key, compared with a constant
    query, key = left.query - right.query, left.key - right.key
    constant = _minus(right.offset, left.offset)
    if query == -key and abs(query) == 1 and is_number(constant):
        if query < 0:  # key - query ? c   is   query - key ?' -c
            relation = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(relation, relation)
            constant = -constant
        _distance(op, relation, int(constant), mask)


def _distance(op: Op, relation: str, bound: int, mask: Mask) -> None:
    """``query - key relation bound``; conditions may say what is seen or what is masked, which the bound's side tells."""
    if (relation, bound) in ((">=", 0), (">", -1), ("<", 0), ("<=", -1)):
        # query >= key is what a causal mask keeps, query < key what it masks
        mask.causal = True
        mask.conditions.append((op, "a position sees itself and earlier ones"))
        return
    if relation in ("<", "<=") and bound > 0:
        size = bound if relation == "<" else bound + 1
        _window(op, size, mask)
    elif relation in (">", ">=") and bound > 0:  # masked from this distance on
        size = bound + 1 if relation == ">" else bound
        _window(op, size, mask)
    elif relation in ("<", "<=", ">", ">=") and bound < 0:
        # the other side of a two-sided window
        reach = -bound if relation in (">=", "<") else -bound - 1
        mask.two_sided = True
        mask.conditions.append((op, f"sees at most {reach} positions ahead"))


def _window(op: Op, size: int, mask: Mask) -> None:
    mask.window = size if mask.window is None else min(mask.window, size)
    mask.conditions.append((op, f"sees {size} positions, itself included: a window"))


def _minus(left: Any, right: Any) -> Any:
    try:
        return left - right
    except TypeError:
        return None


def _index(graph: Operations, op: Op, depth: int = 0) -> _Index | None:
    """An index tensor as a combination of query and key positions, by which dimension it varies over."""
    if depth > 30:
        return None
    shape = op.shape
    if op.kind in ("sub", "add") and len(op.inputs) == 2:
        left, right = (_index(graph, item, depth + 1) for item in graph.inputs(op))
        if left is None or right is None or left.divisor != 1 or right.divisor != 1 or left.absolute or right.absolute:
            return None
        sign = 1 if op.kind == "add" else -1
        offset = left.offset + right.offset if sign > 0 else _minus(left.offset, right.offset)
        return _Index(left.query + sign * right.query, left.key + sign * right.key, offset)
    if op.kind in ("sub", "add") and len(op.inputs) == 1:
        inner = _index(graph, graph[op.inputs[0]], depth + 1)
        other = op.attrs.get("other")
        if inner is None or other is None:
            return None
        if isinstance(other, float) and other.is_integer():
            other = int(other)
        if op.kind == "add":
            return _Index(inner.query, inner.key, inner.offset + other, inner.divisor)
        if op.attrs.get("reflected"):
            return _Index(-inner.query, -inner.key, other - inner.offset, inner.divisor)
        return _Index(inner.query, inner.key, inner.offset - other, inner.divisor)
    if op.kind == "neg":
        inner = _index(graph, graph[op.inputs[0]], depth + 1)
        return None if inner is None else _Index(-inner.query, -inner.key, -inner.offset)
    if op.kind == "abs":
        inner = _index(graph, graph[op.inputs[0]], depth + 1)
        return None if inner is None else _Index(inner.query, inner.key, inner.offset, 1, True)
    if op.kind == "floor_div" and len(op.inputs) == 1 and is_number(op.attrs.get("other")):
        inner = _index(graph, graph[op.inputs[0]], depth + 1)
        if inner is None or inner.divisor != 1:
            return None
        return _Index(inner.query, inner.key, inner.offset, int(op.attrs["other"]))
    axis = _axis(shape)
    source = graph.source(op, VIEWS)
    if axis is not None and source.kind == "constant" and source.attrs.get("range") is not None:
        start = source.attrs["range"][0]
        return _Index(1, 0, start) if axis == -2 else _Index(0, 1, start)
    if op.kind in VIEWS and op.inputs:
        inner_op = graph[op.inputs[0]]
        if _axis(inner_op.shape) is not None or inner_op.kind in ("sub", "add", "abs", "neg", "floor_div", *_CASTS):
            inner = _index(graph, inner_op, depth + 1)
            if inner is not None and axis is not None and (inner.query == 0) != (inner.key == 0):
                # the view may have moved the positions to another dimension
                sign = inner.query or inner.key
                return (
                    _Index(sign, 0, inner.offset, inner.divisor)
                    if axis == -2
                    else _Index(0, sign, inner.offset, inner.divisor)
                )
            return inner
    if axis is not None and op.inputs:
        inner = _index(graph, graph[op.inputs[0]], depth + 1) if len(op.inputs) == 1 else None
        return inner
    return None


def _axis(shape: tuple[Any, ...] | None) -> int | None:
    """-2 where a tensor varies over queries (``… × S × 1``), -1 where over keys (``… × 1 × S`` or ``S``)."""
    if not shape:
        return None
    long = [position - len(shape) for position, size in enumerate(shape) if not (is_number(size) and size == 1)]
    if not long:
        return None
    if long[-1] == -1 and (len(shape) == 1 or (is_number(shape[-2]) and shape[-2] == 1)):
        return -1
    if long[-1] == -2:
        return -2
    return None
