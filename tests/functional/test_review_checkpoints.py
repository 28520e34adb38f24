"""`specdiff review` and the published checkpoint of a changed model: whether it fits, and what is said where none is known."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from test_review import FILE, MODELING, SPEC, TOY, commit, repository, reviewed

from specdiff.cli import main

HIDDEN = 8
SIZES = {"models/toy/config.json": json.dumps({"model_type": "toy", "architectures": ["ToyModel"], "hidden": HIDDEN})}
RENAMED = {FILE: MODELING.replace("self.out", "self.o_proj")}
HARMLESS = {FILE: MODELING.replace("1e-6", "1e-5")}


def published() -> bytes:
    """What ToyModel's publisher stores, as a safetensors file."""
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (16, HIDDEN), "head.weight": (16, HIDDEN)}
    for layer in range(2):
        parts = {"qkv.weight": (24, 8), "out.weight": (8, 8), "before.weight": (8,), "up.weight": (32, 8), "up.bias": (32,),
                 "down.weight": (8, 32), "down.bias": (8,), "norm.weight": (8,)}  # fmt: skip
        shapes |= {f"blocks.{layer}.{name}": shape for name, shape in parts.items()}
    return save({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def header() -> bytes:
    """The first kilobytes of the file: its header."""
    whole = published()
    return whole[: 8 + struct.unpack("<Q", whole[:8])[0]]


def index() -> bytes:
    names = [name for name in json.loads(header()[8:]) if name != "__metadata__"]
    return json.dumps({"weight_map": dict.fromkeys(names, "model.safetensors")}).encode()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9999\n"
TABLE = {"pyproject.toml": '[tool.specdiff.checkpoints]\ntoy = "published"\n'}
TABLE_CONFIG = {"published/config.json": next(iter(SIZES.values()))}
BESIDE, ELSEWHERE = "models/toy/model.safetensors", "published/model.safetensors"
FILLED = "18 of 18 parameters filled."


@pytest.mark.parametrize(
    ("base", "stored", "head", "code", "told"),
    [
        pytest.param(SIZES, {BESIDE: published()}, HARMLESS, 0,
                     f"The checkpoint models/toy fits ToyModel of modeling_toy.py: {FILLED}", id="beside the code"),
        pytest.param(SIZES, {BESIDE: published()}, RENAMED, 1,
                     "does not fit ToyModel of modeling_toy.py: 16 of 18 parameters filled; it did before this change.", id="no longer"),
        pytest.param({**SIZES, **RENAMED}, {BESIDE: published()}, {FILE: RENAMED[FILE].replace("1e-6", "1e-5")}, 0,
                     "nor did it before this change.", id="neither before nor after"),
        pytest.param({**TABLE, **TABLE_CONFIG}, {ELSEWHERE: published()}, HARMLESS, 0,
                     f"The checkpoint published fits ToyModel of modeling_toy.py: {FILLED}", id="where pyproject.toml says"),
        pytest.param(SIZES, {BESIDE: header()}, RENAMED, 1, "missing: blocks.{0-1}.o_proj.weight (2): the code builds 8×8", id="a header alone"),
        pytest.param(SIZES, {"models/toy/model.safetensors.index.json": index()}, RENAMED, 1, "unexpected: blocks.{0-1}.out.weight (2)", id="an index alone"),
        pytest.param(SIZES, {"models/toy/model.safetensors.index.json": index(), BESIDE: POINTER}, HARMLESS, 0, FILLED, id="shards that Git LFS keeps"),
        pytest.param({"toy.yaml": SPEC}, {BESIDE: published()}, HARMLESS, 0, FILLED, id="sizes from a spec"),
        pytest.param({}, {BESIDE: published()}, HARMLESS, 0,
                     "neither a config.json beside it nor a spec of the repository says the published sizes.", id="no sizes"),
        pytest.param(SIZES, {}, HARMLESS, 0, "Whether the published checkpoint fits is not known for modeling_toy.py: no checkpoint, index or header lies", id="no checkpoint"),
        pytest.param(TABLE, {}, HARMLESS, 0, "Whether the checkpoint published fits is not known for modeling_toy.py: no such checkpoint", id="named and not there"),
    ],
)  # fmt: skip
def test_whether_the_published_checkpoint_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], base: dict[str, str], stored: dict[str, bytes],
    head: dict[str, str], code: int, told: str,
) -> None:  # fmt: skip
    folder = repository(tmp_path, TOY | base)
    for name, data in stored.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    commit(folder, dict(head))
    result = main(["review", "HEAD~1..HEAD", "--repository", str(folder), "--jobs", "1"])
    page = " ".join(capsys.readouterr().out.split())
    assert told in page
    assert result == code


def test_an_option_goes_before_what_lies_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = repository(tmp_path, TOY | SIZES)
    commit(folder, dict(HARMLESS))
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "model.safetensors").write_bytes(header())
    (place / "config.json").write_text(next(iter(SIZES.values())))
    code, document = reviewed(capsys, folder, "HEAD~1..HEAD", "--checkpoint", f"toy={place}")
    (fit,) = document["checkpoints"]
    assert (code, fit["fits"], fit["parameters"], fit["filled"]) == (0, True, 18, 18)
    _, other = reviewed(capsys, folder, "HEAD~1..HEAD", "--checkpoint", f"another={place}")
    assert other["checkpoints"][0]["fits"] is None


@pytest.mark.parametrize("place", ['"../outside"', '"/etc"', "3"])
def test_the_table_names_places_of_the_repository_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: Any
) -> None:
    folder = repository(tmp_path, TOY | {"pyproject.toml": f"[tool.specdiff.checkpoints]\ntoy = {place}\n"})
    commit(folder, dict(HARMLESS))
    assert main(["review", "HEAD~1..HEAD", "--repository", str(folder)]) == 2
    assert "a path inside the repository is wanted" in capsys.readouterr().err
