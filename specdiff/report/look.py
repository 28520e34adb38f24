"""How a shape of a drawing looks: what every renderer of one figure has to agree on."""

from __future__ import annotations

from typing import NamedTuple

from specdiff.report.figure import LINE_SIZE, TITLE_SIZE, Shape
from specdiff.report.palette import COLOURS, MARKS, SAME_FILL, STATUS_COLOURS

INK, FAINT = "#000000", "#5c636c"


class Look(NamedTuple):
    """Colours, line and font sizes of one shape."""

    fill: str
    outline: str
    thick: float
    """Of the outline, in points."""
    dashed: bool
    ink: str
    title_size: float
    """In points; inner boxes have a smaller title."""
    bold: bool
    mark: str
    """A last word behind the title, in the outline's colour; empty for none."""


def look(shape: Shape) -> Look:
    """What a shape looks like."""
    fill, outline = COLOURS[shape.style]
    same = shape.status == "same"
    thick = 1.0
    if shape.status:
        outline = STATUS_COLOURS[shape.status]
        thick = 1.2 if shape.status in ("match", "same") else 2.2
    operation = shape.style == "operation"
    inner = shape.style in ("part", "router", "experts")
    size = LINE_SIZE if operation else TITLE_SIZE - (1 if inner else 0)
    ink = FAINT if same else INK
    mark = MARKS.get(shape.status, "")
    return Look(SAME_FILL if same else fill, outline, thick, shape.style == "module", ink, size, not operation, mark)
