"""What the masks of an attention product let a position see, worked out for single rows of the scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from specdiff.graph.operations import Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

if TYPE_CHECKING:
    from specdiff.detect.places import Index
    from specdiff.detect.points import Points
    from specdiff.detect.sites import Attention, Bound

_DATA = frozenset({"parameter", "linear", "embedding", "conv", "matmul", "einsum", "bmm", "softmax"})
MASKED = -9_000.0
"""A score this low takes no part in the softmax: -10,000 is the highest number that published code masks with."""

LARGEST_BOUND = 300_000
"""Numbers in a mask above this are fill values or sizes, not distances."""


@dataclass(slots=True)
class Mask:
    """What a query sees."""

    causal: bool | None = False
    window: int | None = None
    """Positions a query sees, itself included."""
    two_sided: bool = False
    chunk: int | None = None
    prefix: bool = False
    """Early positions see later ones, late positions do not."""
    shows: dict[str, tuple[Op, str]] = field(default_factory=dict)
    """What shows it: for `causal`, `window` and `chunk` an operation, with words."""
    unread: str = ""
    """Why it could not be worked out; empty where it was."""
    unread_at: Op | None = None

    @property
    def kind(self) -> str:
        """The layer pattern's word for it; empty where it is not known."""
        if self.unread:
            return ""
        return "chunked" if self.chunk is not None else "sliding" if self.window is not None else "full"


