"""Speed and size as ratios measured in one run: against torch, against mlinter, against libcst, cold against warm.

CPU time (of a process and of those it started) stands beside wall time: on a machine that others use, ratios of CPU
time are the ones to read. The package is compiled before anything is measured, as every installed package is.

    python benchmarks/speed.py                                        what this environment can measure
    python benchmarks/speed.py --torch PYTHON --mlinter PATH          beside building with torch, beside linting
    python benchmarks/speed.py --library                              also the whole library (minutes)
    python benchmarks/speed.py --forward [TARGET ...]                 only following `forward` beside building
    python benchmarks/speed.py --forward --slice 8 --residue 3        the same for a class of one family in eight
                                                                      (`forward_cost.py`: for all families, cheaper)

Every command is a whole process with a cache folder of its own. A ratio whose other side is not given is left out with
a note; nothing here is compared with a number from another machine or another run.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import checkout  # noqa: F401

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

STAGES = (
    ("inspect", "gpt_oss", *PARAMETERS),
    ("check", SPEC),
)
"""Commands whose time is told apart by stage (`stages`)."""
FORWARD = """
llama::LlamaForCausalLM gpt_oss::GptOssForCausalLM deepseek_v3::DeepseekV3ForCausalLM mixtral::MixtralForCausalLM
gemma3::Gemma3ForConditionalGeneration gpt2::GPT2LMHeadModel gpt_neox::GPTNeoXForCausalLM bloom::BloomForCausalLM
mpt::MptForCausalLM cohere2::Cohere2ForCausalLM qwen3_next::Qwen3NextForCausalLM falcon_h1::FalconH1ForCausalLM
mamba::MambaForCausalLM mamba2::Mamba2ForCausalLM jamba::JambaForCausalLM zamba2::Zamba2ForCausalLM
rwkv::RwkvForCausalLM xlnet::XLNetLMHeadModel bert::BertLMHeadModel albert::AlbertForMaskedLM
deberta_v2::DebertaV2ForMaskedLM big_bird::BigBirdForCausalLM longformer::LongformerForMaskedLM
t5::T5ForConditionalGeneration bart::BartForConditionalGeneration
switch_transformers::SwitchTransformersForConditionalGeneration whisper::WhisperForConditionalGeneration
wav2vec2::Wav2Vec2ForCTC vits::VitsModel encodec::EncodecModel seamless_m4t::SeamlessM4TModel
musicgen::MusicgenForConditionalGeneration vit::ViTForImageClassification clip::CLIPForImageClassification
swin::SwinForImageClassification convnext::ConvNextForImageClassification resnet::ResNetForImageClassification
segformer::SegformerForSemanticSegmentation efficientnet::EfficientNetForImageClassification sam::SamModel
rt_detr::RTDetrForObjectDetection grounding_dino::GroundingDinoForObjectDetection
depth_anything::DepthAnythingForDepthEstimation videomae::VideoMAEModel qwen2_vl::Qwen2VLForConditionalGeneration
llava::LlavaForConditionalGeneration mllama::MllamaForConditionalGeneration
idefics3::Idefics3ForConditionalGeneration florence2::Florence2ForConditionalGeneration
layoutlmv3::LayoutLMv3Model patchtst::PatchTSTForPrediction
""".split()
"""What following `forward` costs beside building the modules: models of every kind, one class of each."""
FORWARD_RUNS = 3
"""Processes per class, of which the median counts."""


class Took(NamedTuple):
    """One whole process."""

    seconds: float
    cpu: float
    """User and system time of the process and what it waited for."""
    mebibytes: float
    """Peak of the largest process; 0 where the system does not tell."""
    output: str


def measured(command: list[str], cache: Path | None = None, times: int = 1, place: Path = ROOT) -> Took:
    """Run a command; of some times the one that took the least CPU time."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["SPECDIFF_CACHE"] = "off" if cache is None else "on"
    if cache is not None:
        environment["SPECDIFF_CACHE_DIR"] = str(cache)
    best: Took | None = None
    for _ in range(times):
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            begin = time.perf_counter()
            process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment, cwd=place)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            errors.seek(0)
            if process.returncode not in (0, 1):
                raise SystemExit(f"{' '.join(command[:6])} failed: {errors.read()[-800:]}")
            peak = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
            took = Took(seconds, usage.ru_utime + usage.ru_stime, peak, output.read())
        if best is None or took.cpu < best.cpu:
            best = took
    assert best is not None
    return best


def specdiff(*arguments: str) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "specdiff", *arguments]


Ratio = tuple[str, Took | None, float | None]
"""To what, what that took, and what the ratio should be at most."""


def row(what: str, took: Took, *ratios: Ratio) -> None:
    """One line of the table."""
    parts = []
    for name, other, aim in ratios:
        if other is not None:
            aimed = f", aim {aim:.3f}" if aim is not None else ""
            parts.append(f"{took.cpu / other.cpu:.3f} of {name} (wall {took.seconds / other.seconds:.3f}{aimed})")
    line = f"{what:40} {took.cpu:7.2f} s CPU {took.seconds:7.2f} s wall {took.mebibytes:5.0f} MiB  {'; '.join(parts)}"
    print(line, flush=True)


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
        row(f"{name}, cold", cold, ("torch", built, cold_aim))
        warm = measured(specdiff(*arguments), cache, times=3)
        row(f"{name}, warm", warm, ("torch", built, warm_aim), ("cold", cold, None))
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
                best = again if best is None or again.cpu < best.cpu else best
            assert best is not None
            took.append(best)
        row(f"{target.partition(':')[0]}, {setting} {count}", took[0])
        row(f"{target.partition(':')[0]}, {setting} {2 * count}", took[1], (f"{count}", took[0], 1.1))
    row("(of each of these, imports)", start)


