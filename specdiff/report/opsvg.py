"""The operation graph as SVG: Graphviz lays boxes of given sizes out in layers, and words are put where it left room."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from specdiff.report import opgraph
from specdiff.report.engine import render
from specdiff.report.figure import Point
from specdiff.report.svg import Canvas
from specdiff.results import ClassResult, Step

_LINE = "#4a4f57"
_NODE_STEP = 10.0


def draw(result: ClassResult) -> bytes:
    """One layer of each kind, operation by operation.

    Raises:
        SpecdiffError: ``forward`` was not followed, has more operations than can be drawn, or there is no Graphviz.
    """
    steps = {f"s{step.number}": step for step in opgraph.shown(result.steps)}
    placed = json.loads(render(opgraph.dot(result, sized=True), "json", "dot"))
    canvas = Canvas(result.name)
    objects: list[Mapping[str, Any]] = placed.get("objects", [])
    frames = [each for each in objects if "bb" in each]
    for each in sorted(frames, key=lambda frame: -_area(frame["bb"])):
        _frame(canvas, each)
    edges = canvas.group("edges")
    names = [str(each["name"]) for each in objects]
    for edge in placed.get("edges", []):
        _edge(canvas, edges, edge, steps[names[edge["tail"]]])
    for each in objects:
        if each["name"] in steps:
            _node(canvas, each, steps[each["name"]])
    return canvas.finished()


def _frame(canvas: Canvas, frame: Mapping[str, Any]) -> None:
    left, bottom, right, top = _numbers(frame["bb"])
    group = canvas.group("frame")
    canvas.box(group, (left + right) / 2, (bottom + top) / 2, right - left, top - bottom, "none", opgraph.FRAME_COLOUR)
    size = opgraph.FRAME_SIZE
    canvas.text(group, left + 10, top - size, str(frame["comment"]), size, align=0, colour=opgraph.FAINT)


def _node(canvas: Canvas, node: Mapping[str, Any], step: Step) -> None:
    x, y = _numbers(node["pos"])
    width, height = opgraph.node_size(step)
    group = canvas.group("node", str(node["name"]), opgraph.tooltip(step))
    canvas.box(group, x, y, width, height, opgraph.fill(step), _LINE, 6.0)
    first, *rest = opgraph.node_lines(step)
    high = y + _NODE_STEP * len(rest) / 2
    canvas.text(group, x, high, first, opgraph.NODE_SIZE, bold=True)
    for number, line in enumerate(rest, start=1):
        canvas.text(group, x, high - _NODE_STEP * number, line, opgraph.EDGE_SIZE)


def _edge(canvas: Canvas, parent: Any, edge: Mapping[str, Any], source: Step) -> None:
    end: list[Point] = []
    points: list[Point] = []
    for piece in str(edge["pos"]).split():
        if piece.startswith("e,"):
            end = [_point(piece[2:])]
        else:
            points.append(_point(piece))
    canvas.path(parent, points, _LINE, curved=True, arrow=False)
    canvas.path(parent, [points[-1], *end], _LINE)
    words = opgraph.edge_words(source)
    if words and "lp" in edge:
        x, y = _point(str(edge["lp"]))
        canvas.text(parent, x, y, words, opgraph.EDGE_SIZE, colour=opgraph.FAINT)


def _area(bounds: str) -> float:
    left, bottom, right, top = _numbers(bounds)
    return (right - left) * (top - bottom)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(piece) for piece in text.split(","))


def _point(text: str) -> Point:
    x, y = _numbers(text)
    return x, y
