"""What the drawing says about hand-built trees."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

import fixtures
import fixtures_models

from specdiff.graph.architecture import Architecture, architecture
from specdiff.graph.blocks import Block
from specdiff.graph.boxes import Box, Kind
from specdiff.graph.flow import Fork, Place, boxes_of, places
from specdiff.results import ClassResult, Status


def _drawn(code: ClassResult) -> Architecture:
    assert code.tree is not None
    return architecture(code.name, code.tree, code.sheet)


def _block(drawing: Architecture, column: int = -1) -> Block:
    return next(stage for stage in drawing.columns[column].stages if isinstance(stage, Block))


def _places(block: Block) -> list[Place]:
    """What stands along the block, norms left out."""
    (way,) = block.ways
    return [place for place in places(way.flow) if place.box.kind is not Kind.NORM]


def _kinds(block: Block) -> list[list[Kind]]:
    """Kinds of the boxes of each residual step, in the order of the data."""
    (way,) = block.ways
    assert way.known and all(isinstance(each, Fork) and each.join == "+" and each.past for each in way.flow)
    return [[box.kind for box in boxes_of((each,))] for each in way.flow]


def _around(drawing: Architecture, column: int = -1) -> list[str]:
    return [stage.title for stage in drawing.columns[column].stages if isinstance(stage, Box)]


def test_gpt_oss() -> None:
    drawing = _drawn(fixtures.gpt_oss())
    block = _block(drawing)
    assert (block.count, block.pattern[:2]) == (36, ("sliding", "full"))
    assert _kinds(block) == [[Kind.NORM, Kind.ATTENTION], [Kind.NORM, Kind.MOE]]
    assert _around(drawing) == ["Token embedding", "RMSNorm", "Output head"]
    product = next(box for box in drawing.boxes() if box.id.endswith(".product"))
    assert product.lines == ("window 128 in 18 of 36 layers", "learned sink per head")


def test_layers_that_differ_share_a_block() -> None:
    block = _block(_drawn(fixtures_models.latent()))
    assert block.count == 61
    attention, feeding = _places(block)
    assert len(attention.alternatives) == 1
    assert [(each.box.kind, each.layers[0], each.layers[-1]) for each in feeding.alternatives] == [
        (Kind.MLP, 0, 2),
        (Kind.MOE, 3, 60),
    ]


def test_interleaved_layers() -> None:
    block = _block(_drawn(fixtures_models.hybrid()))
    mixing = _places(block)[0].alternatives
    assert [len(each.layers) for each in mixing] == [36, 12]
    assert [each.box.kind for each in mixing] == [Kind.MIXER, Kind.ATTENTION]


def test_norm_places_come_from_facts() -> None:
    assert _kinds(_block(_drawn(fixtures_models.sandwich()))) == [
        [Kind.NORM, Kind.ATTENTION, Kind.NORM],
        [Kind.NORM, Kind.MLP, Kind.NORM],
    ]


def test_what_nothing_says_the_connections_of_has_none() -> None:
    (way,) = _block(_drawn(fixtures_models.dense_without_facts())).ways
    assert not way.known
    assert all(isinstance(each, Place) for each in way.flow)


def test_encoder_decoder() -> None:
    drawing = _drawn(fixtures_models.encoder_decoder())
    assert [column.title for column in drawing.columns] == ["encoder", "decoder"]
    assert [place.box.kind for place in _places(_block(drawing))] == [Kind.ATTENTION, Kind.CROSS, Kind.MLP]
    assert drawing.links[0].to_block


def test_a_tower_without_facts_borrows_none() -> None:
    code = fixtures_models.encoder_decoder()
    own = {key: fact for key, fact in code.sheet.facts.items() if not key.startswith("encoder.")}
    drawing = _drawn(replace(code, sheet=replace(code.sheet, facts=own)))
    (encoder, decoder) = (_places(_block(drawing, column))[0].box for column in (0, 1))
    assert (encoder.title, decoder.title) == ("Attention", "Multi-head attention")
    assert [_block(drawing, column).ways[0].known for column in (0, 1)] == [False, True]


def test_tower_and_projector() -> None:
    drawing = _drawn(fixtures_models.tower())
    assert [column.title for column in drawing.columns] == ["vision tower", "language model"]
    assert _around(drawing, 0)[-1] == "MultiModalProjector"
    assert not drawing.links[0].to_block


def test_unknown_parts_are_plain_boxes() -> None:
    drawing = _drawn(fixtures_models.unknown())
    assert [(box.kind, box.title) for box in drawing.boxes()] == [(Kind.MODULE, "Thing"), (Kind.MODULE, "Linear")]


def test_statuses() -> None:
    code = fixtures.gpt_oss()
    assert code.tree is not None
    statuses = {"moe.experts_per_token": Status.MISMATCH, "attention.heads": Status.MATCH}
    drawing = architecture(code.name, code.tree, code.sheet, statuses)
    found = {box.id.rpartition(".")[2]: box.status for box in drawing.boxes()}
    assert found["router"] is Status.MISMATCH
    assert found["q"] is Status.MATCH
    assert found["v"] is None
