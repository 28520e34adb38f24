"""Two sides of what a part computes, given as `kind:digest`: where they part, and what merely follows from that."""

from __future__ import annotations

import pytest

from specdiff.results import Operation, OperationPart
from specdiff.review.operations import operations


def part(text: str, label: str = "model") -> OperationPart:
    """`add:1 mul:2` as two operations on lines 1 and 2."""
    return OperationPart(
        label,
        tuple(
            Operation(kind, digest, "m.py", line)
            for line, (kind, _, digest) in enumerate((each.partition(":") for each in text.split()), 1)
        ),
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("add:1 mul:2", "add:1 mul:2", []),
        ("add:1 mul:2", "mul:2 add:1", []),
        ("add:1 exp:2 mul:3", "add:1 log:4 mul:5", [(("exp",), ("log",), False)]),
        ("add:1 mul:2", "add:1 exp:3 mul:4", [((), ("exp",), False)]),
        ("add:1 exp:3 mul:4", "add:1 mul:2", [(("exp",), (), False)]),
        ("pow:1 mean:2 mul:3", "pow:4 mean:5 mul:6", [(("pow",), ("pow",), True)]),
        ("pow:1 mean:2 mul:3", "pow:1 mean:5 mul:6", [(("mean",), ("mean",), True)]),
        ("add:1 output:2", "add:1 output:2", []),
    ],
)
def test_where_two_sides_part(
    before: str, after: str, expected: list[tuple[tuple[str, ...], tuple[str, ...], bool]]
) -> None:
    found = operations([part(before)], [part(after)])
    assert [(change.before, change.after, change.reads) for change in found] == expected


def test_layers_that_became_two_kinds_stand_against_the_one_that_they_were() -> None:
    before = [part("add:1 mul:2", "layers.*{0-3}")]
    after = [part("add:1 mul:2", "layers.*{0,2}"), part("add:1 exp:7 mul:8", "layers.*{1,3}")]
    (change,) = operations(before, after)
    assert (change.part, change.before, change.after) == ("layers.*{1,3}", (), ("exp",))
    assert [step.line for step in change.after_evidence] == [2]


def test_what_follows_in_the_layers_is_not_told_beside_its_cause() -> None:
    before = [part("compare:1"), part("add:2 mul:3", "layers.*{0}"), part("add:4 mul:5", "layers.*{1}")]
    after = [part("equal:6"), part("add:7 mul:8", "layers.*{0}"), part("add:9 mul:0", "layers.*{1}")]
    assert [(change.part, change.after) for change in operations(before, after)] == [("model", ("equal",))]
    assert [change.part for change in operations(before[1:], after[1:])] == ["layers.*{0}"]
