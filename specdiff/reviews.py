"""Reviews a change in a git checkout: both sides analysed from git objects, differences told per model class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from specdiff import api, published, workers
from specdiff.errors import Problem, SpecdiffError
from specdiff.facts import Evidence, Value
from specdiff.options import Options
from specdiff.project.targets import Target, file_of
from specdiff.results import CheckResult, ClassResult, Severity
from specdiff.review import edits, git, placed, plan
from specdiff.review.differ import pairs, parts_alone, review_class
from specdiff.review.gates import new_gates, unreached
from specdiff.review.git import Change, Range
from specdiff.review.model import ClassReview, Closest, Fit, Review, Standing
from specdiff.review.modular import at_edited_lines, edited_lines, modular_of
from specdiff.review.reach import EVERYTHING, changed_names, edited_names, takes_over
from specdiff.session import Session, deeply

if TYPE_CHECKING:
    from specdiff.spec.model import Spec

Files = Mapping[Path, "bytes | None"]
"""Contents that differ from the disk's; None for a file that is not there."""

PARTS = frozenset({"parameters", "facts", "findings", "verdict", "branches", "operations"})
"""What of a class a review looks at; the call graph, which takes a third of the time, is not among it."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One file with model classes, on both sides."""

    path: str
    old_path: str
    why: str = ""
    """The changed file behind it; empty where it changed itself."""
    reached: frozenset[str] = EVERYTHING
    """Its names that the change can reach; what follows from an edited configuration is all of them."""


@dataclass(slots=True)
class _Sides:
    """The two trees; owned by one review."""

    range: Range
    before: Files
    after: Files
    problems: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    """Files of which the head side is no Python, or cannot be read."""

    def path(self, name: str) -> Path:
        return self.range.root / name

    def read(self, files: Files, name: str) -> bytes | None:
        """A file's content on one side; None where it is not there."""
        path = self.path(name)
        if path in files:
            return files[path]
        return path.read_bytes() if name and path.is_file() else None

    def there(self, name: str) -> bool:
        """Whether either side has a file."""
        path = self.path(name)
        return path.is_file() or self.before.get(path) is not None or self.after.get(path) is not None

    def text(self, files: Files, name: str) -> str:
        return (self.read(files, name) or b"").decode("utf-8", "replace")


def review(
    folder: Path,
    text: str = "",
    options: Options = Options(),  # noqa: B008 - frozen
    only: tuple[str, ...] = (),
    checkpoints: tuple[str, ...] = (),
) -> Review:
    """What a change does to the models of a checkout.

    Args:
        folder: Anywhere in the checkout.
        text: ``BASE..HEAD``, ``BASE...HEAD``, ``BASE``, or empty for the merge base with the main branch and the
            working tree.
        options: The runs of both sides.
        only: Patterns of changed files; empty for all.
        checkpoints: Published checkpoints, ``PATH`` or ``MODEL=PATH``.

    Raises:
        SpecdiffError: it is no checkout, or a revision is not there.
    """
    found = git.find_range(folder, text)
    places = published.named(found.root, checkpoints)
    changed = [change for change in git.changes(found) if plan.is_source(change.path)]
    sides = _Sides(found, _before(found, changed), _after(found, changed))
    models = [
        change
        for change in changed
        if (not only or any(fnmatch(change.path, pattern) for pattern in only)) and _is_model(sides, change)
    ]
    everything = git.listing(found)
    shared = [change for change in changed if change not in models and plan.is_shared(change.path)] if not only else []
    edited = {change.path for change in changed}
    items, notes, unread = _items(sides, models, shared, edited, everything)
    classes: list[ClassReview] = []
    lines: dict[str, list[dict[int, int]]] = {}
    for item, (old, new) in zip(items, _analysed(sides, items, replace(options, only=PARTS)), strict=True):
        if item.path in sides.unreadable:
            continue  # its classes are not gone: nothing is known of them
        parts = parts_alone(old, new)
        old, new = ({name: found for name, found in side.items() if name not in parts} for side in (old, new))
        reviewed = [
            review_class(item.path, item.why, *both) for both in pairs(old, new, renamed=item.path != item.old_path)
        ]
        reviewed = [replace(each, reached=bool({"*", each.name} & item.reached)) for each in reviewed]
        reviewed = _worked_out(sides, item, reviewed, options)
        classes += [each for each in reviewed if not item.why or each.standing is not Standing.SAME]
        lines[item.path] = [
            _edited_lines(sides, files, name)
            for files, name in ((sides.before, item.old_path), (sides.after, item.path))
        ]
    direct = {item.path: item for item in items if not item.why}
    covering = _covering(sides, set(direct), everything)
    checks = tuple(_checks(sides, options, covering))
    classes = list(_with_gates(sides, classes, checks, options, everything))
    return Review(
        found.base,
        found.head,
        tuple(sorted({change.path for change in [*models, *shared]})),
        tuple(_in_repository(sides, at_edited_lines(each, *lines[each.file]), edited) for each in classes),
        tuple(_check_in_repository(sides, check, covering) for check in checks),
        tuple(sides.problems),
        tuple(_edited(sides, [*models, *shared])),
        _closest(sides, classes, options),
        (*notes, *_not_looked_for(sides, classes)),
        tuple(_fits(sides, classes, direct, covering, places, options)),
        unread,
        tuple(item.path for item in items if item.why),
        tuple(sorted(sides.unreadable)),
    )


