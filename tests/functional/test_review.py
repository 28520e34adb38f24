"""`specdiff review` as a user runs it, on real git repositories: what became of each model, and where a person edits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from test_action import git
from test_compare import APART

from specdiff import reviews
from specdiff.cli import main
from specdiff.options import Options
from specdiff.report.review import render
from specdiff.review import plan

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
    Change("an added model that cannot be built", {"README.md": "words"}, TOY | {FILE: MODELING.replace("self.embed = nn.Embedding(16", "self.embed = not_there(16")},
           {"ToyModel": "added"}, ("the class could not be built", "**error**"), 1),
    Change("a constant", TOY, {FILE: MODELING.replace("1e-6", "1e-3")}, {"ToyModel": "changed"},
           ("| `norm.eps` | 1e-6 | 0.001 |", "Edited: `modeling_toy.py:42` ToyBlock.\\_\\_init\\_\\_, `modeling_toy.py:46`")),
    Change("an operation that no fact names", TOY, {FILE: MODELING.replace("return x + y\n", "return x + y.tanh()\n")}, {"ToyModel": "changed"},
           ("place where a prompt is computed otherwise", "tanh")),
    Change("code written in another way", TOY, {FILE: MODELING.replace("return x + y\n", "total = torch.add(y, x)\n        return total\n")},
           {"ToyModel": "same"}, ("every operation that a prompt runs through is the same: `ToyModel`",)),
    Change("code that comes to the same numbers", TOY, {FILE: MODELING.replace("x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)", "x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)")},
           {"ToyModel": "same"}, ("Written otherwise, and worked out on random numbers a prompt comes to the same: `ToyModel`",)),
    Change("code that comes to other numbers", TOY, {FILE: MODELING.replace("return x + y\n", "return x + y * y.sign()\n")},
           {"ToyModel": "changed"}, ("a prompt is computed otherwise, and no fact says so",)),
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
    unseen = "added" in change.standings.values() and way == "not checked out"
    assert ("closest to is told where" in page) == unseen, page
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
    assert {
        "class": "Norm",
        "nearest": "origin/modeling_origin.py::Norm",
        "differs": "differs in __init__",
    } in closest["apart"]
    main(["review", "HEAD~1..HEAD", "--repository", str(folder), "--format", "markdown", "--jobs", "1"])
    assert "`modeling_new.py` is closest to `modeling_origin.py`" in capsys.readouterr().out


def test_an_added_model_is_not_blamed_for_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = repository(
        tmp_path,
        TOY
        | {FILE: MODELING.replace("        return x + y\n", "        lost = torch.tanh(x)\n        return x + y\n")},
    )
    commit(folder, {"models/toy/modeling_like.py": LIKE.replace("models.toy.", ".")})
    _, document = reviewed(capsys, folder, "HEAD~1..HEAD")
    assert [(each["standing"], each["findings"]) for each in document["classes"]] == [("added", [])]
    main(["review", "HEAD~1..HEAD", "--repository", str(folder), "--format", "markdown", "--jobs", "1"])
    page = capsys.readouterr().out
    assert "3 findings in code that it uses and that did not change." in page
    assert re.search(r"\n- 2 layers of width \d+: \d+ heads? of", page), page


def test_a_modular_file_is_behind_only_where_it_has_a_copy_of_what_was_edited(tmp_path: Path) -> None:
    modular = MODULAR.replace("ToyBlock", "ToyModel").replace("LikeBlock", "LikeModel")
    own = modular + "\n\nclass LikeBlock(nn.Module):\n    pass\n"
    edited = MODELING.replace("return x + y\n", "return x + y.tanh()\n")
    for number, (text, told) in enumerate(((modular, 1), (own, 0))):
        (tmp_path / str(number)).mkdir()
        folder = repository(tmp_path / str(number), TOY | {"models/like/modular_like.py": text})
        commit(folder, {FILE: edited})
        assert len(reviews.review(folder, "HEAD~1..HEAD", Options(jobs=1)).notes) == told


def test_a_part_that_only_its_model_can_build_is_no_broken_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = """

class ToyHead(PreTrainedModel):
    config_class = ToyConfig

    def __init__(self, config):
        super().__init__(config)
        self.out = nn.Linear(config.inputs, config.outputs)

    def forward(self, x):
        return self.out(x)


