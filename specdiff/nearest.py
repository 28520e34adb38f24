"""Finds the architectures of the installed library that a model is closest to, class by class."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from specdiff.cache import ir_cache, key_of
from specdiff.compare import likeness
from specdiff.compare.likeness import Likeness, Shape
from specdiff.errors import SpecdiffError
from specdiff.frontend.unit import SourceUnit
from specdiff.project.targets import Target, resolve, transformers_folder

MOST_MODELS = 5
LEAST_SHARE = 0.25
"""Classes that share less than this are not called near."""
_CODE = hashlib.sha256(Path(likeness.__file__).read_bytes()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Near:
    """The class of the library that one class is closest to."""

    name: str
    line: int
    file: str
    """The library's file; empty where nothing is near."""
    other: str
    other_line: int
    alike: Likeness | None
    equals: tuple[str, ...]
    """Further classes that are the same up to renaming, as `file::Class`."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """A file's classes against the library."""

    target: str
    classes: tuple[Near, ...]
    models: tuple[tuple[str, float, int], ...]
    """(file, share of the target's statements that it has class by class, classes that are the same), best first."""


def nearest(text: str, library: Path | None = None) -> Nearest:
    """The closest classes and models.

    Args:
        text: A target; its own file does not count among the library's.
        library: The folder of model folders; the installed transformers' where None.

    Raises:
        SpecdiffError: the target is not there, or is not valid Python.
    """
    (target, *_) = resolve(text)
    root = library or transformers_folder() / "models"
    own = _shapes(target.path, target.path.name)
    pool = {file: found for file, found in index(root).items() if (root / file).resolve() != target.path.resolve()}
    by_digest: dict[str, list[tuple[str, Shape]]] = defaultdict(list)
    by_member: dict[str, list[tuple[str, Shape]]] = defaultdict(list)
    for file, found in pool.items():
        for shape in found:
            by_digest[shape.digest].append((file, shape))
            for member in shape.members:
                by_member[member.digest].append((file, shape))
    wanted = [shape for shape in own if not target.classes or shape.name in target.classes]
    classes = tuple(_near(shape, by_digest, by_member) for shape in wanted)
    return Nearest(_name(target), classes, tuple(_models(wanted, by_member)))


def index(root: Path) -> dict[str, list[Shape]]:
    """The classes of every modeling file below a folder, from the cache where a file has not changed."""
    found: dict[str, list[Shape]] = {}
    for path in sorted(root.glob("*/modeling_*.py")):
        name = path.relative_to(root).as_posix()
        try:
            found[name] = _shapes(path, name)
        except SpecdiffError:
            continue  # a library file that is no Python is nobody's neighbour
    ir_cache().flush()
    return found


def _shapes(path: Path, name: str) -> list[Shape]:
    cache = ir_cache()
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        digest = ""
    key = key_of("likeness", _CODE, digest)
    stored = cache.get(key) if digest else None
    if stored is not None:
        return likeness.decode(json.loads(stored))
    unit = SourceUnit(path, name, cache)
    found = likeness.shapes(unit)
    cache.put(key, json.dumps(likeness.encode(found), separators=(",", ":")).encode())
    return found


def _near(
    shape: Shape, by_digest: dict[str, list[tuple[str, Shape]]], by_member: dict[str, list[tuple[str, Shape]]]
) -> Near:
    equal = sorted(by_digest.get(shape.digest, ()), key=lambda item: (item[0], item[1].name))
    if equal:
        file, other = _kin(shape, equal)
        rest = tuple(f"{name}::{each.name}" for name, each in equal if (name, each.name) != (file, other.name))
        return Near(shape.name, shape.line, file, other.name, other.line, likeness.likeness(shape, other), rest)
    # Only classes that share a whole member, or play the same part by name, are worth comparing.
    candidates = {
        (file, each.name): each for member in shape.members for file, each in by_member.get(member.digest, ())
    }
    best: tuple[float, str, str] | None = None
    found: Likeness | None = None
    for (file, name), each in sorted(candidates.items()):
        alike = likeness.likeness(shape, each)
        rank = (alike.share, _ending(shape.name, name), file)
        if alike.share >= LEAST_SHARE and (best is None or rank[:2] > best[:2]):
            best, found = (alike.share, rank[1], f"{file}::{name}"), alike  # type: ignore[assignment]
    if best is None or found is None:
        return Near(shape.name, shape.line, "", "", 0, None, ())
    file, _, name = best[2].partition("::")
    return Near(shape.name, shape.line, file, name, candidates[file, name].line, found, ())


def _kin(shape: Shape, equal: list[tuple[str, Shape]]) -> tuple[str, Shape]:
    """Of classes that are the same, the one whose name ends alike."""
    return max(equal, key=lambda item: (_ending(shape.name, item[1].name), -len(item[1].name)))


def _ending(one: str, other: str) -> int:
    """How many letters at the end two names share."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count


def _models(own: list[Shape], by_member: dict[str, list[tuple[str, Shape]]]) -> list[tuple[str, float, int]]:
    """Files by how much of the target's code they have, each class counted with its best partner there.

    Only classes that share a whole member are compared: one that shares none is another class.
    """
    weights = {shape.name: sum(len(member.statements) or 1 for member in shape.members) for shape in own}
    total = sum(weights.values()) or 1
    scores: dict[str, float] = defaultdict(float)
    same: dict[str, int] = defaultdict(int)
    for shape in own:
        partners = {
            (file, each.name): each for member in shape.members for file, each in by_member.get(member.digest, ())
        }
        best: dict[str, float] = {}
        for (file, _), each in partners.items():
            best[file] = max(best.get(file, 0.0), likeness.likeness(shape, each).share)
        for file, share in best.items():
            scores[file] += share * weights[shape.name]
            same[file] += share == 1.0
    ranked = sorted(
        ((file, score / total, same[file]) for file, score in scores.items()), key=lambda row: (-row[1], row[0])
    )
    return ranked[:MOST_MODELS]


def _name(target: Target) -> str:
    return f"{target.text}::{target.classes[0]}" if target.classes else target.text
