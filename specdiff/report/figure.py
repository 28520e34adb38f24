"""Where everything of an architecture drawing stands: boxes, lines and words with positions in points, y upwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from specdiff.graph.architecture import Alternative, Architecture, Block, Column, Sublayer
from specdiff.graph.boxes import Box, Kind
from specdiff.report import wording
from specdiff.report.palette import MARKS

TITLE_SIZE, LINE_SIZE, COUNT_SIZE = 12.0, 10.0, 22.0
"""Font sizes in points."""
_TITLE_STEP, LINE_STEP = 15.0, 12.5
_GAP = 18.0
"""Between one box and the next along the stream, room for an arrow."""
_INNER_GAP = 14.0
_SIDE_GAP = 9.0
"""Between boxes side by side."""
_PAD = 11.0
"""Inside a container, left and right."""
_FRAME_PAD = 30.0
"""Inside a block's frame, left and right; the left one carries the residual paths."""
_NARROWEST = 232.0
"""Width of the boxes on the stream, so that a column looks like one."""
_ADD = 15.0
"""Diameter of an addition."""
_COLUMN_GAP = 74.0
_STACKED = 3
"""Sheets drawn for a stack of experts."""
_SHEET = 4.0

Point = tuple[float, float]


class Shape(NamedTuple):
    """A rectangle (or a circle, for additions) with its words; `x` and `y` are its centre."""

    id: str
    style: str
    """A box kind, or `frame`, `add`, `sheet`."""
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
    """`flow`, `residual`, `assumed` or `route`."""


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
    """A finished layout. Filled by `lay_out` alone."""

    shapes: list[Shape] = field(default_factory=list)
    """In drawing order: what lies behind comes first."""
    lines: list[Line] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)


def lay_out(drawing: Architecture) -> Figure:
    """Positions for a whole drawing; columns stand side by side, the main one at the right."""
    figure = Figure()
    left = 0.0
    ends: list[_Placed] = []
    for column in drawing.columns:
        width = max(_column_width(column), _NARROWEST)
        placed = _column(figure, column, left + width / 2, width)
        ends.append(placed)
        left += width + _COLUMN_GAP + max((_note_width(stage) for stage in column.stages), default=0.0)
    if drawing.legend:
        figure.words.append(Words(0.0, -48.0, drawing.legend))
    for lane, link in enumerate(drawing.links):
        source, target = ends[link.source], ends[link.target]
        x = target.left - 22 - 9 * lane
        y = source.top
        turn = y + 16
        if link.to_block and target.cross:
            for end in target.cross:
                figure.lines.append(Line(((source.x, y), (source.x, turn), (x, turn), (x, end[1]), end), style="route"))
        else:
            end = (target.x, target.entry)
            figure.lines.append(Line(((source.x, y), (source.x, turn), (x, turn), (x, end[1]), end), style="route"))
    return figure


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


class _Placed(NamedTuple):
    x: float
    left: float
    top: float
    entry: float
    """Where something from another column joins the stream, below the first block."""
    cross: tuple[Point, ...]
    """Left edges of boxes that read another column."""


def _words_height(box: Box) -> float:
    return _TITLE_STEP + LINE_STEP * len(box.lines) + 9.0


def _leaf_width(box: Box) -> float:
    widths = [text_width(box.title, TITLE_SIZE if box.inside or box.kind is not Kind.PART else 11, bold=True)]
    widths += [text_width(line, LINE_SIZE) for line in box.lines]
    return max(widths) + 16


def _size(box: Box) -> tuple[float, float]:
    """Width and height that a box needs."""
    if not box.inside:
        height = 24.0 if box.kind is Kind.NORM and not box.lines else _words_height(box)
        return _leaf_width(box), height
    width = max(_leaf_width(box), *(_row_width(row) + 2 * _PAD for row in box.inside))
    height = _words_height(box) + sum(_row_height(row) for row in box.inside) + _INNER_GAP * len(box.inside) + 4
    return max(width, _NARROWEST), height


def _norm(figure: Figure, box: Box, x: float, bottom: float) -> float:
    """A norm on the stream, as wide as everything there; gives its top edge."""
    width, height = _size(box)
    return _box(figure, box, x, bottom, max(width, _NARROWEST), height)


