"""Loads specs: `extends` and variants put together, and every problem of every file reported at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from specdiff.errors import Problem, SpecError
from specdiff.results import SourceDocument
from specdiff.spec.claims import STILL_TODO
from specdiff.spec.document import Mapping, Scalar
from specdiff.spec.fields import suggestion
from specdiff.spec.model import Claim, ReleaseItem, Spec
from specdiff.spec.parts import Part, SpecFile, exists, read_file, read_tree

MAX_EXTENDS = 20
"""Longest chain of specs that extend one another."""


@dataclass(slots=True)
class _Whole:
    """A spec being put together from parts; owned by one `_Loader` call."""

    target: str = ""
    last: Part = field(default_factory=Part)
    """The part that gave the configuration."""
    claims: dict[str, Claim] = field(default_factory=dict)
    release: dict[str, ReleaseItem] = field(default_factory=dict)
    documents: dict[str, SourceDocument] = field(default_factory=dict)


_MOST_TODO = 5
"""Claims of one file without a source that are each named."""


def load_spec(path: str | os.PathLike[str], *, allow_todo: bool = False) -> Spec:
    """Loads a spec that describes one model (``family.yaml::variant`` picks one of several).

    Raises:
        SpecError: The spec does not validate, or holds several variants and none was picked.
    """
    specs = load_specs((path,), allow_todo=allow_todo)
    if len(specs) > 1:
        names = ", ".join(spec.path.rpartition("::")[2] for spec in specs)
        raise SpecError(Problem(os.fspath(path), 0, 0, f"holds several models; pick one with ::NAME ({names})"))
    return specs[0]


def load_specs(paths: Iterable[str | os.PathLike[str]], *, allow_todo: bool = False) -> tuple[Spec, ...]:
    """Loads spec files, each giving one spec, or one per variant.

    Args:
        paths: Files, each with an optional ``::variant``.
        allow_todo: Accept claims whose source is still TODO.

    Raises:
        SpecError: At least one does not validate; carries the problems of all.
    """
    specs: list[Spec] = []
    problems: list[Problem] = []
    for path in paths:
        loader = _Loader(allow_todo)
        specs += loader.load(os.fspath(path))
        problems += loader.problems
    if problems:
        unique = dict.fromkeys(problems)
        raise SpecError(*_summed(sorted(unique, key=lambda each: (each.file, each.line, each.column))))
    return tuple(specs)


def _summed(problems: list[Problem]) -> Iterator[Problem]:
    """The problems, those of a file's further claims without a source as one: a draft has hundreds of them."""
    todo: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.message.endswith(STILL_TODO):
            todo.setdefault(problem.file, []).append(problem)
    for problem in problems:
        among = todo.get(problem.file, [])[_MOST_TODO:]
        if problem not in among:
            yield problem
        elif problem is among[0]:
            message = (
                f"{len(among)} more claims have no source yet; name it, delete what none says, or pass --allow-todo"
            )
            yield Problem(problem.file, problem.line, problem.column, message)


class _Loader:
    """Loads one path with all that it extends; problems are collected."""

    def __init__(self, allow_todo: bool) -> None:
        self.problems: list[Problem] = []
        self._allow_todo = allow_todo

    def load(self, given: str) -> list[Spec]:
        """The specs of one path; empty where it cannot be read."""
        path, _, variant = given.partition("::")
        read = self._file(path, ())
        if read is None:
            return []
        file, whole = read
        if variant and variant not in file.variants:
            hint = suggestion(variant, file.variants)
            self._report(path, (0, 0), f"has no variant {variant}{hint}")
            return []
        if not file.variants:
            return [_spec(path, file.name, whole)]
        names = (variant,) if variant else tuple(file.variants)
        return [_spec(f"{path}::{name}", name, self._add(whole, file.variants[name], path)) for name in names]

    def _file(self, path: str, seen: tuple[str, ...]) -> tuple[SpecFile, _Whole] | None:
        """A file and its base put together with everything it extends."""
        root, problems = read_tree(path)
        self.problems += problems
        if root is None:
            return None
        parent = self._parent(root, path, (*seen, os.path.realpath(path)))
        documents = {} if "extends" not in root.entries else parent.documents if parent else None
        file = read_file(path, root, documents, self._allow_todo)
        self.problems += file.problems
        if parent is None and documents is None:
            return None
        whole = self._add(parent or _Whole(), file.base, path)
        whole.documents |= file.documents
        return file, whole

    def _parent(self, root: Mapping, path: str, seen: tuple[str, ...]) -> _Whole | None:
        """What the file extends, put together; None where it extends nothing or that cannot be read."""
        node = root.entries["extends"][1] if "extends" in root.entries else None
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            return None
        place = (node.line, node.column)
        name, _, variant = node.value.partition("::")
        other = _beside(path, name)
        if os.path.realpath(other) in seen or len(seen) > MAX_EXTENDS:
            self._report(path, place, f"extends: {name} extends this spec in turn; one of them must not")
            return None
        if not exists(other):
            self._report(path, place, f"extends: no such spec: {other}")
            return None
        read = self._file(other, seen)
        if read is None:
            return None
        file, whole = read
        if variant and variant in file.variants:
            return self._add(whole, file.variants[variant], other)
        if variant:
            hint = suggestion(variant, file.variants)
            self._report(path, place, f"extends: {name} has no variant {variant}{hint}")
        return whole

    def _add(self, whole: _Whole, part: Part, path: str) -> _Whole:
        """What was inherited, with a part's own words on top."""
        claims = dict(whole.claims)
        for dropped in part.without:
            if dropped.key not in claims:
                hint = suggestion(dropped.key, claims)
                message = f"without: {dropped.key} is not claimed by what this extends{hint}"
                self._report(path, (dropped.line, dropped.column), message)
            claims.pop(dropped.key, None)
        return replace(
            whole,
            target=part.target or whole.target,
            last=part if part.config is not None else whole.last,
            claims=claims | part.claims,
            release=whole.release | part.release,
            documents=dict(whole.documents),
        )

    def _report(self, path: str, place: tuple[int, int], message: str) -> None:
        self.problems.append(Problem(path, *place, message))


def _spec(path: str, name: str, whole: _Whole) -> Spec:
    return Spec(
        path=path,
        name=name,
        target=whole.target,
        documents=tuple(whole.documents.values()),
        claims=tuple(whole.claims.values()),
        release=tuple(whole.release.values()),
        config=whole.last.config,
        config_path=whole.last.config_path,
        config_source=whole.last.config_source,
    )


def _beside(path: str, name: str) -> str:
    """The file that a spec's `extends` names: a path relative to the spec, `.yaml` added to a bare name."""
    suffix = "" if name.endswith((".yaml", ".yml")) else ".yaml"
    return os.path.normpath(os.path.join(os.path.dirname(path), name + suffix))
