"""One entry under ``claims:`` or ``release:`` as a `Claim` or a `ReleaseItem`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from specdiff import vocab
from specdiff.facts import Level, Value
from specdiff.results import SourceRef
from specdiff.spec import formula
from specdiff.spec.document import Mapping, Node, Scalar, Sequence
from specdiff.spec.fields import Report, check_known, describe, mapping, required_text, shorten, suggestion, text
from specdiff.spec.model import Absent, Claim, Computed, Exactly, Expectation, KnownDeviation, OneOf, ReleaseItem
from specdiff.spec.values import expected, read_pattern, read_scalar, read_tolerance, read_value
from specdiff.vocab import Key, ValueType

_FORMS = ("value", "one_of", "pattern", "formula", "absent")
_CLAIM_FIELDS = (*_FORMS, "repeat", "tolerance", "source", "where", "quote", "level", "note", "known_deviation")
_NUMERIC = (ValueType.INT, ValueType.NUMBER)
_LISTS = (
    ValueType.PATTERN,
    ValueType.LAYERS,
    ValueType.INTEGERS,
    ValueType.NUMBERS,
    ValueType.NAMES,
    ValueType.PARTS,
)

_SOURCE_FIELDS = {
    "source": "the id of a document under sources",
    "where": "section, table or field in it",
    "quote": "a short quote that says it",
}

TODO = "TODO"
"""The source id of a draft's claims, which no document stands behind yet."""
STILL_TODO = "the source is still TODO; name the document that says it"
"""Ends the problem of such a claim."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a claim's fields are checked against."""

    sources: frozenset[str] | None
    """Ids of the documents; None where an extended spec that may define more cannot be read."""
    report: Report
    allow_todo: bool


def read_claim(name: Scalar, node: Node, context: Context) -> Claim | None:
    """One claim; None where a problem was reported."""
    report = context.report
    key = vocab.find(name.text)
    if key is None or key.group == "release":
        report.add(name, _unknown_key(name.text))
        return None
    body = node if isinstance(node, Mapping) else _bare(node, key)
    before = len(report.problems)
    check_known(body, name.text, _CLAIM_FIELDS, report)
    expectation = _expectation(body, name, key, report)
    level = _level(body, name.text, key, report)
    source = read_source(body, name.text, context)
    note = text(body, "note", name.text, report)
    deviation = _known_deviation(body, name.text, context)
    if len(report.problems) > before or expectation is None:
        return None
    named = "level" in body.entries
    return Claim(name.text, expectation, level, source, report.file, name.line, note, deviation, named)


def _bare(node: Scalar | Sequence, key: Key) -> Mapping:
    """``layers: 36``: a claim whose source is still to be named, ``{value: 36, source: TODO}``."""
    absent = isinstance(node, Scalar) and node.text == "absent"
    form = "absent" if absent else "pattern" if key.type is ValueType.PATTERN else "value"
    place = Scalar(node.line, node.column, form, form)
    given = Scalar(node.line, node.column, True, "true") if absent else node
    source = Scalar(node.line, node.column, TODO, TODO)
    return Mapping(node.line, node.column, {form: (place, given), "source": (source, source)})


def read_release(name: Scalar, node: Node, context: Context) -> ReleaseItem | None:
    """One entry under ``release:``; None where a problem was reported."""
    report = context.report
    what = f"release.{name.text}"
    key = vocab.KEYS.get(what)
    if key is None:
        known = [each.removeprefix("release.") for each in vocab.KEYS if each.startswith("release.")]
        hint = suggestion(name.text, known) or f" (there are {', '.join(known)})"
        report.add(name, f"release: unknown field {shorten(name.text)}{hint}")
        return None
    body = mapping(node, what, report)
    if body is None:
        return None
    before = len(report.problems)
    hashes = ("files",) if what == "release.hashes" else ()
    check_known(body, what, ("value", *hashes, "license", "source", "where", "quote", "note"), report)
    files = _files(body, what, report) if hashes else ()
    value: Value = None
    if "value" in body.entries:
        value = read_scalar(body.entries["value"][1], what, key, report)
    else:
        report.add(name, f"{what}: value is missing (expected {expected(key)})")
    source = read_source(body, what, context)
    license = text(body, "license", what, report)
    note = text(body, "note", what, report)
    if len(report.problems) > before:
        return None
    if files and value is not True:
        report.add(name, f"{what}: files are given, so that value is true")
    return ReleaseItem(name.text, value, source, license, note, files)


