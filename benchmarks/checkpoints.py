"""Checkpoints as the library saves them, held against the code; then damaged in nine ways, one tensor or file each.

    python benchmarks/checkpoints.py [--family NAME]… [--every N] [--output FILE]

Reads `truth/checkpoints-*.jsonl.xz` (see `make_checkpoints.py`) and writes each as real files, whose data is a hole. On an undamaged
one every error and every warning is false. Damage counts as told where an error or a warning is new, and as named where such a one
names the tensor, the parameter that it becomes, or the file. The tensor is chosen by digest.
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import checkout  # noqa: F401
from families import digest

from specdiff import checkpoints
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.session import Session, deeply
from specdiff.weights.headers import BITS
from specdiff.weights.model import Issue

TRUTH = Path(__file__).parent / "truth" / "checkpoints-transformers-5.23.0.jsonl.xz"
Tensors = dict[str, list[Any]]
"""Dtype and shape by name."""
INDEX = "model.safetensors.index.json"


def write(folder: Path, config: dict[str, Any], shards: dict[str, Tensors], index: bool) -> None:
    """A checkpoint's files, their data a hole; with an index where it is asked for."""
    (folder / "config.json").write_text(json.dumps(config))
    for file, tensors in shards.items():
        table, end = {}, 0
        for name, (dtype, shape) in tensors.items():
            begin, end = end, end + (prod(shape) * BITS[dtype] + 7) // 8
            table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
        write_header(folder / file, table, end)
    if index:
        table = {name: file for file, tensors in shards.items() for name in tensors}
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": table}))


def write_header(path: Path, table: dict[str, Any], size: int) -> None:
    """A safetensors file of a header and so many bytes of nothing."""
    raw = json.dumps(table).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + size)


def halves(tensors: Tensors) -> dict[str, Tensors]:
    """The tensors in two shards."""
    names = list(tensors)
    middle = len(names) // 2
    parts = (names[:middle], names[middle:])
    return {f"model-{n + 1:05d}-of-00002.safetensors": {k: tensors[k] for k in part} for n, part in enumerate(parts)}


class Damaged(NamedTuple):
    """A damaged checkpoint, and what an answer must name one of."""

    shards: dict[str, Tensors]
    names: tuple[str, ...]
    index: bool = False
    after: Callable[[Path], None] | None = None
    """Done to the written files."""


FILE = "model.safetensors"


def deleted(tensors: Tensors, name: str) -> Damaged:
    return Damaged({FILE: {key: entry for key, entry in tensors.items() if key != name}}, (name,))


def renamed(tensors: Tensors, name: str) -> Damaged:
    head, _, tail = name.rpartition(".")
    other = f"{head}x.{tail}" if head else f"{tail}x"
    return Damaged({FILE: {other if key == name else key: entry for key, entry in tensors.items()}}, (name, other))


def reshaped(tensors: Tensors, name: str) -> Damaged:
    dtype, shape = tensors[name]
    return Damaged({FILE: {**tensors, name: [dtype, [*shape[:-1], shape[-1] + 8] if shape else [8]]}}, (name,))


def transposed(tensors: Tensors, name: str) -> Damaged:
    wide = [key for key, (_, shape) in tensors.items() if len(shape) == 2 and shape[0] != shape[1]]
    name = min(wide, key=lambda key: digest(name, key), default=name)
    dtype, shape = tensors[name]
    return Damaged({FILE: {**tensors, name: [dtype, shape[::-1] if len(shape) > 1 else [*shape, 2]]}}, (name,))


def narrowed(tensors: Tensors, name: str) -> Damaged:
    other = {key: ["F16" if dtype == "F32" else dtype, shape] for key, (dtype, shape) in tensors.items()}
    return Damaged({FILE: other}, tuple(tensors))


def duplicated(tensors: Tensors, name: str) -> Damaged:
    shards = halves(tensors)
    for shard in shards.values():
        shard[name] = tensors[name]
    return Damaged(shards, (name,))


def without_shard(tensors: Tensors, name: str) -> Damaged:
    shards = halves(tensors)
    last = list(shards)[-1]
    return Damaged(shards, (last,), index=True, after=lambda folder: (folder / last).unlink())


def overlapping(tensors: Tensors, name: str) -> Damaged:
    def move(folder: Path) -> None:
        data = (folder / FILE).read_bytes()[:8]
        (length,) = struct.unpack("<Q", data)
        with (folder / FILE).open("rb") as file:
            table = json.loads(file.read(8 + length)[8:])
        size = max(entry["data_offsets"][1] for entry in table.values())
        entry = table[name]
        step = 4 if entry["data_offsets"][0] else -4
        entry["data_offsets"] = [each - step for each in entry["data_offsets"]]
        write_header(folder / FILE, table, size + 4)

    return Damaged({FILE: tensors}, (name, *tensors), after=move)


def cut(tensors: Tensors, name: str) -> Damaged:
    def shorten(folder: Path) -> None:
        with (folder / FILE).open("r+b") as file:
            file.truncate((folder / FILE).stat().st_size - 4)

    return Damaged({FILE: tensors}, (FILE, *tensors), after=shorten)