def library(folder: Path, mlinter: Path | None) -> None:
    """Every model of the installed transformers, cold and warm, beside linting the same files."""
    from specdiff.project.targets import transformers_folder

    models = transformers_folder() / "models"
    lint = None
    if mlinter is not None:
        checkout = folder / "checkout"
        (checkout / "src").mkdir(parents=True)
        subprocess.run(["cp", "-r", str(models.parent), str(checkout / "src" / "transformers")], check=True)
        (checkout / "tests" / "models").mkdir(parents=True)
        lint = measured([str(mlinter), "--no-cache", "--no-progress"], place=checkout)
        row("mlinter --no-cache", lint)
    else:
        print("no --mlinter PATH: the ratio to linting the library is left out")
    cache = folder / "library"
    cold = measured(specdiff("inspect", str(models), *PARAMETERS), cache)
    rows = [json.loads(line) for line in cold.output.splitlines()]
    print(f"{len(rows)} classes")
    row("inspect the library, cold", cold, ("mlinter", lint, 1.0))
    warm = measured(specdiff("inspect", str(models), *PARAMETERS), cache)
    row("inspect the library, warm", warm, ("cold", cold, 1 / 20))
    if sorted(warm.output.splitlines()) != sorted(cold.output.splitlines()):
        raise SystemExit("the warm run's rows differ from the cold run's")


def told_apart(command: tuple[str, ...], whole: bool = False) -> dict[str, float]:
    """Seconds of CPU by stage; ``whole`` counts what a stage calls, too."""
    took = measured([sys.executable, str(ROOT / "benchmarks" / "stages.py"), *command])
    rows = (line.split("\t") for line in took.output.splitlines())
    return {label: float(total if whole else own) for label, own, _, total in rows}


def stages(command: tuple[str, ...]) -> None:
    """Where the time of a cold run goes; the floor is libcst's own parse."""
    spent = told_apart(command)
    total = sum(spent.values())
    print(f"\nwhere {total:.2f} s CPU of specdiff {' '.join(command[:2])} go, no cache")
    for label, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {label:24} {seconds:7.3f} s {seconds / total:6.1%}")
    floor = spent.get("parse (libcst)", 0.0)
    if floor:
        print(f"  all of it is {total / floor:.1f} times libcst's parse of the model code that was needed")


def sampled(number: int, residue: int) -> list[str]:
    """A class of each family in one of ``number`` slices of the installed transformers, families chosen by hash."""
    from forward import families, slice_of
    from forward_cost import candidates

    return [found[0] for family in slice_of(families(), number, residue) if (found := candidates(family))]


def forwards(targets: list[str]) -> None:
    """What following `forward` costs beside building, each model alone, with nothing kept from another run.

    Building is all that it takes to have the parameter tree (reading text, class statements, constructors), following
    all that comes on top (reading the text of the bodies, running them); importing specdiff itself is neither.
    """
    print(f"\nbuilding, following forward{'build':>41} {'forward':>7} {'ratio':>6}  (aim 1; median of {FORWARD_RUNS})")
    ratios: list[tuple[float, str]] = []
    sums = [0.0, 0.0]
    for target in targets:
        command = ("inspect", target, "--only", "live", "--format", "jsonl")
        runs = [told_apart(command, whole=True) for _ in range(FORWARD_RUNS)]
        finding, making, following = (
            statistics.median(run.get(stage, 0.0) for run in runs)
            for stage in ("find classes", "interpret __init__", "interpret forward")
        )
        building = finding + making
        if not following:
            print(f"{target:60} {building:7.3f} is not followed")
            continue
        ratios.append((following / building, target))
        sums = [sums[0] + building, sums[1] + following]
        print(f"{target:60} {building:7.3f} {following:7.3f} {following / building:6.2f}", flush=True)
    within = [ratio for ratio, _ in ratios if ratio <= 1]
    median = statistics.median(ratio for ratio, _ in ratios)
    print(f"{len(within)} of {len(ratios)} within 1; median {median:.2f}; all together {sums[1] / sums[0]:.2f}")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", type=Path, metavar="PYTHON", help="a Python that has torch and transformers")
    parser.add_argument("--mlinter", type=Path, metavar="PATH", help="the program of the package transformers-mlinter")
    parser.add_argument("--library", action="store_true", help="also the whole library")
    parser.add_argument(
        "--forward", nargs="*", metavar="TARGET", help="only what following forward costs beside building"
    )
    parser.add_argument("--slice", type=int, default=0, help="with --forward: a class of one family in N")
    parser.add_argument("--residue", type=int, default=0, help="which of the N slices")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(ROOT / "specdiff", quiet=1)
    if arguments.forward is not None:
        chosen = sampled(arguments.slice, arguments.residue) if arguments.slice else arguments.forward or FORWARD
        forwards(chosen)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one_model(folder, arguments.torch)
        doubling(folder)
        if arguments.library:
            library(folder, arguments.mlinter)
    for command in STAGES:
        stages(command)
    forwards(FORWARD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
