"""The table's own laws, and the pages generated from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from specdiff import vocab
from specdiff.spec import document
from specdiff.vocab import KEYS, TOWERS, Key, ValueType
from specdiff.vocab.pages import reference, schema

ROOT = Path(__file__).parents[3]
ENUMS = (ValueType.CHOICE, ValueType.PATTERN)


def test_ids_are_unique() -> None:
    assert len(KEYS) == sum(len(group.keys) for group in vocab.GROUPS)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_entry(key: Key) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", key.id)
    assert key.id.partition(".")[0] not in {tower for tower, _ in TOWERS}
    assert key.meaning.endswith(".") and key.introduced_by
    assert key.lowest <= key.highest
    assert bool(key.choices) == (key.type in ENUMS)
    assert all(other in KEYS for other in key.implied_by)
    spellings = [spelling for choice in key.choices for spelling in (choice.id, *choice.aliases)]
    assert len(spellings) == len(set(spellings))
    assert all(vocab.canonical(key, spelling) in key.choice_ids for spelling in spellings)
    assert all(choice.is_a in ("", *key.choice_ids) for choice in key.choices)


def test_towers_share_the_keys() -> None:
    assert vocab.find("vision.attention.heads") is vocab.find("attention.heads")
    assert vocab.find("vision.audio.layers") is None
    assert vocab.find("visions.layers") is None
    assert vocab.near("decoder.layer") == "decoder.layers"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("moe.expert", "moe.experts"), ("experts", "moe.experts"), ("rope.base_theta", "rope.theta"), ("zzzzzz", None)],
)
def test_near(wrong: str, right: str | None) -> None:
    assert vocab.near(wrong) == right


def test_neutral_values() -> None:
    def neutral(key: str, value: bool | float | str | tuple[str, ...]) -> bool:
        return vocab.is_neutral(KEYS[key], value)

    assert neutral("attention.bias.q", False)
    assert neutral("embedding.scale", 1) and neutral("norm.weight_offset", 0.0)
    assert neutral("attention.sinks", "none") and neutral("moe.layers", ())
    assert not neutral("attention.bias.q", 0)
    assert not neutral("moe.shared_experts", False)
    assert not neutral("residual.streams", True)
    assert not neutral("layers", 0)


@pytest.mark.parametrize(("name", "text"), [("vocabulary.md", reference()), ("spec.schema.json", schema())])
def test_pages_have_not_drifted(name: str, text: str) -> None:
    committed = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert committed == text, "run python -m specdiff.vocab --write"


def test_schema_accepts_what_the_loader_accepts() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema()))
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))
    right = [*(ROOT / "specs").glob("*.yaml"), *(ROOT / "tests/cases/spec/right").glob("*.yaml")]
    for path in right:
        root, _ = document.read(path.read_text(encoding="utf-8"), path.name)
        assert root is not None
        errors = [
            f"{path.name}: {list(error.path)} {error.message}" for error in validator.iter_errors(document.plain(root))
        ]
        assert not errors


_WRONG_FOR_EDITORS = (
    "unknown_key wrong_type wrong_choice wrong_list level tolerance contradictory_forms missing_source unknown_field "
    "unknown_claim_field source_fields release head_missing head_wrong not_a_mapping known_deviation variants_wrong"
)


@pytest.mark.parametrize("case", _WRONG_FOR_EDITORS.split())
def test_schema_refuses_what_the_loader_refuses(case: str) -> None:
    path = ROOT / "tests/cases/spec/wrong" / f"{case}.yaml"
    root, _ = document.read(path.read_text(encoding="utf-8"), path.name)
    assert root is not None
    assert not jsonschema.Draft202012Validator(json.loads(schema())).is_valid(document.plain(root))
