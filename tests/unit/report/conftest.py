"""Golden files for the renderers; `SPECDIFF_UPDATE=1` writes them anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_CASES = Path(__file__).resolve().parents[2] / "cases" / "report"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares text with a file of `tests/cases/report`."""

    def compare(name: str, text: str) -> None:
        path = _CASES / name
        if os.environ.get("SPECDIFF_UPDATE"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path.name} is not there; run with SPECDIFF_UPDATE=1 and read what it writes"
        assert text == path.read_text(encoding="utf-8")

    return compare
