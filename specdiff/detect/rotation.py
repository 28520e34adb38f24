"""Rotations of queries and keys: which channels turn together, how fast, and what else their length is multiplied with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from specdiff.detect.masks import lengths
from specdiff.detect.paths import is_projection
from specdiff.detect.regions import Region, likeness, region
from specdiff.graph.operations import Operations, is_number
from specdiff.interp.dims import Dim
from specdiff.interp.trace import Op

if TYPE_CHECKING:
    from specdiff.detect.combinations import Term
    from specdiff.detect.places import Index

LENGTH = 24
"""Length of the sequence that rotations are worked out for."""

FAR = (65_536, 4_096, 512)
"""Lengths of a sequence at whose end a rotation is looked at, the longest first: tables of positions end somewhere."""

MOST_STEPS = 24
"""Operations behind a rotation that are looked through."""

_TURNING = frozenset({"mul", "div", "add", "sub", "addcmul", "complex_mul", "reduce"})


@dataclass(slots=True)
class Rotation:
    """One rotation of queries or keys."""

    at: Op
    """The first product with a cosine or sine."""
    dims: int | None = None
    style: str | None = None
    style_at: Op | None = None
    frequencies: Any = None
    """numpy array of the inverse frequencies of the pairs that turn from one position to the next, or None."""
    frequencies_at: Op | None = None
    factor: float | None = None
    """Factor on cosines and sines; None where it is not a number."""
    why: str = ""
    """Why numbers are missing."""
    proven: bool = True
    """Whether the factors are cosines and sines; otherwise they are a table by position whose content is not known."""
    sections: tuple[int, ...] = ()
    """Pairs that turn with each axis of a position of several axes."""
    unmoving: bool = False
    """Whether every position of the sequence is turned alike, so that scores do not tell positions apart."""

    def same(self, other: Rotation) -> bool:
        """Whether two rotations turn the same pairs at the same speed."""
        if (self.dims, self.style) != (other.dims, other.style):
            return False
        if self.frequencies is None or other.frequencies is None:
            return self.frequencies is other.frequencies
        import numpy  # noqa: PLC0415

        return len(self.frequencies) == len(other.frequencies) and bool(
            numpy.allclose(self.frequencies, other.frequencies, rtol=1e-5)
        )


def rotation(graph: Operations, end: Op, within: Region | None = None) -> Rotation | None:
    """The rotation between projections and a use, if there is one."""
    area = within or region(graph, end)
    known: dict[object, tuple[Rotation | None, list[int]]] = graph.answers.setdefault("rotation", {})
    key, order = likeness(graph, area)
    if key not in known:
        known[key] = _rotation(graph, area), order
    found, there = known[key]
    if found is None:
        return None
    places = dict(zip(there, order, strict=True))
    ops = (found.at, found.style_at, found.frequencies_at)
    at, style_at, frequencies_at = (None if op is None else graph[places.get(op.id, op.id)] for op in ops)
    assert at is not None
    return replace(found, at=at, style_at=style_at, frequencies_at=frequencies_at)


def first_turn(graph: Operations, area: Region) -> Op | None:
    """The first product with a cosine or sine, if there is one."""
    return next((product for product, _, _ in _products(graph, area)), None)


def _products(graph: Operations, area: Region) -> Iterator[tuple[Op, Op, Op]]:
    """(product, data, cosine or sine) of each product of the two."""
    for index in sorted(area.derived):
        op = graph[index]
        if op.kind in _TURNING and len(op.inputs) == 2:
            left, right = graph.inputs(op)
            for data, angle in ((left, right), (right, left)):
                if data.id in area.derived and angle.id not in area.derived and trigonometric(graph, angle) is not None:
                    yield op, data, angle


def _rotation(graph: Operations, area: Region) -> Rotation | None:
    products = list(_products(graph, area))
    if not products:
        return None
    found = Rotation(products[0][0])
    seen = trigonometric(graph, products[0][2])
    found.proven = seen is not None and seen.kind != "embedding"
    _speed_at(graph, found, products[0][2])
    if _unmoving(graph, area, products):
        found.unmoving, found.why = True, "every position is turned by the same angles"
        return found
    turning = {op.id for op, _, _ in products}
    for index in sorted(area.derived):
        if any(source in turning for source in graph[index].inputs):
            turning.add(index)
    _work_out(graph, found, area, turning, products)
    return found


def _work_out(
    graph: Operations, found: Rotation, area: Region, turning: set[int], products: list[tuple[Op, Op, Op]]
) -> None:
    """Pairs, speeds and factor from the numbers that single channels are multiplied with at position 1."""
    from specdiff.detect.places import NotKnown  # noqa: PLC0415 - numpy only where something rotates
    from specdiff.detect.points import Points  # noqa: PLC0415

    points = Points(graph, lengths(graph, LENGTH))
    try:
        pairs = _pairs(points, area, turning, 1)
    except NotKnown as stop:
        try:
            counted = _counted(graph, products[0][2], _length(area.end))
            if not counted:
                raise
            points = Points(graph, lengths(graph, LENGTH), dict.fromkeys(counted, _position))
            pairs = _pairs(points, area, turning, 1)
        except NotKnown:
            found.why = stop.reason
            return
    if not pairs:
        found.why = "no two channels are turned together at position 1"
        return
    import numpy  # noqa: PLC0415

    try:
        _from_origin(pairs, [] if _still(points, products) else _pairs(points, area, turning, 0))
    except NotKnown as stop:
        found.why = stop.reason
        return
    if any(pair.angle is None for pair in pairs):
        found.why = "other channels are turned at position 0 than at position 1"
        return
    if _other_axes(points, area, turning, products, pairs):
        found.why = "other channels turn further along the sequence: positions have several axes"
        return
    width = int(area.end.shape[-1]) if area.end.shape and is_number(area.end.shape[-1]) else 0
    distances = {pair.distance for pair in pairs}
    turned = [pair for pair in pairs if pair.angle]
    found.dims = 2 * len(pairs)
    first = next((op for op in (graph[i] for i in sorted(area.derived)) if op.id >= products[0][1].id), products[0][0])
    if len(distances) == 1:
        distance = distances.pop()
        if distance == 1:
            found.style, found.style_at = "interleaved", first
        elif distance in (len(pairs), width // 2) or 2 * distance == width:
            found.style, found.style_at = "half", first
    found.frequencies = numpy.array([pair.angle for pair in turned])
    if _wider(products, pairs) and not numpy.isclose(found.frequencies.max(initial=0.0), 1.0):
        found.dims = None  # the fastest pair turns with another axis, so do others
    if found.frequencies_at is None:
        found.frequencies_at = products[0][2]
    lengths_ = [pair.length for pair in pairs]
    found.factor = float(lengths_[0]) if numpy.allclose(lengths_, lengths_[0], rtol=1e-6) else None
    found.sections = _sections(graph, area, turning, products)


def _unmoving(graph: Operations, area: Region, products: list[tuple[Op, Op, Op]]) -> bool:
    """Whether cosines and sines are the same at all positions of a sequence whose length the input decides."""
    from specdiff.detect.places import NotKnown, Outside  # noqa: PLC0415 - numpy only where something rotates
    from specdiff.detect.points import Points  # noqa: PLC0415

    angles = [graph[index] for index in dict.fromkeys(angle.id for _, _, angle in products)]
    try:
        near = Points(graph, lengths(graph, LENGTH))
        counted = [size for size in area.end.shape or () if isinstance(size, Dim) and near.size(size) == LENGTH]
        if not counted or not all(_alike(near, angle) for angle in angles):
            return False
    except NotKnown:
        return False
    for length in FAR:
        try:
            far = Points(graph, lengths(graph, length))
            return all(_alike(far, angle) for angle in angles)
        except Outside:
            continue
        except NotKnown:
            return False
    return True


def _alike(points: Any, angle: Op) -> bool:
    """Whether a factor on channels (the last dimension) is the same wherever it stands along the other dimensions."""
    import numpy  # noqa: PLC0415

    shape = points.shape(angle)
    if not shape:
        return True
    channels = numpy.arange(shape[-1])
    origin: Index = (*[numpy.zeros(shape[-1], dtype=int)] * (len(shape) - 1), channels)
    first = numpy.asarray(points.value(angle, origin))
    for d, size in enumerate(shape[:-1]):
        for place in sorted({1, 2, size // 2, size - 1} & set(range(1, size))):
            index = tuple(numpy.full(shape[-1], place) if e == d else item for e, item in enumerate(origin))
            if not numpy.array_equal(numpy.asarray(points.value(angle, index)), first):
                return False
    return True


def _from_origin(pairs: list[_Pair], origin: list[_Pair]) -> None:
    """Take away what is turned at the first place already: some models count their positions from 1 or 2."""
    import cmath  # noqa: PLC0415

    if origin and len(origin) != len(pairs):
        return
    for number, pair in enumerate(pairs):
        pair.angle = abs(cmath.phase(pair.turn / (origin[number].turn if origin else 1.0)))


def _other_axes(
    points: Any, area: Region, turning: set[int], products: list[tuple[Op, Op, Op]], pairs: list[_Pair]
) -> bool:
    """Whether channels that stand still at position 1 turn far along: a picture's rows, say, beside its columns.

    Channels that turn nowhere have a frequency of zero.
    """
    from specdiff.detect.places import NotKnown  # noqa: PLC0415

    if not _wider(products, pairs):
        return False
    try:
        return len(_pairs(points, area, turning, LENGTH - 1)) > len(pairs)
    except NotKnown:
        return True


def _wider(products: list[tuple[Op, Op, Op]], pairs: list[_Pair]) -> bool:
    """Whether more channels are multiplied with cosines than turn."""
    product = products[0][0]
    width = product.shape[-1] if product.shape else None
    channels = 1 if product.dtype.startswith("complex") else 2
    return bool(is_number(width) and width > channels * len(pairs))


def _still(points: Any, products: list[tuple[Op, Op, Op]]) -> bool:
    """Whether a sine is nothing in every channel at position 0: positions count from 0, and nothing is turned there."""
    import numpy  # noqa: PLC0415

    from specdiff.detect.places import NotKnown  # noqa: PLC0415

    for angle in dict.fromkeys(angle.id for _, _, angle in products[:4]):
        op = points.graph[angle]
        shape = points.shape(op)
        index: Index = tuple(
            numpy.arange(size) if d == len(shape) - 1 else numpy.zeros(shape[-1], dtype=int)
            for d, size in enumerate(shape)
        )
        try:
            value = numpy.asarray(points.value(op, index))
        except NotKnown:
            continue
        if not numpy.any(value.imag if numpy.iscomplexobj(value) else value):
            return True
    return False


def _counted(graph: Operations, angle: Op, length: object) -> list[int]:
    """Positions that the code works out from its input: for one ordinary sequence they count up from 0.

    Args:
        graph: The operations.
        angle: A cosine or sine.
        length: Positions of what is rotated, where an example picture gives it a number.
    """
    found = []
    for index in sorted(graph.ancestors([angle.id])):
        op = graph[index]
        if not op.dtype.startswith("int") or not op.shape:
            continue
        if not any(isinstance(size, Dim) for size in op.shape) and op.shape[-1] != length:
            continue
        if any(graph[reader].dtype.startswith(("float", "complex")) for reader in _readers(graph, op)):
            if graph.from_inputs[index]:
                found.append(index)
    return found


def _readers(graph: Operations, op: Op) -> Iterator[int]:
    """What reads a value, also where it only stands in another shape."""
    for reader in graph.consumers[op.id]:
        yield reader
        if graph[reader].kind in ("slice", "unsqueeze", "expand") and graph[reader].dtype == op.dtype:
            yield from graph.consumers[reader]


def _length(op: Op) -> object:
    """The last size but one of a value."""
    return op.shape[-2] if op.shape and len(op.shape) > 1 else None


def _position(index: Index) -> Any:
    import numpy  # noqa: PLC0415

    return numpy.asarray(index[-1])


@dataclass(slots=True)
class _Pair:
    first: int
    distance: int
    turn: complex
    """Cosine and sine, of any length."""
    length: float
    angle: float | None = None
    """From one position to the next, in radians; None until it is worked out."""


def _pairs(points: Any, area: Region, turning: set[int], position: int) -> list[_Pair]:
    """The channels that are turned together, in order of the first of each two."""
    from specdiff.detect.places import NotKnown  # noqa: PLC0415

    graph: Operations = points.graph
    target = area.end
    for _ in range(MOST_STEPS):
        rows, after = _rows(points, target, area, turning, position)
        if not after:
            break
        # Something else happens behind the rotation (a norm, a scale by position): look before it.
        last = graph[max(after)]
        inputs = [item for item in graph.inputs(last) if item.id in turning]
        if not inputs:
            raise NotKnown(last, f"{last.kind} inside the rotation is not followed")
        target = min(inputs, key=lambda item: (-_rank(item), item.id))
    else:
        raise NotKnown(target, "what happens behind the rotation is not followed")
    together: dict[tuple[int, int], list[tuple[complex, complex]]] = {}
    for row in rows:
        elements = [key for key, factor in row.items() if abs(factor) > 0]
        if len(elements) == 2:
            a, b = sorted(elements)
            together.setdefault((a, b), []).append((row[a], row[b]))
    import math  # noqa: PLC0415

    pairs = []
    for (a, b), found in sorted(together.items()):
        if len(found) != 2:
            continue
        (x1, y1), (x2, y2) = ((float(x.real), float(y.real)) for x, y in found)
        if math.isclose(x1, y2, rel_tol=1e-6, abs_tol=1e-12) and math.isclose(x2, -y1, rel_tol=1e-6, abs_tol=1e-12):
            cosine, sine = x1, x2
        elif math.isclose(x2, y1, rel_tol=1e-6, abs_tol=1e-12) and math.isclose(x1, -y2, rel_tol=1e-6, abs_tol=1e-12):
            cosine, sine = x2, x1
        else:
            continue
        pairs.append(_Pair(a, b - a, complex(cosine, sine), math.hypot(cosine, sine)))
    return pairs


def _rank(op: Op) -> int:
    return sum(not (is_number(size) and size == 1) for size in op.shape or ())


def _rows(
    points: Any, target: Op, area: Region, turning: set[int], position: int
) -> tuple[list[dict[int, complex]], set[int]]:
    """For each channel of a value at one position: the elements it is made of, with their factors.

    Second, the operations behind the rotation that are no rotation themselves; where there are some, the first is empty.
    """
    import numpy  # noqa: PLC0415

    from specdiff.detect.combinations import linear  # noqa: PLC0415
    from specdiff.detect.places import STRUCTURAL, NotKnown  # noqa: PLC0415

    shape = points.shape(target)
    if len(shape) < 2 or target.shape is None:
        raise NotKnown(target, "the rotated value has no channels")
    width = shape[-1]
    if width > 4_096:
        raise NotKnown(target, "the rotated value has too many channels")
    where = _sequence(target.shape, shape)
    index: Index = tuple(
        numpy.arange(width)
        if d == len(shape) - 1
        else numpy.full(width, min(position, shape[d] - 1) if d == where else 0)
        for d in range(len(shape))
    )

    def inside(op: Op) -> bool:
        if op.id not in area.derived or is_projection(points.graph, op):
            return False
        return op.kind in STRUCTURAL or op.kind == "setitem" or (op.id in turning and op.kind in _TURNING)

    rows: list[dict[int, complex]] = [{} for _ in range(width)]
    terms: list[Term] = linear(points, target, index, inside)
    after = {term.leaf for term in terms} & turning
    if after:
        return [], after
    for term in terms:
        sizes = points.shape(points.graph[term.leaf])
        flat = numpy.zeros(width, dtype=int)
        for item, size in zip(term.index, sizes, strict=True):
            flat = flat * size + numpy.asarray(item)
        factor = numpy.broadcast_to(numpy.asarray(term.factor), (width,))
        base = term.leaf << 40
        for channel in range(width):
            if factor[channel] != 0:
                key = base + int(flat[channel])
                rows[channel][key] = rows[channel].get(key, 0) + factor[channel]
    return rows, set()


def _sequence(shape: tuple[Any, ...], sizes: tuple[int, ...]) -> int:
    """The dimension of positions: one of a size that the input decides (not the batch), else the last but one."""
    open_ = [
        d
        for d, size in enumerate(shape[:-1])
        if isinstance(size, Dim) and any(symbol != "batch" for monomial, _ in size.terms for symbol in monomial)
    ]
    return open_[-1] if open_ else len(sizes) - 2


def _several_axes(graph: Operations, op: Op) -> bool:
    """Whether a value holds positions of two to four axes, its inputs do not yet."""
    shape = op.shape
    if not shape or len(shape) < 3 or not is_number(shape[0]) or not 2 <= shape[0] <= 4:
        return False
    if not any(isinstance(size, Dim) for size in shape[1:]):
        return False
    return not any((graph[source].shape or ())[:1] == shape[:1] for source in op.inputs)


def _sections(graph: Operations, area: Region, turning: set[int], products: list[tuple[Op, Op, Op]]) -> tuple[int, ...]:
    """How many pairs turn with each axis of a position that has several."""
    from specdiff.detect.places import NotKnown  # noqa: PLC0415
    from specdiff.detect.points import Points  # noqa: PLC0415

    behind = graph.ancestors([products[0][2].id])
    axes = [op for op in (graph[index] for index in sorted(behind)) if _several_axes(graph, op)]
    if not axes:  # an example picture gives the positions a number
        counted = (graph[index] for index in _counted(graph, products[0][2], _length(area.end)))
        axes = [op for op in counted if len(op.shape or ()) > 2 and (op.shape or (0,))[0] in (2, 3, 4)][-1:]
    if not axes:
        return ()
    start = axes[0]
    assert start.shape is not None
    counts: list[int] = []
    total = 0
    for axis in range(int(start.shape[0])):

        def moved(index: Index, axis: int = axis) -> Any:
            import numpy  # noqa: PLC0415

            return (numpy.asarray(index[0]) == axis).astype(int) * numpy.ones(numpy.shape(index[-1]), dtype=int)

        points = Points(graph, lengths(graph, LENGTH), {start.id: moved})
        try:
            pairs = _pairs(points, area, turning, 1)
        except NotKnown:
            return ()
        _from_origin(pairs, [])
        counts.append(sum(1 for pair in pairs if pair.angle is not None and pair.angle > 0))
        total = max(total, len(pairs))
    turned = tuple(count for count in counts if count)  # one axis may be the text's own, which turns nothing
    return turned if len(turned) > 1 else ()


def trigonometric(graph: Operations, op: Op, limit: int = 60) -> Op | None:
    """The cosine, sine or complex exponential that a factor comes from, with nothing learned on the way."""
    seen: set[int] = set()
    stack = [op.id]
    found: Op | None = None
    while stack and len(seen) < limit:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        item = graph[index]
        if item.kind in ("cos", "sin", "polar"):
            found = item
            continue
        if item.dtype.startswith("complex") and item.kind in ("constant", "buffer"):
            found = item
            continue
        if item.kind in ("linear", "conv", "softmax"):
            return None
        if (
            item.kind in ("buffer", "constant")
            and item.shape
            and len(item.shape) >= 2
            and graph.array(item) is not None
        ):
            table = graph.array(item)
            if _is_table(table):
                found = item
                continue
        if item.kind == "embedding" and _reads_positions(graph, item):
            return item
        if item.kind == "parameter":
            return None
        stack.extend(item.inputs)
    return found


def _is_table(table: Any) -> bool:
    """Whether an array holds cosines and sines of growing angles: bounded by 1, its first row 1 or 0."""
    import numpy  # noqa: PLC0415 - only where a table is looked at

    if table.ndim < 2 or numpy.iscomplexobj(table):
        return bool(numpy.iscomplexobj(table))
    flat = table.reshape(-1, table.shape[-1])
    return bool(
        flat.shape[0] > 2 and numpy.abs(flat).max() <= 1.0001 and numpy.isin(numpy.round(flat[0], 6), (0.0, 1.0)).all()
    )


def _reads_positions(graph: Operations, op: Op) -> bool:
    """Whether a table that training leaves alone is read by position: it may hold cosines and sines."""
    from specdiff.detect.entering import at_positions, counts_up  # noqa: PLC0415 - it reads rotations' neighbours

    table = graph.source(graph[op.inputs[1]]) if len(op.inputs) > 1 else op
    if table.attrs.get("trained", True) is not False:
        return False
    at = at_positions(graph, graph[op.inputs[0]])
    return at is not None and counts_up(at)


def _speed_at(graph: Operations, found: Rotation, angle: Op) -> None:
    """The operation that a reader would look at for the frequencies."""
    op = angle
    for _ in range(40):
        if op.kind in ("cos", "sin", "polar") or not op.inputs:
            break
        op = max(graph.inputs(op), key=lambda item: (trigonometric(graph, item) is not None, -item.id))
    behind = graph.ancestors([op.id], lambda item: item.kind not in ("input",))
    for index in sorted(behind):
        item = graph[index]
        array = graph.array(item) if item.kind in ("buffer", "constant") else None
        if array is not None and getattr(array, "size", 0) >= 2 and array.dtype.kind == "f" and _falling(array):
            found.frequencies_at = item
            return
    found.frequencies_at = op if op.kind in ("cos", "sin", "polar") else None


def _falling(array: Any) -> bool:
    import numpy  # noqa: PLC0415

    values = numpy.asarray(array, dtype=float).reshape(-1)
    return bool(len(values) > 1 and values[0] > 0 and numpy.all(numpy.diff(values[: len(values) // 2]) <= 0))
