"""What the drawing says about hand-built trees."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

import fixtures
import fixtures_models

from specdiff.graph.architecture import Architecture, Block, architecture
from specdiff.graph.boxes import Box, Kind
from specdiff.results import ClassResult, Status


def _drawn(code: ClassResult) -> Architecture:
    assert code.tree is not None
    return architecture(code.name, code.tree, code.sheet)


def _block(drawing: Architecture, column: int = -1) -> Block:
    return next(stage for stage in drawing.columns[column].stages if isinstance(stage, Block))


def _around(drawing: Architecture, column: int = -1) -> list[str]:
    return [stage.title for stage in drawing.columns[column].stages if isinstance(stage, Box)]


def test_gpt_oss() -> None:
    drawing = _drawn(fixtures.gpt_oss())
    block = _block(drawing)
    assert (block.count, block.assumed, block.pattern[:2]) == (36, False, ("sliding", "full"))
    assert [sublayer.core[0].box.kind for sublayer in block.sublayers] == [Kind.ATTENTION, Kind.MOE]
    assert all(sublayer.before is not None for sublayer in block.sublayers)
    assert _around(drawing) == ["Token embedding", "RMSNorm", "Output head"]
    product = next(box for box in drawing.boxes() if box.id.endswith(".product"))
    assert product.lines == ("window 128 in 18 of 36 layers", "learned sink per head")


def test_layers_that_differ_share_a_block() -> None:
    block = _block(_drawn(fixtures_models.latent()))
    assert block.count == 61
    attention, feeding = block.sublayers
    assert len(attention.core) == 1
    assert [(each.box.kind, each.layers[0], each.layers[-1]) for each in feeding.core] == [
        (Kind.MLP, 0, 2),
        (Kind.MOE, 3, 60),
    ]


def test_interleaved_layers() -> None:
    block = _block(_drawn(fixtures_models.hybrid()))
    assert [len(each.layers) for each in block.sublayers[0].core] == [36, 12]
    assert [each.box.kind for each in block.sublayers[0].core] == [Kind.MIXER, Kind.ATTENTION]


def test_norm_places_come_from_facts() -> None:
    sublayers = _block(_drawn(fixtures_models.sandwich())).sublayers
    assert [each.before.id.rpartition(".")[2] for each in sublayers if each.before] == [
        "input_layernorm",
        "pre_feedforward_layernorm",
    ]
    assert all(each.after is not None for each in sublayers)
    assert _block(_drawn(fixtures_models.dense_without_facts())).assumed


def test_encoder_decoder() -> None:
    drawing = _drawn(fixtures_models.encoder_decoder())
    assert [column.title for column in drawing.columns] == ["encoder", "decoder"]
    assert [each.core[0].box.kind for each in _block(drawing).sublayers] == [Kind.ATTENTION, Kind.CROSS, Kind.MLP]
    assert drawing.links[0].to_block


def test_a_tower_without_facts_borrows_none() -> None:
    code = fixtures_models.encoder_decoder()
    own = {key: fact for key, fact in code.sheet.facts.items() if not key.startswith("encoder.")}
    drawing = _drawn(replace(code, sheet=replace(code.sheet, facts=own)))
    (encoder, decoder) = (_block(drawing, column).sublayers[0].core[0].box for column in (0, 1))
    assert (encoder.title, decoder.title) == ("Attention", "Multi-head attention")
    assert _block(drawing, 0).assumed
    assert not _block(drawing, 1).assumed


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
