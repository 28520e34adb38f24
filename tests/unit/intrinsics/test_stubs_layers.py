"""The library stubs build torch's layers with torch's parameter names, order, shapes and error words.

Each row of ``tests/cases/stubs/*.json`` is the body of a module's ``__init__`` with what torch 2.13 made of it:
``parameters`` (``named_parameters(remove_duplicate=False)``) or the ``error`` it raised.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from specdiff import api
from specdiff.options import Options

CASES = Path(__file__).parents[2] / "cases" / "stubs"
HEADER = """import torch
from collections import OrderedDict
from torch import nn
from torch.nn.utils import parametrizations, parametrize, remove_weight_norm, skip_init, spectral_norm, weight_norm
"""


def source(rows: list[dict[str, Any]]) -> str:
    """One model file with a class ``M<index>`` for each row."""
    parts = [HEADER]
    for index, row in enumerate(rows):
        body = "".join(f"        {line}\n" for line in row["body"])
        parts.append(f"class M{index}(nn.Module):\n    def __init__(self):\n        super().__init__()\n{body}")
    return "\n\n".join(parts)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_layers_as_torch_builds_them(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of a file, built by the interpreter."""
    monkeypatch.setenv("SPECDIFF_CACHE_DIR", str(tmp_path / "cache"))
    rows = json.loads(path.read_text())
    file = tmp_path / f"modeling_{path.stem}.py"
    file.write_text(source(rows))
    names = tuple(f"M{index}" for index in range(len(rows)))
    results = {result.name: result for result in api.inspect(str(file), Options(classes=names))}
    assert sorted(results) == sorted(names)
    for name, row in zip(names, rows, strict=True):
        result = results[name]
        if "error" in row:
            assert result.tree is None, row["body"]
            assert [finding.message for finding in result.findings if finding.id.startswith("build.")][:1] == [
                row["error"]
            ], row["body"]
        else:
            assert [finding.message for finding in result.findings if finding.id.startswith("build.")] == [], row[
                "body"
            ]
            assert [[key, list(shape)] for key, shape in result.parameters.items()] == row["parameters"], row["body"]
