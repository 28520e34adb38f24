"""Lines of a generated file and of the modular file that it is made from."""

from __future__ import annotations

from specdiff.review.modular import edited_lines, modular_of

MODULAR = """\
from ..llama.modeling_llama import LlamaAttention


class NewAttention(LlamaAttention):
    def __init__(self, config):
        super().__init__(config)
        self.scale = 0.5
        self.norm = None
"""
GENERATED = """\
# generated
from torch import nn


class NewAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.query = nn.Linear(4, 4)
        self.scale = 0.5
        self.norm = None

    def forward(self, x):
        self.norm = None
        return x


class NewMLP(nn.Module):
    def __init__(self, config):
        self.scale = 0.5
"""


def test_a_line_is_found_in_the_same_method_of_the_same_class_only() -> None:
    assert edited_lines(GENERATED, MODULAR) == {5: 4, 6: 5, 9: 7, 10: 8}


def test_only_modeling_files_have_a_modular_file() -> None:
    assert modular_of("src/models/new/modeling_new.py") == "src/models/new/modular_new.py"
    assert modular_of("src/models/new/configuration_new.py") == ""
