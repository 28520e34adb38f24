"""The fact sheet people look for in a model card: facts by group, parameters by part, bytes, and whether it fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeAlias

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from specdiff import vocab
from specdiff.facts import Absence, Fact
from specdiff.graph.parts import Budget, budget, fits
from specdiff.report import terminal, wording
from specdiff.report.json_v1 import plain
from specdiff.results import ClassResult

SCHEMA = "specdiff/facts/1"
_MOST_UNDECIDED = 8
"""Open questions that the terminal's sheet shows; a fact sheet is no list of what is not known."""
_UNITS = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def render(results: list[ClassResult], style: str, color: bool, memory: int | None) -> str:
    """Fact sheets as ``terminal``, ``markdown`` or ``json`` text.

    Args:
        results: Analysed classes.
        style: The format.
        color: Whether the terminal's text may have colours.
        memory: Bytes that weights and cache are to fit; None to leave that out.
    """
    if style == "json":
        return (
            json.dumps({"schema": SCHEMA, "classes": {r.name: _document(r, memory) for r in results}}, indent=1) + "\n"
        )
    if style == "markdown":
        return "\n".join(_page(result, memory) for result in results)
    console = terminal.new_console(color)
    for index, result in enumerate(results):
        if index:
            console.print()
        _sheet(console, result, memory)
    return terminal.console_text(console)


def size(count: int) -> str:
    """Bytes for people: `60.8 GiB`."""
    for name, unit in _UNITS:
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"


Row: TypeAlias = tuple[str, str, str, str]
"""Key, value, level, place."""


def rows(result: ClassResult) -> Iterator[tuple[str, list[Row]]]:
    """(group, rows) in the vocabulary's order, towers after the main stack."""
    known: dict[str, Fact | Absence] = {**result.sheet.absences, **result.sheet.facts}
    for tower in ("", *(name for name, _ in vocab.TOWERS)):
        for group in vocab.GROUPS:
            names = [f"{tower}.{key.id}" if tower else key.id for key in group.keys]
            found = [_row(name, known[name]) for name in names if name in known]
            if found:
                yield (f"{tower.title()}: {group.title.lower()}" if tower else group.title), found


def _folded(result: ClassResult) -> Iterator[tuple[str, list[Row], list[str]]]:
    """(group, rows of what there is, keys of what there is none of): most of the vocabulary is not for any one model."""
    for group, found in rows(result):
        there = [row for row in found if row[0] not in result.sheet.absences]
        yield group, there, [row[0] for row in found if row[0] in result.sheet.absences]


def _row(name: str, known: Fact | Absence) -> Row:
    value = wording.value(known.value, name) if isinstance(known, Fact) else "none"
    unit = wording.unit(name)
    if isinstance(known, Fact) and unit == "bytes" and type(known.value) is int:
        value, unit = size(known.value), ""
    step = known.evidence[-1] if known.evidence else None
    where = f"{step.file.rpartition('/')[2].removesuffix('.py')}:{step.line}" if step else ""
    number = isinstance(known, Fact) and type(known.value) in (int, float)
    said = number and unit not in name  # `parameters.total` says what it counts
    return name, f"{value} {unit}".rstrip() if said else value, str(known.level), where


def _weights(result: ClassResult, weight: Budget, memory: int | None) -> Iterator[tuple[str, str]]:
    total = result.total_parameters or 0
    for part, count in weight.parts.items():
        yield part, f"{wording.amount(count)}, {count / total:.1%}" if total else wording.amount(count)
    yield "total", wording.amount(result.total_parameters)
    if result.active_parameters is not None:
        yield "active per token", wording.amount(result.active_parameters)
    verdicts = fits(weight.checkpoint, weight.cache_full, memory) if memory is not None else {}
    for name, count in weight.checkpoint.items():
        fit = "" if name not in verdicts else ", fits" if verdicts[name] else ", does not fit"
        yield f"checkpoint, {name}", f"{size(count)}{fit}"
    if weight.cache_per_token is not None:
        yield f"cache per token, {weight.cache_format}", size(weight.cache_per_token)
    if weight.cache_full is not None and weight.context is not None:
        yield f"cache of {weight.context:,} tokens", size(weight.cache_full)
    if memory is not None:
        cache = "weights and the full cache of one sequence" if weight.cache_full is not None else "weights alone"
        yield "memory", f"{size(memory)} for {cache}"


