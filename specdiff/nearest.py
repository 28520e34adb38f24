"""Finds the architectures of the installed library that a model is closest to, class by class."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path

from specdiff.cache import ir_cache, key_of
from specdiff.compare import likeness
from specdiff.compare.likeness import Likeness, Shape
from specdiff.errors import SpecdiffError
from specdiff.frontend.unit import SourceUnit
from specdiff.project.targets import Target, resolve, transformers_folder

MOST_MODELS = 5
MOST_ORIGINS = 10
MOST_NAMESAKES = 5
"""Models that are tried by what they compute where nothing is written alike: prevalent ones, and those with the same identifiers."""
LEAST_SHARE = 0.25
"""Classes that share less than this are not called near."""
NEARLY = 0.85
"""Share of a model's closeness at which the one that it is made from counts as just as close."""
MOST_READERS = 600
"""Classes that have a statement in common beyond which it tells nothing (`super().__init__()`)."""
MOST_KIN = 40
"""Classes that are compared because of the statements that they share."""
_ROLE = 5
"""Letters at the end of two names that say that they play the same part (`Layer`, `Model`)."""
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
    made_from: Mapping[str, str]
    """Of these, by file: one before it that it is made from."""


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
    pool = {file: found for file, found in index(root).items() if (root / file).resolve() != target.path.resolve()}
    known = Index(pool, origins(root))
    own = shapes_of(target.path, target.path.name)
    wanted = [shape for shape in own if not target.classes or shape.name in target.classes]
    models = known.models(wanted)
    rank = {file: number for number, (file, _, _) in enumerate(models)}
    classes = tuple(known.near(shape, rank) for shape in wanted)
    first = models[:MOST_MODELS]
    made_from = {
        file: origin
        for number, (file, _, _) in enumerate(first)
        if (origin := next((name for name, _, _ in first[:number] if name in known.above(file)), ""))
    }
    return Nearest(_name(target), classes, tuple(first), made_from)


def prevalent(root: Path) -> list[tuple[str, str]]:
    """(file, class with a head) of the models that most others are made from, through others too; those first."""
    table = origins(root)
    known = Index({}, table)
    counts = Counter(origin for file in table for origin in known.above(file))
    found = []
    for file, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        name = _main_name(root / file)
        if name:
            found.append((file, name))
        if len(found) == MOST_ORIGINS:
            break
    return found


_WORD = re.compile(r"[A-Za-z_]\w{2,}")


def namesakes(path: Path, root: Path) -> list[tuple[str, str]]:
    """(file, class with a head) of the models that have most of the identifiers that few others have, most first.

    Names prove nothing; they say which of hundreds of models are worth comparing with.
    """
    texts: dict[str, set[str]] = {}
    for file in sorted(root.glob("*/modeling_*.py")):
        if file.resolve() != path.resolve():
            texts[file.relative_to(root).as_posix()] = _identifiers(file)
    spread = Counter(word for words in texts.values() for word in words)
    weights = {word: log(len(texts) / count) ** 2 for word, count in spread.items()}
    own = _identifiers(path)
    scores = {
        file: sum(weights[word] for word in own & words) / (sum(weights[word] for word in words) or 1) ** 0.5
        for file, words in texts.items()
    }
    first = sorted(scores, key=lambda file: (-scores[file], file))[:MOST_NAMESAKES]
    return [(file, name) for file in first if scores[file] > 0 and (name := _main_name(root / file))]


