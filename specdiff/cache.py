"""A content-addressed store on disk, shared by parallel processes; losing it costs time, never correctness.

One SQLite file per analyser version. Every value carries a checksum: a damaged entry is not believed but
recomputed, a damaged file is replaced, and where nothing can be written everything works without a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

MAX_BYTES = 512 * 1024 * 1024
"""Size of the file above which it is started anew (a full library of transformers takes about 40 MB)."""

_BUSY_MS = 5_000
_CHECK = 8
"""Bytes of checksum before each value."""


@lru_cache(maxsize=1)
def analyser_version() -> str:
    """A digest of the analyser's own source, so that an entry never outlives the code that made it."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


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


class Cache:
    """Key to bytes. Never raises: what cannot be read is absent, what cannot be written is dropped."""

    def __init__(self, folder: Path | None, version: str) -> None:
        self._path = folder / f"{version}.sqlite" if folder is not None else None
        self._connection: sqlite3.Connection | None = None
        self._pending: dict[bytes, bytes] = {}
        self._failed = self._path is None

    def get(self, key: bytes) -> bytes | None:
        """The value stored under a key, or None."""
        pending = self._pending.get(key)
        if pending is not None:
            return pending
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

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value; it is written with the next `flush`."""
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
        rows = [(key, _packed(key, value)) for key, value in pending.items()]
        try:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            self._damaged(error)

    def close(self) -> None:
        """Write and let go of the file."""
        self.flush()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is not None or self._failed:
            return self._connection
        assert self._path is not None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
                self._remove()
            self._connection = self._connect()
        except sqlite3.DatabaseError:
            self._remove()
            try:
                self._connection = self._connect()
            except (sqlite3.Error, OSError):
                self._failed = True
        except OSError:
            self._failed = True
        return self._connection

    def _connect(self) -> sqlite3.Connection:
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
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()


def _packed(key: bytes, value: bytes) -> bytes:
    data = zlib.compress(value, 1)
    return hashlib.blake2b(key + data, digest_size=_CHECK).digest() + data


@lru_cache(maxsize=1)
def default_cache() -> Cache:
    """The process's cache."""
    return Cache(cache_folder(), analyser_version())


def disabled() -> Cache:
    """A cache that keeps nothing."""
    return Cache(None, "")


__all__ = ["Cache", "Iterable", "analyser_version", "cache_folder", "default_cache", "disabled", "key_of"]
