"""Colours and ids of the drawings: light enough to print, apart in lightness as well as in hue."""

from __future__ import annotations

import re
from collections.abc import Mapping

COLOURS: Mapping[str, tuple[str, str]] = {
    "embedding": ("#fde8d3", "#c07d35"),
    "head": ("#fde8d3", "#c07d35"),
    "norm": ("#fdf6cf", "#b3a044"),
    "attention": ("#dfebfa", "#4f7fb8"),
    "cross": ("#d9ecf4", "#3f88a5"),
    "mixer": ("#eae3f7", "#7d62b3"),
    "mlp": ("#dff1e2", "#55985f"),
    "moe": ("#dff1e2", "#55985f"),
    "router": ("#fbe3e8", "#b55d72"),
    "experts": ("#ffffff", "#55985f"),
    "sheet": ("#ffffff", "#55985f"),
    "part": ("#ffffff", "#8aa3c2"),
    "conv": ("#ede7e0", "#8b7a66"),
    "module": ("#f1f2f4", "#8c939c"),
    "frame": ("#f8f9fb", "#9aa3ad"),
    "way": ("#ffffff", "#c3c9d0"),
    "add": ("#ffffff", "#4a4f57"),
    "operation": ("#ffffff", "#4a4f57"),
}
"""Fill and outline by style."""
STATUS_COLOURS: Mapping[str, str] = {
    "match": "#2e8540",
    "mismatch": "#c62828",
    "missing": "#c62828",
    "undecided": "#9a6b00",
    "same": "#b4bac2",
    "numbers": "#2b7489",
    "different": "#b34700",
    "only": "#6a3fb5",
}
LINE_COLOURS: Mapping[str, str] = {
    "flow": "#4a4f57",
    "residual": "#4a4f57",
    "route": "#7a5c3a",
}
SAME_FILL = "#f6f7f8"
"""What two drawn models share steps back behind what differs."""
MARKS: Mapping[str, str] = {
    "match": "✓",
    "mismatch": "✗",
    "missing": "✗",
    "undecided": "?",
    "numbers": "≈",
    "different": "≠",
    "only": "+",
}


def identifier(text: str) -> str:
    """A box's id in the drawing: letters, digits and `_` only: an identifier in every format."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "model"
