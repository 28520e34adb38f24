"""The architecture drawing as DOT, Mermaid text, SVG, PNG and PDF.

Positions are worked out in `figure`. SVG is written from them directly; for the other formats Graphviz (its `neato`,
with every node pinned) draws them.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape

import graphviz

from specdiff.errors import Problem, SpecdiffError
from specdiff.graph.architecture import Architecture, architecture
from specdiff.graph.blocks import Block
from specdiff.graph.contrast import Subject, contrast
from specdiff.report import figure, layout, mermaid, opgraph, opsvg, svg, wording
from specdiff.report.engine import render
from specdiff.report.look import look
from specdiff.report.palette import LINE_COLOURS, identifier
from specdiff.results import CheckResult, ClassResult, ModuleNode, Status

_FONT = "Helvetica,Arial,sans-serif"
_PER_INCH = 72.0


def draw(result: ClassResult | CheckResult, kind: str, level: str = "model") -> bytes:
    """A result's architecture.

    Args:
        result: A class, or a check, whose claims then colour the boxes.
        kind: `svg`, `png`, `pdf`, `dot` or `mermaid`.
        level: `model`; `block`, the repeated layers alone; or `operations`, one layer of each kind operation by operation.

    Raises:
        SpecdiffError: the class could not be built, or no Graphviz was found.
    """
    if level == "operations":
        return _operations(result.code if isinstance(result, CheckResult) else result, kind)
    return _written(drawn(result), kind, level)


def draw_both(left: ClassResult, right: ClassResult, titles: tuple[str, str], kind: str, level: str = "model") -> bytes:
    """Two architectures side by side, with what they share and where they part.

    Args:
        left: One class.
        right: Another.
        titles: What they are called.
        kind: As in `draw`.
        level: `model` or `block`.

    Raises:
        SpecdiffError: one of them could not be built, or no Graphviz was found.
    """
    subjects = [
        Subject(wording.clean(title), drawn(code), code.sheet)
        for title, code in zip(titles, (left, right), strict=True)
    ]
    return _written(contrast(*subjects), kind, level)


def _written(drawing: Architecture, kind: str, level: str) -> bytes:
    if level == "block":
        drawing = blocks_of(drawing)
    match kind:
        case "mermaid":
            return mermaid.text(drawing).encode()
        case "dot":
            return dot(drawing).encode()
        case "svg":
            return svg.architecture(layout.lay_out(drawing), drawing.name)
        case _:
            return render(dot(drawing), kind, "neato")


def _operations(code: ClassResult, kind: str) -> bytes:
    match kind:
        case "dot":
            return opgraph.dot(code).encode()
        case "mermaid":
            return mermaid.operations(code).encode()
        case "svg":
            return opsvg.draw(code)
        case _:
            return render(opgraph.dot(code), kind, "dot")


def blocks_of(drawing: Architecture) -> Architecture:
    """The repeated layers of a drawing without what stands around them."""
    columns = tuple(
        replace(column, source="", result="", stages=stages)
        for column in drawing.columns
        if (stages := tuple(stage for stage in column.stages if isinstance(stage, Block)))
    )
    return replace(drawing, columns=columns, links=()) if columns else drawing


def drawn(result: ClassResult | CheckResult) -> Architecture:
    """The drawing's content.

    Raises:
        SpecdiffError: the class could not be built.
    """
    code = result.code if isinstance(result, CheckResult) else result
    statuses = {}
    if isinstance(result, CheckResult):
        statuses = {
            claim.key: Status.MATCH if wording.standing(claim) == wording.DEVIATION else claim.status
            for claim in result.claims
        }
    if code.tree is None:
        raise SpecdiffError(Problem(code.file, code.line, 0, f"{code.name} could not be built, so it cannot be drawn"))
    return architecture(code.name, in_order_of_use(code), code.sheet, statuses, code.steps)


def in_order_of_use(code: ClassResult) -> ModuleNode:
    """The built tree with the parts of each module in the order in which ``forward`` comes to them."""
    assert code.tree is not None
    first: dict[str, int] = {}
    layers: dict[str, int] = {}
    for number, use in enumerate(code.uses):
        pieces = use.name.split(".")
        for length in range(1, len(pieces)):
            path = ".".join(pieces[:length])
            first.setdefault(path, number)
            if any(piece.isdigit() for piece in pieces[length:]):
                layers.setdefault(path, number)
    # What holds layers stands where they begin: tokens may be looked up long before (images are put among them).
    first |= layers

    def ordered(node: ModuleNode, path: str) -> ModuleNode:
        if not node.children:
            return node
        paths = [f"{path}.{child.names[0]}".lstrip(".") for child in node.children]
        done = [ordered(child, place) for child, place in zip(node.children, paths, strict=True)]
        children = list(done)
        used = [index for index, place in enumerate(paths) if place in first]
        # What no data was seen to reach keeps its place; numbered parts stand in their own order.
        if not any(child.names[0].isdigit() for child in node.children):
            for index, source in zip(used, sorted(used, key=lambda each: first[paths[each]]), strict=True):
                children[index] = done[source]
        return replace(node, children=tuple(children))

    return ordered(code.tree, "")


def dot(drawing: Architecture) -> str:
    """DOT with every position pinned; any Graphviz program draws it the same way."""
    placed = layout.lay_out(drawing)
    graph = graphviz.Digraph(
        identifier(drawing.name),
        graph_attr={
            "layout": "neato", "splines": "line", "outputorder": "nodesfirst", "pad": "0.25", "bgcolor": "transparent",
            "fontname": _FONT, "overlap": "true", "inputscale": "72", "tooltip": graphviz.escape(wording.clean(drawing.name)),
        },
        node_attr={"fontname": _FONT, "fixedsize": "shape", "penwidth": "1"},
        edge_attr={"arrowsize": "0.6", "penwidth": "1"},
    )  # fmt: skip
    for index, shape in enumerate(placed.shapes):
        _shape(graph, f"n{index}", shape)
    for index, words in enumerate(placed.words):
        _words(graph, f"t{index}", words)
    count = 0
    for line in placed.lines:
        names = []
        for x, y in line.points:
            names.append(f"p{count}")
            graph.node(f"p{count}", "", shape="point", style="invis", width="0.001", height="0.001", pos=_pos(x, y))
            count += 1
        style = {"color": LINE_COLOURS[line.style], "style": "solid"}
        for at in range(len(names) - 1):
            last = at == len(names) - 2
            graph.edge(
                names[at], names[at + 1],
                arrowhead="normal" if line.arrow and last else "none",
                headclip="false", tailclip="false", **style,
            )  # fmt: skip
    return str(graph.source)


def _shape(graph: graphviz.Digraph, name: str, shape: figure.Shape) -> None:
    seen = look(shape)
    round_ = shape.style == "add"
    status = f" status-{shape.status}" if shape.status else ""
    attributes = {
        "pos": _pos(shape.x, shape.y),
        "width": _inches(shape.width),
        "height": _inches(shape.height),
        "shape": "circle" if round_ else "box",
        "style": "filled" if round_ else "rounded,filled" + (",dashed" if seen.dashed else ""),
        "fillcolor": seen.fill,
        "color": seen.outline,
        "fontcolor": seen.ink,
        "penwidth": f"{seen.thick:g}",
        "class": f"box {shape.style}{status}",
        "id": identifier(shape.id),
        "tooltip": graphviz.escape(wording.clean(shape.id)),
    }
    graph.node(name, shape.title if round_ else _label(shape), **attributes)


def _label(shape: figure.Shape) -> str:
    if not shape.title:
        return ""
    seen = look(shape)
    bold = ("<B>", "</B>") if seen.bold else ("", "")
    title = f'<FONT POINT-SIZE="{seen.title_size:g}">{bold[0]}{_text(shape.title)}{bold[1]}</FONT>'
    mark = ""
    if seen.mark:
        mark = f'<FONT POINT-SIZE="{seen.title_size:g}" COLOR="{seen.outline}"><B> {seen.mark}</B></FONT>'
    # A line is as high as its largest space, which leaves some air between small letters.
    space = f'<FONT POINT-SIZE="{figure.LINE_SIZE + 2:g}"> </FONT>'
    lines = "".join(
        f'<BR/>{space}<FONT POINT-SIZE="{figure.LINE_SIZE:g}">{_text(line)}</FONT>{space}' for line in shape.lines
    )
    return f"<{title}{mark}{lines}>"


def _words(graph: graphviz.Digraph, name: str, words: figure.Words) -> None:
    width = figure.text_width(words.text, words.size, words.bold) + 4
    centre = words.x + (width / 2, 0.0, -width / 2)[words.align]
    label = f"<<B>{_text(words.text)}</B>>" if words.bold else f"<{_text(words.text)}>"
    if words.align == 0 and not words.bold:
        # Only a plain label can begin at its node's left edge, whatever the font turns out to be.
        label = graphviz.escape(wording.clean(words.text)) + "\\l"
    graph.node(
        name, label, shape="plaintext", pos=_pos(centre, words.y), width=_inches(width),
        height=_inches(words.size * 1.5), fontsize=f"{words.size:g}", **{"class": "words"},
    )  # fmt: skip


def _text(text: str) -> str:
    """Text inside an HTML-like label: markup and control characters of analysed names stay text."""
    return escape(wording.clean(text), quote=True)


def _pos(x: float, y: float) -> str:
    return f"{x:.2f},{y:.2f}!"


def _inches(points: float) -> str:
    return f"{points / _PER_INCH:.4f}"
