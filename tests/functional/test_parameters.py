"""Parameter trees of a dozen families of the installed transformers, chosen by hash, against what torch built."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import parameters as benchmark  # noqa: E402

VERSION = importlib.metadata.version("transformers")
TRUTH = benchmark.TRUTH / f"parameters-transformers-{VERSION}.jsonl.xz"
SLICES = 32


@pytest.mark.skipif(not TRUTH.exists(), reason=f"there is no ground truth for transformers {VERSION}")
def test_a_slice_is_exact() -> None:
    root = benchmark.transformers_folder()
    score = benchmark.Score()
    todo = list(
        benchmark.tasks(benchmark.read_truth(TRUTH), root, lambda family: benchmark.in_slice(family, SLICES), True)
    )
    assert len(todo) > 8
    for task in todo:
        score.add(benchmark.run_file(task)[1])
    assert not score.differences, "\n".join(score.differences)
    assert score.exact_classes == score.classes > 20
