"""A kept result is given back while nothing it rests on has changed, and never after."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from specdiff import api, codec, pipeline
from specdiff.audit.readers import file_words
from specdiff.options import Options
from specdiff.project.targets import replaced, resolve
from specdiff.results import ClassResult
from specdiff.session import Session

FILES = {
    "modeling_x.py": """
import torch
from torch import nn
from .sizes import WIDTH
from .configuration_x import XConfig
try:
    from .extra import DEPTH
except ImportError:
    DEPTH = 1

class X(nn.Module):
    def __init__(self, config: XConfig):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(WIDTH, config.size) for _ in range(DEPTH)])
""",
    "sizes.py": "WIDTH = 3\n",
    "configuration_x.py": """
class XConfig:
    def __init__(self, size=5):
        self.size = size
""",
    "__init__.py": "",
    "config.json": '{"size": 7}',
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPECDIFF_CACHE_DIR", str(tmp_path / "cache"))
    place = tmp_path / "remote"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text)
    return place


def shapes(folder: Path, **options: object) -> list[tuple[int, ...]]:
    (result,) = api.inspect(str(folder), Options(only=frozenset({"parameters"}), **options))  # type: ignore[arg-type]
    return list(result.parameters.values())


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets that really were analysed."""
    seen: list[str] = []
    analyse = pipeline.analyse

    def counted(program: object, target: object, *rest: object) -> object:
        seen.append(target.module)  # type: ignore[attr-defined]
        return analyse(program, target, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "analyse", counted)
    return seen


def test_what_did_not_change_is_not_analysed_again(folder: Path, analysed: list[str]) -> None:
    first = api.inspect(str(folder))
    assert api.inspect(str(folder)) == first
    assert len(analysed) == 1


def rewrite(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


def same_stamp(folder: Path) -> None:
    """The same length and the same times: only the content tells."""
    path = folder / "sizes.py"
    before = path.stat()
    path.write_text("WIDTH = 4\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def package(folder: Path) -> None:
    """A package takes the place of a module of that name."""
    (folder / "sizes").mkdir()
    (folder / "sizes" / "__init__.py").write_text("WIDTH = 6\n")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (rewrite("sizes.py", "WIDTH = 2\n"), [(7, 2), (7,)]),
        (same_stamp, [(7, 4), (7,)]),
        (rewrite("config.json", '{"size": 8}'), [(8, 3), (8,)]),
        (rewrite("configuration_x.py", FILES["configuration_x.py"].replace("= size", "= size + 1")), [(8, 3), (8,)]),
        (rewrite("modeling_x.py", FILES["modeling_x.py"].replace("= 1", "= 2")), [(7, 3), (7,)] * 2),
        (rewrite("extra.py", "DEPTH = 3\n"), [(7, 3), (7,)] * 3),
        (package, [(7, 6), (7,)]),
        (lambda folder: (folder / "config.json").unlink(), [(5, 3), (5,)]),
    ],
    ids=["import", "same-stamp", "config", "config-class", "file", "appears", "shadowed", "disappears"],
)
def test_a_change_is_seen(
    folder: Path, change: Callable[[Path], None], expected: list[tuple[int, ...]], analysed: list[str]
) -> None:
    assert shapes(folder) == [(7, 3), (7,)]
    assert shapes(folder) == [(7, 3), (7,)]
    assert len(analysed) == 1
    change(folder)
    assert shapes(folder) == expected
    assert len(analysed) == 2


def test_options_are_part_of_the_question(folder: Path) -> None:
    assert shapes(folder) == [(7, 3), (7,)]
    assert shapes(folder, settings=(("size", 9),)) == [(9, 3), (9,)]
    assert shapes(folder, settings=(("size", 10),)) == [(10, 3), (10,)]
    assert shapes(folder) == [(7, 3), (7,)]


def test_a_copy_elsewhere_is_another_target(folder: Path, tmp_path: Path) -> None:
    assert shapes(folder) == [(7, 3), (7,)]
    shutil.copytree(folder, tmp_path / "another")
    (tmp_path / "another" / "sizes.py").write_text("WIDTH = 1\n")
    assert shapes(tmp_path / "another") == [(7, 1), (7,)]


