"""`specdiff review` as a user runs it, on real git repositories: what became of each model, and where a person edits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from test_action import git
from test_compare import APART

from specdiff.cli import main

CASES = Path(__file__).parent.parent / "cases" / "review"
CONFIGURATION = (CASES / "configuration_toy.py").read_text()
MODELING = (CASES / "modeling_toy.py").read_text()
TOY = {"models/toy/configuration_toy.py": CONFIGURATION, "models/toy/modeling_toy.py": MODELING}
FILE = "models/toy/modeling_toy.py"
LIKE = """\
from torch import nn

from models.toy.modeling_toy import ToyModel
from models.toy.configuration_toy import ToyConfig


class Like(nn.Module):
    def __init__(self):
        super().__init__()
        self.toy = ToyModel(ToyConfig())

    def forward(self, input_ids):
        return self.toy(input_ids)
"""
MODULAR = "from torch import nn\n\nfrom ..toy.modeling_toy import ToyBlock\n\n\nclass LikeBlock(ToyBlock):\n    pass\n"


def commit(folder: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "A change", "--allow-empty")


def repository(tmp_path: Path, files: dict[str, str]) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    commit(folder, dict(files))
    return folder


def reviewed(
    capsys: pytest.CaptureFixture[str], folder: Path, text: str = "", *more: str
) -> tuple[int, dict[str, Any]]:
    arguments = ["review", *([text] if text else []), "--repository", str(folder), "--format", "json", *more]
    code = main([*arguments, "--jobs", "1"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, document


def standings(document: dict[str, Any]) -> dict[str, str]:
    return {each["class"]: each["standing"] for each in document["classes"]}


class Change(NamedTuple):
    """Files of the base, what the change makes of them, and the classes' standings after it."""

    name: str
    base: dict[str, str]
    head: dict[str, str | None]
    standings: dict[str, str]
    told: tuple[str, ...] = ()
    """Texts of the Markdown."""
    code: int = 0


RENAMED = {
    name.replace("toy", "tiny"): text.replace("Toy", "Tiny").replace("_toy", "_tiny") for name, text in TOY.items()
}
CHANGES = (
    Change("an added model", {"README.md": "words"}, TOY, {"ToyModel": "added"}, ("### `ToyModel` added", "branches that no known configuration reaches")),
    Change("a constant", TOY, {FILE: MODELING.replace("1e-6", "1e-3")}, {"ToyModel": "changed"},
           ("| `norm.eps` | 1e-6 | 0.001 |", "Edited: `modeling_toy.py:42` ToyBlock.\\_\\_init\\_\\_, `modeling_toy.py:46`")),
    Change("a default", TOY, {"models/toy/configuration_toy.py": CONFIGURATION.replace("layers=2", "layers=3")}, {"ToyModel": "changed"},
           ("| `layers` | 2 | 3 |",)),
    Change("a comment", TOY, {FILE: "# a comment\n" + MODELING}, {"ToyModel": "same"}, ("no architectural change",)),
    Change("a published value", TOY | {"models/toy/config.json": '{"hidden": 8}'}, {"models/toy/config.json": '{"hidden": 16}'},
           {"ToyModel": "changed"}, ("| `hidden_size` | 8 | 16 |",)),
    Change("a removed model", TOY, dict.fromkeys(TOY), {"ToyModel": "removed"}, ("### `ToyModel` removed",)),
    Change("a renamed model", TOY, {**dict.fromkeys(TOY), **RENAMED}, {"TinyModel": "changed"}, ("changed, was `ToyModel`",)),
    Change("a removed part", TOY, {FILE: MODELING.replace("        self.head = nn.Linear(config.hidden, 16, bias=False)\n", "")},
           {"ToyModel": "changed"}, ("**error** `forward.raises`",), 1),
    Change("what another file builds on", TOY | {"models/like/modeling_like.py": LIKE}, {FILE: MODELING.replace("1e-6", "1e-3")},
           {"ToyModel": "changed", "Like": "changed"}, ("through `models/toy/modeling_toy.py`",)),
    Change("what another file does not reach", TOY | {"models/like/modeling_like.py": LIKE}, {FILE: MODELING + "\n\nclass Other(ToyBlock):\n    pass\n"},
           {"ToyModel": "same"}),
    Change("what a modular file extends", TOY | {"models/like/modular_like.py": MODULAR}, {FILE: MODELING.replace("1e-6", "1e-3")},
           {"ToyModel": "changed"}, ("extended by models/like/modular\\_like.py",)),
    Change("a generated file by itself", TOY | {"models/toy/modular_toy.py": MODELING}, {FILE: MODELING.replace("1e-6", "1e-3")},
           {"ToyModel": "changed"}, ("the next conversion takes the change back",)),
    Change("a modular file by itself", TOY | {"models/toy/modular_toy.py": MODELING}, {"models/toy/modular_toy.py": MODELING.replace("1e-6", "1e-3")},
           {"ToyModel": "changed"}, ("is made from it, did not; the modular file itself was read", "| `norm.eps` | 1e-6 | 0.001 |")),
)  # fmt: skip


