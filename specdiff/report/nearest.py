"""The closest architectures as text: models first, then class by class what could be inherited and what differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from math import isclose
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.text import Text

from specdiff import vocab
from specdiff.compare.model import Difference, Meaning
from specdiff.facts import Value
from specdiff.report import terminal, wording

if TYPE_CHECKING:
    from specdiff.compare.likeness import Likeness

SCHEMA = "specdiff/nearest/1"
_MOST = 16


def said_of(differences: tuple[Difference, ...]) -> int:
    """How many things `in_short` says of differences."""
    return sum(line.count(", ") for line in in_short("", differences))


def render(result: Any, differences: tuple[Difference, ...], style: str, color: bool, by_facts: str = "") -> str:
    """The neighbours as ``terminal`` or ``json`` text.

    Args:
        result: A `nearest.Nearest`.
        differences: Facts in which the target and the closest model differ.
        style: The format.
        color: Whether the terminal's text may have colours.
        by_facts: The file that is closest by what is computed, where nothing is written alike; the differences are from it.
    """
    file = by_facts or (result.models[0][0] if result.models else "")
    model = file.partition("/")[0]
    if style == "json":
        return json.dumps(_document(result, differences, model, by_facts), indent=1) + "\n"
    console = terminal.new_console(color)
    console.print(Text(f"closest to {wording.clean(result.target)}", "bold"))
    rows = [
        (f"{share:.0%}", f"{name}, {same} {'class' if same == 1 else 'classes'} the same{_made(result, name)}")
        for name, share, same in result.models
    ]
    console.print(terminal.label_table(*(rows or [("", "nothing in the library shares a method with it")])))
    if by_facts:
        console.print(Text(wording.clean(f"no model is written like it; what it computes is closest to {by_facts}")))
    for line in in_short(model, differences):
        console.print(Padding(Text(wording.clean(line)), (0, 0, 0, 2)))
    if differences:
        console.print()
        console.print(Text(f"facts that differ from {file} ({len(differences)})", "bold"))
        for each in differences[:_MOST]:
            left = "none" if each.left.value is None else wording.value(each.left.value, each.key)
            right = "none" if each.right.value is None else wording.value(each.right.value, each.key)
            console.print(Padding(Text(wording.clean(f"{each.key}: {left}, there {right}")), (0, 0, 0, 2)))
    console.print()
    console.print(Text("class by class", "bold"))
    for near in result.classes:
        console.print(Padding(Text(wording.clean(_line(near))), (0, 0, 0, 2)))
    return terminal.console_text(console)


def _made(result: Any, file: str) -> str:
    origin = result.made_from.get(file, "")
    return f"; made from {origin.partition('/')[0]}" if origin else ""


_SHORT = ("attention", "position", "rope", "norm", "residual", "mlp", "moe", "ssm", "linear_attention", "layers")
_A_GROUP = 3
"""Lacking parts of one thing (`mla.kv_rank`, `mla.q_rank` …) that are told as that thing."""
_SILENT = (Meaning.TRAINING, Meaning.LIMIT, Meaning.NUMERICS)


def in_short(model: str, differences: tuple[Difference, ...]) -> Iterator[str]:
    """One line per part: what it is without, what it has in addition, and what has another value there.

    `attention of qwen3, without qk_norm, plus sinks`; sizes follow from the configuration and are left out.
    """
    groups: dict[str, list[Difference]] = {}
    followed = {each.key for each in differences if _follows(each, differences)}
    for each in differences:
        group, _, rest = vocab.split_tower(each.key)[1].partition(".")
        if group in _SHORT and rest and each.meaning not in _SILENT and each.key not in followed and not _is_size(each):
            groups.setdefault(group, []).append(each)
    for group in sorted(groups, key=_SHORT.index):
        lacks, adds, other = [], [], []
        keys = {each.key for each in groups[group]}
        for each in groups[group]:
            if any(each.key.startswith(f"{key}.") for key in keys) or _kind_of(each.key, keys):
                continue  # what a part is like follows where the part itself is told
            name = each.key.rpartition(f"{group}.")[2]
            own, there = (_nothing(each.key, side.value) for side in (each.left, each.right))
            if own and not there:
                if not name.endswith("size"):
                    lacks.append(name)
            elif there and not own:
                adds.append((name, "" if each.left.value is True else wording.value(each.left.value, each.key)))
            elif not own:
                mine, theirs = (wording.value(side.value, each.key) for side in (each.left, each.right))
                other.append((name, f"{mine} instead of {theirs}"))
        kinds = {name: sum(each.startswith(name.partition(".")[0] + ".") for each in lacks) for name in lacks}
        lacks = list(dict.fromkeys(name if kinds[name] < _A_GROUP else name.partition(".")[0] for name in lacks))
        said = [f"without {', '.join(_joined((name, '') for name in lacks))}"] * bool(lacks)
        said += [f"plus {', '.join(_joined(adds))}"] * bool(adds) + list(_joined(other))
        if said:
            yield f"{group.replace('_', ' ')} of {model}, {', '.join(said)}"


def _kind_of(key: str, told: set[str]) -> bool:
    """Whether what kind of thing it is about is told beside it (`rope.scaling.factor` beside `rope.scaling.type`)."""
    parent, _, name = key.rpartition(".")
    return parent.count(".") > 0 and name not in _KINDS and any(f"{parent}.{kind}" in told for kind in _KINDS)


_KINDS = ("kind", "type")


def _joined(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    """`bias.k`, `bias.q` and `bias.v` of the same value in one: `bias of k, q, v`."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, value in items:
        parent, _, last = name.rpartition(".")
        kind = last in _KINDS
        groups.setdefault((parent if not kind else "", value), []).append(
            last if parent and not kind else (parent or name)
        )
    for (parent, value), names in groups.items():
        if parent and len(names) > 1:
            yield f"{parent} of {_listed(names)}{f' {value}' if value else ''}"
        else:
            yield from (f"{f'{parent}.' if parent else ''}{name}{f' {value}' if value else ''}" for name in names)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _follows(each: Difference, differences: tuple[Difference, ...]) -> bool:
    """Whether a difference follows from another size: both scale scores by one over the root of their heads' size."""
    if not each.key.endswith("attention.scale"):
        return False
    sizes = next((other for other in differences if other.key == each.key.replace(".scale", ".head_dim")), None)
    if sizes is None:
        return False
    pairs = [(each.left.value, sizes.left.value), (each.right.value, sizes.right.value)]
    return all(
        isinstance(scale, int | float) and type(size) is int and size > 0 and isclose(scale, size**-0.5, rel_tol=1e-5)
        for scale, size in pairs
    )


