"""`compare` where the code is nearly the same: each change is told with its lines, and what comes to the same is not a change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specdiff.cli import main

MODEL = """\
import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Attention(nn.Module):
    def __init__(self, size, heads=4):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(size, size, bias=False)
        self.key = nn.Linear(size, size, bias=False)
        self.value = nn.Linear(size, size, bias=False)
        self.out = nn.Linear(size, size, bias=False)

    def forward(self, x):
        batch, length, size = x.shape
        q = self.query(x).view(batch, length, self.heads, -1).transpose(1, 2)
        k = self.key(x).view(batch, length, self.heads, -1).transpose(1, 2)
        v = self.value(x).view(batch, length, self.heads, -1).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) * 0.25
        scores = torch.tanh(scores / 30.0) * 30.0
        mask = torch.tril(torch.ones(length, length, dtype=torch.bool))
        scores = scores.masked_fill(~mask, float("-inf"))
        y = F.softmax(scores, dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, length, size))


class Block(nn.Module):
    def __init__(self, size=32):
        super().__init__()
        self.one = Norm(size)
        self.attention = Attention(size)
        self.two = Norm(size)
        self.up = nn.Linear(size, 64)
        self.down = nn.Linear(64, size)

    def forward(self, x):
        x = x + self.attention(self.one(x))
        hidden = F.silu(self.up(self.two(x)))
        return x + self.down(hidden)


class Model(nn.Module):
    def __init__(self, words=100, size=32, layers=2):
        super().__init__()
        self.words = nn.Embedding(words, size)
        self.blocks = nn.ModuleList([Block(size) for _ in range(layers)])
        self.last = Norm(size)
        self.head = nn.Linear(size, words, bias=False)

    def forward(self, input_ids: torch.Tensor):
        x = self.words(input_ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.last(x))
"""
RENAMED = (
    MODEL.replace("self.up", "self.fc_in")
    .replace("self.down", "self.fc_out")
    .replace("self.query", "self.to_q")
    .replace("blocks", "stages")
    .replace("hidden", "y")
)


def compared(folder: Path, right: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    (folder / "left.py").write_text(MODEL)
    (folder / "right.py").write_text(right)
    main(["compare", f"{folder}/left.py::Model", f"{folder}/right.py::Model", "--format", "json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("right", [MODEL, RENAMED], ids=["itself", "renamed"])
def test_a_copy_is_proven_to_be_the_same(tmp_path: Path, right: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = compared(tmp_path, right, capsys)
    assert result["differences"] == []
    assert result["agrees"] and result["proven"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("scores = torch.tanh(scores / 30.0) * 30.0", "scores = 30.0 * torch.tanh(scores * (1 / 30.0))"),
        ("q @ k.transpose(-2, -1) * 0.25", "(q * 0.5) @ (k * 0.5).transpose(-2, -1)"),
        ("q @ k.transpose(-2, -1) * 0.25", "torch.einsum('bhqd,bhkd->bhqk', q, k) / 4.0"),
        ("F.silu(self.up(self.two(x)))", "self.up(self.two(x))\n        hidden = hidden * torch.sigmoid(hidden)"),
        ("x.pow(2).mean(-1, keepdim=True)", "(x * x).mean(-1).unsqueeze(-1)"),
    ],
    ids=["softcap", "scale in two halves", "einsum", "silu", "square"],
)
def test_other_operations_that_come_to_the_same_change_nothing(
    tmp_path: Path, before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert before in MODEL
    result = compared(tmp_path, MODEL.replace(before, after), capsys)
    assert {each["meaning"] for each in result["differences"]} <= {"written"}
    assert result["agrees"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("* 30.0", "* 31.0"),
        ("k = self.key(x)", "k = self.query(x)"),
        ("F.silu(self.up(self.two(x)))", "F.silu(self.up(x))"),
        ("return x + self.down(hidden)", "return self.down(hidden)"),
        ("return x + self.down(hidden)", "return x + self.down(hidden) + x"),
        ("mean(-1, keepdim=True) + 1e-6)", "mean(-1, keepdim=True)) + 1e-6"),
        ("y.transpose(1, 2).reshape(", "y.reshape("),
    ],
    ids=["cap", "key", "norm", "residual", "residual twice", "eps", "heads"],
)
def test_one_seeded_change_is_told_with_its_lines(
    tmp_path: Path, before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert before in MODEL
    result = compared(tmp_path, MODEL.replace(before, after), capsys)
    line = MODEL[: MODEL.index(before)].count("\n") + 1
    told = [each for each in result["differences"] if each["meaning"] == "result"]
    lines = {place["line"] for each in told for side in ("left", "right") for place in each[side]["evidence"]}
    assert told and not result["agrees"]
    assert line in lines or result["left_only"], told


WRITTEN_OTHERWISE = (
    MODEL.replace(
        """\
        q = self.query(x).view(batch, length, self.heads, -1).transpose(1, 2)
        k = self.key(x).view(batch, length, self.heads, -1).transpose(1, 2)
        v = self.value(x).view(batch, length, self.heads, -1).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) * 0.25
        scores = torch.tanh(scores / 30.0) * 30.0
        mask = torch.tril(torch.ones(length, length, dtype=torch.bool))
        scores = scores.masked_fill(~mask, float("-inf"))
        y = F.softmax(scores, dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, length, size))
