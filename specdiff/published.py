"""Finds the published checkpoint of a model under review and holds it against the code; nothing is ever downloaded."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from specdiff.errors import Problem, SpecdiffError
from specdiff.options import Options
from specdiff.project.targets import file_of
from specdiff.review.model import Fit
from specdiff.session import Session
from specdiff.weights import headers
from specdiff.weights.model import WeightsResult

Files = Mapping[Path, "bytes | None"]
TABLE = "tool.specdiff.checkpoints"
_NAMES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_NOWHERE = f"no checkpoint, index or header lies in its folder; name one with --checkpoint, or under [{TABLE}] in pyproject.toml"
_NO_SIZES = "neither a config.json beside it nor a spec of the repository says the published sizes"


@dataclass(frozen=True, slots=True)
class Subject:
    """One model file under review."""

    file: str
    """Relative to the repository."""
    old_file: str
    """On the base side; empty where it is new."""
    config: Mapping[str, Any] | None
    """What a spec of the repository gives as the published configuration."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The repository, and what differs from its disk on each side."""

    root: Path
    before: Files
    after: Files


def named(root: Path, options: tuple[str, ...]) -> dict[str, Path]:
    """Checkpoints by model, from ``pyproject.toml`` at the repository's root and from ``MODEL=PATH`` options, which go before.

    A path without a model is under the empty name.

    Raises:
        SpecdiffError: the table has another form, or a path of it leads out of the repository.
    """
    found = _table(root)
    for text in options:
        model, equals, path = text.partition("=")
        found[model if equals else ""] = Path(path if equals else text)
    return found


def _table(root: Path) -> dict[str, Path]:
    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SpecdiffError(Problem(str(path), 0, 0, f"not TOML: {error}")) from None
    table: Any = document
    for name in TABLE.split("."):
        table = table.get(name, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise SpecdiffError(Problem(str(path), 0, 0, f"{TABLE} must be a table from models to paths"))
    found = {}
    for model, place in table.items():
        parts = PurePosixPath(place) if isinstance(place, str) else None
        if parts is None or parts.is_absolute() or ".." in parts.parts:
            raise SpecdiffError(Problem(str(path), 0, 0, f"{TABLE}.{model}: a path inside the repository is wanted"))
        found[model] = root / place
    return found


def fits(subjects: list[Subject], places: Mapping[str, Path], sides: Sides, options: Options) -> Iterator[Fit]:
    """Whether each model's published checkpoint fits the head side, and where it does not, whether it fitted the base."""
    session = Session(options)
    try:
        for subject in subjects:
            yield _fit(subject, _place(subject, places, sides.root), sides, session, options)
    finally:
        session.close()


def _place(subject: Subject, places: Mapping[str, Path], root: Path) -> Path | None:
    """The checkpoint of a model: one that is named for its file, folder or name, else what lies in its folder."""
    path = PurePosixPath(subject.file)
    names = (subject.file, path.stem.partition("_")[2], path.stem, path.parent.name, str(path.parent), "")
    found = next((places[name] for name in names if name in places), None)
    if found is not None:
        return found
    folder = (root / subject.file).parent
    if any(folder.glob("*.safetensors")):
        return folder
    # An index whose shards nobody put into a repository of code is read as the list of names that it is.
    return next((folder / name for name in _NAMES if (folder / name).is_file()), None)


def _fit(subject: Subject, place: Path | None, sides: Sides, session: Session, options: Options) -> Fit:
    if place is None:
        return Fit(subject.file, "", None, _NOWHERE)
    shown = place.relative_to(sides.root).as_posix() if place.is_relative_to(sides.root) else str(place)
    try:
        checkpoint = headers.read(place)
        result = _held(subject.file, sides.after, subject, place, sides.root, session, options)
    except SpecdiffError as error:
        return Fit(subject.file, shown, None, "; ".join(problem.message for problem in error.problems))
    if result is None:
        why = _NO_SIZES if checkpoint.config is None else "the file has no model class to hold it against"
        return Fit(subject.file, shown, None, why)
    if result.fits or not subject.old_file:
        return Fit(subject.file, shown, result)
    try:
        old = _held(subject.old_file, sides.before, subject, place, sides.root, session, options)
    except SpecdiffError:
        old = None
    return Fit(subject.file, shown, result, fitted=old.fits if old is not None else None)


def _held(
    file: str, files: Files, subject: Subject, place: Path, root: Path, session: Session, options: Options
) -> WeightsResult | None:
    """The comparison on one side; None without the published sizes, or without a class."""
    target = file_of(root / file, files)
    checkpoint = headers.read(place)
    config = checkpoint.config or (dict(subject.config) if subject.config is not None else None)
    if config is None and target.config is None and options.config is None:
        return None
    from specdiff import checkpoints  # noqa: PLC0415 - the interpreter only where there is something to hold

    return checkpoints.held(checkpoint, target, file, config, session, options)