def _worked_out(sides: _Sides, item: _Item, reviewed: list[ClassReview], options: Options) -> list[ClassReview]:
    """The classes of one file without changes of operations that change no number."""
    if not any(each.operations for each in reviewed):
        return reviewed
    from specdiff.proven import worked_out  # noqa: PLC0415 - numpy only where operations changed

    names = ((sides.before, item.old_path), (sides.after, item.path))
    before, after = (file_of(sides.path(name), files) for files, name in names)
    return deeply(lambda: worked_out(reviewed, before, after, options))


def _in_repository(sides: _Sides, each: ClassReview, edited: set[str]) -> ClassReview:
    """A class's review whose evidence names files as the repository does; of an added class without what its files had."""
    one = each.after or each.before
    move = placed.within(placed.folder_of(each.file, one.file) if one else "", sides.there)
    told = placed.moved(each, move, move)
    if each.standing is Standing.ADDED and each.after is not None:
        own = tuple(f for f in told.findings if f.primary.file in edited or f.severity is Severity.ERROR)
        after = placed.added(each.after, move)
        return replace(told, after=after, findings=own, elsewhere=len(told.findings) - len(own))
    return told


def _check_in_repository(sides: _Sides, check: CheckResult, covering: list[tuple[Spec, str, str]]) -> CheckResult:
    file = next((file for spec, file, _ in covering if spec.path == check.spec), "")
    told = placed.checked(check, placed.within(placed.folder_of(file, check.code.file), sides.there))
    return replace(told, spec=check.spec.removeprefix(f"{sides.range.root.as_posix()}/"))


def _is_model(sides: _Sides, change: Change) -> bool:
    return plan.is_model_file(
        change.path,
        lambda: sides.text(sides.after, change.path) or sides.text(sides.before, change.old_path),
    )


def _fits(
    sides: _Sides,
    classes: list[ClassReview],
    direct: Mapping[str, _Item],
    covering: list[tuple[Spec, str, str]],
    places: Mapping[str, Path],
    options: Options,
) -> Iterable[Fit]:
    """Whether the published checkpoints of the files that changed themselves fit."""
    touched = {
        each.file for each in classes if each.after is not None and (each.standing is not Standing.SAME or each.reached)
    }
    configs = {file: spec.config for spec, file, _ in reversed(covering) if spec.config is not None}
    subjects = [
        published.Subject(file, item.old_path if sides.read(sides.before, item.old_path) is not None else "", configs.get(file))
        for file, item in direct.items()
        if file in touched
    ]  # fmt: skip
    if not subjects:
        return ()
    both = published.Sides(sides.range.root, sides.before, sides.after)
    return deeply(lambda: list(published.fits(subjects, places, both, options)))