""",
        """\
        q, k, v = (x @ self.qkv).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        scores = 30.0 * torch.tanh(torch.einsum("bhqd,bhkd->bhqk", q / 4.0, k) / 30.0)
        scores = scores + torch.full((length, length), float("-inf")).triu(1)
        y = torch.einsum("bhqk,bhkd->bqhd", scores.softmax(-1), v)
        return y.reshape(batch, length, size) @ self.out
""",
    )
    .replace(
        """\
        self.query = nn.Linear(size, size, bias=False)
        self.key = nn.Linear(size, size, bias=False)
        self.value = nn.Linear(size, size, bias=False)
        self.out = nn.Linear(size, size, bias=False)
""",
        """\
        self.qkv = nn.Parameter(torch.empty(size, 3 * size))
        self.out = nn.Parameter(torch.empty(size, size))
""",
    )
    .replace(
        "x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight",
        "F.rms_norm(x, x.shape[-1:], self.weight, 1e-6)",
    )
)


def test_a_layer_written_otherwise_throughout_is_worked_out_with_the_weights_that_the_pairs_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = compared(tmp_path, WRITTEN_OTHERWISE, capsys)
    assert {each["meaning"] for each in result["differences"]} <= {"written", "layout"}, result["differences"]
    assert {pair["relation"] for pair in result["pairs"]} == {"same", "fused", "transposed"}
    assert result["agrees"] and result["proven"]


def test_what_is_not_the_same_in_such_a_layer_is_not_called_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = compared(tmp_path, WRITTEN_OTHERWISE.replace("q / 4.0", "q / 4.1"), capsys)
    assert not result["proven"]
    assert {each["meaning"] for each in result["differences"]} & {"result", "unknown"}


NUMBERED = (
    MODEL.replace("        self.up = nn.Linear(size, 64)\n", "")
    .replace(
        "self.down = nn.Linear(64, size)",
        "self.net = nn.Sequential(nn.Linear(size, 64), nn.SiLU(), nn.Linear(64, size))",
    )
    .replace("        hidden = F.silu(self.up(self.two(x)))\n", "")
    .replace("x + self.down(hidden)", "x + self.net(self.two(x))")
)


def test_what_stands_in_numbered_parts_of_one_side_is_not_told_as_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parts of a `Sequential` are parts of their own: the other side's layer computes the same in itself."""
    result = compared(tmp_path, NUMBERED, capsys)
    assert not [each for each in result["differences"] if each["meaning"] == "result"], result["differences"]


@pytest.mark.parametrize("style", ["terminal", "markdown"])
def test_a_change_of_operations_reads_with_its_lines_in_every_rendering(
    tmp_path: Path, style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "left.py").write_text(MODEL)
    (tmp_path / "right.py").write_text(MODEL.replace("torch.tanh(scores / 30.0)", "torch.sin(scores / 30.0)"))
    assert main(["compare", f"{tmp_path}/left.py::Model", f"{tmp_path}/right.py::Model", "--format", style]) == 1
    text = capsys.readouterr().out
    assert "DIFFERENT" in text and "in blocks.*{0-1}" in text and "right.py:30" in text


def test_parameters_that_neither_side_uses_and_tied_ones_have_their_partners(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = MODEL.replace(
        "self.head = nn.Linear(size, words, bias=False)",
        "self.head = nn.Linear(size, words, bias=False)\n        self.spare = nn.Parameter(torch.zeros(7))\n"
        "        self.other = self.head.weight",
    )
    (tmp_path / "left.py").write_text(odd)
    (tmp_path / "right.py").write_text(odd.replace("spare", "unused"))
    code = main(["compare", f"{tmp_path}/left.py::Model", f"{tmp_path}/right.py::Model", "--format", "json"])
    result = json.loads(capsys.readouterr().out)
    assert code == 0 and result["left_only"] == result["right_only"] == [] and result["proven"]
