"""`draft` and `facts` as a user runs them, on models of the installed library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specdiff.cli import main

PAPER = """\
gpt-oss-120b consists of 36 layers (116.8B total parameters).
Each layer has 64 query heads of dimension 64 and uses 8 key-value heads.
"""

CASES = Path(__file__).parent.parent / "cases" / "facts"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.mark.parametrize("target", ["gpt_oss::GptOssForCausalLM", "t5::T5ForConditionalGeneration"])
def test_a_draft_holds_against_the_code_it_was_written_from(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "draft.yaml"
    assert main(["draft", target, "--output", str(spec)]) == 0
    code, out, _ = run(capsys, "check", str(spec), "--allow-todo", "--strict", "--format", "json")
    claims = json.loads(out)["results"][0]["claims"]
    assert {claim["key"]: claim["status"] for claim in claims if claim["status"] != "match"} == {}
    assert code == 0 and claims


def test_a_draft_is_refused_until_its_sources_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "draft.yaml"
    assert main(["draft", "gpt_oss::GptOssForCausalLM", "--output", str(spec)]) == 0
    code, out, err = run(capsys, "check", str(spec))
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert [line.rpartition(": ")[2] for line in lines[:-1]] == [
        "the source is still TODO; name the document that says it"
    ] * 5
    assert lines[-1].endswith("more claims have no source yet; name it, delete what none says, or pass --allow-todo")


def test_a_draft_says_first_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "draft", str(CASES / "unnamed.py"))
    none, record = out.index("# What the code has none of"), out.index("# Every operation")
    assert "absent: true" not in out[:none]
    assert (
        out.index("attention.heads:") < none < out.index("moe.experts:") < record < out.index("computation.operations:")
    )


def test_a_papers_words_are_proposed_beside_the_code_but_never_as_a_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "card.md").write_text(PAPER)
    (tmp_path / "card.html").write_text(f"<html><script>64 layers</script><p>{PAPER}</p></html>")
    for name in ("card.md", "card.html"):
        _, out, _ = run(capsys, "draft", "gpt_oss::GptOssForCausalLM", "--from", str(tmp_path / name))
        lines = out.splitlines()
        heads = next(index for index, line in enumerate(lines) if line.startswith("  attention.kv_heads:"))
        assert "source: TODO" in lines[heads]
        assert lines[heads + 1].startswith(f"  #   {name} line ") and "8: “" in lines[heads + 1]
        assert "same as the code" in lines[heads + 1]


def test_the_fact_sheet_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "facts", "gpt_oss::GptOssForCausalLM", "--memory", "80GiB", "--format", "json")
    sheet = json.loads(out)["classes"]["GptOssForCausalLM"]
    assert sum(sheet["parts"].values()) == sheet["total_parameters"] == 116_829_156_672
    assert sheet["parts"]["experts"] == 36 * 128 * (2880 * 5760 + 5760 + 2880 * 2880 + 2880)
    assert sheet["parts"]["router"] == 36 * (128 * 2880 + 128)
    assert sheet["parts"]["head"] == sheet["parts"]["embedding"] == 201088 * 2880
    assert sheet["fits"]["bfloat16"] is False
    for style in ("terminal", "markdown"):
        code, out, _ = run(capsys, "facts", "gpt_oss::GptOssForCausalLM", "--format", style)
        assert code == 0 and "114,701,598,720" in out


PARTS = {
    "embedding": 100 * 48 + 64 * 48,
    "attention": 3 * (144 * 48 + 144 + 48 * 48 + 48),
    "feed-forward": 3 * (96 * 48 + 96 + 48 * 96 + 48),
    "norms": 3 * 4 * 48 + 2 * 48,
    "head": 100 * 48,
}


def test_parts_are_told_by_the_data_that_pass_through_them(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "facts", str(CASES / "unnamed.py"), "--format", "json")
    sheet = json.loads(out)["classes"]["Net"]
    assert sheet["parts"] == PARTS
    assert (sheet["kv_cache_bytes_per_token"], sheet["kv_cache_format"]) == (3 * 2 * 48 * 2, "bfloat16")


def test_the_fact_sheet_folds_what_there_is_none_of(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "facts", str(CASES / "unnamed.py"))
    assert "Mixture of experts" in out[out.index("None of these") :]
    assert "none: attention.softcap, attention.clip_qkv" in out
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("facts", "gpt_oss", "--memory", "much"), "--memory: 'much' is no size; write one such as 24GiB or 80GB"),
        (("draft", "gpt_oss", "--from", "nowhere.md"), "nowhere.md: cannot be read: No such file or directory"),
        (("draft", "gpt_osss"), "gpt_osss: no such file, folder or model type; did you mean gpt_oss?"),
    ],
)
def test_wrong_input_is_one_line(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *arguments) == (2, "", message + "\n")
