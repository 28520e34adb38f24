"""Checkpoints as their publishers name them, of real size, held against the code: everything wrong that is told is false.

    python benchmarks/published_headers.py [--damage] [--output FILE] [NAME]…

Reads `truth/published-headers*.txt` and writes each as one real file, whose data is a hole. With `--damage`, a tensor of each is
deleted, renamed and reshaped in turn (see `checkpoints.py`), and what is told of it is counted.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import checkout  # noqa: F401
from checkpoints import DAMAGES, FILE, Tensors, write
from families import digest

from specdiff import checkpoints
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.session import Session, deeply

TRUTH = Path(__file__).parent / "truth"
DONE = ("a tensor deleted", "a tensor renamed", "a tensor reshaped")


class Published(NamedTuple):
    """One published checkpoint."""

    name: str
    config: dict[str, Any]
    target: str | None
    tensors: Tensors
    unexpected: frozenset[str]
    """Names that the library's loader has no place for either."""


def published() -> Iterator[Published]:
    """Every checkpoint of the tables."""
    known: dict[str, Tensors] = {}
    for path in sorted(TRUTH.glob("published-headers*.txt")):
        for block in re.split(r"^== ", path.read_text(), flags=re.MULTILINE)[1:]:
            name, *lines = block.splitlines()
            config: dict[str, Any] = {}
            target = None
            tensors: Tensors = {}
            unexpected: set[str] = set()
            for line in lines:
                word, _, rest = line.partition(" ")
                if word == "config":
                    config = json.loads(rest)
                elif word == "target":
                    target = rest
                elif word == "unexpected":
                    unexpected.update(expanded(rest))
                elif word == "like":
                    tensors |= _like(*rest.split(" ", 1), known)
                elif word and not word.startswith("#"):
                    dtype, *shape = rest.split()
                    tensors |= {each: [dtype, [int(size) for size in shape]] for each in expanded(word)}
            known[name] = tensors
            yield Published(name, config, target, tensors, frozenset(unexpected))


def _like(name: str, rest: str, known: dict[str, Tensors]) -> Tensors:
    """What another block has where a pattern does not match, in another number format where one is given."""
    pattern, _, dtype = rest.partition(" ")
    return {
        key: [{"float16": "F16"}.get(dtype, kind), shape]
        for key, (kind, shape) in known[name].items()
        if not re.search(pattern, key)
    }


def expanded(text: str) -> list[str]:
    """The names that `{a-b}` and `{x,y}` stand for, innermost first."""
    match = re.search(r"\{([^{}]*)\}", text)
    if match is None:
        return [text]
    choices: list[str] = []
    for each in match[1].split(","):
        ends = re.fullmatch(r"(\d+)-(\d+)", each)
        choices += [str(n) for n in range(int(ends[1]), int(ends[2]) + 1)] if ends else [each]
    head, tail = text[: match.start()], text[match.end() :]
    if "{" not in head + tail:
        return [f"{head}{choice}{tail}" for choice in choices]
    return [name for choice, rest in product(choices, [None]) for name in expanded(f"{head}{choice}{tail}")]


def held(item: Published, tensors: Tensors, session: Session) -> tuple[list[tuple[str, str, str]], set[str]]:
    """(kind, name, detail) of what is told as wrong, and the names in notes."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), item.config, {FILE: tensors}, index=False)
        try:
            result = checkpoints.weights(Path(folder), item.target, session=session)
        except SpecdiffError as error:
            return [("error", "", str(error))], set()
    wrong = [(issue.kind, issue.name, issue.detail) for issue in result.issues if str(issue.severity) != "note"]
    notes = {issue.name for issue in result.issues if str(issue.severity) == "note"}
    # What is wrong with the published file itself and is not told is as wrong as what is told and is not.
    told = {name for kind, name, _ in wrong if kind == "unexpected"}
    wrong = [each for each in wrong if each[0] != "unexpected" or each[1] not in item.unexpected]
    wrong += [
        ("not told", name, "the library's loader has no place for it")
        for name in (item.unexpected & set(tensors)) - told
    ]
    return wrong, notes


def measured(names: list[str], damage: bool) -> tuple[str, bool]:
    """The tables, and whether anything false was told or a damage was not."""
    session = Session(Options(only=frozenset({"parameters"})))
    rows, details, told, failed = [], [], dict.fromkeys(DONE, 0), False
    chosen = [each for each in published() if not names or any(name in each.name for name in names)]
    for each in chosen:
        begin = time.perf_counter()
        wrong, notes = held(each, each.tensors, session)
        rows.append(f"| {each.name} | {len(each.tensors):,} | {len(wrong):,} | {len(notes):,} |")
        print(f"{each.name}: {len(wrong)} wrong, {time.perf_counter() - begin:.2f} s", file=sys.stderr, flush=True)
        details += [f"- {each.name}: {kind} `{name}`: {detail}" for kind, name, detail in wrong[:5]]
        failed |= bool(wrong)
        if damage and not wrong:
            # What the code has no place for, and a text in bytes (bitsandbytes' state), can be missing and of any length.
            trained = [
                key
                for key, (dtype, shape) in each.tensors.items()
                if shape and key not in notes | each.unexpected and "quant_state" not in key
            ]
            key = min(trained, key=lambda name: digest(each.name, name))
            for kind in DONE:
                found, _ = held(each, next(iter(DAMAGES[kind](each.tensors, key).shards.values())), session)
                told[kind] += bool(found)
                if not found:
                    details.append(f"- {each.name}: {kind}, {key}: not told")
    lines = ["| checkpoint | tensors | told as wrong | notes |", "|---|---|---|---|", *rows, ""]
    whole = sum(row.split(" | ")[2] == "0" for row in rows)
    lines += [f"{whole} of {len(rows)} without anything told as wrong.", ""]
    if damage:
        lines += ["| damage | checkpoints | told |", "|---|---|---|"]
        lines += [f"| {kind} | {whole} | {count} |" for kind, count in told.items()]
        lines.append("")
    return "\n".join([*lines, *details]), failed


def main() -> int:
    """Hold all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--damage", action="store_true")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    text, failed = deeply(lambda: measured(arguments.names, arguments.damage))
    print(text)
    if arguments.output:
        arguments.output.write_text(
            f"# Published checkpoints\n\nPrinted by `benchmarks/published_headers.py{' --damage' * arguments.damage}`.\n\n{text}\n"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
