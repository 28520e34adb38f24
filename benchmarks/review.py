"""`review` on consecutive transformers releases, and `weights` on a real-sized set of headers.

    python benchmarks/review.py --releases DIR [--pair 4.56.0..4.57.0]… [--output FILE]
    python benchmarks/review.py --weights                  # a 120B checkpoint's headers: seconds and memory
    python benchmarks/review.py --library [MODEL]…         # a change of one model in a checkout of the whole library
    python benchmarks/review.py --sample 25 [--seed 8]     # the same for models chosen by a seed, with the source lowered

DIR holds unpacked releases (`DIR/4.57.0/transformers`) or their wheels. Each pair becomes a git repository with a commit per
release, and each model of `CASES` is reviewed by itself, a whole process each. `CASES` are changes that the release notes or
the models' own pages tell; the run fails where one of them is not reported, or where one without an effect on the
architecture is. Seconds are of one core, with whatever the cache had.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import checkout  # noqa: F401

from specdiff.project.targets import transformers_folder


class Case(NamedTuple):
    """One model's change between two releases."""

    pair: str
    model: str
    told: str
    """What the release notes or the model's page say, in our words."""
    key: str
    """The fact that shows it; `same` where nothing of the architecture changes."""
    value: object
    """Its value after the change."""


CASES = (
    Case("4.36.0..4.37.0", "mixtral", "no sliding window by default", "attention.window.size", None),
    Case(
        "4.36.0..4.37.0", "phi", "projections of their own in place of one for all three", "attention.fused_qkv", False
    ),
    Case("4.38.0..4.39.0", "gemma", "tanh approximation of GELU, as Google's code has", "mlp.activation", "gelu_tanh"),
    Case("4.38.0..4.39.0", "mixtral", "the auxiliary loss counts as many experts as a token has", "same", None),
    Case("4.41.0..4.42.0", "gemma2", "new: a soft cap on the logits", "logits.softcap", 30.0),
    Case(
        "4.42.0..4.43.0",
        "gemma2",
        "the soft cap on attention scores that 4.42.0 had left out",
        "attention.softcap",
        50.0,
    ),
    Case("4.42.0..4.43.0", "paligemma", "the text model takes the vocabulary of the whole", "vocab_size", 257152),
    Case("4.42.0..4.43.0", "falcon", "flash attention moved to a function that all models share", "same", None),
    Case("4.56.0..4.57.0", "flex_olmo", "new: OLMo 2 with seven experts", "moe.experts", 7),
    Case(
        "4.56.0..4.57.0", "vaultgemma", "new: Gemma 2 without the norms behind its sub-layers", "norm.placement", "pre"
    ),
    Case("4.56.0..4.57.0", "olmo3", "new: three sliding layers to one full", "attention.window.size", 4096),
    Case("4.56.0..4.57.0", "mistral", "a warning alone", "same", None),
    Case("5.5.0..5.6.0", "hy_v3", "new: 192 experts, of which a token has eight", "moe.experts", 192),
    Case("5.5.0..5.6.0", "whisper", "queries, keys and values are put in shape in another way", "same", None),
    Case(
        "5.22.0..5.23.0",
        "blt",
        "the patcher looks back 512 positions where it had no window",
        "attention.window.size",
        512,
    ),
    Case("5.22.0..5.23.0", "siglip", "the vision head is optional, and there by default", "same", None),
)


