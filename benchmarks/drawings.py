"""Drawn layers against the operations they are drawn from: which box data pass before which, and which have a path past them.

The drawing is made of series, parallels and residual paths; here neither is looked at. From the drawing come two relations
between its boxes, and from the operations, by walking them one by one, the same two: whether what one box gives reaches
another, and whether what comes into the layer reaches its end without the box. `python benchmarks/drawings.py SPEC...`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import checkout  # noqa: F401

from specdiff import api
from specdiff.cli.options import main_class
from specdiff.graph.blocks import Block, Way
from specdiff.graph.flow import Flow, Fork, Place, Tangle
from specdiff.options import Options
from specdiff.report.diagram import drawn
from specdiff.results import CheckResult, ClassResult, Step

ROOT = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    """One model."""

    name: str
    layers: int
    """Ways through its blocks."""
    unknown: int
    """Of these, drawn without connections."""
    pairs: int
    """Pairs of boxes, and boxes with or without a path past them."""
    wrong: tuple[str, ...]


def edges_of(flow: Flow) -> tuple[dict[int, set[int]], dict[int, str]]:
    """The drawing as a graph: numbered boxes (and joins, below zero) with who reads whom; 0 comes in, 1 goes out."""
    edges: dict[int, set[int]] = {}
    names: dict[int, str] = {}
    fresh = iter(range(2, 10_000))

    def walk(items: Flow, before: set[int]) -> set[int]:
        for each in items:
            match each:
                case Place():
                    number = next(fresh)
                    names[number] = each.box.id
                    for source in before:
                        edges.setdefault(source, set()).add(number)
                    before = {number}
                case Fork():
                    before = set().union(*(walk(way, before) for way in each.ways)) if each.ways else before
                case Tangle():
                    outs = {-1: before}
                    for index, item in enumerate(each.items):
                        sources = set().union(*(outs[start] for start, stop in each.edges if stop == index))
                        outs[index] = walk((item,), sources)
                    before = set().union(*(outs[start] for start, stop in each.edges if stop == len(each.items)))
        return before

    for last in walk(flow, {0}):
        edges.setdefault(last, set()).add(1)
    return edges, names


def reached(
    edges: Mapping[int, Iterable[int]], start: Iterable[int], without: frozenset[int] = frozenset()
) -> set[int]:
    """Everything that is reached from some numbers, these left out unless a way leads back to them."""
    waiting, seen = [n for n in start if n not in without], set()
    while waiting:
        for each in edges.get(waiting.pop(), ()):
            if each not in seen and each not in without:
                seen.add(each)
                waiting.append(each)
    return seen


def _under(step: Step, path: str) -> bool:
    return step.module == path or step.module.startswith(path + ".")


def compare(code: ClassResult, block: Block, way: Way) -> Iterator[tuple[bool, str]]:
    """Each statement of the drawing about one way through a block, whether it holds, and in words."""
    edges, names = edges_of(way.flow)
    layer = block.id + "."
    index = next(
        (i for i in reversed(way.layers) if any(_under(step, f"{layer}{i}") for step in code.steps)),
        None,
    )
    if index is None:
        return
    inside = {step.number: step for step in code.steps if _under(step, f"{layer}{index}")}
    flows: dict[int, set[int]] = {}
    for step in inside.values():
        for source in step.inputs:
            flows.setdefault(source, set()).add(step.number)
    mine = {number: _modules(name, index, inside) for number, name in names.items()}
    for number, name in names.items():
        # A norm at the end of a module is drawn by itself.
        mine[number] -= {n for other, path in names.items() if path.startswith(name + ".") for n in mine[other]}
    mine = {number: steps for number, steps in mine.items() if steps}
    yield from _past(edges, flows, mine, names, inside, code)
    for one, other in ((a, b) for a in mine for b in mine if a != b and not mine[a] & mine[b]):
        said = other in reached(edges, [one])
        found = bool(reached(flows, mine[one]) & mine[other])
        if _nested(names[one], names[other]):
            continue
        yield said == found, f"{names[one]} {'before' if said else 'apart from'} {names[other]}"


def _past(
    edges: Mapping[int, set[int]], flows: Mapping[int, set[int]], mine: Mapping[int, set[int]], names: Mapping[int, str],
    inside: Mapping[int, Step], code: ClassResult,
) -> Iterator[tuple[bool, str]]:  # fmt: skip
    """Whether what comes in reaches the end without a box."""
    outside = {step.number: step for step in code.steps if step.number not in inside}
    given = [n for n in inside if any(reader not in inside for reader in flows_of(code).get(n, ()))] or list(inside)
    end = max(given)
    alike = [n for n in outside if n in flows and outside[n].shape == inside[end].shape]
    if not alike:
        return
    said = {number: 1 in reached(edges, [0], frozenset({number})) for number in mine}
    found = {
        start: {number: end in reached(flows, [start], frozenset(steps)) for number, steps in mine.items()}
        for start in alike
    }
    # Several values of that shape may come in (positions of queries); the layer works on one of them.
    best = max(alike, key=lambda start: (sum(found[start][number] == said[number] for number in mine), start))
    for number in mine:
        yield said[number] == found[best][number], f"{names[number]}: {'a' if said[number] else 'no'} path past it"


def flows_of(code: ClassResult) -> dict[int, set[int]]:
    """By operation: what reads its result."""
    found: dict[int, set[int]] = {}
    for step in code.steps:
        for source in step.inputs:
            found.setdefault(source, set()).add(step.number)
    return found


def _nested(one: str, other: str) -> bool:
    return one.startswith(other + ".") or other.startswith(one + ".")


def _modules(box: str, index: int, inside: Mapping[int, Step]) -> set[int]:
    before, _, after = box.rpartition("*")
    path = f"{before}{index}{after}"
    found = {number for number, step in inside.items() if _under(step, path)}
    # An addition to what a module was given is no part of it, though its code has it.
    return {n for n in found if inside[n].kind != "add" or set(inside[n].inputs) <= found}


def row(name: str, result: ClassResult | CheckResult) -> Row:
    """What the drawing of one model says, and what of it does not hold."""
    code = result.code if isinstance(result, CheckResult) else result
    blocks = [stage for column in drawn(result).columns for stage in column.stages if isinstance(stage, Block)]
    ways = [(block, way) for block in blocks for way in block.ways]
    said = [each for block, way in ways if way.known for each in compare(code, block, way)]
    unknown = sum(not way.known for _, way in ways)
    return Row(name, len(ways), unknown, len(said), tuple(words for holds, words in said if not holds))


def rows(targets: Sequence[str]) -> Iterator[Row]:
    """A row for each spec or target."""
    for each in targets:
        if each.endswith(".yaml"):
            yield row(Path(each).stem, api.check(Path(each), Options()))
        else:
            yield row(each, main_class(api.inspect(each, Options()), each))


def main() -> int:
    """Prints a row per model; 1 where a drawing says what the operations do not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="specs or targets; all specs by default")
    targets = parser.parse_args().targets or [str(path) for path in sorted((ROOT / "specs").glob("*.yaml"))]
    print(f"{'model':32} {'layers':>7} {'unknown':>8} {'statements':>11} {'wrong':>6}")
    found = []
    for each in rows(targets):
        found.append(each)
        print(f"{each.name:32} {each.layers:7} {each.unknown:8} {each.pairs:11} {len(each.wrong):6}", flush=True)
        for words in each.wrong:
            print(f"    {words}")
    wrong = sum(len(each.wrong) for each in found)
    print(
        f"{len(found)} models, {sum(each.layers for each in found)} kinds of layer, "
        f"{sum(each.unknown for each in found)} drawn without connections; "
        f"{sum(each.pairs for each in found):,} statements about boxes, {wrong} that the operations do not make"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
