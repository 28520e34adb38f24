"""Drawings as SVG with every position our own: the same bytes on every machine, whatever fonts it has.

Graphviz measures text with the fonts that it finds, so its SVG differs from machine to machine and its lines stand
askew where there are none. Here text is anchored at its middle, and the viewer's font decides its width alone.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from specdiff.report import figure, wording
from specdiff.report.figure import Figure, Line, Point, Shape, Words, text_width
from specdiff.report.look import INK, look
from specdiff.report.palette import LINE_COLOURS, identifier

FONT = "Helvetica,Arial,sans-serif"
_MARGIN = 18.0
_CORNER = 12.0
_SMALL_CORNER = 8.0
_BASELINE = 0.35
"""From the middle of a line of text down to its baseline, in font sizes: half of Helvetica's capital height (0.72)."""
_ARROW = 6.0
_HALF_ARROW = 2.6


class Canvas:
    """Elements while they are drawn, in points with y upwards; `finished` turns them over."""

    def __init__(self, name: str) -> None:
        self._name = wording.clean(name)
        self._body = ET.Element("g")
        self._left = self._bottom = math.inf
        self._right = self._top = -math.inf

    def group(self, classes: str, id: str = "", tooltip: str = "") -> ET.Element:  # noqa: A002 - SVG's word
        """A group for one thing, with what a pointer shows over it."""
        group = ET.SubElement(self._body, "g", {"class": classes} | ({"id": id} if id else {}))
        if tooltip:
            ET.SubElement(group, "title").text = wording.clean(tooltip)
        return group

    def box(
        self, parent: ET.Element, x: float, y: float, width: float, height: float, fill: str, stroke: str,
        corner: float = _CORNER, thick: float = 1.0, dashed: bool = False,
    ) -> None:  # fmt: skip
        """A rounded rectangle around its centre."""
        self._reach((x - width / 2, y - height / 2), (x + width / 2, y + height / 2))
        attributes = {
            "x": _n(x - width / 2), "y": _n(-y - height / 2), "width": _n(width), "height": _n(height),
            "rx": _n(min(corner, width / 2, height / 2)), "fill": fill, "stroke": stroke,
        }  # fmt: skip
        if thick != 1.0:
            attributes["stroke-width"] = _n(thick)
        if dashed:
            attributes["stroke-dasharray"] = "5,3"
        ET.SubElement(parent, "rect", attributes)

    def circle(self, parent: ET.Element, x: float, y: float, radius: float, fill: str, stroke: str) -> None:
        """A circle around its centre."""
        self._reach((x - radius, y - radius), (x + radius, y + radius))
        place = {"cx": _n(x), "cy": _n(-y), "r": _n(radius), "fill": fill, "stroke": stroke}
        ET.SubElement(parent, "circle", place)

    def text(
        self, parent: ET.Element, x: float, y: float, words: str, size: float, *,
        bold: bool = False, align: int = 1, colour: str = INK, mark: tuple[str, str] = ("", ""),
    ) -> None:  # fmt: skip
        """A line of text; `y` is its middle. `mark` is a last word in another colour."""
        whole = words + (f" {mark[0]}" if mark[0] else "")
        width = text_width(whole, size, bold)
        start = x - (0.0, width / 2, width)[align]
        self._reach((start, y - size / 2), (start + width, y + size / 2))
        attributes = {"x": _n(x), "y": _n(-y + size * _BASELINE), "font-size": _n(size)}
        attributes |= {"text-anchor": ("start", "middle", "end")[align]} if align else {}
        attributes |= {"font-weight": "bold"} if bold else {}
        attributes |= {"fill": colour} if colour != INK else {}
        element = ET.SubElement(parent, "text", attributes)
        element.text = wording.clean(words)
        if mark[0]:
            ET.SubElement(element, "tspan", {"fill": mark[1]}).text = f" {mark[0]}"

    def path(
        self, parent: ET.Element, points: Sequence[Point], colour: str, *,
        curved: bool = False, arrow: bool = True, dashed: bool = False,
    ) -> None:  # fmt: skip
        """A polyline or a cubic spline; the arrow ends at its last point."""
        for point in points:
            self._reach(point, point)
        shown = list(points)
        head = None
        if arrow and len(shown) > 1:
            head = _head(shown[-2], shown[-1])
            shown[-1] = head[-1]
        steps = [f"{_n(x)},{_n(-y)}" for x, y in shown]
        drawn = f"M{steps[0]}" + ("C" if curved else "L") + " ".join(steps[1:])
        attributes = {"d": drawn, "fill": "none", "stroke": colour} | ({"stroke-dasharray": "5,3"} if dashed else {})
        ET.SubElement(parent, "path", attributes)
        if head is not None:
            corners = " ".join(f"{_n(x)},{_n(-y)}" for x, y in head[:3])
            ET.SubElement(parent, "polygon", {"points": corners, "fill": colour})

    def finished(self) -> bytes:
        """The whole document."""
        if self._left > self._right:
            self._reach((0.0, 0.0), (0.0, 0.0))
        width = self._right - self._left + 2 * _MARGIN
        height = self._top - self._bottom + 2 * _MARGIN
        root = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg", "width": f"{_n(width)}pt", "height": f"{_n(height)}pt",
                "viewBox": f"{_n(self._left - _MARGIN)} {_n(-self._top - _MARGIN)} {_n(width)} {_n(height)}",
                "font-family": FONT,
            },
        )  # fmt: skip
        ET.SubElement(root, "title").text = self._name
        root.extend(list(self._body))
        ET.indent(root, "", 0)
        data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
        return data + b"\n"

    def _reach(self, low: Point, high: Point) -> None:
        self._left, self._bottom = min(self._left, low[0]), min(self._bottom, low[1])
        self._right, self._top = max(self._right, high[0]), max(self._top, high[1])


