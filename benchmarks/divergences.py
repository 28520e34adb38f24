"""Divergences that transformers had and mended: the claim must fail on the release before the fix and hold on the one after.

``divergences.yaml`` lists them: the class, the claim, who says so, the last release that had it wrong and one that has it right.
Releases are fetched with pip (wheels without their dependencies, nothing is installed or imported) and unpacked under
``--releases``; the folder is kept.

``python benchmarks/divergences.py [--releases FOLDER] [--only WORD] [--jobs N]
[--file ROWS.yaml] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import checkout  # noqa: F401
import yaml

from specdiff.errors import Problem, SpecdiffError, TargetError

DATA = Path(__file__).with_name("divergences.yaml")
RELEASES = Path.home() / ".cache" / "specdiff-releases"
FAILS = ("mismatch", "missing")


@dataclass(frozen=True, slots=True)
class Divergence:
    """One claim about one class, wrong in one release and right in a later one."""

    name: str
    kind: str
    """What sort of thing diverged: `default`, `scale`, `pattern`, `dead setting`, …"""
    model: str
    """Folder below ``models`` and class: ``gemma2::Gemma2ForCausalLM``."""
    key: str
    claim: dict[str, Any]
    before: str
    after: str
    source: str
    config: dict[str, Any] = field(default_factory=dict)
    """What the published configuration says beside the defaults."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the claim on both sides."""

    name: str
    kind: str
    key: str
    before: str
    after: str
    reason: str

    @property
    def right(self) -> bool:
        """Whether it fails before and holds after."""
        return self.before in FAILS and self.after == "match"


def divergences(data: Path = DATA) -> list[Divergence]:
    """The committed list, or another."""
    return [Divergence(**entry) for entry in yaml.safe_load(data.read_text(encoding="utf-8"))]


def fetched(version: str, folder: Path) -> Path:
    """The package folder of a release, fetched where it is not there yet."""
    package = folder / version / "transformers"
    if not package.is_dir():
        with tempfile.TemporaryDirectory() as place:
            what = ["--no-deps", "--only-binary", ":all:", "--no-binary", ":none:", f"transformers=={version}"]
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "-d", place, *what], check=True)
            (wheel,) = Path(place).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if name.startswith("transformers/")]
                archive.extractall(folder / version, names)
    return package


def target(model: str, package: Path) -> str:
    """The path of a class's file in a release."""
    family, name = model.split("::")
    files = sorted((package / "models" / family).glob("modeling_*.py"))
    for path in files:
        if f"class {name}(" in path.read_text(encoding="utf-8"):
            return f"{path}::{name}"
    raise TargetError(Problem(str(package), 0, 0, f"no {name} in {family}"))


def answer(item: Divergence, version: str, folder: Path) -> tuple[str, Any, str]:
    """(status, what the code has, why) of the claim on one release."""
    from specdiff import api  # noqa: PLC0415 - in the worker
    from specdiff.options import Options  # noqa: PLC0415

    document: dict[str, Any] = {
        "specdiff": 1,
        "name": item.name,
        "target": item.model,
        "sources": {"fix": {"title": "the change that mended it", "url": item.source}},
        "claims": {item.key: {**item.claim, "source": "fix", "where": "description", "quote": item.name}},
    }
    if item.config:
        document["config"] = item.config
        document["config_source"] = {"source": "fix", "where": "description"}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "claim.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        options = Options(only=frozenset({"facts"}))
        try:
            (claim,) = api.check(path, options, target(item.model, fetched(version, folder))).claims
        except SpecdiffError as error:
            return "error", None, str(error)
    return str(claim.status), claim.actual, claim.reason


def row_of(job: tuple[Divergence, Path]) -> Row:
    """Both sides of one divergence."""
    item, folder = job
    before, actual, why = answer(item, item.before, folder)
    after, later, reason = answer(item, item.after, folder)
    words = "" if before in FAILS else f"{item.before}: {why or actual}"
    words += "" if after == "match" else f"  {item.after}: {reason or later}"
    return Row(item.name, item.kind, item.key, before, after, words)


def line(row: Row) -> str:
    """One divergence on one line; those that are missed are marked and explained."""
    mark = "  " if row.right else "! "
    return f"{mark}{row.kind:<16} {row.name:<58} {row.key:<28} {row.before:<10} {row.after:<10} {row.reason[:200]}".rstrip()


def main() -> None:
    """Check and print; the exit code says whether one of them was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=Path, default=RELEASES, help="where unpacked releases are kept")
    parser.add_argument("--only", default="", help="only those whose name, kind, model or key holds this word")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--file", type=Path, default=DATA, help="another list of divergences")
    parser.add_argument("--json", type=Path, help="write every row there")
    arguments = parser.parse_args()
    items = [
        item
        for item in divergences(arguments.file)
        if any(arguments.only in text for text in (item.name, item.kind, item.model, item.key))
    ]
    for version in sorted({version for item in items for version in (item.before, item.after)}):
        fetched(version, arguments.releases)
    with get_context("spawn").Pool(arguments.jobs, maxtasksperchild=4) as pool:
        rows: list[Row] = []
        for row in pool.imap(row_of, [(item, arguments.releases) for item in items]):
            rows.append(row)
            print(line(row), flush=True)
    print(f"{sum(row.right for row in rows)} of {len(rows)} fail before the fix and hold after it")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    raise SystemExit(not all(row.right for row in rows))


if __name__ == "__main__":
    main()
