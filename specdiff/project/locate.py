"""From dotted module names to files, importing nothing.

Only the top-level name is ever looked up (``importlib.util.find_spec`` of a dotted name would import
its parents); from there the path is walked.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from specdiff.project.tree import DISK, SourceTree

STUBS = Path(__file__).resolve().parent.parent / "intrinsics" / "stubs"
"""Our own models of libraries, as plain Python that the interpreter runs."""


SERVING = frozenset({"vllm"})
"""Libraries whose layers are kernels over pages of keys: what their model files import is modelled in one stub file."""
_HELPERS = frozenset({"utils", "interfaces", "interfaces_base", "adapters"})
"""Files among a serving library's model files that hold no model."""


def standing_for(module: str) -> str:
    """The module that is read in place of one: `serving` for all of a serving library but its model files."""
    top, *rest = module.split(".")
    if top not in SERVING:
        return module
    after = rest[rest.index("models") + 1 :] if "models" in rest else None
    return module if after is not None and not (after and after[0] in _HELPERS) else "serving"


@lru_cache(maxsize=32)
def package_folder(name: str) -> Path | None:
    """The folder of an installed top-level package; None where it is not installed."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


@dataclass(frozen=True)
class Roots:
    """Where analysed source may come from."""

    packages: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """Dotted package name to the folders it is looked up in, first hit first (`transformers`; a model package
    whose files stand elsewhere shadows the installed one)."""
    folder: Path | None = None
    """The target's folder: its modules, and those of the folders above it, can be imported by bare name."""
    _found: dict[str, tuple[Path, bool] | None] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """Modules looked for since whoever reads this cleared it (`ledger`)."""
    tree: SourceTree = DISK
    """What the folders are read from."""

    def find(self, module: str) -> tuple[Path, bool] | None:
        """The file of a module and whether it is a package; None where it is not analysed source."""
        self.asked.add(module)
        if module not in self._found:
            self._found[module] = self._search(module)
        return self._found[module]

    def _search(self, module: str) -> tuple[Path, bool] | None:
        parts = module.split(".")
        for length in range(len(parts), 0, -1):
            for folder in self.packages.get(".".join(parts[:length]), ()):
                found = _walk(folder, parts[length:], self.tree)
                if found is not None:
                    return found
        found = _walk(STUBS, parts, DISK)
        if found is not None or self.folder is None:
            return found
        for folder in (self.folder, *list(self.folder.parents)[:MAX_PARENTS]):
            found = _walk(folder, parts, self.tree)
            if found is not None:
                return found
        return None


MAX_PARENTS = 4
"""How many folders above a target its own absolute imports are looked up in (a repository's root is rarely further)."""


def _walk(base: Path, parts: list[str], tree: SourceTree) -> tuple[Path, bool] | None:
    path = base.joinpath(*parts)
    package = path / "__init__.py"
    if tree.is_file(package):
        return package, True
    if parts:
        module = path.with_name(path.name + ".py")
        if tree.is_file(module):
            return module, False
    if not path.is_relative_to(STUBS) and tree.is_dir(path) and (not parts or tree.has_source(path)):
        return path, True  # a namespace package: a folder without __init__.py
    return None
