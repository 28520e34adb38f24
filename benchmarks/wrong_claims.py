"""Wrong claims must be contradicted: every matching claim of the specs again with a value that is not so.

Each claim that matches is altered by its type (one more and twice as much, the other truth value, other members of the list,
the pattern moved by a layer, present for absent and absent for present). The code must answer `mismatch` or `missing`;
`match` is a defect, `undecided` a claim that says too little to contradict. With ``--strangers`` every key of the vocabulary
that a spec does not claim is claimed too, with a value no code can have, which shows which absences are not proven.

``python benchmarks/wrong_claims.py [SPEC ...] [--jobs N] [--strangers] [--json FILE]``
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from specdiff import vocab
from specdiff.api import check_spec
from specdiff.facts import Value
from specdiff.match.compare import check_spec as match
from specdiff.options import Options
from specdiff.results import ClaimResult, ClassResult, SourceRef, Status
from specdiff.session import Session, deeply
from specdiff.spec.load import load_specs
from specdiff.spec.model import Absent, Claim, Exactly, Expectation, Spec
from specdiff.vocab import Key, ValueType

REPOSITORY = Path(__file__).resolve().parents[1]

SAME_ROUTING = frozenset({"softmax_then_topk", "topk_then_softmax", "score_then_topk", "topk_then_score"})
"""Orders that give the same numbers where the chosen weights are normalised; one is no contradiction of the other."""

NOBODY_HAS = 12_345_677
"""A whole number that no model has anything of: prime, and no power of two is near."""


@dataclass(frozen=True, slots=True)
class Row:
    """One wrong claim and what became of it."""

    spec: str
    key: str
    wrong: str
    status: str
    actual: Any
    reason: str
    stranger: bool = False


def wrong_values(key: Key, value: Value) -> Iterator[Value]:
    """Values of a key's type that are not the given one."""
    match key.type:
        case ValueType.INT:
            assert isinstance(value, int)
            yield value + 1
            yield value * 2 if value else 3
        case ValueType.NUMBER:
            assert isinstance(value, int | float)
            yield value * 2 if value else 0.5
            yield value * 1.01 if value else -1.0
        case ValueType.BOOL:
            yield not value
        case ValueType.CHOICE:
            yield from other_choices(key, str(value))
        case ValueType.PATTERN | ValueType.LAYERS | ValueType.INTEGERS | ValueType.NUMBERS:
            assert isinstance(value, tuple)
            yield from other_tuples(key, value)
        case ValueType.NAMES:
            assert isinstance(value, tuple)
            yield (*value, "something_else")
        case ValueType.TEXT:
            yield f"not {value}"


def other_choices(key: Key, value: str) -> list[str]:
    """Two members of a closed list that say something else, the next ones in the table's order."""
    actual = vocab.canonical(key, value) or value
    broader = {choice.id: choice.is_a for choice in key.choices}
    names = list(broader)
    start = names.index(actual) if actual in names else 0
    others = [
        name
        for name in names[start + 1 :] + names[:start]
        if not vocab.may_be(key, actual, name) and broader.get(actual) != name
        and not (key.id == "moe.router.order" and {name, actual} <= SAME_ROUTING)
    ]  # fmt: skip
    return others[:2]


def other_tuples(key: Key, value: tuple[Value, ...]) -> Iterator[tuple[Value, ...]]:
    """A pattern of other parity, a set of layers moved by one, a list with another first number."""
    if key.type is ValueType.PATTERN:
        moved = (*value[1:], *value[:1])
        if moved != value:
            yield moved
        elif value:
            yield (*value[:-1], other_choices(key, str(value[-1]))[0])
        yield (*value, *value[-1:])
    elif key.type is ValueType.LAYERS:
        numbers = [each for each in value if isinstance(each, int)]
        yield tuple(each + 1 for each in numbers)
        if len(numbers) > 1:
            yield tuple(numbers[1:])
    elif value and isinstance(value[0], int | float):
        yield (value[0] + 1, *value[1:])


def wrong_expectations(claim: Claim, key: Key, result: ClaimResult) -> Iterator[Expectation]:
    """What a matching claim could have said wrongly."""
    if isinstance(claim.expectation, Absent) or result.actual is None:
        yield something(key)
        return
    for value in wrong_values(key, result.actual):
        yield Exactly(value)
    if not vocab.is_neutral(key, result.actual) and not (key.type is ValueType.LAYERS and not result.actual):
        yield Absent()


def something(key: Key) -> Exactly:
    """A value that says that there is such a thing, of a kind that nobody has where the type allows it."""
    match key.type:
        case ValueType.INT | ValueType.NUMBER:
            return Exactly(NOBODY_HAS)
        case ValueType.BOOL:
            return Exactly(True)
        case ValueType.CHOICE:
            return Exactly(next(each for each in reversed(key.choice_ids) if each != key.neutral))
        case ValueType.LAYERS | ValueType.INTEGERS | ValueType.NUMBERS:
            return Exactly((NOBODY_HAS,))
        case ValueType.PATTERN:
            return Exactly((key.choice_ids[0],))
        case _:
            return Exactly(("something_else",) if key.type is ValueType.NAMES else "something else")


