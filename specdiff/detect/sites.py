"""Normalisations and attention products, recognised by what the operations do."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from specdiff.detect.linearity import narrow_before
from specdiff.detect.norm_written import CASTS
from specdiff.detect.paths import main_input, path_from, volume
from specdiff.graph.operations import PASSING, VIEWS, Operations, factor, is_computed, is_number
from specdiff.interp.trace import Op

_SOFT = VIEWS | {"dropout", "join"}


@dataclass(slots=True)
class Bound:
    """Something that is added to the scores or chooses which of them are kept."""

    op: Op
    how: str
    """`add` or `sub` for a value, `keep` or `drop` for a condition under which a score stays or goes."""
    fill: float | None = None
    """What stands in place of a score that goes."""


_MOST_POOLING = 24
"""Operations between tokens and the fewer ones that a layer makes of them for its keys."""


@dataclass(slots=True)
class Attention:
    """One attention product: softmax over query times key, times value."""

    module: str
    query: Op
    key: Op
    value: Op
    product: Op
    """Query times key, or the fused operation."""
    softmax: Op
    output: Op
    """Weights times value, or the fused operation."""
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    value_dim: int | None
    scale: float | None
    """Factor on the product; None where it is not a number."""
    scales: list[Op] = field(default_factory=list)
    """Where it is applied."""
    softcap: float | None = None
    softcap_at: Op | None = None
    masks: list[Op] = field(default_factory=list)
    """Values added to, or conditions on, the scores."""
    biases: list[Op] = field(default_factory=list)
    """The same, before it is known which of them are masks."""
    bounds: list[Bound] = field(default_factory=list)
    """The same, with the part each plays."""
    scores: tuple[Any, ...] | None = None
    """Shape of the scores, without a sink."""
    sink: Op | None = None
    """What joins the scores before the softmax."""
    sink_at: Op | None = None
    dropped_at: Op | None = None
    """Where the sink's share is cut off."""
    repeats: Op | None = None
    """Where keys are repeated for groups of query heads."""
    fused: bool = False
    causal_flag: bool = False
    summed: bool = False
    """Whether the scores are the sum of two products of tokens with tokens (a head's parts kept apart): neither alone
    tells a head's size or its rotation."""
    own: bool = False
    """Whether more keys than queries meet and all are projected from one value: keys of neighbouring pieces, or a cache that
    has room for more."""


def attentions(graph: Operations) -> list[Attention]:
    """All attention products."""
    found: list[Attention] = []
    weights = [(softmax, graph[softmax.inputs[0]]) for softmax in graph.kind("softmax")]
    for softmax, scores in (*weights, *_written_out(graph)):
        site = _from_softmax(graph, softmax, scores)
        if site is not None:
            found.append(site)
    for op in graph.kind("sdpa"):
        query, key, value = graph.inputs(op)[:3]
        scale = op.attrs.get("scale")
        width = query.shape[-1] if query.shape else None
        if scale is None and is_number(width):
            scale = width**-0.5
        site = Attention(op.module, query, key, value, op, op, op, None, None, None, None,
                         scale if isinstance(scale, int | float) else None, [op], fused=True,
                         causal_flag=bool(op.attrs.get("causal")))  # fmt: skip
        if len(op.inputs) > 3:
            mask = graph[op.inputs[3]]
            site.biases.append(mask)
            site.bounds.append(Bound(mask, "keep", -float("inf")) if mask.dtype == "bool" else Bound(mask, "add"))
        if query.shape and key.shape and len(key.shape) >= 2:
            site.scores = (*query.shape[:-1], key.shape[-2])
            site.own = len(query.shape) > 1 and query.shape[-2] != key.shape[-2] and _one_source(graph, query, key)
        _input_scales(graph, site)
        _heads(graph, site)
        found.append(site)
    return sorted(found, key=lambda site: site.softmax.id)


_PRODUCTS = ("matmul", "einsum", "bmm", "baddbmm")


