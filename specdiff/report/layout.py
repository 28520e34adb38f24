"""Where everything of an architecture drawing stands: columns beside each other, their blocks with counts and notes."""

from __future__ import annotations

from typing import NamedTuple

from specdiff.graph.architecture import Architecture, Column
from specdiff.graph.blocks import Block, Way
from specdiff.graph.boxes import Box
from specdiff.graph.flow import Fork, Tangle
from specdiff.report import wording
from specdiff.report.figure import (
    COUNT_SIZE,
    GAP,
    LINE_SIZE,
    LINE_STEP,
    NARROWEST,
    TITLE_SIZE,
    Figure,
    Line,
    Point,
    Shape,
    Words,
    box_size,
    draw_box,
    text_width,
)  # fmt: skip
from specdiff.report.flowing import Flowing, layers_of, width_of
from specdiff.report.palette import MARKS

_FRAME_PAD = 8.0
"""Inside a block's frame, left and right, beside the room for residual paths."""
_COLUMN_GAP = 74.0
_WAY_LABEL = 18.0


def lay_out(drawing: Architecture) -> Figure:
    """Positions for a whole drawing; columns stand side by side, the main one at the right."""
    figure = Figure()
    left = 0.0
    ends: list[_Placed] = []
    fed = {link.target for link in drawing.links if not link.to_block}
    for number, column in enumerate(drawing.columns):
        width = max(_column_width(column), NARROWEST)
        placed = _column(figure, column, left + width / 2, width, number in fed)
        ends.append(placed)
        left += width + _COLUMN_GAP + max((_note_width(stage) for stage in column.stages), default=0.0)
    if drawing.legend:
        figure.words.append(Words(0.0, -48.0, drawing.legend))
    for lane, link in enumerate(drawing.links):
        source, target = ends[link.source], ends[link.target]
        x = target.left - 22 - 9 * lane
        # Over all that stands between the two.
        turn = max(each.top for each in ends[link.source : link.target]) + 16 + 8 * lane
        start = ((source.x, source.top), (source.x, turn), (x, turn))
        if link.to_block:
            for end in target.cross or (target.side,):
                figure.lines.append(Line((*start, (x, end[1]), end), style="route"))
        else:
            end = (target.x, target.entry)
            figure.lines.append(Line((*start, (x, end[1]), end), style="route"))
    return figure


class _Placed(NamedTuple):
    x: float
    left: float
    top: float
    entry: float
    """Where something from another column joins the stream, below the first block."""
    cross: tuple[Point, ...]
    """Left edges of boxes that read another column."""
    side: Point
    """The left edge of the first block."""


def _way_width(way: Way) -> float:
    return width_of(way.flow) + 2 * _FRAME_PAD + (0.0 if any(_carries(each) for each in way.flow) else 44.0)


def _carries(each: object) -> bool:
    """Whether an item of a flow brings the room for paths at its sides itself."""
    return (isinstance(each, Fork) and each.past) or isinstance(each, Tangle)


def _block_width(block: Block) -> float:
    widths = [_way_width(way) for way in block.ways]
    return widths[0] if len(widths) == 1 else sum(widths) + 12 * (len(widths) + 1)


