"""What a drawing is made of, with positions in points, y upwards; and how large boxes are, with what is inside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from specdiff.graph.boxes import Box, Kind

TITLE_SIZE, LINE_SIZE, COUNT_SIZE = 12.0, 10.0, 22.0
"""Font sizes in points."""
_TITLE_STEP, LINE_STEP = 15.0, 12.5
GAP = 18.0
"""Between one box and the next along the stream, room for an arrow."""
_INNER_GAP = 14.0
SIDE_GAP = 9.0
"""Between boxes side by side."""
_PAD = 11.0
"""Inside a container, left and right."""
NARROWEST = 232.0
"""Width of the boxes on the stream, so that a column looks like one."""
_STACKED = 3
"""Sheets drawn for a stack of experts."""
_SHEET = 4.0

Point = tuple[float, float]


class Shape(NamedTuple):
    """A rectangle (or a circle, for sums and products) with its words; `x` and `y` are its centre."""

    id: str
    style: str
    """A box kind, or `frame`, `add` (its title is the operation), `sheet`."""
    x: float
    y: float
    width: float
    height: float
    title: str = ""
    lines: tuple[str, ...] = ()
    status: str = ""
    box: Box | None = None


class Line(NamedTuple):
    """A polyline, with an arrow at its end unless it joins another."""

    points: tuple[Point, ...]
    arrow: bool = True
    style: str = "flow"
    """`flow`, `residual` or `route`."""


class Words(NamedTuple):
    """Text by itself; `x` is its left end (`align` 0), centre (1) or right end (2)."""

    x: float
    y: float
    text: str
    size: float = LINE_SIZE
    bold: bool = False
    align: int = 0


@dataclass
class Figure:
    """A layout. Filled by `layout.lay_out` alone."""

    shapes: list[Shape] = field(default_factory=list)
    """In drawing order: what lies behind comes first."""
    lines: list[Line] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Estimated width in points; the advance widths of Helvetica in classes, from its published metrics,
    with room for the wider fonts that stand in for it where it is missing."""
    units = 0
    for letter in text:
        if letter in "iljI.,:;|'![]()· ft":
            units += 290
        elif letter in "mwMW%@→×—":
            units += 850
        elif letter.isupper():
            units += 690
        else:
            units += 556
    return units * size / 1000 * (1.2 if bold else 1.12)


def _words_height(box: Box) -> float:
    return _TITLE_STEP + LINE_STEP * len(box.lines) + 9.0


def _leaf_width(box: Box) -> float:
    widths = [text_width(box.title, TITLE_SIZE if box.inside or box.kind is not Kind.PART else 11, bold=True)]
    widths += [text_width(line, LINE_SIZE) for line in box.lines]
    return max(widths) + 16


def box_size(box: Box) -> tuple[float, float]:
    """Width and height that a box needs."""
    if not box.inside:
        height = 24.0 if box.kind is Kind.NORM and not box.lines else _words_height(box)
        return _leaf_width(box), height
    width = max(_leaf_width(box), *(_row_width(row) + 2 * _PAD for row in box.inside))
    height = _words_height(box) + sum(_row_height(row) for row in box.inside) + _INNER_GAP * len(box.inside) + 4
    return max(width, NARROWEST), height


def draw_norm(figure: Figure, box: Box, x: float, bottom: float) -> float:
    """A norm on the stream, as wide as everything there; gives its top edge."""
    width, height = box_size(box)
    return draw_box(figure, box, x, bottom, max(width, NARROWEST), height)


def _row_width(row: Sequence[Box]) -> float:
    widest = max(box_size(box)[0] for box in row)
    even = widest * len(row) + SIDE_GAP * (len(row) - 1)
    return even + (12 if any(box.kind is Kind.EXPERTS for box in row) else 0)


def _row_height(row: Sequence[Box]) -> float:
    return max(box_size(box)[1] for box in row) + (
        (_STACKED - 1) * _SHEET if any(box.kind is Kind.EXPERTS for box in row) else 0
    )


