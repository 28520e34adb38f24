"""What of a file an edit reaches, by the names that mention each other."""

from __future__ import annotations

import pytest

from specdiff.review.reach import EVERYTHING, changed_names, reached_names, takes_over

FILE = """\
import torch
import torch.utils.checkpoint
from helpers import scale

def turn(x):
    return scale(x)

class Part:
    def forward(self, x):
        return turn(x)

class Other:
    '''Part is told of here.'''
    def forward(self, x):
        return torch.tanh(x)
"""


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("import torch.utils.checkpoint\n", "", set()),
        ("import torch\nimport torch.utils.checkpoint\n", "import torch as t\n", {"torch", "t", "Other"}),
        ("return scale(x)", "return scale(2 * x)", {"turn", "Part"}),
        ("from helpers", "from others", {"scale", "turn", "Part"}),
        ("Part is told of", "Nothing is told of", set()),
        ("class Other", "print()\nclass Other", EVERYTHING),
    ],
)
def test_names_that_an_edit_reaches(old: str, new: str, names: set[str]) -> None:
    assert changed_names(FILE, FILE.replace(old, new)) == names


def test_names_that_an_import_reaches() -> None:
    text = "from .file import Part as P, Other\n\nclass Mine(P):\n    pass\n\nclass Not(Other):\n    '''Unlike P.'''\n"
    assert reached_names(text, "file", frozenset({"Part"})) == {"P", "Mine"}
    assert reached_names(text, "another", frozenset({"Part"})) == set()


@pytest.mark.parametrize(
    ("edited", "modular", "taken"),
    [
        ("OldPart", "class NewModel(OldModel):\n    pass\n", True),
        ("OldPart", "class NewModel(OldModel):\n    pass\n\nclass NewPart:\n    pass\n", False),
        ("OldModel", "class NewModel(OldModel):\n    pass\n\nclass NewPart:\n    pass\n", True),
        ("OldElse", "class NewModel(OldModel):\n    pass\n", False),
    ],
)
def test_what_a_modular_file_has_a_copy_of(edited: str, modular: str, taken: bool) -> None:
    text = "class OldPart:\n    pass\n\nclass OldElse:\n    pass\n\nclass OldModel:\n    part = OldPart\n"
    head = "from ..old.modeling_old import OldModel\n\n"
    assert takes_over(head + modular, "modeling_old", text, frozenset({edited})) is taken