DAMAGES: dict[str, Callable[[Tensors, str], Damaged]] = {
    "a tensor deleted": deleted, "a tensor renamed": renamed, "a tensor reshaped": reshaped, "a tensor transposed": transposed,
    "all in half precision": narrowed, "a tensor in two shards": duplicated, "a shard missing": without_shard,
    "data overlapping": overlapping, "a file cut short": cut,
}  # fmt: skip


def main() -> int:
    """Hold all of them, and damage some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", action="append", default=[])
    parser.add_argument("--every", type=int, default=8, metavar="N", help="damage each Nth")
    parser.add_argument("--truth", type=Path, default=TRUTH)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = [row for row in recorded(arguments.truth) if not arguments.family or row["family"] in arguments.family]
    text, wrong = deeply(lambda: measured(rows, arguments.every))
    print(text)
    if arguments.output:
        arguments.output.write_text(f"# Checkpoints\n\nPrinted by `benchmarks/checkpoints.py`.\n\n{text}")
    return 1 if wrong else 0


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """The rows that could be saved."""
    opener: Any = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt") as lines:
        yield from (row for row in map(json.loads, lines) if "tensors" in row)


def measured(rows: list[dict[str, Any]], every: int) -> tuple[str, bool]:
    """The tables, and whether something is wrong."""
    session = Session(Options(only=frozenset({"parameters"})))
    whole: dict[str, list[int]] = {}
    alarms: list[str] = []
    results = {name: [0, 0, 0] for name in DAMAGES}
    silent: list[str] = []
    begin = time.perf_counter()
    for number, row in enumerate(rows):
        title = f"{row['class']} ({row['names']})"
        good = held(Damaged({FILE: row["tensors"]}, ()), row, session)
        group = whole.setdefault(row["names"], [0, 0, 0])
        group[0] += 1
        group[1] += not isinstance(good, str) and not good
        group[2] += len(row["tensors"])
        if isinstance(good, str) or good:
            said = good if isinstance(good, str) else f"{len(good)}: {good[0].kind} {good[0].name}: {good[0].detail}"
            alarms.append(f"{title}: {said}")
            print(alarms[-1], file=sys.stderr, flush=True)
            continue
        if number % every:
            continue
        for damage, make in DAMAGES.items():
            name = min(row["tensors"], key=lambda key: digest(damage, title, key))  # noqa: B023 - called at once
            damaged = make(row["tensors"], name)
            issues = held(damaged, row, session)
            counts = results[damage]
            counts[0] += 1
            counts[1] += bool(issues)
            counts[2] += named(issues, damaged.names)
            if not issues or not named(issues, damaged.names):
                silent.append(f"{damage}: {title}: {damaged.names[0]}: {'named otherwise' if issues else 'not told'}")
                print(silent[-1], file=sys.stderr, flush=True)
    lines = ["| saved under | checkpoints | tensors | nothing wrong told |", "|---|---|---|---|"]
    lines += [f"| {'the names of its code' if names == 'own' else 'the names of its publisher'} | {n} | {tensors:,} | {good} |"
              for names, (n, good, tensors) in whole.items()]  # fmt: skip
    lines += ["", "| damage | checkpoints | told | named |", "|---|---|---|---|"]
    lines += [f"| {name} | {n} | {told} | {names} |" for name, (n, told, names) in results.items()]
    lines += ["", *(f"- false: {each}" for each in alarms), *(f"- {each}" for each in silent)]
    print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return "\n".join(lines).rstrip() + "\n", bool(alarms or silent)


def held(damaged: Damaged, row: dict[str, Any], session: Session) -> list[Issue] | str:
    """Errors and warnings, and notes on what was damaged; a sentence where it cannot be held."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, row["config"], damaged.shards, damaged.index)
        if damaged.after is not None:
            damaged.after(folder)
        try:
            found = checkpoints.weights(folder, session=session)
        except SpecdiffError as error:
            return error.problems[0].message
    # What the class says may be missing is told as a note.
    return [issue for issue in found.issues if str(issue.severity) != "note" or issue.name in damaged.names]


def named(issues: list[Issue] | str, names: tuple[str, ...]) -> bool:
    """Whether an issue names a tensor, or the parameter that it becomes (whose last part with a number in it is the same)."""
    if isinstance(issues, str):
        return any(name in issues for name in names)
    return any(
        issue.name in names
        or issue.file in names
        or any(name in issue.detail or _near(name, issue.name) for name in names)
        for issue in issues
    )


def _near(one: str, other: str) -> bool:
    """Whether two names are in the same numbered place, or, outside of layers, end alike."""
    numbers = [re.findall(r"\d+", name)[:1] for name in (one, other)]
    if numbers[0] or numbers[1]:
        return numbers[0] == numbers[1]
    return one.split(".")[-2:] == other.split(".")[-2:]


if __name__ == "__main__":
    raise SystemExit(main())
