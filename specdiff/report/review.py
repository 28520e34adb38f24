"""A change's review as text: one comment for a pull request, or the same for the terminal and for machines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from specdiff.facts import Evidence, Value
from specdiff.report import fits, github, review_json, sarif, terminal, wording
from specdiff.report.brief import brief
from specdiff.results import CheckResult, ClassResult, Finding
from specdiff.review.model import ClassReview, Closest, FactChange, Fit, GatedBranch, ParameterChange, Review, Standing

MARK = "<!-- specdiff review -->"
"""First line of the comment, by which the next run finds and replaces it."""
MAX_CHARACTERS = 60_000
"""A GitHub comment holds 65,536 characters."""
_MOST_ROWS = 60
_MOST_FACTS = 160
_MOST_EDITS = 6
_MOST_OPEN = 8
"""Classes whose changes are not folded."""
_MOST_FILES = 8
_MOST_DECIDED = 8
"""Facts that are newly decided; more of them come from a side that could not be built or followed."""
_MOST_PLACES = 12
_MOST_OPERATIONS = 6
_MOST_NOTES = 3
"""Findings at the lowest level that are not folded."""


def render(result: Review, style: str, color: bool) -> str:
    """The review as ``terminal``, ``markdown``, ``json``, ``sarif`` or ``github`` text."""
    text = _rendered(result, style, color)
    # Names of files need not be UTF-8; what is printed or posted has to be.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _rendered(result: Review, style: str, color: bool) -> str:
    if style == "json":
        return review_json.document(result)
    if style == "markdown":
        return comment(result)
    if style == "sarif":
        return sarif.review_document(result)
    if style == "github":
        return github.review_document(result)
    console = terminal.new_console(color)
    _print(console, result)
    return terminal.console_text(console)


def headline(result: Review) -> str:
    """One sentence: how many classes changed, and whether something is wrong."""
    counts = {standing: sum(each.standing is standing for each in result.classes) for standing in Standing}
    parts = [f"{count} {standing}" for standing, count in counts.items() if count and standing is not Standing.SAME]
    classes = (
        f"{', '.join(parts)} model class{'es' if sum(counts.values()) - counts[Standing.SAME] != 1 else ''}"
        if parts
        else "no architectural change" + (f" in the {len(result.behind)} model files analysed" if result.unread else "")
    )
    open_ = [each for each in result.classes if _is_open(each)]
    if open_ and not parts:
        classes += f" found; the operations of {wording.counted(len(open_), 'edited class', 'edited classes')} could not be compared"
    errors = sum(str(finding.severity) == "error" for each in result.classes for finding in each.findings)
    failing = [check.name for check in result.checks if str(check.verdict) in ("mismatch", "missing")]
    tail = [f"{name.rpartition('/')[2]} cannot be read" for name in result.unreadable]
    tail += [f"{errors} new error{'s' if errors != 1 else ''}"] if errors else []
    tail += [f"the spec of {name} does not hold" for name in failing]
    misfits = [each for each in result.fits if each.result is not None and not each.result.fits]
    tail += [f"the checkpoint {each.checkpoint} does not fit" for each in misfits]
    tail += [f"{len(result.unread)} more model files use what changed and were not analysed"] if result.unread else []
    return "; ".join([classes, *tail])


def _is_open(each: ClassReview) -> bool:
    """Whether code of a class with parameters was edited, nothing of it changed that is known, and its operations are not."""
    same = each.standing is Standing.SAME and each.reached and not each.compared
    return same and each.after is not None and bool(each.after.parameters)


def comment(result: Review) -> str:
    """Markdown for a pull request: details folded, a size limit with an honest count of what is left out."""
    parts = [f"{MARK}\n## specdiff: {_text(headline(result))}\n"]
    if result.edits:
        parts.append(f"\nEdited: {', '.join(f'`{_edit(step)}` {_text(step.what)}' for step in result.edits[:_MOST_EDITS])}"
                     f"{_and_more(len(result.edits) - _MOST_EDITS)}.\n")  # fmt: skip
    parts += [f"\n> {_text(note)}\n" for note in result.notes]
    # What is wrong comes before what is merely different, and before anything that may not fit.
    failing = [check for check in result.checks if str(check.verdict) in ("mismatch", "missing")]
    parts += [_check(check) for check in failing]
    parts += [f"\n{_fit(each)}" for each in result.fits if each.result is not None]
    if result.problems:
        parts.append(
            "\n" + "".join(f"- {_text(problem)}\n" for problem in result.problems[:_MOST_ROWS]) + _rest(result.problems)
        )
    told: set[Finding] = set()
    near = {each.file: each for each in result.closest}
    for number, members in enumerate(alike(result)):
        section = _class_section(members, told)
        parts.append(section if number < _MOST_OPEN else _closed(section))
        if members[0].standing is Standing.ADDED and members[0].file in near:
            parts.append(_closest(near.pop(members[0].file)))
    if result.unread:
        files = [name.rpartition("/")[2] for name in result.unread]
        title = f"{len(files)} more model files use what changed and were not analysed"
        parts.append(f"\n<details><summary>{title}</summary>\n\n{_names(files)}\n\n</details>\n")
    parts += _quiet(result, told)
    for title, same in _unchanged(result):
        parts.append(f"\n{title}: {_names(same)}.\n")
    parts += [_check(check) for check in result.checks if check not in failing]
    parts += [f"\n{_text(line)}\n" for line in fits.together([each for each in result.fits if each.result is None])]
    text, left_out = "", 0
    for part in parts:
        if len(text) + len(part) > MAX_CHARACTERS:
            left_out += 1
        else:
            text += part
    if left_out:
        text += f"\n{left_out} more sections do not fit into a comment; the JSON has all of them.\n"
    return text


def _check(check: CheckResult) -> str:
    """A spec's verdict, and what of it does not hold."""
    lines = [f"\n**{_text(check.name)}**: {check.verdict}, {_text(wording.summary(check))}\n"]
    for claim in check.claims:
        if wording.standing(claim) in ("mismatch", "missing"):
            lines.append(
                f"- `{claim.key}`: the source says {_text(wording.expected(claim))} "
                f"(“{_text(claim.source.quote)}”), the code has {_text(wording.found(claim))}\n"
            )
    return "".join(lines)