def main() -> int:
    """Review the pairs, or measure `weights`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=Path)
    parser.add_argument("--pair", action="append", default=[])
    parser.add_argument("--weights", action="store_true")
    parser.add_argument("--library", nargs="*", metavar="MODEL")
    parser.add_argument("--sample", type=int, default=0, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    lines: list[str] = []
    failures: list[str] = []
    if arguments.releases:
        rows, failures = _reviews(arguments.releases.resolve(), set(arguments.pair))
        lines += [
            "| releases | model | seconds | classes | changed | facts changed | told | reported |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += rows
    if arguments.weights:
        lines += ["", *_weights(failures)]
    if arguments.library is not None:
        lines += ["", *_one_model(arguments.library or list(ONE_MODEL), failures)]
    if arguments.sample:
        lines += ["", *_sampled(arguments.sample, arguments.seed, failures)]
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(f"# Reviews of releases\n\nPrinted by `benchmarks/review.py`.\n\n{text}")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _reviews(releases: Path, wanted: set[str]) -> tuple[list[str], list[str]]:
    rows, failures = [], []
    for pair in dict.fromkeys(case.pair for case in CASES):
        if wanted and pair not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            repository = Path(folder)
            _commits(repository, releases, *pair.split(".."))
            for case in CASES:
                if case.pair == pair:
                    row, wrong = _one(repository, case)
                    print(row, file=sys.stderr, flush=True)
                    rows.append(row)
                    failures += [wrong] if wrong else []
    return rows, failures


def _commits(repository: Path, releases: Path, *versions: str, installed: Path | None = None) -> None:
    """A commit per release, or one of the installed library."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost", "-c", "gc.auto=0")
        subprocess.run(["git", "-C", str(repository), *who, *words], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for version in versions or ("installed",):
        target = repository / "src"
        shutil.rmtree(target, ignore_errors=True)
        unpacked = installed or releases / version / "transformers"
        if unpacked.is_dir():
            shutil.copytree(unpacked, target / "transformers", ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (wheel,) = releases.glob(f"transformers-{version}-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(target, [name for name in archive.namelist() if name.startswith("transformers/")])
        git("add", "-A")
        git("commit", "-qm", version)


def _one(repository: Path, case: Case) -> tuple[str, str]:
    command = [sys.executable, "-m", "specdiff", "review", "HEAD~1..HEAD", "--files", f"*/models/{case.model}/*"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [*command, "--repository", str(repository), "--format", "json"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    head = f"| {case.pair} | {case.model} | {seconds:.1f} |"
    if not run.stdout:
        return f"{head} | | | {case.told} | {run.stderr.strip()[-200:]} |", f"{case.model}: {run.stderr.strip()[-300:]}"
    result = json.loads(run.stdout)
    classes = [each for each in result["classes"] if f"/{case.model}/" in each["file"]]
    changed = [each for each in classes if each["standing"] != "same"]
    facts = sum(len(each["facts"]) for each in changed)
    reported = next(_reported(case, classes, result), "")
    row = f"{head} {len(classes)} | {len(changed)} | {facts} | {case.told} | {reported or 'NOT REPORTED'} |"
    return row, "" if reported else f"{case.pair} {case.model}: {case.told}: {case.key} is not reported"


def _reported(case: Case, classes: list[dict[str, Any]], result: dict[str, Any]) -> Iterator[str]:
    """The line that reports a case."""
    if case.key == "same":
        told = [
            change for each in classes for change in each["facts"] if change["kind"] in ("added", "removed", "changed")
        ]
        if classes and not told and not any(each["parameters"] or each["operations"] for each in classes):
            yield "no fact, no parameter and no operation changes"
        return
    for each in classes:
        for change in each["facts"]:
            if change["key"].endswith(case.key) and change["after"] == case.value:
                steps = change["after_evidence"] or change["before_evidence"]
                place = f" `{steps[-1]['file']}:{steps[-1]['line']}`" if steps else ""
                yield f"`{each['class']}`: {change['key']} {change['before']} → {change['after']}{place}"
        for key, fact in each.get("added", {}).items():
            if key.endswith(case.key) and fact["value"] == case.value:
                steps = fact["evidence"]
                place = f" `{steps[-1]['file']}:{steps[-1]['line']}`" if steps else ""
                yield f"`{each['class']}` is new: {key} {fact['value']}{place}"


ONE_MODEL = ("gpt_oss", "llama", "qwen3_moe", "bert")
SECONDS = 5.0
"""What a review of a change that touches one model may take, warm."""


def _one_model(models: list[str], failures: list[str]) -> Iterator[str]:
    """The installed library as a git repository, and the attention scale of one model edited, in three states of the cache.

    A machine that others use has no seconds of its own, so the seconds of one core decide; two processes share them.
    """
    yield "| model | the cache has | seconds | of one core | times one `inspect` of the model | facts reported |"
    yield "|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "repository", Path(name) / "cache"
        folder.mkdir()
        _commits(folder, Path(name), installed=transformers_folder())
        for model in models:
            file = folder / "src" / "transformers" / "models" / model / f"modeling_{model}.py"
            text = file.read_text()
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "SPECDIFF_CACHE_DIR": str(cache)}
            for _ in range(2):  # the second has the lowered source, as the reviews have it
                for kept in cache.glob("result-*"):
                    kept.unlink()
                _, alone, _ = _timed(["inspect", str(file), "--format", "json"], environment)
            for number, state in enumerate(("nothing", "the lowered source", "also the side before the change")):
                for kept in cache.glob("result-*") if number < 2 else ():
                    kept.unlink()
                if number == 0:
                    shutil.rmtree(cache, ignore_errors=True)
                file.write_text(text.replace("**-0.5", f"**-0.{number + 6}"))
                command = ["review", "HEAD", "--repository", str(folder), "--format", "json"]
                took, core, run = _timed(command, environment)
                facts = sum(len(each["facts"]) for each in json.loads(run.stdout)["classes"]) if run.stdout else 0
                yield f"| {model} | {state} | {took:.2f} | {core:.2f} | {core / alone:.1f} | {facts} |"
                if not facts or (number and core > SECONDS):
                    failures.append(
                        f"{model}, the cache has {state}: {core:.1f} s of one core, {facts} facts {run.stderr}"
                    )
            file.write_text(text)
    yield f"\nThe load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."


def _sampled(count: int, seed: int, failures: list[str]) -> Iterator[str]:
    """Reviews of models that nobody chose: the lowered source is there, no result of an earlier run is."""
    yield "| model | classes | seconds | of one core | facts reported |"
    yield "|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "repository", Path(name) / "cache"
        folder.mkdir()
        _commits(folder, Path(name), installed=transformers_folder())
        files = sorted((folder / "src" / "transformers" / "models").glob("*/modeling_*.py"))
        fitting = [file for file in files if "**-0.5" in file.read_text()]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "SPECDIFF_CACHE_DIR": str(cache)}
        spent = []
        for file in sorted(random.Random(seed).sample(fitting, count)):
            text = file.read_text()
            _timed(["inspect", str(file), "--format", "json"], environment)
            for kept in cache.glob("result-*"):
                kept.unlink()
            file.write_text(text.replace("**-0.5", "**-0.6"))
            took, core, run = _timed(["review", "HEAD", "--repository", str(folder), "--format", "json"], environment)
            file.write_text(text)
            classes = json.loads(run.stdout)["classes"] if run.stdout else []
            facts = sum(len(each["facts"]) for each in classes)
            spent.append(core)
            row = f"| {file.parent.name} | {len(classes)} | {took:.2f} | {core:.2f} | {facts} |"
            print(row, file=sys.stderr, flush=True)
            yield row
            if core > SECONDS:
                failures.append(f"{file.parent.name}: {core:.1f} s of one core {run.stderr}")
    yield f"\n{count} of {len(fitting)} files with a scale to change, seed {seed}: {median(spent):.1f} s of one core in the median, {max(spent):.1f} s at most. The load of the machine at the end: {os.getloadavg()[0]:.1f}."


def _timed(command: list[str], environment: dict[str, str]) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """(seconds, seconds of one core, the run) of one command line."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(
        [sys.executable, "-m", "specdiff", *command], capture_output=True, text=True, check=False, env=environment
    )
    took, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, run


LAYERS, SHARDS = 36, 14
FIXED = {"model.embed_tokens.weight": (201088, 2880), "lm_head.weight": (201088, 2880), "model.norm.weight": (2880,)}
LAYER = {
    "input_layernorm.weight": (2880,), "post_attention_layernorm.weight": (2880,), "self_attn.sinks": (64,),
    "self_attn.q_proj.weight": (4096, 2880), "self_attn.q_proj.bias": (4096,), "self_attn.k_proj.weight": (512, 2880),
    "self_attn.k_proj.bias": (512,), "self_attn.v_proj.weight": (512, 2880), "self_attn.v_proj.bias": (512,),
    "self_attn.o_proj.weight": (2880, 4096), "self_attn.o_proj.bias": (2880,), "mlp.router.weight": (128, 2880),
    "mlp.router.bias": (128,), "mlp.experts.gate_up_proj": (128, 2880, 5760), "mlp.experts.gate_up_proj_bias": (128, 5760),
    "mlp.experts.down_proj": (128, 2880, 2880), "mlp.experts.down_proj_bias": (128, 2880),
}  # fmt: skip
"""gpt-oss-120b as the card gives it."""


def _weights(failures: list[str]) -> Iterator[str]:
    """Real headers with holes for data, so that 230 GB of files take some kilobytes of a disk."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shapes = FIXED | {f"model.layers.{n}.{k}": shape for n in range(LAYERS) for k, shape in LAYER.items()}
        names = sorted(shapes)
        index, total = {}, 0
        for shard in range(SHARDS):
            file = f"model-{shard:05d}-of-{SHARDS:05d}.safetensors"
            at, header = 0, {}
            for key in names[shard::SHARDS]:
                size = 2 * prod(shapes[key])
                header[key] = {"dtype": "BF16", "shape": list(shapes[key]), "data_offsets": [at, at + size]}
                at += size
                index[key] = file
            raw = json.dumps(header).encode()
            with (folder / file).open("wb") as out:
                out.write(struct.pack("<Q", len(raw)) + raw)
                out.truncate(8 + len(raw) + at)
            total += at
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": total}, "weight_map": index})
        )
        (folder / "config.json").write_text(
            json.dumps({"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "torch_dtype": "bfloat16"})
        )
        command = [sys.executable, "-m", "specdiff", "weights", str(folder), "--format", "json"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        yield f"`weights` on {len(names)} tensors, {total:,} bytes in {SHARDS} shards:"
        yield ""
        for run in ("first", "again"):
            begin = time.perf_counter()
            child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
            assert child.stdout is not None
            printed = child.stdout.read()
            _, status, used = os.wait4(child.pid, 0)
            took = time.perf_counter() - begin
            peak, core = used.ru_maxrss / 1024, used.ru_utime + used.ru_stime
            yield f"- {run}: {took:.2f} s ({core:.2f} s of one core), {peak:.0f} MB at most"
            if os.waitstatus_to_exitcode(status) or not json.loads(printed).get("fits", False):
                failures.append("weights: a checkpoint that fits is said not to fit")
            if run == "again" and (core > 1 or peak > 200):
                failures.append(f"weights: {core:.2f} s of one core and {peak:.0f} MB; wanted are 1 s and 200 MB")


if __name__ == "__main__":
    raise SystemExit(main())
