"""Reports for the terminal: verdict first, problems before matches, 80 columns, colour only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from specdiff.facts import Evidence, Fact
from specdiff.report import openness, wording
from specdiff.results import (
    CheckResult,
    ClaimResult,
    ClassResult,
    Finding,
    Severity,
    Status,
)

WIDTH = 80
"""Columns; the same wherever it is shown, so that the text is the same for the same result."""

_STYLES = {
    "match": "bold green",
    "mismatch": "bold red",
    "missing": "bold red",
    "undecided": "bold yellow",
    wording.DEVIATION: "bold cyan",
}
_SEVERITIES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold blue"}
_MOST_EVIDENCE = 4
"""Lines of evidence shown under a problem; the HTML and JSON reports have all of them."""
_MOST_OPEN = 12
"""Undecided places of the code that are listed."""


def check_text(results: Sequence[CheckResult], color: bool = False) -> str:
    """One report per result, parted by a blank line."""
    console = new_console(color)
    for index, result in enumerate(results):
        if index:
            console.print()
        _check(console, result)
    return console_text(console)


def inspect_text(results: Sequence[ClassResult], color: bool = False) -> str:
    """One report per class, parted by a blank line."""
    console = new_console(color)
    for index, result in enumerate(results):
        if index:
            console.print()
        _class(console, result)
    return console_text(console)


def new_console(color: bool) -> Console:
    """A console that writes into memory, the same on every machine."""
    return Console(
        file=StringIO(),
        width=WIDTH,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )


def console_text(console: Console) -> str:
    """What was printed on such a console."""
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().replace("\N{NO-BREAK SPACE}", " ").split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _check(console: Console, result: CheckResult) -> None:
    head = Text()
    head.append(str(result.verdict).upper(), _STYLES[str(result.verdict)])
    head.append(f"  {wording.clean(result.name)}", "bold")
    console.print(head)
    console.print(label_table(("spec", result.spec)))
    console.print(label_table(("code", f"{result.target} ({result.code.file}:{result.code.line})")))
    console.print(label_table(("claims", wording.summary(result))))
    console.print(label_table(("parameters", _parameters(result.code))))
    console.print(label_table(("code is", wording.code_is(result))))
    for standing in ("mismatch", "missing"):
        for claim in _of(result, standing):
            _problem(console, claim)
    _findings(console, result.findings)
    _open(console, _of(result, "undecided"))
    for claim in _of(result, wording.DEVIATION):
        _problem(console, claim)
    matches = _of(result, "match")
    if matches:
        _title(console, f"match ({len(matches)})", "bold green")
        console.print(_folded(matches))
    if result.extras:
        _title(console, f"in the code, in no claim ({len(result.extras)})", "bold")
        line = " · ".join(f"{extra.key} {wording.value(extra.value, extra.key)}" for extra in result.extras)
        console.print(Padding(Text(wording.clean(line)), (0, 0, 0, 2)))
    _notes(console, result.findings)
    if result.release:
        _title(console, "release, as the publisher says", "bold")
        parts = [
            f"{each.name} {each.says}" + (f" ({each.source})" if each.source else "")
            for each in wording.released(result)
        ]
        console.print(Padding(Text(wording.clean(" · ".join(parts))), (0, 0, 0, 2)))
        measured = openness.measures(result)
        for each in measured:
            console.print(Padding(Text(wording.clean(f"{each.level}: {each.answer}")), (0, 0, 0, 2)))
        for yardstick in dict.fromkeys(each.yardstick for each in measured):
            console.print(Padding(Text(wording.clean(f"measured against the {yardstick}"), style="dim"), (0, 0, 0, 2)))


def _of(result: CheckResult, standing: str) -> list[ClaimResult]:
    return [claim for claim in result.claims if wording.standing(claim) == standing]


def _open(console: Console, claims: Sequence[ClaimResult]) -> None:
    """Undecided claims, one paragraph per reason."""
    if not claims:
        return
    _title(console, f"undecided ({len(claims)})", _STYLES["undecided"])
    reasons: dict[str, list[ClaimResult]] = {}
    for claim in claims:
        reasons.setdefault(claim.reason or "no reason given", []).append(claim)
    for reason, alike in reasons.items():
        steps = tuple(dict.fromkeys(step for claim in alike for step in claim.evidence))
        where = f" ({wording.place(steps[0])})" if len(steps) == 1 else ""
        console.print(Padding(Text(wording.clean(reason + where)), (0, 0, 0, 2)))
        console.print(Padding(_run(alike, ""), (0, 0, 0, 4)))


def _problem(console: Console, claim: ClaimResult) -> None:
    console.print()
    head = Text()
    standing = wording.standing(claim)
    head.append(standing, _STYLES[standing])
    head.append(f" {wording.clean(claim.key)}", "bold")
    if standing == wording.DEVIATION:
        head.append(f" ({claim.status})", "dim")
    console.print(head)
    unit = wording.unit(claim.key)
    rows = [("expected", f"{wording.expected(claim)}{f' {unit}' if unit and type(claim.expected) is int else ''}")]
    if claim.status is not Status.UNDECIDED or claim.actual is not None:
        level = f" ({claim.level}, needs {claim.needed})" if claim.level is not None else ""
        rows.append(("found", wording.found(claim) + level))
    if claim.reason:
        rows.append(("why", claim.reason))
    if claim.known_deviation:
        rows.append(("deviation", claim.known_deviation))
    rows.append(("source", f"{claim.source.id} {claim.source.where}: “{claim.source.quote}”"))
    rows += _evidence(claim.evidence)
    console.print(Padding(label_table(*rows), (0, 0, 0, 2)))


def _evidence(steps: Sequence[Evidence]) -> list[tuple[str, str]]:
    rows = []
    for index, step in enumerate(steps[:_MOST_EVIDENCE]):
        rows.append(("" if index else "code", f"{wording.place(step)}  {step.what}"))
    if len(steps) > _MOST_EVIDENCE:
        rows.append(("", f"and {len(steps) - _MOST_EVIDENCE} more"))
    return rows


def _findings(console: Console, findings: Sequence[Finding]) -> None:
    """What asks for a change, in full."""
    for finding in findings:
        if finding.severity is Severity.NOTE:
            continue
        console.print()
        head = Text()
        head.append(str(finding.severity), _SEVERITIES[finding.severity])
        head.append(f" {wording.clean(finding.id)}", "bold")
        head.append(f"  ({finding.confidence} confidence)", "dim")
        console.print(head)
        rows = [("", finding.message), ("code", f"{wording.place(finding.primary)}  {finding.primary.what}")]
        rows += [("", f"{wording.place(step)}  {step.what}") for step in finding.related[:_MOST_EVIDENCE]]
        console.print(Padding(label_table(*rows), (0, 0, 0, 2)))


def _notes(console: Console, findings: Sequence[Finding]) -> None:
    """A paragraph per note, after everything that matters more."""
    notes = [finding for finding in findings if finding.severity is Severity.NOTE]
    if not notes:
        return
    _title(console, f"notes ({len(notes)})", "bold")
    for finding in notes:
        line = Text()
        line.append(wording.clean(finding.id), "bold")
        line.append(f" {wording.clean(finding.message)} ")
        line.append(wording.clean(wording.place(finding.primary)), "dim")
        console.print(Padding(line, (0, 0, 0, 2)))


def _folded(claims: Sequence[ClaimResult]) -> Table:
    """A line or two per group: short keys with their values."""
    table = _grid(("bold", 12), ("", 0))
    for group in wording.grouped(claims):
        common = _common([claim.key for claim in group.claims])
        table.add_row(wording.clean(common.rstrip(".") or group.id), _run(group.claims, common))
    return table


def _run(claims: Sequence[ClaimResult], common: str) -> Text:
    """`heads 64 · kv_heads 8`: keys without what they have in common, each with its value."""
    line = Text()
    for index, claim in enumerate(claims):
        if index:
            line.append(" · ", "dim")
        value = wording.clean(wording.value(claim.expected if claim.actual is None else claim.actual, claim.key))
        # A key and a short value stay on one line.
        joined = "\N{NO-BREAK SPACE}" if len(claim.key) + len(value) < 40 else " "
        line.append(wording.clean(claim.key.removeprefix(common)) + joined, "dim")
        line.append(value.replace(" ", "\N{NO-BREAK SPACE}") if len(value) < 24 else value)
    return line


def _common(keys: Sequence[str]) -> str:
    """The first word that all keys share, with its dot; empty where there is none."""
    first = {key.partition(".")[0] for key in keys}
    return f"{first.pop()}." if len(first) == 1 and all("." in key for key in keys) else ""


def _class(console: Console, result: ClassResult) -> None:
    head = Text()
    head.append(wording.clean(result.name), "bold")
    head.append(f"  {result.verdict}", "bold green" if result.verdict == "complete" else "bold yellow")
    console.print(head)
    console.print(label_table(("code", f"{result.file}:{result.line}")))
    console.print(label_table(("parameters", f"{_parameters(result)}, {len(result.parameters):,} tensors")))
    for name, first in result.tied:
        console.print(label_table(("tied", f"{name} is {first}")))
    if result.unused:
        console.print(label_table(("unused", ", ".join(result.unused[:6]) + (" …" if len(result.unused) > 6 else ""))))
    _findings(console, result.findings)
    if result.sheet.facts:
        _title(console, f"facts ({len(result.sheet.facts)})", "bold")
        table = _grid(("dim", 28), ("", 24), ("dim", 8), ("dim", 0))
        for key in sorted(result.sheet.facts):
            _fact_row(table, result.sheet.facts[key])
        console.print(table)
    if result.sheet.absences:
        _title(console, "not there, proven", "bold")
        console.print(Padding(Text(", ".join(sorted(result.sheet.absences))), (0, 0, 0, 2)))
    _notes(console, result.findings)
    items = wording.undecided(result)
    if items:
        _title(console, f"undecided ({len(items)})", "bold yellow")
        for item in items[:_MOST_OPEN]:
            what = f"{item.key}: {item.reason}" if item.key else item.reason
            console.print(Padding(Text(f"{item.file}:{item.line}  {wording.clean(what)}"), (0, 0, 0, 2)))
        if len(items) > _MOST_OPEN:
            console.print(Padding(Text(f"and {len(items) - _MOST_OPEN} more"), (0, 0, 0, 2)))


def _fact_row(table: Table, fact: Fact) -> None:
    step = fact.evidence[-1] if fact.evidence else None
    where = f"{step.file.rpartition('/')[2]}:{step.line}" if step else ""
    table.add_row(fact.key, wording.clean(wording.value(fact.value, fact.key)), str(fact.level), wording.clean(where))


def _parameters(result: ClassResult) -> str:
    active = f", {wording.short(result.active_parameters)} active" if result.active_parameters is not None else ""
    return wording.amount(result.total_parameters) + active


def _title(console: Console, text: str, style: str) -> None:
    console.print()
    console.print(Text(text, style))


def label_table(*pairs: tuple[str, str]) -> Table:
    """Labels with their texts, one pair a row."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=10)
    table.add_column(overflow="fold")
    for label, text in pairs:
        table.add_row(label, Text(wording.clean(text)))
    return table


def _grid(*columns: tuple[str, int]) -> Table:
    table = Table.grid(padding=(0, 2))
    for style, width in columns or (("bold", 0), ("", 0)):
        table.add_column(style=style, overflow="fold", max_width=width or None)
    return table
