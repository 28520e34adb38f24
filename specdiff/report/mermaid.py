"""The architecture drawing as a Mermaid flowchart, for places that draw such text (pull requests, wikis)."""

from __future__ import annotations

from collections.abc import Sequence

from specdiff.graph.architecture import Architecture
from specdiff.graph.blocks import Block
from specdiff.graph.boxes import Box, Kind
from specdiff.graph.flow import Flow, Fork, Place, Tangle
from specdiff.report import opgraph, wording
from specdiff.report.flowing import layers_of
from specdiff.report.palette import COLOURS, STATUS_COLOURS
from specdiff.results import ClassResult


def text(drawing: Architecture) -> str:
    """The whole flowchart, ending in a newline."""
    chart = _Chart()
    ends: list[tuple[str, str]] = []
    for column in drawing.columns:
        entry = chart.line_end(column.source or column.title or " ")
        before: tuple[str, ...] = ()
        now: tuple[str, ...] = (entry,)
        for stage in column.stages:
            if isinstance(stage, Block):
                before, now = now, (chart.block(stage, now),)
            elif stage.beside:
                now = (*now, chart.box(stage, before))
            else:
                before, now = now, (chart.box(stage, now),)
            if isinstance(stage, Box) and stage.kind is Kind.EMBEDDING:
                entry = now[-1]
        if column.result:
            result = chart.line_end(column.result)
            for each in now:
                chart.edge(each, result)
        ends.append((entry, now[-1]))
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

    def block(self, block: Block, before: tuple[str, ...]) -> str:
        """The repeated block as a subgraph; gives the node that leaves it."""
        pattern = f": {wording.pattern(block.pattern)}" if block.pattern else ""
        whole = self.name()
        self.lines.append(f'  subgraph {whole}["{block.count} × {_quoted(block.title + pattern)}"]')
        self._indent = "    "
        ends = []
        for way in block.ways:
            words = f"{layers_of(way.layers)} of {block.count}" if len(block.ways) > 1 else ""
            ends.append(self.flow(way.flow, before, way.known, words))
        known = all(way.known for way in block.ways)
        if known:
            whole = ends[0][0] if len(ends) == 1 and len(ends[0]) == 1 else self.meeting(ends)
        self._indent = "  "
        self.lines.append("  end")
        if not known:
            # What is not known of the parts is known of the block: it reads what comes in and gives what goes on.
            for each in before:
                self.edge(each, whole)
        return whole

    def flow(self, flow: Flow, before: tuple[str, ...], known: bool, words: str = "") -> tuple[str, ...]:
        """A flow that reads the nodes `before`; gives the nodes that whatever follows reads."""
        for each in flow:
            match each:
                case Place():
                    named = [
                        (item, f"layers {wording.value(item.layers)}" if item.layers and not words else words)
                        for item in each.alternatives
                    ]
                    before = tuple(self.box(item.box, before if known else (), text) for item, text in named)
                case Fork():
                    ends = [self.flow(way, before, known, words) for way in each.ways] or [before]
                    before = (self.join(each.join, ends),) if each.join else tuple(end for way in ends for end in way)
                case Tangle():
                    before = self.tangle(each, before, known)
            words = ""
        return before

    def tangle(self, tangle: Tangle, before: tuple[str, ...], known: bool) -> tuple[str, ...]:
        """Parts that are connected in no order of their own."""
        names: dict[int, tuple[str, ...]] = {-1: before}
        for index, item in enumerate(tangle.items):
            sources = tuple(name for start, stop in tangle.edges if stop == index for name in names[start])
            names[index] = self.flow((item,), sources, known)
        return tuple(name for start, stop in tangle.edges if stop == len(tangle.items) for name in names[start])

    def join(self, operation: str, ends: Sequence[Sequence[str]]) -> str:
        """The operation where ways meet."""
        return self._met(f'"{_quoted(operation)}"', ends)

    def meeting(self, ends: Sequence[Sequence[str]]) -> str:
        """Where layers of different kinds, or several boxes, give one value."""
        return self._met(" ", ends)

    def _met(self, inside: str, ends: Sequence[Sequence[str]]) -> str:
        name = self.name()
        self.lines.append(f"{self._indent}{name}(({inside}))")
        for end in ends:
            for each in end:
                self.edge(each, name)
        return name

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
