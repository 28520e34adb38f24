"""Hostile and broken input gives one line, quickly: no traceback, no hang, no code run."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specdiff.errors import SpecError
from specdiff.spec import document
from specdiff.spec.load import load_specs

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5000))

HOSTILE = {
    "laughs": (LAUGHS.encode(), "more than 100000 values"),
    "chain": (CHAIN.encode(), "nested more than 60 levels deep"),
    "deep_flow": (b"[" * 200_000, "nested more than 60 levels deep"),
    "deep_block": (b"".join(b" " * n + b"a:\n" for n in range(300)), "nested more than 60 levels deep"),
    "itself": (b"a: &a [*a]\n", "the alias *a has no anchor before it"),
    "large": (b"#" * 1_000_001, "larger than 1000000 bytes, which no spec is"),
    "binary": (b"name: \xff\xfe\n", "not UTF-8 text"),
    "nul": (b"name: a\nx: \x00\n", "YAML syntax: the character U+0000 is not allowed"),
    "long_integer": (b"specdiff: " + b"9" * 5000, "spec: format version 1 is the only one"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_one_line(name: str, tmp_path: Path) -> None:
    content, message = HOSTILE[name]
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_specs([path])
    assert any(problem.message.startswith(message) for problem in caught.value.problems)
    assert all("\n" not in str(problem) for problem in caught.value.problems)


def test_a_directory_is_not_a_spec(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        load_specs([tmp_path])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-5", 1e-5),
        ("1.0e-05", 1e-5),
        ("116.83e9", 116.83e9),
        ("1.", 1.0),
        (".5", 0.5),
        ("-3", -3),
        ("0x10", 16),
        ("010", 10),
        ("no", "no"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("true", True),
        ("~", None),
        ("", None),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_scalars_follow_the_core_schema(written: str, value: object) -> None:
    found = document.resolve(written)
    assert found == value and type(found) is type(value)


@given(st.text(max_size=200) | st.text(alphabet="{}[]:,-&*!#|>'\"\n ab1", max_size=80))
def test_reading_is_total(text: str) -> None:
    try:
        document.read(text, "x.yaml")
    except document.Unreadable as error:
        assert "\n" not in str(error.problem)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(alphabet="abc no:#", min_size=1, max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="abc", min_size=1), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_json_reads_as_itself(value: object) -> None:
    import json

    root, problems = document.read(json.dumps(value), "x.yaml")
    assert not problems
    assert root is not None
    assert document.plain(root) == value