OTHER_WAYS = ("an added model", "a constant", "a published value", "a removed model", "a renamed model")
ROWS = [(change, "committed") for change in CHANGES] + [
    (change, way)
    for change in CHANGES
    if change.name in OTHER_WAYS
    for way in ("in the working tree", "not checked out")
]


@pytest.mark.parametrize(("change", "way"), ROWS, ids=lambda each: getattr(each, "name", each))
def test_a_change(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Change, way: str) -> None:
    folder = repository(tmp_path, change.base)
    git(folder, "checkout", "-qb", "change")
    commit(folder, change.head)
    text = "main..change"
    if way == "in the working tree":
        git(folder, "reset", "-q", "--mixed", "main")
        text = "main"
    elif way == "not checked out":
        git(folder, "checkout", "-q", "main")
    before = git(folder, "status", "--porcelain")
    code, document = reviewed(capsys, folder, text)
    assert standings(document) == change.standings
    assert code == change.code
    assert document["problems"] == []
    assert main(["review", text, "--repository", str(folder), "--format", "markdown", "--jobs", "1"]) == change.code
    page = capsys.readouterr().out
    assert [told for told in change.told if told not in page] == [], page
    assert git(folder, "status", "--porcelain") == before


def test_an_added_model_is_held_against_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    origin = APART.replace("EPS", "1e-5")
    others = {
        f"models/{name}/modeling_{name}.py": text
        for name, text in (("origin", origin), ("like", LIKE), ("toy", MODELING))
    }
    folder = repository(tmp_path, others | {"models/toy/configuration_toy.py": CONFIGURATION})
    commit(folder, {"models/new/modeling_new.py": origin.replace("eps=1e-5", "eps=1e-3")})
    _, document = reviewed(capsys, folder, "HEAD~1..HEAD")
    (closest,) = document["closest"]
    assert closest["models"][0]["file"] == "origin/modeling_origin.py"
    assert {"class": "Attention", "as": "origin/modeling_origin.py::Attention"} in closest["same"]
    assert closest["differences"] == ["norm of origin, eps 0.001 instead of 1e-5"]
    main(["review", "HEAD~1..HEAD", "--repository", str(folder), "--format", "markdown", "--jobs", "1"])
    assert "`modeling_new.py` is closest to `modeling_origin.py`" in capsys.readouterr().out


def unreached(document: dict[str, Any]) -> dict[int, list[str]]:
    return {each["place"]["line"]: each["settings"] for model in document["classes"] for each in model["unreached"]}


def test_branches_that_no_configuration_reaches_stand_where_the_case_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = repository(tmp_path, {"README.md": "words"})
    commit(folder, dict(TOY))
    _, document = reviewed(capsys, folder, "HEAD~1..HEAD")
    expected = {
        number: match[1]
        for number, line in enumerate(MODELING.splitlines(), 1)
        if (match := re.search(r"# never: (\w+)$", line))
    }
    found = unreached(document)
    assert sorted(found) == sorted(expected)
    assert [line for line, name in expected.items() if name not in found[line]] == []


SPEC = (
    "specdiff: 1\nname: toy\ntarget: models/toy/modeling_toy.py::ToyModel\n"
    'sources: {paper: {title: "A toy", url: "https://example.org/toy"}}\nconfig: {kind: mixed}\n'
    'claims:\n  hidden_size: {value: 8, source: paper, where: "§1", quote: "width 8"}\n'
)


@pytest.mark.parametrize(
    ("files", "setting"),
    [
        ({"models/toy/config.json": '{"gate": true}'}, "gate"),
        ({"models/toy/large/config.json": '{"window": 4}'}, "window"),
        ({"toy.yaml": SPEC}, "kind"),
    ],
)
def test_a_published_configuration_reaches_a_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], setting: str
) -> None:
    folder = repository(tmp_path, {"README.md": "words"})
    commit(folder, TOY | files)
    _, document = reviewed(capsys, folder, "HEAD~1..HEAD")
    alone = unreached(document)
    lines = [n for n, line in enumerate(MODELING.splitlines(), 1) if line.endswith(f"# never: {setting}")]
    reached = [line for line in lines if line not in alone]
    assert reached, alone


def test_a_branch_that_was_out_of_reach_before_is_not_told_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = repository(tmp_path, TOY)
    commit(folder, {FILE: "\n" + MODELING.replace("if self.odd:", "if self.config.window == 3:")})
    _, document = reviewed(capsys, folder, "HEAD~1..HEAD")
    assert list(unreached(document).values()) == [["window"]]


def test_wrong_input_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = repository(tmp_path, TOY)
    assert main(["review", "nowhere..HEAD", "--repository", str(folder)]) == 2
    assert main(["review", "--repository", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "no revision 'nowhere'" in lines[0]
