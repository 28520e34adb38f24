"""Text generated from the vocabulary: the reference page and the JSON Schema of a spec file."""

from __future__ import annotations

import json
from typing import TypeAlias

from specdiff.facts import Value
from specdiff.vocab import GROUPS, KEYS, TOWERS, Group, Key, ValueType

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

_TYPE_MEANING = {
    ValueType.INT: "a whole number, or a figure with its rounding: `117B` is 117e9, give or take 0.5e9",
    ValueType.NUMBER: "a number, or a figure such as `1.5M` with its rounding; equal within one part in 1e9 unless the claim has a `tolerance`",
    ValueType.BOOL: "`true` or `false`; `false` says the same as `absent: true`",
    ValueType.CHOICE: "one of the key's choices; where `none` is one, `false` says it too, and `true` any of the others",
    ValueType.PATTERN: "one choice per layer: `pattern: [sliding, full]` with `repeat: true`, or "
    "`[{dense: 3}, {moe: 58}]`",
    ValueType.LAYERS: 'layer indices from 0: `value: [3, 7]`, `value: "3-60"`, `value: all` (or `even`, `odd`), or '
    "`pattern: [true, false]` with `repeat: true`",
    ValueType.INTEGERS: "a list of whole numbers, in order",
    ValueType.NUMBERS: "a list of numbers, in order",
    ValueType.NAMES: "a list of names, in any order",
    ValueType.TEXT: "free text, compared exactly",
    ValueType.PARTS: "one text per part, `part: step | step`, as `specdiff draft` writes it",
}

_INTRODUCTION = """\
# Vocabulary

Every key that a spec can claim and a detector can prove. This page is generated from the tables in
`specdiff/vocab/` by `python -m specdiff.vocab --write`; change the tables, not the page.

A key that is not here is an error in a spec. How to write a spec: [writing-specs.md](writing-specs.md).

## Levels

| level | what it means |
|---|---|
| declared | the configuration has the value |
| built | `__init__` builds parameters or modules whose shapes say so |
| used | `forward` carries data through them, and the operations say so |

A claim needs the highest level that its key can be proven at, unless it has a `level:` of its own.

## Words that a detector and a spec must mean alike

- Keys without a prefix speak about the language part of a model that has several parts.
- "There is none" is an absence, not a fact with an invented value; where a key has a value that says the same
  (`false`, `none`, a scale of 1), either will do.
- `layers.pattern` and `mlp.pattern` have one entry per layer, whole; specs may abbreviate, facts do not.
- A window of w means that a query sees w positions, itself included: `distance < w`.
- `moe.router.normalise` is true for `topk_then_softmax`, whose weights add up to 1 by construction.
- `moe.shared_size` counts all shared experts together: two of width 1,408 are 2,816.
- `attention.scale` is the factor as computed (0.125), not the number it is made from.
- `parameters.active` leaves out the input embedding table, and an output head tied to it counts.
- `checkpoint.bytes` and `kv_cache.bytes_per_token` take formats from the configuration and sizes from the code.
"""


def reference() -> str:
    """The reference page (Markdown)."""
    parts = [_INTRODUCTION, "\n## Value types\n\n| type | value |\n|---|---|\n"]
    parts += [f"| {kind} | {meaning} |\n" for kind, meaning in _TYPE_MEANING.items()]
    parts.append("\n## Towers\n\nEvery key may stand again under one of these prefixes (`vision.layers`).\n\n")
    parts.append("| prefix | what it is |\n|---|---|\n")
    parts += [f"| `{name}.` | {meaning} |\n" for name, meaning in TOWERS]
    parts += [_section(group) for group in GROUPS]
    return "".join(parts)


def schema() -> str:
    """The JSON Schema (draft 2020-12) of a spec file, which editors use for completion."""
    return json.dumps(_schema(), indent=1, ensure_ascii=False) + "\n"


def _section(group: Group) -> str:
    lines = [
        f"\n## {group.title}\n\n{group.about}\n\n",
        "| key | type | level | meaning | introduced by |\n|---|---|---|---|---|\n",
    ]
    for key in group.keys:
        kind = f"{key.type}, {key.unit}" if key.unit else str(key.type)
        meaning = key.meaning
        if key.neutral is not None and key.neutral is not False:
            meaning += f" Absent means {_plain(key.neutral)}."
        lines.append(f"| `{key.id}` | {kind} | {key.highest} | {_cell(meaning)} | {_cell(key.introduced_by)} |\n")
    for key in group.keys:
        if key.choices:
            lines.append(f"\n### `{key.id}`\n\n| choice | meaning | also written |\n|---|---|---|\n")
            for choice in key.choices:
                also = ", ".join(f"`{alias}`" for alias in choice.aliases)
                case = f" (a case of `{choice.is_a}`)" if choice.is_a else ""
                lines.append(f"| `{choice.id}` | {_cell(choice.meaning)}{case} | {also} |\n")
    return "".join(lines)