class ToyWhole(ToyModel):
    def __init__(self, config: ToyConfig):
        super().__init__(config)
        self.last = ToyHead(PretrainedConfig(inputs=16, outputs=4))

    def forward(self, input_ids):
        return self.last(super().forward(input_ids))
"""
    folder = repository(tmp_path, TOY)
    text = MODELING.replace("import PreTrainedModel", "import PretrainedConfig, PreTrainedModel")
    commit(folder, {FILE: text + part})
    code, document = reviewed(capsys, folder, "HEAD~1..HEAD")
    assert (code, standings(document)) == (0, {"ToyModel": "same", "ToyWhole": "added"})


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


MASKS = """\
import torch


def window(size):
    def mask(query, key):
        return key > query - size
    return mask


def other():
    return torch.ones(1)
"""
USER = """\
from torch import nn

from models.toy.configuration_toy import ToyConfig
from {module} import {name}


class {cls}(nn.Module):
    def __init__(self):
        super().__init__()
        self.size = {name}({argument})
        self.first = nn.Linear(4, 4)

    def forward(self, hidden):
        return self.first(hidden)
"""


class Shared(NamedTuple):
    """A change to a file that holds no model, and the files that it reaches."""

    name: str
    base: dict[str, str]
    head: dict[str, str | None]
    reached: set[str]


def user(cls: str, module: str, name: str, argument: str = "4") -> str:
    return USER.format(cls=cls, module=module, name=name, argument=argument)


EDITED = MASKS.replace("key > query", "key >= query")
SHARED = (
    Shared("what a model imports", {"masks.py": MASKS, "models/a/modeling_a.py": user("A", "masks", "window"),
            "models/b/modeling_b.py": user("B", "masks", "other", "")}, {"masks.py": EDITED}, {"models/a/modeling_a.py"}),
    Shared("through a file between", {"masks.py": MASKS, "layers.py": "from masks import window as cut\n\n\ndef made(size):\n    return cut(size)\n",
            "models/a/modeling_a.py": user("A", "layers", "made")}, {"masks.py": EDITED}, {"models/a/modeling_a.py"}),
    Shared("through a package", {"lib/masks.py": MASKS, "lib/__init__.py": "from .masks import window\n",
            "net/model.py": user("A", "lib", "window")}, {"lib/masks.py": EDITED}, {"net/model.py"}),
    Shared("through packages that hand on all", {"lib/masks.py": MASKS, "lib/__init__.py": "from .masks import *\n", "all/__init__.py": "from lib import *\n",
            "net/model.py": user("A", "all", "window"), "net/other.py": user("B", "all", "other", "")}, {"lib/masks.py": EDITED}, {"net/model.py"}),
    Shared("code that runs models", {"masks.py": MASKS, "generation/loop.py": "from masks import window\n\n\nclass Loop:\n    size = window(3)\n",
            "models/a/modeling_a.py": user("A", "generation.loop", "Loop", "")}, {"masks.py": EDITED}, set()),
    Shared("a comment", {"masks.py": MASKS, "models/a/modeling_a.py": user("A", "masks", "window")}, {"masks.py": "# words\n" + MASKS}, set()),
)  # fmt: skip


@pytest.mark.parametrize("change", SHARED, ids=lambda each: each.name)
def test_a_change_that_holds_no_model_names_those_that_use_it(tmp_path: Path, change: Shared) -> None:
    folder = repository(tmp_path, change.base)
    commit(folder, change.head)
    found = reviews.review(folder, "HEAD~1..HEAD", Options(jobs=1))
    assert set(found.behind) == change.reached
    assert found.files == tuple(change.head)


def test_what_is_too_much_to_analyse_is_counted_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_DEPENDENTS", 2)
    models = {f"models/m{n}/modeling_m{n}.py": user(f"M{n}", "masks", "window") for n in range(9)}
    folder = repository(tmp_path, {"masks.py": MASKS, **models})
    commit(folder, {"masks.py": EDITED})
    found = reviews.review(folder, "HEAD~1..HEAD", Options(jobs=1))
    assert (len(found.behind), len(found.unread)) == (2, 7)
    page = render(found, "markdown", color=False)
    assert "no architectural change in the 2 model files analysed; 7 more model files use what changed" in page
    assert "modeling_m8.py" in page
