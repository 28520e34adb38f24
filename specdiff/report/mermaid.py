"""The architecture drawing as a Mermaid flowchart, for places that draw such text (pull requests, wikis)."""

from __future__ import annotations

from specdiff.graph.architecture import Architecture, Block
from specdiff.graph.boxes import Box, Kind
from specdiff.report import opgraph, wording
from specdiff.report.palette import COLOURS, STATUS_COLOURS
from specdiff.results import ClassResult


def text(drawing: Architecture) -> str:
    """The whole flowchart, ending in a newline."""
    chart = _Chart()
    ends: list[tuple[str, str]] = []
    for column in drawing.columns:
        previous = entry = chart.line_end(column.source)
        for stage in column.stages:
            if isinstance(stage, Block):
                previous = chart.block(stage, previous)
            else:
                previous = chart.box(stage, (previous,))
            if isinstance(stage, Box) and stage.kind is Kind.EMBEDDING:
                entry = previous
        if column.result:
            chart.edge(previous, chart.line_end(column.result))
        ends.append((entry, previous))
    for link in drawing.links:
        target = chart.cross[0] if link.to_block and chart.cross else ends[link.target][0]
        chart.lines.append(f"  {ends[link.source][1]} -.-> {target}")
    return chart.finished()


def operations(result: ClassResult) -> str:
    """One layer of each kind, operation by operation, ending in a newline."""
    lines = ["flowchart TB"]
    steps = opgraph.shown(result.steps)
    numbers = {step.number: step for step in steps}
    for step in steps:
        names = [step.kind, *(name.rpartition(".")[0].rpartition(".")[2] for name in step.parameters[:1])]
        lines.append(f'  s{step.number}["{_quoted(" ".join(names))}"]')
        lines += [
            f'  s{source} -->|"{_quoted(numbers[source].shape)}"| s{step.number}'
            for source in step.inputs
            if source in numbers
        ]
    return "\n".join(lines) + "\n"


class _Chart:
    """Lines of the chart while it is written. Owned by one call of `text`."""

    def __init__(self) -> None:
        self.lines = ["flowchart BT"]
        self.cross: list[str] = []
        self._count = 0
        self._indent = "  "
        self._kinds: dict[str, None] = {}

    def name(self) -> str:
        self._count += 1
        return f"n{self._count}"

    def line_end(self, words: str) -> str:
        name = self.name()
        self.lines.append(f'{self._indent}{name}(["{_quoted(words)}"])')
        return name

    def edge(self, source: str, target: str, words: str = "") -> None:
        label = f'|"{_quoted(words)}"|' if words else ""
        self.lines.append(f"{self._indent}{source} -->{label} {target}")

    def box(self, box: Box, before: tuple[str, ...], words: str = "") -> str:
        """A box with an edge from each of `before`; what is inside it becomes lines of its text."""
        name = self.name()
        inner = [
            f"{each.title}: {', '.join(each.lines)}" if each.lines else each.title for row in box.inside for each in row
        ]
        shown = "<br/>".join((f"<b>{_quoted(box.title)}</b>", *(_quoted(line) for line in (*box.lines, *inner))))
        kind = str(box.kind)
        if box.status is not None and str(box.status) != "match":
            kind = f"status_{box.status}"
        self._kinds[kind] = None
        self.lines.append(f'{self._indent}{name}["{shown}"]:::{kind}')
        for each in before:
            self.edge(each, name, words)
        if box.kind is Kind.CROSS:
            self.cross.append(name)
        return name

    def block(self, block: Block, previous: str) -> str:
        """The repeated block as a subgraph; gives the node that leaves it."""
        pattern = f": {wording.pattern(block.pattern)}" if block.pattern else ""
        self.lines.append(f'  subgraph {self.name()}["{block.count} × {_quoted(block.title + pattern)}"]')
        self._indent = "    "
        for sublayer in block.sublayers:
            start = previous
            if sublayer.before is not None:
                previous = self.box(sublayer.before, (previous,))
            cores = []
            for each in (*sublayer.core, *sublayer.beside):
                words = f"layers {wording.value(each.layers)}" if each.layers else ""
                cores.append(self.box(each.box, (previous,), words))
            if sublayer.after is not None:
                cores = [self.box(sublayer.after, tuple(cores))]
            add = self.name()
            self.lines.append(f'{self._indent}{add}(("+"))')
            for core in cores:
                self.edge(core, add)
            self.edge(start, add)
            previous = add
            if sublayer.post is not None:
                previous = self.box(sublayer.post, (previous,))
        self._indent = "  "
        self.lines.append("  end")
        return previous

    def finished(self) -> str:
        for kind in self._kinds:
            if kind.startswith("status_"):
                colour = STATUS_COLOURS[kind.removeprefix("status_")]
                self.lines.append(f"  classDef {kind} fill:#ffffff,stroke:{colour},stroke-width:3px,color:#1d2127")
            else:
                fill, outline = COLOURS[kind]
                self.lines.append(f"  classDef {kind} fill:{fill},stroke:{outline},color:#1d2127")
        return "\n".join(self.lines) + "\n"


def _quoted(words: str) -> str:
    """Text inside quotes: what Mermaid or HTML would read as markup becomes character codes."""
    return "".join(f"#{ord(letter)};" if letter in '"#<>&`*_[]{}|\\' else letter for letter in wording.clean(words))
