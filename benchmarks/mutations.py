"""Seeded faults in real model code, made in memory: how many does `check` against the untouched code's own draft or `audit` catch?

    python benchmarks/mutations.py [FAMILY…] [--per-kind N] [--salt TEXT] [--operators a,b] [--most N] [--output FILE]
    python benchmarks/mutations.py --output FILE --prove PYTHON

Families are chosen by digest within each kind, and so are the places of a fault in a file, among the functions that the
analysed class reaches. A mutant is *caught* where a fact, the parameters or the ties differ from the untouched code's, or where the
audit says something at error or warning level that it does not say about the untouched code; *undecided* where a fact
became undecided and nothing else tells; *equivalent* where torch gives the same outputs for the same random weights.
The column `named` counts those that are caught without the fact that pins down every operation.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import checkout  # noqa: F401
import libcst as cst

from benchmarks.applying import mutants, spans
from benchmarks.families import chosen, digest, kind_of, rare
from benchmarks.operators import ALL
from benchmarks.operators.editing import Mutant, Operator
from specdiff import pipeline
from specdiff.match.compare import check_spec
from specdiff.options import Options
from specdiff.project.build import build, model_classes
from specdiff.project.locate import Roots
from specdiff.project.targets import Target, resolve
from specdiff.project.tree import Overlay
from specdiff.results import ClassResult, ModuleNode, Severity, Status
from specdiff.session import deeply
from specdiff.spec.draft import draft
from specdiff.spec.load import load_spec

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
        self.published: Claimed | None = None
        """The claims with the configuration's own defaults, made when they are first asked for."""

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
            "ForAudioClassification",
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
        for count in (4, 8, 12):
            self.values |= {name: count for name in self.values if name in SMALL and SMALL[name] < count}
            small = self.analyse()
            if small.tree is None or not small.live or len(small.sheet.facts) + 3 < len(result.sheet.facts):
                break
            if _kinds(small) == _kinds(result):
                return
        self.values = {}

    def analyse(self, whole: bool = False) -> ClassResult:
        """The class as the overlay has it, with every operation as a fact where `whole`."""
        self.program.forget_models()
        self.program.roots._found.clear()  # noqa: SLF001
        module = self.program.module(self.target.module)
        (entry,) = model_classes(self.program, module, (self.name,))
        if isinstance(entry, tuple):
            return pipeline._failed(entry[0], module.file, 0, entry[1])  # noqa: SLF001
        return pipeline.class_result(
            self.program,
            build(self.program, self.target, entry, dict(self.values)),
            replace(self.options, computation=whole),
        )


def _kinds(result: ClassResult) -> set[Any]:
    """What kinds of layers a class has."""
    fact = result.sheet.facts.get("layers.pattern")
    return set(fact.value) if fact is not None and isinstance(fact.value, tuple) else set()


class Claimed:
    """The untouched code's own draft as a spec, and what its audit says; owned by `main`."""

    def __init__(self, before: ClassResult, target: str) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write(draft(before, target))
            file.flush()
            self.spec = load_spec(file.name, allow_todo=True)
        self.before = before
        self.known = {(item.id, item.message) for item in before.findings}

    def differences(self, after: ClassResult, whole: bool = False) -> tuple[list[str], list[str]]:
        """(what catches a mutant: claims that fail and findings that are new, what became undecided)."""
        caught: list[str] = []
        opened: list[str] = []
        for item in after.findings:
            if item.severity in (Severity.ERROR, Severity.WARNING) and (item.id, item.message) not in self.known:
                (opened if item.id == "build.undecided" else caught).append(item.id)
        for claim in check_spec(self.spec, after).claims:
            if claim.key.startswith("computation.") and not whole:
                continue
            if claim.status in (Status.MISMATCH, Status.MISSING):
                caught.append(claim.key)
            elif claim.status is Status.UNDECIDED:
                opened.append(claim.key)
        if self.before.verdict == "complete" and after.verdict != "complete":
            (opened if after.verdict == "undecided" else caught).append("verdict")
        return list(dict.fromkeys(caught)), list(dict.fromkeys(opened))


