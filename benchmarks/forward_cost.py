"""What following `forward` costs beside building the modules, for one class of every family of the installed transformers.

    python benchmarks/forward_cost.py                          the whole library (minutes)
    python benchmarks/forward_cost.py --slice 8 --residue 3    one family in eight, chosen by hash
    python benchmarks/forward_cost.py --table FILE             also the table of the classes above 1

Building is all that it takes to have the parameter tree (reading text, class statements, constructors), following all that
comes on top (choosing inputs, reading the text of the bodies, running them). Both are CPU time of one process that has
imported everything and analysed nothing: a fork per class, nothing kept from another, no cache. A class near 1 or above
counts by the median of several processes. `speed.py --forward` measures whole processes of a fixed choice of models.

Where the time of following goes: *reading* (text cut, parsed and lowered), *repeating* (what like modules add to the
trace), *further runs* (all runs of `forward` but the last: inputs that the code refused), and *running* the rest.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import io
import os
import pkgutil
import re
import statistics
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import checkout  # noqa: F401
import stages
from forward import families, slice_of

HEADS = """
ForConditionalGeneration ForCausalLM ForMaskedLM ForImageClassification ForObjectDetection ForCTC LMHeadModel ForPreTraining Model
""".split()
"""Endings of the class that stands for a family, the first that one of its classes has."""
NEAR = 0.85
"""A ratio from which on a class is measured again."""
AGAIN = 4
"""How often."""
PARTS = ("reading", "repeating", "further runs", "running")


class Cost(NamedTuple):
    """CPU seconds of one class."""

    target: str
    building: float
    following: float
    """0 where the class cannot be built or has no ``forward``."""
    parts: dict[str, float]
    runs: int
    operations: int

    @property
    def ratio(self) -> float:
        """Following beside building."""
        return self.following / self.building


def candidates(family: str) -> list[str]:
    """The classes that may stand for a family, the best first."""
    from specdiff.project.targets import transformers_folder

    path = transformers_folder() / "models" / family / f"modeling_{family}.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    names = [name for name in re.findall(r"^class (\w+)\(", text, re.MULTILINE) if "PreTrainedModel" not in name]
    found = [name for head in HEADS for name in reversed(names) if name.endswith(head)]
    return [f"{family}::{name}" for name in dict.fromkeys(found)]


_within: dict[str, float] = {}
"""Seconds by part, of following alone."""
_runs: list[tuple[float, int]] = []
"""Seconds without reading, and operations, of each run of ``forward``."""


def _instrument() -> None:
    """Import all of specdiff, so that nothing is imported while a class is measured, and count what is asked for."""
    import specdiff
    from specdiff import pipeline
    from specdiff.frontend import unit
    from specdiff.interp import replay
    from specdiff.project import forward

    for module in pkgutil.walk_packages(specdiff.__path__, "specdiff."):
        if ".stubs" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    stages.timed(unit.SourceUnit, "__init__", "reading")
    stages.timed(unit.SourceUnit, "_lowered", "reading")
    repetition = vars(replay)["_Repetition"]
    stages.timed(repetition, "__init__", "repeating")
    stages.timed(repetition, "value", "repeating")
    stages.timed(forward, "_attempt", "run")
    timed_run = vars(forward)["_attempt"]

    def attempt(*args: Any) -> Any:
        before = stages.whole.get("run", 0.0) - stages.spent.get("reading", 0.0)
        ran = timed_run(*args)
        seconds = stages.whole["run"] - stages.spent.get("reading", 0.0) - before
        _runs.append((seconds, len(ran.trace.ops) if ran.trace is not None else 0))
        return ran

    vars(forward)["_attempt"] = attempt
    for name in ("model_classes", "build"):
        stages.timed(pipeline, name, "building")
    stages.timed(pipeline, "forward", "following")
    timed_forward = pipeline.forward

    def follow(*args: Any, **kwargs: Any) -> Any:
        before = dict(stages.spent)
        ran = timed_forward(*args, **kwargs)
        for part in ("reading", "repeating"):
            _within[part] = stages.spent.get(part, 0.0) - before.get(part, 0.0)
        return ran

    pipeline.forward = follow  # type: ignore[assignment]


def measured(target: str) -> Cost:
    """One class, in a process of its own."""
    import specdiff.cli

    with contextlib.redirect_stdout(io.StringIO()):
        specdiff.cli.main(["inspect", target, "--only", "live", "--format", "jsonl"])
    building, following = stages.whole.get("building", 0.0), stages.whole.get("following", 0.0)
    parts = {**_within, "further runs": sum(seconds for seconds, _ in _runs[:-1])}
    parts["running"] = max(0.0, following - sum(parts.values()))
    return Cost(target, building, following, parts, len(_runs), _runs[-1][1] if _runs else 0)


def typical(target: str, measure: Callable[[str], Cost]) -> Cost:
    """The cost of a class: near 1 or above the one with the median ratio of several."""
    cost = measure(target)
    if cost.following and cost.ratio >= NEAR:
        more = sorted([cost, *(measure(target) for _ in range(AGAIN))], key=lambda each: each.ratio)
        cost = more[len(more) // 2]
    return cost


def table(costs: list[Cost], left: list[str], names: int) -> list[str]:
    """What was measured, as Markdown."""
    within = [cost for cost in costs if cost.ratio <= 1]
    total = sum(cost.following for cost in costs) / sum(cost.building for cost in costs)
    median = statistics.median(cost.ratio for cost in costs)
    lines = [
        "# What following `forward` costs beside building",
        "",
        "CPU time of one class of every family of transformers, `benchmarks/forward_cost.py --table`; the aim is a ratio of 1.",
        "",
        f"{names} families, of which {len(costs)} have a class that is built from its defaults and followed: {len(within)} within",
        f"1 ({len(within) / len(costs):.1%}), median {median:.2f}, all together {total:.2f}.",
        "",
        "| class above 1 | building | following | ratio | runs | operations | " + " | ".join(PARTS) + " |",
        "|---|---|---|---|---|---|" + "---|" * len(PARTS),
    ]
    for cost in sorted(costs, key=lambda each: -each.ratio):
        if cost.ratio > 1:
            shares = " | ".join(f"{cost.parts.get(part, 0.0) / cost.following:.0%}" for part in PARTS)
            lines.append(
                f"| {cost.target} | {cost.building:.3f} s | {cost.following:.3f} s | {cost.ratio:.2f} | {cost.runs} "
                f"| {cost.operations} | {shares} |"
            )
    if left:
        lines += ["", f"Without a class that is built and followed: {', '.join(left)}."]
    return lines


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slice", type=int, default=1, help="one family in N")
    parser.add_argument("--residue", type=int, default=0, help="which of the N slices")
    parser.add_argument("--table", type=Path, metavar="FILE", help="where the table goes, too")
    arguments = parser.parse_args()
    if "fork" not in sys.modules["multiprocessing"].get_all_start_methods():
        print("this system has no fork; speed.py --forward measures whole processes")
        return 0
    os.environ["SPECDIFF_CACHE"] = "off"
    _instrument()
    names = slice_of(families(), arguments.slice, arguments.residue)
    costs: list[Cost] = []
    left: list[str] = []
    gc.collect()
    gc.freeze()
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for family in names:
            for target in candidates(family):
                cost = typical(target, lambda each: pool.apply(measured, (each,)))
                if cost.following:
                    costs.append(cost)
                    break
            else:
                left.append(family)
    lines = table(costs, left, len(names))
    print("\n".join(lines))
    if arguments.table is not None:
        arguments.table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
