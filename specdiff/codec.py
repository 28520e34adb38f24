"""Results as JSON data and back, for the store and for the way between processes. Never pickle: data only."""

from __future__ import annotations

import json
from typing import Any

from specdiff import facts, results

_CLASSES: tuple[type, ...] = (
    results.ClassResult, results.ModuleNode, results.Param, results.Finding, facts.FactSheet, facts.Fact,
    facts.Absence, facts.Undecided, facts.Evidence, facts.Level, results.Severity, results.Confidence,
    results.Use, results.Step,
    results.Suppression, results.Branch, results.Computed, results.ComputedPart, results.Seen,
    results.Operation, results.OperationPart,
)  # fmt: skip
_TAGS = {kind: tag for tag, kind in enumerate(_CLASSES)}
_ENUMS = frozenset({facts.Level, results.Severity, results.Confidence})
_FIELDS = {kind: tuple(kind.__dataclass_fields__) for kind in _CLASSES if kind not in _ENUMS}  # type: ignore[attr-defined]
_TUPLE, _DICT, _LIST, _PARAMETERS = -1, -2, -3, -4
_PLAIN = frozenset({str, int, float, bool, type(None)})


def encode(found: list[results.ClassResult]) -> bytes:
    """Results as UTF-8 JSON.

    Raises:
        TypeError: a value is of no kind that a result may hold.
    """
    return json.dumps([_encode(item) for item in found], separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def decode(data: bytes) -> list[results.ClassResult]:
    """The inverse of `encode`.

    Raises:
        ValueError: the data are not such results.
    """
    try:
        return [_decode(item) for item in json.loads(data.decode("utf-8", "surrogatepass"))]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError("not results") from error


def _encode(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return [_TUPLE, *map(_encode, value)]
    tag = _TAGS.get(kind)
    if tag is not None:
        if kind in _ENUMS:
            return [tag, value.value]
        if kind is results.ClassResult:
            return [
                tag,
                *(
                    _parameters(value.parameters) if name == "parameters" else _encode(getattr(value, name))
                    for name in _FIELDS[kind]
                ),
            ]
        return [tag, *(_encode(getattr(value, name)) for name in _FIELDS[kind])]
    if kind is dict:
        return [_DICT, *(_encode(item) for pair in value.items() for item in pair)]
    if kind is list:
        return [_LIST, *map(_encode, value)]
    raise TypeError(f"{kind.__name__} cannot be part of a result")


def _parameters(table: dict[str, tuple[int, ...]]) -> Any:
    """Names, the distinct shapes, and which name has which: a model has thousands of names and a dozen of shapes."""
    shapes: dict[tuple[int, ...], int] = {}
    return [_PARAMETERS, list(table), [shapes.setdefault(shape, len(shapes)) for shape in table.values()], list(shapes)]


def _decode(data: Any) -> Any:
    if type(data) is not list:
        return data
    tag = data[0]
    if tag >= 0:
        kind = _CLASSES[tag]
        return kind(*[_decode(item) if type(item) is list else item for item in data[1:]])
    if tag == _TUPLE:
        return tuple([_decode(item) if type(item) is list else item for item in data[1:]])
    if tag == _DICT:
        return {_decode(data[at]): _decode(data[at + 1]) for at in range(1, len(data), 2)}
    if tag == _LIST:
        return [_decode(item) for item in data[1:]]
    if tag == _PARAMETERS:
        _, names, places, shapes = data
        sizes = [tuple(shape) for shape in shapes]
        return dict(zip(names, [sizes[place] for place in places], strict=True))
    raise ValueError("not a result")