def reached(before: ClassResult, text: str) -> set[int] | None:
    """Lines of a file that the class's constructor and forward come to; None where the calls are not known."""
    functions = {name.rpartition("::")[2] for edge in before.calls for name in edge if "::" in name}
    built = {(node.class_name, node.line) for node in _nodes(before.tree)} if before.tree is not None else set()
    lines: set[int] = set()

    constructed = _named_in_constructors(ast.parse(text), {name for name, _ in built})

    def visit(node: ast.AST, owner: str, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                visit(child, child.name, any(child.name == name for name, _ in built))
            elif isinstance(child, ast.FunctionDef):
                first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                name = f"{owner}.{child.name}" if owner else child.name
                if (
                    f"{name}:{first}" in functions
                    or (inside and child.name in ("__init__", "_init_weights", "reset_parameters"))
                    or name in constructed
                ):
                    lines.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
            elif inside or not owner:
                lines.update(range(getattr(child, "lineno", 0), getattr(child, "end_lineno", 0) + 1))

    visit(ast.parse(text), "", False)
    return lines if functions else None


def _line(mutant: Mutant) -> str:
    return mutant.text.split("\n")[mutant.line - 1]


def _named_in_constructors(module: ast.Module, classes: set[str]) -> set[str]:
    """Methods and functions of a file that the constructors of some of its classes name."""
    found: set[str] = set()
    for cls in module.body:
        if isinstance(cls, ast.ClassDef) and cls.name in classes:
            for init in cls.body:
                if isinstance(init, ast.FunctionDef) and init.name == "__init__":
                    nodes = list(ast.walk(init))
                    found |= {f"{cls.name}.{node.attr}" for node in nodes if isinstance(node, ast.Attribute)}
                    found |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return found


def _nodes(node: ModuleNode) -> Iterator[ModuleNode]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _as_published(bench: Bench, path: Path, mutant: Mutant) -> tuple[list[str], list[str]]:
    """The same with the configuration's own defaults, where the bench's values (a tie, fewer layers) may hide the fault."""
    values, bench.values = bench.values, {}
    try:
        if bench.published is None:
            del bench.files[path]
            bench.published = Claimed(bench.analyse(whole=True), bench.target.text)
            bench.files[path] = mutant.text.encode()
        return bench.published.differences(bench.analyse(whole=True), whole=True)
    finally:
        bench.values = values


def judge(bench: Bench, claimed: Claimed, path: Path, mutant: Mutant) -> tuple[str, list[str]]:
    bench.files[path] = mutant.text.encode()
    try:
        caught, opened = claimed.differences(bench.analyse())
        if not caught and mutant.line:
            caught, opened = claimed.differences(bench.analyse(whole=True), whole=True)
        if not caught and mutant.line and bench.values:
            caught, opened = _as_published(bench, path, mutant)
    except Exception as error:  # noqa: BLE001 - a defect is a row of its own
        return "defect", [f"{type(error).__name__}: {error}"]
    finally:
        del bench.files[path]
    if mutant.line == 0:
        return "same", []
    return ("caught", caught) if caught else ("undecided", opened) if opened else ("missed", [])


FAMILIES_EACH = 5
"""Families on which every operator runs wherever it finds a place; on the others a share of the operators does."""


def share_of(family: str, operator: str) -> float:
    """A number from 0 to 1 that depends on the two names alone."""
    return int(digest(family, operator)[:8], 16) / 0xFFFFFFFF


def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    seen: dict[str, set[str]] = defaultdict(set)
    if arguments.output and arguments.output.is_file():
        rows = [json.loads(line) for line in arguments.output.open()]
    for row in rows:
        seen[row["operator"]].add(row["family"])
    done_before = {(row["family"], row["operator"]) for row in rows}
    wanted = set(arguments.operators.split(",")) if arguments.operators else None
    families = arguments.families or chosen(arguments.per_kind, arguments.salt)
    plan: list[tuple[str, list[Operator]]] = [(family, list(ALL)) for family in families]
    if not arguments.families:
        more = dict.fromkeys(family for operator in ALL for family in rare(operator.id))
        plan.extend((family, [each for each in ALL if family in rare(each.id)]) for family in more)
    whole = {family for family, _ in done_before} & set(families)
    for number, (family, operators) in enumerate(plan):
        if number < len(families) and (family in whole or arguments.rare):
            continue
        if number >= len(families):
            operators = [
                each for each in operators
                if len(seen[each.id]) < arguments.each and (family, each.id) not in done_before
            ]  # fmt: skip
        if wanted is not None:
            operators = [each for each in operators if each.id in wanted]
        if not operators:
            continue
        start = time.time()
        try:
            bench = Bench(family)
            bench.choose()
        except (SystemExit, Exception) as error:  # noqa: BLE001 - one family's failure is that family's row
            print(f"{family}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        before = bench.analyse(whole=True)
        claimed = Claimed(before, family)
        said = claimed.differences(bench.analyse(whole=True), whole=True)
        print(f"{family}: the untouched code again says {[*said[0], *said[1]] or 'nothing new'}", file=sys.stderr)
        config = bench.target.path.parent / f"configuration_{bench.target.path.parent.name}.py"
        texts: dict[Path, tuple[str, cst.Module, dict[cst.CSTNode, tuple[int, int]], set[int] | None]] = {}
        for operator in operators:
            if len(seen[operator.id]) >= arguments.each and share_of(family, operator.id) >= arguments.share:
                continue
            path = config if operator.in_config else bench.target.path
            if not path.is_file():
                continue
            if path not in texts:
                text = path.read_text(encoding="utf-8")
                parsed = cst.parse_module(text)
                texts[path] = (text, parsed, spans(parsed), reached(before, text) if path != config else None)
            text, parsed, places, lines = texts[path]
            values = {key: value for key, value in before.config.items() if isinstance(value, int | float)}
            done = 0
            for mutant in mutants(
                text, operator, values, 40 * arguments.most, f"{family}{arguments.salt}", parsed, places
            ):
                if done >= arguments.most:
                    break
                if lines is not None and mutant.line not in lines:
                    continue  # in another class of the file
                if path == config and any(re.search(rf"\b{name}\b", _line(mutant)) for name in bench.values):
                    continue  # a setting that the bench gives itself
                done += 1
                verdict, by = judge(bench, claimed, path.resolve(), mutant)
                row = {"family": family, "class": bench.name, "operator": operator.id, "line": mutant.line,
                       "verdict": verdict, "by": by[:6],
                       "named": any(not key.startswith("computation.") for key in by), "before": mutant.before, "after": mutant.after}  # fmt: skip
                if verdict in ("missed", "undecided"):
                    row |= {"text": mutant.text, "module": bench.target.module, "path": str(path)}
                rows.append(row)
                seen[operator.id].add(family)
                if arguments.output:
                    with arguments.output.open("a") as file:
                        file.write(json.dumps(row) + "\n")
        print(f"{family}: {bench.name}, {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    return rows


def prove(python: str, output: Path) -> None:
    """Run with torch what was not caught, and write what came out into the rows."""
    rows = [json.loads(line) for line in output.open()]
    open_rows = [
        row for row in rows if row["verdict"] in ("missed", "undecided") and "text" in row and "proof" not in row
    ]
    requests = "\n".join(
        json.dumps({key: row[key] for key in ("module", "class", "path", "text")}) for row in open_rows
    )
    script = Path(__file__).with_name("equivalence.py")
    done = subprocess.run([python, str(script)], input=requests, capture_output=True, text=True, check=False)
    for row, proof in zip(open_rows, done.stdout.strip().split("\n"), strict=False):
        row["proof"] = proof
        if proof == "same":
            row["verdict"] = "equivalent"
    output.write_text("".join(json.dumps(row) + "\n" for row in rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Per operator: how many, and what became of them."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row["operator"]][row["verdict"]] += 1
    lines = [
        "| operator | mutants | families | caught | named | missed | undecided | equivalent | of the others caught |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    whole: Counter[str] = Counter()
    spread: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for name in (row["operator"], "all"):
            spread[name].add(row["family"])
        counts[row["operator"]]["named"] += row["verdict"] == "caught" and row["named"]
    for operator, each in [*counts.items(), ("all", whole)]:
        if each is not whole:
            whole.update(each)
        real = sum(each.values()) - each["equivalent"] - each["same"] - each["named"]
        share = f"{each['caught'] / real:.1%}" if real else ""
        lines.append(
            f"| {operator} | {sum(each.values()) - each['named']} | {len(spread[operator])} | {each['caught']} | {each['named']} | {each['missed']} | {each['undecided']} | {each['equivalent']} | {share} |"
        )
    families = {row["family"] for row in rows}
    kinds = Counter(kind_of(family) or "other" for family in families)
    said = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    return f"{len(rows)} mutants of {len(families)} families ({said}).\n\n" + "\n".join(lines) + "\n"


HEAD = """# Seeded faults

`python benchmarks/mutations.py --output FILE …` and `--prove PYTHON` on its rows, written by `--table FILE… --write`; transformers 5.23.0,
one state of the analysis for all rows. Places are chosen by digest among the functions that the analysed class reaches. *Caught*: a claim of
the untouched code's own draft, held against the changed code as `check` does, is contradicted, or the audit says something new at
error or warning level; `named` without the `computation` claims. *Equivalent*: torch computed the same (prompt, padding, cache, loss)
on the same random weights. Equivalents that a claim about the code as written contradicts count as caught. Analysing the untouched code
again says nothing new in any family.

"""


def written(rows: list[dict[str, Any]]) -> str:
    """The committed table."""
    lines = [HEAD + table(rows)]
    for title, verdicts in (
        ("Not caught and not proven equivalent", ("missed", "undecided", "defect")),
        ("Not caught and proven equivalent", ("equivalent",)),
    ):
        lines.append(f"\n{title}:\n\n| family | operator | line | before | after | torch |\n|---|---|---|---|---|---|")
        for row in rows:
            if row["verdict"] in verdicts:
                cells = [f"`{row[key][:90]}`".replace("|", "\\|") for key in ("before", "after")]
                said = row.get("proof", "")
                lines.append(f"| {row['family']} | {row['operator']} | {row['line']} | {' | '.join(cells)} | {said} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--per-kind", type=int, default=6, help="families of each kind (default: 6)")
    parser.add_argument(
        "--share", type=float, default=1.0, help="share of operators on families beyond the first six (default: all)"
    )
    parser.add_argument(
        "--each", type=int, default=FAMILIES_EACH, help="families on which every operator runs (default: 5)"
    )
    parser.add_argument("--rare", action="store_true", help="only what few of the chosen families have a place for")
    parser.add_argument("--salt", default="", help="any text: other families and other places")
    parser.add_argument("--operators", default="")
    parser.add_argument("--most", type=int, default=1, help="mutants per operator and family (default: 1)")
    parser.add_argument(
        "--output", type=Path, help="append one JSON line per mutant; families it has are not run again"
    )
    parser.add_argument(
        "--prove",
        default="",
        metavar="PYTHON",
        help="run what --output has as missed with this Python's torch and transformers",
    )
    parser.add_argument("--table", type=Path, nargs="*", help="only print the table of these outputs")
    parser.add_argument("--write", action="store_true", help="write benchmarks/tables/mutations.md from these rows")
    arguments = parser.parse_args()
    if arguments.prove:
        prove(arguments.prove, arguments.output)
        arguments.table = [arguments.output]
    if arguments.table:
        rows = [json.loads(line) for path in arguments.table for line in path.open()]
    else:
        rows = deeply(lambda: run(arguments))
    if arguments.write:
        (Path(__file__).parent / "tables" / "mutations.md").write_text(written(rows), encoding="utf-8")
    print(table(rows))
    for row in rows:
        if row["verdict"] in ("missed", "undecided", "defect"):
            print(
                f"{row['verdict']:9} {row['family']} {row['operator']} line {row['line']}: {row['before']!r} -> {row['after']!r} {row['by']} {row.get('proof', '')}"
            )


if __name__ == "__main__":
    main()
