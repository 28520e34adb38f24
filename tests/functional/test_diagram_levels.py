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


def _drawn(arguments: list[str], path: Path) -> dict[str, set[str]]:
    """Words of the boxes of an SVG by how they stand to the other side."""
    assert main(["diagram", *arguments, "--output", str(path)]) == 0
    found: dict[str, set[str]] = {}
    for group in ET.fromstring(path.read_bytes()).iter():
        styles = group.get("class", "").split()
        standing = next((style.removeprefix("status-") for style in styles if style.startswith("status-")), "")
        if "node" in styles or "words" in styles:
            texts = [" ".join((each.text or "").split()) for each in group.iter() if each.tag.endswith("text")]
            found.setdefault(standing, set()).update(text for text in texts if text)
    return found


@pytest.mark.parametrize("kind", list(BEGINS))
def test_two_models_in_every_format(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    both = ["diagram", "--compare", "mistral::MistralForCausalLM", "gpt_oss::GptOssForCausalLM"]
    assert main([*both, "--level", "block", "--format", kind, "--output", str(path)]) == 0
    assert path.read_bytes().lstrip().startswith((BEGINS[kind], b"<?xml", b"// "))


def test_what_two_models_share_is_told_from_where_they_part(tmp_path: Path) -> None:
    both = ["--compare", "mistral::MistralForCausalLM", "gpt_oss::GptOssForCausalLM"]
    words = _drawn(both, tmp_path / "out.svg")
    assert "Token embedding" in words["numbers"]
    assert {"• learned sink per head", "Feed-forward"} <= words["different"]
    assert {"MistralForCausalLM", "GptOssForCausalLM"} <= words[""]


def test_layers_that_are_connected_differently_are_marked(tmp_path: Path) -> None:
    both = ["--compare", "gpt_neox::GPTNeoXForCausalLM", "gpt2::GPT2LMHeadModel"]
    assert main(["diagram", *both, "--output", str(tmp_path / "out.svg")]) == 0
    groups = ET.fromstring((tmp_path / "out.svg").read_bytes()).iter()
    frames = [group.get("class", "") for group in groups if "frame" in group.get("class", "").split()]
    assert len(frames) == 2
    assert all("status-different" in each for each in frames), (
        "attention and network stand beside each other in one of them"
    )


def test_a_model_against_itself_is_grey(tmp_path: Path) -> None:
    words = _drawn(["--compare", "mistral::MistralForCausalLM", "mistral::MistralForCausalLM"], tmp_path / "out.svg")
    assert {"numbers", "different", "only"}.isdisjoint(words)
    assert {"RMSNorm", "Feed-forward", "Query"} <= words["same"]


@pytest.mark.parametrize(
    "arguments",
    [[], ["gpt_oss", "--compare", "gpt_oss", "mistral"], ["--compare", "gpt_oss", "mistral", "--level", "operations"]],
)
def test_what_cannot_be_drawn_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("specs/dbrx.yaml", {"Grouped-query attention", "Mixture of experts", "16 experts ✓"}),
        ("mpt::MptForCausalLM", {"Multi-head attention", "ALiBi"}),
        ("minimax::MiniMaxForCausalLM", {"Lightning attention", "Grouped-query attention"}),
        ("recurrent_gemma::RecurrentGemmaForCausalLM", {"RG-LRU"}),
    ],
)
def test_parts_are_drawn_as_what_the_facts_say(target: str, words: set[str], tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    assert main(["diagram", target, "--output", str(path)]) == 0
    texts = {
        " ".join("".join(each.itertext()).split())
        for each in ET.fromstring(path.read_bytes()).iter()
        if each.tag.endswith("text")
    }
    assert words - texts == set()
