"""Code that Python refuses with the published configuration: what the source says is then missing, not open."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from specdiff import api
from specdiff.options import Options
from specdiff.results import Status

CODE = """
from torch import nn
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel


class PartConfig(PreTrainedConfig):
    def __init__(self, width=4, **kwargs):
        self.width = width
        super().__init__(**kwargs)


class OuterConfig(PreTrainedConfig):
    def __init__(self, text_config=None, factor=2, vocab_size=8, **kwargs):
        self.text_config = PartConfig(**(text_config or {{}}))
        self.factor = factor
        self.vocab_size = vocab_size
        super().__init__(**kwargs)


class Model(PreTrainedModel):
    def __init__(self, config: OuterConfig):
        super().__init__(config)
        self.table = nn.Embedding(config.vocab_size, config.text_config.width)
        self.head = nn.Linear(config.text_config.width, {size})

    def forward(self, input_ids):
        return self.head(self.table(input_ids))
"""


@pytest.mark.parametrize(
    ("size", "config", "status", "reason"),
    [
        ("config.vocab_size", {"vocab_size": 9}, Status.MATCH, ""),
        ("config.height", {"vocab_size": 9}, Status.MISSING, "'OuterConfig' object has no attribute 'height'"),
        (
            "config.text_config.height",
            {"vocab_size": 9},
            Status.MISSING,
            "'PartConfig' object has no attribute 'height'",
        ),
        ("config.factor * 4", {"vocab_size": 9, "factor": None}, Status.MISSING, "unsupported operand type(s) for *"),
        ("[].height", {"vocab_size": 9}, Status.UNDECIDED, "proven only as declared"),
    ],
)
def test_setting_that_is_not_there(
    size: str, config: dict[str, object], status: Status, reason: str, tmp_path: Path
) -> None:
    code, spec = tmp_path / "modeling_part.py", tmp_path / "part.yaml"
    code.write_text(CODE.format(size=size), encoding="utf-8")
    where = {"source": "card", "where": "table 1", "quote": "nine tokens"}
    spec.write_text(
        yaml.safe_dump(
            {
                "specdiff": 1,
                "name": "part",
                "target": f"{code}::Model",
                "sources": {"card": {"title": "a card", "url": "https://example.org/card"}},
                "config": config,
                "config_source": {"source": "card", "where": "config.json"},
                "claims": {"vocab_size": {"value": 9, **where}},
            }
        ),
        encoding="utf-8",
    )

    (claim,) = api.check(spec, Options(use_cache=False, only=frozenset({"facts"}))).claims

    assert claim.status is status, claim.reason
    assert reason in claim.reason
