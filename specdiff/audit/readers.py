"""Who reads a setting: the names that code around a configuration reads, looked for in files only when asked for.

Most settings are read by the model's own code, whose words are known. The library around it is some two hundred files;
their text is searched for the few names that are left, and only a file that seems to have one is looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from specdiff.audit.walk import without_words
from specdiff.cache import content_digest
from specdiff.project.ledger import file_digest

_ATTRIBUTE = re.compile(r"\.\s*([A-Za-z_]\w*)")
_WORD = re.compile(r"[\"']([A-Za-z_]\w*)[\"']")
_MADE_NAME = re.compile(r"attr\s*\([^()]*?,\s*f([\"'])(\w*)\{\w+\}(\w*)\1")
"""A reader that puts the name of a setting together: ``getattr(config, f"output_{kind}")``; see `made_names`."""
_MOVED = re.compile(
    r"\b(\w+)\.startswith\(\s*[\"'](\w+_)[\"']\s*\)[^#]{0,120}?setattr(?:__)?\([^()]*?\b\1\s*(?:\[|\.removeprefix)"
)
"""A reader of all settings of a prefix, which it keeps without it: ``setattr(config, name[5:], value)``."""
_HOLE = "{}"
"""Stands in a name that is put together for the part that varies."""
_OF_SETTINGS = re.compile(
    r"(?:(?:config|cfg)\w*(?:\([^()]*\))?(?:\[[^\[\]]*\])?)\s*\.\s*([A-Za-z_]\w*)"
    r"|(?:get|has|set)attr\(\s*[^,\"']*(?:config|cfg)[^,\"']*,\s*[\"']([A-Za-z_]\w*)[\"']"
    r"|(?:config|cfg)\w*(?:\.get\(|\.pop\(|\[)\s*[\"']([A-Za-z_]\w*)[\"']"
    r"|\battr\w*\s*=\s*[\"']([A-Za-z_]\w*)[\"']|_attr\w*\s*=\s*[\"']([A-Za-z_]\w*)[\"']"
    r"|[\"']([A-Za-z_]\w*)[\"']\s+(?:not\s+)?in\s+[\w.]*(?:config|cfg)"
)
"""Reads of settings in code of the library, which has many other objects with attributes of such names."""
_OWN = re.compile(r"(?:\bself\s*\.\s*|attr\(\s*self,\s*[\"'])([A-Za-z_]\w*)")
"""A read in a configuration class itself."""
_ANY_NAME = re.compile(r"(?:get|has)attr\(\s*[^,()]*(?:config|cfg)[^,()]*(?:\([^()]*\))?,\s*(?![\"'])")
"""A reader of settings whose names stand elsewhere in its file."""
_NO_READERS = frozenset({"models", "cli", "__pycache__"})
"""Folders of the library that hold the models themselves, or commands; code of all others may read settings."""


class Readers:
    """Names that are read: some are known, others may be in files and are looked for there."""

    def __init__(
        self,
        names: Iterable[str],
        files: Iterable[Path],
        libraries: Iterable[Path],
        called: frozenset[str] = frozenset(),
    ) -> None:
        self._names = frozenset(names)
        self._files = tuple(files)
        self._libraries = tuple(libraries)
        self._called = called
        """How other models' configurations mention this one where they take it as a part."""
        self._made: frozenset[str] | None = None
        self._others: tuple[Path, ...] | None = None
        self._looked = False

    def looked_at(self) -> tuple[dict[Path, str], dict[Path, str]]:
        """The files that answers rest on, with digests of their content: the model's own, and the library's."""
        if not self._looked:
            return {}, {}
        libraries = {path: digest for folder in self._libraries for path, digest in _library_digests(folder)}
        return {path: file_digest(str(path)) for path in self._files}, libraries

    def __contains__(self, name: object) -> bool:
        """Whether anything reads a name."""
        if not isinstance(name, str):
            return False
        if name in self._names:
            return True
        self._looked = True
        return (
            any(name in file_words(path) for path in self._files)
            or any(_library_reads(folder, name) for folder in self._libraries)
            or any(name in file_words(path) for path in self._users())
        )

    def _users(self) -> tuple[Path, ...]:
        """The files of other models whose configurations take this one as a part."""
        if self._others is None:
            own = {path.parent for path in self._files}
            folders = [
                path.parent
                for folder in self._libraries
                for path, text in _configurations(folder)
                if path.parent not in own and any(mark in text for mark in self._called)
            ]
            self._others = tuple(file for folder in folders for file in folder.glob("modeling_*.py"))
        return self._others

    def put_together(self, name: str) -> bool:
        """Whether a reader makes the name from a fixed part and another name the code has (`output_` + `attentions`)."""
        if self._made is None:
            self._looked = True
            made = {item for item in self._names if _HOLE in item}
            for path in self._files:
                made.update(item for item in file_words(path) if _HOLE in item)
            self._made = frozenset(made.union(*map(_library_made, self._libraries)))
        for item in self._made:
            before, _, after = item.partition(_HOLE)
            varies = name.removeprefix(before) if before else name.removesuffix(after)
            if varies and varies != name and varies in self:
                return True
        return False


