"""Reads a git repository through its own commands; changes nothing in it."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from specdiff.errors import Problem, TargetError

MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "upstream/main", "main", "master")
"""Where a change is measured from when nothing is said, in this order; the first is what the remote itself calls its main one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One changed file."""

    path: str
    """Relative to the repository, posix separators; the new name of a renamed file."""
    old_path: str
    """Its name before; empty for an added file."""
    status: str
    """`A`, `M`, `D` or `R`."""


@dataclass(frozen=True, slots=True)
class Range:
    """Two sides of a change."""

    root: Path
    base: str
    """Commit id."""
    head: str
    """Commit id; empty for the working tree."""
    checked_out: bool = True
    """Whether the head side is what lies on disk, files that git does not track left out where it is a commit."""


def find_range(folder: Path, text: str) -> Range:
    """The two sides that `BASE..HEAD`, `BASE` or nothing stands for; nothing is the merge base with the main branch.

    Raises:
        TargetError: it is no repository, or a revision is not there.
    """
    if _run(folder, "rev-parse", "--is-bare-repository").stdout.strip() == b"true":
        raise TargetError(
            Problem(str(folder), 0, 0, "a bare repository has no files; give one of its worktrees or a clone")
        )
    root = Path(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    base, separator, head = text.partition("..")
    head = head.lstrip(".")
    if not base or "..." in text:
        base = _merge_base(root, base or _main_branch(root), head or "HEAD")
    found_head = _commit(root, head) if separator and head else ""
    there = not found_head or (
        found_head == _commit(root, "HEAD") and not _git(root, "status", "--porcelain", "-uno").strip()
    )
    return Range(root, _commit(root, base), found_head, there)


def _merge_base(root: Path, base: str, head: str) -> str:
    """The last commit that two revisions have in common."""
    run = _run(root, "merge-base", _commit(root, base), _commit(root, head))
    if run.returncode:
        raise TargetError(Problem(str(root), 0, 0, f"{base} and {head} have no commit in common{_shallow(root)}"))
    return run.stdout.decode().strip()


def _shallow(root: Path) -> str:
    """What to do about a revision that is not there, where the reason may be that only some of the history is."""
    if _run(root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
        return "; the clone is shallow and lacks history (git fetch --unshallow)"
    return ""


def _main_branch(root: Path) -> str:
    for name in MAIN_BRANCHES:
        if _run(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").returncode == 0:
            return name
    raise TargetError(
        Problem(
            str(root), 0, 0, f"no branch to compare with ({', '.join(MAIN_BRANCHES)}); give BASE..HEAD{_shallow(root)}"
        )
    )


def _commit(root: Path, revision: str) -> str:
    run = _run(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if run.returncode:
        raise TargetError(Problem(str(root), 0, 0, f"no revision {revision!r} in this repository{_shallow(root)}"))
    return run.stdout.decode().strip().splitlines()[-1]


def changes(sides: Range) -> list[Change]:
    """The files that differ between the two sides, untracked ones included where the head is the working tree."""
    arguments = ["diff", "--name-status", "-z", "--find-renames", "--no-ext-diff", sides.base]
    if sides.head:
        arguments.append(sides.head)
    fields = _git(sides.root, *arguments, "--").split("\0")
    found: list[Change] = []
    queue = iter(fields)
    for status in queue:
        if not status:
            continue
        kind = status[0]
        if kind in "RC":
            old, new = next(queue), next(queue)
            found.append(Change(new, old if kind == "R" else "", "R" if kind == "R" else "A"))
        else:
            path = next(queue)
            found.append(Change(path, "" if kind == "A" else path, kind if kind in "AMD" else "M"))
    if not sides.head:
        extra = _git(sides.root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
        found = _renamed(sides, found, [path for path in extra if path])
    return sorted(found, key=lambda change: change.path)


ALIKE = 0.5
"""Share of lines that makes a new file an old one renamed; git's own measure where it sees both."""
_MOST_COMPARED = 200


