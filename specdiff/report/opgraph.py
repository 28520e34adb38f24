"""The operations of one layer of each kind as DOT: shapes on the edges, modules as frames, parameters in their boxes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

import graphviz

from specdiff.errors import Problem, SpecdiffError
from specdiff.report import wording
from specdiff.report.figure import text_width
from specdiff.results import ClassResult, Step

MOST = 600
"""Operations in one drawing; beyond it nobody can read it."""

_FILL = {
    "linear": "#dfebfa", "matmul": "#dfebfa", "einsum": "#dfebfa", "embedding": "#fde8d3", "conv": "#ede7e0",
    "softmax": "#fbe3e8", "sdpa": "#fbe3e8", "topk": "#fbe3e8", "sigmoid": "#dff1e2", "silu": "#dff1e2",
    "gelu": "#dff1e2", "tanh": "#dff1e2", "relu": "#dff1e2", "rms_norm": "#fdf6cf", "layer_norm": "#fdf6cf",
    "rsqrt": "#fdf6cf", "input": "#f1f2f4", "cat": "#f8f9fb", "index": "#f8f9fb",
}  # fmt: skip
_PLAIN = "#ffffff"
_FONT = "Helvetica,Arial,sans-serif"
NODE_SIZE, EDGE_SIZE, FRAME_SIZE = 10.0, 8.0, 11.0
"""Font sizes in points."""
FAINT, FRAME_COLOUR = "#59626d", "#9aa3ad"


def dot(result: ClassResult, sized: bool = False) -> str:
    """DOT of a class's operations.

    Args:
        result: A class.
        sized: Give boxes and labels fixed sizes and no words, so that the layout is the same whatever fonts there are.

    Raises:
        SpecdiffError: ``forward`` was not followed, or has more operations than can be drawn.
    """
    steps = shown(result.steps)
    if not steps:
        raise SpecdiffError(Problem(result.file, result.line, 0, f"the operations of {result.name} are not known"))
    if len(steps) > MOST:
        message = f"{result.name} has {len(steps)} operations in its layers; at most {MOST} can be drawn"
        raise SpecdiffError(Problem(result.file, result.line, 0, message))
    graph = graphviz.Digraph(
        "operations",
        graph_attr={"rankdir": "TB", "fontname": _FONT, "bgcolor": "transparent", "nodesep": "0.25", "ranksep": "0.35",
                    "tooltip": graphviz.escape(wording.clean(result.name))},
        node_attr={"fontname": _FONT, "fontsize": "10", "shape": "box", "style": "rounded,filled", "height": "0.3",
                   "fillcolor": _PLAIN, "color": "#4a4f57"},
        edge_attr={"fontname": _FONT, "fontsize": "8", "arrowsize": "0.6", "color": "#4a4f57", "fontcolor": "#59626d"},
    )  # fmt: skip
    tree: dict[str, list[Step]] = {}
    for step in steps:
        tree.setdefault(step.module, []).append(step)
    counts = layer_counts(result)
    _frame(graph, "", sorted(tree), tree, counts, sized)
    by_number = {step.number: step for step in steps}
    for step in steps:
        for source in step.inputs:
            if source in by_number:
                graph.edge(
                    f"s{source}",
                    f"s{step.number}",
                    label=_sized(edge_words(by_number[source]), EDGE_SIZE) if sized else _edge(by_number[source]),
                )
    return str(graph.source)


def shown(steps: Iterable[Step]) -> list[Step]:
    """Steps that lead to a parameter's use or to the end; a value that nothing drawn depends on is left out."""
    by_number = {step.number: step for step in steps}
    wanted = [step.number for step in by_number.values() if step.parameters]
    wanted += [max(by_number)] if by_number else []
    kept: set[int] = set()
    while wanted:
        number = wanted.pop()
        if number in by_number and number not in kept:
            kept.add(number)
            wanted += by_number[number].inputs
    return [step for step in by_number.values() if step.number in kept]


def layer_counts(result: ClassResult) -> dict[str, int]:
    """How many layers each drawn layer stands for, by its module path; only where all are alike."""
    drawn: dict[str, set[str]] = {}
    for step in result.steps:
        match = re.match(r"^(.*?)\.?(\d+)(?=\.|$)", step.module)
        if match is not None:
            drawn.setdefault(match[1], set()).add(f"{match[1]}.{match[2]}".lstrip("."))
    found: dict[str, int] = {}
    for container, layers in drawn.items():
        members = {
            match[1]
            for name in result.parameters
            if (match := re.match(rf"^{re.escape(container)}\.?(\d+)\.", name)) is not None
        }
        if len(layers) == 1 and len(members) > 1:
            found[next(iter(layers))] = len(members)
    return found