def _closest(sides: _Sides, classes: list[ClassReview], options: Options) -> tuple[Closest, ...]:
    """The neighbours of added files, where the head side is what lies on disk."""
    added: dict[str, list[ClassResult]] = {}
    for each in classes:
        if each.standing is Standing.ADDED and each.after is not None:
            added.setdefault(each.file, []).append(each.after)
    if not added or not sides.range.checked_out:
        return ()
    from specdiff.neighbours import closest  # noqa: PLC0415 - reads the whole library

    found = deeply(
        lambda: [closest(file, sides.path(file), added[file], replace(options, only=PARTS)) for file in added]
    )
    return tuple(each for each in found if each is not None)


def _not_looked_for(sides: _Sides, classes: list[ClassReview]) -> Iterator[str]:
    """That neighbours are read from the disk, which holds another commit."""
    added = any(each.standing is Standing.ADDED and each.after is not None for each in classes)
    if added and not sides.range.checked_out:
        yield f"which models the added ones are closest to is told where {sides.range.head[:12]} is checked out"


def _before(sides: Range, changed: list[Change]) -> Files:
    """The base side as contents over the disk's."""
    stored = git.contents(sides, sides.base, (change.old_path for change in changed if change.old_path))
    files: dict[Path, bytes | None] = {sides.root / change.path: None for change in changed}
    files |= {sides.root / path: data for path, data in stored.items()}
    return (_left_out(sides) if sides.checked_out else _of_commit(sides, sides.base, ())) | files


def _after(sides: Range, changed: list[Change]) -> Files:
    """The head side as contents over the disk's."""
    if sides.checked_out:
        return _left_out(sides)
    paths = {change.path for change in changed} | {change.old_path for change in changed if change.old_path}
    return _of_commit(sides, sides.head, paths)


def _left_out(sides: Range) -> dict[Path, bytes | None]:
    """What a sparse checkout leaves off the disk."""
    names = [name for name in git.left_out(sides) if plan.is_source(name)]
    return {sides.root / path: data for path, data in git.contents(sides, "", names).items()} if names else {}


def _of_commit(sides: Range, commit: str, paths: Iterable[str]) -> dict[Path, bytes | None]:
    """Some files of a commit, and all that lie on disk otherwise than it has them."""
    apart = git.changes(Range(sides.root, commit, ""))
    names = {name for change in apart for name in (change.path, change.old_path) if name and plan.is_source(name)}
    return {sides.root / path: data for path, data in git.contents(sides, commit, sorted(names | set(paths))).items()}


def _items(
    sides: _Sides, models: list[Change], shared: list[Change], edited: set[str], everything: list[str]
) -> tuple[list[_Item], list[str], tuple[str, ...]]:
    """The files to analyse, changed ones first; what is to be said of files that are out of step; and the files that use
    what changed and are too many to be analysed."""
    old_paths = {change.path: change.old_path for change in models if change.status == "R"}
    gone = [change.path for change in models if change.status == "D" and not plan.is_configuration(change.path)]
    direct = plan.targets_of([change for change in models if change.status != "D"], everything)
    seeds = {change.path: _changed(sides, change) for change in models}
    settings = {change.path.rpartition("/")[0] for change in models if plan.is_configuration(change.path)}
    items = [
        _Item(
            path,
            old_paths.get(path, path),
            reached=EVERYTHING if path.rpartition("/")[0] in settings else seeds.get(path, EVERYTHING),
        )
        for path in direct
    ]
    items += [_Item(path, path) for path in gone if not path.rpartition("/")[2].startswith("modular_")]
    seeds |= {change.old_path: EVERYTHING for change in models if change.status == "R"}
    seeds |= {change.path: _changed(sides, change) for change in shared}
    behind, modular = plan.dependents(
        seeds,
        git.importers(sides.range) if any(seeds.values()) else {},
        lambda path: sides.text(sides.after, path),
        direct,
    )
    items += [_Item(each.path, each.path, each.origin, each.names) for each in behind[: plan.MAX_DEPENDENTS]]
    notes = list(plan.out_of_step(models, everything))
    stale = sorted(
        {each.path for each in modular if _takes_over(sides, each, models)}
        - {modular_of(path) for path in edited}
        - edited
    )
    if stale:
        shown = ", ".join(stale[:MOST_STALE]) + (
            f" and {len(stale) - MOST_STALE} more" if len(stale) > MOST_STALE else ""
        )
        notes.append(f"what changed is extended by {shown}; the modeling files made from them did not change with it")
    return items, notes, tuple(each.path for each in behind[plan.MAX_DEPENDENTS :])