def _closed(section: str) -> str:
    """A section under its heading's words, folded."""
    head, _, body = section.lstrip("\n").partition("\n")
    title = re.sub(r"`([^`]*)`", r"<code>\1</code>", head.removeprefix("### "))
    return f"\n<details><summary>{title}</summary>\n{body}\n</details>\n"


def _names(names: Sequence[str]) -> str:
    return ", ".join(_code(name) for name in names[:_MOST_ROWS]) + _and_more(len(names) - _MOST_ROWS)


def _rest(rows: Sequence[object]) -> str:
    return f"\n{len(rows) - _MOST_ROWS} more.\n" if len(rows) > _MOST_ROWS else ""


def _fit(each: Fit) -> str:
    """Whether a published checkpoint fits, and what does not."""
    lines = [f"{_text(fits.sentence(each))}\n"]
    if each.result is not None and not each.result.fits:
        lines.append("\n" + "".join(f"- {_text(line)}\n" for line in fits.wrong(each.result)))
    return "".join(lines)


def _closest(each: Closest) -> str:
    """What an added file is closest to."""
    name = each.file.rpartition("/")[2]
    if not each.models:
        return f"\n`{name}` shares no method with the other models.\n"
    models = ", ".join(f"`{file.rpartition('/')[2]}` ({share:.0%})" for file, share in each.models)
    lines = [f"\n`{name}` is closest to {models}.\n"]
    if each.differences:
        lines.append("\n" + "".join(f"- {_text(line)}\n" for line in each.differences))
    if each.same:
        rows = [(f"`{own}`", f"`{other}`") for own, other in each.same]
        count = len(rows)
        title = (
            f"{count} class{'es are' if count != 1 else ' is'} the same as another up to renaming and can be inherited"
        )
        lines.append(_folded(title, ("class", "is"), rows))
    if each.apart:
        near = [(f"`{own}`", f"`{other}`" if other else "nothing", _text(words)) for own, other, words in each.apart]
        title = f"{len(near)} class{'es' if len(near) != 1 else ''} of its own"
        lines.append(_folded(title, ("class", "nearest", ""), near))
    return "".join(lines)


