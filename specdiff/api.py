"""What the command line and Python call: targets and specs in, results out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specdiff import vocab
from specdiff.errors import Problem, SpecdiffError, TargetError
from specdiff.options import Options, Told
from specdiff.project.targets import Target, resolve
from specdiff.results import CheckResult, ClassResult
from specdiff.session import Session, deeply

if TYPE_CHECKING:
    from specdiff.project.programs import ProgramCalls
    from specdiff.spec.model import Spec


def inspect(target: str, options: Options = Options()) -> list[ClassResult]:  # noqa: B008 - frozen
    """Analyse a target's model classes.

    Raises:
        SpecdiffError: the target, a class or the configuration is not there or cannot be read.
    """
    return inspect_all((target,), options)


def inspect_all(
    targets: Sequence[str],
    options: Options = Options(),  # noqa: B008 - frozen
    told: Told | None = None,
) -> list[ClassResult]:
    """Analyse several targets and folders, spread over processes; results in the order of the targets.

    ``told`` is called with how many of how many files are done.

    Raises:
        SpecdiffError: a target, a class or the configuration is not there or cannot be read.
    """
    from specdiff import workers  # noqa: PLC0415 - processes only for several files

    items, named = _items(targets, options)
    if len(items) == 1:
        return deeply(lambda: _serial(items[0], options))
    found: list[list[ClassResult]] = [[] for _ in items]
    for index, result in workers.results(items, options, named, told):
        found[index].append(result)
    return [result for results in _apart(items, found) for result in results]


def _apart(items: Sequence[Target], found: list[list[ClassResult]]) -> list[list[ClassResult]]:
    """Results whose files have different names where equal names in different folders were meant.

    Names are relative to the folder that was analysed, so that two folders may have the same; those get as much of
    their folders' paths as tells them apart.
    """
    bases = [(item.roots.folder or item.path.parent).resolve() for item in items]
    homes: dict[str, set[Path]] = {}
    for base, results in zip(bases, found, strict=True):
        for result in results:
            homes.setdefault(result.file, set()).add(base)
    mixed = {base for each in homes.values() if len(each) > 1 for base in each}
    if not mixed:
        return found
    names: dict[Path, str] = {}
    for base in mixed:
        tails = ("/".join(base.parts[-count:]) for count in range(1, len(base.parts) + 1))
        others = ["/".join(("", *other.parts)) for other in mixed if other != base]
        names[base] = next((tail for tail in tails if not any(o.endswith(f"/{tail}") for o in others)), str(base))
    return [
        [_moved(result, base, names[base]) for result in results] if base in names else results
        for base, results in zip(bases, found, strict=True)
    ]


def _moved(value: Any, base: Path, name: str) -> Any:
    """A result, or a part of one, with the folder's name before the names of the folder's files."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_moved(item, base, name) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(_moved(item, base, name) for item in value)
    if isinstance(value, dict):
        return {key: _moved(item, base, name) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        changed = {}
        for field in fields(value):
            item = getattr(value, field.name)
            here = field.name == "file" and item and (base / item).is_file()
            changed[field.name] = f"{name}/{item}" if here else _moved(item, base, name)
        return replace(value, **changed)
    return value


def inspect_rows(
    targets: Sequence[str],
    options: Options,
    render: Callable[[ClassResult], str],
    told: Told | None = None,
) -> Iterator[str]:
    """Renderings of single classes, each as soon as it is done.

    Raises:
        SpecdiffError: see `inspect_all`.
    """
    from specdiff import workers  # noqa: PLC0415 - processes only for several files

    items, named = _items(targets, options)
    if len(items) == 1:
        yield from map(render, deeply(lambda: _serial(items[0], options)))
    else:
        yield from workers.rows(items, options, named, render, told)


def program_calls(path: Path) -> ProgramCalls:
    """The call graph of a plain Python program, from its top-level code on.

    Raises:
        TargetError: there is no such file.
    """
    from specdiff import pipeline  # noqa: PLC0415 - the interpreter only where something must be analysed

    if not path.is_file():
        raise TargetError(Problem(str(path), 0, 0, "no such file"))
    return deeply(lambda: pipeline.program_calls(path))


def _items(targets: Sequence[str], options: Options) -> tuple[list[Target], frozenset[int]]:
    """All files, and the places of those that were named themselves rather than found in a folder."""
    problems: list[Problem] = []
    items: list[Target] = []
    named: set[int] = set()
    for target in targets:
        try:
            found = resolve(target, options.classes)
        except SpecdiffError as error:
            problems.extend(error.problems)
            continue
        if not Path(target.partition("::")[0]).is_dir():
            named.update(range(len(items), len(items) + len(found)))
        items.extend(found)
    if problems:
        raise SpecdiffError(*problems)
    return items, frozenset(named)


def _serial(item: Target, options: Options) -> list[ClassResult]:
    session = Session(options)
    try:
        return list(session.analyse(item))
    finally:
        session.close()


def check(
    spec_path: Path,
    options: Options = Options(),  # noqa: B008 - frozen
    target: str | None = None,
    *,
    allow_todo: bool = False,
) -> CheckResult:
    """Hold a spec that describes one model against the code.

    Raises:
        SpecdiffError: the spec does not validate or describes several models, or the target is not there.
    """
    from specdiff.spec.load import load_spec  # noqa: PLC0415 - YAML only where a spec is read

    return _check_specs([load_spec(spec_path, allow_todo=allow_todo)], options, target)[0]


def check_all(
    spec_paths: Sequence[Path],
    options: Options = Options(),  # noqa: B008 - frozen
    target: str | None = None,
    *,
    allow_todo: bool = False,
) -> list[CheckResult]:
    """Hold specs against the code, every variant of a family; nothing is checked where one does not validate.

    Raises:
        SpecdiffError: a spec does not validate or a target is not there; carries the problems of all.
    """
    from specdiff.spec.load import load_specs  # noqa: PLC0415 - YAML only where a spec is read

    return _check_specs(load_specs(spec_paths, allow_todo=allow_todo), options, target)


CHECKED = frozenset({"parameters", "facts", "active_parameters", "live", "findings", "verdict"})
"""What a check reads of a class: all but the call graph, whose branches no claim speaks of."""


def _check_specs(specs: Sequence[Spec], options: Options, target: str | None) -> list[CheckResult]:
    options = replace(options, only=options.only or CHECKED)
    if any(vocab.is_computation(claim.key) for spec in specs for claim in spec.claims):
        options = replace(options, computation=True)

    def work() -> list[CheckResult]:
        session = Session(options)
        results: list[CheckResult] = []
        problems: list[Problem] = []
        try:
            for spec in specs:
                try:
                    results.append(check_spec(session, spec, target))
                except SpecdiffError as error:
                    problems.extend(error.problems)
        finally:
            session.close()
        if problems:
            raise SpecdiffError(*problems)
        return results

    return deeply(work)


def check_spec(session: Session, spec: Spec, target: str | None) -> CheckResult:
    """Hold a loaded spec against code, in a session of the caller's.

    Raises:
        SpecdiffError: the target is not there.
    """
    from specdiff.match.compare import check_spec as match  # noqa: PLC0415 - the matcher only where a spec is read

    text = target or spec.target
    if not text:
        raise TargetError(Problem(spec.path, 0, 0, "the spec names no target; give one with --target"))
    published = dict(spec.config) if spec.config is not None else None
    for item in resolve(text, session.options.classes):
        if spec.config_path and session.options.config is None:
            # Read from its file, so that evidence names the line of the published value.
            item, published = replace(item, config=Path(spec.config_path)), None
        results = list(session.analyse(item, published))
        built = [result for result in results if result.tree is not None] or results
        if built:
            code = max(built, key=lambda result: result.total_parameters or 0) if not item.classes else built[0]
            result = match(spec, code, _target_name(text, code.name))
            return replace(result, sources=_texts(item, result))
    raise TargetError(Problem(text, 0, 0, "there is no model class to check"))


def _texts(target: Target, result: CheckResult) -> dict[str, str]:
    """The text of the files that evidence points into, for excerpts; a file that cannot be read is left out."""
    steps = [step for claim in result.claims for step in claim.evidence]
    steps += [step for finding in result.findings for step in (finding.primary, *finding.related)]
    folders = [folder for each in target.roots.packages.values() for folder in each]
    if target.roots.folder is not None:
        folders.append(target.roots.folder)
    folders.append(Path())  # a published configuration is named as the spec names it
    found: dict[str, str] = {}
    for name in sorted({step.file for step in steps if step.file and not step.file.startswith("<")}):
        for folder in folders:
            with contextlib.suppress(OSError):
                found[name] = (folder / name).read_text(encoding="utf-8", errors="replace")
                break
    return found


def _target_name(text: str, name: str) -> str:
    return text if "::" in text else f"{text}::{name}"
