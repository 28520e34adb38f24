"""The operations of one layer of each kind as DOT: shapes on the edges, modules as frames, parameters in their boxes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

import graphviz

from specdiff.errors import Problem, SpecdiffError
from specdiff.report import wording
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


def dot(result: ClassResult) -> str:
    """DOT of a class's operations.

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
    _frame(graph, "", sorted(tree), tree, counts)
    by_number = {step.number: step for step in steps}
    for step in steps:
        for source in step.inputs:
            if source in by_number:
                graph.edge(f"s{source}", f"s{step.number}", label=_edge(by_number[source].shape))
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
    graph: graphviz.Digraph, path: str, modules: list[str], tree: dict[str, list[Step]], counts: dict[str, int]
) -> None:
    """A module's own operations, then a frame for each module below it."""
    for step in tree.get(path, ()):
        _node(graph, step)
    for child in _children(path, modules):
        inner = [module for module in modules if module == child or module.startswith(child + ".")]
        with graph.subgraph(name=f"cluster_{re.sub(r'[^A-Za-z0-9]', '_', child)}") as frame:
            times = f"   ({counts[child]} layers like this)" if child in counts else ""
            frame.attr(label=wording.clean(child.removeprefix(path).lstrip(".")) + times, fontsize="11", fontcolor="#59626d",
                       color="#9aa3ad", style="rounded", labeljust="l", fontname=_FONT)  # fmt: skip
            _frame(frame, child, inner, tree, counts)


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


def _node(graph: graphviz.Digraph, step: Step) -> None:
    lines = [f"<B>{escape(wording.clean(step.kind))}</B>"]
    lines += [f'<FONT POINT-SIZE="8">{escape(wording.clean(name.rpartition(".")[0].rpartition(".")[2] + "." + name.rpartition(".")[2]))}</FONT>'
              for name in step.parameters[:3]]  # fmt: skip
    graph.node(
        f"s{step.number}",
        f"<{'<BR/>'.join(lines)}>",
        fillcolor=_FILL.get(step.kind, _PLAIN),
        tooltip=graphviz.escape(wording.clean(f"{step.file}:{step.line} {step.module}")),
    )


def _edge(shape: str) -> str:
    return str(graphviz.escape(wording.clean(shape.replace("batch", "b").replace("sequence", "s"))))
