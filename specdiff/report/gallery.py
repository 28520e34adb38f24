"""The gallery: one page with a card per model, search, filters by feature, any two side by side; and all facts as CSV."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from specdiff import vocab
from specdiff.facts import Absence, Fact, FactSheet, Value
from specdiff.report import wording
from specdiff.results import CheckResult

_VERDICTS = ("match", "undecided", "missing", "mismatch")
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Card:
    """What the gallery's page needs of one check; small, so that it can cross processes."""

    name: str
    folder: str
    verdict: str
    summary: str
    class_name: str
    file: str
    total: int | None
    active: int | None
    numbers: tuple[tuple[str, str], ...]
    """Label and value of the key numbers."""
    features: tuple[str, ...]
    facts: tuple[tuple[str, str, str], ...]
    """(key, value in words, level); absences as `none`."""
    rows: tuple[tuple[str, str, str, str], ...]
    """(key, value as JSON, level, file and line) for the CSV."""


def card(result: CheckResult, folder: str) -> Card:
    """A check's card."""
    sheet = result.code.sheet
    facts: list[tuple[str, str, str]] = []
    rows: list[tuple[str, str, str, str]] = []
    both: dict[str, Fact | Absence] = {**sheet.absences, **sheet.facts}
    for key, known in sorted(both.items()):
        value: Value = known.value if isinstance(known, Fact) else None
        step = known.evidence[-1] if known.evidence else None
        facts.append((key, wording.value(value, key), str(known.level)))
        rows.append((key, _json(value), str(known.level), wording.place(step) if step else ""))
    return Card(
        result.name,
        folder,
        str(result.verdict),
        wording.summary(result),
        result.code.name,
        result.code.file,
        result.code.total_parameters,
        result.code.active_parameters,
        tuple(_numbers(result)),
        tuple(_features(sheet)),
        tuple(facts),
        tuple(rows),
    )


def page(cards: Sequence[Card]) -> str:
    """The index page; self-contained but for the drawings, which lie in the models' folders."""
    script = (_TEMPLATES / "gallery.js").read_text(encoding="utf-8")
    style = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "gallery.css"))
    data = json.dumps(
        [{"name": each.name, "facts": {key: [value, level] for key, value, level in each.facts}} for each in cards],
        ensure_ascii=True,
        separators=(",", ":"),
    )
    # Inside a script element only `<` could end it.
    data = data.replace("<", "\\u003c")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    features = sorted({feature for each in cards for feature in each.features})
    text: str = environment.get_template("gallery.html").render(
        cards=[_shown(each) for each in cards],
        features=[(name, sum(name in each.features for each in cards)) for name in features],
        verdicts=[(name, sum(each.verdict == name for each in cards)) for name in _VERDICTS],
        script=Markup(script),  # noqa: S704 - the package's own file
        style=Markup(style),  # noqa: S704 - the package's own files
        data=Markup(data),  # noqa: S704 - JSON without `<`
        hashes=" ".join(_hash(text) for text in (script, data)),
    )
    return text