def draw_box(figure: Figure, box: Box, x: float, bottom: float, width: float, height: float) -> float:
    """Draws a box with everything inside it; gives its top edge."""
    status = str(box.status) if box.status is not None else ""
    shape = Shape(
        box.id, str(box.kind), x, bottom + height / 2, width, height,
        "" if box.inside else box.title, () if box.inside else box.lines, status, box,
    )  # fmt: skip
    if box.kind is Kind.EXPERTS:
        for sheet in range(_STACKED - 1, 0, -1):
            shift = sheet * _SHEET
            figure.shapes.append(
                Shape(f"{box.id}.{sheet}", "sheet", x + shift, bottom + height / 2 + shift, width, height)
            )
    figure.shapes.append(shape)
    if box.inside:
        # A container's words stand at its top and leave the rest to what is inside.
        figure.words.append(Words(x, bottom + height - 13, box.title, TITLE_SIZE, bold=True, align=1))
        for index, line in enumerate(box.lines):
            figure.words.append(Words(x, bottom + height - 27 - index * LINE_STEP, line, align=1))
    y = bottom + 4
    below: list[tuple[Box, float, float]] = []
    for number, row in enumerate(box.inside):
        y += _INNER_GAP
        row_height = max(box_size(each)[1] for each in row)
        stacked = any(each.kind is Kind.EXPERTS for each in row)
        room = width - 2 * _PAD - SIDE_GAP * (len(row) - 1) - (_SHEET * 2 + 4 if stacked else 0)
        each_width = room / len(row)
        left = x - width / 2 + _PAD
        placed: list[tuple[Box, float, float]] = []
        for each in row:
            centre = left + each_width / 2
            if number == 0:
                low = bottom if len(row) == 1 else bottom + 6
                points = ((x, bottom), (x, low), (centre, low), (centre, y))
                figure.lines.append(Line(points if centre != x else ((x, bottom), (x, y))))
            draw_box(figure, each, centre, y, each_width, row_height)
            placed.append((each, centre, y + row_height))
            left += each_width + SIDE_GAP + (_SHEET * 2 + 4 if each.kind is Kind.EXPERTS else 0)
        if number:
            _joined(figure, below, placed, y)
        routers = [one for one in placed if one[0].kind is Kind.ROUTER]
        experts = [one for one in placed if one[0].kind is Kind.EXPERTS]
        if routers and experts:
            level = y + row_height / 2
            start, stop = routers[0][1] + each_width / 2, experts[0][1] - each_width / 2
            figure.lines.append(Line(((start, level), (stop, level))))
        below = placed
        y += row_height + (_SHEET * (_STACKED - 1) if stacked else 0)
    return bottom + height


def _joined(
    figure: Figure, below: list[tuple[Box, float, float]], above: list[tuple[Box, float, float]], y: float
) -> None:
    """Lines from one row to the next: one to one, or all into each."""
    feeding = [one for one in below if one[0].kind is not Kind.ROUTER]
    if any(box.feeds for box, _, _ in feeding):
        for box, x, top in feeding:
            for target in box.feeds:
                other = above[target][1]
                if other == x:
                    figure.lines.append(Line(((x, top), (x, y))))
                    continue
                side = 16.0 if other < x else -16.0
                turn = (top + y) / 2
                corners = ((x - side, turn), (other + side, turn))
                figure.lines.append(Line(((x - side, top), *corners, (other + side, y))))
    elif len(above) == 1:
        for _, x, top in feeding:
            figure.lines.append(Line(((x, top), (x, y))))
    elif len(feeding) == len(above):
        for (_, x, top), (_, other, _) in zip(feeding, above, strict=True):
            figure.lines.append(Line(((x, top), (other, y))))
    else:
        for _, x, top in feeding:
            for _, other, _ in above:
                figure.lines.append(Line(((x, top), (other, y))))
