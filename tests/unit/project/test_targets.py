"""Names of models as published configurations write them, and the files of the installed library that they stand for."""

from __future__ import annotations

import pytest

from specdiff.errors import SpecdiffError
from specdiff.project.targets import resolve


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("llama", "llama/modeling_llama.py"),
        ("gpt-oss", "gpt_oss/modeling_gpt_oss.py"),
        ("sew-d", "sew_d/modeling_sew_d.py"),
        ("clip_vision_model", "clip/modeling_clip.py"),
        ("siglip_text_model", "siglip/modeling_siglip.py"),
    ],
)
def test_a_model_type_stands_for_its_file(name: str, file: str) -> None:
    (target,) = resolve(name)
    assert target.path.as_posix().endswith(f"/models/{file}")


@pytest.mark.parametrize("name", ["no-such-model-at-all", "no_such_model_at_all", "vision_model"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(SpecdiffError, match="no such file, folder or model type"):
        resolve(name)
