"""A content-addressed store on disk, shared by parallel processes; losing it costs time, never correctness.

One SQLite file per kind of entry and version of the code that makes them. Every value carries a checksum: a
damaged entry is not believed but recomputed, a damaged file is replaced, and where nothing can be written
everything works without a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

MAX_BYTES = 512 * 1024 * 1024
"""Size of the file above which it is started anew (a full library of transformers takes about 40 MB)."""

_BUSY_MS = 5_000
_RETRY_SECONDS = 0.005
_CHECK = 8
"""Bytes of checksum before each value."""


KEEP_FILES = 4
"""Files of one kind that stay when a new version of the analyser starts its own; the longest unused go."""

_TOUCH_SECONDS = 3_600
"""How old a file's time stamp gets before using the file renews it."""

_PACKAGE = Path(__file__).resolve().parent


def _digest(parts: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    """A digest of source below the package, of the Python that runs it and of libraries' versions."""
    digest = hashlib.sha256(repr((sys.implementation.cache_tag, sys.version_info[:3])).encode())
    for part in parts:
        place = _PACKAGE / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else (place,):
            digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    for library, version_file in (name.split("/") for name in libraries):
        spec = importlib.util.find_spec(library)
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            with contextlib.suppress(OSError):
                digest.update(Path(folder, version_file).read_bytes())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def ir_version() -> str:
    """A digest of what makes the IR of a piece of text: the front end and libcst."""
    return _digest(("frontend", "ir", "cache.py"), ("libcst/_version.py",))


@lru_cache(maxsize=1)
def analysis_version() -> str:
    """A digest of what decides which operations a run of ``forward`` has: all below the facts."""
    return _digest(("frontend", "ir", "interp", "intrinsics", "project", "graph"), ())


@lru_cache(maxsize=1)
def analyser_version() -> str:
    """A digest of the whole analyser, its stubs included: no result outlives the code that made it."""
    return _digest((".",), ("libcst/_version.py", "numpy/version.py"))


def cache_folder() -> Path | None:
    """Where the cache lies; None where it is switched off (`SPECDIFF_CACHE=off`)."""
    if os.environ.get("SPECDIFF_CACHE", "").lower() in ("off", "0", "no"):
        return None
    explicit = os.environ.get("SPECDIFF_CACHE_DIR")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "specdiff"
    except RuntimeError:
        return None


def key_of(*parts: str) -> bytes:
    """A key for content."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def content_digest(data: bytes) -> str:
    """A digest of a file's content."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


class Cache:
    """Key to bytes. Never raises: what cannot be read is absent, what cannot be written is dropped."""

    def __init__(self, folder: Path | None, kind: str, version: str) -> None:
        self._path = folder / f"{kind}-{version}.sqlite" if folder is not None else None
        self._kind = kind
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        """The process that opened the connection; a forked one must open its own."""
        self._pending: dict[bytes, bytes | Callable[[], bytes]] = {}
        self._failed = self._path is None

    def get(self, key: bytes) -> bytes | None:
        """The value stored under a key, or None."""
        pending = self._pending.get(key)
        if pending is not None:
            return pending if isinstance(pending, bytes) else pending()
        connection = self._open()
        if connection is None:
            return None
        try:
            row = connection.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._damaged(error)
            return None
        if row is None or not isinstance(row[0], bytes):
            return None
        check, data = row[0][:_CHECK], row[0][_CHECK:]
        if hashlib.blake2b(key + data, digest_size=_CHECK).digest() != check:
            return None
        try:
            return zlib.decompress(data)
        except zlib.error:
            return None

    def put(self, key: bytes, value: bytes | Callable[[], bytes]) -> None:
        """Keep a value, or what makes it; it is written with the next `flush`."""
        if not self._failed:
            self._pending[key] = value

    def flush(self) -> None:
        """Write what is kept, in one transaction."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        connection = self._open()
        if connection is None:
            return
        made = {key: value if isinstance(value, bytes) else value() for key, value in pending.items()}
        rows = [(key, _packed(key, value)) for key, value in made.items()]
        try:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            self._damaged(error)

    def close(self) -> None:
        """Write and let go of the file."""
        self.flush()
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None

    def _open(self) -> sqlite3.Connection | None:
        if self._failed or (self._connection is not None and self._owner == os.getpid()):
            return self._connection
        assert self._path is not None
        self._connection = None
        self._owner = os.getpid()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._tidy(self._path)
            self._connection = self._connect()
        except (sqlite3.OperationalError, OSError):
            self._failed = True  # busy, read-only, full: the file may be sound, so it stays
        except sqlite3.DatabaseError:
            self._remove()
            try:
                self._connection = self._connect()
            except (sqlite3.Error, OSError):
                self._failed = True
        return self._connection

    def _tidy(self, path: Path) -> None:
        """Start anew where the file has grown too large; a new file pushes out those of old versions."""
        if path.exists():
            found = path.stat()
            if found.st_size > MAX_BYTES:
                self._remove()
            elif found.st_mtime < time.time() - _TOUCH_SECONDS:
                os.utime(path)
            return
        others = [item for item in path.parent.glob("*.sqlite") if item != path]
        same = sorted((item for item in others if item.name.startswith(f"{self._kind}-")), key=_age)
        for item in [*same[KEEP_FILES - 1 :], *[item for item in others if "-" not in item.name]]:
            _unlink(item)

    def _connect(self) -> sqlite3.Connection:
        """Open the file, with patience: two processes that make it at once are in each other's way, and of those SQLite
        turns one away without waiting (https://www.sqlite.org/wal.html, section 2.1)."""
        until = time.monotonic() + _BUSY_MS / 1000
        while True:
            try:
                return self._opened()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path or "", timeout=_BUSY_MS / 1000, isolation_level="IMMEDIATE")
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")  # every value has a checksum, so a torn write is noticed
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
                )
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _damaged(self, error: sqlite3.Error) -> None:
        """After a failed read or write: a broken file is removed, anything else ends caching for this process."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            self._remove()
        self._failed = True

    def _remove(self) -> None:
        assert self._path is not None
        _unlink(self._path)


def _unlink(path: Path) -> None:
    """Remove a file of the store; a process that has it open goes on with what it has."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).unlink()


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return -path.stat().st_mtime
    return 0.0


def _packed(key: bytes, value: bytes) -> bytes:
    data = zlib.compress(value, 1)
    return hashlib.blake2b(key + data, digest_size=_CHECK).digest() + data


@lru_cache(maxsize=1)
def ir_cache() -> Cache:
    """The process's store of lowered source."""
    return Cache(cache_folder(), "ir", ir_version())


def disabled() -> Cache:
    """A cache that keeps nothing."""
    return Cache(None, "", "")


__all__ = [
    "Cache",
    "analyser_version",
    "cache_folder",
    "content_digest",
    "disabled",
    "ir_cache",
    "ir_version",
    "key_of",
]
