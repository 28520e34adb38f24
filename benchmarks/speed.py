"""Speed and size as ratios measured in one run: against torch, against mlinter, against libcst, cold against warm.

    python benchmarks/speed.py                                        what this environment can measure
    python benchmarks/speed.py --torch PYTHON --mlinter PATH          beside building with torch, beside linting
    python benchmarks/speed.py --library                              also the whole library (minutes)

Every command is a whole process with a cache folder of its own. A ratio whose other side is not given is left out with
a note; nothing here is compared with a number from another machine or another run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PARAMETERS = ("--only", "parameters,total_parameters,tied", "--format", "jsonl")
SPEC = "specs/gpt-oss-120b.yaml"
TORCH = """
import sys, transformers, torch
config = transformers.AutoConfig.for_model(sys.argv[1])
with torch.device("meta"):
    transformers.AutoModelForCausalLM.from_config(config)
"""
DOUBLED = (
    ("llama::LlamaForCausalLM", "num_hidden_layers", 32),
    ("gpt_oss::GptOssForCausalLM", "num_hidden_layers", 36),
    ("switch_transformers::SwitchTransformersForConditionalGeneration", "num_experts", 64),
)
"""Target, setting, and its smaller value; the second is an expert list in a `ModuleDict` or `ModuleList`."""

STAGES = """
import sys, threading, time
threading.stack_size(512 * 1024 * 1024)
spent, inner = {}, []
def timed(place, name, label):
    function = getattr(place, name)
    def wrapped(*args, **kwargs):
        begin = time.process_time()
        inner.append(0.0)
        try:
            return function(*args, **kwargs)
        finally:
            took = time.process_time() - begin
            spent[label] = spent.get(label, 0.0) + took - inner.pop()
            if inner:
                inner[-1] += took
    setattr(place, name, wrapped)
def run():
    begin = time.process_time()
    import specdiff.frontend.lower as lower, specdiff.frontend.unit as unit, specdiff.pipeline as pipeline
    from specdiff import report
    from specdiff.options import Options
    from specdiff.project.targets import resolve
    from specdiff.session import Session
    spent["imports"] = time.process_time() - begin
    timed(lower, "_parse", "parse (libcst)")
    timed(unit.SourceUnit, "_lowered", "lower")
    timed(unit, "scan", "scan")
    timed(pipeline, "model_classes", "resolve")
    timed(pipeline, "build", "interpret")
    for name, label in (("forward", "forward"), ("detect", "detect")):
        if hasattr(pipeline, name):
            timed(pipeline, name, label)
    timed(report, "render_inspect_row", "report")
    session = Session(Options(use_cache=False))
    begin = time.process_time()
    for target in sys.argv[1:]:
        for item in resolve(target):
            for result in session.analyse(item):
                report.render_inspect_row(result)
    spent["the rest"] = time.process_time() - begin - sum(v for k, v in spent.items() if k != "imports")
    print(*(f"{label}\\t{seconds}" for label, seconds in spent.items()), sep="\\n")
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


class Took(NamedTuple):
    """One whole process."""

    seconds: float
    mebibytes: float
    """Peak of the largest process; 0 where the system does not tell."""
    output: str


