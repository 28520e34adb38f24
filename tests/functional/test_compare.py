"""`compare` on two tiny implementations of one model, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specdiff.cli import main

HEAD = """\
import math

import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, size, eps=EPS):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.scale


"""
TAIL = """\

class Block(nn.Module):
    def __init__(self, size=32):
        super().__init__()
        self.one = Norm(size)
        self.attention = Attention(size)
        self.two = Norm(size)
        self.mlp = Network(size)

    def forward(self, x):
        x = x + self.attention(self.one(x))
        return x + self.mlp(self.two(x))


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
APART = (
    HEAD
    + """\
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
        q, k, v = (f(x).view(batch, length, self.heads, -1).transpose(1, 2) for f in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(batch, length, size))


class Network(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.gate = nn.Linear(size, 4 * size, bias=False)
        self.up = nn.Linear(size, 4 * size, bias=False)
        self.down = nn.Linear(4 * size, size, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))

"""
    + TAIL
)
FUSED = (
    HEAD
    + """\
class Attention(nn.Module):
    def __init__(self, size, heads=4):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.proj = nn.Linear(size, size, bias=False)
        self.register_buffer("mask", torch.tril(torch.ones(64, 64)).view(1, 1, 64, 64), persistent=False)

    def forward(self, x):
        batch, length, size = x.size()
        q, k, v = self.qkv(x).split(size, dim=2)
        q = q.view(batch, length, self.heads, size // self.heads).transpose(1, 2)
        k = k.view(batch, length, self.heads, size // self.heads).transpose(1, 2)
        v = v.view(batch, length, self.heads, size // self.heads).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.mask[:, :, :length, :length] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        return self.proj(y.transpose(1, 2).contiguous().view(batch, length, size))


class Network(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.inner = nn.Parameter(torch.empty(size, 8 * size))
        self.outer = nn.Parameter(torch.empty(4 * size, size))

    def forward(self, x):
        gate, up = (x @ self.inner).chunk(2, dim=-1)
        return (F.silu(gate) * up) @ self.outer

"""
    + TAIL
)


def compared(folder: Path, left: str, right: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    (folder / "left.py").write_text(left)
    (folder / "right.py").write_text(right)
    code = main(["compare", f"{folder}/left.py::Model", f"{folder}/right.py::Model", "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_one_model_written_twice_is_the_same_function_with_its_weights_laid_out_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = compared(tmp_path, APART.replace("EPS", "1e-6"), FUSED.replace("EPS", "1e-6"), capsys)
    assert [d["key"] for d in result["differences"] if d["meaning"] == "result"] == []
    assert result["left_only"] == result["right_only"] == []
    pairs = {(tuple(p["left"]), tuple(p["right"])): (p["relation"], p["how"]) for p in result["pairs"]}
    attention = "blocks.0.attention"
    fused = tuple(f"{attention}.{name}.weight" for name in ("query", "key", "value"))
    assert pairs[fused, (f"{attention}.qkv.weight",)] == ("fused", "rows 32 + 32 + 32 of 96×32")
    gated = ("blocks.0.mlp.gate.weight", "blocks.0.mlp.up.weight")
    assert pairs[gated, ("blocks.0.mlp.inner",)] == ("fused", "rows 128 + 128 of 32×256, transposed")
    assert pairs[("blocks.0.mlp.down.weight",), ("blocks.0.mlp.outer",)] == ("transposed", "transposed")
    assert code == 0


def test_a_constant_that_changes_the_result_is_told_with_both_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = compared(tmp_path, APART.replace("EPS", "1e-6"), APART.replace("EPS", "1e-5"), capsys)
    (difference,) = result["differences"]
    assert (difference["key"], difference["meaning"]) == ("norm.eps", "result")
    assert (difference["left"]["value"], difference["right"]["value"]) == (1e-6, 1e-5)
    assert difference["left"]["evidence"][0]["file"] == "left.py"
    assert code == 1


def test_another_width_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wider = APART.replace("EPS", "1e-6").replace("size=32", "size=64")
    code, result = compared(tmp_path, APART.replace("EPS", "1e-6"), wider, capsys)
    assert code == 1
    assert {p["relation"] for p in result["pairs"]} >= {"another size"}
    assert "hidden_size" in [d["key"] for d in result["differences"]]


def test_parts_are_told_by_what_becomes_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal shapes in another order, and a fused gate whose rows alternate, are not taken for each other."""
    other = APART.replace("EPS", "1e-6")
    swapped = other.replace("q, k, v = (f(x)", "k, v, q = (f(x)").replace(
        "(self.query, self.key, self.value)", "(self.key, self.value, self.query)"
    )
    code, result = compared(tmp_path, other, swapped, capsys)
    assert swapped != other
    assert code == 0
    assert all(pair["left"] == pair["right"] for pair in result["pairs"])
    fused = FUSED.replace("EPS", "1e-6")
    apart = "inner = x @ self.inner\n        gate, up = inner[..., ::2], inner[..., 1::2]"
    alternating = fused.replace("gate, up = (x @ self.inner).chunk(2, dim=-1)", apart)
    code, result = compared(tmp_path, fused, alternating, capsys)
    (pair,) = (pair for pair in result["pairs"] if pair["left"] == ["blocks.0.mlp.inner"])
    assert pair["relation"] == "permuted"
    assert pair["how"].startswith("gate and up rows alternate on the right")


def test_a_factor_on_one_side_names_the_weights_that_may_hold_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = APART.replace("EPS", "1e-6")
    scaled = plain.replace("words(input_ids)", "words(input_ids) * 8.0")
    assert scaled != plain
    code, result = compared(tmp_path, scaled, plain, capsys)
    (difference,) = (each for each in result["differences"] if each["key"] == "embedding.scale")
    assert difference["explanation"].endswith(
        "unless the right side has the left side's factor 8 in the embedding table's weights"
    )
    assert code == 1


def test_sizes_that_no_pairs_explain_are_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The second side's forward cannot be followed, so which parameters differ is not known.
    plain = APART.replace("EPS", "1e-5")
    (tmp_path / "one.py").write_text(plain)
    lost = plain.replace("import math\n", "import math\n\nimport faraway\n").replace("words=100", "words=101")
    (tmp_path / "two.py").write_text(
        lost.replace("x = self.words(input_ids)", "x = faraway.look(self.words(input_ids))")
    )
    code = main(["compare", str(tmp_path / "one.py"), str(tmp_path / "two.py"), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    meanings = {each["key"]: each["meaning"] for each in document["differences"]}
    assert document["pairing"]
    assert (code, document["agrees"], meanings["parameters.total"]) == (1, False, "result")
