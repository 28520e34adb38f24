"""Which model files a change touches: changed ones, and those that inherit from them through other files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from specdiff.review.git import Change

MAX_DEPENDENTS = 24
"""Files reviewed because they import a changed one; a change to code that everything imports would review the library."""

_MODEL = re.compile(r"(?:^|/)(?:modeling|modular|configuration)_\w+\.py$")
_MODULE = re.compile(r"\bnn\.Module\b|\bPreTrainedModel\b")
_NOT_MODELS = re.compile(r"(?:^|/)(?:tests?|examples|benchmarks?|docs|scripts|utils)/")


def is_model_file(path: str, text: str) -> bool:
    """Whether a Python file holds a model or its configuration: by its name, or by what its classes extend."""
    name = PurePosixPath(path).name
    if not name.endswith(".py") or name.startswith("test_") or _NOT_MODELS.search(path):
        return False
    return bool(_MODEL.search(path)) or bool(_MODULE.search(text))


def targets_of(changed: Iterable[Change], listing: Iterable[str]) -> dict[str, str]:
    """The files with model classes that changed files define: file, and the changed file it stands for.

    A configuration stands for the modeling files beside it; a modular file for the modeling file that is made from it.
    """
    modeling: dict[PurePosixPath, list[str]] = {}
    for each in sorted(listing):
        path = PurePosixPath(each)
        if path.name.startswith("modeling_") and path.suffix == ".py":
            modeling.setdefault(path.parent, []).append(each)
    found: dict[str, str] = {}
    for change in changed:
        path = PurePosixPath(change.path)
        beside = modeling.get(path.parent, [])
        if path.name.startswith(("configuration_", "modular_")) and beside:
            for other in beside:
                found.setdefault(other, change.path)
        elif not path.name.startswith("configuration_"):
            found[change.path] = change.path
    return found


def dependents(changed: Iterable[str], readers: Callable[[str], list[str]]) -> dict[str, str]:
    """Modeling files that import from changed ones, however many files lie between: file, and the file behind it.

    Args:
        changed: The changed files.
        readers: The files that name a module by its last part.
    """
    found: dict[str, str] = {}
    queue = [(path, path) for path in changed]
    seen = {path for path, _ in queue}
    while queue:
        path, origin = queue.pop(0)
        stem = PurePosixPath(path).stem
        if stem == "__init__":
            continue
        for reader in readers(stem):
            if reader not in seen and PurePosixPath(reader).name.startswith("modeling_"):
                seen.add(reader)
                found[reader] = origin
                queue.append((reader, origin))
    return found
