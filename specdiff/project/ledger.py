"""What a program has read and looked for, so that a kept result is used only while all of that is unchanged.

A fact is one string to another: ``f:PATH`` to the digest of a file's content, ``m:MODULE`` to the file that the
module's name leads to (empty where it leads nowhere).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from specdiff.cache import content_digest
from specdiff.project.locate import Roots
from specdiff.project.tree import DISK, SourceTree

if TYPE_CHECKING:
    from specdiff.interp.objects import ModuleVal

ABSENT = "absent"
"""In place of the digest of a file that is not there."""


def file_digest(path: str, tree: SourceTree = DISK) -> str:
    """The digest of a file as it is now. Always by content: no time stamp tells whether a file changed."""
    try:
        return content_digest(tree.read(Path(path)))
    except OSError:
        return ABSENT


def place_of(roots: Roots, module: str) -> str:
    """The file a module's name leads to now."""
    found = roots.find(module)
    return str(found[0]) if found is not None else ""


class Ledger:
    """Facts that results of one program rest on. Owned by the program.

    What is read for the library around the models stays in memory and so concerns every later target (`shared`, which
    only grows). What is read for one model concerns that target, and later ones only as long as something in memory
    still refers to the model's modules.
    """

    def __init__(self) -> None:
        self.shared: dict[str, str] = {}
        self._left: list[tuple[weakref.ref[ModuleVal], dict[str, str]]] = []
        self._consulted: dict[str, str] = {}

    def settle(self, roots: Roots, files: Iterable[tuple[Path, str]], is_model: Iterable[str]) -> dict[str, str]:
        """The facts of one target.

        Args:
            roots: Where names were looked up; what was asked since the last call is taken.
            files: Files in memory with the digest of what was read.
            is_model: Names among those asked that are the target's own models.

        Returns:
            The target's own facts; the rest is in `shared`.
        """
        models = set(is_model)
        own: dict[str, str] = {}
        for name in sorted(roots.asked):
            place = place_of(roots, name)
            (own if place and name in models else self.shared)[f"m:{name}"] = place
        roots.asked.clear()
        for path, digest in files:
            if f"f:{path}" not in self.shared:
                own[f"f:{path}"] = digest
        own.update(self._consulted)
        self._consulted.clear()
        alive = []
        for module, facts in self._left:
            if module() is not None:
                alive.append((module, facts))
                own.update(facts)
        self._left = alive
        return own

    def consult(self, own: Mapping[Path, str], library: Mapping[Path, str]) -> None:
        """Files whose text was searched, with digests: beside the target's own model, and of the library around it."""
        self._consulted.update({f"f:{path}": digest for path, digest in own.items()})
        self.shared.update({f"f:{path}": digest for path, digest in library.items() if f"f:{path}" not in self.shared})

    def keep(self, files: Iterable[tuple[Path, str]]) -> None:
        """Files that stay in memory after a target."""
        for path, digest in files:
            self.shared[f"f:{path}"] = digest

    def leave(self, module: ModuleVal, path: Path, digest: str) -> None:
        """A model's module that the program lets go of."""
        self._left.append((weakref.ref(module), {f"m:{module.name}": str(path), f"f:{path}": digest}))