def _sheet(console: Console, result: ClassResult, memory: int | None) -> None:
    console.print(Text(f"{result.name}  {result.file}:{result.line}", "bold"))
    nothing = []
    for group, found, absent in _folded(result):
        if not found:
            nothing.append(group)
            continue
        console.print()
        console.print(Text(group, "bold"))
        table = Table.grid(padding=(0, 2))
        for style, least, whole in (("dim", 27, True), ("", 15, False), ("dim", 8, True), ("dim", 0, False)):
            table.add_column(style=style, min_width=least, overflow="fold", no_wrap=whole)
        for row in found:
            table.add_row(*(Text(wording.clean(cell)) for cell in row))
        console.print(Padding(table, (0, 0, 0, 2)))
        if absent:
            console.print(Padding(Text(f"none: {', '.join(absent)}", "dim"), (0, 0, 0, 2)))
    if nothing:
        console.print()
        console.print(Text("None of these", "bold"))
        console.print(Padding(Text(", ".join(nothing), "dim"), (0, 0, 0, 2)))
    console.print()
    console.print(Text("Weights and memory", "bold"))
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=26)
    table.add_column()
    for label, text in _weights(result, budget(result), memory):
        table.add_row(label, text)
    console.print(Padding(table, (0, 0, 0, 2)))
    items = wording.undecided(result)
    if items:
        console.print()
        console.print(Text(f"undecided ({len(items)})", "bold yellow"))
        lines = [f"{item.key}: {item.reason}" if item.key else item.reason for item in items[:_MOST_UNDECIDED]]
        if len(items) > len(lines):
            lines.append(f"… {len(items) - len(lines)} more: specdiff inspect lists them")
        for line in lines:
            console.print(Padding(Text(wording.clean(line)), (0, 0, 0, 2)))


def _page(result: ClassResult, memory: int | None) -> str:
    lines = [f"# {result.name}", "", f"`{result.file}:{result.line}`", ""]
    nothing = []
    for group, found, absent in _folded(result):
        if not found:
            nothing.append(group)
            continue
        lines += [f"## {group}", "", "| key | value | level | line |", "|---|---|---|---|"]
        lines += [f"| `{key}` | {_cell(value)} | {level} | {_cell(place)} |" for key, value, level, place in found]
        lines.append("")
        if absent:
            lines += [f"None: {', '.join(f'`{key}`' for key in absent)}.", ""]
    if nothing:
        lines += ["## None of these", "", ", ".join(nothing), ""]
    lines += ["## Weights and memory", "", "| | |", "|---|---|"]
    lines += [f"| {label} | {text} |" for label, text in _weights(result, budget(result), memory)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return wording.clean(text).replace("|", "\\|").replace("<", "&lt;")


def _document(result: ClassResult, memory: int | None) -> dict[str, object]:
    weight = budget(result)
    document: dict[str, object] = {
        "file": result.file,
        "line": result.line,
        "facts": {
            key: {"value": plain(fact.value), "level": str(fact.level)}
            for key, fact in sorted(result.sheet.facts.items())
        },
        "absences": sorted(result.sheet.absences),
        "total_parameters": result.total_parameters,
        "active_parameters": result.active_parameters,
        "parts": weight.parts,
        "checkpoint_bytes": weight.checkpoint,
        "kv_cache_bytes_per_token": weight.cache_per_token,
        "kv_cache_format": weight.cache_format,
        "kv_cache_bytes_at_full_context": weight.cache_full,
    }
    if memory is not None:
        document["fits"] = fits(weight.checkpoint, weight.cache_full, memory)
    return document
