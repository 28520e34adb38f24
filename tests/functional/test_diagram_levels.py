"""`diagram` at each level and in each format, on a model of the installed library."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from specdiff.cli import main

BEGINS = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph", "mermaid": b"flowchart"}


@pytest.mark.parametrize("level", ["model", "block", "operations"])
@pytest.mark.parametrize("kind", list(BEGINS))
def test_every_level_in_every_format(level: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    arguments = ["diagram", "gpt_oss::GptOssForCausalLM", "--level", level, "--format", kind, "--output", str(path)]
    assert main(arguments) == 0
    assert path.read_bytes().lstrip().startswith((BEGINS[kind], b"<?xml", b"// "))


def test_operations_carry_shapes_and_fold_layers(tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    assert main(["diagram", "gpt_oss::GptOssForCausalLM", "--level", "operations", "--output", str(path)]) == 0
    texts = [element.text or "" for element in ET.fromstring(path.read_bytes()).iter() if element.tag.endswith("text")]
    words = {" ".join(text.split()) for text in texts}
    assert "layers.0 (36 layers like this)" in words
    assert {"softmax", "b×s×2880", "b×8×s×64", "q_proj.weight"} <= words
    assert not any(word.startswith("layers.1 ") for word in words)
