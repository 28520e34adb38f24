"""Reports of the audit: per file a verdict, what is missing, and the findings with their lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.text import Text

from specdiff.audit import RULES, Rule
from specdiff.audit.files import FileAudit, as_results, shown
from specdiff.report import sarif, wording
from specdiff.report.json_v1 import finding_json
from specdiff.report.terminal import console_text, new_console
from specdiff.results import Finding, Severity

SCHEMA = "specdiff/audit/1"
_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold blue"}
_VERDICTS = {"complete": "bold green", "partial": "bold yellow", "skeleton": "bold red", "undecided": "bold blue"}
_MOST_NAMES = 4


def render(audits: Sequence[FileAudit], format: str, color: bool = False, explain: bool = False) -> str:  # noqa: A002
    """The audits as text.

    Raises:
        KeyError: the format is none of terminal, json, sarif and markdown.
    """
    match format:
        case "terminal":
            return _terminal(audits, color, explain)
        case "markdown":
            return _markdown(audits)
        case "json":
            return _json(audits)
        case "sarif":
            return sarif.inspect_document([result for audit in audits for result in as_results(audit)])
        case _:
            raise KeyError(format)


def _summary(audits: Sequence[FileAudit]) -> str:
    counts = Counter(str(item.severity) for item in shown(audits))
    words = [wording.plural(counts[name], name) for name in ("error", "warning", "note") if counts[name]]
    verdicts = Counter(audit.verdict for audit in audits)
    told = ", ".join(f"{count} {name}" for name, count in verdicts.most_common())
    return f"{wording.plural(len(audits), 'file')}: {told}; {', '.join(words) or 'no findings'}"


def _share(share: float | None) -> str:
    return "" if share is None else f", {share:.1%} of the parameters reach an output"


def _terminal(audits: Sequence[FileAudit], color: bool, explain: bool) -> str:
    console = new_console(color)
    for audit in audits:
        console.print(
            Text.assemble((audit.verdict, _VERDICTS.get(audit.verdict, "")), f"  {wording.clean(audit.file)}")
        )
        for result in audit.classes:
            console.print(
                Text.assemble(
                    "  ",
                    (result.verdict, _VERDICTS.get(result.verdict, "")),
                    f" {result.name}{_share(result.live_share)}",
                )
            )
            if result.verdict == "undecided" and result.undecided:
                why = result.undecided[0]
                console.print(Text(f"    {wording.clean(why.reason)} ({why.file}:{why.line})", style="dim"))
        for item, names in audit.findings:
            console.print(
                Text.assemble(
                    "  ",
                    (f"{item.severity}", _STYLES[item.severity]),
                    f" {item.id}  {item.primary.file}:{item.primary.line}",
                )
            )
            console.print(Text(f"    {wording.clean(item.message)}{_concerned(names, audit)}"))
        console.print()
    if explain:
        for rule in _rules(shown(audits)):
            console.print(Text(f"{rule.id}: {rule.title}", style="bold"))
            console.print(Text(f"  {rule.why}"))
            console.print(Text(f"  By hand: {rule.check}"))
    console.print(Text(_summary(audits)))
    return console_text(console)


def _rules(findings: Iterable[Finding]) -> list[Rule]:
    return [RULES[name] for name in dict.fromkeys(item.id for item in findings) if name in RULES]


def _concerned(names: Sequence[str], audit: FileAudit) -> str:
    if not names or len(names) == len(audit.classes):
        return ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f" [{', '.join(names[:_MOST_NAMES])}{more}]"


def _markdown(audits: Sequence[FileAudit]) -> str:
    lines = ["# Audit", "", f"{_summary(audits)}.", ""]
    for audit in audits:
        lines += [
            f"## `{audit.file}`: {audit.verdict}",
            "",
            "| class | verdict | parameters that reach an output |",
            "|---|---|---|",
        ]
        for result in audit.classes:
            share = "" if result.live_share is None else f"{result.live_share:.1%}"
            lines.append(f"| `{result.name}` | {result.verdict} | {share} |")
        lines.append("")
        if audit.findings:
            lines += ["| severity | finding | where | what |", "|---|---|---|---|"]
            for item, names in audit.findings:
                what = wording.clean(item.message + _concerned(names, audit)).replace("|", "\\|").replace("<", "&lt;")
                lines.append(f"| {item.severity} | {item.id} | `{item.primary.file}:{item.primary.line}` | {what} |")
            lines.append("")
    rules = _rules(shown(audits))
    if rules:
        lines += ["## Why it matters, and how to check it by hand", ""]
        lines += [f"- **{rule.id}** {rule.title} {rule.why} *By hand:* {rule.check}" for rule in rules]
    return "\n".join(lines).rstrip() + "\n"


def _json(audits: Sequence[FileAudit]) -> str:
    document = {
        "schema": SCHEMA,
        "files": {
            audit.file: {
                "verdict": audit.verdict,
                "classes": {
                    result.name: {
                        "line": result.line,
                        "verdict": result.verdict,
                        "live_share": result.live_share,
                        "missing": list(result.missing),
                    }
                    for result in audit.classes
                },
                "findings": [{**finding_json(item), "classes": list(names)} for item, names in audit.findings],
            }
            for audit in audits
        },
        "rules": {
            rule.id: {"title": rule.title, "why": rule.why, "check": rule.check} for rule in _rules(shown(audits))
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
