"""Two drawings as one: what both models share, what differs, and what only one of them has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TypeVar

from specdiff.facts import FactSheet
from specdiff.graph.architecture import Architecture, Column, Link
from specdiff.graph.blocks import Block, Way
from specdiff.graph.boxes import Box, Kind, Standing
from specdiff.graph.flow import boxes_of, mapped, shape_of

T = TypeVar("T")

LEGEND = "grey: the same in both · ≈ other numbers · ≠ differs · + only here"
_MARK = "• "


@dataclass(frozen=True, slots=True)
class Subject:
    """One side: its drawing and what is proven about it."""

    title: str
    drawing: Architecture
    sheet: FactSheet


def contrast(left: Subject, right: Subject) -> Architecture:
    """Both models side by side; every box says how it stands to its counterpart.

    Boxes pair up by what they are and where they stand along the data, never by their attribute names.
    """
    columns: list[tuple[Column | None, Column | None]] = _paired(
        left.drawing.columns, right.drawing.columns, _column_key
    )
    pairs = [_Pairing(left.sheet, right.sheet).column(*each) for each in columns]
    sides: list[Column] = []
    links: list[Link] = []
    for side, subject in enumerate((left, right)):
        offset = len(sides)
        own = [pair[side] for pair in pairs]
        sides += [_named(column, subject.title, "AB"[side]) for column in own if column is not None]
        links += [Link(link.source + offset, link.target + offset, link.to_block) for link in subject.drawing.links]
    return Architecture(f"{left.title} | {right.title}", tuple(sides), tuple(links), LEGEND)


def _named(column: Column, title: str, side: str) -> Column:
    """The column under its model's name; ids of the two sides are kept apart."""

    def own(box: Box) -> Box:
        return replace(box, id=f"{side}.{box.id}", inside=tuple(tuple(own(each) for each in row) for row in box.inside))

    def stage(each: Box | Block) -> Box | Block:
        if isinstance(each, Box):
            return own(each)
        ways = tuple(replace(way, flow=mapped(way.flow, own)) for way in each.ways)
        return replace(each, id=f"{side}.{each.id}", ways=ways)

    words = f"{title}: {column.title}" if column.title else title
    return replace(column, id=f"{side}.{column.id}", title=words, stages=tuple(stage(each) for each in column.stages))


def _paired(left: Sequence[T], right: Sequence[T], key: Callable[[T], object]) -> list[tuple[T | None, T | None]]:
    """Counterparts in order; what stands in the same place is paired though it is another kind of thing."""
    matcher = SequenceMatcher(None, [key(each) for each in left], [key(each) for each in right], autojunk=False)
    found: list[tuple[T | None, T | None]] = []
    for _, start, end, other, stop in matcher.get_opcodes():
        both = min(end - start, stop - other)
        found += list(zip(left[start : start + both], right[other : other + both], strict=True))
        found += [(each, None) for each in left[start + both : end]]
        found += [(None, each) for each in right[other + both : stop]]
    return found


def _column_key(column: Column) -> tuple[str, bool]:
    return (column.source, bool(column.result))


def _stage_key(stage: Box | Block) -> object:
    return "block" if isinstance(stage, Block) else _box_key(stage)


_SAME_PART = {Kind.MOE: Kind.MLP, Kind.MIXER: Kind.ATTENTION}
"""A mixture of experts stands where a dense network stands; what mixes tokens stands where attention does."""


def _box_key(box: Box) -> object:
    return box.id.rpartition(".")[2] if box.kind is Kind.PART else _SAME_PART.get(box.kind, box.kind)


