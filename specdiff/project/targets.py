"""What a target names: `gpt_oss`, `gpt_oss::Class`, a file, a folder with remote code, a folder of model files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from specdiff.errors import Problem, TargetError
from specdiff.project.locate import SERVING, Roots, package_folder
from specdiff.project.tree import DISK, Overlay, SourceTree

_RELATIVE_UP = re.compile(r"^\s*from \.\.", re.MULTILINE)
_RELATIVE = re.compile(r"^\s*from (\.+)\s*\w", re.MULTILINE)
_SERVED = re.compile(r"^from (\w+)\.model_executor\.", re.MULTILINE)
_MODEL_FILE = re.compile(r"^(?:modeling|modular)_(\w+)\.py$")
_IDENTIFIER = re.compile(r"^\w+$")
_MODEL_TYPE = re.compile(r"^\w[\w-]*$")


@dataclass(frozen=True)
class Target:
    """One file of model code and how to read it."""

    text: str
    """As the user wrote it, without the class."""
    roots: Roots
    module: str
    """Dotted name of the module to analyse."""
    path: Path
    classes: tuple[str, ...] = ()
    """Classes asked for; empty means every model class."""
    config: Path | None = None
    """A `config.json` that comes with the code."""
    model_prefixes: tuple[str, ...] = field(default=())
    """Dotted prefixes that count as model code; empty means all analysed source."""


def transformers_folder() -> Path:
    """The installed transformers, found without importing it.

    Raises:
        TargetError: it is not installed.
    """
    folder = package_folder("transformers")
    if folder is None:
        raise TargetError(
            Problem("transformers", 0, 0, "the package is not installed; install it or give a path as the target")
        )
    return folder


def resolve(text: str, classes: tuple[str, ...] = ()) -> list[Target]:
    """The files a target stands for.

    Raises:
        TargetError: nothing is there.
    """
    name, separator, cls = text.partition("::")
    if separator:
        classes = (*classes, cls)
    path = Path(name)
    if path.is_file():
        return [_file_target(name, path, classes)]
    if path.is_dir() and not (_IDENTIFIER.match(name) and not _has_code(path) and _is_model_type(name)):
        return _folder_targets(name, path, classes)
    if _MODEL_TYPE.match(name):
        return [_model_type(name, classes)]
    raise TargetError(Problem(name, 0, 0, "no such file, folder or model type"))


def _has_code(folder: Path) -> bool:
    """Whether a folder has code at its top that may be a model's: a repository that is called like a model type seldom has."""
    return any(path.name not in _NOT_MODELS for path in folder.glob("*.py")) or any(folder.rglob("modeling_*.py"))


_NOT_MODELS = frozenset({"setup.py", "conftest.py", "noxfile.py", "hubconf.py"})


def _is_model_type(name: str) -> bool:
    root = package_folder("transformers")
    return root is not None and (root / "models" / name / f"modeling_{name}.py").is_file()


def _model_type(name: str, classes: tuple[str, ...]) -> Target:
    root = transformers_folder()
    folder = root / "models" / name.replace("-", "_")
    if not folder.is_dir():
        folder = root / "models" / (_folder_of(name, root) or folder.name)
    path = folder / f"modeling_{folder.name}.py"
    if not path.is_file():
        options = sorted(
            item.name for item in (root / "models").iterdir() if (item / f"modeling_{item.name}.py").is_file()
        )
        import difflib  # noqa: PLC0415 - only on the way to an error

        near = difflib.get_close_matches(name, options, 1, 0.6)
        hint = (
            f"; did you mean {near[0]}?"
            if near
            else "; give a model type of the installed transformers, a file or a folder"
        )
        raise TargetError(Problem(name, 0, 0, f"no such file, folder or model type{hint}"))
    return Target(
        name,
        Roots({"transformers": (root,)}),
        f"transformers.models.{folder.name}.{path.stem}",
        path,
        classes,
        None,
        ("transformers.models",),
    )


def _folder_of(name: str, root: Path) -> str:
    """The model folder that the library's own table gives for a part of a model (`clip_vision_model`); empty without one.

    The table is `SPECIAL_MODEL_TYPE_TO_MODULE_NAME`, in `auto_mappings.py` where releases have that file.
    """
    for file in ("auto_mappings.py", "configuration_auto.py"):
        path = root / "models" / "auto" / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        table = (
            text[text.find("SPECIAL_MODEL_TYPE_TO_MODULE_NAME") :]
            if "SPECIAL_MODEL_TYPE_TO_MODULE_NAME" in text
            else ""
        )
        found = re.search(rf"""["']{re.escape(name)}["'](?:,|:)\s*["'](\w+)["']""", table)
        if found is not None:
            return found[1]
    return ""


