"""Drawn layers are connected as their ``forward`` connects them."""

import shutil
from pathlib import Path

import pytest

import specdiff
from specdiff.graph.architecture import Architecture
from specdiff.graph.blocks import Block
from specdiff.graph.flow import Flow, Fork, Place, Tangle
from specdiff.report.diagram import drawn

CASES = Path(__file__).parent.parent / "cases" / "wiring"


def _words(flow: Flow) -> str:
    """`(norm attn | .)+`: ways between bars, the value itself as a point, the operation behind them."""
    found = []
    for each in flow:
        match each:
            case Place():
                boxes = " / ".join(item.box.id.rpartition("*.")[2] for item in each.alternatives)
                found.append(boxes + "".join(f" < {read.words} >" for read in each.reads))
            case Fork():
                ways = " | ".join(_words(way) or "." for way in each.ways)
                found.append((f"({ways})" if ways else "") + each.join + "".join(f" < {read} >" for read in each.reads))
            case Tangle():
                found.append(f"[{_words(each.items)}; {each.edges}]")
    return " ".join(found)


def _block(drawing: Architecture) -> Block:
    return next(stage for column in drawing.columns for stage in column.stages if isinstance(stage, Block))


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.py") if path.stem != "parts"))
def test_layers_are_connected_as_forward_says(case: str) -> None:
    path = CASES / f"{case}.py"
    (result,) = specdiff.inspect(f"{path}::Model")
    (way,) = _block(drawn(result)).ways
    said = _words(way.flow) if way.known else "not known: " + _words(way.flow).replace(" ", ", ")
    said += "".join(f"; not called: {name}" for name in way.left_out)
    assert said == path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# flow: ")


TWO_STACKS = """
import torch
from parts import Attention, Network
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int, crosses: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.self_attn = Attention(width)
        if crosses:
            self.cross_attn = Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Network(width)

    def forward(self, x, other=None, bias=None):
        x = x + self.self_attn(self.norm1(x) if bias is None else self.norm1(x) * bias)
        if other is not None:
            x = x + self.cross_attn(x, other)
        return x + self.mlp(self.norm2(x))


class Stack(nn.Module):
    def __init__(self, width: int, crosses: bool) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(100, width)
        self.embed_positions = nn.Embedding(50, width)
        self.bias = nn.Embedding(100, width)
        self.layers = nn.ModuleList([Block(width, crosses) for _ in range(3)])
        self.crosses = crosses

    def forward(self, ids, other=None):
        x = self.embed_tokens(ids) + self.embed_positions(torch.arange(ids.shape[1]))
        bias = self.bias(ids) if self.crosses else None
        for layer in self.layers:
            x = layer(x, other, bias)
        return x


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Stack(64, False)
        self.decoder = Stack(64, True)
        self.lm_head = nn.Linear(64, 100)
        self.rate = nn.Linear(64, 1)

    def forward(self, input_ids, decoder_input_ids):
        x = self.decoder(decoder_input_ids, self.encoder(input_ids))
        return self.lm_head(x), self.rate(x)
"""


def test_columns_give_each_other_what_forward_passes(tmp_path: Path) -> None:
    """The decoder's layers read the encoder and a table beside their stream; tables that are added and heads stand abreast."""
    shutil.copy(CASES / "parts.py", tmp_path)
    path = tmp_path / "modeling_case.py"
    path.write_text(TWO_STACKS, encoding="utf-8")
    (result,) = specdiff.inspect(str(path))
    drawing = drawn(result)
    names = [column.id for column in drawing.columns]
    links = {(names[link.source], names[link.target], link.to_block) for link in drawing.links}
    assert links == {("encoder", "decoder", True), ("decoder.aside", "decoder", True)}
    decoder = next(column for column in drawing.columns if column.id == "decoder")
    abreast = [stage.id for stage in decoder.stages if not isinstance(stage, Block) and stage.beside]
    assert abreast == ["decoder.embed_positions", "rate"]
    assert {column.source for column in drawing.columns} == {"tokens"}
