"""Which facts are found for the model classes of the installed transformers, and which disagree with the configuration.

Per key: classes with a fact, with a proven absence, and undecided, with the reasons ranked. The configuration's own words
for the same thing (`num_attention_heads` for `attention.heads`) are no proof, but a fact that contradicts them is worth a look.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from specdiff.options import Options
from specdiff.project.targets import resolve, transformers_folder
from specdiff.session import Session, deeply

Row = dict[str, Any]


def families() -> list[str]:
    """Families of the installed transformers that have a modeling file, in order of name."""
    models = transformers_folder() / "models"
    return sorted(item.name for item in models.iterdir() if any(item.glob("modeling_*.py")))


def slice_of(names: list[str], number: int) -> list[str]:
    """One family in ``number``, chosen by the hash of its name."""
    return [name for name in names if int(hashlib.sha256(name.encode()).hexdigest(), 16) % number == 0]


def rows_of(family: str) -> list[Row]:
    """One row per model class of a family that could be built."""
    return deeply(lambda: list(_rows(family)))


def _rows(family: str) -> Iterator[Row]:
    session = Session(Options(only=frozenset({"facts"}), use_cache=False))
    for path in sorted((transformers_folder() / "models" / family).glob("modeling_*.py")):
        for target in resolve(str(path)):
            for result in session.analyse(target):
                sheet = result.sheet
                yield {
                    "class": f"{family}::{result.name}",
                    "built": result.tree is not None,
                    "why": sheet.why_open,
                    "facts": {key: fact.value for key, fact in sheet.facts.items()},
                    "lines": {
                        key: f"{fact.evidence[0].file}:{fact.evidence[0].line}"
                        for key, fact in sheet.facts.items()
                        if fact.evidence
                    },
                    "absent": sorted(sheet.absences),
                    "undecided": {key: item.reason for key, item in sheet.undecided.items()},
                    "doubts": list(doubts({key: fact.value for key, fact in sheet.facts.items()}, result.config)),
                }


# --- Facts beside the configuration ------------------------------------------------------------


def doubts(facts: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[tuple[str, Any, str, Any]]:
    """(key, fact, setting, value) where a fact differs from what the configuration calls the same thing."""
    towers = {
        "": config,
        "text": config.get("text_config"),
        "vision": config.get("vision_config"),
        "audio": config.get("audio_config"),
    }
    for prefix in ("", "vision", "audio"):
        part = towers.get(prefix)
        if prefix == "" and isinstance(towers["text"], Mapping):
            part = towers["text"]
        if not isinstance(part, Mapping):
            continue
        for key, names in SAME.items():
            full = f"{prefix}.{key}" if prefix else key
            if full not in facts:
                continue
            name = next(
                (
                    each
                    for each in names
                    if isinstance(part.get(each), int | float) and not isinstance(part.get(each), bool)
                ),
                None,
            )
            if name is not None and facts[full] != part[name]:
                yield full, facts[full], name, part[name]
        rope = part.get("rope_parameters")
        theta = rope.get("rope_theta") if isinstance(rope, Mapping) else None
        full = f"{prefix}.rope.theta" if prefix else "rope.theta"
        if isinstance(theta, int | float) and full in facts and abs(facts[full] - theta) > 1e-6 * theta:
            yield full, facts[full], "rope_parameters.rope_theta", theta
        kinds = part.get("layer_types")
        full = f"{prefix}.layers.pattern" if prefix else "layers.pattern"
        if isinstance(kinds, list | tuple) and full in facts:
            said = tuple(KINDS.get(kind, kind) for kind in kinds)
            if tuple(facts[full]) != said:
                yield full, _short(facts[full]), "layer_types", _short(said)


SAME: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "hidden_size": ("hidden_size", "d_model", "n_embd"),
    "vocab_size": ("vocab_size",),
    "attention.heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "attention.kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "attention.head_dim": ("head_dim", "attention_head_dim"),
    "attention.softcap": ("attn_logit_softcapping",),
    "logits.softcap": ("final_logit_softcapping",),
    "attention.window.size": ("sliding_window",),
    "attention.chunk.size": ("attention_chunk_size",),
    "norm.eps": ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "norm_eps"),
    "moe.experts": ("num_experts", "num_local_experts", "n_routed_experts"),
    "moe.experts_per_token": ("num_experts_per_tok",),
    "mlp.size": ("intermediate_size", "ffn_dim"),
}
"""Settings that usually say the same as a key."""

KINDS = {
    "full_attention": "full", "sliding_attention": "sliding", "chunked_attention": "chunked", "linear_attention": "linear",
    "attention": "full", "mamba": "ssm", "conv": "conv",
}  # fmt: skip


def _short(values: Any) -> str:
    return " ".join(f"{kind}×{count}" for kind, count in Counter(values).items())


# --- Printing ----------------------------------------------------------------------------------


def main() -> None:
    """Analyse and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", help="families to analyse (default: all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="analyse one family in N")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rows", type=Path, help="keep the rows in this file, or read them from it if it exists")
    parser.add_argument("--keys", default="", help="only keys that this pattern finds")
    parser.add_argument("--reasons", type=int, default=3, help="reasons to print per key")
    arguments = parser.parse_args()
    if arguments.rows and arguments.rows.exists():
        rows = [json.loads(line) for line in arguments.rows.read_text().splitlines()]
    else:
        rows = []
        names = arguments.families or slice_of(families(), arguments.every)
        with get_context("spawn").Pool(arguments.jobs, maxtasksperchild=8) as pool:
            for found in pool.imap_unordered(rows_of, names):
                rows.extend(found)
                if arguments.rows:
                    with arguments.rows.open("a") as file:
                        file.writelines(json.dumps(row) + "\n" for row in found)
    report(rows, re.compile(arguments.keys), arguments.reasons)


def report(rows: list[Row], wanted: re.Pattern[str], reasons: int) -> None:
    """Print the table and the doubts."""
    followed = [row for row in rows if row["built"] and not row["why"]]
    print(f"{len(rows)} classes, {sum(row['built'] for row in rows)} built, {len(followed)} followed through forward")
    keys: dict[str, Counter[str]] = defaultdict(Counter)
    why: dict[str, Counter[str]] = defaultdict(Counter)
    for row in followed:
        for column in ("facts", "absent", "undecided"):
            for key in row[column]:
                keys[key][column] += 1
        for key, reason in row["undecided"].items():
            why[key][_general(reason)] += 1
    print(f"{'key':<40}{'fact':>7}{'absent':>8}{'undecided':>11}")
    for key in sorted(keys):
        if wanted.search(key):
            count = keys[key]
            print(f"{key:<40}{count['facts']:>7}{count['absent']:>8}{count['undecided']:>11}")
            for reason, number in why[key].most_common(reasons):
                print(f"{'':<8}{number:>5}  {reason[:140]}")
    print("\nfacts that differ from the configuration's words")
    for row in followed:
        for key, fact, name, value in row["doubts"]:
            if wanted.search(key):
                print(f"  {row['class']:<60} {key} = {fact}, {name} = {value}   {row['lines'].get(key, '')}")


_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def _general(reason: str) -> str:
    return _NUMBER.sub("#", reason)


if __name__ == "__main__":
    main()
