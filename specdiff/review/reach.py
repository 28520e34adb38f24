"""Which names of a file a change can reach: what was edited, and what mentions it; by text alone, so rather too many."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

EVERYTHING = frozenset({"*"})
"""In place of names: any of the file's may have changed."""

_WORD = re.compile(r"[A-Za-z_]\w*")


def changed_names(before: str, after: str) -> frozenset[str]:
    """Top-level names whose code differs between two texts of a file, with all that mentions one of them."""
    old, new = _pieces(before), _pieces(after)
    if old is None or new is None:
        return EVERYTHING
    edited = {name for name in {*old, *new} if old.get(name) != new.get(name) and name != "__all__"}
    if "" in edited:
        return EVERYTHING
    return frozenset(edited | mentioning(edited, old) | mentioning(edited, new))


def reached_names(text: str, module: str, names: frozenset[str]) -> frozenset[str]:
    """Top-level names of a file that what it imports of a changed module reaches; empty where nothing does.

    Args:
        text: The file.
        module: The last part of the changed module's name.
        names: What changed there.
    """
    pieces = _pieces(text)
    if pieces is None:
        return EVERYTHING
    seeds: set[str] = set()
    for alias, name in imports(text, module):
        if name == "*" and names:
            if names == EVERYTHING or alias == "*":
                return EVERYTHING
            seeds |= names  # what is taken over has the same names here
        if names == EVERYTHING or name in names or name == module:
            seeds.add(alias)
    return frozenset(mentioning(seeds, pieces) | seeds) if seeds else frozenset()


def imports(text: str, module: str) -> Iterator[tuple[str, str]]:
    """(local name, name there) of what a file imports from a module, or of the module itself, told by its last part."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        yield "*", "*"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            last = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                if last == module or alias.name == module:
                    # A module that cannot be read has a star for both.
                    yield ("" if alias.name == "*" else alias.asname or alias.name), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.rpartition(".")[2] == module:
                    yield (alias.asname or alias.name).partition(".")[0], module


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


def _pieces(text: str) -> dict[str, str] | None:
    """Code of a file by the top-level name that it binds; what binds none, imports left out, under the empty name."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    found: dict[str, str] = {}
    for node in tree.body:
        code = ast.dump(_without_docs(node))  # nor do comments, blank lines and line breaks count
        for name in _bound(node):
            found[name] = found.get(name, "") + code
    return found


def _without_docs(node: ast.stmt) -> ast.stmt:
    for each in ast.walk(node):
        if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            each.body = [item for item in each.body if not _is_text(item)]
    return node


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _bound(node: ast.stmt) -> Iterable[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return (name,)
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return tuple((alias.asname or alias.name).partition(".")[0] for alias in names)
        case ast.Assign(targets=targets) if all(isinstance(target, ast.Name) for target in targets):
            return tuple(target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return (name,)
        case _ if _is_text(node):
            return ()
    return ("",)