def _column_width(column: Column) -> float:
    return max(
        (_block_width(stage) if isinstance(stage, Block) else box_size(stage)[0] for stage in column.stages),
        default=NARROWEST,
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
    if not all(way.known for way in block.ways):
        lines += ["connections", "not known"]
    left_out = dict.fromkeys(name for way in block.ways for name in way.left_out)
    if left_out:
        lines += ["not called here:", *list(left_out)[:3]]
    return tuple(lines)


def _note_width(stage: Box | Block) -> float:
    if isinstance(stage, Box):
        return 0.0
    return max(text_width(line, LINE_SIZE) for line in (*_note(stage), "00000000"))


def _column(figure: Figure, column: Column, x: float, width: float, fed: bool) -> _Placed:
    y = 0.0
    if column.title:
        figure.words.append(Words(x, y - 22, column.title, TITLE_SIZE, bold=True, align=1))
    if column.source:
        figure.words.append(Words(x, y, column.source, TITLE_SIZE - 1, align=1))
    y += 9
    entry = y
    side = (x - width / 2, y)
    seen_block = False
    cross: list[Point] = []
    for stage in column.stages:
        joined = isinstance(stage, Box) and stage.beside
        bottom = y + (GAP if not joined else 4)
        if not joined and (column.source or fed or stage is not column.stages[0]):
            figure.lines.append(Line(((x, y), (x, bottom))))
        if isinstance(stage, Block):
            if not seen_block:
                entry = y + 4
            low = bottom
            y, found = _block(figure, stage, x, bottom)
            side = side if seen_block else (x - _block_width(stage) / 2, (low + y) / 2)
            seen_block = True
            cross += found
        else:
            need, height = box_size(stage)
            y = draw_box(figure, stage, x, bottom, max(need, NARROWEST), height)
    if column.result:
        figure.lines.append(Line(((x, y), (x, y + GAP))))
        figure.words.append(Words(x, y + GAP + 9, column.result, TITLE_SIZE - 1, align=1))
    return _Placed(x, x - width / 2, y, entry, tuple(cross), side)


def _block(figure: Figure, block: Block, x: float, bottom: float) -> tuple[float, list[Point]]:
    """Draws a block from its bottom edge; gives its top edge and what reads another column."""
    frame_at = len(figure.shapes)
    width = _block_width(block)
    if len(block.ways) == 1:
        top, cross = _way(figure, block.ways[0], block.id, x, bottom, width)
    else:
        top, cross = _ways(figure, block, x, bottom, width)
    status = str(block.standing or "")
    frame = Shape(block.id, "frame", x, (bottom + top) / 2, width, top - bottom, status=status)
    figure.shapes.insert(frame_at, frame)
    right, middle = x + width / 2 + 10, (bottom + top) / 2
    figure.words.append(Words(right, middle + 12, f"{block.count} ×", COUNT_SIZE, bold=True))
    for index, line in enumerate(_note(block)):
        figure.words.append(Words(right, middle - 8 - index * LINE_STEP, line))
    return top, cross


def _way(figure: Figure, way: Way, name: str, x: float, bottom: float, width: float) -> tuple[float, list[Point]]:
    """One way through a block, from the lower edge of its frame; gives the upper one."""
    flowing = Flowing(figure, name, way.known)
    if way.known:
        figure.lines.append(Line(((x, bottom), (x, bottom + 8)), arrow=False))
    y = flowing.place(way.flow, x, bottom + 8, width - 2 * _FRAME_PAD, True)
    if way.known:
        figure.lines.append(Line(((x, y), (x, y + 10)), arrow=False))
    return y + 10, flowing.cross


def _ways(figure: Figure, block: Block, x: float, bottom: float, width: float) -> tuple[float, list[Point]]:
    """Layers that are connected differently: a frame for each kind, side by side."""
    left = x - width / 2 + 12
    tops, cross = [], []
    low = bottom + 20
    for number, way in enumerate(block.ways):
        own = _way_width(way)
        centre = left + own / 2
        at = len(figure.shapes)
        top, found = _way(figure, way, f"{block.id}.{number}", centre, low, own)
        figure.shapes.insert(at, Shape(f"{block.id}.{number}", "way", centre, (low + top) / 2, own, top - low))
        words = f"{layers_of(way.layers)} of {block.count}" if len(way.layers) > 3 else layers_of(way.layers)
        figure.words.append(Words(centre + 6, top + 8, words))
        tops.append((centre, top))
        cross += found
        left += own + 12
    high = max(top for _, top in tops) + _WAY_LABEL
    for centre, top in tops:
        figure.lines.append(Line(((x, bottom), (x, bottom + 9), (centre, bottom + 9), (centre, low))))
        figure.lines.append(Line(((centre, top), (centre, high), (x, high)), arrow=False))
    figure.lines.append(Line(((x, high), (x, high + 9)), arrow=False))
    return high + 9, cross