def _unchanged(result: Review) -> Iterator[tuple[str, list[str]]]:
    """Classes of which nothing changed that is known, those whose code was edited first."""
    same = [each for each in result.classes if each.standing is Standing.SAME]
    edited = [each.name for each in same if each.reached and not each.compared and not each.proven]
    equal = [each.name for each in same if each.reached and each.compared and not each.proven]
    if proven := [each.name for each in same if each.proven]:
        yield "Written otherwise, and worked out on random numbers a prompt comes to the same", proven
    if equal:
        yield "Code was edited that these may reach, and every operation that a prompt runs through is the same", equal
    if edited:
        yield "Code was edited that these may reach, and no fact, parameter or finding of theirs changed", edited
    changed = {each.file for each in result.classes}
    if behind := [name for name in result.behind if name not in changed]:
        yield "These use what changed, and no fact, parameter or finding of theirs changed", behind
    if rest := [each.name for each in same if not each.reached and not each.proven]:
        yield "Unchanged in architecture", rest


class _Listed(NamedTuple):
    """Changes of facts as they are told."""

    shown: list[FactChange]
    """One by one."""
    lost: list[tuple[str, int]]
    """Why facts are no longer decided, where it is one reason for several, and how many."""
    decided: list[FactChange]
    """What could not be decided before, where that is too much to be the change itself."""


def _listed(changes: Sequence[FactChange]) -> _Listed:
    """Changes that tell something; what follows for many facts from one reason is counted."""
    telling = [change for change in changes if change.tells]
    counts = Counter(change.reason for change in telling if change.kind == "lost")
    many = {reason for reason, count in counts.items() if count > 1}
    decided = [change for change in telling if change.kind == "decided"]
    folded = decided if len(decided) > _MOST_DECIDED else []
    shown = [each for each in telling if (each.kind != "lost" or each.reason not in many) and each not in folded]
    return _Listed(shown, [(reason, counts[reason]) for reason in sorted(many)], folded)


def _edit(step: Evidence) -> str:
    name = step.file.rpartition("/")[2]
    return f"{name}:{step.line}" if step.line == step.end_line else f"{name}:{step.line}-{step.end_line}"


def _and_more(count: int) -> str:
    return f" and {count} more" if count > 1 else " and one more" if count == 1 else ""


def alike(result: Review) -> Iterator[tuple[ClassReview, ...]]:
    """Classes that changed, those of one file with the same changes together; added ones with the most facts first."""
    groups: dict[object, list[ClassReview]] = {}
    for each in result.classes:
        if each.standing is Standing.SAME:
            continue
        if each.standing is Standing.CHANGED:
            facts = tuple((change.key, change.kind, repr(change.before), repr(change.after)) for change in each.facts)
            findings = tuple((finding.id, finding.primary) for finding in each.findings)
            computed = tuple(
                (change.before, change.after, change.before_evidence, change.after_evidence)
                for change in each.operations
            )
            key: object = (each.file, facts, findings, computed, each.failed, len(each.parameters))
        else:
            key = (each.file, each.standing)
        groups.setdefault(key, []).append(each)
    for members in groups.values():
        yield tuple(sorted(members, key=_told_of_added, reverse=True))


def _told_of_added(each: ClassReview) -> tuple[int, int]:
    """How much there is to tell of an added class: the one that tells most stands for its file."""
    if each.standing is not Standing.ADDED or each.after is None:
        return 0, 0
    return len(each.after.sheet.facts), each.after.total_parameters or 0


