"""Drawn layers are connected as their ``forward`` connects them."""

from pathlib import Path

import pytest

import specdiff
from specdiff.graph.architecture import Architecture
from specdiff.graph.blocks import Block
from specdiff.graph.flow import Flow, Fork, Place, Tangle
from specdiff.report.diagram import drawn

CASES = Path(__file__).parent.parent / "cases" / "wiring"


def _words(flow: Flow) -> str:
    """`(norm attn | .)+`: ways between bars, the value itself as a point, the operation behind them."""
    found = []
    for each in flow:
        match each:
            case Place():
                boxes = " / ".join(item.box.id.rpartition("*.")[2] for item in each.alternatives)
                found.append(boxes + "".join(f" < {read.words} >" for read in each.reads))
            case Fork():
                ways = " | ".join(_words(way) or "." for way in each.ways)
                found.append((f"({ways})" if ways else "") + each.join + "".join(f" < {read} >" for read in each.reads))
            case Tangle():
                found.append(f"[{_words(each.items)}; {each.edges}]")
    return " ".join(found)


def _block(drawing: Architecture) -> Block:
    return next(stage for column in drawing.columns for stage in column.stages if isinstance(stage, Block))


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.py")))
def test_layers_are_connected_as_forward_says(case: str, tmp_path: Path) -> None:
    source = (CASES / f"{case}.py").read_text(encoding="utf-8")
    path = tmp_path / "modeling_case.py"
    path.write_text(source, encoding="utf-8")
    (result,) = specdiff.inspect(str(path))
    (way,) = _block(drawn(result)).ways
    said = _words(way.flow) if way.known else "not known: " + _words(way.flow).replace(" ", ", ")
    said += "".join(f"; not called: {name}" for name in way.left_out)
    assert said == source.splitlines()[0].removeprefix("# flow: ")