def _written_out(graph: Operations) -> Iterator[tuple[Op, Op]]:
    """(weights, scores) of softmaxes over the last axis in their parts: exp(x - logsumexp(x)), or exp(x) over its sum."""
    for op in graph.kind("exp", "div"):
        if op.kind == "exp":
            less = graph.source(graph[op.inputs[0]])
            if less.kind != "sub" or len(less.inputs) != 2:
                continue
            scores, total, which = graph[less.inputs[0]], graph.source(graph[less.inputs[1]]), "logsumexp"
        else:
            if len(op.inputs) != 2:
                continue
            scores, total, which = graph.source(graph[op.inputs[0]]), graph.source(graph[op.inputs[1]]), "sum"
            if total.kind == "add" and len(total.inputs) == 1:
                total = graph.source(graph[total.inputs[0]])  # a small constant under the fraction
            if scores.kind != "exp":
                continue
        if total.kind != "reduce" or total.attrs.get("which") != which or total.attrs.get("dims") != (-1,):
            continue
        if graph.source(graph[total.inputs[0]]).id == graph.source(scores).id:
            yield op, scores if which == "logsumexp" else graph[scores.inputs[0]]


def _from_softmax(graph: Operations, softmax: Op, scores: Op) -> Attention | None:
    """Walk back from a softmax to query times key, and on to weights times value."""
    if softmax.attrs.get("dim") not in (-1, None) or not softmax.shape or len(softmax.shape) < 3:
        return None
    scale = 1.0
    known = True
    scales: list[Op] = []
    biases: list[Op] = []
    bounds: list[Bound] = []
    softcap: float | None = None
    softcap_at: Op | None = None
    sink = sink_at = None
    current = scores
    tanh_seen: Op | None = None
    summed = False
    for _ in range(60):
        kind = current.kind
        if kind in _PRODUCTS:
            break
        if kind in VIEWS or kind in ("dropout", "join"):
            current = graph[current.inputs[0]]
        elif kind in ("mul", "div"):
            other = current.attrs.get("other")
            if isinstance(other, int | float) and not isinstance(other, bool):
                value = float(other) if kind == "mul" else 1.0 / float(other)
                if tanh_seen is None and softcap is None and _tanh_before(graph, current) is not None:
                    softcap, softcap_at = float(other) if kind == "mul" else value, current
                    tanh_seen = _tanh_before(graph, current)
                    assert tanh_seen is not None
                    inner = graph[tanh_seen.inputs[0]]
                    # c·tanh(x/c): what divides inside is the cap, not a scale.
                    if inner.kind in ("div", "mul") and isinstance(inner.attrs.get("other"), int | float):
                        current = graph[inner.inputs[0]]
                    else:
                        current = inner
                    continue
                scale *= value
                scales.append(current)
                current = graph[current.inputs[0]]
            elif len(current.inputs) == 2:
                left, right = graph.inputs(current)
                main, side = (left, right) if _product_behind(graph, left) else (right, left)
                known = known and side.shape is not None and graph.source(side).kind != "parameter"
                known = False
                scales.append(current)
                current = main
            else:
                return None
        elif kind in ("add", "sub"):
            if len(current.inputs) == 1:
                current = graph[current.inputs[0]]
                continue
            left, right = graph.inputs(current)
            summed = summed or _both_of_tokens(graph, left, right)
            if _product_behind(graph, left):
                if not _is_maximum_of(graph, right):
                    biases.append(right)
                    bounds.append(Bound(right, kind))
                current = left
            elif _product_behind(graph, right):
                biases.append(left)
                bounds.append(Bound(left, "add"))
                current = right
            else:
                return None
        elif kind == "cat":
            parts = graph.inputs(current)
            products = [part for part in parts if _product_behind(graph, part)]
            if not products:
                return None
            # Of scores against several sequences, those against the queries' own say what the site is.
            joined = next((part for part in products if len(products) > 1 and _of_one_source(graph, part)), products[0])
            others = [part for part in parts if part.id != joined.id]
            if len(others) == 1 and others[0].shape and others[0].shape[-1] == 1:
                sink, sink_at = others[0], current
            current = joined
        elif kind in ("where", "masked_fill"):
            inputs = graph.inputs(current)
            kept = next((item for item in inputs if item.dtype != "bool" and _product_behind(graph, item)), None)
            if kept is None:
                return None
            biases.extend(item for item in inputs if item.id != kept.id)
            bounds.append(_condition(graph, current, kept))
            current = kept
        elif kind in ("clamp", "maximum", "minimum", "setitem", "index", "overwrite", "nan_to_num"):
            current = graph[current.inputs[0]]
        else:
            return None
    else:
        return None
    if current.kind not in _PRODUCTS or len(current.inputs) < 2:
        return None
    query, key = graph.inputs(current)[-2:] if current.kind == "baddbmm" else graph.inputs(current)[:2]
    if graph.source(query).kind == "parameter" and graph.source(key).kind == "parameter":
        return None
    output, dropped_at = _weighted_values(graph, softmax, sink is not None)
    if output is None:
        return None
    values = [item for item in graph.inputs(output) if not graph.reaches(softmax.id, item.id)]
    if not values:
        return None
    site = Attention(softmax.module, query, key, values[0], current, softmax, output, None, None, None, None,
                     scale if known else None, scales, softcap, softcap_at, [], biases, bounds, None, sink, sink_at, dropped_at)  # fmt: skip
    if current.shape:
        site.scores = (*softmax.shape[:-1], current.shape[-1])
        met = (current if sink is not None else softmax).shape or (0,)
        site.own = softmax.shape[-2] != met[-1] and _one_source(graph, query, key)
    _input_scales(graph, site)
    _heads(graph, site)
    if summed:
        site.summed, site.head_dim, site.kv_heads, site.value_dim = True, None, None, None
    return site