def _class_section(members: tuple[ClassReview, ...], told: set[Finding]) -> str:
    each, *rest = members
    because = f", through `{each.why}`" if each.why else f", was `{each.was}`" if each.was else ""
    others = f" and {len(rest)} more" if rest else ""
    lines = [f"\n### `{each.name}`{others} {each.standing}{because}\n"]
    if rest and each.standing is Standing.CHANGED:
        lines.append(f"\nThe same in {_names([other.name for other in rest])}.\n")
    elif rest and each.standing is Standing.REMOVED:
        lines.append(f"\nAlso {_names([other.name for other in rest])}.\n")
    if each.failed:
        lines.append(f"\n{_text(each.failed)}\n")
    if each.standing is Standing.ADDED and each.after is not None:
        lines += _added(each.after, [other.after for other in rest if other.after is not None])
    facts, lost, decided = _listed(each.facts)
    for reason, count in lost:
        lines.append(f"\n{count} facts are no longer decided: {_text(reason)}\n")
    head = ("fact", "before", "after", "line")
    if facts:
        lines.append(_table(head, [_fact_row(change) for change in facts]))
    if decided:
        later = [_fact_row(change) for change in decided]
        lines.append(_folded(f"{len(later)} facts are decided that were not before", head, later))
    lines += _operations(each)
    if each.parameters:
        rows = [(_code(name), kind, size) for name, kind, size in folded(each.parameters)]
        count = len(each.parameters)
        lines.append(_folded(f"{count} parameter{'s' if count != 1 else ''} changed", ("parameter", "", "shape"), rows))
    every = each.findings if each.standing is Standing.CHANGED else tuple(f for one in members for f in one.findings)
    new = [finding for finding in dict.fromkeys(every) if finding not in told]
    told.update(new)
    notes = [finding for finding in new if str(finding.severity) == "note"]
    notes = notes if len(notes) > _MOST_NOTES else []
    lines += _findings([finding for finding in new if finding not in notes])
    if notes:
        lines.append(f"\n<details><summary>{len(notes)} notes</summary>\n{''.join(_findings(notes))}\n</details>\n")
    if len(new) < len(dict.fromkeys(every)):
        lines.append(f"\n{len(dict.fromkeys(every)) - len(new)} of its findings are told above.\n")
    if elsewhere := max(one.elsewhere for one in members):
        lines.append(f"\n{wording.plural(elsewhere, 'finding')} in code that it uses and that did not change.\n")
    if gates := _gates(members):
        rows = [(f"`{_edit(gate.place)}`", _text(gate.place.what), _text(_settings(gate))) for gate in gates]
        count = len(rows)
        title = f"{count} branch{'es' if count != 1 else ''} that no known configuration reaches"
        lines.append(_folded(title, ("lines", "runs", "settings"), rows))
    if each.resolved:
        lines.append(f"\n{len(each.resolved)} earlier finding{'s are' if len(each.resolved) != 1 else ' is'} gone.\n")
    return "".join(lines)


def _added(main: ClassResult, rest: Sequence[ClassResult]) -> Iterator[str]:
    """What an added file's classes are: the one that tells most, and what the others are beside it."""
    yield f"\n{wording.amount(main.total_parameters)} parameters, implementation: {main.verdict}\n"
    lines = [f"- {tower}: {_text(line)}\n" if tower else f"- {_text(line)}\n" for tower, line in brief(main.sheet)]
    yield "\n" + "".join(lines) if lines else ""
    rows = [
        (f"`{key}`", _text(wording.value(fact.value, key)), _places(fact.evidence))
        for key, fact in sorted(main.sheet.facts.items())
    ]
    if rows:
        yield _folded(f"{len(rows)} facts", ("key", "value", "line"), rows, _MOST_FACTS)
    if rest:
        sizes = [(f"`{one.name}`", wording.amount(one.total_parameters), str(one.verdict)) for one in rest]
        title = f"{len(rest)} more class{'es' if len(rest) != 1 else ''} of this file"
        yield _folded(title, ("class", "parameters", "verdict"), sizes)