def _row_width(row: Sequence[Box]) -> float:
    widest = max(_size(box)[0] for box in row)
    even = widest * len(row) + _SIDE_GAP * (len(row) - 1)
    return even + (12 if any(box.kind is Kind.EXPERTS for box in row) else 0)


def _row_height(row: Sequence[Box]) -> float:
    return max(_size(box)[1] for box in row) + (
        (_STACKED - 1) * _SHEET if any(box.kind is Kind.EXPERTS for box in row) else 0
    )


def _slot_width(slot: Sequence[Alternative]) -> float:
    return sum(_size(each.box)[0] for each in slot) + _SIDE_GAP * 2 * (len(slot) - 1)


def _block_width(block: Block) -> float:
    widths = [_slot_width((*sublayer.core, *sublayer.beside)) for sublayer in block.sublayers]
    return max(*widths, _NARROWEST) + 2 * _FRAME_PAD


def _column_width(column: Column) -> float:
    return max(
        (_block_width(stage) if isinstance(stage, Block) else _size(stage)[0] for stage in column.stages),
        default=_NARROWEST,
    )


def _note(block: Block) -> tuple[str, ...]:
    """What stands beside the frame, under the count."""
    lines = []
    if block.pattern:
        text = wording.pattern(block.pattern)
        lines += text.split(", ") if "[" not in text and len(text) > 26 else [text]
    else:
        lines.append("layers" if block.count > 1 else "layer")
    if block.standing is not None:
        lines[0] = f"{MARKS.get(str(block.standing), '')} {lines[0]}".strip()
    if block.assumed:
        lines.append("wiring assumed")
    return tuple(lines)


def _note_width(stage: Box | Block) -> float:
    if isinstance(stage, Box):
        return 0.0
    return max(text_width(line, LINE_SIZE) for line in (*_note(stage), "00000000"))


def _column(figure: Figure, column: Column, x: float, width: float) -> _Placed:
    y = 0.0
    if column.title:
        figure.words.append(Words(x, y - 22, column.title, TITLE_SIZE, bold=True, align=1))
    figure.words.append(Words(x, y, column.source, TITLE_SIZE - 1, align=1))
    y += 9
    entry = y
    seen_block = False
    cross: list[Point] = []
    embedded = False
    for stage in column.stages:
        joined = embedded and isinstance(stage, Box) and stage.kind is Kind.EMBEDDING
        bottom = y + (_GAP if not joined else 4)
        if not joined:
            figure.lines.append(Line(((x, y), (x, bottom))))
        if isinstance(stage, Block):
            if not seen_block:
                entry = y + 4
                seen_block = True
            y, found = _block(figure, stage, x, bottom, width)
            cross += found
        else:
            need, height = _size(stage)
            y = _box(figure, stage, x, bottom, max(need, _NARROWEST), height)
            embedded = stage.kind is Kind.EMBEDDING
    if column.result:
        figure.lines.append(Line(((x, y), (x, y + _GAP))))
        figure.words.append(Words(x, y + _GAP + 9, column.result, TITLE_SIZE - 1, align=1))
    return _Placed(x, x - width / 2, y, entry, tuple(cross))


def _block(figure: Figure, block: Block, x: float, bottom: float, width: float) -> tuple[float, list[Point]]:
    """Draws a block from its bottom edge; gives its top edge and what reads another column."""
    frame_at = len(figure.shapes)
    frame_width = _block_width(block)
    y = bottom
    flow = "assumed" if block.assumed else "flow"
    figure.lines.append(Line(((x, y), (x, y + 8)), arrow=False, style=flow))
    y += 8
    cross: list[Point] = []
    for sublayer in block.sublayers:
        y, found = _sublayer(figure, sublayer, x, y, frame_width, block)
        cross += found
    figure.lines.append(Line(((x, y), (x, y + 10)), arrow=False, style=flow))
    top = y + 10
    status = str(block.standing or "")
    frame = Shape(block.id, "frame", x, (bottom + top) / 2, frame_width, top - bottom, status=status)
    figure.shapes.insert(frame_at, frame)
    right = x + frame_width / 2 + 10
    middle = (bottom + top) / 2
    figure.words.append(Words(right, middle + 12, f"{block.count} ×", COUNT_SIZE, bold=True))
    for index, line in enumerate(_note(block)):
        figure.words.append(Words(right, middle - 8 - index * LINE_STEP, line))
    return top, cross


