"""The closest architectures as text: models first, then class by class what could be inherited and what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from specdiff.compare.model import Difference
from specdiff.report import terminal, wording

if TYPE_CHECKING:
    from specdiff.compare.likeness import Likeness

SCHEMA = "specdiff/nearest/1"
_MOST = 16


def render(result: Any, differences: tuple[Difference, ...], style: str, color: bool) -> str:
    """The neighbours as ``terminal`` or ``json`` text.

    Args:
        result: A `nearest.Nearest`.
        differences: Facts in which the target and the closest model differ.
        style: The format.
        color: Whether the terminal's text may have colours.
    """
    if style == "json":
        return json.dumps(_document(result, differences), indent=1) + "\n"
    console = terminal.new_console(color)
    console.print(Text(f"closest to {wording.clean(result.target)}", "bold"))
    rows = [(f"{share:.0%}", f"{file}, {same} classes the same") for file, share, same in result.models]
    console.print(terminal.label_table(*(rows or [("", "nothing in the library shares a method with it")])))
    if differences:
        console.print()
        console.print(Text(f"facts that differ from {result.models[0][0]} ({len(differences)})", "bold"))
        for each in differences[:_MOST]:
            left = "none" if each.left.value is None else wording.value(each.left.value, each.key)
            right = "none" if each.right.value is None else wording.value(each.right.value, each.key)
            console.print(Padding(Text(wording.clean(f"{each.key}: {left}, there {right}")), (0, 0, 0, 2)))
    console.print()
    console.print(Text("class by class", "bold"))
    for near in result.classes:
        console.print(Padding(Text(wording.clean(_line(near))), (0, 0, 0, 2)))
    return terminal.console_text(console)


def _line(near: Any) -> str:
    if near.alike is None:
        return f"{near.name}: new"
    where = f"{near.other} ({near.file}:{near.other_line})"
    if near.alike.share == 1.0:
        more = f", as {len(near.equals)} others are" if near.equals else ""
        return f"{near.name}: the same as {where}{more}"
    return f"{near.name}: {near.alike.share:.0%} of {where}; {', '.join(_differs(near.alike))}"


def _differs(alike: Likeness) -> Iterator[str]:
    if alike.other:
        yield f"differs in {', '.join(alike.other)}"
    if alike.mine:
        yield f"adds {', '.join(alike.mine)}"
    if alike.theirs:
        yield f"lacks {', '.join(alike.theirs)}"
    if not (alike.other or alike.mine or alike.theirs):
        yield "extends another base"


def _document(result: Any, differences: tuple[Difference, ...]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "target": result.target,
        "models": [
            {"file": file, "share": round(share, 4), "same_classes": same} for file, share, same in result.models
        ],
        "differences": [each.key for each in differences],
        "classes": [
            {
                "class": near.name,
                "line": near.line,
                "nearest": {"file": near.file, "class": near.other, "line": near.other_line} if near.alike else None,
                "share": round(near.alike.share, 4) if near.alike else 0.0,
                "same": list(near.alike.same) if near.alike else [],
                "differs": list(near.alike.other) if near.alike else [],
                "adds": list(near.alike.mine) if near.alike else [],
                "lacks": list(near.alike.theirs) if near.alike else [],
                "equals": list(near.equals),
            }
            for near in result.classes
        ],
    }
