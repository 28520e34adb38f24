"""Two implementations side by side as text: what changes the result first, then what does not, then the parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from specdiff.compare.model import OPERATIONS, Comparison, Difference, Meaning, Open, Pair, Side
from specdiff.report import terminal, wording
from specdiff.report.json_v1 import plain

SCHEMA = "specdiff/compare/1"
_TITLES = {
    Meaning.RESULT: "changes the result",
    Meaning.UNKNOWN: "written otherwise, not proven to come to the same",
    Meaning.LAYOUT: "the same function, weights laid out otherwise",
    Meaning.WRITTEN: "written otherwise, the same numbers",
    Meaning.NUMERICS: "number formats",
    Meaning.TRAINING: "training only",
    Meaning.LIMIT: "limits",
}
_MOST = 30
_SEVERAL = 2


def render(result: Comparison, style: str, color: bool) -> str:
    """The comparison as ``terminal``, ``markdown`` or ``json`` text."""
    if style == "json":
        return json.dumps(_document(result), indent=1, ensure_ascii=False) + "\n"
    if style == "markdown":
        return _page(result)
    console = terminal.new_console(color)
    _print(console, result)
    return terminal.console_text(console)


def folded(pairs: tuple[Pair, ...]) -> Iterator[tuple[str, str, str, str, int]]:
    """(left, right, relation, how, layers): pairs that differ only in their numbers together."""
    groups: dict[tuple[str, str, str, str], int] = {}
    for pair in pairs:
        key = (_names(pair.left), _names(pair.right), pair.relation, pair.how)
        groups[key] = groups.get(key, 0) + 1
    for key, count in groups.items():
        yield (*key, count)


def _names(names: tuple[str, ...]) -> str:
    return " + ".join(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name) for name in names))


def _short(names: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name) for name in names))


def _says(side: Side, key: str) -> str:
    return "none" if side.value is None else wording.value(side.value, key)


def place(side: Side, key: str) -> str:
    """Where a side says so; of operations, all the lines that they stand on."""
    if not side.evidence:
        return ""
    last = side.evidence[-1]
    lines = sorted({each.line for each in side.evidence if each.file == last.file})
    if key != OPERATIONS or len(lines) < _SEVERAL:
        return wording.place(last)
    return f"{wording.place(replace(last, line=lines[0], end_line=lines[0]))}-{lines[-1]}"


def by_reason(questions: Sequence[Open]) -> list[tuple[str, list[str]]]:
    """(why they cannot be compared, keys), the reason of most keys last."""
    groups: dict[str, list[str]] = {}
    for each in questions:
        groups.setdefault(each.reason, []).append(each.key)
    return sorted(groups.items(), key=lambda each: len(each[1]))


def _listed(keys: list[str]) -> str:
    more = len(keys) - _MOST
    return ", ".join(keys[:_MOST]) + (f" and {more} more" if more > 0 else "")


def _verdict(result: Comparison) -> str:
    if any(each.meaning is Meaning.RESULT for each in result.differences):
        return "DIFFERENT"
    if result.left_only or result.right_only:
        return "DIFFERENT PARAMETERS"
    if result.pairing:
        return "NOT KNOWN"
    if any(each.meaning is Meaning.UNKNOWN for each in result.differences):
        return "NO DIFFERENCE PROVEN, and not all of it proven to be the same"
    if result.proven:
        return "THE SAME FUNCTION"
    return "THE SAME FUNCTION, as far as is proven" if not result.open else "NO DIFFERENCE FOUND, with open questions"


def _by_meaning(result: Comparison) -> Iterator[tuple[Meaning, list[Difference]]]:
    for meaning in Meaning:
        found = [each for each in result.differences if each.meaning is meaning]
        if found:
            yield meaning, found


def _print(console: Console, result: Comparison) -> None:
    console.print(Text(_verdict(result), "bold green" if result.agrees else "bold red"))
    count = wording.amount
    console.print(
        terminal.label_table(
            ("left", f"{result.left_target} ({result.left.file}:{result.left.line}), {count(result.left.total_parameters)}"),
            ("right", f"{result.right_target} ({result.right.file}:{result.right.line}), {count(result.right.total_parameters)}"),
            ("facts", f"{len(result.same)} agree, {len(result.differences)} differ, {len(result.open)} cannot be compared"),
            ("operations", held(result)),
            ("parameters", result.pairing or f"{len(result.pairs):,} pairs, {len(result.left_only):,} on the left and "
                                             f"{len(result.right_only):,} on the right without a partner"),
        )
    )  # fmt: skip
    for meaning, found in _by_meaning(result):
        console.print()
        console.print(Text(f"{_TITLES[meaning]} ({len(found)})", "bold red" if meaning is Meaning.RESULT else "bold"))
        for each in found:
            console.print(Padding(Text(_headline(each), "bold"), (0, 0, 0, 2)))
            console.print(Padding(terminal.label_table(*_rows(each)), (0, 0, 0, 4)))
    moved = [row for row in folded(result.pairs) if row[2] != "same" or row[3]]
    if moved:
        console.print()
        console.print(Text(f"parameters laid out otherwise ({len(moved)})", "bold"))
        for left, right, relation, how, layers in moved[:_MOST]:
            times = f" ({layers} layers)" if layers > 1 else ""
            console.print(
                Padding(
                    Text(
                        f"{left} = {right}: {relation}{times}{', ' if how != relation else ''}{how if how != relation else ''}"
                    ),
                    (0, 0, 0, 2),
                )
            )
    for title, names in (("only on the left", result.left_only), ("only on the right", result.right_only)):
        if names:
            console.print()
            console.print(Text(f"parameters {title} ({len(names)})", "bold red"))
            console.print(Padding(Text(", ".join(_short(names)[:_MOST])), (0, 0, 0, 2)))
    if result.open:
        console.print()
        console.print(Text(f"cannot be compared ({len(result.open)})", "bold yellow"))
        for reason, keys in by_reason(result.open):
            console.print(Padding(Text(wording.clean(reason)), (0, 0, 0, 2)))
            console.print(Padding(Text(_listed(keys), "dim"), (0, 0, 0, 4)))


def _headline(each: Difference) -> str:
    if each.key == OPERATIONS:
        return f"operations {each.where}"
    return f"{each.key}: {_says(each.left, each.key)} | {_says(each.right, each.key)}"


def _rows(each: Difference) -> Iterator[tuple[str, str]]:
    for word, side in (("left", each.left), ("right", each.right)):
        where = place(side, each.key)
        if each.key == OPERATIONS:
            where = f"{_says(side, each.key)}  {where}" if side.value is not None else "nothing of the kind"
        if where:
            yield word, where
    if each.explanation:
        yield "", each.explanation


def held(result: Comparison) -> str:
    """What became of holding all operations against each other, in one line."""
    found, total = result.operations
    if result.unheld:
        return f"not compared one by one: {result.unheld}"
    if not result.places and found == total:
        return "all the same"
    same = sum(each.key == OPERATIONS and each.meaning is Meaning.WRITTEN for each in result.differences)
    words = f"{found} of {total} found again on the right"
    if result.places:
        words += f"; others in {result.places} place{'s' * (result.places > 1)}"
    if same:
        words += f", {same} of them worked out to come to the same"
    if result.otherwise:
        parts = (name or "what is outside of layers" for name in _short(result.otherwise))
        words += f"; written otherwise throughout: {', '.join(parts)}"
    return words


def _page(result: Comparison) -> str:
    lines = [f"# {_verdict(result)}", "", "| | left | right |", "|---|---|---|"]
    lines.append(f"| code | `{result.left_target}` | `{result.right_target}` |")
    if not result.unheld:
        lines.append(f"| operations | {_cell(held(result))} | |")
    lines.append(
        f"| parameters | {wording.amount(result.left.total_parameters)} | {wording.amount(result.right.total_parameters)} |"
    )
    for meaning, found in _by_meaning(result):
        lines += ["", f"## {_TITLES[meaning]}", "", "| key | left | right | why |", "|---|---|---|---|"]
        for each in found:
            cells = [
                _cell(_says(side, each.key)) + (f" `{where}`" if (where := place(side, each.key)) else "")
                for side in (each.left, each.right)
            ]
            lines.append(
                f"| {f'operations {each.where}' if each.where else f'`{each.key}`'} | {cells[0]} | {cells[1]} | {_cell(each.explanation)} |"
            )
    rows = [row for row in folded(result.pairs) if row[2] != "same" or row[3]]
    if rows:
        lines += ["", "## parameters laid out otherwise", "", "| left | right | relation | how |", "|---|---|---|---|"]
        lines += [f"| `{a}` | `{b}` | {relation}, {count} times | {how} |" for a, b, relation, how, count in rows]
    for title, names in (("only on the left", result.left_only), ("only on the right", result.right_only)):
        if names:
            lines += ["", f"## parameters {title}", "", ", ".join(f"`{name}`" for name in _short(names)[:_MOST])]
    if result.pairing:
        lines += ["", _cell(result.pairing)]
    if result.open:
        lines += [
            "",
            f"<details><summary>cannot be compared ({len(result.open)})</summary>",
            "",
            "| why | keys |",
            "|---|---|",
        ]
        for reason, keys in by_reason(result.open):
            lines.append(f"| {_cell(reason)} | {', '.join(f'`{key}`' for key in keys)} |")
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return wording.clean(text).replace("|", "\\|").replace("<", "&lt;")


def _document(result: Comparison) -> dict[str, object]:
    def side(each: Side) -> dict[str, object]:
        return {
            "value": plain(each.value),
            "level": None if each.level is None else str(each.level),
            "evidence": [
                {"file": s.file, "line": s.line, "end_line": s.end_line, "what": s.what} for s in each.evidence
            ],
        }

    return {
        "schema": SCHEMA,
        "left": {
            "target": result.left_target,
            "class": result.left.name,
            "total_parameters": result.left.total_parameters,
        },
        "right": {
            "target": result.right_target,
            "class": result.right.name,
            "total_parameters": result.right.total_parameters,
        },
        "agrees": result.agrees,
        "proven": result.proven,
        "operations": {
            "of_left": result.operations[1],
            "found_on_the_right": result.operations[0],
            "written_otherwise": list(result.otherwise),
            "not_compared": result.unheld,
        },
        "same": list(result.same),
        "differences": [
            {
                "key": d.key,
                "meaning": str(d.meaning),
                "left": side(d.left),
                "right": side(d.right),
                "explanation": d.explanation,
                "where": d.where,
            }
            for d in result.differences
        ],
        "open": [{"key": each.key, "reason": each.reason} for each in result.open],
        "pairs": [
            {"left": list(each.left), "right": list(each.right), "relation": each.relation, "how": each.how}
            for each in result.pairs
        ],
        "left_only": list(result.left_only),
        "right_only": list(result.right_only),
        "pairing": result.pairing,
    }
