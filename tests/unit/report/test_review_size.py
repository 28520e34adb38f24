"""The comment on a pull request that changes hundreds of models: below GitHub's limit, what is wrong before what does not fit."""

from __future__ import annotations

import pytest

from specdiff.facts import Evidence, Level
from specdiff.report.review import render
from specdiff.results import Confidence, Finding, Severity
from specdiff.review.model import ClassReview, FactChange, OperationChange, Review, Standing

LIMIT = 65_536
"""Characters that a comment on GitHub may have."""


def changed(number: int, facts: int) -> ClassReview:
    step = Evidence(f"src/models/m{number}/modeling_m{number}.py", 7, 7, "the product")
    found = tuple(
        FactChange(f"attention.fact_{key}", "changed", number, key, Level.USED, (step,), (step,))
        for key in range(facts)
    )
    finding = Finding("x.y", Severity.WARNING, Confidence.HIGH, "words " * 40, step, ())
    done = OperationChange("model.layers.*{0-31}", ("mul(weight)",) * 50, ("add(bias)",) * 50, (step,), (step,))
    return ClassReview(
        f"M{number}Model", step.file, Standing.CHANGED, "masks.py", found, (), (finding,) * 3, (), None, None,
        operations=(done,) * 3,
    )  # fmt: skip


@pytest.mark.parametrize(("models", "facts"), [(1, 3), (8, 80), (200, 2), (2, 500)])
def test_a_comment_is_never_too_long(models: int, facts: int) -> None:
    names = tuple(f"src/models/n{number}/modeling_n{number}.py" for number in range(models * 3))
    result = Review(
        "b" * 40, "", ("masks.py",), tuple(changed(number, facts) for number in range(models)), (), ("a problem",) * models * 20,
        notes=("a note",), unread=names, behind=names,
    )  # fmt: skip
    page = render(result, "markdown", color=False)
    assert len(page.encode()) < LIMIT
    assert page.count("<details>") == page.count("</details>")
    assert "a note" in page
    assert f"{models * 3} more model files use what changed" in page
    shown = page.count("M0Model")
    assert shown or "more sections do not fit" in page
