"""Input that is wrong: one line per problem with file, line and what to do, exit code 2, no traceback."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from specdiff.cli import main

MODEL = """
from torch import nn
{imports}
class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.first = nn.Linear(width, width)
        {more}
"""
PLAIN = MODEL.format(imports="", more="")

CASES: dict[str, tuple[dict[str, str | bytes], list[str], list[str]]] = {
    "no such file": ({}, ["inspect", "missing.py"], ["missing.py: no such file, folder or model type"]),
    "a misspelt model type": (
        {},
        ["inspect", "gpt_os"],
        ["gpt_os: no such file, folder or model type; did you mean gpt_oss?"],
    ),
    "not a Python file": ({"notes.txt": "hello"}, ["inspect", "notes.txt"], ["notes.txt: not a Python file"]),
    "not Python": (
        {"model.py": "def f(:\n"},
        ["inspect", "model.py"],
        ["model.py:1:7: not valid Python: invalid syntax"],
    ),
    "not Python further down": (
        {"model.py": PLAIN + "        self.second = nn.Linear(3 3)\n"},
        ["inspect", "model.py"],
        ["model.py:9:33: not valid Python: invalid syntax. Perhaps you forgot a comma?"],
    ),
    "not text": (
        {"model.py": b"x = 1\n\xff\xfe"},
        ["inspect", "model.py"],
        ["model.py:2: not UTF-8 text (byte 0xff); save the file as UTF-8"],
    ),
    "an empty folder": ({}, ["inspect", "."], [".: no modeling_*.py and no Python file in this folder"]),
    "a class that is not there": (
        {"model.py": PLAIN},
        ["inspect", "model.py::Nett"],
        ["model.py: no class Nett in this file; did you mean Net?"],
    ),
    "a configuration that is not JSON": (
        {"modeling_x.py": PLAIN, "config.json": '{"width": 3,\n}'},
        ["inspect", "."],
        ["config.json:2:1: not JSON: Expecting property name enclosed in double quotes"],
    ),
    "a configuration that is no object": (
        {"modeling_x.py": PLAIN, "config.json": "[1]"},
        ["inspect", "."],
        ["config.json:1:1: a configuration must be a JSON object"],
    ),
    "a configuration that is not there": (
        {"model.py": PLAIN},
        ["inspect", "model.py", "--config", "c.json"],
        ["c.json: cannot be read: No such file or directory"],
    ),
    "a setting that is none": (
        {"model.py": PLAIN},
        ["inspect", "model.py", "--set", "width", "--set", "width=x"],
        ["--set: 'width' is not KEY=VALUE", "--set: width: 'x' is not JSON; text needs quotes, as in width='\"x\"'"],
    ),
    "a setting that nothing takes": (
        {"model.py": PLAIN},
        ["inspect", "model.py", "--set", "depth=2"],
        ["--set: depth: Net takes no such setting"],
    ),
    "a configuration that nothing takes": (
        {"model.py": PLAIN, "c.json": '{"hidden_size": 8}'},
        ["inspect", "model.py", "--config", "c.json"],
        ["c.json: Net takes none of its settings"],
    ),
    "a class that is a number": (
        {"model.py": PLAIN + "\nSIZE = 3\n"},
        ["inspect", "model.py::SIZE"],
        ["model.py: no class SIZE in this file; it has Net"],
    ),
    "a part that there is not": (
        {"model.py": PLAIN},
        ["inspect", "model.py", "--only", "parametrs"],
        ["--only: no part parametrs; did you mean parameters?"],
    ),
    "a spec that is not YAML": (
        {"spec.yaml": "name: x\n\tclaims: []\n"},
        ["check", "spec.yaml"],
        ["spec.yaml:2:1: YAML syntax: found a tab character that violates indentation (indent with spaces, not tabs)"],
    ),
    "a spec that is not there": ({}, ["check", "spec.yaml"], ["spec.yaml: no such file"]),
    "an output that cannot be written": (
        {"model.py": PLAIN},
        ["inspect", "model.py", "--only", "parameters", "--output", "nowhere/x.json"],
        ["nowhere/x.json: cannot be written: No such file or directory"],
    ),
}


def written(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said_in_one_line_each(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, arguments, expected = CASES[name]
    written(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.splitlines()) == ("", expected)


def inspected(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert main(["inspect", "model.py", "--only", "parameters", "--format", "json"]) == 0
    found: dict[str, dict[str, object]] = json.loads(capsys.readouterr().out)["classes"]
    return found


BROKEN = {
    "as a whole": ("class Part:\n    pass\n\ndef f(x:\n    return 1\n", 4, []),
    "in the constructor": (
        """
        from torch import nn
        class Part(nn.Module):
            def __init__(self):
                self.inner = nn.Linear(2 2)
        """,
        5,
        [],
    ),
    "in a function that nothing calls": (
        """
        from torch import nn
        class Part(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(2, 2, bias=False)
            def other(self):
                return 1 +* 2
        """,
        None,
        ["part.inner.weight"],
    ),
}


@pytest.mark.parametrize("where", BROKEN)
def test_an_imported_file_that_is_not_python_costs_what_needs_it(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, line, more = BROKEN[where]
    model = MODEL.format(imports="from .parts import Part", more="self.part = Part()")
    written(tmp_path, {"model.py": model, "parts.py": textwrap.dedent(text), "__init__.py": ""})
    monkeypatch.chdir(tmp_path)
    net = inspected(capsys)["Net"]
    assert list(net["parameters"]) == ["first.weight", "first.bias", *more]  # type: ignore[call-overload]
    said = [(note["file"], note["line"]) for note in net["undecided"]]  # type: ignore[attr-defined]
    assert said == ([("parts.py", line)] if line else [])
    whole = "from torch import nn\nclass Part(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.k = nn.Linear(1, 1, bias=False)\n"
    written(tmp_path, {"parts.py": whole})
    assert list(inspected(capsys)["Net"]["parameters"])[2:] == ["part.k.weight"]  # type: ignore[call-overload]


def test_modules_that_import_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part = """
    from torch import nn
    SIZE = 7
    from . import model
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(SIZE, model.WIDTH, bias=False)
    """
    files = {
        "model.py": MODEL.format(imports="from .parts import Part, SIZE\nWIDTH = SIZE + 1", more="self.part = Part()"),
        "parts.py": textwrap.dedent(part),
        "__init__.py": "",
    }
    written(tmp_path, dict(files))
    monkeypatch.chdir(tmp_path)
    assert inspected(capsys)["Net"]["parameters"] == {
        "first.weight": [3, 3],
        "first.bias": [3],
        "part.inner.weight": [8, 7],
    }


@pytest.mark.parametrize("place", ["file", "/proc/nowhere"])
def test_a_cache_that_cannot_be_kept_is_done_without(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, {"model.py": PLAIN, "file": ""})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPECDIFF_CACHE", "on")
    monkeypatch.setenv("SPECDIFF_CACHE_DIR", place)
    assert list(inspected(capsys)) == ["Net"]
