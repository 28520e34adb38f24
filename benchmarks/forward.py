"""Runs the entry ``forward`` of every model class of the installed transformers and says how far it got.

A class counts as followed when its outputs hold tensors, every one of known shape, and no undecided value lies on
the path to them: neither an operation of unknown shape nor the join of two sides of a branch that nothing decided.
Where output shapes were recorded with torch (`truth/outputs-*.jsonl.xz`) they are compared, symbols substituted.

``--rows FILE`` keeps a row per class; ``--read FILE… --table tables/forward.md`` makes the table of what is left from such rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from specdiff.interp.lookups import lookup
from specdiff.interp.objects import ClassVal, Function
from specdiff.interp.scalars import constant
from specdiff.interp.values import Tensor, Unknown
from specdiff.options import Options
from specdiff.pipeline import new_program
from specdiff.project.build import build, is_pretrained, model_classes
from specdiff.project.forward import Forwarded, forward, outputs_in
from specdiff.project.targets import resolve, transformers_folder
from specdiff.session import deeply

TRUTH = Path(__file__).parent / "truth" / "outputs-transformers-5.23.0.jsonl.xz"
PARAMETERS = Path(__file__).parent / "truth" / "parameters-transformers-5.23.0.jsonl.xz"
SYMBOLS = {
    "batch": 2, "sequence": 13, "target_sequence": 7, "query_sequence": 5, "source_sequence": 11,
}  # fmt: skip
"""The numbers that outputs were recorded with."""
_PLAIN = (int, float, bool, str, type(None))
Row = dict[str, Any]
_PROGRAMS: dict[str, Any] = {}
"""The process's program, so that the library around the models is interpreted once."""


def families() -> list[str]:
    """Families of the installed transformers that have a modeling file, in order of name."""
    models = transformers_folder() / "models"
    return sorted(item.name for item in models.iterdir() if any(item.glob("modeling_*.py")))


def slice_of(names: list[str], number: int, residue: int = 0) -> list[str]:
    """One family in ``number``, chosen by the hash of its name."""
    return [name for name in names if int(hashlib.sha256(name.encode()).hexdigest(), 16) % number == residue]


def rows_of(family: str, mode: str = "prefill", wanted: str = "") -> list[Row]:
    """One row per model class of a family."""
    return deeply(lambda: _rows(family, mode, wanted))


def _rows(family: str, mode: str, wanted: str) -> list[Row]:
    rows: list[Row] = []
    for path in sorted((transformers_folder() / "models" / family).glob("modeling_*.py")):
        target = resolve(str(path))[0]
        program = _PROGRAMS.setdefault("library", None) or new_program(target, Options())
        _PROGRAMS["library"] = program
        module = program.module(target.module)
        if isinstance(module, Unknown):
            continue
        for cls in model_classes(program, module, ()):
            if not isinstance(cls, ClassVal):
                rows.append({"family": family, "class": cls[0], "status": "class", "why": cls[1].message})
            elif is_pretrained(cls) and (not wanted or wanted == cls.name):
                rows.append({"family": family, "class": cls.name, **_row(program, target, cls, mode)})
        program.forget_models()
        if program.cache is not None:
            program.cache.flush()
    return rows


def _row(program: Any, target: Any, cls: ClassVal, mode: str) -> Row:
    found, owner = lookup(cls, "forward")
    if not isinstance(found, Function) or owner.name in ("Module", "PreTrainedModel"):
        return {"status": "abstract"}
    begun = time.perf_counter()
    built = build(program, target, cls, {})
    spent = time.perf_counter() - begun
    if built.instance is None:
        return {"status": "unbuilt", "why": built.failure.message if built.failure else ""}
    begun = time.perf_counter()
    ran = forward(program, built, mode)
    row: Row = {"build": round(spent, 3), "forward": round(time.perf_counter() - begun, 3)}
    row.update(judged(ran))
    row["module"] = target.module
    row["inputs"] = {name: described(value) for name, value in ran.inputs.items()}
    row["notes"] = [(f"{place.file}:{place.line}", reason) for reason, place in ran.notes][:20]
    return row


def described(value: Any) -> list[Any]:
    """An input as shape, dtype and, where they are given, values."""
    if isinstance(value, list) and any(isinstance(item, Tensor) for item in value):
        return [[], "list", [described(item) for item in value]]
    if not isinstance(value, Tensor):
        return [[], "value", value if type(value) in _PLAIN else type(value).__name__]
    values = constant(value)
    return [[str(size) for size in value.shape or ()], value.dtype, None if values is None else values.tolist()]


