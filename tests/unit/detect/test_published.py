"""The published gpt-oss code against its model card: as it is, and with one thing taken out of a copy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from specdiff import api
from specdiff.options import Options
from specdiff.project.targets import transformers_folder
from specdiff.results import ClaimResult, Status

SPEC = Path(__file__).parents[3] / "specs" / "gpt-oss-120b.yaml"


def claims(folder: Path, edits: dict[str, str]) -> dict[str, ClaimResult]:
    source = transformers_folder() / "models" / "gpt_oss"
    for name in ("modeling_gpt_oss.py", "configuration_gpt_oss.py"):
        text = re.sub(r"^from \.\.\.(\w+)", r"from transformers.\1", (source / name).read_text(), flags=re.MULTILINE)
        text = re.sub(r"^from \.\.\. import", "from transformers import", text, flags=re.MULTILINE)
        for old, new in edits.items():
            assert name.startswith("configuration") or old in text
            text = text.replace(old, new)
        (folder / name).write_text(text)
    target = f"{folder / 'modeling_gpt_oss.py'}::GptOssForCausalLM"
    result = api.check(SPEC, Options(use_cache=False, only=frozenset({"facts"})), target)
    return {claim.key: claim for claim in result.claims}


def test_every_claim_about_attention_and_positions_matches(tmp_path: Path) -> None:
    found = claims(tmp_path, {})
    wrong = {key: claim.reason for key, claim in found.items() if claim.status is not Status.MATCH}
    assert wrong == {}
    lines = (tmp_path / "modeling_gpt_oss.py").read_text().splitlines()
    shown = {
        "attention.sinks": "combined_logits = torch.cat([attn_weights, sinks], dim=-1)",
        "attention.sinks.dropped": "scores = probs[..., :-1]",
        "attention.scale": "* scaling",
        "attention.bias.q": "self.q_proj(hidden_states)",
        "moe.experts_per_token": "torch.topk",
    }
    for key, words in shown.items():
        assert any(
            words in lines[step.line - 1] for step in found[key].evidence if step.file.endswith("modeling_gpt_oss.py")
        ), key


@pytest.mark.parametrize(
    ("edits", "key", "status"),
    [
        (
            {"torch.cat([attn_weights, sinks], dim=-1)": "attn_weights", "probs[..., :-1]": "probs"},
            "attention.sinks",
            Status.MISSING,
        ),
        ({"torch.topk(router_logits, self.top_k": "torch.topk(router_logits, 2"}, "moe.experts_per_token", Status.MISMATCH),
        ({"self.sliding_window = config.sliding_window if": "self.sliding_window = 0 if"}, "attention.heads", Status.MATCH),
        ({"self.head_dim**-0.5": "self.head_dim**-1.0"}, "attention.scale", Status.MISMATCH),
    ],
)  # fmt: skip
def test_a_change_of_the_code_shows(edits: dict[str, str], key: str, status: Status, tmp_path: Path) -> None:
    found = claims(tmp_path, edits)
    assert found[key].status is status, found[key]