def _renamed(sides: Range, found: list[Change], untracked: list[str]) -> list[Change]:
    """Changes with untracked files among them; one that a deleted Python file became is that file renamed."""
    gone = {change.path: change for change in found if change.status == "D" and change.path.endswith(".py")}
    new = [path for path in untracked if path.endswith(".py")]
    if len(gone) * len(new) > _MOST_COMPARED:
        new = []
    old = contents(sides, sides.base, gone) if new else {}
    for path in new:
        lines = Counter((sides.root / path).read_bytes().splitlines())
        shares = {name: _shared(lines, Counter((old[name] or b"").splitlines())) for name in gone}
        best = max(shares, key=lambda name: shares[name], default="")
        if best and shares[best] >= ALIKE:
            found.remove(gone.pop(best))
            found.append(Change(path, best, "R"))
        else:
            found.append(Change(path, "", "A"))
    return found + [Change(path, "", "A") for path in untracked if path not in new]


def _shared(one: Counter[bytes], other: Counter[bytes]) -> float:
    return (one & other).total() / max(one.total(), other.total(), 1)


def diff(sides: Range, change: Change) -> str:
    """One file's diff without context."""
    arguments = ["diff", "-U0", "--find-renames", "--no-ext-diff", "--no-color", sides.base]
    if sides.head:
        arguments.append(sides.head)
    return _git(sides.root, *arguments, "--", *dict.fromkeys(path for path in (change.old_path, change.path) if path))


def contents(sides: Range, revision: str, paths: Iterable[str]) -> dict[str, bytes | None]:
    """Many files' contents at a revision (in the index, where that is empty), by one run of git; None for one that is not
    there."""
    wanted = [path for path in dict.fromkeys(paths) if "\n" not in path]
    asked = "".join(f"{revision}:{path}\n" for path in wanted).encode("utf-8", "surrogateescape")
    run = _run(sides.root, "cat-file", "--batch", data=asked)
    found: dict[str, bytes | None] = {}
    at = 0
    for path in wanted:
        end = run.stdout.find(b"\n", at)
        head = run.stdout[at:end].rsplit(b" ", 2) if end >= 0 else []
        at = end + 1
        if len(head) == 3 and head[1] == b"blob":
            size = int(head[2])
            found[path] = run.stdout[at : at + size]
            at += size + 1
        else:
            found[path] = None
    return found


def left_out(sides: Range) -> list[str]:
    """Tracked files that a sparse checkout leaves off the disk."""
    if _run(sides.root, "config", "--get", "core.sparseCheckout").stdout.strip() != b"true":
        return []
    return [line[2:] for line in _git(sides.root, "ls-files", "-t", "-z").split("\0") if line.startswith("S ")]


def _git(folder: Path, *arguments: str) -> str:
    run = _run(folder, *arguments)
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip().splitlines()
        raise TargetError(Problem(str(folder), 0, 0, f"git {arguments[0]}: {said[-1] if said else 'failed'}"))
    return run.stdout.decode("utf-8", "surrogateescape")


def _run(folder: Path, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - git itself, with arguments of our own
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            check=False,
            input=data,
        )
    except OSError as error:
        raise TargetError(Problem("git", 0, 0, f"cannot be run: {error.strerror}")) from None


def listing(sides: Range) -> list[str]:
    """The Python and YAML files of the head side."""
    if sides.head:
        return _git(sides.root, "ls-tree", "-r", "--name-only", "-z", sides.head).split("\0")[:-1]
    tracked = _git(sides.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [path for path in tracked if path]


def importers(sides: Range) -> dict[str, list[str]]:
    """Python files of the head side by the words of their import statements' first lines: who may import a module is
    found under the last part of its name, all by one run of git."""
    # Plain text: git takes fifty times as long for a pattern.
    arguments = ["grep", "-z", "--untracked" if not sides.head else "--no-color", "-F", "-e", "import "]
    revision = "" if sides.checked_out else sides.head
    if revision:
        arguments.append(revision)
    said = _run(sides.root, *arguments, "--", "*.py").stdout.decode("utf-8", "surrogateescape")
    prefix = f"{revision}:" if revision else ""
    found: dict[str, dict[str, None]] = {}
    for line in said.split("\n"):
        name, _, statement = line.partition("\0")
        for word in set(_WORD.findall(statement)) if _IMPORT.match(statement) else ():
            found.setdefault(word, {})[name.removeprefix(prefix)] = None
    return {word: sorted(names) for word, names in found.items()}


_WORD = re.compile(r"\w+")
_IMPORT = re.compile(r"\s*(?:from|import)\s")