def _of_one_source(graph: Operations, scores: Op) -> bool:
    product = graph.source(scores, VIEWS | {"mul", "div", "add", "masked_fill", "where"})
    return product.kind in _PRODUCTS and len(product.inputs) > 1 and _one_source(graph, *graph.inputs(product)[:2])


def _one_source(graph: Operations, query: Op, key: Op) -> bool:
    """Whether the projections of queries and keys read the same value, perhaps pooled; of joined keys, whether one does."""
    reader = path_from(graph, query).projection
    joined = graph.source(key)
    parts = graph.inputs(joined) if joined.kind == "cat" else [key]
    learned = VIEWS | {"expand", "repeat", "cast"}
    parts = [part for part in parts if graph.source(part, learned).kind != "parameter"]
    keys = [path_from(graph, part).projection for part in parts]
    if reader is None or None in keys:
        return False
    own = _made_from(graph, graph[reader.inputs[0]])
    return any(own & _made_from(graph, graph[op.inputs[0]]) for op in keys if op is not None)


def _made_from(graph: Operations, op: Op) -> set[int]:
    """A value and what it was made from by what joins neighbours at most: pooling, convolutions, norms, up to a sum."""
    found: set[int] = set()
    while len(found) < _MOST_POOLING:
        op = graph.source(op)
        found.add(op.id)
        if op.kind == "cat":
            many = [part for part in graph.inputs(op) if not part.shape or len(part.shape) < 2 or part.shape[-2] != 1]
            if len(many) != 1:
                break
            op = many[0]  # a class token stands before the others
            continue
        two = op.kind in ("add", "sub") and len(op.inputs) == 2
        if two or op.kind in _PRODUCTS or op.kind in ("softmax", "linear", "embedding") or not op.inputs:
            break
        op = main_input(graph, op)
    return found


