"""Damaged specs give problems with places, never an exception of another kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specdiff.errors import SpecError
from specdiff.spec.load import load_specs
from specdiff.vocab import KEYS

CASES = Path(__file__).parents[2] / "cases" / "spec" / "right"
FORMS = (CASES / "forms.yaml").read_text(encoding="utf-8")

_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["all", "1-3", "x", "10%"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["full", "moe", "a"]), inner, max_size=2)
    ),
    max_leaves=6,
)
_fields = ["value", "one_of", "pattern", "formula", "absent", "repeat", "tolerance", "level", "note", "known_deviation"]
_claim = st.dictionaries(st.sampled_from(_fields), _plain, min_size=1, max_size=4)
_cited = {"source": "paper", "where": "w", "quote": "q"}


def _load(text: str, folder: Path) -> None:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8", newline="\n")
    try:
        load_specs([path])
    except SpecError as error:
        assert error.problems
        assert all("\n" not in str(problem) and problem.message for problem in error.problems)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("specs")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(FORMS)), st.integers(0, 30), st.text(alphabet="{}[]:,-&*!#|>'\"\n \tab1%", max_size=6))
def test_damaged_text(folder: Path, start: int, length: int, put: str) -> None:
    _load(FORMS[:start] + put + FORMS[start + length :], folder)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(KEYS)), _claim, min_size=1, max_size=5))
def test_odd_claims(folder: Path, claims: dict[str, dict[str, object]]) -> None:
    content = {
        "specdiff": 1,
        "name": "toy",
        "sources": {"paper": {"title": "t", "url": "https://example.org"}},
        "claims": {key: _cited | claim for key, claim in claims.items()},
    }
    _load(json.dumps(content), folder)
