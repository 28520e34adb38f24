"""A case of facts held against claims: what it states must match, another value must be contradicted, what is absent must be
missing to a claim of it, and what is open must stay open with a reason and a line."""

from __future__ import annotations

from typing import Any

from specdiff import vocab
from specdiff.facts import FactSheet, Value
from specdiff.match.compare import check_spec
from specdiff.results import ClaimResult, ClassResult, SourceRef
from specdiff.spec.model import Absent, Claim, Exactly, Expectation, Spec
from specdiff.vocab import Key, ValueType


def proven(key: str, sheet: FactSheet) -> bool:
    """Whether a fact is proven as far as a claim needs; what only the configuration says of an operation is not."""
    return key in sheet.facts and sheet.facts[key].level >= min(entry(key).highest, sheet.enough)


def held_against_claims(case: dict[str, Any], result: ClassResult) -> None:
    facts = {key: result.sheet.facts[key].value for key in case.get("facts", {})}
    right = claimed(result, {key: Exactly(value) for key, value in facts.items()})
    assert {claim.key: claim.reason for claim in right if claim.status != "match"} == {}
    wrong = claimed(result, {key: Exactly(another(entry(key), value)) for key, value in facts.items()})
    assert {claim.key: claim.status.value for claim in wrong if claim.status != "mismatch"} == {}

    absent = case.get("absent", [])
    wanted = claimed(result, {key: Exactly(example(entry(key))) for key in absent})
    assert {claim.key: claim.status.value for claim in wanted if claim.status != "missing"} == {}
    unwanted = claimed(result, {key: Absent() for key in absent})
    assert {claim.key: claim.reason for claim in unwanted if claim.status != "match"} == {}

    unknown = case.get("undecided", [])
    told = {key: result.sheet.facts[key].value for key in unknown if key in result.sheet.facts}
    open_ones = claimed(result, {key: Exactly(told.get(key, example(entry(key)))) for key in unknown})
    assert {claim.key for claim in open_ones if claim.status == "match"} == set()
    bare = [claim.key for claim in open_ones if not claim.reason or not claim.evidence or claim.evidence[0].line < 1]
    assert bare == [], "left open without a reason and a line"


def claimed(result: ClassResult, expectations: dict[str, Expectation]) -> tuple[ClaimResult, ...]:
    source = SourceRef("paper", "section 2", "")
    claims = tuple(
        Claim(key, expectation, entry(key).highest, source, "spec.yaml", 1) for key, expectation in expectations.items()
    )
    return check_spec(Spec("spec.yaml", "spec", "", (), claims, ()), result).claims


def entry(key: str) -> Key:
    found = vocab.find(key)
    assert found is not None, key
    return found


def another(key: Key, value: Any) -> Value:
    """A value that contradicts a fact's."""
    match key.type:
        case ValueType.INT:
            return int(value) + 1
        case ValueType.NUMBER:
            return 2 * float(value) + 1
        case ValueType.BOOL:
            return not value
        case ValueType.CHOICE:
            others = [each.id for each in key.choices if not vocab.satisfies(key, value, each.id)]
            return next(each for each in reversed(others) if not vocab.may_be(key, value, each))
        case ValueType.TEXT:
            return f"another {value}"
        case _:
            return (*value, 1000) if key.type in NUMBERED else (*value, "another")


NUMBERED = (ValueType.LAYERS, ValueType.INTEGERS, ValueType.NUMBERS)


def example(key: Key) -> Value:
    """A value that says there is such a thing."""
    match key.type:
        case ValueType.INT | ValueType.NUMBER:
            return 12345
        case ValueType.BOOL:
            return True
        case ValueType.CHOICE:
            return next(each.id for each in key.choices if not vocab.is_neutral(key, each.id))
        case ValueType.TEXT:
            return "something"
        case ValueType.PATTERN:
            return (key.choices[0].id,)
        case _:
            return (12345,) if key.type in NUMBERED else ("something",)
