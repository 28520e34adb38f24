"""Where analysed files are read from: the disk, or the disk with some files' texts replaced (mutants, git revisions)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from specdiff.cache import content_digest


class SourceTree(Protocol):
    """A tree of files, as much of it as finding and reading source takes."""

    def is_file(self, path: Path) -> bool:
        """Whether a file is there."""

    def is_dir(self, path: Path) -> bool:
        """Whether a folder is there."""

    def has_source(self, folder: Path) -> bool:
        """Whether a folder holds Python files."""

    def sources(self, folder: Path) -> list[Path]:
        """The Python files in a folder, by name."""

    def read(self, path: Path) -> bytes:
        """A file's content.

        Raises:
            OSError: it cannot be read.
        """

    def digest(self) -> str:
        """What tells this tree from others over the same disk; empty for the disk itself."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The files as they are."""

    def is_file(self, path: Path) -> bool:
        """See `SourceTree.is_file`."""
        return path.is_file()

    def is_dir(self, path: Path) -> bool:
        """See `SourceTree.is_dir`."""
        return path.is_dir()

    def has_source(self, folder: Path) -> bool:
        """See `SourceTree.has_source`."""
        return any(folder.glob("*.py"))

    def sources(self, folder: Path) -> list[Path]:
        """See `SourceTree.sources`."""
        return sorted(folder.glob("*.py"))

    def read(self, path: Path) -> bytes:
        """See `SourceTree.read`."""
        return path.read_bytes()

    def digest(self) -> str:
        """See `SourceTree.digest`."""
        return ""


DISK = Disk()


@dataclass(frozen=True, slots=True)
class Overlay:
    """A tree with some files replaced, added (their folders too) or, with None for content, taken away."""

    files: Mapping[Path, bytes | None]
    below: SourceTree = DISK
    _known: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What is worked out once: a release replaces a thousand files, and folders are asked for at every import."""

    def is_file(self, path: Path) -> bool:
        """See `SourceTree.is_file`."""
        if path in self.files:
            return self.files[path] is not None
        return self.below.is_file(path)

    def is_dir(self, path: Path) -> bool:
        """See `SourceTree.is_dir`."""
        return path in self._folders() or self.below.is_dir(path)

    def has_source(self, folder: Path) -> bool:
        """See `SourceTree.has_source`."""
        return any(self._added(folder)) or self.below.has_source(folder)

    def sources(self, folder: Path) -> list[Path]:
        """See `SourceTree.sources`."""
        gone = {path for path, data in self.files.items() if data is None}
        return sorted({*self.below.sources(folder), *self._added(folder)} - gone)

    def _added(self, folder: Path) -> Iterator[Path]:
        for path in self._folders().get(folder, ()):
            if path.suffix == ".py":
                yield path

    def _folders(self) -> dict[Path, list[Path]]:
        """Files that are there by their folder, and every folder above one."""
        found: dict[Path, list[Path]] | None = self._known.get("folders")
        if found is None:
            found = {}
            for path, data in self.files.items():
                if data is None:
                    continue
                found.setdefault(path.parent, []).append(path)
                for folder in path.parents:
                    found.setdefault(folder, [])
            self._known["folders"] = found
        return found

    def read(self, path: Path) -> bytes:
        """See `SourceTree.read`."""
        if path in self.files:
            data = self.files[path]
            if data is None:
                raise FileNotFoundError(2, "No such file or directory", str(path))
            return data
        return self.below.read(path)

    def digest(self) -> str:
        """See `SourceTree.digest`."""
        if "digest" in self._known:
            return str(self._known["digest"])
        parts = [self.below.digest()]
        for path in sorted(self.files):
            data = self.files[path]
            parts += [str(path), "" if data is None else content_digest(data)]
        self._known["digest"] = content_digest(repr(parts).encode("utf-8", "surrogatepass"))
        return str(self._known["digest"])