def _quiet(result: Review, told: set[Finding]) -> Iterator[str]:
    """Notes on classes of which nothing else changed."""
    same = [each for each in result.classes if each.standing is Standing.SAME]
    new = [finding for finding in dict.fromkeys(f for each in same for f in each.findings) if finding not in told]
    gone = len({(finding.id, finding.message) for each in same for finding in each.resolved})
    if new or gone:
        title = " and ".join([f"{wording.plural(len(new), 'new note')}"] * bool(new) + [f"{gone} gone"] * bool(gone))
        yield f"\n<details><summary>{title} in classes that are the same</summary>\n{''.join(_findings(new))}\n</details>\n"


def _findings(found: Sequence[Finding]) -> Iterator[str]:
    for number, finding in enumerate(found[:_MOST_ROWS]):
        place = f"`{finding.id}` `{wording.place(finding.primary)}`"
        yield f"{'' if number else chr(10)}- **{finding.severity}** {place}: {_text(finding.message)}\n"
    yield _rest(found)


def _gates(members: Sequence[ClassReview]) -> list[GatedBranch]:
    """Branches that no known configuration reaches; of added classes those that none of the file's reaches."""
    if members[0].standing is not Standing.ADDED or len(members) == 1:
        return list(members[0].gates)
    counts = Counter(gate.place for one in members for gate in one.gates)
    asking = sum(bool(one.after and one.after.branches) for one in members)
    return list({gate.place: gate for one in members for gate in one.gates if counts[gate.place] == asking}.values())


def _fact_row(change: FactChange) -> tuple[str, ...]:
    before = "undecided" if change.kind == "decided" else _value(change.before, change.key)
    after = _value(change.after, change.key) if change.kind != "lost" else f"undecided: {_text(change.reason)}"
    where = " → ".join(place for place in (_places(change.before_evidence), _places(change.after_evidence)) if place)
    return f"`{change.key}`", before, after, where


def _operations(each: ClassReview) -> Iterator[str]:
    """Where a prompt is computed otherwise: beside facts that say so folded, else at once."""
    if not each.operations:
        return
    rows = [(f"`{c.part}`", _done(c.before), "the same, of something else" if c.reads else _done(c.after),
             " → ".join(place for place in (_places(c.before_evidence[:1]), _places(c.after_evidence[:1])) if place))
            for c in each.operations]  # fmt: skip
    head = ("where", "before", "after", "line")
    told = any(change.tells for change in each.facts) or each.parameters
    title = f"{len(rows)} place{'s' if len(rows) != 1 else ''} where a prompt is computed otherwise"
    if told or len(rows) > _MOST_PLACES:
        yield _folded(title, head, rows)
    else:
        yield f"\n{title}, and no fact says so:\n{_table(head, rows)}"


def _done(texts: Sequence[str]) -> str:
    """Operations in a row."""
    shown = ", ".join(texts[:_MOST_OPERATIONS]) + _and_more(len(texts) - _MOST_OPERATIONS)
    return _code(shown) if texts else "nothing"


def _settings(gate: GatedBranch) -> str:
    """`a is 1 and b is 2` for each combination that the known configurations have."""
    combinations = [
        " and ".join(f"{name} is {wording.value(value, name) if value is not None else 'none'}" for name, value in zip(gate.settings, values, strict=True))
        for values in gate.values
    ]  # fmt: skip
    looked = f" in {gate.configurations} configurations" if gate.configurations > 1 else " by default"
    return "; or ".join(combinations) + looked


def folded(changes: tuple[ParameterChange, ...]) -> Iterator[tuple[str, str, str]]:
    """(name, kind, shapes), layers together."""
    groups: dict[tuple[str, str, str], int] = {}
    for change in changes:
        shape = " → ".join(_size(each) for each in (change.before, change.after) if each is not None)
        name = re.sub(r"(?<=\.)\d+(?=\.)", "*", change.name)
        groups[name, change.kind, shape] = groups.get((name, change.kind, shape), 0) + 1
    for (name, kind, shape), count in groups.items():
        yield f"{name} ({count} of them)" if count > 1 else name, kind, shape


