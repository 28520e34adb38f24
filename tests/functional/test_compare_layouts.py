"""`compare` on models whose layers are numbered, nested and fused otherwise, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specdiff.cli import main

STAGES = """\
import torch
from torch import nn


class Unit(nn.Module):
    def __init__(self, inner, outer, size=3):
        super().__init__()
        self.filter = nn.Conv2d(inner, outer, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(outer)

    def forward(self, x):
        return self.norm(self.filter(x))


class Block(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.shortcut = Unit(inner, outer, 1) if inner != outer else nn.Identity()
        self.layer = nn.Sequential(Unit(inner, outer), nn.ReLU(), Unit(outer, outer))

    def forward(self, x):
        return torch.relu(self.layer(x) + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, widths=(8, 16, 16), depth=2):
        super().__init__()
        self.stages = nn.ModuleList()
        for inner, outer in zip(widths, widths[1:]):
            self.stages.append(nn.Sequential(*[Block(inner if i == 0 else outer, outer) for i in range(depth)]))
        self.stem = Unit(3, widths[0])
        self.head = nn.Linear(widths[-1], 10)

    def forward(self, pixel_values):
        x = self.stem(pixel_values)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((-2, -1)))
"""
FLAT = """\
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.down = None
        if inner != outer:
            self.down = nn.Sequential(nn.Conv2d(inner, outer, 1, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (x if self.down is None else self.down(x))).relu()


class Net(nn.Module):
    def __init__(self, widths=(8, 16, 16), depth=2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = nn.Sequential(*[Block(widths[0] if i == 0 else widths[1], widths[1]) for i in range(depth)])
        self.layer2 = nn.Sequential(*[Block(widths[1], widths[2]) for i in range(depth)])
        self.fc = nn.Linear(widths[-1], 10)

    def forward(self, pixel_values):
        x = self.layer2(self.layer1(self.bn1(self.conv1(pixel_values))))
        return self.fc(x.mean((-2, -1)))
"""
BLOCK = """\
import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, words=100, size=32, layers=2):
        super().__init__()
        self.words = nn.Embedding(words, size)
        self.blocks = nn.ModuleList([Block(size, 4) for _ in range(layers)])
        self.head = nn.Linear(size, words, bias=False)

    def forward(self, input_ids):
        x = self.words(input_ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)

"""
SPLIT = """
class Block(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(size)
        self.q, self.k, self.v, self.o = (nn.Linear(size, size) for _ in range(4))
        self.up, self.act, self.down = nn.Linear(size, 64), nn.GELU(), nn.Linear(64, size)

    def forward(self, x):
        y = self.norm(x)
        q, k, v = (f(y).view(*y.shape[:2], self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(y.shape)
        x = x + self.o(y)
        return x + self.down(self.act(self.up(x)))
"""
WHOLE = """
class Block(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attn = nn.MultiheadAttention(size, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(size, 64), nn.GELU(), nn.Linear(64, size))

    def forward(self, x):
        y = self.norm(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(x)
"""


def compared(folder: Path, capsys: pytest.CaptureFixture[str], left: str, right: str) -> dict[str, object]:
    for name, text in (("one.py", left), ("other.py", right)):
        (folder / name).write_text(text)
    main(["compare", str(folder / "one.py"), str(folder / "other.py"), "--format", "json"])
    return json.loads(capsys.readouterr().out)


def test_stages_of_blocks_are_paired_with_blocks_that_are_numbered_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(tmp_path, capsys, STAGES, FLAT)
    pairs = {name: pair["right"] for pair in found["pairs"] for name in pair["left"]}
    assert not found["left_only"]
    assert not found["right_only"]
    assert {pair["relation"] for pair in found["pairs"]} == {"same"}
    assert pairs["stages.0.0.shortcut.filter.weight"] == ["layer1.0.down.0.weight"]
    assert pairs["stages.0.0.shortcut.norm.bias"] == ["layer1.0.down.1.bias"]
    assert pairs["stages.1.1.layer.2.norm.weight"] == ["layer2.1.bn2.weight"]
    assert pairs["stem.norm.bias"] == ["bn1.bias"]


def test_a_weight_that_is_cut_before_it_is_multiplied_with_plays_all_its_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(tmp_path, capsys, BLOCK + SPLIT, BLOCK + WHOLE)
    fused = {pair["right"][0]: pair["left"] for pair in found["pairs"] if pair["relation"] == "fused"}
    for number in (0, 1):
        for kind in ("weight", "bias"):
            parts = [f"blocks.{number}.{part}.{kind}" for part in "qkv"]
            assert fused[f"blocks.{number}.attn.in_proj_{kind}"] == parts
    assert not found["left_only"]
    # A network in an `nn.Sequential` of the block is part of the block: nothing is told of layers that one side lacks.
    assert {each["where"] for each in found["differences"] if each["key"] == "operations"} <= {"in blocks.*{0-1}"}


APART = """
class Block(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(size, size) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(size, 64), nn.Linear(size, 64), nn.Linear(64, size)

    def forward(self, x):
        q, k, v = (f(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))
        return x + self.down(F.silu(self.gate(x)) * self.up(x))
"""
TOGETHER = """
class Block(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.o = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.one, self.two = nn.Linear(size, 128), nn.Linear(64, size)

    def forward(self, x):
        q, k, v = CUT
        q, k, v = (each.transpose(1, 2) for each in (q, k, v))
        x = x + self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))
        up, gate = self.one(x).chunk(2, -1)
        return x + self.two(F.silu(gate) * up)
"""
PER_HEAD = "self.qkv(x).view(*x.shape[:2], self.heads, -1).chunk(3, -1)"
VALUES_FIRST = "reversed(self.qkv(x).view(*x.shape[:2], 3, self.heads, -1).unbind(2))"


@pytest.mark.parametrize(
    ("cut", "parts", "how"),
    [
        (PER_HEAD, "qkv", "rows 8 + 8 + 8 of 96×32 in each of 4 groups"),
        (VALUES_FIRST, "vkq", "rows 32 + 32 + 32 of 96×32"),
    ],
)
def test_rows_of_a_fused_weight_are_told_where_they_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cut: str, parts: str, how: str
) -> None:
    found = compared(tmp_path, capsys, BLOCK + APART, BLOCK + TOGETHER.replace("CUT", cut))
    pairs = {pair["right"][0]: pair for pair in found["pairs"]}
    assert pairs["blocks.1.qkv.weight"]["left"] == [f"blocks.1.{part}.weight" for part in parts]
    assert pairs["blocks.1.qkv.weight"]["how"] == how
    assert pairs["blocks.1.one.weight"]["left"] == ["blocks.1.up.weight", "blocks.1.gate.weight"]
    # Carried over so, they are worked out to come to the same.
    assert {each["meaning"] for each in found["differences"]} <= {"written", "layout"}
    assert found["proven"]


def test_two_fused_weights_whose_parts_stand_otherwise_are_permuted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = [BLOCK + TOGETHER.replace("CUT", cut) for cut in (PER_HEAD, VALUES_FIRST)]
    found = compared(tmp_path, capsys, *sides)
    pairs = {pair["right"][0]: (pair["relation"], pair["how"]) for pair in found["pairs"]}
    assert pairs["blocks.0.qkv.weight"] == (
        "permuted",
        (
            "rows stand otherwise: 8 of query, 8 of key, 8 of value in each of 4 groups on the left, "
            "32 of value, 32 of key, 32 of query on the right"
        ),
    )
    assert pairs["blocks.0.one.weight"] == ("same", "")


FLIPPED = BLOCK.replace("return self.head(x)", "return self.head(x.transpose(0, 1))").replace(
    "x = self.words(input_ids)", "x = self.words(input_ids).transpose(0, 1)"
)
OWN_WAY = """
class Block(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(size, size) for _ in range(4))
        self.gate, self.up, self.down = nn.Linear(size, 64), nn.Linear(size, 64), nn.Linear(64, size)

    def forward(self, x):
        length, batch, size = x.shape
        q, k, v = (
            f(x).reshape(length, batch * self.heads, -1).permute(1, 0, 2) for f in (self.q, self.k, self.v)
        )
        weights = torch.bmm(q * (size // self.heads) ** -0.5, k.permute(0, 2, 1)).softmax(-1)
        x = x + self.o(torch.bmm(weights, v).permute(1, 0, 2).reshape(length, batch, size))
        gate, up = (F.linear(x, f.weight) + f.bias for f in (self.gate, self.up))
        return x + self.down(gate * torch.sigmoid(gate) * up)
"""


def test_another_order_of_axes_alone_changes_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Pooling is not worked out, so that what the layers make of the other order is not known.
    sides = [
        text.replace("return x + self.down(", "return x + F.avg_pool1d(x, 1) + self.down(") for text in (APART, OWN_WAY)
    ]
    found = compared(tmp_path, capsys, BLOCK + sides[0], FLIPPED + sides[1])
    assert not found["left_only"] + found["right_only"]
    assert "result" not in {each["meaning"] for each in found["differences"]}
    moved = [each for each in found["differences"] if "the elements stand otherwise" in each["explanation"]]
    assert {(each["meaning"], each["where"]) for each in moved} == {("unknown", "outside of layers")}


def test_keys_joined_to_a_cache_that_nothing_is_in_are_the_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    joined = APART.replace(
        "        x = x + self.o(", "        k = torch.cat((torch.tensor([]), k), dim=-2)\n        x = x + self.o("
    )
    assert joined != APART
    found = compared(tmp_path, capsys, BLOCK + APART, BLOCK + joined)
    assert found["proven"]