def _both_of_tokens(graph: Operations, left: Op, right: Op) -> bool:
    """Whether two terms of the scores are each a product whose two factors come from the input."""
    for term in (left, right):
        product = graph.source(term, VIEWS | {"dropout", "mul", "div"})
        if product.kind not in _PRODUCTS or len(product.inputs) < 2:
            return False
        for factor_of in graph.inputs(product)[:2]:
            if not graph.from_inputs[factor_of.id]:
                return False
    return True


def _condition(graph: Operations, op: Op, main: Op) -> Bound:
    """The condition of a ``where`` or ``masked_fill`` over scores."""
    inputs = graph.inputs(op)
    if op.kind == "masked_fill":
        return Bound(inputs[1], "drop", _number(graph, op.attrs.get("value"), inputs[2:]))
    values = op.attrs.get("values", (None, None))
    first = values[0] is None and len(inputs) > 1 and inputs[1].id == main.id
    others = [item for item in inputs[1:] if item.id != main.id]
    return Bound(inputs[0], "keep" if first else "drop", _number(graph, values[1] if first else values[0], others))


def _number(graph: Operations, written: Any, others: list[Op]) -> float | None:
    if isinstance(written, int | float):
        return float(written)
    for item in others:
        fill = graph.source(item).attrs.get("fill")
        if isinstance(fill, int | float):
            return float(fill)
        array = graph.array(item)
        if array is not None and array.size == 1:
            return float(array.reshape(-1)[0])
    return None


def _tanh_before(graph: Operations, op: Op) -> Op | None:
    source = graph.source(graph[op.inputs[0]], CASTS)
    return source if source.kind == "tanh" else None


def _product_behind(graph: Operations, op: Op) -> bool:
    """Whether a value comes from a product of two computed values, through operations on scores."""
    for _ in range(40):
        if op.kind in _PRODUCTS:
            return True
        if op.kind in ("add", "sub", "mul", "div", "where", "masked_fill", "cat") and len(op.inputs) > 1:
            return any(_product_behind(graph, item) for item in graph.inputs(op))
        if not op.inputs or op.kind in ("linear", "embedding", "softmax", "reduce", "conv"):
            return False
        op = graph[op.inputs[0]]
    return False


def _is_maximum_of(graph: Operations, op: Op) -> bool:
    """Whether a value is the largest score of each row, subtracted for the exponential's range only."""
    source = graph.source(op)
    return source.kind == "reduce" and source.attrs.get("which") in ("max", "amax")


def _weighted_values(graph: Operations, softmax: Op, with_sink: bool) -> tuple[Op | None, Op | None]:
    """The product of the weights with the values, and where a sink's share is cut off."""
    dropped: Op | None = None
    seen: set[int] = set()
    stack = [softmax.id]
    while stack:
        index = stack.pop(0)
        if index in seen:
            continue
        seen.add(index)
        for reader_id in graph.consumers[index]:
            reader = graph[reader_id]
            if reader.kind in _PRODUCTS and len(reader.inputs) >= 2:
                return reader, dropped
            if reader.kind in ("slice", "split") and with_sink and reader.shape and softmax.shape:
                if reader.shape[-1] != softmax.shape[-1]:
                    dropped = reader
            if reader.kind in PASSING or reader.kind in (
                "mul",
                "div",
                "add",
                "sub",
                "masked_fill",
                "where",
                "index",
                "nan_to_num",
            ):
                if len(seen) < 60:
                    stack.append(reader_id)
    return None, dropped


def _input_scales(graph: Operations, site: Attention) -> None:
    """A factor on the query (or key) is part of the scale: right before the product, or before a rotation.

    A factor that a projection's keys alone have before they are rotated is a factor on keys, told as such
    (`multiplier.key`), and no part of the scale.
    """
    if site.scale is None:
        return
    queries = False
    for start in (site.query, site.key):
        op: Op | None = start
        turned = False
        for _ in range(12):
            if op is None:
                break
            if op.kind == "outside":
                _unscaled(site, op)
                return
            scaled = _times_one_number(graph, op)
            if scaled is not None:
                if op.attrs.get("reflected") and op.kind == "div":
                    break
                if not turned or start is site.query or queries:
                    if not _scale_by(site, op):
                        return
                queries = queries or (turned and start is site.query)
                op = scaled
            elif op.kind in VIEWS or op.kind in ("repeat_interleave", "repeat"):
                op = graph[op.inputs[0]]
            else:
                op, turned = narrow_before(graph, op), True


