"""Classes of a renamed model file find their partners by what follows the model's own name."""

from __future__ import annotations

from typing import Any

import pytest

from specdiff.review.differ import pairs


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("ToyModel ToyMLP", "TinyModel TinyMLP", "ToyModel-TinyModel ToyMLP-TinyMLP", id="all renamed"),
        pytest.param("ToyModel ToyMLP", "TinyModel TinyAttention", "ToyModel-TinyModel TinyAttention+ ToyMLP-", id="one of another kind, whose letter ends what the names share"),
        pytest.param("ToyModel", "TinyModel", "ToyModel-TinyModel", id="one class alone"),
        pytest.param("GPT2Model GPT2MLP", "GPT3Model GPT3MLP", "GPT2Model-GPT3Model GPT2MLP-GPT3MLP", id="digits"),
    ],
)  # fmt: skip
def test_partners(before: str, after: str, expected: str) -> None:
    sides: list[dict[str, Any]] = [{name: name for name in side.split()} for side in (before, after)]
    found = [
        f"{one}-{two}" if one and two else f"{two}+" if two else f"{one}-" for one, two in pairs(*sides, renamed=True)
    ]
    assert sorted(found) == sorted(expected.split())
