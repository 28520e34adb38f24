"""A whole check: verdict, extras, known deviations, release, and laws that hold for any fact."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from match_rows import EVIDENCE, Plain, code_of, sheet_of, spec_of

from specdiff import vocab
from specdiff.facts import Level, Value
from specdiff.match.compare import check_spec
from specdiff.match.judge import judge
from specdiff.results import Status
from specdiff.spec.model import Absent, Exactly
from specdiff.vocab import KEYS, Key, ValueType

USED = Level.USED


def test_a_result_has_all_that_reports_need(tmp_path: Path) -> None:
    release: Plain = {
        "weights": {"value": True, "license": "apache-2.0", "source": "paper", "where": "§1", "quote": "open"}
    }
    spec = spec_of(tmp_path, {"layers": {"value": 2}, "moe.experts": {"value": 8}}, release=release)
    result = check_spec(spec, code_of(sheet_of({"layers": (2, USED), "moe.experts": (4, USED)})))
    assert (result.name, result.target, result.verdict) == ("toy", "toy::Toy", Status.MISMATCH)
    experts = result.claims[1]
    assert (experts.expected, experts.actual, experts.level, experts.needed) == (8, 4, USED, USED)
    assert (experts.source.id, experts.source.where, experts.source.quote) == ("paper", "table 1", "q")
    assert experts.evidence == EVIDENCE and experts.spec_line == 1
    assert result.release == {
        "weights": {"value": True, "license": "apache-2.0", "source": "paper", "where": "§1", "quote": "open"}
    }
    assert check_spec(spec, code_of(sheet_of({})), target="other.py::Toy").target == "other.py::Toy"


@pytest.mark.parametrize(
    ("facts", "absent", "verdict"),
    [
        ({"layers": 2, "moe.experts": 8}, {}, Status.MATCH),
        ({"layers": 2}, {}, Status.UNDECIDED),
        ({}, {"moe.experts": "none are built"}, Status.MISSING),
        ({"layers": 3}, {"moe.experts": "none are built"}, Status.MISMATCH),
    ],
)
def test_verdict_is_the_worst(facts: dict[str, Value], absent: dict[str, str], verdict: Status, tmp_path: Path) -> None:
    spec = spec_of(tmp_path, {"layers": {"value": 2}, "moe.experts": {"value": 8}})
    sheet = sheet_of(
        {key: (value, USED) for key, value in facts.items()}, {key: (why, USED) for key, why in absent.items()}
    )
    assert check_spec(spec, code_of(sheet)).verdict is verdict


def test_a_known_deviation_is_shown_and_not_counted(tmp_path: Path) -> None:
    deviation: Plain = {"reason": "the table is padded", "source": "paper", "where": "§3"}
    spec = spec_of(tmp_path, {"layers": {"value": 2}, "vocab_size": {"value": 100, "known_deviation": deviation}})
    differs = check_spec(spec, code_of(sheet_of({"layers": (2, USED), "vocab_size": (128, USED)})))
    assert differs.verdict is Status.MATCH
    assert differs.claims[1].status is Status.MISMATCH
    assert differs.claims[1].known_deviation == "the table is padded"
    gone = check_spec(spec, code_of(sheet_of({"layers": (2, USED), "vocab_size": (100, USED)})))
    assert gone.claims[1].reason == "the code matches, although the spec expects a known deviation"


def test_extras_are_what_no_claim_covers(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path, {"layers.pattern": {"pattern": ["full"], "repeat": True}, "vision.attention.kv_heads": {"value": 2}}
    )
    sheet = sheet_of(
        {
            "layers.pattern": (("full",), USED),
            "attention.window.layers": ((0,), USED),
            "attention.softcap": (50.0, USED),
            "attention.bias.q": (False, USED),
            "embedding.scale": (1.0, USED),
            "attention.kind": ("gqa", USED),
            "vision.attention.kind": ("gqa", USED),
            "attention.bias.k": (True, USED),
        }
    )
    result = check_spec(spec, code_of(sheet))
    assert [extra.key for extra in result.extras] == ["attention.bias.k", "attention.kind", "attention.softcap"]
    assert result.extras[2].value == 50.0


def _unknown(key: str) -> str:
    return f"{key} is not known"


def _values(key: Key) -> st.SearchStrategy[Value]:
    match key.type:
        case ValueType.INT:
            return st.integers(0, 10**12)
        case ValueType.NUMBER:
            return st.floats(-1e9, 1e9) | st.integers(-100, 100)
        case ValueType.BOOL:
            return st.booleans()
        case ValueType.CHOICE:
            return st.sampled_from(key.choice_ids)
        case ValueType.PATTERN:
            return st.lists(st.sampled_from(key.choice_ids), max_size=4).map(tuple)
        case ValueType.LAYERS | ValueType.INTEGERS:
            return st.lists(st.integers(0, 9), max_size=4).map(tuple)
        case ValueType.NUMBERS:
            return st.lists(st.floats(0, 9), max_size=4).map(tuple)
        case ValueType.NAMES:
            return st.lists(st.text(max_size=3), max_size=4).map(tuple)
        case ValueType.PARTS:
            parts = st.from_regex(r"(model|layers\.\*\{[0-9,.-]{1,5}\}): [ab]#[0-9]( \| c#[0-9])?", fullmatch=True)
            return st.lists(parts, max_size=3).map(tuple)
        case _:
            return st.text(max_size=5)


_keyed = st.sampled_from(list(KEYS.values())).flatmap(lambda key: st.tuples(st.just(key), _values(key), _values(key)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_keyed)
@example((KEYS["quantization.modules"], ("\n",), ("experts",)))
def test_judging(row: tuple[Key, Value, Value]) -> None:
    key, one, other = row
    itself = judge(Exactly(one), key, key.id, one, _unknown)
    assert itself.holds is True
    there = judge(Exactly(other), key, key.id, one, _unknown)
    if there.holds is not True:
        assert there.reason and "\n" not in there.reason
    absent = judge(Absent(), key, key.id, one, _unknown)
    assert absent.holds is vocab.is_neutral(key, one)


@given(
    _keyed, st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.integers(), st.floats(), st.tuples(st.none()))
)
def test_odd_facts_never_crash_and_never_match_by_type_alone(row: tuple[Key, Value, Value], odd: Value) -> None:
    key, one, _ = row
    found = judge(Exactly(one), key, key.id, odd, _unknown)
    if found.holds:
        assert isinstance(odd, bool) == isinstance(one, bool)