def test_a_damaged_entry_is_rebuilt(folder: Path, tmp_path: Path, analysed: list[str]) -> None:
    first = api.inspect(str(folder))
    (path,) = (tmp_path / "cache").glob("result-*.sqlite")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT key, value FROM entries").fetchall()
        for key, value in rows:
            connection.execute("UPDATE entries SET value = ? WHERE key = ?", (value[: len(value) // 2], key))
    connection.close()
    assert api.inspect(str(folder)) == first
    assert api.inspect(str(folder)) == first
    assert len(analysed) == 2


def test_library_models_rest_on_their_own_files(tmp_path: Path, analysed: list[str], monkeypatch) -> None:
    """Editing one model of a library leaves the others' results in place."""
    monkeypatch.setenv("SPECDIFF_CACHE_DIR", str(tmp_path / "cache"))
    library = tmp_path / "transformers"
    for name in ("", "models", "models/a", "models/b"):
        (library / name).mkdir(parents=True, exist_ok=True)
        (library / name / "__init__.py").write_text("")
    (library / "common.py").write_text("from torch import nn\nclass Base(nn.Module):\n    pass\n")
    for name in "ab":
        (library / "models" / name / f"modeling_{name}.py").write_text(
            "from torch import nn\nfrom ...common import Base\nfrom .size import SIZE\n"
            f"class {name.upper()}(Base):\n    def __init__(self):\n        super().__init__()\n"
            "        self.layer = nn.Linear(SIZE, 2)\n"
        )
        (library / "models" / name / "size.py").write_text("SIZE = 3\n")
    options = Options(only=frozenset({"parameters"}), jobs=1)

    def run() -> list[tuple[int, ...]]:
        analysed.clear()
        return [
            result.parameters["layer.weight"]
            for name in "ab"
            for result in api.inspect(str(library / "models" / name / f"modeling_{name}.py"), options)
        ]

    assert run() == [(2, 3), (2, 3)]
    assert (run(), analysed) == ([(2, 3), (2, 3)], [])
    (library / "models" / "b" / "size.py").write_text("SIZE = 5\n")
    assert (run(), analysed) == ([(2, 3), (2, 5)], ["transformers.models.b.modeling_b"])
    (library / "common.py").write_text(
        "from torch import nn\nclass Base(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    )
    assert run() == [(2, 3), (2, 5)]
    assert len(analysed) == 2


def test_results_come_back_equal_from_their_stored_form(folder: Path) -> None:
    results: list[ClassResult] = api.inspect(str(folder), Options(use_cache=False))
    assert codec.decode(codec.encode(results)) == results


@pytest.mark.parametrize("data", [b"", b"[", b"[[99]]", b"[[0, 1]]", b"[[-4, 1]]", b"7"])
def test_what_is_not_a_result_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        codec.decode(data)


def test_a_revision_in_memory_is_kept_beside_the_disk_s(folder: Path, analysed: list[str]) -> None:
    """Both sides of a change come back, each its own; a file behind the revision that changes on disk is seen."""

    def at(files: dict[str, str]) -> list[tuple[int, ...]]:
        session = Session(Options(only=frozenset({"parameters"})))
        (target,) = resolve(str(folder))
        try:
            side = replaced(target, {folder / name: text.encode() for name, text in files.items()})
            (result,) = session.analyse(side if files else target)
            return list(result.parameters.values())
        finally:
            session.close()

    old = {"sizes.py": "WIDTH = 9\n"}
    for _ in range(2):
        assert at({}) == [(7, 3), (7,)]
        assert at(old) == [(7, 9), (7,)]
    assert len(analysed) == 2
    assert at({"sizes.py": "WIDTH = 8\n"}) == [(7, 8), (7,)]
    (folder / "extra.py").write_text("DEPTH = 2\n")
    assert at(old) == [(7, 9), (7,), (7, 9), (7,)]
    assert len(analysed) == 4


def test_files_whose_text_was_searched_are_facts(folder: Path, analysed: list[str]) -> None:
    """A setting that only a file beside the model reads is told unread once that file no longer does."""
    (folder / "configuration_x.py").write_text(
        FILES["configuration_x.py"].replace("size=5", "size=5, oddity_kept=1")
        + "        self.oddity_kept = oddity_kept\n"
    )
    (folder / "processing_x.py").write_text("def waits(config):\n    return config.oddity_kept\n")

    def told() -> list[str]:
        (result,) = api.inspect(str(folder))
        return [item.message for item in result.findings if item.id == "config.unread"]

    assert [told(), told()] == [[], []]
    assert len(analysed) == 1
    file_words.cache_clear()
    (folder / "processing_x.py").write_text("def waits(config):\n    return 1\n")
    assert len(told()) == 1
    assert len(analysed) == 2