class _Pairing:
    """Marks counterparts. Owned by one call of `contrast`."""

    def __init__(self, left: FactSheet, right: FactSheet) -> None:
        self._sheets = (left, right)

    def column(self, left: Column | None, right: Column | None) -> tuple[Column | None, Column | None]:
        stages = [column.stages if column is not None else () for column in (left, right)]
        marked: tuple[list[Box | Block], list[Box | Block]] = ([], [])
        for pair in _paired(stages[0], stages[1], _stage_key):
            for kept, stage in zip(marked, self._stage(*pair), strict=True):
                if stage is not None:
                    kept.append(stage)
        return (
            None if left is None else replace(left, stages=tuple(marked[0])),
            None if right is None else replace(right, stages=tuple(marked[1])),
        )

    def _stage(
        self, left: Box | Block | None, right: Box | Block | None
    ) -> tuple[Box | Block | None, Box | Block | None]:
        if isinstance(left, Block) and isinstance(right, Block):
            return self._block(left, right)
        if isinstance(left, Box) and isinstance(right, Box):
            return self._box(left, right)
        return (_alone(left), _alone(right))

    def _block(self, left: Block, right: Block) -> tuple[Block, Block]:
        found: tuple[list[Box], list[Box]] = ([], [])
        own = [[box for way in block.ways for box in boxes_of(way.flow)] for block in (left, right)]
        for pair in _paired(own[0], own[1], _box_key):
            for kept, box in zip(found, self._optional(*pair), strict=True):
                if box is not None:
                    kept.append(box)
        # How many layers, which kinds in which order, and how they are wired are the block's own.
        standing = Standing.NUMBERS if left.count != right.count else None
        wired = [[(way.known, shape_of(way.flow)) for way in block.ways] for block in (left, right)]
        if wired[0] != wired[1]:
            standing = Standing.DIFFERENT
        if set(left.pattern) != set(right.pattern) or (standing is None and left.pattern != right.pattern):
            standing = Standing.DIFFERENT
        return (
            replace(left, ways=_with(left.ways, found[0]), standing=standing),
            replace(right, ways=_with(right.ways, found[1]), standing=standing),
        )

    def _optional(self, left: Box | None, right: Box | None) -> tuple[Box | None, Box | None]:
        if left is not None and right is not None:
            return self._box(left, right)
        return (None if left is None else _only(left), None if right is None else _only(right))

    def _box(self, left: Box, right: Box) -> tuple[Box, Box]:
        """Two counterparts: the same, or different in their own words, or only in what is inside them."""
        inside = self._inside(left, right)
        hidden = self._differing(left, right)
        own = (left.title, left.lines, left.copies, left.kind) != (right.title, right.lines, right.copies, right.kind)
        if own or hidden:
            words = [_told(left, right, hidden, 0), _told(right, left, hidden, 1)]
            numbers = left.kind == right.kind and _worded(left.title, *words[0]) == _worded(right.title, *words[1])
            standing = Standing.NUMBERS if numbers else Standing.DIFFERENT
            return (
                replace(left, lines=words[0], inside=inside[0], status=standing),
                replace(right, lines=words[1], inside=inside[1], status=standing),
            )
        same = all(box.status is Standing.SAME for side in inside for row in side for box in row)
        status = Standing.SAME if same else None
        return replace(left, inside=inside[0], status=status), replace(right, inside=inside[1], status=status)

    def _inside(self, left: Box, right: Box) -> tuple[tuple[tuple[Box, ...], ...], tuple[tuple[Box, ...], ...]]:
        flat = ([box for row in left.inside for box in row], [box for row in right.inside for box in row])
        marked: tuple[dict[str, Box], dict[str, Box]] = ({}, {})
        for one, other in _paired(*flat, _box_key):
            found = self._optional(one, other)
            for kept, box in zip(marked, found, strict=True):
                if box is not None:
                    kept[box.id] = box
        return (
            tuple(tuple(marked[0][box.id] for box in row) for row in left.inside),
            tuple(tuple(marked[1][box.id] for box in row) for row in right.inside),
        )

    def _differing(self, left: Box, right: Box) -> tuple[tuple[str, str], ...]:
        """Facts that both boxes rest on and that differ, as a line for each side."""
        found = []
        for key in left.keys:
            facts = [sheet.facts.get(key) for sheet in self._sheets]
            if key not in right.keys or facts[0] is None or facts[1] is None or facts[0].value == facts[1].value:
                continue
            if not isinstance(facts[0].value, tuple) and not isinstance(facts[1].value, tuple):
                found.append((f"{key} {_short(facts[0].value)}", f"{key} {_short(facts[1].value)}"))
        return tuple(found)


def _told(box: Box, other: Box, hidden: tuple[tuple[str, str], ...], side: int) -> tuple[str, ...]:
    """A box's lines with those marked that its counterpart has not; facts that no line shows are added."""
    lines = tuple(line if line in other.lines else _MARK + line for line in box.lines)
    if lines != box.lines or box.title != other.title:
        return lines
    return (*lines, *(_MARK + each[side] for each in hidden))


def _worded(*lines: str) -> tuple[str, ...]:
    """What lines say beside their numbers."""
    return tuple(re.sub(r"[\d.,]+(?:e[+-]?\d+)?", "0", line) for line in lines)


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _with(ways: tuple[Way, ...], marked: Sequence[Box]) -> tuple[Way, ...]:
    """The ways with their boxes, in order, exchanged for marked ones."""
    following = iter(marked)
    return tuple(replace(way, flow=mapped(way.flow, lambda _: next(following))) for way in ways)


def _only(box: Box) -> Box:
    return replace(box, status=Standing.ONLY)


def _alone(stage: Box | Block | None) -> Box | Block | None:
    if isinstance(stage, Block):
        ways = tuple(replace(way, flow=mapped(way.flow, _only)) for way in stage.ways)
        return replace(stage, ways=ways, standing=Standing.ONLY)
    return None if stage is None else _only(stage)
