"""Records ground truth for programs outside of transformers: really builds the classes that `programs.json` lists.

Run it with a Python that has torch (nothing here is part of the package), giving a folder that holds the repositories:

    python benchmarks/make_programs.py --root repositories benchmarks/truth/programs.jsonl.xz

A row of `programs.json` names a repository (``owner/name``, looked for as ``owner+name``), the commit that was read, the
module, its class and the settings that the class is built with: keyword arguments, or what ``make`` says.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import lzma
import multiprocessing
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from make_truth import MESSAGE, built_by

PROGRAMS = Path(__file__).resolve().parent / "programs.json"


def _attribute(self: Any, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return stand_in(name)


class Loose(type):
    """The kind of class that a missing package is taken to have: any attribute, any arguments, a decorator too."""

    def __new__(cls, name: str, bases: Any, body: dict[str, Any], **kwargs: Any) -> Any:
        """A class; one that is derived in earnest is a plain class."""
        if not bases:
            body = {"__init__": lambda self, *given, **named: None, "__getattr__": _attribute, **body}
        return super().__new__(cls, name, bases, body)

    def __init__(cls, *args: Any, **kwargs: Any) -> None:
        """See `type`."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """An instance, or the function that was to be decorated."""
        if cls.__module__ == __name__:
            return stand_in(cls.__name__)
        return super().__call__(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        """Any attribute."""
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)


def stand_in(name: str) -> Any:
    """A value of a missing package: called, indexed, compared with numbers."""
    made = MagicMock(name=name, side_effect=_plain_decorator)
    for operator in ("__lt__", "__le__", "__gt__", "__ge__"):
        getattr(made, operator).return_value = True
    return made


class Anything(types.ModuleType):
    """Stands in for a compiled extension or a package that the built class does not need."""

    __version__ = "3.5.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("driver", "runtime"):
            raise RuntimeError("there is no device here")
        made = Loose if name[:1].isupper() else MagicMock
        value: Any = made(name, (), {}) if made is Loose else stand_in(name)
        setattr(self, name, value)
        return value


def _plain_decorator(*args: Any, **kwargs: Any) -> Any:
    """A decorator of a missing package leaves the function as it is."""
    if len(args) == 1 and callable(args[0]) and not kwargs:
        return _plain_decorator_of(args[0])
    return _plain_decorator_of


def _plain_decorator_of(function: Any) -> Any:
    if inspect.isfunction(function):
        function.arg_names = list(inspect.signature(function).parameters)  # type: ignore[attr-defined]
    return function


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the packages that a row names as absent."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """See `MetaPathFinder`."""
        if name.partition(".")[0] not in self.names and name not in self.names:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> Any:
        """See `Loader`."""
        return Anything(spec.name)

    def exec_module(self, module: Any) -> None:
        """See `Loader`."""


def folder_of(root: Path, row: dict[str, Any]) -> Path:
    """Where the row's repository is."""
    return root / row["repository"].replace("/", "+")


def loaded(folder: Path, row: dict[str, Any]) -> Any:
    """The row's module, imported."""
    top = folder / row.get("path", "")
    file: str = row["file"]
    parts = list(Path(file).with_suffix("").parts)
    if row.get("package"):  # a flat folder whose files import each other relatively, as remote code does
        name = row["package"]
        package = types.ModuleType(name)
        package.__path__ = [str(top)]
        sys.modules[name] = package
        return importlib.import_module(".".join((name, *parts)))
    sys.path.insert(0, str(top))
    return importlib.import_module(".".join(parts))


def settings_of(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    """The settings that the row gives, those of its ``config`` file first."""
    values: dict[str, Any] = {}
    if row.get("config"):
        values = json.loads((folder / row.get("path", "") / row["config"]).read_text())
    return {**values, **row.get("settings", {})}


def constructor(module: Any, cls: Any, row: dict[str, Any], values: dict[str, Any]) -> Any:
    """A function that builds the class from the settings."""
    holder = row.get("holder")
    if getattr(cls, "config_class", None) is not None:
        return lambda: cls(cls.config_class(**values))
    if holder is None:
        return lambda: cls(**values)
    kind: Any = {"*": types.SimpleNamespace, "dict": dict}.get(holder, module)
    for part in holder.split(".") if kind is module else ():
        kind = getattr(kind, part)
    if dataclasses.is_dataclass(kind):
        names = {field.name for field in dataclasses.fields(kind)}
        values = {name: value for name, value in values.items() if name in names}
    first = next(name for name in list(inspect.signature(cls.__init__).parameters)[1:])
    made = kind(values) if holder.endswith(".from_dict") else kind(**values)
    return lambda: cls(**{first: made})


def row_of(task: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    """One program."""
    root, row = task
    warnings.simplefilter("ignore")
    os.environ.update(row.get("environment", {}))
    sys.meta_path.append(Absent(row.get("absent", [])))
    folder = folder_of(root, row)
    kept = {key: row[key] for key in ("repository", "commit", "path", "file", "config", "settings") if key in row}
    start = {**kept, "cls": row["class"]}
    try:
        module = loaded(folder, row)
        cls = getattr(module, row["class"])
        model = built_by(constructor(module, cls, row, settings_of(folder, row)))
    except Exception as error:
        return {**start, "error": f"{type(error).__name__}: {error}"[:MESSAGE]}
    params = {name: list(tensor.shape) for name, tensor in model.named_parameters(remove_duplicate=False)}
    return {**start, "params": params, "n": sum(tensor.numel() for tensor in model.parameters())}


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="record ground truth of programs outside of transformers")
    parser.add_argument("output", type=Path, help="a file *.jsonl or *.jsonl.xz")
    parser.add_argument("--root", type=Path, required=True, help="the folder that holds the repositories")
    parser.add_argument("--programs", type=Path, default=PROGRAMS)
    parser.add_argument("--only", action="append", default=[], help="only repositories whose name contains this")
    given = parser.parse_args()
    rows = [
        row
        for row in json.loads(given.programs.read_text())
        if not given.only or any(part in row["repository"] for part in given.only)
    ]
    import torch
    import transformers.modeling_utils  # noqa: F401 - loaded once, before the process of each row splits off

    torch.set_num_threads(1)
    opener: Any = lzma.open if given.output.suffix == ".xz" else open
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool, opener(given.output, "wt") as stream:
        for found in pool.imap(row_of, [(given.root.resolve(), row) for row in rows]):
            stream.write(json.dumps(found, separators=(",", ":")) + "\n")
            what = found.get("error") or f"{len(found['params'])} parameters"
            print(f"{found['repository']} {found['file']}::{found['cls']}: {what}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
