"""`compare` of a model with itself, with a renamed and reordered copy of itself, and with copies that hold one seeded fault each.

    python benchmarks/seeded_pairs.py [FAMILY…] [--per-family N] [--salt TEXT] [--prove PYTHON] [--output FILE]

Copies are made in memory. Nothing may be told of the first two kinds of copies; of a seeded fault, that it changes the
result. PYTHON has torch and transformers and runs each faulty copy against the original on the same random weights
(`equivalence.py`): *missed* is what torch tells apart and `compare` calls the same (or says nothing of), *false* what torch
finds equal although `compare` says that it changes the result. The run fails on either.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import checkout  # noqa: F401
import libcst as cst

from benchmarks.applying import mutants, spans
from benchmarks.mutations import Bench, reached
from benchmarks.operators import ALL
from specdiff.compare.model import OTHER_SIZE, Comparison, Meaning
from specdiff.compare.sides import Smaller, compare
from specdiff.comparing import smaller
from specdiff.results import ClassResult
from specdiff.session import deeply

FAMILIES = "llama gemma2 mixtral deepseek_v3 gpt2 bert t5 vit whisper mamba qwen3_next wav2vec2"
_MODULE = re.compile(r"^ {8}self\.(\w+) = (?:nn\.\w+|[A-Z]\w+)\(", re.MULTILINE)
_KEPT = frozenset({"config", "act", "act_fn", "activation_fn", "intermediate_act_fn", "weight", "bias"})


def main() -> int:
    """Compare, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=FAMILIES.split())
    parser.add_argument("--per-family", type=int, default=5)
    parser.add_argument("--salt", default="")
    parser.add_argument("--prove", default="", metavar="PYTHON")
    parser.add_argument("--output", type=Path, help="one JSON line per copy")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for family in arguments.families:
        found = deeply(lambda family=family: list(copies(family, arguments.per_family, arguments.salt)))  # type: ignore[misc]
        if arguments.prove:
            proved(found, arguments.prove)
        rows += found
        if arguments.output:
            with arguments.output.open("a") as file:
                file.writelines(json.dumps(each) + "\n" for each in found)
        print(f"{family}: {Counter(judged(each) for each in found)}", file=sys.stderr, flush=True)
    print(table(rows))
    return 1 if any(judged(row) in ("missed", "false", "told of a copy") for row in rows) else 0


def copies(family: str, count: int, salt: str) -> Iterator[dict[str, Any]]:
    """One row for each copy of one family."""
    bench = Bench(family)
    try:
        bench.choose()
    except SystemExit as error:
        print(f"{family}: {error}", file=sys.stderr)
        return
    bench.options = replace(bench.options, operations=True)
    path = bench.target.path.resolve()
    text = path.read_text(encoding="utf-8")
    base = bench.analyse()
    yield row(family, "itself", 0, base, bench.analyse())
    yield compared(bench, path, twin(text), base, family, "renamed and reordered", 0)
    lines = reached(base, text)
    parsed = cst.parse_module(text)
    places = spans(parsed)
    values = {key: value for key, value in base.config.items() if isinstance(value, int | float)}
    made = 0
    operators = sorted(ALL, key=lambda each: hashlib.sha256(f"{salt}{family}\0{each.id}".encode()).digest())
    for operator in operators:
        if made >= count or operator.in_config:
            continue
        for mutant in mutants(text, operator, values, 40, f"{family}{salt}", parsed, places):
            if mutant.line and (lines is None or mutant.line in lines):
                made += 1
                found = compared(bench, path, mutant.text, base, family, operator.id, mutant.line)
                given = {"module": bench.target.module, "class": bench.name, "path": str(path), "text": mutant.text}
                yield found | {"before": mutant.before, "after": mutant.after, "request": given}
                break


def changed(bench: Bench, path: Path, text: str) -> ClassResult:
    """The class as a changed file has it."""
    bench.files[path] = text.encode()
    try:
        return bench.analyse()
    finally:
        del bench.files[path]


def compared(
    bench: Bench, path: Path, text: str, base: ClassResult, family: str, operator: str, line: int
) -> dict[str, Any]:
    """What `compare` says of the class as a changed file has it."""

    def both(settings: tuple[dict[str, object], dict[str, object]]) -> tuple[ClassResult, ClassResult] | None:
        values = dict(bench.values)
        try:
            bench.values |= settings[0]
            one = bench.analyse()
            bench.values = values | settings[1]
            other = changed(bench, path, text)
        finally:
            bench.values = values
        return (one, other) if one.computed and other.computed else None

    other = changed(bench, path, text)
    return row(family, operator, line, base, other, lambda: smaller(base, other, both))


def row(
    family: str, operator: str, line: int, base: ClassResult, other: ClassResult, small: Smaller | None = None
) -> dict[str, Any]:
    """What `compare` says of one copy."""
    result = compare(base, other, family, family, small)
    return {
        "family": family, "operator": operator, "line": line, "told": told(result),
        "differences": [[each.key, str(each.meaning), each.explanation] for each in result.differences],
        "open": len(result.open), "verdict": other.verdict if other.tree is not None else "cannot be built",
    }  # fmt: skip