def _takes_over(sides: _Sides, reader: plan.Reader, models: list[Change]) -> bool:
    """Whether the file made from a modular file has a copy of what was edited."""
    change = next((change for change in models if reader.origin in (change.path, change.old_path)), None)
    if change is None or change.status == "D":
        return True
    texts = sides.text(sides.before, change.old_path), sides.text(sides.after, change.path)
    module = change.path.rpartition("/")[2].removesuffix(".py")
    return takes_over(sides.text(sides.after, reader.path), module, texts[1], edited_names(*texts))


MOST_STALE = 8
"""Modular files that are named."""


def _changed(sides: _Sides, change: Change) -> frozenset[str]:
    """Names of a changed file that the change reaches."""
    if not change.path.endswith(".py"):
        return frozenset()
    before = sides.text(sides.before, change.old_path)
    return changed_names(before, sides.text(sides.after, change.path) if change.status != "D" else "")


def _edited(sides: _Sides, models: list[Change]) -> Iterator[Evidence]:
    """Where changed files were edited; a modeling file that is made from a changed modular file has no edits of its own."""
    changed = {change.path for change in models}
    for change in models:
        if change.status in "MR" and change.path.endswith(".py") and modular_of(change.path) not in changed:
            text = sides.text(sides.after, change.path)
            yield from edits.edited(change.path, text, edits.hunks(git.diff(sides.range, change)))


def _analysed(
    sides: _Sides, items: list[_Item], options: Options
) -> Iterator[tuple[dict[str, ClassResult], dict[str, ClassResult]]]:
    """Each file's classes on both sides, by name: from the store where it has them, the rest spread over processes."""
    found: list[tuple[dict[str, ClassResult], dict[str, ClassResult]]] = [({}, {}) for _ in items]
    targets: list[Target] = []
    places: list[tuple[int, int]] = []
    store = Session(options)
    for number, item in enumerate(items):
        for side, (files, name) in enumerate(((sides.before, item.old_path), (sides.after, item.path))):
            if sides.read(files, name) is None:
                continue
            try:
                target = file_of(sides.path(name), files)
                kept = store.kept(target)
            except SpecdiffError as error:
                _complain(sides, name, side, error.problems)
                continue
            if kept is not None:
                found[number][side].update((result.name, result) for result in kept)
            else:
                targets.append(target)
                places.append((number, side))
    store.close()
    for index, result in _results(sides, targets, [(items[number].path, side) for number, side in places], options):
        number, side = places[index]
        if any(finding.id == "input.wrong" for finding in result.findings):
            _complain(sides, items[number].path, side, [Problem("", 0, 0, result.findings[0].message)])
        else:
            found[number][side][result.name] = result
    yield from found


def _results(
    sides: _Sides, targets: list[Target], names: list[tuple[str, int]], options: Options
) -> Iterable[tuple[int, ClassResult]]:
    """What analysing gives, with the place of its target; in this process where there is one target."""
    if not targets:
        return ()
    if len(targets) == 1 or workers.job_count(options) == 1:
        return deeply(lambda: list(_serial(sides, targets, names, options)))
    from specdiff import pipeline  # noqa: F401, PLC0415 - before the processes part, so that it is imported once

    return workers.results(targets, options, frozenset())


def _serial(
    sides: _Sides, targets: list[Target], names: list[tuple[str, int]], options: Options
) -> Iterator[tuple[int, ClassResult]]:
    session = Session(options)
    try:
        for index, target in enumerate(targets):
            try:
                for result in session.analyse(target):
                    yield index, result
            except SpecdiffError as error:
                _complain(sides, *names[index], error.problems)
    finally:
        session.close()


def _complain(sides: _Sides, name: str, side: int, problems: Iterable[Problem]) -> None:
    word = ("before", "after")[side]
    if side:
        sides.unreadable.add(name)
    sides.problems.extend(f"{name} ({word}): {problem.message}" for problem in problems)