def shown(expectation: Expectation) -> str:
    """A wrong claim in a few words."""
    return (
        "absent" if isinstance(expectation, Absent) else json.dumps(getattr(expectation, "value", None), default=list)
    )


def asked(spec: Spec, code: ClassResult, claim: Claim, expectation: Expectation) -> ClaimResult:
    """What the code answers to one claim said differently, the spec's other claims being as they are."""
    changed = replace(claim, expectation=expectation, known_deviation=None)
    others = tuple(each for each in spec.claims if each.key != claim.key)
    results = match(replace(spec, claims=(*others, changed)), code).claims
    return next(each for each in results if each.key == claim.key)


def rows_of(job: tuple[str, bool]) -> list[Row]:
    """The rows of one spec file."""
    path, strangers = job
    return deeply(lambda: list(_rows(Path(path), strangers)))


def _rows(path: Path, strangers: bool) -> Iterator[Row]:
    session = Session(Options(only=frozenset({"facts"})))
    try:
        for spec in load_specs([path]):
            result = check_spec(session, spec, None)
            code = result.code
            assert code is not None
            by_key = {claim.key: claim for claim in spec.claims}
            for found in result.claims:
                key = vocab.find(found.key)
                if found.status is Status.MATCH and key is not None:
                    for expectation in wrong_expectations(by_key[found.key], key, found):
                        answer = asked(spec, code, by_key[found.key], expectation)
                        yield Row(
                            path.stem, found.key, shown(expectation), str(answer.status), answer.actual, answer.reason
                        )
            if strangers:
                yield from _strangers(path.stem, spec, code, by_key)
    finally:
        session.close()


def _strangers(name: str, spec: Spec, code: ClassResult, claimed: dict[str, Claim]) -> Iterator[Row]:
    """Claims about everything that the spec says nothing about."""
    for key in vocab.KEYS.values():
        if key.id in claimed or key.group == "release":
            continue
        fact = code.sheet.facts.get(key.id)
        expectation: Expectation = something(key)
        if fact is not None and fact.value == getattr(expectation, "value", None):
            expectation = Exactly(next(wrong_values(key, fact.value)))
        claim = Claim(key.id, expectation, key.levels[0], SourceRef("nobody", "", ""), spec.path, 1)
        answer = asked(spec, code, claim, expectation)
        yield Row(name, key.id, shown(expectation), str(answer.status), answer.actual, answer.reason, stranger=True)


def by_key(rows: Iterable[Row]) -> Iterator[str]:
    """Per key: contradicted, undecided, wrongly matched; those that are not all contradicted."""
    keys: dict[str, Counter[str]] = {}
    for row in rows:
        keys.setdefault(row.key, Counter())[row.status] += 1
    total = Counter[str]()
    for counts in keys.values():
        total.update(counts)
    right = total["mismatch"] + total["missing"]
    yield f"{total.total()} wrong claims: {right} contradicted, {total['undecided']} undecided, {total['match']} wrongly matched"
    yield f"{'key':<36} {'contradicted':>12} {'undecided':>10} {'matched':>8}"
    for key, counts in sorted(keys.items(), key=lambda item: (-item[1]["match"], -item[1]["undecided"], item[0])):
        if counts["match"] or counts["undecided"]:
            yield f"{key:<36} {counts['mismatch'] + counts['missing']:>12} {counts['undecided']:>10} {counts['match']:>8}"


def main() -> None:
    """Check and print; the exit code says whether a wrong claim matched."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", type=Path, help="specs to alter (default: specs/*.yaml)")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--strangers", action="store_true", help="claim every key that a spec does not, too")
    parser.add_argument("--json", type=Path, help="write every row there")
    arguments = parser.parse_args()
    paths = sorted(arguments.specs or (REPOSITORY / "specs").glob("*.yaml"))
    rows: list[Row] = []
    with get_context("spawn").Pool(arguments.jobs, maxtasksperchild=8) as pool:
        for found in pool.imap_unordered(rows_of, [(str(path), arguments.strangers) for path in paths]):
            rows.extend(found)
    rows.sort(key=lambda row: (row.spec, row.key, row.wrong))
    own = [row for row in rows if not row.stranger]
    print("\n".join(by_key(own)))
    for row in rows:
        if row.status == "match":
            print(f"WRONGLY MATCHED {row.spec} {row.key}: {row.wrong}, the code has {row.actual}  {row.reason}")
    if arguments.strangers:
        print("\nkeys that the specs do not claim")
        print("\n".join(by_key([row for row in rows if row.stranger])))
    if arguments.json:
        keys = ("spec", "key", "wrong", "status", "actual", "reason", "stranger")
        text = json.dumps([{name: getattr(row, name) for name in keys} for row in rows], default=list, indent=1)
        arguments.json.write_text(text, encoding="utf-8")
    raise SystemExit(any(row.status == "match" for row in own))


if __name__ == "__main__":
    main()