def _plain(value: Value) -> str:
    return "no layer" if value == () else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _schema() -> Json:
    claims: dict[str, Json] = {}
    definitions: dict[str, Json] = {"claim": _claim_definition(), "source_ref": _source_reference()}
    release: dict[str, Json] = {}
    for key in KEYS.values():
        if key.group == "release":
            release[key.id.removeprefix("release.")] = _release_definition(key)
            continue
        definitions[key.id] = _key_definition(key)
        claims[key.id] = {"$ref": f"#/$defs/{key.id}"}
    for tower, _ in TOWERS:
        claims |= {f"{tower}.{key}": {"$ref": f"#/$defs/{key}"} for key in tuple(claims) if key in KEYS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "specdiff spec",
        "description": "Claims about one model, each with its source, to hold against the model's code.",
        "type": "object",
        "required": ["specdiff", "name"],
        "additionalProperties": False,
        "properties": {
            "specdiff": {"const": 1, "description": "Version of this file format."},
            "name": _text("The model's name."),
            "target": _text("What to check: `model_type::ClassName` in the installed transformers, or a path."),
            "extends": _text("Another spec beside this one, by name or path, whose claims hold except as said here."),
            "without": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Claims of the extended spec that do not hold here.",
            },
            "config": {
                "type": ["string", "object"],
                "description": "The published config.json: a path relative to this file, or its content.",
            },
            "config_source": {"$ref": "#/$defs/source_ref"},
            "sources": {
                "type": "object",
                "description": "The documents that claims cite, by an id of your own.",
                "additionalProperties": {
                    "type": "object",
                    "required": ["title", "url"],
                    "additionalProperties": False,
                    "properties": {
                        "title": _text("The document's title."),
                        "url": _text("Where to read it."),
                        "version": _loose_text("Version, revision or date of the document."),
                        "note": _text("Anything a reader should know."),
                    },
                },
            },
            "claims": {
                "type": "object",
                "additionalProperties": False,
                "properties": claims,
                "description": "What the sources say, by key.",
            },
            "variants": {
                "type": "object",
                "description": "Models of one family: what differs from the rest of this file, by the model's name.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "target": {"$ref": "#/properties/target"},
                        "config": {"$ref": "#/properties/config"},
                        "config_source": {"$ref": "#/properties/config_source"},
                        "without": {"$ref": "#/properties/without"},
                        "claims": {"$ref": "#/properties/claims"},
                        "release": {"$ref": "#/properties/release"},
                    },
                },
            },
            "release": {
                "type": "object",
                "additionalProperties": False,
                "properties": release,
                "description": "What the publisher says is open; reported beside the verdict.",
            },
        },
        "$defs": definitions,
    }


def _text(description: str) -> dict[str, Json]:
    return {"type": "string", "minLength": 1, "description": description}


def _loose_text(description: str) -> dict[str, Json]:
    """Text that looks like a number when nobody quotes it (section 2.3)."""
    return _text(description) | {"type": ["string", "number"]}


def _source_fields() -> dict[str, Json]:
    words: dict[str, Json] = {
        "id": _text("Id of a document under `sources`."),
        "where": _loose_text("Section, table or field in it."),
        "quote": _loose_text("A short quote that says it."),
    }
    whole: Json = {
        "type": "object",
        "required": ["id", "where"],
        "additionalProperties": False,
        "properties": words,
        "description": "Document, place and quote in one.",
    }
    return {
        "source": {"anyOf": [words["id"], whole]},
        "where": _loose_text("Section, table or field in it."),
        "quote": _loose_text("A short quote that says it."),
    }


def _source_reference() -> Json:
    return {
        "type": "object",
        **_needing("where"),
        "additionalProperties": False,
        "properties": _source_fields(),
    }


def _needing(*fields: str) -> dict[str, Json]:
    """Requires a source, and beside one that is only an id these fields."""
    required: list[Json] = list(fields)
    return {
        "required": ["source"],
        "if": {"properties": {"source": {"type": "string"}}},
        "then": {"required": required},
    }


