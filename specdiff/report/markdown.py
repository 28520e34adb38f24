"""Reports in Markdown, for pull-request comments and repositories: problems open, the rest in folded details."""

from __future__ import annotations

import re
from collections.abc import Sequence

from specdiff.facts import Evidence
from specdiff.report import openness, wording
from specdiff.results import CheckResult, ClaimResult, ClassResult, Finding, Severity

MAX_CHARACTERS = 60_000
"""A GitHub comment holds 65,536 characters; the rest is for what is put around the report."""
_MOST_ROWS = 400
_MOST_EVIDENCE = 6
_MARKS = {"match": "✅", "mismatch": "❌", "missing": "❌", "undecided": "❔", wording.DEVIATION: "⚠️"}
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;"} | {
    mark: f"\\{mark}" for mark in "\\`*_[]|~$"
}


def check_page(results: Sequence[CheckResult]) -> str:
    """One section per result."""
    return "\n".join(_fitted(_check(result)) for result in results)


def inspect_page(results: Sequence[ClassResult]) -> str:
    """One section per class."""
    return "\n".join(_fitted(_class(result)) for result in results)


def _check(result: CheckResult) -> list[str]:
    """Parts of a section, most important first, so that the last ones can be left out."""
    verdict = str(result.verdict)
    code = result.code
    parts = [
        (
            f"# {_MARKS[verdict]} {_text(result.name)}: {verdict}\n\n"
            f"{_text(wording.summary(result))}.\n\n"
            "| | |\n|---|---|\n"
            f"| spec | {_code(result.spec)} |\n"
            f"| code | {_code(result.target)}, {_code(f'{code.file}:{code.line}')} |\n"
            f"| implementation | {_text(wording.code_is(result))} |\n"
            f"| parameters | {wording.amount(code.total_parameters)} |\n"
            f"| active | {wording.amount(code.active_parameters)} |\n"
        )
    ]
    for standing in ("mismatch", "missing"):
        parts += [_problem(claim) for claim in _of(result, standing)]
    parts += _findings(result.findings)
    undecided, deviating, matching = (_of(result, each) for each in ("undecided", wording.DEVIATION, "match"))
    rows: list[tuple[str, ...]]
    if undecided:
        rows = [(_code(claim.key), _text(wording.expected(claim)), _text(claim.reason)) for claim in undecided]
        parts.append(_details(f"Undecided ({len(rows)})", _table(("claim", "expected", "why"), rows)))
    parts += [_problem(claim) for claim in deviating]
    if matching:
        body = ""
        for group in wording.grouped(matching):
            rows = [
                (_code(claim.key), _text(wording.found(claim)), str(claim.level or ""), _source(claim), _where(claim))
                for claim in group.claims
            ]
            body += f"\n**{_text(group.title)}**\n\n" + _table(("claim", "value", "level", "source", "code"), rows)
        parts.append(_details(f"Matches ({len(matching)})", body))
    if result.extras:
        rows = [
            (_code(extra.key), _text(wording.value(extra.value, extra.key)), str(extra.level))
            for extra in result.extras
        ]
        parts.append(_details(f"In the code, in no claim ({len(rows)})", _table(("fact", "value", "level"), rows)))
    if result.release:
        rows = [
            (_text(each.name), _text(each.says), _text(each.source), f"“{_text(each.quote)}”" if each.quote else "")
            for each in wording.released(result)
        ]
        body = _table(("what", "says", "source", "quote"), rows)
        measured = [
            (_text(each.yardstick), _text(each.level), _text(each.answer)) for each in openness.measures(result)
        ]
        body += "\n" + _table(("yardstick", "level", "answer"), measured)
        parts.append(_details("Release, as the publisher says", body))
    if result.documents:
        listed = "".join(
            f"- {_code(document.id)}: {_text(document.title)}, {_link(document.url)}\n" for document in result.documents
        )
        parts.append("\n## Sources\n\n" + listed)
    return parts


def _of(result: CheckResult, standing: str) -> list[ClaimResult]:
    return [claim for claim in result.claims if wording.standing(claim) == standing]


def _problem(claim: ClaimResult) -> str:
    standing = wording.standing(claim)
    rows = [("expected", _text(wording.expected(claim))), ("found", _text(wording.found(claim)))]
    if claim.level is not None:
        rows.append(("level", f"{claim.level}, needs {claim.needed}"))
    if claim.reason:
        rows.append(("why", _text(claim.reason)))
    if claim.known_deviation:
        rows.append(("deviation", _text(claim.known_deviation)))
    rows.append(("source", f"{_source(claim)}: “{_text(claim.source.quote)}”"))
    rows += _evidence(claim.evidence)
    return f"\n## {_MARKS[standing]} {standing}: {_code(claim.key)}\n\n" + _table(("", ""), rows)