def _size(shape: tuple[int, ...]) -> str:
    return "×".join("?" if size < 0 else str(size) for size in shape) or "a number"


def _value(value: Value, key: str) -> str:
    return "none" if value is None else _text(wording.value(value, key))


def _places(evidence: tuple[Evidence, ...]) -> str:
    step = evidence[-1] if evidence else None
    return f"`{step.file.rpartition('/')[2]}:{step.line}`" if step else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], most: int = _MOST_ROWS) -> str:
    shown = rows[:most]
    lines = ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in shown]
    if len(rows) > len(shown):
        lines.append(f"\n{len(rows) - len(shown)} more.")
    return "\n".join(lines) + "\n"


def _folded(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], most: int = _MOST_ROWS) -> str:
    return f"\n<details><summary>{_text(title)}</summary>\n{_table(head, rows, most)}\n</details>\n"


def _text(text: str) -> str:
    """Text of code and specs stays text in a comment: no markup, no mentions, no issue links."""
    escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;"} | {
        mark: f"\\{mark}" for mark in "\\`*_[]|~"
    }
    return "".join(escapes.get(letter, letter) for letter in wording.clean(text))


def _code(text: str) -> str:
    """Text as code, in which no escapes count save that of a cell's border."""
    return "`" + wording.clean(text).replace("`", "'").replace("|", "\\|") + "`"


def _print(console: Console, result: Review) -> None:
    console.print(Text(headline(result), "bold red" if result.fails else "bold green"))
    console.print(
        terminal.label_table(
            ("base", result.base[:12]),
            ("head", result.head[:12] or "the working tree"),
            ("files", (", ".join(result.files[:_MOST_FILES]) or "none") + _and_more(len(result.files) - _MOST_FILES)),
            *(
                [
                    (
                        "edited",
                        ", ".join(f"{_edit(step)} {step.what}" for step in result.edits[:_MOST_EDITS])
                        + _and_more(len(result.edits) - _MOST_EDITS),
                    )
                ]
                if result.edits
                else []
            ),
        )
    )
    for note in result.notes:
        console.print(Text(wording.clean(note), "yellow"))
    for near in result.closest:
        console.print()
        models = ", ".join(f"{file.rpartition('/')[2]} ({share:.0%})" for file, share in near.models) or "nothing"
        console.print(Text(f"{near.file.rpartition('/')[2]} is closest to {models}", "bold"))
        same = (f"{own} is the same as {other}" for own, other in near.same)
        apart = (f"{own}: near {other}, {words}" if other else f"{own}: new" for own, other, words in near.apart)
        for text in (*near.differences, *same, *apart):
            console.print(Padding(Text(wording.clean(text)), (0, 0, 0, 2)))
    for each, *rest in alike(result):
        console.print()
        console.print(
            Text(f"{each.name} {each.standing}", "bold").append(
                f"  {each.file}{f', through {each.why}' if each.why else f', was {each.was}' if each.was else ''}",
                "dim",
            )
        )
        if rest:
            words = "the same in" if each.standing is Standing.CHANGED else "also"
            console.print(Padding(Text(f"{words} {', '.join(other.name for other in rest)}"), (0, 0, 0, 2)))
        if each.failed:
            console.print(Padding(Text(wording.clean(each.failed)), (0, 0, 0, 2)))
        if each.standing is Standing.ADDED and each.after is not None:
            text = f"{wording.amount(each.after.total_parameters)} parameters, {len(each.after.sheet.facts)} facts, implementation: {each.after.verdict}"
            console.print(Padding(Text(text), (0, 0, 0, 2)))
            for tower, line in brief(each.after.sheet):
                console.print(Padding(Text(f"{tower}: {line}" if tower else line), (0, 0, 0, 2)))
        facts, lost, decided = _listed(each.facts)
        for change in facts:
            console.print(Padding(Text(_fact_line(change)), (0, 0, 0, 2)))
        if decided:
            keys = ", ".join(change.key for change in decided[:_MOST_EDITS])
            line = (
                f"{len(decided)} facts are decided that were not before: {keys}{_and_more(len(decided) - _MOST_EDITS)}"
            )
            console.print(Padding(Text(line), (0, 0, 0, 2)))
        for reason, number in lost:
            line = f"{number} facts are no longer decided: {reason}"
            console.print(Padding(Text(wording.clean(line)), (0, 0, 0, 2)))
        for line in _computed_lines(each):
            console.print(Padding(Text(wording.clean(line)), (0, 0, 0, 2)))
        for name, kind, size in folded(each.parameters):
            console.print(Padding(Text(f"parameter {kind}: {name}  {size}"), (0, 0, 0, 2)))
        for finding in each.findings:
            console.print(Padding(Text(_finding_line(finding)), (0, 0, 0, 2)))
        for gate in each.gates:
            line = f"never runs: {_edit(gate.place)}, {gate.place.what}; {_settings(gate)}"
            console.print(Padding(Text(wording.clean(line)), (0, 0, 0, 2)))
    quiet = dict.fromkeys(f for each in result.classes if each.standing is Standing.SAME for f in each.findings)
    for finding in quiet:
        console.print(Padding(Text(_finding_line(finding), "dim"), (0, 0, 0, 2)))
    for title, names in _unchanged(result):
        console.print()
        console.print(Text(f"{title}: {', '.join(names[:_MOST_ROWS])}{_and_more(len(names) - _MOST_ROWS)}", "dim"))
    if result.unread:
        console.print()
        files = [name.rpartition("/")[2] for name in result.unread]
        more = f"{', '.join(files[:_MOST_ROWS])}{_and_more(len(files) - _MOST_ROWS)}"
        console.print(Text(f"Not analysed, and they use what changed: {more}", "yellow"))
    for check in result.checks:
        console.print()
        console.print(Text(f"spec {check.name}: {check.verdict}", "bold").append(f"  {wording.summary(check)}", "dim"))
    if result.fits:
        console.print()
    for fit in result.fits:
        if fit.result is not None:
            console.print(Text(wording.clean(fits.sentence(fit)), "" if fit.result.fits else "bold red"))
            for line in fits.wrong(fit.result) if not fit.result.fits else ():
                console.print(Padding(Text(line), (0, 0, 0, 2)))
    for line in fits.together([each for each in result.fits if each.result is None]):
        console.print(Text(wording.clean(line), "dim"))
    for problem in result.problems:
        console.print(Text(wording.clean(problem), "yellow"))