def _files(body: Mapping, what: str, report: Report) -> tuple[tuple[str, str], ...]:
    """The published SHA-256 of files by their names within the checkpoint."""
    if "files" not in body.entries:
        return ()
    table = mapping(body.entries["files"][1], f"{what}: files", report)
    found = []
    for name, node in table.entries.values() if table else ():
        digest = node.text.strip().lower() if isinstance(node, Scalar) else ""
        if _SHA256.fullmatch(digest):
            found.append((name.text, digest))
        else:
            report.add(
                node, f"{what}: files: {shorten(name.text)} has no SHA-256 (64 hex digits), found {describe(node)}"
            )
    return tuple(found)


_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_source(body: Mapping, what: str, context: Context, *, quote: bool = True) -> SourceRef:
    """The fields ``source``, ``where`` and ``quote``; missing ones are reported.

    ``source: {id: paper, where: …, quote: …}`` says the same, as results write it.
    """
    report = context.report
    if "source" in body.entries and isinstance(given := body.entries["source"][1], Mapping):
        check_known(given, f"{what}: source", ("id", "where", "quote"), report)
        beside = {name: entry for name, entry in body.entries.items() if name in ("where", "quote")}
        nested = {("source" if name == "id" else name): entry for name, entry in given.entries.items()}
        body = Mapping(given.line, given.column, {**beside, **nested})
    source = text(body, "source", what, report)
    fields = ("where", "quote") if quote else ("where",)
    missing = [name for name in ("source", *fields) if name not in body.entries]
    if source == TODO:
        missing = []
        if not context.allow_todo:
            report.add(body.entries["source"][1], f"{what}: {STILL_TODO}")
    elif source and context.sources is not None and source not in context.sources:
        hint = suggestion(source, context.sources) or _known_sources(context.sources)
        report.add(body.entries["source"][1], f"{what}: source {shorten(source)!r} is not defined under sources{hint}")
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        wanted = "; ".join(_SOURCE_FIELDS[name] for name in missing)
        report.add(body, f"{what}: {' and '.join(missing)} {verb} missing ({wanted})")
    return SourceRef(source, text(body, "where", what, report), text(body, "quote", what, report))


def _known_sources(sources: frozenset[str]) -> str:
    return f" (there are {', '.join(sorted(sources))})" if sources else " (there are none)"


def _unknown_key(name: str) -> str:
    if name.startswith("release."):
        hint = "; it stands under release:, not under claims"
    elif near := vocab.near(name):
        hint = f"; did you mean {near}?"
    else:
        hint = " (docs/vocabulary.md lists all keys)"
    return f"unknown key {shorten(name)}{hint}"


def _expectation(body: Mapping, name: Scalar, key: Key, report: Report) -> Expectation | None:
    given = [form for form in _FORMS if form in body.entries]
    if len(given) != 1:
        if given:
            place = body.entries[given[1]][0]
            report.add(place, f"{name.text}: {' and '.join(given)} contradict each other; a claim says one of them")
        else:
            report.add(name, f"{name.text}: what is claimed? Give one of {', '.join(_FORMS)}")
        return None
    form = given[0]
    node = body.entries[form][1]
    repeat = _repeat(body, name.text, form, report)
    before = len(report.problems)
    expectation: Expectation | None
    match form:
        case "value":
            expectation = read_value(node, name.text, key, report)
        case "one_of":
            expectation = _one_of(node, name.text, key, report)
        case "pattern":
            expectation = read_pattern(node, name.text, key, repeat, report)
        case "formula":
            expectation = _formula(node, name.text, key, report)
        case _:
            expectation = _absent(node, name.text, report)
    if "tolerance" in body.entries:
        expectation = _with_tolerance(body, name.text, key, expectation, report)
    return expectation if len(report.problems) == before else None


