"""Drawings: the same bytes for the same result, nothing overlaps that should not, every shape of model is drawn."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable

import fixtures
import fixtures_models
import pytest

from specdiff.errors import SpecdiffError
from specdiff.graph.architecture import architecture
from specdiff.report import DIAGRAM_FORMATS, layout, render_check, render_diagram
from specdiff.results import ClassResult

MODELS = (
    "dense",
    "dense_without_facts",
    "latent",
    "sandwich",
    "hybrid",
    "encoder_decoder",
    "tower",
    "unknown",
)
_MAGIC = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"digraph", "mermaid": b"flowchart"}


def _model(name: str) -> ClassResult:
    result: ClassResult = getattr(fixtures_models, name)()
    return result


@pytest.mark.parametrize("kind", DIAGRAM_FORMATS)
def test_formats(kind: str) -> None:
    assert render_diagram(fixtures.gpt_oss(), kind).startswith(_MAGIC[kind])


@pytest.mark.parametrize("name", MODELS)
def test_svg_is_deterministic(name: str) -> None:
    assert render_diagram(_model(name), "svg") == render_diagram(_model(name), "svg")


@pytest.mark.parametrize("name", MODELS)
def test_mermaid_golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.mmd", render_diagram(_model(name), "mermaid").decode())


@pytest.mark.parametrize("name", MODELS)
def test_boxes_nest_or_stay_apart(name: str) -> None:
    code = _model(name)
    assert code.tree is not None
    shapes = [
        shape
        for shape in layout.lay_out(architecture(code.name, code.tree, code.sheet)).shapes
        if shape.style != "sheet"
    ]
    for index, one in enumerate(shapes):
        for other in shapes[index + 1 :]:
            across = (one.width + other.width) / 2 - abs(one.x - other.x)
            along = (one.height + other.height) / 2 - abs(one.y - other.y)
            inside = across >= min(one.width, other.width) - 0.01 and along >= min(one.height, other.height) - 0.01
            assert across <= 0.01 or along <= 0.01 or inside, (one.id, other.id)


def test_claims_mark_boxes() -> None:
    svg = html.unescape(render_diagram(fixtures.check_problems(), "svg").decode())
    assert "router status-mismatch" in svg
    assert "part status-missing" in svg
    assert "status-" not in html.unescape(render_diagram(fixtures.gpt_oss(), "svg").decode())


def test_class_without_a_tree() -> None:
    code = fixtures.gpt_oss()
    broken = ClassResult(**{name: getattr(code, name) for name in code.__slots__} | {"tree": None})
    with pytest.raises(SpecdiffError, match="could not be built"):
        render_diagram(broken, "svg")


def test_the_page_and_the_drawing_need_no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the operations' layout does; the page goes without it."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert render_diagram(fixtures.gpt_oss(), "svg").startswith(b"<?xml")
    assert "<svg" in render_check(fixtures.check_problems(), "html")
    with pytest.raises(SpecdiffError, match="needs a `dot` program"):
        render_diagram(fixtures.gpt_oss(), "png")