def _claim_definition() -> Json:
    forms: list[Json] = [{"required": [form]} for form in ("value", "one_of", "pattern", "formula", "absent")]
    return {
        "type": "object",
        **_needing("where", "quote"),
        "oneOf": forms,
        "dependentRequired": {"repeat": ["pattern"]},
        "properties": {
            **_source_fields(),
            "value": {"description": "Exactly this, or within `tolerance`."},
            "one_of": {"type": "array", "minItems": 1, "description": "Any of these."},
            "pattern": {"type": "array", "minItems": 1, "description": "One entry per layer."},
            "repeat": {"type": "boolean", "description": "The pattern starts again until the layers end."},
            "formula": _text("Arithmetic over other keys: `hidden_size / attention.heads`."),
            "absent": {"const": True, "description": "The source says there is none."},
            "tolerance": {
                "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+ *%$"}],
                "description": "How far off a number may be: absolute, or a share such as `0.1%`.",
            },
            "level": {"enum": ["declared", "built", "used"], "description": "The level the claim needs."},
            "note": _text("Anything a reader should know."),
            "known_deviation": {
                "type": "object",
                "allOf": [{"required": ["reason"]}, _needing("where")],
                "additionalProperties": False,
                "properties": {"reason": _text("Why the code differs."), **_source_fields()},
                "description": "The code differs for a good reason: shown as such, not counted as a mismatch.",
            },
        },
    }


def _key_definition(key: Key) -> Json:
    unit = f" Unit: {key.unit}." if key.unit else ""
    levels = [str(level) for level in key.levels]
    properties: dict[str, Json] = {"level": {"enum": list[Json](levels)}}
    element = _element(key)
    match key.type:
        case ValueType.PATTERN:
            counted: Json = {"type": "object", "minProperties": 1, "maxProperties": 1}
            properties["pattern"] = {"items": {"anyOf": [element, counted]}}
        case ValueType.LAYERS:
            index: Json = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}
            indices: Json = {"type": "array", "items": index}
            properties["value"] = {"anyOf": [indices, {"type": "string"}]}
            properties["pattern"] = {"items": {"type": "boolean"}}
        case ValueType.INTEGERS | ValueType.NUMBERS | ValueType.NAMES | ValueType.PARTS:
            properties["value"] = {"type": "array", "items": element}
        case _:
            properties["value"] = _single(key, element)
            properties["one_of"] = {"items": element}
    return {
        "description": f"{key.meaning}{unit} ({key.introduced_by})",
        "$ref": "#/$defs/claim",
        "properties": properties,
        "unevaluatedProperties": False,
    }


def _single(key: Key, element: dict[str, Json]) -> Json:
    """What ``value:`` takes beside one scalar of the key: figures with their rounding, ``true`` for any choice."""
    match key.type:
        case ValueType.INT | ValueType.NUMBER:
            return {
                "anyOf": [
                    element,
                    {"type": "string", "pattern": "^[0-9]{1,6}(\\.[0-9]{1,6})? *(M|B|T|million|billion|trillion)$"},
                ]
            }
        case ValueType.CHOICE if any(choice.id == "none" for choice in key.choices):
            return {"anyOf": [element, {"const": True, "description": "any of them but none"}]}
        case _:
            return element


def _release_definition(key: Key) -> Json:
    return {
        "description": key.meaning,
        "type": "object",
        "allOf": [{"required": ["value"]}, _needing("where", "quote")],
        "additionalProperties": False,
        "properties": {
            "value": _element(key),
            **(_hashes() if key.id == "release.hashes" else {}),
            "license": _text("Licence, as an SPDX id where there is one."),
            "note": _text("Anything a reader should know."),
            **_source_fields(),
        },
    }


def _hashes() -> dict[str, Json]:
    return {
        "files": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
            "description": "The published SHA-256 of each file, by its name in the checkpoint; `weights --spec` holds files against them.",
        }
    }


def _element(key: Key) -> dict[str, Json]:
    """Schema of one scalar of the key."""
    match key.type:
        case ValueType.INT | ValueType.INTEGERS:
            return {"type": "integer"}
        case ValueType.NUMBER | ValueType.NUMBERS:
            return {"type": "number"}
        case ValueType.BOOL:
            return {"type": "boolean"}
        case ValueType.CHOICE | ValueType.PATTERN:
            spellings: list[Json] = []
            for choice in key.choices:
                spellings += [choice.id, *choice.aliases]
            words: list[Json] = list(dict.fromkeys(str(each) for each in spellings))
            none: list[Json] = [False] if key.type is ValueType.CHOICE and "none" in words else []
            return {"enum": words + none, "description": _choices_text(key)}
        case _:
            return {"type": "string"}


def _choices_text(key: Key) -> str:
    return "; ".join(f"{choice.id}: {choice.meaning}" for choice in key.choices)
