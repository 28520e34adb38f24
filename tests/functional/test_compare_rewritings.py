"""`compare` on one small model written in two ways: the same function is said to be, and what looks alike and is not is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from specdiff.cli import main

CASES = Path(__file__).parents[1] / "cases" / "compare"
BASE = (CASES / "base.py").read_text()
PAIRS: list[dict[str, Any]] = yaml.safe_load((CASES / "pairs.yaml").read_text())


def written(pair: dict[str, Any], side: str) -> str:
    text = BASE
    for before, after in (*pair.get(side, ()), *pair.get("both", ())):
        assert before in text, before
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize("pair", PAIRS, ids=[pair["id"] for pair in PAIRS])
def test_a_pair_is_the_same_or_is_not(pair: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("left", "right"):
        (tmp_path / f"{side}.py").write_text(written(pair, side))
    main(["compare", f"{tmp_path}/left.py::Model", f"{tmp_path}/right.py::Model", "--format", "json"])
    result = json.loads(capsys.readouterr().out)
    wrong = [each for each in result["differences"] if each["meaning"] in ("result", "unknown")]
    if pair["verdict"] == "result":
        assert not result["agrees"]
        return
    assert result["proven"], wrong
    told = {each["relation"] for each in result["pairs"]} | {each["key"] for each in result["differences"]}
    assert pair.get("how") is None or pair["how"] in told


TIED = (
    "        self.width = size // heads\n\n    def forward(self, input_ids",
    "        self.width = size // heads\n        self.head.weight = self.words.weight\n\n    def forward(self, input_ids",
)


def compared(folder: Path, left: str, right: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    for side, text in (("left", left), ("right", right)):
        (folder / f"{side}.py").write_text(text)
    main(["compare", f"{folder}/left.py::Model", f"{folder}/right.py::Model", "--format", "json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_weights_that_nothing_tells_apart_are_tried_in_each_others_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Norms of queries and keys under other names and in another order."""
    lines = ("        q = self.query_norm(q)\n", "        k = self.key_norm(k)\n")
    right = BASE.replace("".join(lines), "".join(reversed(lines)))
    right = right.replace("query_norm", "norm_of_them").replace("key_norm", "norm_of_those")
    assert compared(tmp_path, BASE, right, capsys)["proven"]


def test_a_tied_weight_is_found_by_any_of_its_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tied = BASE.replace(*TIED)
    right = tied.replace("self.head.weight = self.words.weight", "self.words.weight = self.head.weight")
    assert compared(tmp_path, tied, right.replace("self.words", "self.table"), capsys)["proven"]


def test_what_one_side_works_out_twice_is_one_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = BASE.replace("F.silu(self.gate(x)) * self.up(x)", "self.up(x) * (self.gate(x) * self.gate(x).sigmoid())")
    assert compared(tmp_path, BASE, right, capsys)["proven"]


LARGE = """
from dataclasses import dataclass


@dataclass
class Sizes:
    words: int = 32000
    size: int = 1024
    layers: int = 3
    heads: int = 16
    groups: int = 8
    inner: int = 2048
    experts: int = 4
    chosen: int = 2


class Model(nn.Module):
    def __init__(self, config: Sizes):
        super().__init__()
        words, size, layers, heads = config.words, config.size, config.layers, config.heads
        groups, inner, experts, chosen = config.groups, config.inner, config.experts, config.chosen
"""


def test_a_large_pair_is_worked_out_in_a_smaller_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, _, tail = BASE.partition("class Model(nn.Module):")
    left = head + LARGE.lstrip() + tail.partition("super().__init__()\n")[2]
    right = left.replace(
        "return self.down(F.silu(self.gate(x)) * self.up(x))",
        "hidden = F.silu(torch.einsum('bsd,id->bsi', x, self.gate.weight))\n"
        "        hidden = torch.einsum('bsd,id->bsi', x, self.up.weight) * hidden\n"
        "        return torch.einsum('bsi,di->bsd', hidden, self.down.weight)",
    )
    assert compared(tmp_path, left, right, capsys)["proven"]
    assert not compared(tmp_path, left, right.replace("self.up.weight) * hidden", "self.up.weight) + hidden"), capsys)[
        "agrees"
    ]