def _evidence(steps: Sequence[Evidence]) -> list[tuple[str, str]]:
    rows = [
        ("" if index else "code", f"{_code(wording.place(step))} {_text(step.what)}")
        for index, step in enumerate(steps[:_MOST_EVIDENCE])
    ]
    if len(steps) > _MOST_EVIDENCE:
        rows.append(("", f"{len(steps) - _MOST_EVIDENCE} more"))
    return rows


def _findings(findings: Sequence[Finding]) -> list[str]:
    """What asks for a change stands open, one section each; notes are folded into one table."""
    open_ones = [_finding(finding) for finding in findings if finding.severity is not Severity.NOTE]
    notes = [finding for finding in findings if finding.severity is Severity.NOTE]
    rows = [(_code(each.id), _text(each.message), _code(wording.place(each.primary))) for each in notes]
    return open_ones + ([_details(f"Notes ({len(rows)})", _table(("note", "what", "code"), rows))] if rows else [])


def _finding(finding: Finding) -> str:
    head = f"\n## {_text(str(finding.severity))}: {_code(finding.id)}\n\n{_text(finding.message)} "
    head += f"({finding.confidence} confidence)\n\n"
    return head + _table(("", ""), _evidence((finding.primary, *finding.related)))


def _class(result: ClassResult) -> list[str]:
    parts = [
        (
            f"# {_text(result.name)}: {_text(result.verdict)}\n\n"
            "| | |\n|---|---|\n"
            f"| code | {_code(f'{result.file}:{result.line}')} |\n"
            f"| parameters | {wording.amount(result.total_parameters)} in {len(result.parameters):,} tensors |\n"
            f"| active | {wording.amount(result.active_parameters)} |\n"
        )
    ]
    parts += _findings(result.findings)
    rows: list[tuple[str, ...]]
    if result.sheet.facts:
        facts = [result.sheet.facts[key] for key in sorted(result.sheet.facts)]
        rows = [
            (
                _code(fact.key),
                _text(wording.value(fact.value, fact.key)),
                str(fact.level),
                _code(wording.place(fact.evidence[-1])) if fact.evidence else "",
            )
            for fact in facts
        ]
        parts.append(f"\n## Facts ({len(rows)})\n\n" + _table(("fact", "value", "level", "code"), rows))
    items = wording.undecided(result)
    if items:
        rows = [(_code(f"{item.file}:{item.line}"), _text(item.key or ""), _text(item.reason)) for item in items]
        parts.append(_details(f"Undecided ({len(rows)})", _table(("place", "key", "why"), rows)))
    return parts


def _where(claim: ClaimResult) -> str:
    return _code(wording.place(claim.evidence[-1])) if claim.evidence else ""


def _source(claim: ClaimResult) -> str:
    return _text(f"{claim.source.id} {claim.source.where}")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines.append(f"| {len(rows) - _MOST_ROWS} more |" + " |" * (len(head) - 1))
    return "\n".join(lines) + "\n"


def _details(title: str, body: str) -> str:
    return f"\n<details><summary>{_text(title)}</summary>\n\n{body.strip()}\n\n</details>\n"


def _fitted(parts: Sequence[str]) -> str:
    """The parts that fit into a comment, with what was left out counted."""
    text, left_out = "", 0
    for part in parts:
        if len(text) + len(part) > MAX_CHARACTERS:
            left_out += 1
        else:
            text += part
    if left_out:
        text += f"\n{wording.plural(left_out, 'more section')} did not fit; the HTML and JSON reports have all.\n"
    return text


def _text(words: str) -> str:
    """Text as text: nothing in it is read as Markdown, HTML, a mention or a link."""
    return "".join(_ESCAPES.get(letter, letter) for letter in wording.clean(words)).replace("://", "&#58;//")


def _code(words: str) -> str:
    """Inline code; backticks and table bars inside cannot end it."""
    inner = wording.clean(words).replace("|", "\\|").replace("`", "'")
    return f"`{inner}`" if inner else ""


def _link(url: str) -> str:
    """A link for web addresses alone."""
    if re.fullmatch(r"https?://[^\s<>()\[\]|`\"]+", url):
        return f"<{url}>"
    return _text(url)
