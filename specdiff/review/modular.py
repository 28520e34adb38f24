"""From lines of a generated modeling file to the lines of its modular file that a person edits; by text alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from specdiff.facts import Evidence
from specdiff.review import placed
from specdiff.review.model import ClassReview

_TOP = re.compile(r"(?:async )?(class|def)\s+(\w+)")
_METHOD = re.compile(r" {4}(?:async )?def\s+(\w+)")
_LINE = re.compile(r"\bline (\d+)\b")
_MADE = re.compile(r"modeling_(\w+\.py)$")


def modular_of(path: str) -> str:
    """The modular file beside a modeling file; empty for another file."""
    name = PurePosixPath(path).name
    return path[: -len(name)] + f"modular_{_MADE.match(name)[1]}" if _MADE.match(name) else ""  # type: ignore[index]


def edited_lines(generated: str, modular: str) -> dict[int, int]:
    """Lines of a generated file by the lines of the modular file that stand for them.

    A line stands for another where both have the same text in the same method of the same class equally often: what a
    class inherits from another model has no line of its own, and none is made up for it.
    """
    places: dict[tuple[str, str, str], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, text in enumerate((generated, modular)):
        for number, key in _placed(text):
            places[key][side].append(number)
    return {
        made: edited
        for mades, edits in places.values()
        if len(mades) == len(edits)
        for made, edited in zip(mades, edits)
    }


def places(text: str) -> Iterator[tuple[int, tuple[str, str]]]:
    """Each line that says something, with the class (or function) and the method that it stands in."""
    for line, (owner, method, _) in _placed(text):
        yield line, (owner, method)


def _placed(text: str) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Each line that says something, with the class and the method that it stands in."""
    owner = method = ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        top = _TOP.match(line)
        if top is not None:
            owner, method = top[2], ""
            if top[1] == "class":
                stripped = "class"  # the bases are another model's there and the library's here
        elif not line[0].isspace() and line[0] not in ")]}":
            owner = method = ""
        elif (inner := _METHOD.match(line)) is not None:
            method = inner[1]
        yield number, (owner, method, stripped)


def at_edited_lines(review: ClassReview, before: Mapping[int, int], after: Mapping[int, int]) -> ClassReview:
    """A review whose evidence stands in the modular file where that has the line."""
    name = PurePosixPath(review.file).name

    def moved(evidence: Evidence, lines: Mapping[int, int]) -> Evidence:
        line = lines.get(evidence.line)
        if line is None or PurePosixPath(evidence.file).name != name:
            return evidence
        return replace(
            evidence, file=modular_of(evidence.file), line=line, end_line=line + evidence.end_line - evidence.line
        )

    told = placed.moved(review, lambda each: moved(each, before), lambda each: moved(each, after))

    def condition(match: re.Match[str]) -> str:
        line = after.get(int(match[1]))
        return f"line {match[1]} of {name}" if line is None else f"line {line}"

    gates = (
        gate
        if gate.place.file == was.place.file
        else replace(gate, place=replace(gate.place, what=_LINE.sub(condition, gate.place.what)))
        for was, gate in zip(review.gates, told.gates, strict=True)
    )
    return replace(told, gates=tuple(gates))
