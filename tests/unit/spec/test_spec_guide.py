"""The guide's examples load."""

from __future__ import annotations

import re
from pathlib import Path

from specdiff.spec.load import load_specs

GUIDE = Path(__file__).parents[3] / "docs" / "writing-specs.md"
HEAD = """\
specdiff: 1
name: toy
sources:
  paper: &document {title: "t", url: "https://example.org"}
  card: *document
  report: *document
  config: *document
"""


def test_examples_load(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 7
    configs = tmp_path / "configs"
    configs.mkdir()
    for size in ("7b", "70b"):
        (configs / f"toy-{size}.json").write_text("{}", encoding="utf-8")
    parent = "claims:\n  rope.scaling.type: {value: none, source: paper, where: w, quote: q}\n"
    (tmp_path / "toy-7b.yaml").write_text(HEAD + parent, encoding="utf-8")
    for number, block in enumerate(blocks):
        text = block if "specdiff: 1" in block else HEAD + _completed(block)
        path = tmp_path / f"example-{number}.yaml"
        path.write_text(text.replace("https://example.org/toy-13b", "https://example.org"), encoding="utf-8")
        assert load_specs([path])


def _completed(block: str) -> str:
    """An excerpt of claims as a whole section; an excerpt of another section with a claim beside it."""
    if block.startswith("  "):
        return "claims:\n" + block
    if block.startswith(("claims:", "variants:")):
        return block
    return "claims:\n  layers: {value: 1, source: paper, where: w, quote: q}\n" + block