def judged(ran: Forwarded) -> Row:
    """Whether a run reached known outputs, and what stood in the way."""
    if ran.failure is not None:
        where = next((place for place in ran.failure.places if not place.file.startswith("<")), None)
        kind = "raised" if ran.failure.kind not in ("Undecided", "Limit") else "stopped"
        place = f"{where.file}:{where.line}" if where else ""
        inner = ran.failure.places[0] if ran.failure.places else None
        return {
            "status": kind,
            "why": ran.failure.message if kind == "stopped" else f"{ran.failure.kind}: {ran.failure.message}",
            "place": place,
            "inner": f"{inner.file}:{inner.line}" if inner else "",
        }
    outputs, unknowns = outputs_in(ran.outputs)
    shapes = {name: [[str(size) for size in t.shape or ()], t.dtype] for name, t in outputs.items()}
    if unknowns:
        first = unknowns[0]
        place = f"{first.place.file}:{first.place.line}" if first.place else ""
        return {"status": "undecided output", "why": first.reason, "place": place, "shapes": shapes}
    if not outputs:
        return {"status": "no tensors", "why": f"{type(ran.outputs).__name__} without tensors", "shapes": shapes}
    assert ran.trace is not None
    first_op = next(iter(ran.undecided_operations()), None)
    bad = next((name for name, tensor in outputs.items() if tensor.shape is None), None)
    if first_op is not None:
        why = first_op.attrs.get("condition") or f"{first_op.kind} of unknown shape"
        status = "undecided branch" if first_op.shape is not None else "unknown shape"
        return {"status": status, "why": why, "place": f"{first_op.file}:{first_op.line}", "shapes": shapes}
    if bad is not None:
        return {"status": "unknown shape", "why": f"the output {bad}", "shapes": shapes}
    return {"status": "followed", "shapes": shapes}


def evaluated(size: str, symbols: dict[str, int]) -> int | None:
    """A size with numbers for its symbols; None where it has others (lengths that data decides)."""
    names = {"floor": math.floor, "max": max, "min": min, "mod": lambda a, b: a % b, **symbols}
    try:
        return int(eval(size, {"__builtins__": {}}, names))  # noqa: S307 - sums and products that we printed
    except (NameError, SyntaxError):
        return None


def differences(row: Row, known: Row) -> list[str]:
    """Where outputs differ from what torch gave for the same inputs."""
    found = []
    for name, (shape, dtype) in known["outputs"].items():
        if name not in row.get("shapes", {}):
            found.append(f"{name} is missing")
            continue
        ours = [evaluated(size, SYMBOLS) for size in row["shapes"][name][0]]
        if len(ours) != len(shape) or any(a is not None and a != b for a, b in zip(ours, shape, strict=False)):
            found.append(f"{name} {row['shapes'][name][0]} is {shape}")
        elif row["shapes"][name][1] != dtype:
            found.append(f"{name} {row['shapes'][name][1]} is {dtype}")
    return found


def compare(rows: list[Row]) -> None:
    """Print how the outputs agree with the recorded ones."""
    recorded = {(row["family"], row["class"]): row for row in truth()}
    pairs = [(row, recorded[key]) for row in rows if (key := (row["family"], row["class"])) in recorded]
    same = [(row, known) for row, known in pairs if row.get("inputs") == known["inputs"]]
    ran = [(row, known) for row, known in same if "outputs" in known and row["status"] == "followed"]
    wrong = [(row, found) for row, known in ran if (found := differences(row, known))]
    refused = [row for row, known in same if "error" in known and row["status"] == "followed"]
    print(f"outputs recorded with torch for the same inputs: {len(ran)} classes, {len(ran) - len(wrong)} agree")
    print(f"followed, but torch did not run them: {len(refused)}")
    for row, found in wrong:
        print(f"      {row['family']}::{row['class']}: {'; '.join(found[:2])}")


def truth() -> Iterator[Row]:
    """The recorded output shapes."""
    if TRUTH.exists():
        with lzma.open(TRUTH, "rt") as lines:
            yield from (json.loads(line) for line in lines)


