"""Reviews a change in a git checkout: both sides analysed from git objects, differences told per model class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from specdiff import api
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.project.targets import replaced, resolve
from specdiff.results import CheckResult, ClassResult
from specdiff.review import git, plan
from specdiff.review.differ import review_class
from specdiff.review.git import Change, Range
from specdiff.review.model import ClassReview, Review, Standing
from specdiff.review.modular import at_edited_lines, edited_lines, modular_of
from specdiff.session import Session

Files = Mapping[Path, "bytes | None"]
"""Contents that differ from the disk's; None for a file that is not there."""


def review(
    folder: Path,
    text: str = "",
    options: Options = Options(),  # noqa: B008 - frozen
    only: tuple[str, ...] = (),
) -> Review:
    """What a change does to the models of a checkout.

    Args:
        folder: Anywhere in the checkout.
        text: ``BASE..HEAD``, ``BASE...HEAD``, ``BASE``, or empty for the merge base with the main branch and the
            working tree.
        options: The runs of both sides.
        only: Patterns of changed files; empty for all.

    Raises:
        SpecdiffError: it is no checkout, or a revision is not there.
    """
    sides = git.find_range(folder, text)
    changed = [change for change in git.changes(sides) if change.path.endswith(".py")]
    before = _before(sides, changed)
    after = _after(sides, changed)
    models = [
        change
        for change in changed
        if plan.is_model_file(change.path, _text(sides, after, change))
        and (not only or any(fnmatch(change.path, pattern) for pattern in only))
    ]
    gone = {change.path for change in models if change.status == "D"}
    everything = git.listing(sides)
    direct = plan.targets_of([change for change in models if change.status != "D"], everything)
    behind = plan.dependents(direct, lambda stem: git.importers(sides, stem))
    problems: list[str] = []
    if len(behind) > plan.MAX_DEPENDENTS:
        problems.append(f"{len(behind) - plan.MAX_DEPENDENTS} more files import what changed and were not reviewed")
        behind = dict(list(behind.items())[: plan.MAX_DEPENDENTS])
    classes: list[ClassReview] = []
    session = Session(options)
    try:
        for file, why in {**direct, **{name: why for name, why in behind.items() if name not in direct}}.items():
            reason = "" if why == file else why
            found = list(_file(session, sides, file, reason, before, after, problems))
            if file not in behind or any(each.standing is not Standing.SAME for each in found):
                classes += found
        classes += [_removed(path) for path in sorted(gone)]
        checks = list(_checks(session, sides, set(direct), everything, problems))
    finally:
        session.close()
    return Review(
        sides.base,
        sides.head,
        tuple(sorted({change.path for change in models})),
        tuple(classes),
        tuple(checks),
        tuple(problems),
    )


def _removed(path: str) -> ClassReview:
    return ClassReview(Path(path).name, path, Standing.REMOVED, "", (), (), (), (), None, None)


def _before(sides: Range, changed: list[Change]) -> Files:
    """The base side as contents over the disk's."""
    stored = git.contents(sides, sides.base, (change.old_path for change in changed if change.old_path))
    files: dict[Path, bytes | None] = {sides.root / change.path: None for change in changed}
    return files | {sides.root / path: data for path, data in stored.items()}


def _after(sides: Range, changed: list[Change]) -> Files:
    """The head side as contents over the disk's; nothing where the head is the working tree."""
    if not sides.head:
        return {}
    paths = {change.path for change in changed} | {change.old_path for change in changed if change.old_path}
    paths |= {change.path for change in git.changes(Range(sides.root, sides.head, ""))}
    wanted = [path for path in sorted(paths) if path.endswith(".py")]
    return {sides.root / path: data for path, data in git.contents(sides, sides.head, wanted).items()}


def _text(sides: Range, after: Files, change: Change) -> str:
    path = sides.root / change.path
    data = after.get(path) if path in after else path.read_bytes() if path.is_file() else b""
    return (data or b"").decode("utf-8", "replace")


def _file(
    session: Session, sides: Range, file: str, why: str, before: Files, after: Files, problems: list[str]
) -> Iterator[ClassReview]:
    """The classes of one file on both sides."""
    path = sides.root / file
    sets = []
    for files, word in ((before, "before"), (after, "after")):
        there = files[path] is not None if path in files else path.is_file()
        sets.append(_analysed(session, path, files, f"{file} ({word})", problems) if there else {})
    old, new = sets
    lines = [_edited(sides.root, file, files) for files in (before, after)]
    for name in [*new, *(name for name in old if name not in new)]:
        yield at_edited_lines(review_class(file, why, old.get(name), new.get(name)), *lines)


def _edited(root: Path, file: str, files: Files) -> dict[int, int]:
    """Lines of a modeling file by those of the modular file that it is made from, on one side; none without one."""
    found = []
    for name in (file, modular_of(file)):
        path = root / name
        data = files[path] if path in files else path.read_bytes() if name and path.is_file() else None
        if data is None:
            return {}
        found.append(data.decode("utf-8", "replace"))
    return edited_lines(*found)


def _analysed(session: Session, path: Path, files: Files, what: str, problems: list[str]) -> dict[str, ClassResult]:
    try:
        found: dict[str, ClassResult] = {}
        for target in resolve(str(path)):
            for result in session.analyse(replaced(target, files) if files else target):
                found[result.name] = result
        return found
    except SpecdiffError as error:
        problems.extend(f"{what}: {problem.message}" for problem in error.problems)
        return {}


def _checks(
    session: Session, sides: Range, files: set[str], everything: list[str], problems: list[str]
) -> Iterator[CheckResult]:
    """The repository's own specs whose target is a changed file, held against the head side as it lies on disk."""
    from specdiff.spec.load import load_specs  # noqa: PLC0415 - YAML only where a spec is read

    if sides.head:
        return
    for name in everything:
        path = sides.root / name
        if (
            not name.endswith((".yaml", ".yml"))
            or not path.is_file()
            or b"\nspecdiff: 1" not in b"\n" + path.read_bytes()[:4000]
        ):
            continue
        try:
            for spec in load_specs([path]):
                target, _, cls = spec.target.partition("::")
                wanted = [file for file in sorted(files) if Path(file).stem == f"modeling_{target}" or file == target]
                if wanted:
                    yield api.check_spec(
                        session, spec, f"{sides.root / wanted[0]}::{cls}" if cls else str(sides.root / wanted[0])
                    )
        except SpecdiffError as error:
            problems.extend(str(problem) for problem in error.problems)
