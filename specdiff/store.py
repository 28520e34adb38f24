"""Keeps results on disk with the facts they rest on, and gives one back only while every fact still holds.

An entry's key covers the analyser, the Python that ran it, the options and the target. Its value lists what the
analysis read (by content) and every module name it looked up (by where the name leads, also where it led nowhere), so
neither a changed file nor one that newly appears is missed. Facts about the library around the models are the same for
hundreds of targets, so they are kept once, in pieces that entries name by digest. Files that are read from memory (a
revision of a repository) are facts like those on disk.
"""

from __future__ import annotations

import json
from typing import Any

from specdiff import codec
from specdiff.cache import Cache, analyser_version, cache_folder, content_digest, key_of
from specdiff.options import Options
from specdiff.project.ledger import file_digest, place_of
from specdiff.project.locate import Roots
from specdiff.project.targets import Target
from specdiff.results import ClassResult


class Store:
    """Results of earlier runs; owned by a session, which must not outlive changes to what it analyses.

    What was checked once is not checked again in the same session.
    """

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = Cache(cache_folder(), "result", analyser_version()) if cache is None else cache
        self._roots: dict[str, Roots] = {}
        self._digests: dict[tuple[str, str], str] = {}
        """By the digest of the tree and the path."""
        self._held: dict[tuple[int, str], set[tuple[str, str]]] = {}
        """Facts found to hold, by the identity of the roots (which are kept alive) and the digest of the tree."""
        self._pieces: dict[str, bool] = {}
        self._written: dict[int, _Written] = {}
        """What of a program's shared facts was written, by the identity of the dict (which is kept alive)."""

    def get(self, target: Target, options: Options, published: dict[str, Any] | None) -> list[ClassResult] | None:
        """The results of an earlier run that would come out the same now."""
        data = self._cache.get(_key(target, options, published))
        if data is None:
            return None
        head, _, body = data.partition(b"\n")
        try:
            entry = json.loads(head)
            pieces, own = entry["shared"], entry["own"]
            roots = self._roots_of(target)
            tree = roots.tree.digest()
            if not self._hold(roots, tree, own) or not all(self._piece_holds(roots, tree, piece) for piece in pieces):
                return None
            return codec.decode(body)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def put(
        self,
        target: Target,
        options: Options,
        published: dict[str, Any] | None,
        results: list[ClassResult],
        own: dict[str, str],
        shared: dict[str, str],
    ) -> None:
        """Keep results.

        Args:
            target: What was analysed.
            options: How.
            published: The configuration in place of the target's own.
            results: What came out.
            own: Facts about this target alone.
            shared: Facts about what this target shares with others; a dict that only grows.
        """
        entry = {"shared": self._pieces_of(shared), "own": own}
        head = json.dumps(entry, separators=(",", ":")).encode("utf-8", "surrogatepass")
        try:
            body = codec.encode(results)
        except TypeError:
            return
        self._cache.put(_key(target, options, published), head + b"\n" + body)
        self._cache.flush()

    def close(self) -> None:
        """Write what was kept."""
        self._cache.close()

    def _pieces_of(self, shared: dict[str, str]) -> list[str]:
        """Digests of the pieces that shared facts are written in; what is new since the last call is a new piece."""
        written = self._written.setdefault(id(shared), _Written(shared))
        if len(shared) > written.count:
            piece = dict(list(shared.items())[written.count :])
            data = json.dumps(piece, separators=(",", ":")).encode("utf-8", "surrogatepass")
            digest = content_digest(data)
            self._cache.put(key_of("facts", digest), data)
            written.pieces.append(digest)
            written.count = len(shared)
        return list(written.pieces)

    def _piece_holds(self, roots: Roots, tree: str, digest: str) -> bool:
        name = f"{digest} {id(roots)}"
        found = self._pieces.get(name)
        if found is None:
            data = self._cache.get(key_of("facts", digest))
            found = self._pieces[name] = data is not None and self._hold(roots, tree, json.loads(data))
        return found

    def _hold(self, roots: Roots, tree: str, facts: dict[str, str]) -> bool:
        """Whether all facts hold; most of a target's facts are those of targets before it."""
        held = self._held.setdefault((id(roots), tree), set())
        new = facts.items() - held
        if not all(self._holds(roots, tree, name, value) for name, value in new):
            return False
        held |= new
        return True

    def _holds(self, roots: Roots, tree: str, name: str, value: str) -> bool:
        kind, _, rest = name.partition(":")
        if kind == "m":
            return place_of(roots, rest) == value
        found = self._digests.get((tree, rest))
        if found is None:
            found = self._digests[tree, rest] = file_digest(rest, roots.tree)
        return found == value

    def _roots_of(self, target: Target) -> Roots:
        return self._roots.setdefault(_roots_text(target.roots), target.roots)


class _Written:
    """How much of a growing dict of facts was written, and under which digests."""

    __slots__ = ("count", "keep", "pieces")

    def __init__(self, keep: dict[str, str]) -> None:
        self.keep = keep
        self.count = 0
        self.pieces: list[str] = []


def _roots_text(roots: Roots) -> str:
    packages = [(name, [str(folder) for folder in folders]) for name, folders in roots.packages.items()]
    return repr((packages, str(roots.folder), roots.tree.digest()))


def _key(target: Target, options: Options, published: dict[str, Any] | None) -> bytes:
    tree = target.roots.tree
    configs = [
        (str(path), file_digest(str(path), tree)) for path in (options.config, target.config) if path is not None
    ]
    return key_of(
        "result",
        target.text,
        _roots_text(target.roots),
        target.module,
        str(target.path),
        repr(
            (
                target.classes,
                target.model_prefixes,
                configs,
                options.attention,
                options.mode,
                options.debug,
                options.computation,
                options.operations,
            )
        ),
        repr((sorted(options.only), options.settings, published)),
    )
