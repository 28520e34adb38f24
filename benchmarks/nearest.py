"""`nearest` over the library: what it calls closest, beside what the authors of `modular_*.py` files inherit from.

    python benchmarks/nearest.py [--library DIR] [--output FILE] [MODEL]…

A class of a modular file that extends another model's class says what its authors took it from. For each model written
so, its expanded file is held against the library without itself and without what inherits from it in turn. Counted are
models whose closest one is among those that its authors inherit from, and classes whose closest class is the one that
they extend, or the same as that up to renaming.
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import checkout  # noqa: F401

from specdiff.compare.likeness import Shape, likeness
from specdiff.nearest import NEARLY, Index, index, origins
from specdiff.project.targets import transformers_folder
from specdiff.session import deeply


class Extends(NamedTuple):
    """One class of a modular file, and the class of another model that it extends."""

    name: str
    base_file: str
    base: str
    bare: bool
    """Whether it adds nothing."""
    written: frozenset[str]
    """Members that its authors wrote."""


def extensions(path: Path) -> list[Extends]:
    """The classes of a modular file that extend another model's."""
    tree = ast.parse(path.read_text())
    places: dict[str, tuple[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module and "." in node.module:
            folder, _, module = node.module.partition(".")
            file = f"{folder}/{module.replace('modular_', 'modeling_', 1)}.py"
            places |= {alias.asname or alias.name: (file, alias.name) for alias in node.names}
    found = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [places[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in places]
            if len(bases) == 1 and Path(bases[0][0]).name.startswith("modeling_"):
                bare = all(isinstance(each, ast.Pass | ast.Expr) for each in node.body)
                found.append(Extends(node.name, *bases[0], bare, frozenset(members(node))))
    return found


def members(node: ast.ClassDef) -> Iterator[str]:
    """Methods and attributes in a class's body."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield each.name
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            yield each.target.id
        elif isinstance(each, ast.Assign):
            yield from (target.id for target in each.targets if isinstance(target, ast.Name))


def descendants(file: str, parents: dict[str, set[str]]) -> set[str]:
    """Files that inherit from one, through others too."""
    found = {file}
    while True:
        more = {child for child, above in parents.items() if above & found} - found
        if not more:
            return found
        found |= more


def main() -> int:
    """Measure, print, and list where the two disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--library", type=Path, default=transformers_folder() / "models")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    begin = time.process_time()
    pool = deeply(lambda: index(arguments.library))
    print(f"the library's classes read in {time.process_time() - begin:.1f} s of one core", file=sys.stderr)
    written = {path: extensions(path) for path in sorted(arguments.library.glob("*/modular_*.py"))}
    parents = {
        f"{path.parent.name}/{path.name.replace('modular_', 'modeling_', 1)}": {each.base_file for each in found}
        for path, found in written.items()
    }
    library = Index(pool, origins(arguments.library))
    counts: Counter[str] = Counter()
    apart: list[str] = []
    renamed: list[str] = []
    for path, found in written.items():
        file = f"{path.parent.name}/{path.name.replace('modular_', 'modeling_', 1)}"
        if not found or file not in pool or (arguments.models and path.parent.name not in arguments.models):
            continue
        _one(library.without(descendants(file, parents)), pool, file, found, parents[file], counts, apart, renamed)
    lines = [
        f"{counts['models']} models, {counts['classes']} classes that extend another model's.",
        "",
        "| | agree | of | share |",
        "|---|---|---|---|",
        *(
            f"| {words} | {counts[key]} | {counts[of]} | {counts[key] / (counts[of] or 1):.1%} |"
            for words, key, of in (
                ("the closest model is one that its authors inherit from", "first", "models"),
                ("one of the three closest is", "three", "models"),
                ("the closest model has as much of its code as any that its authors inherit from", "most", "models"),
                ("the closest class is the one extended, or the same up to renaming", "class", "classes"),
                ("the same, for classes that add nothing", "bare class", "bare"),
                ("the closest class is at least as like as the one extended", "at least", "classes"),
                ("a class that adds nothing is the same up to renaming as the one extended", "bare same", "bare"),
                ("a class that adds code is another", "more other", "more"),
                ("members that its authors wrote and that are told as different", "members told", "members"),
            )
        ),
        "",
        "Classes that differ, with the share of statements of both:",
        "",
        *apart[:60],
        "",
        "Told otherwise than the modular file says:",
        "",
        *renamed[:60],
    ]
    text = "\n".join(lines) + "\n"
    if arguments.output:
        arguments.output.write_text(
            f"# Nearest, and what authors inherit from\n\nPrinted by `benchmarks/nearest.py`.\n\n{text}"
        )
    sys.stdout.write(text)
    return 0


def _one(
    library: Index,
    pool: dict[str, list[Shape]],
    file: str,
    found: list[Extends],
    above: set[str],
    counts: Counter[str],
    apart: list[str],
    renamed: list[str],
) -> None:
    own = {shape.name: shape for shape in pool[file]}
    ranked = library.models(list(own.values()))
    rank = {name: number for number, (name, _, _) in enumerate(ranked)}
    counts["models"] += 1
    counts["first"] += bool(ranked) and ranked[0][0] in above
    shares = {name: share for name, share, _ in ranked}
    counts["most"] += bool(ranked) and ranked[0][1] >= NEARLY * max(
        (shares.get(name, 0.0) for name in above), default=0.0
    )
    counts["three"] += any(name in above for name, _, _ in ranked[:3])
    for each in found:
        shape = own.get(each.name)
        base = next((other for other in pool.get(each.base_file, ()) if other.name == each.base), None)
        if shape is None or base is None:
            continue
        near = library.near(shape, rank)
        counts["classes"] += 1
        counts["bare"] += each.bare
        wanted = f"{each.base_file}::{each.base}"
        chosen = next((other for other in pool.get(near.file, ()) if other.name == near.other), None)
        agrees = wanted in (f"{near.file}::{near.other}", *near.equals) or (
            chosen is not None and chosen.digest == base.digest
        )
        counts["class"] += agrees
        counts["bare class"] += agrees and each.bare
        alike = likeness(shape, base)
        extended = alike.share
        same = shape.digest == base.digest
        told = {*alike.other, *alike.mine, *alike.theirs}
        if each.bare:
            counts["bare same"] += same
            if not same:
                renamed.append(
                    f"- `{each.name}` adds nothing to `{each.base}`; told as different: {', '.join(sorted(told)) or 'bases'}"
                )
        else:
            counts["more"] += 1
            counts["more other"] += not same
            counts["members"] += len(each.written)
            counts["members told"] += len(each.written & told)
            counts["whole"] += each.written <= told
            if same:
                renamed.append(
                    f"- `{each.name}` writes {', '.join(sorted(each.written))} over `{each.base}` and is told as the same"
                )
        reached = near.alike.share if near.alike else 0.0
        counts["at least"] += reached >= extended
        if not agrees:
            apart.append(
                f"- `{each.name}` extends `{each.base}` ({extended:.2f}); closest `{near.other or 'none'}` ({reached:.2f})"
            )


if __name__ == "__main__":
    raise SystemExit(main())