def told(result: Comparison) -> str:
    """The worst that is told: ``result``, ``unknown`` …, or ``nothing``."""
    parameters = result.left_only or result.right_only or any(pair.relation == OTHER_SIZE for pair in result.pairs)
    meanings = [each.meaning for each in result.differences]
    if parameters or Meaning.RESULT in meanings:
        return "result"
    if result.pairing or result.unheld or Meaning.UNKNOWN in meanings or result.otherwise:
        return "unknown"
    if result.open:
        return "open"
    return str(min(meanings, key=list(Meaning).index)) if meanings else "nothing"


def twin(text: str) -> str:
    """The same code with submodules of blocks renamed and independent lines of `forward` in another order."""
    lines = text.split("\n")
    names: set[str] = set()
    swaps: list[int] = []
    for cls in (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)):
        bases = {ast.unparse(base) for base in cls.bases}
        source = "\n".join(lines[cls.lineno - 1 : cls.end_lineno])
        if bases & {"nn.Module", "GradientCheckpointingLayer"}:
            names.update(_MODULE.findall(source))
        for function in cls.body:
            if isinstance(function, ast.FunctionDef) and function.name == "forward":
                swaps += _independent(function.body)
    for line in swaps:
        lines[line - 1], lines[line] = lines[line], lines[line - 1]
    text = "\n".join(lines)
    for name in sorted(names - _KEPT):
        # Names that mean something elsewhere as well (`nn.functional.dropout`) stay.
        if not re.search(rf"(?<!self)\.{name}\b|[\"']\w*{name}", text):
            text = re.sub(rf"\bself\.{name}\b", f"self.{name}_of_copy", text)
    return text


def _independent(body: list[ast.stmt]) -> Iterator[int]:
    """Lines that may change places with the next: two plain assignments that read nothing of each other."""
    skip = 0
    for one, other in pairwise(body):
        plain = all(
            isinstance(each, ast.Assign)
            and each.lineno == each.end_lineno
            and all(isinstance(target, ast.Name) for target in each.targets)
            for each in (one, other)
        )
        if not plain or one.lineno <= skip or other.lineno != one.lineno + 1:
            continue
        made = [
            {n.id for n in ast.walk(each) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            for each in (one, other)
        ]
        used = [
            {n.id for n in ast.walk(each) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            for each in (one, other)
        ]
        if not (made[0] & (used[1] | made[1]) or made[1] & used[0]):
            skip = other.lineno
            yield one.lineno


def proved(rows: list[dict[str, Any]], python: str) -> None:
    """Run the faulty copies with torch and write what came out into the rows."""
    faulty = [each for each in rows if "request" in each]
    script = Path(__file__).with_name("equivalence.py")
    asked = "\n".join(json.dumps(each["request"]) for each in faulty)
    done = subprocess.run([python, str(script)], input=asked, capture_output=True, text=True, check=False)
    for each, proof in zip(faulty, done.stdout.strip().split("\n"), strict=False):
        each["proof"] = proof


def judged(row: dict[str, Any]) -> str:
    """What a row is worth: ``told``, ``missed``, ``false``, ``open``, ``equal`` …"""
    if "request" not in row:
        return "equal" if row["told"] in ("nothing", "written") else "told of a copy"
    differs = row.get("proof", "").startswith("differs")
    same = row.get("proof") == "same"
    if row["told"] == "result":
        return "false" if same else "told"
    if row["told"] in ("unknown", "open"):
        return "left open, torch the same" if same else "left open"
    if same:
        return "equal"
    return "missed" if differs else f"said to be {row['told']}, not run"


def table(rows: list[dict[str, Any]]) -> str:
    """Counts, and each row that is not told."""
    faults = [each for each in rows if "request" in each]
    counts = Counter(judged(each) for each in faults)
    plain = [each for each in rows if "request" not in each]
    lines = [
        f"{len({each['family'] for each in rows})} families. Copies that are the same: {len(plain)}, of which "
        f"{sum(judged(each) == 'equal' for each in plain)} are said to be. Seeded faults: {len(faults)}: "
        + ", ".join(f"{count} {word}" for word, count in counts.most_common())
        + ".",
        "",
        "| family | fault | line | before | after | compare | torch | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in rows:
        verdict = judged(each)
        if verdict not in ("told", "equal") or (verdict == "equal" and "request" in each):
            cells = [
                f"`{each.get(key, '')[:70]}`".replace("|", "\\|").replace("\n", " ") for key in ("before", "after")
            ]
            said = "; ".join(f"{key}: {meaning}" for key, meaning, _ in each["differences"][:4])
            lines.append(
                f"| {each['family']} | {each['operator']} | {each['line']} | {' | '.join(cells)} | {each['told']} ({said}) | {each.get('proof', '')} | {verdict} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