def _sublayer(
    figure: Figure, sublayer: Sublayer, x: float, y: float, frame_width: float, block: Block
) -> tuple[float, list[Point]]:
    flow = "assumed" if block.assumed else "flow"
    tap = y + 3
    cross: list[Point] = []
    if sublayer.before is not None:
        figure.lines.append(Line(((x, y), (x, y + _GAP)), style=flow))
        y = _norm(figure, sublayer.before, x, y + _GAP)
    slot = (*sublayer.core, *sublayer.beside)
    total = _slot_width(slot)
    tallest = max(_size(each.box)[1] for each in slot)
    labelled = any(each.layers for each in slot) and len(slot) > 1
    start = y + _GAP + (6 if len(slot) > 1 else 0)
    left = x - total / 2
    end = start + tallest + (14 if labelled else 0)
    for each in slot:
        need, height = _size(each.box)
        if len(slot) == 1:
            need, left = max(need, _NARROWEST), x - max(need, _NARROWEST) / 2
        centre = left + need / 2
        bottom = start + (tallest - height) / 2
        if len(slot) == 1:
            figure.lines.append(Line(((x, y), (x, bottom)), style=flow))
        else:
            figure.lines.append(Line(((x, y), (x, y + 9), (centre, y + 9), (centre, bottom)), style=flow))
        edge = _box(figure, each.box, centre, bottom, need, height)
        if each.box.kind is Kind.CROSS:
            cross.append((centre - need / 2, bottom + height / 2))
        if labelled:
            text = "layers " + wording.value(each.layers) if each.layers else "all layers"
            figure.words.append(Words(centre + 5, edge + 8, _layers(each.layers, block.count) or text))
        if len(slot) > 1:
            figure.lines.append(Line(((centre, edge), (centre, end + 6), (x, end + 6)), arrow=False, style=flow))
        left += need + 2 * _SIDE_GAP
    y = end + (6 if len(slot) > 1 else 0)
    if sublayer.after is not None:
        figure.lines.append(Line(((x, y), (x, y + _GAP)), style=flow))
        y = _norm(figure, sublayer.after, x, y + _GAP)
    centre_y = y + _GAP + _ADD / 2
    figure.lines.append(Line(((x, y), (x, y + _GAP)), style=flow))
    lane = x - frame_width / 2 + 13
    figure.shapes.append(Shape(f"{slot[0].box.id}.add", "add", x, centre_y, _ADD, _ADD))
    around = ((x, tap), (lane, tap), (lane, centre_y), (x - _ADD / 2, centre_y))
    figure.lines.append(Line(around, style="assumed" if block.assumed else "residual"))
    y = centre_y + _ADD / 2
    if sublayer.post is not None:
        figure.lines.append(Line(((x, y), (x, y + _GAP)), style=flow))
        y = _norm(figure, sublayer.post, x, y + _GAP)
    return y + 0, cross


def _layers(layers: tuple[int, ...], count: int) -> str:
    """Which layers an alternative stands in, short."""
    if not layers:
        return ""
    run = layers[-1] - layers[0] + 1 == len(layers)
    if run:
        return f"layers {layers[0]}–{layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
    return f"{len(layers)} of {count} layers"


def _box(figure: Figure, box: Box, x: float, bottom: float, width: float, height: float) -> float:
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
        row_height = max(_size(each)[1] for each in row)
        stacked = any(each.kind is Kind.EXPERTS for each in row)
        room = width - 2 * _PAD - _SIDE_GAP * (len(row) - 1) - (_SHEET * 2 + 4 if stacked else 0)
        each_width = room / len(row)
        left = x - width / 2 + _PAD
        placed: list[tuple[Box, float, float]] = []
        for each in row:
            centre = left + each_width / 2
            if number == 0:
                low = bottom if len(row) == 1 else bottom + 6
                points = ((x, bottom), (x, low), (centre, low), (centre, y))
                figure.lines.append(Line(points if centre != x else ((x, bottom), (x, y))))
            _box(figure, each, centre, y, each_width, row_height)
            placed.append((each, centre, y + row_height))
            left += each_width + _SIDE_GAP + (_SHEET * 2 + 4 if each.kind is Kind.EXPERTS else 0)
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