def made_names(text: str) -> Iterator[str]:
    """Names with a hole that a text's ``getattr``, ``hasattr`` and ``setattr`` put together."""
    for match in _MADE_NAME.finditer(text):
        word = text[max(match.start() - 4, 0) : match.start()]
        before, after = match.group(2), match.group(3)
        if bool(before) != bool(after) and word[-3:] in ("get", "has", "set") and not _is_word(word[:-3]):
            yield f"{before}{_HOLE}{after}"

    yield from (f"{prefix}{_HOLE}" for prefix in moved_prefixes(text))


def moved_prefixes(text: str) -> Iterator[str]:
    """Prefixes whose settings a text takes together and sets again without the prefix."""
    if "setattr" in text:
        yield from (match.group(2) for match in _MOVED.finditer(text))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@lru_cache(maxsize=4096)
def file_words(path: Path) -> frozenset[str]:
    """The attributes, quoted words and names put together that a file has in its code."""
    try:
        text = without_words(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return frozenset()
    return frozenset(_ATTRIBUTE.findall(text)) | frozenset(_WORD.findall(text)) | frozenset(made_names(text))


@lru_cache(maxsize=4096)
def _settings_read(path: Path) -> frozenset[str]:
    """The names that a file of the library may read of a configuration."""
    try:
        text = without_words(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return frozenset()
    found = {name for match in _OF_SETTINGS.finditer(text) for name in match.groups() if name}
    if _ANY_NAME.search(text):
        found.update(_WORD.findall(text))
    if "config" in path.stem:
        found.update(_OWN.findall(text))
    return frozenset(found)


@lru_cache(maxsize=8)
def _library_texts(folder: Path) -> tuple[tuple[Path, bytes], ...]:
    texts = []
    around = [item for item in sorted(folder.iterdir()) if item.is_dir() and item.name not in _NO_READERS]
    for path in (*folder.glob("*.py"), *(item for each in around for item in each.rglob("*.py"))):
        try:
            texts.append((path, path.read_bytes()))
        except OSError:
            continue
    return tuple(texts)


@lru_cache(maxsize=8)
def _configurations(folder: Path) -> tuple[tuple[Path, str], ...]:
    """The library's configuration files with their text."""
    found = []
    for path in sorted((folder / "models").glob("*/configuration_*.py")):
        try:
            found.append((path, path.read_text(encoding="utf-8", errors="replace")))
        except OSError:
            continue
    return tuple(found)


@lru_cache(maxsize=8)
def _library_digests(folder: Path) -> tuple[tuple[Path, str], ...]:
    return tuple((path, content_digest(data)) for path, data in _library_texts(folder))


@lru_cache(maxsize=65536)
def _library_reads(folder: Path, name: str) -> bool:
    plain = name.encode()
    exact = re.compile(rb"(?:\.\s*|[\"'])" + re.escape(plain) + rb"\b")
    return any(
        plain in data and exact.search(data) is not None and name in _settings_read(path)
        for path, data in _library_texts(folder)
    )


@lru_cache(maxsize=8)
def _library_made(folder: Path) -> frozenset[str]:
    return frozenset(
        item
        for path, data in _library_texts(folder)
        if b"attr" in data and any(made_names(data.decode("utf-8", "replace")))
        for item in file_words(path)
        if _HOLE in item
    )