def _package_root(path: Path, name: str, tree: SourceTree) -> Path | None:
    """The package folder of a given name that a file lies in."""
    for folder in path.resolve().parents:
        if folder.name == name and tree.is_file(folder / "__init__.py") and tree.is_dir(folder / "models"):
            return folder
    return None


def _file_target(
    text: str, path: Path, classes: tuple[str, ...], config: Path | None = None, tree: SourceTree = DISK
) -> Target:
    path = path.resolve()
    if path.suffix != ".py":
        raise TargetError(Problem(text, 0, 0, "not a Python file"))
    root = _package_root(path, "transformers", tree)
    if root is not None:
        module = ".".join(("transformers", *path.relative_to(root).with_suffix("").parts))
        roots = Roots({"transformers": (root,)}, tree=tree)
        return Target(text, roots, module, path, classes, config, ("transformers.models",))
    folder = path.parent
    installed = package_folder("transformers")
    packages: dict[str, tuple[Path, ...]] = {"transformers": (installed,)} if installed is not None else {}
    source = tree.read(path).decode("utf-8", "replace")
    match = _MODEL_FILE.match(path.name)
    if match is not None and _RELATIVE_UP.search(source) and installed is not None:
        # A model file of the library outside of it is read as if it stood in the library.
        name = match.group(1)
        package = f"transformers.models.{name}"
        packages[package] = (folder, installed / "models" / name)
        return Target(
            text,
            Roots(packages, folder, tree=tree),
            f"{package}.{path.stem}",
            path,
            classes,
            config,
            ("transformers.models",),
        )
    top = _top_package(folder, source, tree)
    served = _SERVED.search(source) if _RELATIVE.search(source) else None
    if served is not None and served[1] in SERVING and (top is None or top.name != served[1]):
        # So is one of a serving library: what stands beside it there is modelled.
        package = f"{served[1]}.model_executor.models"
        packages[package] = (folder,)
        return Target(text, Roots(packages, folder, tree=tree), f"{package}.{path.stem}", path, classes, config, ())
    if top is not None:
        package = re.sub(r"\W", "_", top.name) or "target"
        packages[package] = (top,)
        module = ".".join((package, *path.relative_to(top).with_suffix("").parts))
        return Target(text, Roots(packages, folder, tree=tree), module, path, classes, config, ())
    return Target(text, Roots(packages, folder, tree=tree), path.stem, path, classes, config, ())


def _top_package(folder: Path, source: str, tree: SourceTree) -> Path | None:
    """The outermost folder of the package that a file is part of: by ``__init__.py``, else by its relative imports."""
    top = folder if tree.is_file(folder / "__init__.py") else None
    while top is not None and tree.is_file(top.parent / "__init__.py") and top.parent != top:
        top = top.parent
    levels = [len(dots) for dots in _RELATIVE.findall(source)]
    if levels:
        needed = [folder, *folder.parents][min(max(levels) - 1, len(folder.parents))]
        if top is None or top.is_relative_to(needed):
            top = needed
    return top


def _folder_targets(text: str, path: Path, classes: tuple[str, ...]) -> list[Target]:
    config = path / "config.json"
    remote = sorted(path.glob("modeling_*.py"))
    if config.is_file() and remote:
        return [_file_target(str(item), item, classes, config) for item in remote]
    files = sorted(item for item in path.rglob("modeling_*.py") if "__pycache__" not in item.parts)
    if files:
        return [
            _file_target(
                str(item),
                item,
                classes,
                item.parent / "config.json" if (item.parent / "config.json").is_file() else None,
            )
            for item in files
        ]
    plain = sorted(path.glob("*.py"))
    if not plain:
        raise TargetError(Problem(text, 0, 0, "no modeling_*.py and no Python file in this folder"))
    return [_file_target(str(item), item, classes, config if config.is_file() else None) for item in plain]


def file_of(path: Path, files: Mapping[Path, bytes | None]) -> Target:
    """A model file where some files are read from memory (None takes one away), this one itself perhaps.

    A ``config.json`` beside it is its configuration.

    Raises:
        TargetError: it is no Python file.
    """
    tree = Overlay({each.resolve(): data for each, data in files.items()}) if files else DISK
    path = path.resolve()
    config = path.parent / "config.json"
    return _file_target(str(path), path, (), config if tree.is_file(config) else None, tree)


def replaced(target: Target, files: Mapping[Path, bytes | None]) -> Target:
    """A target that reads some files from memory (None takes one away); nothing is written to disk."""
    roots = target.roots
    tree = Overlay({path.resolve(): data for path, data in files.items()}, roots.tree)
    return dataclasses.replace(target, roots=Roots(dict(roots.packages), roots.folder, tree=tree))
