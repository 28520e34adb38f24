"""Tensors without a place in a class: those that the code computes itself, that another class of the file has, or that belong
to layers that the configuration counts apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from specdiff.graph.modules import Collector, sizes
from specdiff.interp.objects import ClassVal
from specdiff.project.build import build
from specdiff.project.modules import Program
from specdiff.project.targets import Target
from specdiff.results import Severity
from specdiff.weights.model import Issue, WeightsResult
from specdiff.weights.rules import Rules

MOST_CLASSES = 8
"""Classes of a file that are asked for a place."""
_APART = re.compile(r"nextn|mtp", re.IGNORECASE)
"""Settings that count layers for predicting further tokens (arXiv:2412.19437, section 2.2)."""
_LAYER = re.compile(r"(.+?\.)(\d+)\.")


def explained(
    result: WeightsResult,
    names: Iterable[str],
    buffers: Iterable[str],
    values: Mapping[str, Any],
    others: Sequence[ClassVal],
    program: Program,
    item: Target,
) -> WeightsResult:
    """The result with tensors that nothing is wrong with as notes that say why they have no place.

    Args:
        result: A comparison with one class.
        names: The parameters of that class.
        buffers: Its buffers.
        values: The configuration.
        others: The file's other classes.
        program: The code.
        item: The file.
    """
    lost = {each.name for each in result.issues if _is_lost(each)}
    if not lost:
        return result
    why = _computed(lost, buffers) | _counted_apart(lost, names, values)
    left = {each.name: each for each in result.issues if _is_lost(each) and each.name not in why}
    for cls in others[:MOST_CLASSES]:
        if not left:
            break
        found = _placed(left, cls, program, item, values)
        why |= dict.fromkeys(found, f"{cls.name} has a place for it")
        left = {name: each for name, each in left.items() if name not in found}
    issues = [
        replace(each, severity=Severity.NOTE, detail=f"{each.detail}; {why[each.name]}")
        if _is_lost(each) and each.name in why
        else each
        for each in result.issues
    ]
    order = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
    issues.sort(key=lambda each: order[each.severity])
    return replace(result, issues=tuple(issues))


def _is_lost(issue: Issue) -> bool:
    return issue.kind == "unexpected" and issue.severity is Severity.ERROR


def _computed(lost: set[str], buffers: Iterable[str]) -> dict[str, str]:
    """Buffers that older code saved in each layer and that the code keeps in one place now, or computes."""
    ends = {tuple(name.split(".")[-2:]): name for name in buffers}
    tails = ((name, ends.get(tuple(name.split(".")[-2:]))) for name in lost)
    return {name: f"the code computes {buffer} itself" for name, buffer in tails if buffer is not None}


def _counted_apart(lost: set[str], names: Iterable[str], values: Mapping[str, Any]) -> dict[str, str]:
    """Tensors of layers behind those that the code builds, where a setting says how many there are."""
    settings = {key: value for key, value in values.items() if _APART.search(key) and type(value) is int and value > 0}
    if not settings:
        return {}
    built: dict[str, int] = {}
    for name in names:
        if match := _LAYER.match(name):
            built[match[1]] = max(built.get(match[1], 0), int(match[2]) + 1)
    key, more = max(settings.items(), key=lambda each: each[1])
    found = {}
    for name in lost:
        match = _LAYER.match(name)
        count = built.get(match[1]) if match else None
        if match and count is not None and count <= int(match[2]) < count + more:
            found[name] = f"the code builds {count} layer{'s' if count != 1 else ''}, and {key} is {more}"
    return found


def _placed(
    lost: Mapping[str, Issue], cls: ClassVal, program: Program, item: Target, values: Mapping[str, Any]
) -> set[str]:
    """Which of the tensors another class has a place of the same shape for."""
    built = build(program, item, cls, dict(values))
    if built.instance is None:
        return set()
    collector = Collector()
    shapes = {each.name: each.shape for each in collector.parameters(built.instance)}
    shapes |= {name: sizes(tensor) for name, tensor, _ in collector.buffers(built.instance)}
    rules = Rules(program, built, list(shapes))
    found = set()
    for name, issue in lost.items():
        shape = shapes.get(name) or shapes.get(rules.rename(name).target)
        if shape is not None and issue.detail.startswith(("stored of a shape", f"stored {_size(shape)}")):
            found.add(name)
    return found


def _size(shape: Sequence[int]) -> str:
    return "×".join(str(size) for size in shape)