def _frame(
    graph: graphviz.Digraph,
    path: str,
    modules: list[str],
    tree: dict[str, list[Step]],
    counts: dict[str, int],
    sized: bool,
) -> None:
    """A module's own operations, then a frame for each module below it."""
    for step in tree.get(path, ()):
        _node(graph, step, sized)
    for child in _children(path, modules):
        inner = [module for module in modules if module == child or module.startswith(child + ".")]
        times = f"   ({counts[child]} layers like this)" if child in counts else ""
        words = wording.clean(child.removeprefix(path).lstrip(".")) + times
        with graph.subgraph(name=f"cluster_{re.sub(r'[^A-Za-z0-9]', '_', child)}") as frame:
            # The comment carries the words of a frame whose label is only a size.
            frame.attr(label=_sized(words, FRAME_SIZE) if sized else graphviz.escape(words), fontsize=f"{FRAME_SIZE:g}",
                       fontcolor=FAINT, color=FRAME_COLOUR, style="rounded", labeljust="l", fontname=_FONT,
                       **({"comment": graphviz.escape(words)} if sized else {}))  # fmt: skip
            _frame(frame, child, inner, tree, counts, sized)


def _children(path: str, modules: list[str]) -> Iterator[str]:
    """The nearest modules below a path that have operations or stand over several that do."""
    depth = path.count(".") + 1 if path else 0
    seen: dict[str, None] = {}
    for module in modules:
        if module != path and (not path or module.startswith(path + ".")):
            pieces = module.split(".")
            cut = depth + 1
            # A container and its number are one frame.
            if cut < len(pieces) and pieces[cut].isdigit():
                cut += 1
            seen[".".join(pieces[:cut])] = None
    yield from seen


def node_lines(step: Step) -> list[str]:
    """What an operation's box says: its kind, then the parameters it reads."""
    shown = [name.split(".")[-2:] for name in step.parameters[:3]]
    return [wording.clean(step.kind), *(wording.clean(".".join(pieces)) for pieces in shown)]


def node_size(step: Step) -> tuple[float, float]:
    """Width and height of an operation's box, in points."""
    first, *rest = node_lines(step)
    width = max([text_width(first, NODE_SIZE, bold=True), *(text_width(line, EDGE_SIZE) for line in rest)])
    return max(width + 14, 40.0), 22.0 + 10.0 * len(rest)


def fill(step: Step) -> str:
    """The colour of an operation's box."""
    return _FILL.get(step.kind, _PLAIN)


def tooltip(step: Step) -> str:
    """Where an operation stands in the source and in the model."""
    return f"{step.file}:{step.line} {step.module}"


def _node(graph: graphviz.Digraph, step: Step, sized: bool) -> None:
    if sized:
        width, height = node_size(step)
        graph.node(f"s{step.number}", "", width=f"{width / 72:.4f}", height=f"{height / 72:.4f}", fixedsize="true")
        return
    first, *rest = node_lines(step)
    lines = [f"<B>{escape(first)}</B>", *(f'<FONT POINT-SIZE="8">{escape(line)}</FONT>' for line in rest)]
    graph.node(
        f"s{step.number}",
        f"<{'<BR/>'.join(lines)}>",
        fillcolor=fill(step),
        tooltip=graphviz.escape(wording.clean(tooltip(step))),
    )


def edge_words(step: Step) -> str:
    """The shape that an operation gives, short."""
    return wording.clean(step.shape.replace("batch", "b").replace("sequence", "s"))


def _edge(step: Step) -> str:
    return str(graphviz.escape(edge_words(step)))


def _sized(words: str, size: float) -> str:
    """A label of the size that the words need, and without them."""
    width, height = round(text_width(words, size)) + 4, round(size * 1.3)
    if not words:
        return ""
    return (
        f'<<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" FIXEDSIZE="TRUE" '
        f'WIDTH="{width}" HEIGHT="{height}"><TR><TD></TD></TR></TABLE>>'
    )