def _with_gates(
    sides: _Sides, classes: list[ClassReview], checks: Iterable[CheckResult], options: Options, everything: list[str]
) -> Iterator[ClassReview]:
    """The reviews with the branches that no known configuration reaches: neither the defaults (or the ``config.json``
    beside the code), nor a spec's published values, nor another example in the model's folder."""
    published: dict[str, list[Mapping[str, Value]]] = {}
    for check in checks:
        published.setdefault(check.code.name, []).append(check.code.config)
    for each in classes:
        unchanged = each.standing is Standing.SAME and not each.reached
        if each.after is None or not each.after.branches or unchanged:
            yield each
            continue
        known = [each.after.config, *published.get(each.name, ())]
        if unreached(each.after.branches, known):
            known += _examples(sides, each, options, everything)
        before = each.before
        gates = new_gates(
            before.branches if before else (), each.after.branches, [before.config] if before else (), known
        )
        same = each.standing is Standing.SAME and not gates
        yield (
            each
            if same
            else replace(
                each, gates=gates, standing=Standing.CHANGED if each.standing is Standing.SAME else each.standing
            )
        )


def _examples(
    sides: _Sides, review: ClassReview, options: Options, everything: list[str]
) -> Iterator[Mapping[str, Value]]:
    """What further ``config*.json`` files of a model's folder make of its configuration."""
    folder = review.file.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    names = [name for name in everything if name.startswith(prefix) and _EXAMPLE.fullmatch(name[len(prefix) :])]
    names = [name for name in names if name != f"{prefix}config.json"][:MOST_EXAMPLES]
    plain = file_of(sides.path(review.file), sides.after)
    targets = [replace(plain, classes=(review.name,), config=sides.path(name)) for name in names]
    places = [(name, 1) for name in names]
    for _, result in _results(sides, targets, places, replace(options, only=frozenset({"parameters"}))):
        if result.tree is not None:
            yield result.config


_EXAMPLE = re.compile(r"(?:\w+/)?[\w.-]*config[\w.-]*\.json")
MOST_EXAMPLES = 8
"""Configurations of a model's folder that are looked at."""


def _edited_lines(sides: _Sides, files: Files, file: str) -> dict[int, int]:
    """Lines of a modeling file by those of the modular file that it is made from, on one side; none without one."""
    made, source = sides.read(files, file), sides.read(files, modular_of(file)) if modular_of(file) else None
    if made is None or source is None:
        return {}
    return edited_lines(made.decode("utf-8", "replace"), source.decode("utf-8", "replace"))


def _covering(sides: _Sides, files: set[str], everything: list[str]) -> list[tuple[Spec, str, str]]:
    """The repository's own specs whose target is a changed file, as they lie on disk: (spec, file, target)."""
    found = [name for name in everything if name.endswith((".yaml", ".yml")) and _is_spec(sides.path(name))]
    if not sides.range.checked_out or not files or not found:
        return []
    from specdiff.spec.load import load_specs  # noqa: PLC0415 - YAML only where a spec is read

    wanted: list[tuple[Spec, str, str]] = []
    for name in found:
        try:
            for spec in load_specs([sides.path(name)]):
                target, _, cls = spec.target.partition("::")
                fits = [file for file in sorted(files) if Path(file).stem == f"modeling_{target}" or file == target]
                wanted += [
                    (spec, file, f"{sides.path(file)}::{cls}" if cls else str(sides.path(file))) for file in fits[:1]
                ]
        except SpecdiffError as error:
            sides.problems.extend(str(problem) for problem in error.problems)
    return wanted


def _checks(sides: _Sides, options: Options, covering: list[tuple[Spec, str, str]]) -> Iterable[CheckResult]:
    """The specs that cover changed files, held against the head side."""
    wanted = [(spec, target) for spec, _, target in covering]
    return deeply(lambda: list(_checked(sides, options, wanted))) if wanted else ()


def _is_spec(path: Path) -> bool:
    return path.is_file() and b"\nspecdiff: 1" in b"\n" + path.read_bytes()[:4000]


def _checked(sides: _Sides, options: Options, wanted: list[tuple[Spec, str]]) -> Iterator[CheckResult]:
    session = Session(replace(options, only=PARTS))
    try:
        for spec, target in wanted:
            try:
                yield api.check_spec(session, spec, target)
            except SpecdiffError as error:
                sides.problems.extend(str(problem) for problem in error.problems)
    finally:
        session.close()