def main() -> int:
    """Run, print the shares and the reasons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", action="append", default=[], help="only these families")
    parser.add_argument("--class", dest="cls", default="", help="only this class")
    parser.add_argument("--slice", type=int, default=1, help="one family in N, chosen by hash")
    parser.add_argument("--residue", type=int, default=0, help="which of the N slices")
    parser.add_argument("--mode", default="prefill", choices=("prefill", "decode", "train"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rows", type=Path, help="write one JSON row per class to this file")
    parser.add_argument("--reasons", type=int, default=40, help="how many reasons to print")
    parser.add_argument("--read", type=Path, nargs="+", help="rows of earlier runs (of slices), in place of running")
    parser.add_argument("--table", type=Path, help="write what is not followed as a table to this file")
    args = parser.parse_args()
    rows = [json.loads(line) for path in args.read for line in path.open()] if args.read else followed(args)
    report(rows, args.reasons)
    compare(rows)
    if args.table:
        args.table.write_text(table(rows))
    return 0


def followed(args: argparse.Namespace) -> list[Row]:
    """Run what the arguments ask for, over processes."""
    wanted = args.family or slice_of(families(), args.slice, args.residue)
    rows: list[Row] = []
    lines = args.rows.open("w") if args.rows else None
    with get_context("spawn").Pool(args.jobs, maxtasksperchild=20) as pool:
        for found in pool.imap_unordered(partial(rows_of, mode=args.mode, wanted=args.cls), wanted):
            rows.extend(found)
            if lines is not None:
                lines.writelines(json.dumps(row) + "\n" for row in found)
                lines.flush()
    return rows


def torch_says(row: Row, recorded: dict[tuple[str, str], Row]) -> str:
    """What torch did with the same inputs, where it was asked."""
    known = recorded.get((row["family"], row["class"]))
    if row["status"] == "unbuilt":
        return "cannot build it either" if row["class"] in unbuildable() else ""
    if known is None or known["inputs"] != row.get("inputs"):
        return ""
    error = known.get("error", "")
    if error.startswith("MemoryError"):
        return "too large to run"
    return "runs" if "outputs" in known else "" if error == "too long" else "refuses"


@cache
def unbuildable() -> frozenset[str]:
    """Classes that torch cannot build from the defaults of their configurations."""
    with lzma.open(PARAMETERS, "rt") as lines:
        return frozenset(row["cls"] for line in lines if "error" in (row := json.loads(line)))


def table(rows: list[Row]) -> str:
    """What is not followed, ranked by reason, as Markdown."""
    recorded = {(row["family"], row["class"]): row for row in truth()}
    entries = [row for row in rows if row["status"] != "abstract"]
    possible = [row for row in entries if row["class"] not in unbuildable()]
    done = [row for row in possible if row["status"] == "followed"]
    refused = [row for row in possible if row not in done and torch_says(row, recorded) == "refuses"]
    ranked: dict[tuple[str, str, str], list[Row]] = {}
    for row in sorted(entries, key=lambda row: (row["family"], row["class"])):
        if row["status"] != "followed":
            why = " ".join(row.get("why", "").split()).replace("|", "\\|")[:140]
            ranked.setdefault((row["status"], why, torch_says(row, recorded)), []).append(row)
    lines = [
        "# What stands between `forward` and known outputs",
        "",
        "Ranked reasons for the classes of transformers 5.23.0 that `benchmarks/forward.py` does not follow to known outputs, over",
        "the whole library (`--table`).",
        "",
        f"{len(entries)} classes have a `forward`; torch builds {len(possible)} of them from the defaults of their configurations;",
        f"{len(done)} are followed ({100 * len(done) / len(possible):.1f}%).",
        f"Of the {len(possible) - len(done)} others torch 2.13 refuses the same inputs for {len(refused)} (`make_outputs.py`); without those,",
        f"{100 * len(done) / (len(possible) - len(refused)):.1f}% are followed.",
        "",
        "| classes | what | reason | torch | first of them |",
        "|---|---|---|---|---|",
    ]
    for (status, why, says), group in sorted(ranked.items(), key=lambda item: (-len(item[1]), item[0])):
        first = group[0]
        lines.append(f"| {len(group)} | {status} | {why} | {says} | {first['family']}::{first['class']} |")
    return "\n".join(lines) + "\n"


def report(rows: list[Row], reasons: int) -> None:
    """Print the shares and the ranked reasons."""
    abstract = [row for row in rows if row["status"] == "abstract"]
    entries = [row for row in rows if row["status"] != "abstract"]
    followed = [row for row in entries if row["status"] == "followed"]
    share = 100 * len(followed) / max(1, len(entries))
    print(f"{len(rows)} classes: {len(abstract)} abstract bases without a forward, {len(entries)} with one")
    print(f"forward followed to known outputs: {len(followed)} of {len(entries)} ({share:.1f}%)")
    possible = [row for row in entries if row["class"] not in unbuildable()]
    share = 100 * len(followed) / max(1, len(possible))
    print(f"without those that torch cannot build from the defaults either: of {len(possible)} ({share:.1f}%)")
    built = sum(row.get("build", 0) for row in entries)
    spent = sum(row.get("forward", 0) for row in entries)
    print(f"time: building {built:.1f} s, forward {spent:.1f} s (ratio {spent / max(built, 0.001):.2f})")
    print(
        "status:", ", ".join(f"{name} {count}" for name, count in Counter(r["status"] for r in entries).most_common())
    )
    ranked = Counter((r["status"], r.get("why", "")) for r in entries if r["status"] != "followed")
    for (status, why), count in ranked.most_common(reasons):
        cases = [r for r in entries if r["status"] == status and r.get("why", "") == why]
        first = cases[0]
        print(f"{count:5} {status}: {why[:110]}  [{first['family']}::{first['class']} {first.get('place', '')}]")


if __name__ == "__main__":
    sys.exit(main())
