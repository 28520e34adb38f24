"""Where a change was made: hunks of a diff, with the class and method they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from specdiff.facts import Evidence
from specdiff.review.modular import places

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
MOST = 6
"""Edited places that are told of one file."""


def hunks(diff: str) -> Iterator[tuple[int, int]]:
    """(first line, last line) on the new side of each hunk of a file's diff without context; a deletion's line is the
    one before it."""
    for match in _HUNK.finditer(diff):
        first, count = int(match[3]), int(match[4] or 1)
        yield max(first, 1), max(first, 1) + max(count - 1, 0)


def edited(file: str, text: str, found: Iterable[tuple[int, int]]) -> tuple[Evidence, ...]:
    """Each hunk with what it stands in."""
    owners = dict(places(text))
    steps = []
    for first, last in found:
        near = next((owners[line] for line in range(first, 0, -1) if line in owners), ("", ""))
        steps.append(Evidence(file, first, last, ".".join(part for part in near if part) or "the file's top level"))
    return tuple(steps)
