"""Setting the hooks that collect hidden states natively gives what interpreting the library's own function gives."""

from __future__ import annotations

from typing import Any

import pytest

from specdiff import pipeline
from specdiff.interp.dims import MADE
from specdiff.intrinsics import transformers_lib
from specdiff.options import Options
from specdiff.project.forward import forward
from specdiff.project.targets import resolve

SMALL = {
    "vision_config": {"model_type": "clip_vision_model", "num_hidden_layers": 3, "image_size": 28, "patch_size": 14},
    "text_config": {"model_type": "llama", "num_hidden_layers": 2},
}


def traced(monkeypatch: pytest.MonkeyPatch, natively: bool) -> list[Any]:
    with monkeypatch.context() as patch:
        if not natively:
            patch.delitem(transformers_lib.REPLACEMENTS, "recursively_install_hooks")
        (target,) = resolve("llava::LlavaForConditionalGeneration")
        program = pipeline.new_program(target, Options(use_cache=False))
        module = program.module(target.module)
        (cls,) = pipeline.model_classes(program, module, ("LlavaForConditionalGeneration",))
        MADE.clear()
        ran = forward(program, pipeline.build(program, target, cls, SMALL))
    assert ran.failure is None, ran.failure
    assert ran.trace is not None
    edges = [f"{caller.qualname if caller else ''} -> {callee.qualname}" for caller, callee in ran.edges]
    return [[op[:5] + op[6:] for op in ran.trace.ops], edges]


def test_hooks_are_set_where_the_library_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = traced(monkeypatch, natively=True)
    assert ours == traced(monkeypatch, natively=False)
    assert any("multi_modal_projector" in str(op) for op in ours[0]), (
        "it is given a hidden state that a hook has collected"
    )