def _nothing(key: str, value: Value) -> bool:
    entry = vocab.find(key)
    return value in (None, False, (), "none") or (entry is not None and vocab.is_neutral(entry, value))


def _is_size(each: Difference) -> bool:
    """Whether two values are just two sizes of one thing: numbers, or one kind for all of however many layers."""
    one, other = each.left.value, each.right.value
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) != len(other):
        same = len(set(map(repr, one))) == 1 and set(map(repr, one)) == set(map(repr, other))
        every = one == tuple(range(len(one))) and other == tuple(range(len(other)))
        return same or every
    return type(one) is int and type(other) is int


def _line(near: Any) -> str:
    if near.alike is None:
        return f"{near.name}: new"
    where = f"{near.other} ({near.file}:{near.other_line})"
    if near.alike.share == 1.0:
        more = f", as {len(near.equals)} others are" if near.equals else ""
        return f"{near.name}: the same as {where}{more}"
    return f"{near.name}: {near.alike.share:.0%} of {where}; {', '.join(differs(near.alike))}"


def differs(alike: Likeness) -> Iterator[str]:
    """In which members a class differs from the one it is nearest to."""
    if alike.other:
        yield f"differs in {', '.join(alike.other)}"
    if alike.mine:
        yield f"adds {', '.join(alike.mine)}"
    if alike.theirs:
        yield f"lacks {', '.join(alike.theirs)}"
    if not (alike.other or alike.mine or alike.theirs):
        yield "extends another base"


def _document(result: Any, differences: tuple[Difference, ...], model: str, by_facts: str) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "target": result.target,
        "models": [
            {"file": file, "share": round(share, 4), "same_classes": same} for file, share, same in result.models
        ],
        "by_facts": by_facts,
        "in_short": list(in_short(model, differences)),
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
