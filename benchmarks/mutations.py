"""Seeded faults in real model code, made in memory: how many does `check` against the untouched code's own draft or `audit` catch?

    python benchmarks/mutations.py [FAMILY…] [--operators a,b] [--most N] [--output FILE] [--torch PYTHON]

A mutant is *caught* where a vocabulary fact, the parameters or the total differ from the untouched code's, or where the
audit says something at error or warning level that it does not say about the untouched code; *undecided* where a fact
became undecided and nothing else tells; *equivalent* where torch gives the same outputs for the same random weights.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.mutants import OPERATORS, Mutant, mutants
from specdiff import pipeline
from specdiff.options import Options
from specdiff.project.build import build, model_classes
from specdiff.project.locate import Roots
from specdiff.project.targets import Target, resolve
from specdiff.project.tree import Overlay
from specdiff.results import ClassResult, Severity
from specdiff.session import deeply

FAMILIES = (
    "llama mistral qwen2 qwen3 gemma gemma2 gemma3 phi phi3 gpt2 gpt_neox gptj opt bloom falcon mpt olmo2 granite cohere cohere2 "
    "starcoder2 stablelm smollm3 nemotron mixtral qwen2_moe qwen3_moe olmoe gpt_oss glm4_moe dbrx deepseek_v2 deepseek_v3 mamba "
    "mamba2 falcon_mamba jamba bamba zamba rwkv recurrent_gemma qwen3_next lfm2 bert roberta electra modernbert deberta_v2 t5 "
    "bart pegasus mbart vit dinov2 siglip clip swin beit convnext whisper wav2vec2 hubert"
).split()
SMALL = {"num_hidden_layers": 4, "n_layer": 4, "n_layers": 4, "num_layers": 4, "encoder_layers": 2, "decoder_layers": 2}


class Bench:
    """One program and one overlay for all mutants of a family; owned by `main`."""

    def __init__(self, family: str) -> None:
        self.files: dict[Path, bytes | None] = {}
        target = resolve(family)[0]
        roots = Roots(dict(target.roots.packages), target.roots.folder, tree=Overlay(self.files, target.roots.tree))
        self.target = Target(
            target.text, roots, target.module, target.path, target.classes, None, target.model_prefixes
        )
        self.options = Options()
        self.program = pipeline.new_program(self.target, self.options)
        self.name = ""
        self.values: dict[str, Any] = {}

    def choose(self) -> None:
        """The class to analyse: the first with a language-model head, else the largest that forward can follow."""
        module = self.program.module(self.target.module)
        names = [cls.name for cls in model_classes(self.program, module, ()) if not isinstance(cls, tuple)]
        order = [
            "ForCausalLM",
            "LMHeadModel",
            "ForConditionalGeneration",
            "ForMaskedLM",
            "ForImageClassification",
            "ForCTC",
            "Model",
        ]
        for ending in order:
            found = [name for name in names if name.endswith(ending) and not name.endswith("PreTrainedModel")]
            for name in found:
                self.name = name
                result = self.analyse()
                if result.tree is not None and result.live:
                    self.shrink(result)
                    return
        raise SystemExit(f"{self.target.text}: no class whose forward can be followed")

    def shrink(self, result: ClassResult) -> None:
        """Fewer layers, where the class can be built and followed with them too, so that a mutant takes less time."""
        self.values = {
            name: count
            for name, count in SMALL.items()
            if isinstance(result.config.get(name), int) and result.config[name] > count
        }
        heads = result.config.get("num_attention_heads")
        if isinstance(heads, int) and heads % 2 == 0 and result.config.get("num_key_value_heads") == heads:
            self.values["num_key_value_heads"] = heads // 2  # a default that hides which of the two is read
        if result.config.get("tie_word_embeddings") is False and "CausalLM" in self.name:
            self.values["tie_word_embeddings"] = True
        small = self.analyse()
        if small.tree is None or not small.live or len(small.sheet.facts) + 3 < len(result.sheet.facts):
            self.values = {}

    def analyse(self) -> ClassResult:
        """The class as the overlay has it."""
        self.program.forget_models()
        self.program.roots._found.clear()  # noqa: SLF001
        module = self.program.module(self.target.module)
        (entry,) = model_classes(self.program, module, (self.name,))
        if isinstance(entry, tuple):
            return pipeline._failed(entry[0], module.file, 0, entry[1])  # noqa: SLF001
        return pipeline.class_result(
            self.program, build(self.program, self.target, entry, dict(self.values)), self.options
        )


def differences(before: ClassResult, after: ClassResult) -> tuple[list[str], list[str]]:
    """(what catches the mutant, what became undecided)."""
    caught: list[str] = []
    opened: list[str] = []
    known = {(item.id, item.message) for item in before.findings}
    for item in after.findings:
        if item.severity in (Severity.ERROR, Severity.WARNING) and (item.id, item.message) not in known:
            (opened if item.id in ("build.undecided",) else caught).append(item.id)
    if after.tree is None:
        return caught, opened
    if before.parameters != after.parameters:
        caught.append("parameters")
    if before.tied != after.tied:
        caught.append("tied")
    for key, fact in before.sheet.facts.items():
        now = after.sheet.facts.get(key)
        if now is None:
            (opened if key in after.sheet.undecided else caught).append(key)
        elif now.value != fact.value or now.level < fact.level:
            caught.append(key)
    for key in before.sheet.absences:
        if key in after.sheet.facts:
            caught.append(key)
        elif key in after.sheet.undecided:
            opened.append(key)
    if before.verdict == "complete" and after.verdict == "undecided":
        opened.append("verdict")
    return list(dict.fromkeys(caught)), list(dict.fromkeys(opened))


def judge(bench: Bench, before: ClassResult, path: Path, mutant: Mutant) -> tuple[str, list[str]]:
    bench.files[path] = mutant.text.encode()
    try:
        after = bench.analyse()
    except Exception as error:  # noqa: BLE001 - a defect is a row of its own
        return "defect", [f"{type(error).__name__}: {error}"]
    finally:
        del bench.files[path]
    if mutant.line == 0:
        return "same", []
    caught, opened = differences(before, after)
    return ("caught", caught) if caught else ("undecided", opened) if opened else ("missed", [])


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    wanted = set(arguments.operators.split(",")) if arguments.operators else None
    for family in arguments.families or FAMILIES:
        start = time.time()
        try:
            bench = Bench(family)
            bench.choose()
        except (SystemExit, Exception) as error:  # noqa: BLE001 - one family's failure is that family's row
            print(f"{family}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        before = bench.analyse()
        config = bench.target.path.parent / f"configuration_{bench.target.path.parent.name}.py"
        for operator in OPERATORS:
            if wanted is not None and operator.id not in wanted:
                continue
            path = config if operator.in_config else bench.target.path
            if not path.is_file():
                continue
            text = path.read_text(encoding="utf-8")
            values = {key: value for key, value in before.config.items() if isinstance(value, int | float)}
            for mutant in mutants(text, operator, values, arguments.most):
                verdict, by = judge(bench, before, path.resolve(), mutant)
                row = {"family": family, "class": bench.name, "operator": operator.id, "line": mutant.line,
                       "verdict": verdict, "by": by[:6], "before": mutant.before, "after": mutant.after}  # fmt: skip
                if verdict in ("missed", "undecided") and arguments.torch:
                    proof = prove(arguments.torch, bench, path, mutant)
                    row["proof"] = proof
                    if proof == "same":
                        row["verdict"] = "equivalent"
                rows.append(row)
                if arguments.output:
                    with arguments.output.open("a") as file:
                        file.write(json.dumps(row) + "\n")
        print(f"{family}: {bench.name}, {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    return rows


def prove(python: str, bench: Bench, path: Path, mutant: Mutant) -> str:
    """`same`, `differs`, or why torch could not tell."""
    request = {"module": bench.target.module, "class": bench.name, "path": str(path), "text": mutant.text}
    script = Path(__file__).with_name("equivalence.py")
    try:
        done = subprocess.run(
            [python, str(script)], input=json.dumps(request), capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        return "too slow"
    return (
        done.stdout.strip().split("\n")[-1]
        if done.returncode == 0 and done.stdout.strip()
        else f"cannot run: {done.stderr.strip()[-160:]}"
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Per operator: how many, and what became of them."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row["operator"]][row["verdict"]] += 1
    lines = [
        "| operator | mutants | caught | missed | undecided | equivalent | of the others caught |",
        "|---|---|---|---|---|---|---|",
    ]
    whole: Counter[str] = Counter()
    for operator, each in [*counts.items(), ("all", whole)]:
        if each is not whole:
            whole.update(each)
        real = sum(each.values()) - each["equivalent"] - each["same"]
        share = f"{each['caught'] / real:.1%}" if real else ""
        lines.append(
            f"| {operator} | {sum(each.values())} | {each['caught']} | {each['missed']} | {each['undecided']} | {each['equivalent']} | {share} |"
        )
    families = len({row["family"] for row in rows})
    return f"{len(rows)} mutants of {families} families.\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--operators", default="")
    parser.add_argument("--most", type=int, default=1, help="mutants per operator and family (default: 1)")
    parser.add_argument("--output", type=Path, help="append one JSON line per mutant")
    parser.add_argument("--torch", default="", help="a Python with torch and transformers, to prove equivalence")
    parser.add_argument("--table", type=Path, nargs="*", help="only print the table of these outputs")
    arguments = parser.parse_args()
    if arguments.table:
        rows = [json.loads(line) for path in arguments.table for line in path.open()]
    else:
        rows = deeply(lambda: run(arguments))
    print(table(rows))
    for row in rows:
        if row["verdict"] in ("missed", "undecided", "defect"):
            print(
                f"{row['verdict']:9} {row['family']} {row['operator']} line {row['line']}: {row['before']!r} -> {row['after']!r} {row['by']} {row.get('proof', '')}"
            )


if __name__ == "__main__":
    main()
