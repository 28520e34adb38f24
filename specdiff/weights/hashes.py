"""SHA-256 of a checkpoint's files, held against a manifest or against what a spec says was published."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from specdiff.errors import Problem, TargetError
from specdiff.results import Severity
from specdiff.weights.headers import file_hash, leads_out
from specdiff.weights.model import Checkpoint, Issue, WeightsResult

_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(.+?)\s*\Z")


def of(checkpoint: Checkpoint, published: Iterable[str] = ()) -> dict[str, str]:
    """Hashes by file name of a checkpoint's files, and of published ones that lie beside them; reads each file whole."""
    path = Path(checkpoint.path)
    folder = path if path.is_dir() else path.parent
    beside = {name for name in published if not leads_out(name) and (folder / name).is_file()}
    return {name: file_hash(folder / name) for name in sorted({*checkpoint.files, *(beside if path.is_dir() else ())})}


def manifest(path: Path) -> dict[str, str]:
    """Hashes by path from `sha256sum`'s lines, or from a JSON object.

    Raises:
        TargetError: it cannot be read or has a line of another form.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TargetError(Problem(str(path), 0, 0, f"cannot be read: {error.strerror}")) from None
    if text.lstrip().startswith("{"):
        try:
            loaded = json.loads(text)
        except json.JSONDecodeError as error:
            raise TargetError(Problem(str(path), error.lineno, error.colno, f"not JSON: {error.msg}")) from None
        return {str(name): str(value).removeprefix("sha256:").lower() for name, value in loaded.items()}
    found: dict[str, str] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.match(line)
        if match is not None:
            found[PurePosixPath(match[2]).as_posix()] = match[1].lower()
        elif line.strip():
            problems.append(Problem(str(path), number, 1, "not a line of sha256sum: 64 hex digits, two blanks, a file"))
    if problems:
        raise TargetError(*problems)
    return _from_one_folder(found)


def _from_one_folder(found: Mapping[str, str]) -> dict[str, str]:
    """Paths without what all of them begin with, as they do where `sha256sum` ran in another folder."""
    folders = [PurePosixPath(name).parent.parts for name in found]
    depth = 0
    while folders and all(len(parts) > depth and parts[depth] == folders[0][depth] for parts in folders):
        depth += 1
    return {PurePosixPath(*PurePosixPath(name).parts[depth:]).as_posix(): digest for name, digest in found.items()}


def verified(
    result: WeightsResult, digests: Mapping[str, str], wanted: Mapping[str, str], where: str = "the manifest"
) -> WeightsResult:
    """A result with an issue for each file whose hash differs, or that is on one side alone.

    Args:
        result: What is known so far.
        digests: Hashes of the files that are there.
        wanted: Published ones.
        where: What names them, in words.
    """
    named = {name: place for name in digests if (place := _place(name, wanted)) is not None}
    issues = [
        Issue("hash", Severity.ERROR, name, f"{where} names it, and it is not there", name)
        for name in sorted(set(wanted) - set(named.values()))
        if name.endswith(".safetensors") and Path(result.checkpoint.path).is_dir()
    ]
    for name, digest in digests.items():
        published = wanted.get(named.get(name, ""))
        if published is None:
            issues.append(Issue("hash", Severity.WARNING, name, f"{where} does not name it", name))
        elif published != digest:
            issues.append(Issue("hash", Severity.ERROR, name, f"SHA-256 is {digest}, published {published}", name))
    return replace(result, issues=(*issues, *result.issues))


def _place(name: str, wanted: Mapping[str, str]) -> str | None:
    """Under which path a manifest names a file: its own, or that from another folder where no two of them end alike."""
    if name in wanted:
        return name
    longer = [each for each in wanted if each.endswith(f"/{name}")]
    shorter = [each for each in wanted if name.endswith(f"/{each}")]
    found = longer or shorter
    return found[0] if len(found) == 1 else None
