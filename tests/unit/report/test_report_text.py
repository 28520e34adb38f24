"""Text renderings, compared whole; every kind renders every kind of result, twice the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fixtures
import fixtures_models
import pytest

import specdiff.report
from specdiff.report import CHECK_FORMATS, INSPECT_FORMATS, render_check, render_inspect, render_inspect_row
from specdiff.results import ClassResult

_EXTENSIONS = {"terminal": "txt", "markdown": "md", "json": "json", "sarif": "sarif"}


@pytest.mark.parametrize("kind", _EXTENSIONS)
@pytest.mark.parametrize("name", ["check_match", "check_problems"])
def test_check_golden(name: str, kind: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.{_EXTENSIONS[kind]}", render_check(getattr(fixtures, name)(), kind))


@pytest.mark.parametrize("kind", ["terminal", "markdown"])
def test_inspect_golden(kind: str, golden: Callable[[str, str], None]) -> None:
    golden(f"inspect.{_EXTENSIONS[kind]}", render_inspect([fixtures_models.sandwich()], kind))


@pytest.mark.parametrize("kind", CHECK_FORMATS)
def test_check_is_deterministic(kind: str) -> None:
    once, again = (render_check(fixtures.check_problems(), kind) for _ in range(2))
    assert once == again
    assert "moe.experts_per_token" in once


@pytest.mark.parametrize("kind", INSPECT_FORMATS)
def test_inspect_is_deterministic(kind: str) -> None:
    once, again = (render_inspect([fixtures.gpt_oss()], kind) for _ in range(2))
    assert once == again


def test_unknown_format() -> None:
    with pytest.raises(KeyError):
        render_check(fixtures.check_match(), "xml")
    with pytest.raises(KeyError):
        render_inspect([], "xml")


def test_terminal_fits_and_has_no_colour_unless_asked() -> None:
    text = render_check(fixtures.check_problems(), "terminal")
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\x1b[" in render_check(fixtures.check_problems(), "terminal", color=True)


def test_matching_model_fits_a_screen() -> None:
    assert len(render_check(fixtures.check_match(), "terminal").splitlines()) <= 50


def test_inspect_json_keeps_torch_order() -> None:
    code = fixtures.gpt_oss()
    document = json.loads(render_inspect([code], "json"))
    row = document["classes"]["GptOssForCausalLM"]
    assert document["schema"] == "specdiff/inspect/1"
    assert list(row["parameters"]) == list(code.parameters)
    assert row["parameters"]["model.embed_tokens.weight"] == [201088, 2880]
    assert row["total_parameters"] == 116_829_156_672
    assert row["facts"]["moe.experts"]["value"] == 128
    assert row["facts"]["moe.experts"]["level"] == "used"


def test_row_has_the_same_keys_as_the_document() -> None:
    code = fixtures.gpt_oss()
    row = json.loads(render_inspect_row(code))
    document = json.loads(render_inspect([code], "json"))
    assert row.pop("schema") == "specdiff/inspect/1"
    assert row.pop("class") == code.name
    assert row == document["classes"][code.name]


def test_only_leaves_the_rest_out() -> None:
    row = json.loads(render_inspect_row(fixtures.gpt_oss(), only={"calls"}))
    assert "calls" in row
    assert "parameters" not in row


def test_classes_of_one_name_are_both_there() -> None:
    code = fixtures.gpt_oss()
    other = ClassResult(**{name: getattr(code, name) for name in code.__slots__} | {"file": "other.py"})
    assert len(json.loads(render_inspect([code, other], "json"))["classes"]) == 2


def test_renderers_load_on_demand() -> None:
    code = "import sys, specdiff.report; print([m for m in ('rich', 'jinja2', 'graphviz') if m in sys.modules])"
    root = Path(specdiff.report.__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.strip() == "[]"