def _scale_by(site: Attention, op: Op) -> bool:
    """Take a factor into the scale; False where it is learned or computed: its value is not known, and so is the scale's not."""
    other = op.attrs.get("other")
    if site.scale is None or not isinstance(other, int | float):
        _unscaled(site, op)
        return False
    site.scales.append(op)
    site.scale *= other if op.kind == "mul" else 1.0 / other
    return True


def _unscaled(site: Attention, op: Op) -> None:
    site.scale = None
    site.scales.append(op)


def _times_one_number(graph: Operations, op: Op) -> Op | None:
    """What ``op`` multiplies with, or divides by, a single number: a plain one or a tensor with one element."""
    if op.kind not in ("mul", "div"):
        return None
    inputs = graph.inputs(op)
    if len(inputs) == 1:
        return inputs[0] if isinstance(op.attrs.get("other"), int | float) else None
    if len(inputs) != 2 or not op.shape:
        return None
    main = next((item for item in inputs if item.shape == op.shape), None)
    other = next((item for item in inputs if item is not main), None)
    single = other is not None and other.shape is not None and all(size == 1 for size in other.shape)
    return main if single else None


def _heads(graph: Operations, site: Attention) -> None:
    """Head counts and widths from the shapes that meet in the product."""
    query, key, value = site.query, site.key, site.value
    if not query.shape or not key.shape:
        return
    last = query.shape[-1]
    meeting: int | None = None
    if site.product.kind == "einsum":
        meeting = _einsum_heads(graph, site)
    else:
        site.head_dim = last if is_number(last) else None
        count = 1
        for size in query.shape[:-2]:
            count *= factor(size)
        count *= _folded_heads(query, key, site.product)
        split = _split_heads(graph, query, site.head_dim)
        # Windows of a picture may stand before the heads; a split that all of a fused projection shares is no count of heads.
        site.heads = split if split is not None and count % split == 0 else count
        if split is None and any(is_computed(size) for size in query.shape[:-2]):
            site.heads = None
        if value.shape:
            site.value_dim = value.shape[-1] if is_number(value.shape[-1]) else None
    if site.heads is None:
        return
    repeats, where = _repeats(graph, key)
    own = _split_heads(graph, key, site.head_dim)
    if own is not None and own <= site.heads and site.heads % own == 0:
        site.kv_heads = own
    elif repeats > 1 and site.heads % repeats == 0:
        site.kv_heads = site.heads // repeats
    else:
        count = meeting or math.prod(factor(size) for size in key.shape[:-2])
        site.kv_heads = count if site.heads % max(count, 1) == 0 else None
    site.repeats = where


def _folded_heads(query: Op, key: Op, product: Op) -> int:
    """Query heads that stand among the rows of a product: so many times more rows than there are keys."""
    if not product.shape or len(product.shape) < 2 or len(query.shape or ()) != len(key.shape or ()):
        return 1
    rows, columns = product.shape[-2:]
    if isinstance(rows, int) or isinstance(columns, int) or rows == columns:
        return 1
    times = factor(rows)
    return times if times > 1 and columns * times == rows else 1


