"""A checkpoint's comparison as text: the verdict, then issues with repeated layers folded into one line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from specdiff.report import terminal, wording
from specdiff.report.sheet import size
from specdiff.results import Severity
from specdiff.weights.model import KINDS, Issue, WeightsResult

SCHEMA = "specdiff/weights/1"
_MOST = 40
"""Lines of one kind."""
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold blue"}


class Folded(NamedTuple):
    """Issues that differ in list positions only."""

    issue: Issue
    times: int
    name: str
    """The name with its positions as ranges."""


def render(result: WeightsResult, style: str, color: bool, digests: Mapping[str, str]) -> str:
    """The comparison as ``terminal``, ``markdown`` or ``json`` text."""
    if style == "json":
        return json.dumps(_document(result, digests), indent=1) + "\n"
    if style == "markdown":
        return _page(result, digests)
    console = terminal.new_console(color)
    _print(console, result, digests)
    return terminal.console_text(console)


def folded(result: WeightsResult) -> list[tuple[str, list[Folded]]]:
    """Issues by kind, worst first, with repeated layers and experts folded."""
    kinds: dict[tuple[str, Severity], dict[tuple[str, str], list[Issue]]] = {}
    for issue in result.issues:
        template = (
            re.sub(r"\d+", "#", issue.name),
            re.sub(r"\d+", "#", issue.detail) if issue.kind == "hash" else issue.detail,
        )
        kinds.setdefault((issue.kind, issue.severity), {}).setdefault(template, []).append(issue)
    return [
        (kind, [Folded(group[0], len(group), _ranges([each.name for each in group])) for group in groups.values()])
        for (kind, _), groups in kinds.items()
    ]


def _ranges(names: list[str]) -> str:
    """`layers.0-35.weight` for thirty-six names that differ in one position."""
    if len(names) == 1:
        return names[0]
    columns = zip(*(re.findall(r"\d+", name) for name in names), strict=False)
    texts = []
    for column in columns:
        numbers = sorted({int(each) for each in column})
        whole = numbers == list(range(numbers[0], numbers[-1] + 1))
        texts.append(str(numbers[0]) if len(numbers) == 1 else f"{{{numbers[0]}{'-' if whole else '…'}{numbers[-1]}}}")
    queue = iter(texts)
    return re.sub(r"\d+", lambda match: next(queue, match[0]), names[0])


def verdict(result: WeightsResult) -> str:
    """Whether it fits, in capitals."""
    if not result.fits:
        return "DOES NOT FIT"
    if result.checkpoint.tensors and not any(each.shape is not None for each in result.checkpoint.tensors.values()):
        return "THE NAMES FIT, shapes are not known"
    return "FITS" if result.matched == result.parameters or not result.issues else "FITS, with notes"


def _summary(result: WeightsResult) -> list[tuple[str, str]]:
    checkpoint = result.checkpoint
    layouts = ", ".join(f"{count:,} {name}" for name, count in result.layouts.items())
    rows = [
        ("checkpoint", f"{checkpoint.path} ({checkpoint.kind})"),
        ("code", result.target),
        ("tensors", f"{len(checkpoint.tensors):,} in {wording.plural(len(checkpoint.files), 'file')}"
                    + (f", {size(checkpoint.bytes)}" if checkpoint.bytes else "")),
        ("parameters", f"{result.matched:,} of {result.parameters:,} filled" + (f" ({layouts})" if layouts else "")),
    ]  # fmt: skip
    if result.converted:
        rows.append(("converted", f"{result.converted:,} tensors are renamed or converted by the library's rules"))
    rows += [("note", note) for note in result.notes]
    return rows


def _print(console: Console, result: WeightsResult, digests: Mapping[str, str]) -> None:
    console.print(Text(verdict(result), "bold green" if result.fits else "bold red"))
    console.print(terminal.label_table(*_summary(result)))
    for kind, issues in folded(result):
        console.print()
        first = issues[0].issue
        count = sum(each.times for each in issues)
        head = Text(f"{first.severity} {kind} ({count:,})", _STYLES[first.severity])
        console.print(head.append(f"  {KINDS[kind]}", "dim"))
        for each in issues[:_MOST]:
            times = f" ({each.times:,})" if each.times > 1 else ""
            text = f"{wording.clean(each.name)}{times}: {wording.clean(each.issue.detail)}"
            console.print(Padding(Text(text), (0, 0, 0, 2)))
        if len(issues) > _MOST:
            console.print(Padding(Text(f"and {len(issues) - _MOST:,} more"), (0, 0, 0, 2)))
    if digests:
        console.print()
        for name, digest in digests.items():
            console.print(Text(f"{digest}  {name}"), soft_wrap=True)


def _page(result: WeightsResult, digests: Mapping[str, str]) -> str:
    lines = [f"# {verdict(result)}", "", "| | |", "|---|---|"]
    lines += [f"| {label} | {_cell(text)} |" for label, text in _summary(result)]
    for kind, issues in folded(result):
        lines += [
            "",
            f"## {issues[0].issue.severity}: {kind}",
            "",
            f"{KINDS[kind]}.",
            "",
            "| tensor | how many | detail |",
            "|---|---|---|",
        ]
        lines += [f"| `{_cell(each.name)}` | {each.times:,} | {_cell(each.issue.detail)} |" for each in issues[:_MOST]]
        if len(issues) > _MOST:
            lines.append(f"\n{len(issues) - _MOST:,} more.")
    if digests:
        lines += ["", "```", *(f"{digest}  {name}" for name, digest in digests.items()), "```"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return wording.clean(text).replace("|", "\\|").replace("<", "&lt;")


def _document(result: WeightsResult, digests: Mapping[str, str]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "target": result.target,
        "checkpoint": result.checkpoint.path,
        "kind": result.checkpoint.kind,
        "fits": result.fits,
        "tensors": len(result.checkpoint.tensors),
        "bytes": result.checkpoint.bytes,
        "files": result.checkpoint.files,
        "parameters": result.parameters,
        "filled": result.matched,
        "layouts": result.layouts,
        "converted": result.converted,
        "issues": [
            {
                "kind": each.kind,
                "severity": str(each.severity),
                "name": each.name,
                "detail": each.detail,
                "file": each.file,
            }
            for each in result.issues
        ],
        "notes": list(result.notes),
        "sha256": dict(digests),
    }