def read_mask(graph: Operations, site: Attention) -> Mask:
    """Work out what some rows of the scores see."""
    from specdiff.detect.points import NotKnown, Outside, Points  # noqa: PLC0415 - numpy only where a mask is read

    if site.own and all(is_number(size) for size in (site.scores or ())[-2:]):
        return Mask(None, unread="a piece's queries meet keys of several pieces", unread_at=site.product)
    if site.causal_flag and not site.bounds:
        return Mask(True, shows={"causal": (site.product, "the fused operation's own causal mask")})
    if not site.bounds:
        return Mask(False, shows={"causal": (site.softmax, "nothing masks the scores")})
    shape = site.scores
    if shape is None or len(shape) < 2:
        return Mask(None, unread="the shape of the scores is not known", unread_at=site.softmax)
    far = max(_numbers(graph, site.bounds), default=0)
    length = 2 * far + 67
    for _ in range(3):
        points = Points(graph, lengths(graph, length), ordinary(graph))
        try:
            axis = row_axis(shape)
            size = min(points.size(shape[-1]), points.size(shape[axis]))
            rows = {
                row for row in (size - 1, size - 2, size // 2, size // 2 + 1, far + 1, far + 2, 3) if 0 <= row < size
            }
            seen = {row: _visible(points, site, row, size, shape) for row in sorted(rows)}
            return _read(points, site, seen, size, shape)
        except Outside as stop:
            if not 4 <= stop.size < length:
                return Mask(None, unread=stop.reason, unread_at=stop.op)
            length = stop.size
        except NotKnown as stop:
            return Mask(None, unread=f"the mask {_why(stop.reason)}", unread_at=stop.op)
    return Mask(None, unread="the mask's tables are too short", unread_at=site.softmax)


def _why(reason: str) -> str:
    return "depends on the input" if reason == "it depends on the input" else f"could not be followed: {reason}"


def lengths(graph: Operations, length: int) -> dict[str, int]:
    """One number for every size that the inputs leave open: one sequence of the given length."""
    found = {"batch": 1}
    for op in graph.kind("input"):
        for size in op.shape or ():
            if isinstance(size, Dim):
                for monomial, _ in size.terms:
                    for symbol in monomial:
                        found.setdefault(symbol, length)
    return found


def ordinary(graph: Operations) -> dict[int, Any]:
    """Comparisons of the input's tokens with a single one, for ordinary tokens: none of them is padding."""
    import numpy  # noqa: PLC0415 - only where positions are worked out

    found: dict[int, Any] = {}
    for op in graph.kind("compare"):
        if len(op.inputs) == 1 and graph.source(graph[op.inputs[0]]).kind == "input":
            relation = op.attrs.get("op")
            if relation in ("==", "!="):
                answer = relation == "!="
                found[op.id] = lambda index, answer=answer: numpy.full(numpy.shape(index[-1]), answer)
    return found


def _numbers(graph: Operations, bounds: list[Bound]) -> set[int]:
    """Whole numbers in what makes the masks: the distances are among them."""
    found: set[int] = set()
    for index in graph.ancestors((bound.op.id for bound in bounds), lambda op: op.kind not in _DATA):
        attrs = graph[index].attrs
        for name in ("other", "diagonal", "min", "max"):
            number = attrs.get(name)
            if isinstance(number, float) and number.is_integer():
                number = int(number)
            if is_number(number) and 1 < abs(number) <= LARGEST_BOUND:
                found.add(abs(number))
    return found


def row_axis(shape: tuple[Any, ...]) -> int:
    """Where the queries stand in a shape of scores: before the keys, or before heads that stand between the two."""
    return next((axis for axis in (-2, -3) if len(shape) >= -axis and shape[axis] == shape[-1]), -2)


def _visible(points: Points, site: Attention, row: int, size: int, shape: tuple[Any, ...]) -> Any:
    """Which keys one query sees."""
    import numpy  # noqa: PLC0415

    columns = numpy.arange(size)
    places = [numpy.zeros(size, dtype=int)] * len(shape)
    places[row_axis(shape)], places[-1] = numpy.full(size, row), columns
    index = tuple(places)
    seen = columns <= row if site.causal_flag else numpy.ones(size, dtype=bool)
    for bound in site.bounds:
        seen = seen & ~_blocked(points, bound, index)
    return seen


def _blocked(points: Points, bound: Bound, index: Index) -> Any:
    import numpy  # noqa: PLC0415

    from specdiff.detect.points import NotKnown  # noqa: PLC0415

    more = len(points.shape(bound.op)) - len(index)
    if more > 0 and _folded(points, bound.op, index):
        index = (*[numpy.zeros_like(index[-1])] * more, *index)
    own = points.within(bound.op, index)
    if bound.how in ("keep", "drop"):
        if bound.fill is None:
            raise NotKnown(bound.op, "what stands for a masked score is not known")
        if bound.fill > MASKED:
            return numpy.zeros(numpy.shape(index[-1]), dtype=bool)
        condition = numpy.asarray(points.value(bound.op, own)) != 0
        return ~condition if bound.how == "keep" else condition
    return _low(points, bound.op, own, -1 if bound.how == "sub" else 1)


def _folded(points: Points, mask: Op, index: Index) -> bool:
    """Whether a mask with more dimensions is over the same rows and columns: batch and heads were taken together after it."""
    rows, columns = points.shape(mask)[-2:]
    size = len(index[-1])
    return rows in (1, size) and columns in (1, size)


def _low(points: Points, op: Op, index: Index, sign: int) -> Any:
    """Where what is added to the scores takes a position out of the softmax; learned biases never do."""
    import numpy  # noqa: PLC0415

    from specdiff.detect.points import NotKnown  # noqa: PLC0415

    try:
        return sign * numpy.asarray(points.value(op, index), dtype=float) <= MASKED
    except NotKnown as stop:
        graph = points.graph
        inputs = graph.inputs(op)
        if op.kind in _DATA:
            return numpy.zeros(numpy.shape(index[-1]), dtype=bool)
        if op.kind in ("add", "sub") and len(inputs) == 2:
            left, right = (points.within(item, index) for item in inputs)
            other = -sign if op.kind == "sub" else sign
            return _low(points, inputs[0], left, sign) | _low(points, inputs[1], right, other)
        if op.kind == "join" and inputs:
            found = [_low(points, item, points.within(item, index), sign) for item in inputs]
            if any(not numpy.array_equal(found[0], each) for each in found[1:]):
                raise
            return found[0]
        if op.kind in ("mul", "div", "neg", "clamp", "tanh", "sigmoid") and _learned(graph, op):
            return numpy.zeros(numpy.shape(index[-1]), dtype=bool)
        if op.kind in ("index", "gather") and inputs and graph.source(inputs[0]).kind == "parameter":
            return numpy.zeros(numpy.shape(index[-1]), dtype=bool)
        moved = points.moved(op, index)
        if moved is None:
            raise stop from None
        return _low(points, inputs[0], moved, sign)


def _learned(graph: Operations, op: Op) -> bool:
    behind = graph.ancestors([op.id], lambda item: item.kind not in _DATA)
    return any(graph[index].kind in _DATA for index in behind)


def _read(points: Points, site: Attention, seen: dict[int, Any], size: int, shape: tuple[Any, ...]) -> Mask:
    import numpy  # noqa: PLC0415

    first: dict[int, int] = {}
    last: dict[int, int] = {}
    whole = True
    for row, visible in seen.items():
        places = numpy.flatnonzero(visible)
        if len(places) == 0:
            return Mask(None, unread="the mask hides every position of a row", unread_at=site.softmax)
        first[row], last[row] = int(places[0]), int(places[-1])
        whole = whole and len(places) == last[row] - first[row] + 1
    mask = Mask()
    ahead = {row: last[row] - row for row in seen}
    if all(reach == 0 for reach in ahead.values()):
        mask.causal = True
    elif all(reach > 0 or row == size - 1 for row, reach in ahead.items()):
        mask.causal = False
    elif all(reach >= 0 for reach in ahead.values()):
        mask.causal, mask.prefix = None, True
    else:
        mask.causal = None
    graph = points.graph
    words = "a position sees itself and earlier ones" if mask.causal else "positions see later ones"
    mask.shows["causal"] = (_shown(graph, site, set()), words)
    if not whole:
        mask.unread, mask.unread_at = "what a position sees is not one run of positions", site.bounds[0].op
        return mask
    cut = {row: start for row, start in first.items() if start > 0}
    if not cut:
        return mask
    backs = {row - start for row, start in cut.items()}
    back = max(backs)
    if len(backs) == 1 and all(row <= back for row in first if row not in cut):
        reaches = {reach for row, reach in ahead.items() if last[row] < size - 1} or {0}
        reach = max(reaches)
        if len(reaches) > 1:
            mask.unread, mask.unread_at = "the window's far side differs between positions", site.bounds[0].op
            return mask
        mask.window, mask.two_sided = back + 1 + reach, reach > 0
        numbers = {back, back + 1, back + 2, reach, reach + 1}
        shown = f"sees {mask.window} positions, itself included: a window"
        mask.shows["window"] = (_shown(graph, site, numbers), shown)
        return mask
    start = first[size - 1]
    before = int(numpy.flatnonzero(_visible(points, site, start - 1, size, shape))[0]) if start > 0 else 0
    chunk = start - before
    if chunk > 0 and all(first[row] == row // chunk * chunk for row in first):
        mask.chunk = chunk
        mask.shows["chunk"] = (_shown(graph, site, {chunk}), f"query and key lie in the same {chunk} positions: chunks")
        return mask
    mask.unread, mask.unread_at = "how far back a position sees follows no window and no chunk", site.bounds[0].op
    return mask


def _shown(graph: Operations, site: Attention, numbers: set[int]) -> Op:
    """The comparison that a reader would look for: one with a given number in it, else the last of them."""
    if not site.bounds:
        return site.product if site.causal_flag else site.softmax
    behind = graph.ancestors((bound.op.id for bound in site.bounds), lambda op: op.kind not in _DATA)
    for index in sorted(behind):
        op = graph[index]
        number = op.attrs.get("other", op.attrs.get("diagonal"))
        if numbers and isinstance(number, int | float) and abs(number) in numbers and number not in (0, 1):
            return op
    compared = [graph[index] for index in sorted(behind) if graph[index].kind in ("compare", "tril", "triu")]
    return compared[-1] if compared and not numbers else site.bounds[-1].op


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
