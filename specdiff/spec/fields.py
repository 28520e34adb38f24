"""Reading a mapping's fields: unknown ones, missing ones, wrong types, all collected rather than raised."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from specdiff.errors import Problem
from specdiff.spec.document import Mapping, Node, Scalar, Sequence


class Report:
    """Collects the problems of one file; owned by one `load.read_file` call."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, node: Node, message: str) -> None:
        """A problem at a node's place."""
        self.problems.append(Problem(self.file, node.line, node.column, message))


def describe(node: Node) -> str:
    """What a node holds, for "expected …, found …"."""
    match node:
        case Sequence():
            return "a list" if node.items else "an empty list"
        case Mapping():
            return "a mapping"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=bool() as flag):
            return "true" if flag else "false"
        case Scalar(value=int() | float()):
            return f"the number {node.text}"
        case Scalar():
            return f"the text {shorten(node.text)!r}"


def shorten(text: str) -> str:
    """At most 40 characters, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean x?``, or nothing where no known word is close."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f"; did you mean {found[0]}?" if found else ""


def mapping(node: Node, what: str, report: Report) -> Mapping | None:
    """The node as a mapping; reports anything else."""
    if isinstance(node, Mapping):
        return node
    report.add(node, f"{what}: expected a mapping, found {describe(node)}")
    return None


def check_known(node: Mapping, what: str, known: Iterable[str], report: Report) -> None:
    """Reports every field that is not known."""
    names = tuple(known)
    for name, (key, _) in node.entries.items():
        if name not in names:
            hint = suggestion(name, names) or f" (there are {', '.join(names)})"
            report.add(key, f"{what}: unknown field {shorten(name)}{hint}")


def text(node: Mapping, name: str, what: str, report: Report) -> str:
    """A text field on one line, or empty where it is not there; reports anything but text."""
    entry = node.entries.get(name)
    if entry is None:
        return ""
    value = entry[1]
    # A version or section number such as 2.3 is text to the writer, whatever YAML makes of it.
    if isinstance(value, Scalar) and value.value is not None and not isinstance(value.value, bool):
        joined = " ".join(value.text.split())
        if joined:
            return joined
        report.add(value, f"{what}: {name} is empty")
        return ""
    report.add(value, f"{what}: {name} must be text, found {describe(value)}")
    return ""


def required_text(node: Mapping, name: str, what: str, why: str, report: Report) -> str:
    """A text field that must be there; `why` says what belongs into it."""
    if name not in node.entries:
        report.add(node, f"{what}: {name} is missing ({why})")
        return ""
    return text(node, name, what, report)
