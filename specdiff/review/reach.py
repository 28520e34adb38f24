"""Which names of a file a change can reach: what was edited, and what mentions it; by text alone, so rather too many."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

EVERYTHING = frozenset({"*"})
"""In place of names: any of the file's may have changed."""

_WORD = re.compile(r"[A-Za-z_]\w*")


def changed_names(before: str, after: str) -> frozenset[str]:
    """Top-level names whose code differs between two texts of a file, with all that mentions one of them."""
    edited = edited_names(before, after)
    trees = _parsed(before), _parsed(after)
    if edited == EVERYTHING or trees[0] is None or trees[1] is None:
        return EVERYTHING
    sides = [_pieces(tree, _dumped) for tree in trees if tree is not None]
    return edited.union(*(mentioning(edited, side) for side in sides))


def edited_names(before: str, after: str) -> frozenset[str]:
    """Top-level names whose code differs between two texts of a file; everything where what binds no name differs."""
    trees = _parsed(before), _parsed(after)
    if trees[0] is None or trees[1] is None:
        return EVERYTHING
    old, new = _pieces(trees[0], _dumped), _pieces(trees[1], _dumped)
    edited = {name for name in {*old, *new} if old.get(name) != new.get(name) and name != "__all__"}
    return EVERYTHING if "" in edited else frozenset(edited)


def takes_over(modular: str, module: str, text: str, edited: frozenset[str]) -> bool:
    """Whether the file made from a modular one has code of its own for what was edited in a file that it builds on.

    What a modular file imports is copied with all that it uses, save what the modular file has a class of its own for:
    `NewAttention` stands for `OldAttention` where `NewModel` extends `OldModel`.

    Args:
        modular: The modular file.
        module: The last part of the changed module's name.
        text: The changed file.
        edited: Names edited in it.
    """
    own, there = _parsed(modular), _parsed(text)
    if own is None or there is None:
        return True
    taken = {alias: name for alias, name in _imported(own, module) if name != module}
    if edited == EVERYTHING or "*" in taken.values():
        return bool(taken)
    classes = [node for node in own.body if isinstance(node, ast.ClassDef)]
    renamed = {
        _prefixes(taken[base.id], node.name)
        for node in classes
        for base in node.bases
        if isinstance(base, ast.Name) and base.id in taken
    }
    names = {node.name for node in classes}
    lines = text.split("\n")
    words = {
        name: set(_WORD.findall(code)) for name, code in _pieces(there, lambda node: _written(node, lines)).items()
    }
    waiting, seen = list(taken.values()), set(taken.values())
    while waiting:
        name = waiting.pop()
        if name in edited:
            return True
        for used in words.get(name, set()) & words.keys() - seen:
            seen.add(used)
            if not any(old and used.startswith(old) and new + used[len(old) :] in names for old, new in renamed):
                waiting.append(used)
    return False


def _prefixes(old: str, new: str) -> tuple[str, str]:
    """What is left of two names without the end that they have in common."""
    end = 0
    while end < min(len(old), len(new)) and old[-1 - end] == new[-1 - end]:
        end += 1
    return old[: len(old) - end], new[: len(new) - end]


def reached_names(text: str, module: str, names: frozenset[str]) -> frozenset[str]:
    """Top-level names of a file that what it imports of a changed module reaches; empty where nothing does.

    Args:
        text: The file.
        module: The last part of the changed module's name.
        names: What changed there.
    """
    tree = _parsed(text)
    if tree is None:
        return EVERYTHING
    seeds: set[str] = set()
    for alias, name in _imported(tree, module):
        if name == "*" and names:
            if names == EVERYTHING:
                return EVERYTHING
            seeds |= names  # what is taken over has the same names here
        if names == EVERYTHING or name in names or name == module:
            seeds.add(alias)
    if not seeds:
        return frozenset()
    lines = text.split("\n")
    return frozenset(mentioning(seeds, _pieces(tree, lambda node: _written(node, lines))) | seeds)


def _imported(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom):
            last = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                if last == module or alias.name == module:
                    yield ("" if alias.name == "*" else alias.asname or alias.name), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.rpartition(".")[2] == module:
                    yield (alias.asname or alias.name).partition(".")[0], module


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements, nested ones too; expressions, which hold none, are not looked into."""
    waiting: list[ast.AST] = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, ast.stmt):
            yield found
        for name in _BLOCKS:
            waiting.extend(getattr(found, name, ()))


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def mentioning(names: Iterable[str], pieces: dict[str, str]) -> set[str]:
    """Top-level names whose code has one of some names in it, through others too."""
    words = {name: set(_WORD.findall(code)) for name, code in pieces.items()}
    found: set[str] = set()
    wanted = set(names)
    while wanted:
        more = {name for name, said in words.items() if name and name not in found and said & wanted} - {"__all__"}
        found |= more
        wanted = more
    return found


def _parsed(text: str) -> ast.Module | None:
    """A file's code; None where it is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _pieces(tree: ast.Module, said: Callable[[ast.stmt], str]) -> dict[str, str]:
    """What is said of a file's code by the top-level name that it binds; what binds none, imports left out, under the empty
    name."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, origin in _origins(node):
                if origin not in found.get(name, "").split():
                    found[name] = f"{found.get(name, '')} {origin}"
            continue
        code = said(node)
        for name in _bound(node):
            found[name] = found.get(name, "") + code
    return found


def _dumped(node: ast.stmt) -> str:
    """A statement's code; documentation, comments, blank lines and line breaks do not count."""
    for each in _statements(node):
        if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            each.body = [item for item in each.body if not _is_text(item)]
    return ast.dump(node)


def _written(node: ast.stmt, lines: list[str]) -> str:
    """A statement's own text without documentation; for what it mentions, comments may as well stay."""
    first = min((each.lineno for each in getattr(node, "decorator_list", ())), default=node.lineno)
    kept = lines[first - 1 : node.end_lineno]
    for each in _statements(node):
        if _is_text(each):
            kept[each.lineno - first : (each.end_lineno or each.lineno) - first + 1] = [""] * (
                (each.end_lineno or each.lineno) - each.lineno + 1
            )
    return "\n".join(kept)


def _origins(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, with where it comes from: names of one line have nothing to do with each other, and
    modules of one package all bind the package."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{'.' * node.level}{node.module or ''}.{alias.name}"
        else:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _bound(node: ast.stmt) -> Iterable[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return (name,)
        case ast.Assign(targets=targets) if all(isinstance(target, ast.Name) for target in targets):
            return tuple(target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return (name,)
        case _ if _is_text(node):
            return ()
    return ("",)