def _einsum_heads(graph: Operations, site: Attention) -> int | None:
    """Read an equation's letters: sets heads and widths; returns the heads that keys have in it."""
    letters = _letters(site)
    if letters is None:
        return None
    left, other, right = letters
    sizes = dict(zip(left, site.query.shape or (), strict=True))
    summed = [letter for letter in left if letter in other and letter not in right]
    shared = [letter for letter in left if letter in other and letter in right]
    if len(summed) == 1 and is_number(sizes[summed[0]]):
        site.head_dim = sizes[summed[0]]
    heads = math.prod(factor(sizes[letter]) for letter in shared)
    of_keys = dict(zip(other, site.key.shape or (), strict=True))
    keys = math.prod(factor(of_keys[letter]) for letter in shared)  # one head of keys may stand for all
    rows = [letter for letter in right if letter in left and letter not in other]
    places = [letter for letter in rows if not is_number(sizes[letter])] or rows[-1:]  # the query's own position
    for letter in rows:
        heads *= factor(sizes[letter]) if letter not in places else 1
    site.heads = heads
    if site.value.shape and is_number(site.value.shape[-1]):
        site.value_dim = site.value.shape[-1]
    return keys


def _letters(site: Attention) -> tuple[str, str, str] | None:
    """The letters of query, key and scores in an equation, dots written out; None where they do not fit the shapes."""
    sides, _, right = str(site.product.attrs.get("equation", "")).replace(" ", "").partition("->")
    parts = sides.split(",")
    shapes = (site.query.shape, site.key.shape)
    if len(parts) != 2 or None in shapes:
        return None
    dots = len(shapes[0] or ()) - len(parts[0].replace("...", "")) if "..." in parts[0] else 0
    spare = "".join(letter for letter in string.ascii_letters if letter not in sides)[:dots]
    left, other, right = (part.replace("...", spare) for part in (*parts, right))
    return (left, other, right) if (len(left), len(other)) == tuple(len(shape or ()) for shape in shapes) else None


def _split_heads(graph: Operations, op: Op, head_dim: int | None) -> int | None:
    """Heads as the projection's output is split into them: the first view that makes ``heads × head_dim`` of its width."""
    path = path_from(graph, op)
    if path.projection is None or head_dim is None or not path.projection.shape:
        return None
    for step in reversed(path.steps):
        if step.kind not in ("view", "reshape") or not step.shape or not step.inputs:
            continue
        before = graph[step.inputs[0]].shape
        if not before or not is_number(before[-1]) or step.shape[-1] == before[-1]:
            continue
        width, heads = step.shape[-1], step.shape[-2] if len(step.shape) > 1 else None
        if is_number(width) and is_number(heads) and width == head_dim and heads * width == before[-1]:
            return int(heads)
        joined = step.shape[-3:-1]  # queries, keys and values of one projection, the three before or after the heads
        if width == head_dim and 3 in joined and all(is_number(size) for size in joined):
            count = math.prod(joined) // 3
            return int(count) if 3 * count * width == before[-1] else None
        return None
    return None


def _main_input(graph: Operations, op: Op) -> Op:
    """The input that carries a projection on: the widest one."""
    inputs = graph.inputs(op)
    if len(inputs) == 1:
        return inputs[0]
    return max(
        inputs,
        key=lambda item: (len(item.shape or ()), item.kind not in ("parameter", "constant"), volume(item), -item.id),
    )


def _repeats(graph: Operations, op: Op) -> tuple[int, Op | None]:
    """How often keys are repeated on the way to the product, and where."""
    times, where = 1, None
    for _ in range(40):
        if op.kind == "expand" and op.inputs and op.shape:
            before = graph[op.inputs[0]].shape or ()
            for own, grown in zip(reversed(before), reversed(op.shape), strict=False):
                if own == 1 and is_number(grown) and grown > 1:
                    times, where = times * grown, op
        elif op.kind == "repeat_interleave" and is_number(op.attrs.get("repeats")):
            times, where = times * int(op.attrs["repeats"]), op
        elif op.kind == "repeat":
            for count in op.attrs.get("times", ()):
                if is_number(count) and count > 1:
                    times, where = times * count, op
        if op.kind in ("linear", "conv", "embedding", "matmul") or not op.inputs:
            break
        op = _main_input(graph, op)
    return times, where
