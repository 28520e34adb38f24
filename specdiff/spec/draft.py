"""Writes a spec from what the code is: every fact a claim with its evidence as a comment and its source still TODO."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping

from specdiff import vocab
from specdiff.facts import Absence, Fact, Value
from specdiff.results import ClassResult
from specdiff.spec.claims import TODO
from specdiff.vocab import Key, ValueType

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*\Z")
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "all"})
_MOST_PERIOD = 24
"""Layers that a repeated pattern may span in a draft."""
_NONE = "What the code has none of: keep what a source rules out."
_RECORD = (
    "Every operation, setting and idle branch, to notice any change; no paper says this: delete it for a paper's spec."
)


def draft(
    result: ClassResult,
    target: str,
    *,
    name: str = "",
    config: Mapping[str, object] | None = None,
    schema: str = "",
    proposals: Mapping[str, Iterable[str]] | None = None,
) -> str:
    """A spec of one analysed class, as YAML text that loads with ``allow_todo``.

    Args:
        result: What `inspect` found.
        target: What the spec is to check (``gpt_oss::GptOssForCausalLM``).
        name: The model's name; the class's where empty.
        config: The published configuration the class was built with, kept inline.
        schema: Where editors find the JSON Schema; the comment line is left out where empty.
        proposals: Comment lines per key, such as what a paper's text says near that key's terms.
    """
    return "\n".join(_lines(result, target, name, config, schema, proposals or {})) + "\n"


def _lines(
    result: ClassResult,
    target: str,
    name: str,
    config: Mapping[str, object] | None,
    schema: str,
    proposals: Mapping[str, Iterable[str]],
) -> Iterator[str]:
    if schema:
        yield f"# yaml-language-server: $schema={schema}"
    yield "# A draft from the code: replace each TODO with the source that says it, correct what the source says"
    yield "# otherwise, and delete what no source says."
    yield "specdiff: 1"
    yield f"name: {scalar(name or result.name)}"
    yield f"target: {scalar(target)}"
    if config:
        yield f"config: {json.dumps(config, ensure_ascii=False)}"
    yield "sources:"
    yield '  paper: {title: "TODO", url: "https://example.org/TODO"}'
    yield "claims:"
    facts, record = dict[str, Fact](), dict[str, Fact]()
    for key_name, fact in result.sheet.facts.items():
        entry = vocab.find(key_name)
        (record if entry is not None and entry.type is ValueType.PARTS else facts)[key_name] = fact
    written = [
        *_section("", facts, proposals),
        *_section(_NONE, result.sheet.absences, proposals),
        *_section(_RECORD, record, proposals),
    ]
    yield from written or ("  {}",)
    for key_name in sorted(result.sheet.undecided):
        item = result.sheet.undecided[key_name]
        if item.follows and key_name not in proposals:
            continue
        yield f"  # undecided: {key_name}: {_comment(item.reason)} ({item.file}:{item.line})"
        for proposal in proposals.get(key_name, ()):
            yield f"  #   {_comment(proposal)}"


def _section(
    title: str, known: Mapping[str, Fact] | Mapping[str, Absence], proposals: Mapping[str, Iterable[str]]
) -> Iterator[str]:
    """Claims by group, each followed by what was proposed for it."""
    for group, names in _grouped(known):
        claims: list[str] = []
        for name in names:
            entry = vocab.find(name)
            assert entry is not None
            lines = list(_claim(name, entry, known[name]))
            claims += lines
            claims += [f"  #   {_comment(proposal)}" for proposal in proposals.get(name, ()) if lines]
        if claims and title:
            yield f"  # {title}"
            title = ""
        if claims:
            yield f"  # {group}"
            yield from claims


def _grouped(known: Container[str]) -> Iterator[tuple[str, list[str]]]:
    """Keys in the vocabulary's order, the main stack before towers."""
    towers = ("", *(tower for tower, _ in vocab.TOWERS))
    for tower in towers:
        for group in vocab.GROUPS:
            names = [f"{tower}.{key.id}" if tower else key.id for key in group.keys]
            found = [name for name in names if name in known]
            if found:
                yield (f"{tower.title()}: {group.title.lower()}" if tower else group.title), found


def _claim(name: str, key: Key, known: Fact | Absence) -> Iterator[str]:
    if key.type is ValueType.PARTS:
        yield from _parts(name, known)
        return
    if isinstance(known, Absence):
        says = "absent: true"
    else:
        written = _expectation(key, known.value)
        if written is None:
            return
        says = written
    level = "" if known.level >= key.highest else f", level: {known.level}"
    places = "; ".join(f"{step.file}:{step.line} {step.what}" for step in known.evidence[:2])
    why = places or (known.reason if isinstance(known, Absence) else "")
    yield f"  {name}: {{{says}{level}, source: {TODO}}}" + (f"  # {_comment(why)}" if why else "")


def _parts(name: str, known: Fact | Absence) -> Iterator[str]:
    assert isinstance(known, Fact) and isinstance(known.value, tuple)
    if not known.value or str(known.value[-1]).startswith("model: raises "):
        return  # what is not there pins nothing down
    yield f"  {name}:"
    yield f"    source: {TODO}"
    yield "    value:"
    for part in known.value:
        yield f"      - {json.dumps(str(part), ensure_ascii=False)}"


def _expectation(key: Key, value: Value) -> str | None:
    match key.type:
        case ValueType.PATTERN:
            assert isinstance(value, tuple)
            return _pattern([str(item) for item in value]) if value else None
        case ValueType.LAYERS:
            assert isinstance(value, tuple)
            indices = [item for item in value if isinstance(item, int)]
            return f"value: [{', '.join(_ranges(indices))}]" if indices else "absent: true"
        case ValueType.INTEGERS | ValueType.NUMBERS | ValueType.NAMES:
            assert isinstance(value, tuple)
            return f"value: [{', '.join(scalar(item) for item in value)}]"
        case _:
            return f"value: {scalar(value)}"


def _pattern(kinds: list[str]) -> str:
    for period in range(1, min(_MOST_PERIOD, len(kinds) // 2) + 1):
        if all(kind == kinds[index % period] for index, kind in enumerate(kinds)):
            return f"pattern: [{', '.join(_runs(kinds[:period]))}], repeat: true"
    return f"pattern: [{', '.join(_runs(kinds))}]"


def _runs(kinds: list[str]) -> Iterator[str]:
    start = 0
    for index in range(1, len(kinds) + 1):
        if index == len(kinds) or kinds[index] != kinds[start]:
            count = index - start
            yield scalar(kinds[start]) if count == 1 else f"{{{scalar(kinds[start])}: {count}}}"
            start = index


def _ranges(indices: list[int]) -> Iterator[str]:
    start = 0
    for index in range(1, len(indices) + 1):
        if index == len(indices) or indices[index] != indices[index - 1] + 1:
            first, last = indices[start], indices[index - 1]
            yield str(first) if first == last else f"{first}-{last}"
            start = index


def scalar(value: object) -> str:
    """A scalar as YAML 1.2 reads it back, inside a flow mapping too."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            text = repr(value)
            return text if "e" not in text or "." in text else text.replace("e", ".0e")
        case str() if _PLAIN.match(value) and value.lower() not in _RESERVED:
            return value
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def _comment(text: str) -> str:
    """One line without anything that could end the comment."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))


__all__ = ["draft", "scalar"]
