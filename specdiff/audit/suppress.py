"""Suppression by comments (``# specdiff: ignore[id] reason``) beside the code they speak of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from specdiff.audit.settings import configs
from specdiff.audit.subject import Subject, body_of
from specdiff.interp.objects import ClassVal
from specdiff.results import Finding, Suppression

_COMMENT = re.compile(r"#\s*specdiff:\s*ignore\[([^\]]*)\]\s*(.*)")


def suppressed(subject: Subject, findings: Iterable[Finding]) -> tuple[tuple[Finding, ...], tuple[Suppression, ...]]:
    """The findings that stay, and the suppression comments of the files on the path.

    A comment speaks of its own line; one that stands alone speaks of the next line too.
    """
    comments: dict[tuple[str, int], tuple[frozenset[str], str, int]] = {}
    looked = _looked_at(subject)
    for unit in _units(subject):
        lines: list[str] | None = None
        for comment in unit.comments:
            found = _COMMENT.search(comment.text)
            if found is None:
                continue
            ids = frozenset(part.strip() for part in found[1].split(",") if part.strip())
            if not any(first <= comment.line <= last for first, last in looked.get(unit.name, ())):
                continue
            entry = (ids, found[2].strip(), comment.line)
            comments[unit.name, comment.line] = entry
            if lines is None:
                lines = unit.text.split("\n")
            if lines[comment.line - 1].lstrip().startswith("#"):
                comments.setdefault((unit.name, comment.line + 1), entry)
    if not comments:
        return tuple(findings), ()
    kept: list[Finding] = []
    used: set[tuple[str, int, str]] = set()
    for item in findings:
        entry = comments.get((item.primary.file, item.primary.line), (frozenset(), "", 0))
        name = next((each for each in entry[0] if item.id == each or item.id.startswith(f"{each}.")), "")
        if name:
            used.add((item.primary.file, entry[2], name))
        else:
            kept.append(item)
    listed = {
        (file, entry[2]): Suppression(
            file, entry[2], tuple(sorted(entry[0])), entry[1],
            tuple(sorted(name for name in entry[0] if (file, entry[2], name) in used)),
        )
        for (file, _), entry in comments.items()
    }  # fmt: skip
    return tuple(kept), tuple(listed.values())


def _looked_at(subject: Subject) -> dict[str, list[tuple[int, int]]]:
    """By file: the lines of the classes and functions that this audit is about, and those outside of any."""
    found: dict[str, list[tuple[int, int]]] = {}
    owners = [*subject.classes, *(cls for config in configs(subject) for cls in config.cls.mro)]
    for cls in owners:
        if isinstance(cls, ClassVal) and cls.node is not None:
            found.setdefault(cls.file, []).append((cls.node.line - 1, cls.node.end_line))
    for function in subject.path:
        found.setdefault(function.file, []).append((function.line - 1, body_of(function).end_line))
    for unit in _units(subject):
        at = 0
        for chunk in [chunk for chunk in unit.chunks if chunk.kind in ("def", "class")]:
            found.setdefault(unit.name, []).append((at, chunk.line - 1))
            at = chunk.end_line + 1
    return found


def _units(subject: Subject) -> list[Any]:
    program = subject.program
    return [
        module.unit
        for module in list(program.modules.values())
        if module.unit is not None and program.defined_in_models(module.name) and "specdiff:" in module.unit.text
    ]
