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
_DISTANCE = frozenset("add sub abs neg cast view reshape transpose unsqueeze slice expand".split())
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
    first: int = 0
    """Positions at the beginning that every query sees beside its window."""
    tokens: int = 0
    """Keys beside those of the sequence's own positions that every query sees."""
    summaries: bool = False
    """Whether keys that stand for several positions each, as many as the input is long, join the positions' own."""
    shows: dict[str, tuple[Op, str]] = field(default_factory=dict)
    """What shows it: for `causal`, `window` and `chunk` an operation, with words."""
    unread: str = ""
    """Why it could not be worked out; empty where it was."""
    unread_at: Op | None = None

    @property
    def kind(self) -> str:
        """The layer pattern's word for it; empty where it is not known."""
        if self.unread:
            return "compressed" if self.summaries else ""
        return "chunked" if self.chunk is not None else "sliding" if self.window is not None else "full"


def read_mask(graph: Operations, site: Attention, prompt: tuple[int, int | None] | None = None) -> Mask:
    """Work out what some rows of the scores see.

    Args:
        graph: The operations.
        site: The attention.
        prompt: The least and the greatest number of tokens, where the operations are those of a long prompt.
    """
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
    if prompt is not None:
        least, most = prompt
        far = max(far, least - 1)
        length = min(2 * far + 67, most or LARGEST_BOUND)
    for _ in range(3):
        points = Points(graph, lengths(graph, length), ordinary(graph))
        try:
            axis = row_axis(shape)
            count, size = points.size(shape[-1]), points.size(shape[axis])
            start, tokens = _own_keys(points, site, size, count, shape) if count > size else (0, 0)
            size = min(size, count)
            rows = {
                row for row in (size - 1, size - 2, size // 2, size // 2 + 1, far + 1, far + 2, 3) if 0 <= row < size
            }
            seen = {row: _visible(points, site, row, size, shape, start) for row in sorted(rows)}
            mask = _read(points, site, seen, size, shape)
            if mask.window is None and mask.chunk is None and not mask.unread and is_number(shape[-1]):
                _beyond_the_run(graph, site, size, mask)
            mask.tokens = tokens or 0
            if tokens is None:
                mask.causal, mask.window, mask.chunk = mask.causal or None, None, None
                mask.summaries = not is_number(shape[-1] - shape[axis])
                mask.unread = "queries see keys beside those of the positions themselves"
                mask.unread_at = site.product
            return mask
        except Outside as stop:
            if not 4 <= stop.size < length:
                return Mask(None, unread=stop.reason, unread_at=stop.op)
            length = stop.size
        except NotKnown as stop:
            causal = _surely_causal(graph, site, shape, length)
            shows = {"causal": (_shown(graph, site, set()), "no position sees a later one, whatever else is hidden")}
            why = f"the mask {_why(stop.reason)}"
            return (
                Mask(True, shows=shows, unread=why, unread_at=stop.op)
                if causal
                else Mask(None, unread=why, unread_at=stop.op)
            )
    return Mask(None, unread="the mask's tables are too short", unread_at=site.softmax)


def _beyond_the_run(graph: Operations, site: Attention, size: int, mask: Mask) -> None:
    """Leave open what positions see where a mask compares them with more than the fixed length that was run through."""
    parts = graph.ancestors((bound.op.id for bound in site.bounds), lambda op: op.kind not in _DATA)
    for op in (graph[index] for index in parts):
        if op.kind != "compare" or op.attrs.get("op") not in ("<", "<=", ">", ">="):
            continue
        sums = [graph[index] for index in graph.ancestors(op.inputs, lambda item: item.kind in _DISTANCE)]
        if len(op.inputs) == 1 and not any(item.kind in ("add", "sub") and len(item.inputs) == 2 for item in sums):
            continue  # where a position stands, not how far it is from another
        for place in (op, *(item for item in sums if item.kind in ("add", "sub"))):
            number = place.attrs.get("other")
            if is_number(number) and size < abs(number) <= LARGEST_BOUND:
                words = f"the mask compares distances with {abs(number)}, and only {size} positions were followed"
                mask.unread, mask.unread_at = words, place
                return


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
    for op in graph.kind("input"):
        if op.attrs.get("name") == "attention_mask":
            found[op.id] = lambda index: numpy.ones(numpy.shape(index[-1]), dtype=int)
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
    near = next((axis for axis in (-2, -3) if len(shape) >= -axis and shape[axis] == shape[-1]), None)
    if near is None and not is_number(shape[-1]):  # groups of heads and heads of a group
        near = next((axis for axis in (-4, -5) if len(shape) >= -axis and shape[axis] == shape[-1]), None)
    return -2 if near is None else near


def _surely_causal(graph: Operations, site: Attention, shape: tuple[Any, ...], length: int) -> bool:
    """Whether what is known of the masks hides all later positions, so that the rest, which hides more, does not matter."""
    import numpy  # noqa: PLC0415

    from specdiff.detect.points import NotKnown, Points  # noqa: PLC0415

    points = Points(graph, lengths(graph, length), ordinary(graph))
    try:
        size, count = points.size(shape[row_axis(shape)]), points.size(shape[-1])
        if size > count:
            return False
        for row in (0, 3, size // 2):
            places = [numpy.zeros(size, dtype=int)] * len(shape)
            places[row_axis(shape)], places[-1] = numpy.full(size, row), numpy.arange(size)
            hidden = numpy.arange(size) > row if site.causal_flag else numpy.zeros(size, dtype=bool)
            for bound in site.bounds:
                hidden = hidden | _surely_blocked(points, bound, tuple(places))
            if not hidden[row + 1 :].all() or hidden.all():
                return False
    except NotKnown:
        return False
    return True


def _surely_blocked(points: Points, bound: Bound, index: Index) -> Any:
    """Where a mask hides positions as far as it is known: of a sum, or of conditions that must all hold, each part alone."""
    import dataclasses  # noqa: PLC0415

    import numpy  # noqa: PLC0415

    from specdiff.detect.points import NotKnown  # noqa: PLC0415

    try:
        return _blocked(points, bound, index)
    except NotKnown:
        op = points.graph.source(bound.op, frozenset({"cast", "copy", "contiguous", "to"}))
        together = {"add": "add", "keep": "and", "drop": "or"}.get(bound.how)
        parts = [dataclasses.replace(bound, op=item) for item in points.graph.inputs(op)]
        if op.kind == together:
            return sum(
                (_surely_blocked(points, part, index) for part in parts), numpy.zeros(len(index[-1]), dtype=bool)
            )
        if bound.how == "add" and (rest := _filled_low(points, op)) is not None:
            return _surely_blocked(points, dataclasses.replace(bound, op=rest), index)
        return numpy.zeros(len(index[-1]), dtype=bool)


def _filled_low(points: Points, op: Op) -> Op | None:
    """What a value is wherever a condition does not put a number in its place that takes the position out of the softmax."""
    inputs = points.graph.inputs(op)
    if op.kind == "masked_fill" and inputs:
        fill = _fill(points, op.attrs.get("value"), inputs[2:])
        return inputs[0] if fill is not None and fill <= MASKED else None
    if op.kind == "where" and len(inputs) > 1:
        numbers = op.attrs.get("values", (None, None))
        rest = list(inputs[1:])
        sides = [(number, rest.pop(0) if number is None and rest else None) for number in numbers]
        fills = [_fill(points, number, [side] if side is not None else []) for number, side in sides]
        for fill, (_, other) in ((fills[0], sides[1]), (fills[1], sides[0])):
            if fill is not None and fill <= MASKED and other is not None:
                return other
    return None


def _fill(points: Points, number: Any, inputs: list[Op]) -> float | None:
    """A number that is written, or that a tensor of one element holds."""
    if isinstance(number, int | float):
        return float(number)
    array = points.graph.array(points.graph.source(inputs[0])) if inputs else None
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def _own_keys(points: Points, site: Attention, size: int, count: int, shape: tuple[Any, ...]) -> tuple[int, int | None]:
    """Where the keys of the positions themselves begin among more keys than that, and how many others all queries see.

    None for the others where some queries see some of them only, or where their number grows with the input.
    """
    seen = [_visible(points, site, row, count, shape) for row in (0, size // 2, size - 1)]
    more = count - size
    if not any(row[size:].any() for row in seen):
        return 0, 0  # places of a store that nothing was written to yet
    length = shape[-1] - shape[row_axis(shape)]
    if not is_number(length):
        return 0, None
    if all(row[:more].all() for row in seen) and not seen[0][more + 1 :].any():
        return more, more
    return (0, more) if all(row[size:].all() for row in seen) else (0, None)


def _visible(points: Points, site: Attention, row: int, size: int, shape: tuple[Any, ...], start: int = 0) -> Any:
    """Which keys one query sees, of as many as asked for from the first one on."""
    import numpy  # noqa: PLC0415

    columns = numpy.arange(start, start + size)
    places = [numpy.zeros(size, dtype=int)] * len(shape)
    places[row_axis(shape)], places[-1] = numpy.full(size, row), columns
    index = tuple(places)
    seen = columns - start <= row if site.causal_flag else numpy.ones(size, dtype=bool)
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
        if op.kind == "add" and len(inputs) == 1 and op.attrs.get("other") == 0:
            return _low(points, inputs[0], index, sign)  # a sum that begins with nothing
        if op.kind == "join" and inputs:
            found = [_low(points, item, points.within(item, index), sign) for item in inputs]
            if any(not numpy.array_equal(found[0], each) for each in found[1:]):
                raise
            return found[0]
        if op.kind in ("mul", "div", "neg", "clamp", "tanh", "sigmoid") and _learned(graph, op):
            if op.kind in ("mul", "div") and any(_hides(points, item, index) for item in inputs):
                raise
            return numpy.zeros(numpy.shape(index[-1]), dtype=bool)
        if op.kind in ("index", "gather") and inputs and graph.source(inputs[0]).kind in _DATA:
            return numpy.zeros(numpy.shape(index[-1]), dtype=bool)
        moved = points.moved(op, index)
        if moved is None:
            raise stop from None
        return _low(points, inputs[0], moved, sign)


def _hides(points: Points, op: Op, index: Index) -> bool:
    """Whether a factor is itself a mask, so that the other decides what it comes to."""
    import numpy  # noqa: PLC0415

    from specdiff.detect.points import NotKnown  # noqa: PLC0415

    try:
        return bool(numpy.any(numpy.abs(numpy.asarray(points.value(op, points.within(op, index)))) >= -MASKED))
    except NotKnown:
        return False


def _learned(graph: Operations, op: Op) -> bool:
    behind = graph.ancestors([op.id], lambda item: item.kind not in _DATA)
    return any(graph[index].kind in _DATA for index in behind)


def _read(points: Points, site: Attention, seen: dict[int, Any], size: int, shape: tuple[Any, ...]) -> Mask:
    import numpy  # noqa: PLC0415

    kept = _first_kept(seen)
    if kept:
        # The rest is read as if the sequence began behind them.
        rest = {row - kept: visible[kept:] for row, visible in seen.items() if row >= kept}
        mask = _read(points, site, rest, size - kept, shape)
        if mask.window is None:
            mask.unread, mask.unread_at = "what a position sees is not one run of positions", site.bounds[0].op
        mask.first = kept
        return mask
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


def _first_kept(seen: dict[int, Any]) -> int:
    """How many positions at the beginning all rows see beside a run of positions that ends later; 0 for none."""
    import numpy  # noqa: PLC0415

    counts: set[int] = set()
    for visible in seen.values():
        places = numpy.flatnonzero(visible)
        gaps = numpy.flatnonzero(numpy.diff(places) > 1)
        if len(gaps) > 1:
            return 0
        if len(gaps) == 1 and places[0] == 0:
            counts.add(int(gaps[0]) + 1)
    kept = counts.pop() if len(counts) == 1 else 0
    return kept if all(visible[: min(kept, row + 1)].all() for row, visible in seen.items()) else 0


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