def architecture(drawing: Figure, name: str) -> bytes:
    """A laid-out architecture."""
    canvas = Canvas(name)
    for shape in drawing.shapes:
        _shape(canvas, shape)
    lines = canvas.group("lines")
    for line in drawing.lines:
        _line(canvas, lines, line)
    words = canvas.group("words")
    for each in drawing.words:
        _words(canvas, words, each)
    return canvas.finished()


_ARM, _SLANT = 4.0, 2.9
_STROKES: Mapping[str, tuple[tuple[Point, Point], ...]] = {
    "+": (((-_ARM, 0.0), (_ARM, 0.0)), ((0.0, -_ARM), (0.0, _ARM))),
    "−": (((-_ARM, 0.0), (_ARM, 0.0)),),
    "×": (((-_SLANT, -_SLANT), (_SLANT, _SLANT)), ((-_SLANT, _SLANT), (_SLANT, -_SLANT))),
}
"""Lines inside a circle by operation, from its middle."""


def _shape(canvas: Canvas, shape: Shape) -> None:
    seen = look(shape)
    status = f" status-{shape.status}" if shape.status else ""
    group = canvas.group(f"node box {shape.style}{status}", identifier(shape.id), shape.id)
    if shape.style == "add":
        canvas.circle(group, shape.x, shape.y, shape.width / 2, seen.fill, seen.outline)
        for ends in _STROKES[shape.title]:
            canvas.path(group, [(shape.x + x, shape.y + y) for x, y in ends], seen.outline, arrow=False)
        return
    corner = _SMALL_CORNER if shape.height < 2 * _CORNER + 2 else _CORNER
    canvas.box(
        group, shape.x, shape.y, shape.width, shape.height, seen.fill, seen.outline, corner, seen.thick,
        dashed=seen.dashed,
    )  # fmt: skip
    if not shape.title:
        return
    y = shape.y + figure.LINE_STEP * len(shape.lines) / 2
    mark = (seen.mark, seen.outline)
    canvas.text(group, shape.x, y, shape.title, seen.title_size, bold=seen.bold, colour=seen.ink, mark=mark)
    for number, text in enumerate(shape.lines, start=1):
        low = y - 1 - number * figure.LINE_STEP
        canvas.text(group, shape.x, low, text, figure.LINE_SIZE, colour=seen.ink)


def _line(canvas: Canvas, parent: ET.Element, line: Line) -> None:
    canvas.path(parent, line.points, LINE_COLOURS[line.style], arrow=line.arrow)


def _words(canvas: Canvas, parent: ET.Element, words: Words) -> None:
    canvas.text(parent, words.x, words.y, words.text, words.size, bold=words.bold, align=words.align)


def _head(before: Point, tip: Point) -> tuple[Point, Point, Point, Point]:
    """An arrow's corners, and where its shaft ends."""
    across, along = tip[0] - before[0], tip[1] - before[1]
    length = math.hypot(across, along) or 1.0
    unit = (across / length, along / length)
    base = (tip[0] - unit[0] * _ARROW, tip[1] - unit[1] * _ARROW)
    side = (-unit[1] * _HALF_ARROW, unit[0] * _HALF_ARROW)
    return tip, (base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1]), base


def _n(number: float) -> str:
    """A coordinate with two digits after the point at most; never `-0`."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