def _identifiers(path: Path) -> set[str]:
    try:
        return set(_WORD.findall(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return set()


_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)


def _main_name(path: Path) -> str:
    """The class that people mean by a model's name, as its text says: one with a head over words, else any head, else the model."""
    try:
        names = _CLASS.findall(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
    for ending in ("ForCausalLM", "ForConditionalGeneration", "ForMaskedLM", "ForImageClassification", "ForCTC"):
        if heads := [name for name in names if name.endswith(ending)]:
            return str(heads[0])
    models = [name for name in names if name.endswith("Model") and not name.endswith("PreTrainedModel")]
    return str(models[-1]) if models else ""


def index(root: Path) -> dict[str, list[Shape]]:
    """The classes of every modeling file below a folder, from the cache where a file has not changed."""
    found: dict[str, list[Shape]] = {}
    for path in sorted(root.glob("*/modeling_*.py")):
        name = path.relative_to(root).as_posix()
        try:
            found[name] = shapes_of(path, name)
        except SpecdiffError:
            continue  # a library file that is no Python is nobody's neighbour
    ir_cache().flush()
    return found


_FROM = re.compile(r"^from \.\.(\w+)\.(modeling|modular)_(\w+) import\s*(\([^)]*\)|[^\n]+)", re.MULTILINE)
_BASES = re.compile(r"^class \w+\(([^)]*)\)", re.MULTILINE)


def origins(root: Path) -> dict[str, frozenset[str]]:
    """By modeling file: the files whose classes its modular file extends, as its imports and bases say; by text alone."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted(root.glob("*/modular_*.py")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        bases = {name for group in _BASES.findall(text) for name in re.findall(r"\w+", group)}
        found[f"{path.parent.name}/{path.name.replace('modular_', 'modeling_', 1)}"] = frozenset(
            f"{folder}/modeling_{module}.py"
            for folder, _, module, names in _FROM.findall(text)
            if bases & set(re.findall(r"\w+", names))
        )
    return found


def shapes_of(path: Path, name: str) -> list[Shape]:
    """The classes of one file, from the cache where it has not changed."""
    cache = ir_cache()
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        digest = ""
    key = key_of("likeness", _CODE, digest)
    stored = cache.get(key) if digest else None
    if stored is not None:
        return likeness.decode(json.loads(stored))
    # Python's own parser gives the same tree as libcst does, and a whole library is read here.
    unit = SourceUnit(path, name, support=True)
    found = likeness.shapes(unit)
    cache.put(key, json.dumps(likeness.encode(found), separators=(",", ":")).encode())
    return found


class Index:
    """The library's classes by what they and their members are."""

    def __init__(self, pool: Mapping[str, list[Shape]], origins: Mapping[str, frozenset[str]] = {}) -> None:  # noqa: B006 - never changed
        self.hidden: frozenset[str] = frozenset()
        """Files that do not count."""
        self.origins = origins
        """See `origins`."""
        self.by_digest: dict[str, list[tuple[str, Shape]]] = defaultdict(list)
        self.by_member: dict[str, list[tuple[str, Shape]]] = defaultdict(list)
        self.by_statement: dict[str, list[tuple[str, Shape]]] = defaultdict(list)
        for file, found in pool.items():
            for shape in found:
                self.by_digest[shape.digest].append((file, shape))
                for statement in {each for member in shape.members for each in member.statements}:
                    self.by_statement[statement].append((file, shape))
                for member in shape.members:
                    self.by_member[member.digest].append((file, shape))

    def without(self, files: Iterable[str]) -> Index:
        """The same library without some files."""
        other = copy.copy(self)
        other.hidden = self.hidden | frozenset(files)
        return other

    def near(self, shape: Shape, rank: Mapping[str, int]) -> Near:
        """The closest class; of several that are equally close, that of the closest model.

        Args:
            shape: The class.
            rank: Files by how close their models are; a smaller number is closer.
        """
        equal = [item for item in self.by_digest.get(shape.digest, ()) if item[0] not in self.hidden]
        if equal:
            file, other = min(equal, key=lambda item: (*_preference(shape, item, rank), item[0], item[1].name))
            rest = sorted(f"{name}::{each.name}" for name, each in equal if (name, each.name) != (file, other.name))
            return Near(
                shape.name, shape.line, file, other.name, other.line, likeness.likeness(shape, other), tuple(rest)
            )
        best: tuple[tuple[float, int, int, str, str], str, Shape, Likeness] | None = None
        for file, each in self._kin(shape):
            alike = likeness.likeness(shape, each)
            order = (-alike.share, *_preference(shape, (file, each), rank), file, each.name)
            if alike.share >= LEAST_SHARE and (best is None or order < best[0]):
                best = (order, file, each, alike)
        if best is None:
            return Near(shape.name, shape.line, "", "", 0, None, ())
        _, file, each, alike = best
        return Near(shape.name, shape.line, file, each.name, each.line, alike, ())

    def _kin(self, shape: Shape, wide: bool = True) -> list[tuple[str, Shape]]:
        """Classes that share a whole member, and those that share most statements; any other is another class."""
        found = {
            (file, each.name): (file, each)
            for member in shape.members
            for file, each in self.by_member.get(member.digest, ())
            if file not in self.hidden
        }
        if not wide:
            return list(found.values())
        shared: Counter[tuple[str, str]] = Counter()
        places: dict[tuple[str, str], tuple[str, Shape]] = {}
        for statement in {each for member in shape.members for each in member.statements}:
            readers = self.by_statement.get(statement, ())
            if len(readers) <= MOST_READERS:
                for file, each in readers:
                    shared[file, each.name] += 1
                    places[file, each.name] = (file, each)
        for key, _ in shared.most_common(MOST_KIN):
            if key[0] not in self.hidden:
                found.setdefault(key, places[key])
        return list(found.values())

    def models(self, own: list[Shape]) -> list[tuple[str, float, int]]:
        """Files by how much of the target's code they have, each class counted with its best partner there.

        A file that another is made from, and that is nearly as close, comes before it: what they share is its own.
        """
        weights = {shape.name: sum(len(member.statements) or 1 for member in shape.members) for shape in own}
        total = sum(weights.values()) or 1
        scores: dict[str, float] = defaultdict(float)
        same: dict[str, int] = defaultdict(int)
        for shape in own:
            best: dict[str, float] = {}
            # What shares statements without a whole member adds up to noise over a model.
            for file, each in self._kin(shape, wide=False):
                best[file] = max(best.get(file, 0.0), likeness.likeness(shape, each).share)
            for file, share in best.items():
                scores[file] += share * weights[shape.name]
                same[file] += share == 1.0
        rows = sorted(
            ((file, score / total, same[file]) for file, score in scores.items()),
            key=lambda row: (-row[1], len(self.above(row[0])), row[0]),
        )
        return self._origins_first(rows)

    def _origins_first(self, rows: list[tuple[str, float, int]]) -> list[tuple[str, float, int]]:
        """The first ones in another order: before each, the closest of those that it is made from, where that is nearly as close."""
        left = list(rows)
        found: list[tuple[str, float, int]] = []
        while left and len(found) < MOST_MODELS:
            best = left[0]
            above = self.above(best[0])
            origin = next((row for row in left if row[0] in above and row[1] >= NEARLY * best[1]), best)
            found.append(origin)
            left.remove(origin)
        return found + left

    def above(self, file: str) -> set[str]:
        """The files that one is made from, through others too."""
        found: set[str] = set()
        queue = [file]
        while queue:
            more = self.origins.get(queue.pop(), frozenset()) - found - self.hidden
            found |= more
            queue += more
        return found


def _preference(shape: Shape, item: tuple[str, Shape], rank: Mapping[str, int]) -> tuple[int, int]:
    """Of classes that are equally alike, one whose name ends alike, then one of the closest model."""
    file, other = item
    role = min(_ending(shape.name, other.name), len(shape.name))
    return (-min(role, _ROLE), rank.get(file, len(rank)))


def _ending(one: str, other: str) -> int:
    """How many letters at the end two names share."""
    count = 0
    while count < min(len(one), len(other)) and one[-1 - count] == other[-1 - count]:
        count += 1
    return count


def _name(target: Target) -> str:
    return f"{target.text}::{target.classes[0]}" if target.classes else target.text