def _computed_lines(each: ClassReview) -> Iterator[str]:
    """Where a prompt is computed otherwise, a line per place."""
    for change in each.operations[:_MOST_EDITS]:
        before, after = (
            ", ".join(texts[:_MOST_OPERATIONS]) + _and_more(len(texts) - _MOST_OPERATIONS) or "nothing"
            for texts in (change.before, change.after)
        )
        steps = [steps[0] for steps in (change.before_evidence, change.after_evidence) if steps]
        where = " → ".join(f"{step.file.rpartition('/')[2]}:{step.line}" for step in steps)
        said = f"{before}, of something else" if change.reads else f"{before} → {after}"
        yield f"computed otherwise in {change.part}: {said}  ({where})"
    if len(each.operations) > _MOST_EDITS:
        yield f"computed otherwise in{_and_more(len(each.operations) - _MOST_EDITS).removeprefix(' and')} places"


def _fact_line(change: FactChange) -> str:
    before = "none" if change.before is None else wording.value(change.before, change.key)
    after = "none" if change.after is None else wording.value(change.after, change.key)
    if change.kind == "lost":
        after = f"undecided ({change.reason})"
    if change.kind == "decided":
        before = "undecided"
    steps = [steps[-1] for steps in (change.before_evidence, change.after_evidence) if steps]
    where = " → ".join(f"{step.file.rpartition('/')[2]}:{step.line}" for step in steps)
    return wording.clean(f"{change.key}: {before} → {after}  ({where})")


def _finding_line(finding: Finding) -> str:
    return wording.clean(f"{finding.severity} {finding.id} {wording.place(finding.primary)}: {finding.message}")