def measured(command: list[str], cache: Path | None = None, times: int = 1) -> Took:
    """Run a command; the fastest of some times."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["SPECDIFF_CACHE"] = "off" if cache is None else "on"
    if cache is not None:
        environment["SPECDIFF_CACHE_DIR"] = str(cache)
    best: Took | None = None
    for _ in range(times):
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            begin = time.perf_counter()
            process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment, cwd=ROOT)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            errors.seek(0)
            if process.returncode not in (0, 1):
                raise SystemExit(f"{' '.join(command[:6])} failed: {errors.read()[-800:]}")
            peak = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
            took = Took(seconds, peak, output.read())
        if best is None or took.seconds < best.seconds:
            best = took
    assert best is not None
    return best


def specdiff(*arguments: str) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "specdiff", *arguments]


def row(what: str, took: Took, *ratios: tuple[str, float | None, float | None]) -> None:
    """One line of the table; a ratio is (to what, its value, what it should be at most)."""
    parts = []
    for name, value, aim in ratios:
        if value is not None:
            parts.append(f"{value:.3f} of {name}" + (f" (aim {aim:.3f})" if aim is not None else ""))
    print(f"{what:44} {took.seconds:8.2f} s {took.mebibytes:6.0f} MiB  {'; '.join(parts)}", flush=True)


def ratio(took: Took, other: Took | None) -> float | None:
    """How long one process took as a part of another."""
    return None if other is None else took.seconds / other.seconds


def one_model(folder: Path, torch: Path | None) -> None:
    """`inspect gpt_oss` and `check` of its spec, cold and warm."""
    built = None
    if torch is not None:
        built = measured([str(torch), "-c", TORCH, "gpt_oss"], times=3)
        row("torch builds gpt_oss on the meta device", built)
    else:
        print("no --torch PYTHON: ratios to building with torch are left out")
    cases = [("inspect gpt_oss", ("inspect", "gpt_oss", *PARAMETERS), 1 / 4, 1 / 20)]
    if (ROOT / SPEC).is_file():
        cases.append((f"check {SPEC}", ("check", SPEC), 1 / 4, 1 / 15))
    for number, (name, arguments, cold_aim, warm_aim) in enumerate(cases):
        cache = folder / f"one{number}"
        cold = measured(specdiff(*arguments), cache)
        row(f"{name}, cold", cold, ("torch", ratio(cold, built), cold_aim))
        warm = measured(specdiff(*arguments), cache, times=3)
        row(f"{name}, warm", warm, ("torch", ratio(warm, built), warm_aim), ("cold", ratio(warm, cold), None))
        if warm.output != cold.output:
            raise SystemExit(f"{name}: the warm run's output differs from the cold run's")


def doubling(folder: Path) -> None:
    """Cost grows with distinct code, not with repetition. Both sides have their parsed source in the cache."""
    start = measured([sys.executable, "-c", "import specdiff.pipeline"], times=3)
    for target, setting, count in DOUBLED:
        took = []
        for value in (count, 2 * count):
            cache = folder / f"doubling{setting}{value}{target.partition(':')[0]}"
            command = specdiff("inspect", target, *PARAMETERS, "--set", f"{setting}={value}")
            measured(command, cache)
            best = None
            for _ in range(3):
                for old in cache.glob("result-*"):
                    old.unlink()  # the parsed source stays, the result does not
                again = measured(command, cache)
                best = again if best is None or again.seconds < best.seconds else best
            assert best is not None
            took.append(best)
        row(f"{target.partition(':')[0]}, {setting} {count}", took[0])
        row(f"{target.partition(':')[0]}, {setting} {2 * count}", took[1], (f"{count}", ratio(took[1], took[0]), 1.1))
    row("(of each of these, imports)", start)


def library(folder: Path, mlinter: Path | None) -> None:
    """Every model of the installed transformers, cold and warm, beside linting the same files."""
    sys.path.insert(0, str(ROOT))
    from specdiff.project.targets import transformers_folder

    models = transformers_folder() / "models"
    lint = None
    if mlinter is not None:
        checkout = folder / "checkout"
        (checkout / "src").mkdir(parents=True)
        subprocess.run(["cp", "-r", str(models.parent), str(checkout / "src" / "transformers")], check=True)
        (checkout / "tests" / "models").mkdir(parents=True)
        begin = time.perf_counter()
        done = subprocess.run(
            [str(mlinter), "--no-cache", "--no-progress"], cwd=checkout, capture_output=True, text=True, check=False
        )
        lint = Took(time.perf_counter() - begin, 0, done.stdout)
        row("mlinter --no-cache", lint)
    else:
        print("no --mlinter PATH: the ratio to linting the library is left out")
    cache = folder / "library"
    cold = measured(specdiff("inspect", str(models), *PARAMETERS), cache)
    rows = [json.loads(line) for line in cold.output.splitlines()]
    print(f"{len(rows)} classes")
    row("inspect the library, cold", cold, ("mlinter", ratio(cold, lint), 1.0))
    warm = measured(specdiff("inspect", str(models), *PARAMETERS), cache)
    row("inspect the library, warm", warm, ("cold", ratio(warm, cold), 1 / 20))
    if sorted(warm.output.splitlines()) != sorted(cold.output.splitlines()):
        raise SystemExit("the warm run's rows differ from the cold run's")


def stages(targets: list[str]) -> None:
    """Where the time of cold runs goes; the floor is libcst's own parse."""
    took = measured([sys.executable, "-c", STAGES, *targets])
    spent = {}
    for line in took.output.splitlines():
        label, _, seconds = line.partition("\t")
        spent[label] = float(seconds)
    total = sum(spent.values())
    print(f"\nwhere {total:.2f} s of {', '.join(targets)} go, everything computed, no cache")
    for label, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {label:16} {seconds:7.2f} s {seconds / total:6.1%}")
    floor = spent.get("parse (libcst)")
    if floor:
        print(f"  all of it is {total / floor:.1f} times libcst's parse of what was needed")
    if "forward" in spent and spent.get("interpret"):
        print(f"  forward takes {spent['forward'] / spent['interpret']:.2f} of what building the modules takes")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", type=Path, metavar="PYTHON", help="a Python that has torch and transformers")
    parser.add_argument("--mlinter", type=Path, metavar="PATH", help="the program of the package transformers-mlinter")
    parser.add_argument("--library", action="store_true", help="also the whole library")
    parser.add_argument("--targets", nargs="+", default=["llama", "gpt_oss", "bert", "t5"], help="for the stages")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one_model(folder, arguments.torch)
        doubling(folder)
        if arguments.library:
            library(folder, arguments.mlinter)
    stages(arguments.targets)
    return 0


if __name__ == "__main__":
    sys.exit(main())
