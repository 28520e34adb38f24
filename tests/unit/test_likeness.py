"""Classes that are the same up to renaming, decided on lowered code."""

from __future__ import annotations

from pathlib import Path

import pytest

from specdiff.compare.likeness import Shape, likeness, shapes
from specdiff.frontend.unit import SourceUnit

ONE = '''
import torch
from torch import nn


class LlamaNorm(nn.Module):
    """A norm."""

    def __init__(self, size: int, eps: float = 1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))  # a comment
        self.eps = eps

    def forward(self, x):
        return self.weight * x


class LlamaLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.norm = LlamaNorm(config.size, eps=config.eps)

    def forward(self, x):
        return self.norm(x)
'''
RENAMED = (
    ONE.replace("Llama", "Qwen3")
    .replace('"""A norm."""', '"""Another text."""')
    .replace("  # a comment", "")
    .replace(": int", "")
)


def read(folder: Path, text: str) -> dict[str, Shape]:
    path = folder / "modeling_x.py"
    path.write_text(text)
    return {shape.name: shape for shape in shapes(SourceUnit(path, path.name))}


def test_names_comments_docstrings_and_annotations_do_not_count(tmp_path: Path) -> None:
    one, other = read(tmp_path, ONE), read(tmp_path, RENAMED)
    for name, twin in (("LlamaNorm", "Qwen3Norm"), ("LlamaLayer", "Qwen3Layer")):
        assert one[name].digest == other[twin].digest
        assert likeness(one[name], other[twin]).share == 1.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("self.llama = norm", "self.qwen_3 = norm", True, id="an attribute named after the model"),
        pytest.param("self.llama_norm = norm", "self.qwen3_norm = norm", True, id="a part of a name"),
        pytest.param("self.config = LlamaConfig()", "self.config = Qwen3Config()", True, id="a class of another file"),
        pytest.param("self.llamas = norm", "self.qwen3 = norm", False, id="another word"),
        pytest.param("self.first_norm = norm", "self.second_norm = norm", False, id="two names of neither"),
    ],
)  # fmt: skip
def test_names_that_carry_the_model_s_own_do_not_count(one: str, other: str, same: bool, tmp_path: Path) -> None:
    left = read(tmp_path, ONE.replace("self.eps = eps", one))["LlamaNorm"]
    right = read(tmp_path, RENAMED.replace("self.eps = eps", other))["Qwen3Norm"]
    assert (left.digest == right.digest) is same


@pytest.mark.parametrize(
    ("old", "new", "differs", "adds"),
    [
        pytest.param("self.weight * x", "self.weight + x", ("forward",), (), id="another operation"),
        pytest.param("1e-6", "1e-5", ("__init__",), (), id="another default"),
        pytest.param("        return self.weight * x", "        return self.weight * x\n\n    def more(self):\n        return 1",
                     (), ("more",), id="one more method"),
    ],
)  # fmt: skip
def test_a_difference_is_told_by_member(
    old: str, new: str, differs: tuple[str, ...], adds: tuple[str, ...], tmp_path: Path
) -> None:
    one = read(tmp_path, ONE)["LlamaNorm"]
    other = read(tmp_path, RENAMED.replace(old, new))["Qwen3Norm"]
    alike = likeness(other, one)
    assert (alike.other, alike.mine) == (differs, adds)
    assert 0 < alike.share < 1


@pytest.mark.parametrize("body", ["pass", "...", '"""Words."""', '"""Words."""\n\n    ...'])
def test_a_class_that_adds_nothing_is_the_same_however_that_is_written(tmp_path: Path, body: str) -> None:
    text = "from torch import nn\n\n\nclass LlamaNorm(nn.Module):\n    {}\n"
    one = read(tmp_path, text.format("pass"))["LlamaNorm"]
    assert read(tmp_path, text.format(body))["LlamaNorm"].digest == one.digest


def test_another_base_class_is_another_class(tmp_path: Path) -> None:
    one = read(tmp_path, ONE)["LlamaNorm"]
    other = read(tmp_path, ONE.replace("class LlamaNorm(nn.Module)", "class LlamaNorm(nn.LayerNorm)"))["LlamaNorm"]
    assert one.digest != other.digest
