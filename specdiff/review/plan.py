"""Which model files a change touches: changed ones, and those that inherit from them through other files."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

from specdiff.review.git import Change
from specdiff.review.modular import modular_of
from specdiff.review.reach import EVERYTHING, reached_names

MAX_DEPENDENTS = 24
"""Files reviewed because they import a changed one; a change to code that everything imports would review the library."""

_MODEL = re.compile(r"(?:^|/)(?:modeling|modular|configuration)_\w+\.py$")
_MODULE = re.compile(r"\bnn\.Module\b|\bPreTrainedModel\b")
_NOT_MODELS = re.compile(r"(?:^|/)(?:tests?|examples|benchmarks?|docs|scripts|utils)/")
_NOT_IMPORTED = re.compile(r"(?:^|/)(?:tests?|examples|benchmarks?|docs|scripts)/")
_RUNS_MODELS = re.compile(
    r"(?:^|/)(?:generation|pipelines|trainer\w*|cli|commands|exporters|quantizers|serving)(?:/|\.py$)|(?:^|/)(?:convert|test|tokenization|processing|image_processing|video_processing|feature_extraction)_\w+\.py$"
)
"""Code that loads, feeds, runs and trains models: what it uses is no part of what a model computes."""


def is_source(path: str) -> bool:
    """Whether what a model is may depend on a file: code that no model imports and files of other kinds are left out,
    so that what is kept of a side outlives changes to them."""
    return not _NOT_IMPORTED.search(path) and (path.endswith(".py") or PurePosixPath(path).name == "config.json")


def is_model_file(path: str, text: Callable[[], str]) -> bool:
    """Whether a file holds a model or its configuration: by its name, or by what its classes extend, for which it is read."""
    name = PurePosixPath(path).name
    if name == "config.json":
        return not _NOT_MODELS.search(path)
    if not name.endswith(".py") or name.startswith("test_") or _NOT_MODELS.search(path):
        return False
    return bool(_MODEL.search(path)) or bool(_MODULE.search(text()))


def targets_of(changed: Iterable[Change], listing: Iterable[str]) -> dict[str, str]:
    """The files with model classes that changed files define: file, and the changed file it stands for.

    A configuration stands for the modeling files beside it; a modular file for the modeling file that is made from it,
    and for itself where that did not change with it.
    """
    modeling: dict[PurePosixPath, list[str]] = {}
    for each in sorted(listing):
        path = PurePosixPath(each)
        if path.name.startswith("modeling_") and path.suffix == ".py":
            modeling.setdefault(path.parent, []).append(each)
    changed = list(changed)
    edited = {change.path for change in changed}
    found: dict[str, str] = {}
    for change in changed:
        path = PurePosixPath(change.path)
        beside = modeling.get(path.parent, [])
        if is_configuration(change.path):
            for other in beside:
                found.setdefault(other, change.path)
        elif path.name.startswith("modular_"):
            made = [other for other in beside if modular_of(other) == change.path]
            found.update({other: change.path for other in made if other in edited})
            if not set(made) <= edited or not made:
                found[change.path] = change.path
        else:
            found.setdefault(change.path, change.path)
    return found


def is_configuration(path: str) -> bool:
    """Whether a file only configures the models beside it."""
    name = PurePosixPath(path).name
    return name.startswith("configuration_") or name == "config.json"


def out_of_step(changed: Iterable[Change], listing: Iterable[str]) -> Iterator[str]:
    """What is wrong where only one of a modular file and the modeling file made from it changed, one line each."""
    edited = {change.path for change in changed if change.status != "D"}
    there = set(listing)
    for path in sorted(there):
        source = modular_of(path)
        if not source or source not in there or (path in edited) == (source in edited):
            continue
        if source in edited:
            yield f"{source} changed and {path}, which is made from it, did not; the modular file itself was read"
        else:
            yield f"{path} is made from {source}, which did not change with it: the next conversion takes the change back"


class Reader(NamedTuple):
    """A file that a change reaches through imports."""

    path: str
    origin: str
    """The changed file behind it."""
    names: frozenset[str]
    """Its own names that are reached."""


def is_shared(path: str) -> bool:
    """Whether a changed file that holds no model may be a part of one: masks, rotations, activations, helpers."""
    return path.endswith(".py") and not _NOT_IMPORTED.search(path) and not _RUNS_MODELS.search(path)


MAX_READ = 120
"""Files that are read for what they take over from a changed one; of others only their words are looked at."""


def dependents(
    changed: Mapping[str, frozenset[str]],
    readers: Mapping[str, list[str]],
    text: Callable[[str], str],
    direct: Container[str] = (),
) -> tuple[list[Reader], list[Reader]]:
    """Files with models that import from changed ones what the change reaches, however many files lie between, nearest
    first; and the modular files that extend such classes, whose own modeling files are to be made again.

    Where they are more than are analysed, those that are only counted are told by their words, and nothing is looked for
    behind them.

    Args:
        changed: The changed files with the names in them that the change reaches.
        readers: The files that name a module by its last part.
        text: A file's text.
        direct: Files that are analysed anyway.
    """
    found: list[Reader] = []
    stale: list[Reader] = []
    queue = deque(Reader(path, path, names) for path, names in changed.items())
    seen = set(changed)
    count = 0
    while queue:
        path, origin, names = queue.popleft()
        place = PurePosixPath(path)
        # What a package's __init__ hands on is imported from the package.
        stem = place.parent.name if place.stem == "__init__" else place.stem
        if not stem or not names or (place.stem == "__init__" and names == EVERYTHING):
            continue  # a package hands on names; without any, all that imports it would count
        for other in readers.get(stem, ()):
            if other in seen or _NOT_IMPORTED.search(other) or _RUNS_MODELS.search(other):
                continue
            there = text(other)
            modular = PurePosixPath(other).name.startswith("modular_")
            enough = count >= MAX_READ or (not modular and len(found) >= MAX_DEPENDENTS)
            reached = _by_words(there, stem, names)
            if reached and not enough:
                count += 1
                reached = reached_names(there, stem, names)
            if not reached:
                continue
            seen.add(other)
            reader = Reader(other, origin, reached)
            if modular:
                stale.append(reader)
                continue
            if other not in direct and _holds_models(other, there):
                found.append(reader)
            if not enough:
                queue.append(reader)
    return found, stale


def _holds_models(path: str, text: str) -> bool:
    name = PurePosixPath(path).name
    return name != "__init__.py" and not is_configuration(path) and is_model_file(path, partial(str, text))


def _by_words(text: str, stem: str, names: frozenset[str]) -> frozenset[str]:
    """Whether a file imports a module and has one of some names in it: everything or nothing."""
    imported = re.search(rf"^\s*(?:from|import)\s.*\b{re.escape(stem)}\b", text, re.MULTILINE) is not None
    named = names == EVERYTHING or "import *" in text or not names.isdisjoint(re.findall(r"\w+", text))
    return EVERYTHING if imported and named else frozenset()
