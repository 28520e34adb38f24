"""One self-contained HTML page: verdict, claims with quote and source lines, drawing, parameters; no network.

Everything that comes from specs and analysed code passes through the template's escaping; the page forbids, by its
content security policy, any script but its own.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from specdiff.errors import SpecdiffError
from specdiff.facts import Evidence
from specdiff.report import diagram, openness, opgraph, wording
from specdiff.report.palette import identifier
from specdiff.results import CheckResult, ClaimResult, ClassResult, Finding, SourceDocument

_TEMPLATES = Path(__file__).parent / "templates"
_AROUND = 3
"""Source lines shown before and after the lines of a piece of evidence."""
_LONGEST = 24
"""Lines of one excerpt."""
_MOST_EVIDENCE = 8
_MOST_UNDECIDED = 200
_MOST_SHARES = 12
_MOST_OPERATIONS = 250
"""Operations of the drawing on the page, which stays below a megabyte with them."""
_WIDEST_BESIDE = 640.0
"""Points: a drawing up to this width can be read in the column beside the claims."""
_LONGEST_LINE = 240
"""Characters of a source line that are shown."""
_MARKS = {"match": "✓", "mismatch": "✗", "missing": "✗", "undecided": "?", wording.DEVIATION: "≠"}


class _Line(NamedTuple):
    number: int
    text: str
    hit: bool


class _Step(NamedTuple):
    place: str
    what: str
    lines: tuple[_Line, ...]


class _Group(NamedTuple):
    title: str
    claims: list[dict[str, object]]
    has: str
    """The statuses in it, for the filter."""


class _Share(NamedTuple):
    name: str
    amount: str
    percent: str
    width: str
    """Of a hundred."""


def check_page(results: Sequence[CheckResult]) -> str:
    """All results on one page."""
    title = ", ".join(f"{result.name}: {result.verdict}" for result in results)
    return _page(title, [_check(result, number) for number, result in enumerate(results, 1)])


def inspect_page(results: Sequence[ClassResult]) -> str:
    """All classes on one page."""
    return _page(", ".join(result.name for result in results), [_class(result) for result in results])


def _page(title: str, pages: Sequence[Mapping[str, object]]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    text: str = environment.get_template("report.html").render(
        title=title,
        pages=pages,
        # The package's own files, and the drawings, which are written as XML trees: the only text that is not escaped here.
        script=Markup(script),  # noqa: S704
        style=Markup(style),  # noqa: S704
        script_hash=f"sha256-{digest}",
    )
    return text


def _check(result: CheckResult, number: int) -> dict[str, object]:
    documents = {document.id: document for document in result.documents}
    counted = wording.counts(result)
    groups: list[_Group] = []
    for group in wording.grouped(result.claims):
        rows = [_claim(claim, documents.get(claim.source.id), result.sources, number) for claim in group.claims]
        rank = [_style(name) for name in wording.STANDINGS]
        rows.sort(key=lambda row: rank.index(str(row["status"])))
        groups.append(_Group(group.title, rows, " ".join(sorted({str(row["status"]) for row in rows}))))
    return {
        **_common(result.code, result),
        "name": result.name,
        "verdict": str(result.verdict),
        "verdict_style": str(result.verdict),
        "summary": wording.summary(result) + ".",
        "meta": [("spec", result.spec), ("code", result.target), *_meta(result.code, wording.code_is(result))],
        "total": len(result.claims),
        "counts": [{"name": name, "style": _style(name), "count": count} for name, count in counted.items() if count],
        "findings": [_finding(finding, result.sources) for finding in result.findings],
        "groups": groups,
        "problems": [row for group in groups for row in group.claims if row["open"]],
        "facts": (),
        "extras": [
            {"key": extra.key, "value": wording.value(extra.value, extra.key), "level": str(extra.level)}
            for extra in result.extras
        ],
        "release": wording.released(result),
        "openness": openness.measures(result),
        "documents": [
            {"id": document.id, "title": document.title, "url": _url(document.url)} for document in result.documents
        ],
    }


def _class(result: ClassResult) -> dict[str, object]:
    return {
        **_common(result, result),
        "name": result.name,
        "verdict": result.verdict,
        "verdict_style": "match" if result.verdict == "complete" else "undecided",
        "summary": "",
        "meta": _meta(result, result.verdict),
        "total": 0,
        "counts": (),
        "findings": [_finding(finding, {}) for finding in result.findings],
        "groups": (),
        "problems": (),
        "facts": [
            {
                "key": key,
                "value": wording.value(result.sheet.facts[key].value, key),
                "level": str(result.sheet.facts[key].level),
                "place": wording.place(step[-1]) if (step := result.sheet.facts[key].evidence) else "",
            }
            for key in sorted(result.sheet.facts)
        ],
        "extras": (),
        "release": (),
        "openness": (),
        "documents": (),
    }


def _common(code: ClassResult, drawn: ClassResult | CheckResult) -> dict[str, object]:
    """What both kinds of page say about the code."""
    items = wording.undecided(code)
    page: dict[str, object] = {
        "undecided": [
            {"place": f"{item.file}:{item.line}", "key": item.key or "", "reason": item.reason}
            for item in items[:_MOST_UNDECIDED]
        ],
        "undecided_more": max(0, len(items) - _MOST_UNDECIDED),
        "shares": shares(code),
        "svg": "",
        "wide": False,
        "no_svg": "",
        "parts": (),
        "operations": "",
    }
    try:
        svg = diagram.draw(drawn, "svg").decode()
    except SpecdiffError as error:
        page["no_svg"] = error.problems[0].message
        return page
    svg = svg[svg.index("<svg") :]
    size = re.search(r'width="([\d.]+)pt"', svg)
    page["wide"] = size is not None and float(size[1]) > _WIDEST_BESIDE
    page["svg"] = Markup(svg)  # noqa: S704 - written as an XML tree, which escapes what it is given
    if 0 < len(opgraph.shown(code.steps)) <= _MOST_OPERATIONS:
        with contextlib.suppress(SpecdiffError):  # without a Graphviz the page goes without this drawing
            drawing = diagram.draw(code, "svg", "operations").decode()
            # Two drawings on one page: ids of the one may be those of the other.
            drawing = re.sub(r'\bid="', 'id="operation-', drawing[drawing.index("<svg") :])
            page["operations"] = Markup(drawing)  # noqa: S704 - see above
    facts = code.sheet.facts
    parts: dict[str, object] = {}
    for box in diagram.drawn(drawn).boxes():
        shown = [(key, wording.value(facts[key].value, key)) for key in box.keys if key in facts]
        parts.setdefault(
            identifier(box.id),
            {
                "id": identifier(box.id),
                "title": box.title,
                "class_name": box.class_name,
                "path": box.id,
                "place": f"{box.file}:{box.line}" if box.file else "",
                "lines": box.lines,
                "facts": shown,
            },
        )
    page["parts"] = list(parts.values())
    return page


def _meta(code: ClassResult, implementation: str) -> list[tuple[str, str]]:
    rows = [
        ("class", f"{code.name}, {code.file}:{code.line}"),
        ("implementation", implementation),
        ("parameters", wording.amount(code.total_parameters)),
    ]
    if code.active_parameters is not None:
        rows.append(("active per token", wording.amount(code.active_parameters)))
    rows += [("tied", f"{name} is {first}") for name, first in code.tied]
    if code.unused:
        rows.append(("built, never used", wording.value(tuple(code.unused))))
    return rows


def _claim(
    claim: ClaimResult, document: SourceDocument | None, sources: Mapping[str, str], number: int
) -> dict[str, object]:
    standing = wording.standing(claim)
    expected, found = wording.expected(claim), wording.found(claim)
    short = found if standing == "match" else f"expected {expected}"
    if standing not in ("match", "undecided"):
        short += f", found {found}"
    return {
        "key": claim.key,
        "anchor": f"claim-{number}-" + re.sub(r"[^a-z0-9_.-]", "-", claim.key.lower()),
        "status": _style(standing),
        "standing": standing,
        "mark": _MARKS[standing],
        "short": short,
        "open": standing in ("mismatch", "missing"),
        "level": str(claim.level) if claim.level is not None else "",
        "needed": str(claim.needed),
        "meaning": wording.meaning(claim.key),
        "expected": expected,
        "found": found,
        "reason": claim.reason,
        "deviation": claim.known_deviation,
        "quote": claim.source.quote,
        "document": document.title if document else claim.source.id,
        "url": _url(document.url) if document else "",
        "where": claim.source.where,
        "evidence": [_step(step, sources) for step in claim.evidence[:_MOST_EVIDENCE]],
        "more": max(0, len(claim.evidence) - _MOST_EVIDENCE),
    }


def _finding(finding: Finding, sources: Mapping[str, str]) -> dict[str, object]:
    steps = (finding.primary, *finding.related)
    return {
        "id": finding.id,
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "message": finding.message,
        "evidence": [_step(step, sources) for step in steps[:_MOST_EVIDENCE]],
    }


def _step(step: Evidence, sources: Mapping[str, str]) -> _Step:
    text = sources.get(step.file)
    if text is None or step.line < 1:
        return _Step(wording.place(step), step.what, ())
    lines = text.split("\n")
    first = max(1, step.line - _AROUND)
    last = min(len(lines), max(step.line, step.end_line) + _AROUND, first + _LONGEST - 1)
    shown = tuple(
        _Line(number, lines[number - 1][:_LONGEST_LINE], step.line <= number <= max(step.line, step.end_line))
        for number in range(first, last + 1)
    )
    return _Step(wording.place(step), step.what, shown)


def shares(result: ClassResult) -> tuple[_Share, ...]:
    """Parameters by part of the model, largest first; layers together, a tied tensor once."""
    again = {name for name, _ in result.tied}
    counted: dict[str, int] = {}
    for name, shape in result.parameters.items():
        if name not in again:
            part = _part(name)
            counted[part] = counted.get(part, 0) + prod(abs(length) for length in shape)
    total = sum(counted.values())
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    if len(ranked) > _MOST_SHARES:
        rest = ranked[_MOST_SHARES - 1 :]
        ranked = [*ranked[: _MOST_SHARES - 1], (f"{len(rest)} further parts", sum(count for _, count in rest))]
    return tuple(
        _Share(name, wording.short(count), f"{100 * count / total:.2f}%", f"{100 * count / total:.2f}")
        for name, count in ranked
        if total
    )


def _part(name: str) -> str:
    """`model.layers.17.self_attn.q_proj.weight` as `model.layers.*.self_attn`."""
    pieces = name.split(".")[:-1]
    for index, piece in enumerate(pieces):
        if piece.isdigit():
            return ".".join((*pieces[:index], "*", *pieces[index + 1 : index + 2]))
    return ".".join(pieces) or name


def _style(standing: str) -> str:
    """A standing as a CSS class."""
    return "deviation" if standing == wording.DEVIATION else standing


def _url(text: str) -> str:
    """Web addresses only: any other scheme in a spec stays text."""
    return text if re.fullmatch(r"https?://\S+", text) else ""
