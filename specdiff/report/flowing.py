"""Lays out how a layer's parts are connected: chains upwards, ways beside each other, residual paths at the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from specdiff.graph.boxes import Box, Kind
from specdiff.graph.flow import Alternative, Flow, Fork, Place, Tangle
from specdiff.report.figure import (
    GAP,
    LINE_SIZE,
    NARROWEST,
    SIDE_GAP,
    Figure,
    Line,
    Point,
    Shape,
    Words,
    box_size,
    draw_box,
    text_width,
)  # fmt: skip

_JOIN = 15.0
"""Diameter of an addition."""
_LANE = 22.0
"""Beside a chain, for a path past it; as much on the other side, so that the chain keeps its middle."""
_LANE_AT = 13.0
_STEP = 12.0
"""Between lanes of parts that are connected in no order."""
_SPREAD = 9.0
"""Between a value and where its ways part."""
_LABEL = 14.0
_CIRCLES = ("+", "×", "−")
_READ = 16.0
"""Length of an arrow from a value that comes from outside."""


def width_of(flow: Flow, wide: bool = True) -> float:
    """Width that a flow needs.

    Args:
        flow: The connections.
        wide: Whether its boxes are as wide as all on the stream.
    """
    return max((_width(each, wide) for each in flow), default=0.0)


def _width(each: Place | Fork | Tangle, wide: bool) -> float:
    match each:
        case Place():
            slot = _told(each)
            need = sum(_need(item, len(slot))[0] for item in slot) + SIDE_GAP * 2 * (len(slot) - 1)
            return max(need, NARROWEST if wide else 0.0)
        case Fork():
            ways = [way for way in each.ways if way]
            need = sum(width_of(way, wide and len(ways) == 1) for way in ways) + SIDE_GAP * 2 * max(0, len(ways) - 1)
            beside = 2 * (max(_read_width(word) for word in each.reads) + _JOIN / 2) if each.reads else 0.0
            return max(need + (2 * _LANE if each.past else 0.0), beside, 2 * _LANE)
        case Tangle():
            return width_of(each.items, wide) + 2 * (_LANE + _STEP * len(_apart(each)))


def _told(place: Place) -> tuple[Alternative, ...]:
    """The boxes of a place; what they read beside the stream is a line of theirs."""
    more = tuple(f"+ {read.words}" + (f" ({layers_of(read.layers)})" if read.layers else "") for read in place.reads)
    return tuple(replace(item, box=replace(item.box, lines=(*item.box.lines, *more))) for item in place.alternatives)


def _need(item: Alternative, among: int) -> tuple[float, float]:
    """Width and height of a box with the label over it."""
    width, height = box_size(item.box)
    if among > 1 and item.layers:
        width = max(width, text_width(layers_of(item.layers), LINE_SIZE) + 12)
    return width, height


def _read_width(word: str) -> float:
    return text_width(word, LINE_SIZE) + _READ + 6


def _apart(tangle: Tangle) -> list[tuple[int, int]]:
    """Edges that do not lead to the next item."""
    return [(start, stop) for start, stop in tangle.edges if stop != start + 1]


def layers_of(layers: tuple[int, ...]) -> str:
    """Which layers something stands in, short."""
    if layers[-1] - layers[0] + 1 == len(layers):
        return f"layers {layers[0]}–{layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
    if len(layers) <= 3:
        return f"layers {', '.join(str(layer) for layer in layers)}"
    return f"{len(layers)} layers"


class Flowing:
    """Draws flows into a figure. Owned by one block's layout."""

    def __init__(self, figure: Figure, name: str, known: bool = True) -> None:
        self._figure = figure
        self._name = name
        self._known = known
        self._joins = 0
        self.cross: list[Point] = []
        """Left edges of boxes that read another column."""

    def place(self, flow: Flow, x: float, y: float, width: float, wide: bool) -> float:
        """Draws a flow upwards.

        Args:
            flow: The connections.
            x: Its middle.
            y: Where the value comes in.
            width: The room it has; paths past its parts keep to the edge of it.
            wide: Whether its boxes are as wide as all on the stream.

        Returns:
            Where the value goes out.
        """
        pending: list[Point] = []
        for index, each in enumerate(flow):
            match each:
                case Place():
                    y = self._slot(each, x, y, width if not wide else 0.0, wide, pending)
                    pending = []
                case Fork():
                    follows = index + 1 < len(flow) and isinstance(flow[index + 1], Place)
                    y, pending = self._fork(each, x, y, width, wide, follows)
                case Tangle():
                    y = self._tangle(each, x, y, width, wide)
        return y

    def _line(self, *points: Point, arrow: bool = True, style: str = "flow") -> None:
        if self._known:
            self._figure.lines.append(Line(points, arrow=arrow, style=style))

    def _slot(self, each: Place, x: float, y: float, width: float, wide: bool, pending: Sequence[Point]) -> float:
        """A box, or boxes beside each other, of which each layer has one."""
        slot = _told(each)
        if len(slot) == 1:
            need, height = box_size(slot[0].box)
            need = max(need, NARROWEST if wide else 0.0)
            if not wide and slot[0].box.kind is Kind.NORM:
                need = max(need, min(width - 2 * _LANE, NARROWEST) if width else 0.0)
            self._line((x, y), (x, y + GAP))
            return self._box(slot[0].box, x, y + GAP, need, height, pending)
        tallest = max(_need(item, len(slot))[1] for item in slot)
        total = sum(_need(item, len(slot))[0] for item in slot) + SIDE_GAP * 2 * (len(slot) - 1)
        start, left = y + GAP + 6, x - total / 2
        end = start + tallest + _LABEL
        for item in slot:
            need, height = _need(item, len(slot))
            centre, bottom = left + need / 2, start + (tallest - height) / 2
            self._line((x, y), (x, y + _SPREAD), (centre, y + _SPREAD), (centre, bottom))
            edge = self._box(item.box, centre, bottom, need, height)
            words = layers_of(item.layers) if item.layers else "all layers"
            self._figure.words.append(Words(centre + 5, edge + 8, words))
            self._line((centre, edge), (centre, end + 6), (x, end + 6), arrow=False)
            left += need + 2 * SIDE_GAP
        return end + 6

    def _box(
        self, box: Box, x: float, bottom: float, width: float, height: float, pending: Sequence[Point] = ()
    ) -> float:
        edge = draw_box(self._figure, box, x, bottom, width, height)
        if box.kind is Kind.CROSS:
            self.cross.append((x - width / 2, bottom + height / 2))
        if pending:
            middle = bottom + height / 2
            self._line(*pending, (pending[-1][0], middle), (x - width / 2, middle), style="residual")
        return edge

    def _fork(
        self, each: Fork, x: float, y: float, width: float, wide: bool, follows: bool
    ) -> tuple[float, list[Point]]:
        """Ways beside each other and where they meet; gives the rest of a path that ends in the next box."""
        ways = [way for way in each.ways if way]
        tap, lane = y + 3, x - width / 2 + _LANE_AT
        past = each.past
        room = width - (2 * _LANE if past else 0.0)
        if len(ways) == 1:
            y = self.place(ways[0], x, y, room, wide)
        elif ways:
            y = self._ways(ways, x, y)
        if not each.join:
            if past and follows:
                return y, [(x, tap), (lane, tap)]
            if past:
                self._line((x, tap), (lane, tap), (lane, y + 6), (x, y + 6), arrow=False, style="residual")
                self._line((x, y), (x, y + 6), arrow=False)
                y += 6
            return y, []
        centre = y + GAP + _JOIN / 2
        self._line((x, y), (x, y + GAP))
        half = self._join(each.join, x, centre)
        if past:
            self._line((x, tap), (lane, tap), (lane, centre), (x - half, centre), style="residual")
        for index, word in enumerate(each.reads):
            level = centre + LINE_SIZE * 1.2 * (index - (len(each.reads) - 1) / 2)
            self._figure.words.append(Words(x + half + _READ + 4, level, word))
        if each.reads:
            self._line((x + half + _READ, centre), (x + half, centre), style="route")
        return centre + _JOIN / 2, []

    def _join(self, operation: str, x: float, y: float) -> float:
        """The operation that brings ways together; gives half its width."""
        self._joins += 1
        name = f"{self._name}.join{self._joins}"
        if operation in _CIRCLES:
            self._figure.shapes.append(Shape(name, "add", x, y, _JOIN, _JOIN, operation))
            return _JOIN / 2
        width = text_width(operation, LINE_SIZE) + 14
        self._figure.shapes.append(Shape(name, "operation", x, y, width, _JOIN + 2, operation))
        return width / 2

    def _ways(self, ways: Sequence[Flow], x: float, y: float) -> float:
        widths = [width_of(way, False) for way in ways]
        heights = [self._height(way, width) for way, width in zip(ways, widths, strict=True)]
        start, left = y + _SPREAD, x - (sum(widths) + SIDE_GAP * 2 * (len(ways) - 1)) / 2
        end = start + max(heights)
        for way, width, height in zip(ways, widths, heights, strict=True):
            centre, bottom = left + width / 2, start + (max(heights) - height) / 2
            self._line((x, y), (x, start), (centre, start), (centre, bottom), arrow=False)
            top = self.place(way, centre, bottom, width, False)
            self._line((centre, top), (centre, end + 6), (x, end + 6), arrow=False)
            left += width + 2 * SIDE_GAP
        return end + 6

    def _height(self, way: Flow, width: float) -> float:
        return Flowing(Figure(), "").place(way, 0.0, 0.0, width, False)

    def _tangle(self, each: Tangle, x: float, y: float, width: float, wide: bool) -> float:
        """Parts above each other; what does not lead to the next one goes along the left."""
        direct = {(start, stop) for start, stop in each.edges if stop == start + 1}
        apart = _apart(each)
        outs: dict[int, float] = {-1: y + 3}
        ins: dict[int, Point] = {}
        self._line((x, y), (x, y + 6), arrow=False)
        y += 6
        for index, item in enumerate(each.items):
            known, self._known = self._known, self._known and (index - 1, index) in direct
            before = len(self._figure.shapes)
            y = self.place((item,), x, y, width, wide)
            self._known = known
            drawn = self._figure.shapes[before]
            ins[index] = (drawn.x - drawn.width / 2, drawn.y)
            outs[index] = y + 3
            self._line((x, y), (x, y + 6), arrow=False)
            y += 6
        ins[len(each.items)] = (x, y)
        for lane, (start, stop) in enumerate(apart):
            at = x - width / 2 + _LANE_AT + _STEP * lane
            self._line((x, outs[start]), (at, outs[start]), (at, ins[stop][1]), ins[stop], style="residual")
        return y