def readme(cards: Sequence[Card]) -> str:
    """The gallery as Markdown, for places that show a folder's `README.md`: a row per model, linked to its report."""
    counts = {verdict: sum(each.verdict == verdict for each in cards) for verdict in _VERDICTS}
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    lines = [
        "# Models checked against what is published about them",
        "",
        f"{len(cards)} models: {words}. `make reports` builds these pages, and beside them `index.html` (search, filters,",
        "any two models side by side) and a page per model with the source lines. All facts are in [facts.csv](facts.csv).",
        "",
        "| model | verdict | claims | parameters | active | features | drawing |",
        "|---|---|---|---:|---:|---|---|",
    ]
    for each in cards:
        total = wording.short(each.total) if each.total is not None else "?"
        active = wording.short(each.active) if each.active not in (None, each.total) else ""
        cells = (
            f"[{_cell(each.name)}]({each.folder}/report.md)", each.verdict, _cell(each.summary), total, active,
            _cell(", ".join(each.features)), f"[svg]({each.folder}/architecture.svg)",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(words: str) -> str:
    """Text in a Markdown table: what it or HTML would read as markup is escaped."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", wording.clean(words)).replace("\n", " ")


def table(cards: Sequence[Card]) -> str:
    """All facts of all models as CSV (RFC 4180), one row per fact."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(("model", "key", "value", "level", "place"))
    for each in cards:
        for row in each.rows:
            writer.writerow((each.name, *row))
    return output.getvalue()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shown(each: Card) -> Mapping[str, object]:
    return {
        "name": each.name,
        "folder": each.folder,
        "verdict": each.verdict,
        "summary": each.summary,
        "class_name": each.class_name,
        "total": wording.short(each.total) if each.total is not None else "?",
        "active": wording.short(each.active) if each.active not in (None, each.total) else "",
        "numbers": each.numbers,
        "features": each.features,
        "search": " ".join((each.name, each.class_name, *each.features)).lower(),
    }


def _json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False) if value is not None else ""


_NUMBERS = (
    ("layers", "layers"),
    ("width", "hidden_size"),
    ("heads", "attention.heads"),
    ("kv heads", "attention.kv_heads"),
    ("experts", "moe.experts"),
    ("per token", "moe.experts_per_token"),
    ("state", "ssm.state_size"),
    ("vocabulary", "vocab_size"),
    ("context", "context_length"),
)


def _numbers(result: CheckResult) -> Iterator[tuple[str, str]]:
    facts = result.code.sheet.facts
    for label, key in _NUMBERS:
        for name in (key, *(f"{tower}.{key}" for tower, _ in vocab.TOWERS)):
            if name in facts:
                tower = vocab.split_tower(name)[0]
                yield f"{tower} {label}".strip(), wording.value(facts[name].value, name)
                break


_CHOICES = {
    "attention.kind": {"mla": "MLA", "gqa": "grouped query", "mqa": "multi-query", "linear": "linear attention"},
    "attention.sinks": {"learned_logit": "sinks", "zero_logit": "sinks", "token": "sinks"},
    "position": {"alibi": "ALiBi", "relative_bias": "relative bias", "learned": "learned positions"},
    "residual": {"parallel": "parallel block"},
    "norm.placement": {"post": "post-norm", "sandwich": "sandwich norm"},
    "mlp.kind": {"gated": "gated MLP"},
}
_PRESENT = {
    "moe.experts": "MoE",
    "moe.shared_experts": "shared experts",
    "attention.window.size": "sliding window",
    "attention.chunk.size": "chunked attention",
    "attention.qk_norm": "q/k norm",
    "attention.softcap": "softcap",
    "logits.softcap": "softcap",
    "ssm.kind": "state space",
    "linear_attention.kind": "linear attention",
    "rope.scaling.type": "rope scaling",
    "embedding.tied": "tied embeddings",
    "quantization.method": "quantized",
    "attention.output_gate": "output gate",
    "vision.layers": "vision",
    "audio.layers": "audio",
    "encoder.layers": "encoder-decoder",
}


def _features(sheet: FactSheet) -> Iterator[str]:
    """What people filter by; every tower's facts count."""
    found: dict[str, None] = {}
    for name, fact in sorted(sheet.facts.items()):
        tower, key = vocab.split_tower(name)
        entry = vocab.find(name)
        choice = _CHOICES.get(key, {}).get(str(fact.value))
        if choice is not None:
            found[choice] = None
        present = _PRESENT.get(name) or (_PRESENT.get(key) if tower else None)
        if (
            present is not None
            and entry is not None
            and not vocab.is_neutral(entry, fact.value)
            and fact.value not in (0, ())
        ):
            found[present] = None
        if (
            key == "layers.pattern"
            and isinstance(fact.value, tuple)
            and len(set(fact.value) - {"sliding", "chunked"}) > 1
        ):
            found["hybrid"] = None
    yield from sorted(found)