def _repeat(body: Mapping, what: str, form: str, report: Report) -> bool:
    if "repeat" not in body.entries:
        return False
    name, node = body.entries["repeat"]
    if form != "pattern":
        report.add(name, f"{what}: repeat belongs to a pattern, and there is none here")
    elif isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    else:
        report.add(node, f"{what}: repeat must be true or false, found {describe(node)}")
    return False


def _one_of(node: Node, what: str, key: Key, report: Report) -> Expectation | None:
    if key.type in _LISTS:
        report.add(node, f"{what}: one_of works for single values; this key takes {expected(key)}")
        return None
    if not isinstance(node, Sequence) or not node.items:
        report.add(node, f"{what}: one_of must be a list with at least one value, found {describe(node)}")
        return None
    values = [read_scalar(item, what, key, report) for item in node.items]
    distinct = tuple(dict.fromkeys(values))
    # Two spellings of one choice are one value.
    return OneOf(distinct) if len(distinct) > 1 else Exactly(distinct[0])


def _absent(node: Node, what: str, report: Report) -> Expectation | None:
    if isinstance(node, Scalar) and node.value is True:
        return Absent()
    report.add(node, f"{what}: absent can only be true, found {describe(node)} (give value to say what there is)")
    return None


def _formula(node: Node, what: str, key: Key, report: Report) -> Expectation | None:
    if key.type not in _NUMERIC:
        report.add(node, f"{what}: a formula gives a number, and this key takes {expected(key)}")
        return None
    if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
        report.add(
            node, f"{what}: formula must be text such as 'hidden_size / attention.heads', found {describe(node)}"
        )
        return None
    try:
        parsed = formula.parse(node.text)
    except formula.FormulaError as error:
        report.add(node, f"{what}: formula {shorten(node.text)!r}: {error}")
        return None
    for other in parsed.keys:
        known = vocab.find(other)
        if known is None:
            report.add(node, f"{what}: formula: {_unknown_key(other)}")
        elif known.type not in _NUMERIC:
            report.add(node, f"{what}: formula: {other} is not a number")
        elif other == what:
            report.add(node, f"{what}: formula: a key cannot be computed from itself")
    return Computed(parsed)


def _with_tolerance(
    body: Mapping, what: str, key: Key, expectation: Expectation | None, report: Report
) -> Expectation | None:
    name, node = body.entries["tolerance"]
    if key.type not in _NUMERIC:
        report.add(name, f"{what}: tolerance is for numbers, and this key takes {expected(key)}")
        return expectation
    tolerance = read_tolerance(node, what, report)
    match expectation:
        case Exactly(value):
            return Exactly(value, tolerance)
        case Computed(computed):
            return Computed(computed, tolerance)
        case None:
            return None
        case _:
            report.add(name, f"{what}: tolerance goes with value or formula only")
            return expectation


def _level(body: Mapping, what: str, key: Key, report: Report) -> Level:
    if "level" not in body.entries:
        return key.highest
    node = body.entries["level"][1]
    names = {str(level): level for level in Level}
    wanted = node.text if isinstance(node, Scalar) else ""
    if wanted not in names:
        hint = suggestion(wanted, names)
        report.add(node, f"{what}: level must be one of {', '.join(names)}, found {describe(node)}{hint}")
        return key.highest
    if names[wanted] not in key.levels:
        provable = " or ".join(str(level) for level in key.levels)
        report.add(node, f"{what}: cannot be proven as {wanted}, only as {provable}")
    return names[wanted]


def _known_deviation(body: Mapping, what: str, context: Context) -> KnownDeviation | None:
    if "known_deviation" not in body.entries:
        return None
    what = f"{what}: known_deviation"
    node = mapping(body.entries["known_deviation"][1], what, context.report)
    if node is None:
        return None
    check_known(node, what, ("reason", "source", "where", "quote"), context.report)
    reason = required_text(node, "reason", what, "why the code differs", context.report)
    return KnownDeviation(reason, read_source(node, what, context, quote=False))
